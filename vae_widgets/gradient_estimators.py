import math
from typing import Any

import torch
import traitlets

from .base import BookWidget, answer_trait

SAMPLES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]
FUNCTIONS = ["square", "shifted", "step"]


class GradientEstimators(BookWidget, script="gradient_estimators.js"):
    """Two estimates of d/dm E[f(z)], z ~ N(m, v), from the same draws: reparameterised, and by the score function.

    Traits: f, "square" (z²), "shifted" (z² + 10) or "step" (1 where z > 1, else 0); m, v (a variance); baseline, to
    take the mean of f from f; n, the number of draws whose mean is shown; seed, which 10,000 draws come from.
    `exact` is the gradient that both estimate.
    """

    f = traitlets.Enum(FUNCTIONS, "square").tag(sync=True)
    m = traitlets.Float(1.0).tag(sync=True)
    v = traitlets.Float(0.25).tag(sync=True)
    baseline = traitlets.Bool(False, help="subtract the mean of f in the score function").tag(sync=True)
    n = traitlets.Int(100).tag(sync=True)
    seed = traitlets.Int(1).tag(sync=True)
    answer = answer_trait()
    state = ("f", "m", "v", "baseline", "n", "seed", "answer")

    samples = traitlets.List(traitlets.Int(), SAMPLES).tag(sync=True)
    functions = traitlets.List(traitlets.Unicode(), FUNCTIONS).tag(sync=True)

    def __init__(self, *, name: str = "gradients", **traits: Any):
        limits = {"m": (-2, 2), "v": (0.1, 2), "n": (1, SAMPLES[-1]), "seed": (1, 1_000_000)}
        super().__init__(name=name, limits=limits, **traits)

    @property
    def exact(self) -> float:
        """d/dm E[f(z)], a number: 2m for z² and z² + 10; for the step, the density of z at 1."""
        if self.f == "step":
            return torch.distributions.Normal(self.m, math.sqrt(self.v)).log_prob(torch.tensor(1.0)).exp().item()
        return 2 * self.m
