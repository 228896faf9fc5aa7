"""What the chapters show: the interactive widgets, and the figures' common style.

`plt.style.use("vae_widgets.book")` loads the style of the figures; `vae_widgets.plots` has the colours and the few
drawings that chapters share. A widget takes any model of vae_core, also one that was trained a minute ago; all of its
arithmetic runs in the browser, and its state can be read and set from Python.
"""

from .base import Mixture, Network
from .latent_plane import LatentPlane

__all__ = ["LatentPlane", "Mixture", "Network"]
