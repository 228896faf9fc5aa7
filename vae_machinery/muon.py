"""An optimiser for the matrices of layers."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor


class Muon(torch.optim.Optimizer):
    """Momentum, with each step of a matrix made nearly orthogonal. Jordan et al. (2024).

    However unequal the singular values of the averaged gradient are, those of the step are
    about 1, times lr: directions that seldom matter are learned as fast as the others.
    torch.optim.Muon does this in bfloat16 alone, which takes a hundred times as long where
    the hardware has none; here it is float32, unless autocast says otherwise. Chapter 3.
    """

    def __init__(self, matrices: Iterable[Tensor], lr: float):
        super().__init__(matrices, dict(lr=lr))

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                mean = self.state[p].get("mean", torch.zeros_like(p)).lerp_(p.grad, 0.05)
                # What decays to nothing, as at pixels that are never on, is nothing: some processors
                # take a hundred times as long over numbers below 1e-38.
                mean = self.state[p]["mean"] = F.hardshrink(mean, 1e-20)
                ahead = p.grad.lerp(mean, 0.95)  # where the mean will be, as in Nesterov's momentum
                p.sub_(nearly_orthogonal(ahead), alpha=group["lr"] * max(1, p.shape[0] / p.shape[1]) ** 0.5)


def nearly_orthogonal(a: Tensor) -> Tensor:
    # The polynomial 3.4445 s - 4.775 s^3 + 2.0315 s^5 of each singular value s, by matrix products
    # alone: applied again and again, it multiplies small ones and brings the others near 1.
    x = a.T if a.shape[0] > a.shape[1] else a
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(3):  # five are usual, and no better here
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=-4.775, alpha=2.0315), x, beta=3.4445)
    return x.T if a.shape[0] > a.shape[1] else x
