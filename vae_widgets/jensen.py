from typing import Any

import torch
import traitlets

from .base import BookWidget, answer_trait

MOST = 6  # values on the curve


class Jensen(BookWidget, script="jensen.js"):
    """Jensen's inequality for the logarithm: a few positive values, and the gap between log E[t] and E[log t].

    Traits: n, how many values (3 to 6); values, six numbers from 0.1 to 6, of which the first n count; weights, as
    many numbers from 0.05 to 1, which count in proportion if `weighted`; tangent, show the line of the proof.
    `probabilities`, `log_of_mean`, `mean_of_logs` and `gap` are computed with PyTorch.
    """

    n = traitlets.Int(5).tag(sync=True)
    values = traitlets.List(traitlets.Float(), [0.2, 5.9, 1.9, 4.4, 0.6, 3.1]).tag(sync=True)
    weights = traitlets.List(traitlets.Float(), [0.5] * MOST).tag(sync=True)
    weighted = traitlets.Bool(False, help="with probabilities of their own, or all equal").tag(sync=True)
    tangent = traitlets.Bool(False, help="show the tangent above the mean").tag(sync=True)
    answer = answer_trait()
    state = ("n", "values", "weights", "weighted", "tangent", "answer")

    def __init__(self, *, name: str = "jensen", **traits: Any):
        limits = {"n": (3, MOST), "values": (0.1, 6, MOST), "weights": (0.05, 1, MOST)}
        super().__init__(name=name, limits=limits, **traits)

    @property
    def probabilities(self) -> torch.Tensor:
        weights = torch.tensor(self.weights[: self.n] if self.weighted else [1.0] * self.n, dtype=torch.double)
        return weights / weights.sum()

    @property
    def log_of_mean(self) -> float:
        return (self.probabilities @ torch.tensor(self.values[: self.n], dtype=torch.double)).log().item()

    @property
    def mean_of_logs(self) -> float:
        return (self.probabilities @ torch.tensor(self.values[: self.n], dtype=torch.double).log()).item()

    @property
    def gap(self) -> float:
        return self.log_of_mean - self.mean_of_logs
