"""What functions and bounds refuse: one clear message that says what was wanted and what was given."""

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)
_ON_TRUST = ContextVar("on_trust", default=False)


@contextlib.contextmanager
def on_trust(trusted: bool) -> Iterator[None]:
    """Inside, values are not looked at, only types and shapes: for `fit`, which has looked at all the data once."""
    token = _ON_TRUST.set(trusted)
    try:
        yield
    finally:
        _ON_TRUST.reset(token)


def check_shapes(**tensors: Tensor) -> None:
    for name, t in tensors.items():
        if t.dtype in HALF:
            raise ValueError(f"densities need float32 or float64, and {name} is {t.dtype}: give {name}.float()")
    for sizes in zip_longest(*(reversed(t.shape) for t in tensors.values()), fillvalue=1):
        if len({*sizes} - {1}) > 1:  # torch.broadcast_shapes says it, too, and takes as long as a layer
            shapes = ", ".join(f"{name} {tuple(t.shape)}" for name, t in tensors.items())
            raise ValueError(f"shapes must broadcast to one (..., dim); given {shapes}")


def holds(condition: Tensor) -> bool:
    """Whether it does, everywhere, as far as one can see: under torch.func.vmap and torch.compile, which would break
    its graph, nobody can look at values."""
    if torch.compiler.is_compiling():
        return True
    try:
        return bool(condition.all())
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        return True


def check_variance(v: Tensor) -> None:
    if not _ON_TRUST.get() and not holds(v > 0):  # also refuses NaN
        raise ValueError(
            f"variances must be positive; the smallest given is {v.min():g} "
            "(v is a variance: neither its logarithm nor NaN)"
        )


def check_unit_range(x: Tensor) -> None:
    if not x.is_floating_point():
        raise ValueError(f"wanted floats in [0, 1]; given dtype {x.dtype}")
    if not x.numel():
        raise ValueError(f"wanted values in [0, 1]; given none, shape {tuple(x.shape)}")
    if _ON_TRUST.get():
        return
    low, high = x.detach().aminmax()
    if not holds((low >= 0) & (high <= 1)):  # also refuses NaN
        raise ValueError(f"wanted values in [0, 1]; given {low:g} to {high:g}")


def check_tensor(t: Any, name: str) -> None:
    if not isinstance(t, Tensor):
        raise ValueError(f"wanted {name} as a tensor; given {type(t).__name__}")


def check_number(x: Any, name: str, most: float = math.inf) -> float:
    try:
        number = float(x)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= most or number == math.inf:
        raise ValueError(
            f"{name} must be a number {f'from 0 to {most}' if most < math.inf else 'of at least 0'}; given {x!r}"
        )
    return number


def check_count(n: Any, name: str) -> int:
    try:
        whole = int(n) == n and n >= 1
    except (TypeError, ValueError, OverflowError):  # None, NaN, infinity
        whole = False
    if not whole:
        raise ValueError(f"{name} must be a whole number of at least 1; given {n!r}")
    return int(n)
