from typing import Any

import torch
import traitlets

from .base import BookWidget, answer_trait

DRAWS = 12
SEEDS = (1, 1_000_000)


class Reparameterise(BookWidget, script="reparameterise.js"):
    """Hold the noise fixed and move m and v: every draw z = m + sqrt(v) * epsilon moves along.

    Traits: m, v (a variance); seed, which the draws of epsilon come from; draw, the one that is looked at, 0 to 11.
    `z` are the twelve draws, and `gradient` is that of the chosen one with respect to m and v, by autograd.
    """

    m = traitlets.Float(1.0).tag(sync=True)
    v = traitlets.Float(0.5).tag(sync=True)
    draw = traitlets.Int(9).tag(sync=True)
    seed = traitlets.Int(7).tag(sync=True)
    answer = answer_trait()
    state = ("m", "v", "draw", "seed", "answer")

    epsilon = traitlets.List(traitlets.Float(), help="the noise of this seed, from the front end").tag(sync=True)

    def __init__(self, *, name: str = "reparameterise", **traits: Any):
        limits = {"m": (-2, 2), "v": (0.1, 2), "draw": (0, DRAWS - 1), "seed": SEEDS}
        super().__init__(name=name, limits=limits, **traits)

    @property
    def z(self) -> torch.Tensor:
        """The draws z = m + sqrt(v) * epsilon, a tensor; empty until the widget has been shown."""
        return self.m + self.v**0.5 * torch.tensor(self.epsilon)

    @property
    def gradient(self) -> tuple[float, ...] | None:
        """dz/dm and dz/dv of the chosen draw, by autograd; None until the widget has been shown."""
        if not self.epsilon:
            return None
        m, v = (torch.tensor(value, requires_grad=True) for value in (self.m, self.v))
        return tuple(t.item() for t in torch.autograd.grad(m + v.sqrt() * self.epsilon[self.draw], (m, v)))
