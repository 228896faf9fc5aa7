"""What the chapters show: the interactive widgets, and the figures' common style.

`plt.style.use("vae_widgets.book")` loads the style of the figures; `vae_widgets.plots` has the colours and the few
drawings that chapters share. A widget takes any model of vae_core, also one that was trained a minute ago, and
follows one in training by `refresh()`. Its arithmetic runs in the browser; what that does not know is refused, or drawn
by Python where Jupyter runs it. Its state can be read and set from Python.
"""

from .base import Mixture, Network
from .components import Components
from .draw_digit import DrawDigit
from .faces import Faces
from .gaussian_prior import GaussianPrior
from .gradient_estimators import GradientEstimators
from .gradient_noise import GradientNoise
from .integral import Integral
from .iwae_bound import IwaeBound
from .jensen import Jensen
from .latent_plane import LatentPlane
from .latent_traversal import LatentTraversal
from .machine import Machine
from .named_clusters import NamedClusters
from .one_latent import OneLatent
from .posterior_ellipse import PosteriorEllipse
from .predict import Predict, Quiz, Try
from .reparameterise import Reparameterise
from .sampled_kl import SampledKl
from .style_content import StyleContent
from .sweep import Sweep
from .train_vae import TrainingDigits, TrainVAE

__all__ = [
    "Components",
    "DrawDigit",
    "Faces",
    "GaussianPrior",
    "GradientEstimators",
    "GradientNoise",
    "Integral",
    "IwaeBound",
    "Jensen",
    "LatentPlane",
    "LatentTraversal",
    "Machine",
    "Mixture",
    "NamedClusters",
    "Network",
    "OneLatent",
    "PosteriorEllipse",
    "Predict",
    "Quiz",
    "Reparameterise",
    "SampledKl",
    "StyleContent",
    "Sweep",
    "TrainVAE",
    "TrainingDigits",
    "Try",
]
