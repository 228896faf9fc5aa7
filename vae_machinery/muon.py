"""Optimisers, one of them for the matrices of layers, and their rate."""

import torch
import torch.nn.functional as F


class Muon(torch.optim.Optimizer):
    """Momentum, with each step of a matrix made nearly orthogonal. Jordan et al. (2024).

    However unequal the singular values of the averaged gradient are, those of the step are
    about 1, times lr: directions that seldom matter are learned as fast as the others.
    torch.optim.Muon does this in bfloat16 alone, which takes a hundred times as long where
    the hardware has none; here it is float32, unless autocast says otherwise.
    """

    def __init__(self, matrices, lr):
        super().__init__(matrices, dict(lr=lr))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                mean = self.state[p].get("mean", torch.zeros_like(p)).lerp_(p.grad, 0.05)
                # What decays to nothing, as at pixels that are never on, is nothing: some processors
                # take a hundred times as long over numbers below 1e-38.
                mean = self.state[p]["mean"] = F.hardshrink(mean, 1e-20)
                ahead = p.grad.lerp(mean, 0.95)  # where the mean will be, as in Nesterov's momentum
                p.sub_(_nearly_orthogonal(ahead), alpha=group["lr"] * max(1, p.shape[0] / p.shape[1]) ** 0.5)


def _nearly_orthogonal(a):
    # The polynomial 3.4445 s - 4.775 s^3 + 2.0315 s^5 of each singular value s, by matrix products
    # alone: applied again and again, it multiplies small ones and brings the others near 1.
    x = a.T if a.shape[0] > a.shape[1] else a
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(3):  # five are usual, and no better here
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=-4.775, alpha=2.0315), x, beta=3.4445)
    return x.T if a.shape[0] > a.shape[1] else x


def optimizers_for(name, parameters, learning_rate, device):
    """A list: Adam; or Muon for the matrices, and Adam at a third of the rate for the rest."""
    if name not in ("adam", "muon"):
        raise ValueError(f'optimizer must be "adam" or "muon"; given {name!r}')
    fused = True if device.type in ("cpu", "cuda") else None  # None: as torch thinks best
    matrices = [p for p in parameters if name == "muon" and p.dim() == 2]
    rest = [p for p in parameters if name == "adam" or p.dim() != 2]
    return ([Muon(matrices, learning_rate)] if matrices else []) + ([torch.optim.Adam(
        rest, learning_rate / 3 if name == "muon" else learning_rate, fused=fused)] if rest else [])


def one_cycle(step, steps, peak):
    """The rate at a step: up to the peak in the first twentieth of the steps, then down to nearly 0, along lines.

    It is torch's OneCycleLR with pct_start=0.051 (0.05 fails at 20 steps), without its cost at each step.
    """
    low, end, top = peak / 25, peak / 25 / 1e4, 0.051 * steps - 1
    if step <= top:
        return (peak - low) * (step / top) + low
    return (end - peak) * ((min(step, steps - 1) - top) / (steps - 1 - top)) + peak
