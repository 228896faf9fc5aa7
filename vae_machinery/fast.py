"""Derivatives written out, where autograd takes several times as long: of log Bernoulli and of ELU."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vae_machinery.checks import holds


def log_bernoulli(x: Tensor, a: Tensor) -> Tensor:
    """sum_i x_i a_i - log(1 + e^a_i) over the last dimension; -inf where an infinite logit is wrong."""
    return _apply(_LogBernoulli, _plain_log_bernoulli, x, a)


def elu(x: Tensor) -> Tensor:
    """x where x > 0, else e^x - 1."""
    return _apply(_ELU, F.elu, x)


class _LogBernoulli(torch.autograd.Function):
    """sum_i x_i a_i - log(1 + e^a_i), whose derivatives are x - sigmoid(a) and a: one pass back, not six."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor) -> Tensor:
        ctx.save_for_backward(x, a)
        if a.dim() <= x.dim() or not len(a):
            return _bernoulli_sum(x, a)
        some = max(1, 2**18 // max(1, a[0].numel()))  # samples at a time, so that they stay in the cache
        return torch.cat([_bernoulli_sum(x, part) for part in a.split(some)])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor]:
        x, a = ctx.saved_tensors
        grad = grad.unsqueeze(-1)
        to_x = (grad * a).sum_to_size(x.shape) if ctx.needs_input_grad[0] else None
        return to_x, _times(x - a.sigmoid(), grad).sum_to_size(a.shape)


def _times(t: Tensor, grad: Tensor) -> Tensor:
    """t * grad, in the place of t (faster) unless vmap, with a batch of gradients, has no room for them there."""
    try:
        return t.mul_(grad)
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        return t * grad


def _bernoulli_sum(x: Tensor, a: Tensor) -> Tensor:
    # log(1 + e^a) = max(a, 0) - log sigmoid(|a|), and one logarithm serves a product of up to 126 pixels: each
    # factor is at least 1/2, and 2^-126 is the smallest normal number in single precision. A logarithm each, or
    # torch's log1p, takes several times as long.
    dim = a.shape[-1]
    parts = next(n for n in range(max(1, math.ceil(dim / 126)), dim + 2) if dim % n == 0)  # 7 of 784 pixels
    log_sigmoid = a.abs().sigmoid_().unflatten(-1, (parts, dim // parts)).prod(-1).log_().sum(-1)
    log_p = (x * a).sub_(a.relu()).sum(-1).add_(log_sigmoid)
    if not holds(log_p == log_p):
        log_p = _plain_log_bernoulli(x, a)
    return log_p


def _plain_log_bernoulli(x: Tensor, a: Tensor) -> Tensor:
    each = x * a + F.logsigmoid(-a)
    return torch.where(a.isinf(), torch.where(x == (a > 0), 0.0, -math.inf), each).sum(-1)


def _apply(function: type[torch.autograd.Function], plain: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """A function with a derivative of its own; or else, under torch.func and torch.compile, the plain one, which they
    can take apart."""
    if torch.compiler.is_compiling():
        return plain(*inputs)
    try:
        return function.apply(*inputs)
    except RuntimeError as error:
        if "functorch" not in str(error):
            raise
        return plain(*inputs)


class _ELU(torch.autograd.Function):  # of exp alone: torch's expm1, in F.elu, takes up to ten times as long
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        wide = x.float() if x.dtype == torch.bfloat16 else x  # near 0, e^x - 1 cancels
        below = wide.clamp(max=0).exp_().sub_(1)
        y = torch.maximum(wide, below, out=below).to(x.dtype)
        ctx.save_for_backward(x if x.dtype == torch.bfloat16 else y)  # of e^x, y + 1 is exact in full precision alone
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        below = ctx.saved_tensors[0].clamp(max=0)
        return grad * (below.exp() if below.dtype == torch.bfloat16 else below.add_(1))  # the slope is 1, or e^x
