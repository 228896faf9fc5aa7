from typing import Any

import traitlets

from .base import BookWidget

VARIANCES = [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 2, 2.5, 3, 3.5, 4]
WEIGHTS = [1, 2, 5, 10]


class GradientNoise(BookWidget, script="gradient_noise.js"):
    """Two gradients of the bound with respect to q's mean, plain and doubly reparameterised: which scatters more?

    The posterior is N(0, 1), and q is N(0, v). Traits: v, the variance of q, 0.2 to 4; k, the number of weights in the
    bound, 1 to 10. `noise` are the variances of both gradients where one weight is in it.
    """

    v = traitlets.Float(0.3).tag(sync=True)
    k = traitlets.Int(1).tag(sync=True)
    state = ("v", "k")

    variances = traitlets.List(traitlets.Float(), VARIANCES).tag(sync=True)
    weights = traitlets.List(traitlets.Int(), WEIGHTS).tag(sync=True)

    def __init__(self, *, name: str = "gradient-noise", **traits: Any):
        limits = {"v": (VARIANCES[0], VARIANCES[-1]), "k": (WEIGHTS[0], WEIGHTS[-1])}
        super().__init__(name=name, limits=limits, **traits)

    @property
    def noise(self) -> tuple[float, float]:
        """Variance of a single gradient at k = 1: the plain one's, and the doubly reparameterised one's."""
        return self.v, (self.v**-0.5 - self.v**0.5) ** 2
