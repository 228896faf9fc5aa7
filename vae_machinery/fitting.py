"""What `fit` needs around its loop: a device, optimisers and their rate, and the model's state put back."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from vae_machinery.muon import Muon


def device_for(name: str | torch.device, dtype: torch.dtype) -> torch.device:
    """What "auto" takes: a GPU that knows the precision, if there is one. Raises ValueError for an unknown name."""
    if name == "auto":
        mps = torch.backends.mps.is_available() and dtype == torch.float32
        name = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(f'device must be "auto" or one of torch\'s; given {name!r} ({error})') from None


def optimizers_for(
    name: str, parameters: Sequence[nn.Parameter], learning_rate: float, device: torch.device
) -> list[torch.optim.Optimizer]:
    """A list: Adam; or Muon for the matrices, and Adam at a third of the rate for the rest."""
    if name not in ("adam", "muon"):
        raise ValueError(f'optimizer must be "adam" or "muon"; given {name!r}')
    fused = True if device.type in ("cpu", "cuda") else None  # None: as torch thinks best
    matrices = [p for p in parameters if name == "muon" and p.dim() == 2]
    rest = [p for p in parameters if name == "adam" or p.dim() != 2]
    return ([Muon(matrices, learning_rate)] if matrices else []) + (
        [torch.optim.Adam(rest, learning_rate / 3 if name == "muon" else learning_rate, fused=fused)] if rest else []
    )


def one_cycle(step: int, steps: int, peak: float) -> float:
    """The rate at a step: up to the peak in the first twentieth of the steps, then down to nearly 0, along lines.

    It is torch's OneCycleLR with pct_start=0.051 (0.05 fails at 20 steps), without its cost at each step.
    """
    low, end, top = peak / 25, peak / 25 / 1e4, 0.051 * steps - 1
    if step <= top:
        return (peak - low) * (step / top) + low
    return (end - peak) * ((min(step, steps - 1) - top) / (steps - 1 - top)) + peak


@contextlib.contextmanager
def left_as_it_was(model: nn.Module) -> Iterator[None]:
    """Afterwards, but for its weights: its device, the modes of its modules, its beta; and no gradients are left."""
    home, modes = next(model.parameters()).device, [(module, module.training) for module in model.modules()]
    beta = getattr(model, "beta", None)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        if beta is not None:
            model.beta = beta
        model.to(home)
        model.zero_grad()


def check_finite(loss: float, step: int, epoch: int, rate: float, checkpoint: Path | None) -> None:
    if not math.isfinite(loss):
        stands = f"; {checkpoint} has what was before epoch {epoch}" if checkpoint and checkpoint.exists() else ""
        raise FloatingPointError(
            f"the loss is {loss} at step {step} (epoch {epoch}, learning rate {rate:.2g}): train at a lower rate, or "
            f"look for what no bound can bear in the data or the networks{stands}"
        )
