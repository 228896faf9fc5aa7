"""What the chapters show: the interactive widgets, and the figures' common style.

`plt.style.use("vae_widgets.book")` loads the style of the figures; `vae_widgets.plots` has the colours and the few
drawings that chapters share.
"""
