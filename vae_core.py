"""Variational autoencoders on binary images, from the densities to trained models.

One quantity is behind everything here: the log importance weight of a latent z drawn
from the encoder q(z|x),

    log w = log p(x, z) - log q(z|x),          z ~ q(z|x).

Its mean is the ELBO. The log of the mean of m weights is the IWAE bound, and the same
with m = 5000 estimates log p(x). A GMVAE changes log p(z) and nothing else; an SSVAE
adds a label y that is drawn, or summed over, together with z.

Read from top to bottom: densities, networks, models and their bounds, evaluation,
data, training, trained models. All logarithms are natural, so every bound is in nats;
`v` is always a variance. "Notes" are the lecture notes that the book follows, and
book/from_the_notes.md says where each of their equations is derived.
"""

import contextlib
import functools
import hashlib
import inspect
import io
import json
import lzma
import math
import os
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
BOOK = HERE / ("vae_book" if (HERE / "vae_book").is_dir() else "book")  # as installed, and in the repository

# ------------------------------------------------------------------------------------
# Densities. Each sums over the last dimension, and over nothing else.
# ------------------------------------------------------------------------------------


def sample_gaussian(m, v):
    """Draw z = m + sqrt(v) * eps with eps ~ N(0, I): the reparameterisation trick.

    m, v: mean and variance, of one shape (batch, ...). Returns z of that shape, through
    which gradients reach m and v. Raises ValueError if the shapes differ or a variance is
    not positive. Notes §5.1; chapter 3.
    """
    if m.shape != v.shape:
        raise ValueError(f"wanted m and v of one shape; given {tuple(m.shape)} and {tuple(v.shape)}")
    _check_variance(v)
    return m + v.sqrt() * torch.randn_like(m)


def gaussian_parameters(h, dim=-1):
    """Split h in half along `dim` into a mean and a variance, softplus(h_2) + 1e-8 > 0.

    h: (..., 2n, ...) -> m, v: (..., n, ...). Raises ValueError if the size is odd.
    Notes §3.1 (which uses the log-variance instead); chapter 3.
    """
    if h.shape[dim] % 2:
        raise ValueError(f"h needs an even size along dim {dim}, a mean and a variance "
                         f"for each latent; its shape is {tuple(h.shape)}")
    m, h_v = h.chunk(2, dim)
    return m, F.softplus(h_v) + 1e-8


def log_normal(x, m, v):
    """log N(x; m, diag(v)), in nats. Notes §5.4, eq. 13; chapters 1 and 5.

    x, m, v: (..., dim), broadcast together; v is a variance. Returns (...).
    Raises ValueError if shapes do not broadcast or a variance is not positive.
    """
    _check_shapes(x=x, m=m, v=v)
    _check_variance(v)
    return -0.5 * (math.log(2 * math.pi) + v.log() + (x - m) ** 2 / v).sum(-1)


def log_normal_mixture(z, m, v):
    """log (1/k) sum_j N(z; m_j, diag(v_j)), in nats. Notes §5.5; chapter 5.

    z: (batch, dim); m, v: (1 or batch, k, dim), the k components, weighted equally.
    Returns (batch,). Raises ValueError on other shapes or a variance that is not positive.
    """
    if z.dim() != 2 or m.dim() != 3 or m.shape != v.shape or m.shape[2] != z.shape[1] or len(m) not in (1, len(z)):
        raise ValueError("wanted z: (batch, dim) and m, v: (1 or batch, k, dim); given "
                         f"z {tuple(z.shape)}, m {tuple(m.shape)}, v {tuple(v.shape)}")
    return log_mean_exp(log_normal(z.unsqueeze(1), m, v), dim=1)


def log_bernoulli_with_logits(x, logits):
    """log p(x) of independent pixels with p(x_i = 1) = sigmoid(logits_i), in nats.

    x, logits: (..., dim), broadcast together; x is 0 or 1 (at a grey level in between,
    this is minus the cross-entropy and no log-probability). An infinite logit adds 0 where x
    is on its side, and -inf elsewhere. Returns (...). Raises ValueError if shapes do not
    broadcast, or x leaves [0, 1]. Notes §3.2.1 and eq. 12; chapter 3.
    """
    if logits.dtype in _HALF:  # a network's under autocast
        logits = logits.float()
    x = x.to(logits.dtype)
    _check_shapes(x=x, logits=logits)
    if x.numel():
        _check_unit_range(x)
    if logits.shape[-1] == 1:
        logits = logits.expand(*logits.shape[:-1], x.shape[-1])
    return _apply(_LogBernoulli, _plain_log_bernoulli, x, logits)


class _LogBernoulli(torch.autograd.Function):
    """sum_i x_i a_i - log(1 + e^a_i), whose derivatives are x - sigmoid(a) and a: one pass back, not six."""

    @staticmethod
    def forward(ctx, x, a):
        ctx.save_for_backward(x, a)
        if a.dim() <= x.dim() or not len(a):
            return _bernoulli_sum(x, a)
        some = max(1, 2**18 // max(1, a[0].numel()))  # samples at a time, so that they stay in the cache
        return torch.cat([_bernoulli_sum(x, part) for part in a.split(some)])

    @staticmethod
    def backward(ctx, grad):
        x, a = ctx.saved_tensors
        grad = grad.unsqueeze(-1)
        to_x = (grad * a).sum_to_size(x.shape) if ctx.needs_input_grad[0] else None
        return to_x, _times(x - a.sigmoid(), grad).sum_to_size(a.shape)


def _times(t, grad):
    """t * grad, in the place of t (faster) unless vmap, with a batch of gradients, has no room for them there."""
    try:
        return t.mul_(grad)
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        return t * grad


def _bernoulli_sum(x, a):
    # log(1 + e^a) = max(a, 0) - log sigmoid(|a|), and one logarithm serves a product of up to 126 pixels: each
    # factor is at least 1/2, and 2^-126 is the smallest normal number in single precision. A logarithm each, or
    # torch's log1p, takes several times as long.
    dim = a.shape[-1]
    parts = next(n for n in range(max(1, math.ceil(dim / 126)), dim + 2) if dim % n == 0)  # 7 of 784 pixels
    log_sigmoid = a.abs().sigmoid_().unflatten(-1, (parts, dim // parts)).prod(-1).log_().sum(-1)
    log_p = (x * a).sub_(a.relu()).sum(-1).add_(log_sigmoid)
    if not _holds(log_p == log_p):
        log_p = _plain_log_bernoulli(x, a)
    return log_p


def _plain_log_bernoulli(x, a):
    each = x * a + F.logsigmoid(-a)
    return torch.where(a.isinf(), torch.where(x == (a > 0), 0.0, -math.inf), each).sum(-1)


def _apply(function, plain, *inputs):
    """A function with a derivative of its own; or else, under torch.func, the plain one, which it can take apart."""
    try:
        return function.apply(*inputs)
    except RuntimeError as error:
        if "functorch" not in str(error):
            raise
        return plain(*inputs)


def kl_normal(qm, qv, pm, pv):
    """KL(N(qm, diag(qv)) || N(pm, diag(pv))) in closed form, in nats, and never below 0.

    All (..., dim), broadcast together; qv and pv are variances. Returns (...).
    Raises ValueError if shapes do not broadcast or a variance is not positive.
    Notes §3.2; chapter 2.
    """
    _check_shapes(qm=qm, qv=qv, pm=pm, pv=pv)
    _check_variance(qv)
    _check_variance(pv)
    return _not_below_zero(0.5 * (pv.log() - qv.log() + (qv + (qm - pm) ** 2) / pv - 1).sum(-1))


def kl_cat(q, log_q, log_p):
    """KL(q || p) of two categorical distributions, in nats, never below 0. Notes §5.7; chapter 7.

    q: (..., k) probabilities; log_q, log_p: (..., k) or numbers. Returns (...). A class
    with q = 0 adds 0, to the gradient, too. That passes through q, with log_q as its
    logarithm, and through log_p. Raises ValueError if shapes do not broadcast.
    """
    q = q if q.is_floating_point() else q.float()
    log_q, log_p = (t if isinstance(t, torch.Tensor) else q.new_tensor(t) for t in (log_q, log_p))
    _check_shapes(q=q, log_q=log_q, log_p=log_p)
    log_of_q = torch.where(q > 0, q, 1).log()  # q.log() has no slope at q = 0: its value is log_q, its slope this one's
    log_ratio = torch.where(q > 0, log_q.detach() + (log_of_q - log_of_q.detach()) - log_p, 0)
    return _not_below_zero((q * log_ratio).sum(-1))


def _not_below_zero(kl):
    return kl - kl.detach().clamp(max=0)  # what rounding took away; the gradient stays as it is


def log_mean_exp(x, dim):
    """log of the mean of exp(x) along `dim`, without overflow; all -inf gives -inf.

    Raises ValueError if there is nothing to average. Notes §5.5 and eq. 3; chapter 6.
    """
    if x.shape[dim] == 0:
        raise ValueError(f"nothing to average: x has shape {tuple(x.shape)}, dim={dim}")
    return x.logsumexp(dim) - math.log(x.shape[dim])


def duplicate(x, rep):
    """Stack `rep` copies of x: (batch, ...) -> (rep * batch, ...).

    The result is *rep-major*: all of copy 1, then all of copy 2, ... so it is
    reshape(rep, batch, ...) that takes it apart again, never (batch, rep).
    Raises ValueError if rep < 1. Notes §5.6; chapter 6.
    """
    return x.repeat(_check_count(rep, "rep"), *[1] * (x.dim() - 1))


def binarize(x, generator=None):
    """Draw binary pixels, each on with the probability that its grey level states.

    x: any shape, uint8 in 0..255 or float in [0, 1]; generator: a torch.Generator on x's
    device, for a repeatable draw. Returns float32 zeros and ones of the same shape.
    Raises ValueError for another dtype or range. Notes §5, problem 1; chapter 3.
    """
    _check_tensor(x, "images")
    if x.dtype == torch.uint8:
        scale = 255
    else:
        _check_unit_range(x)
        scale = 1
    u = torch.rand(x.shape, generator=generator, device=x.device)
    return (u.mul_(scale) < x).float()


# What the functions above and the bounds below refuse, in one place.


_HALF = (torch.float16, torch.bfloat16)


def _check_shapes(**tensors):
    for name, t in tensors.items():
        if t.dtype in _HALF:
            raise ValueError(f"densities need float32 or float64, and {name} is {t.dtype}: give {name}.float()")
    try:
        torch.broadcast_shapes(*(t.shape for t in tensors.values()))
    except RuntimeError:
        shapes = ", ".join(f"{name} {tuple(t.shape)}" for name, t in tensors.items())
        raise ValueError(f"shapes must broadcast to one (..., dim); given {shapes}") from None


def _holds(condition):
    """Whether it does, everywhere, as far as one can see: under torch.func.vmap, nobody can look at values."""
    try:
        return bool(condition.all())
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        return True


def _check_variance(v):
    if not _holds(v > 0):  # also refuses NaN
        raise ValueError(f"variances must be positive; the smallest given is {v.min():g} "
                         "(v is a variance: neither its logarithm nor NaN)")


def _check_unit_range(x):
    if not x.is_floating_point():
        raise ValueError(f"wanted floats in [0, 1]; given dtype {x.dtype}")
    if not x.numel():
        raise ValueError(f"wanted values in [0, 1]; given none, shape {tuple(x.shape)}")
    low, high = x.detach().aminmax()
    if not _holds((low >= 0) & (high <= 1)):  # also refuses NaN
        raise ValueError(f"wanted values in [0, 1]; given {low:g} to {high:g}")


def _check_tensor(t, name):
    if not isinstance(t, torch.Tensor):
        raise ValueError(f"wanted {name} as a tensor; given {type(t).__name__}")


def _check_images(x, model):
    _check_tensor(x, "images")
    if x.dim() != 2 or x.shape[1] != model.x_dim or x.shape[0] == 0:
        raise ValueError(f"wanted images of shape (batch, {model.x_dim}); given {tuple(x.shape)}")
    _check_unit_range(x)
    dtype = next(model.parameters()).dtype
    if x.dtype != dtype:
        raise ValueError(f"wanted images in {dtype}, as the model's weights are; given {x.dtype}")


def _check_number(x, name, most=math.inf):
    try:
        number = float(x)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= most or number == math.inf:
        raise ValueError(f"{name} must be a number {f'from 0 to {most}' if most < math.inf else 'of at least 0'}; "
                         f"given {x!r}")
    return number


def _check_count(n, name):
    try:
        whole = int(n) == n and n >= 1
    except (TypeError, ValueError, OverflowError):  # None, NaN, infinity
        whole = False
    if not whole:
        raise ValueError(f"{name} must be a whole number of at least 1; given {n!r}")
    return int(n)


# ------------------------------------------------------------------------------------
# Networks
# ------------------------------------------------------------------------------------


class ELU(nn.Module):
    """x where x > 0, else e^x - 1. Clevert et al. (2016)."""

    def forward(self, x):
        return _apply(_ELU, F.elu, x)


class _ELU(torch.autograd.Function):  # of exp alone: torch's expm1, in F.elu, takes up to ten times as long
    @staticmethod
    def forward(ctx, x):
        wide = x.float() if x.dtype == torch.bfloat16 else x  # near 0, e^x - 1 cancels
        below = wide.clamp(max=0).exp_().sub_(1)
        y = torch.maximum(wide, below, out=below).to(x.dtype)
        ctx.save_for_backward(x if x.dtype == torch.bfloat16 else y)  # of e^x, y + 1 is exact in full precision alone
        return y

    @staticmethod
    def backward(ctx, grad):
        below = ctx.saved_tensors[0].clamp(max=0)
        return grad * (below.exp() if below.dtype == torch.bfloat16 else below.add_(1))  # the slope is 1, or e^x


ACTIVATIONS = {"elu": ELU, "relu": nn.ReLU, "tanh": nn.Tanh}


class MLP(nn.Module):
    """Fully connected layers; sizes = (in, hidden, ..., out).

    A second input y (one-hot labels, y_dim wide) may enter at the first layer, which is
    linear in both: W x + U y + b. Its two parts are computed apart and broadcast, so that
    a batch of x meets ten labels at the cost of one pass through W.
    """

    def __init__(self, sizes, activation="elu", y_dim=0):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; given {activation!r}")
        sizes = [_check_count(n, "the width of a layer") for n in sizes]
        y_dim = _check_count(y_dim, "y_dim") if y_dim else 0
        self.first = nn.Linear(sizes[0], sizes[1])
        self.label = nn.Linear(y_dim, sizes[1], bias=False) if y_dim else None
        self.rest = nn.Sequential()
        for n_in, n_out in pairwise(sizes[1:]):
            self.rest.append(ACTIVATIONS[activation]())
            self.rest.append(nn.Linear(n_in, n_out))
        for layer in (self.first, *self.rest[1::2]):  # variance 1 / n_in keeps the size of what passes through;
            if not layer.weight.is_meta:  # torch's default takes a third of that; without memory, nothing is drawn
                nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, x, y=None):
        if (y is None) != (self.label is None):
            raise ValueError("this network takes labels, too" if y is None else "this network takes no labels")
        h = self.first(x)
        if self.label is not None:
            h = h + self.label(y)
        return self.rest(h).to(x.dtype)  # under autocast too, densities are in full precision


class Encoder(MLP):
    """q(z|x) or q(z|x, y) = N(m, diag(v)): returns m and v. Notes §3.1, §5.8, eq. 9."""

    def forward(self, x, y=None):
        return gaussian_parameters(super().forward(x, y))


# ------------------------------------------------------------------------------------
# Models. A model says what p(x|z), p(z) and q(z|x) are; the bounds follow.
# ------------------------------------------------------------------------------------


class _Model(nn.Module):
    @property
    def arguments(self):
        """What the class would have to be called with for a model like this one: a dict, as `save_model` keeps it."""
        kind = next(c for c in type(self).__mro__ if c in MODELS.values())  # a subclass may be called otherwise
        names = list(inspect.signature(kind).parameters)
        if forgotten := [name for name in names if not hasattr(self, name)]:
            raise ValueError(f"a {kind.__name__} has to keep its arguments, and self.{forgotten[0]} is missing")
        return {name: getattr(self, name) for name in names}


class VAE(_Model):
    """z ~ N(0, I), x|z ~ Bernoulli(dec(z)), q(z|x) = N(enc(x)). Notes §2, §5; chapter 3.

    beta weighs the KL in `negative_elbo_bound` (beta-VAE, notes §4.1). Above 1 the number
    still bounds -log p(x), less tightly; below 1 it is a training objective and no bound.
    """

    def __init__(self, x_dim=784, z_dim=10, hidden=(300, 300), activation="elu", beta=1.0):
        super().__init__()
        self.x_dim, self.z_dim = _check_count(x_dim, "x_dim"), _check_count(z_dim, "z_dim")
        self.hidden = [_check_count(n, "the width of a layer") for n in hidden]
        self.activation, self.beta = activation, _check_number(beta, "beta")
        self.enc = Encoder((self.x_dim, *self.hidden, 2 * self.z_dim), activation)
        self.dec = MLP((self.z_dim, *reversed(self.hidden), self.x_dim), activation)
        self.register_buffer("prior_m", torch.zeros(self.z_dim), persistent=False)
        self.register_buffer("prior_v", torch.ones(self.z_dim), persistent=False)

    @property
    def z_prior(self):
        """Mean and variance of p(z) = N(0, I), each (z_dim,)."""
        return self.prior_m, self.prior_v

    def log_prior(self, z):
        """log p(z), in nats: (..., z_dim) -> (...)."""
        return log_normal(z, *self.z_prior)

    def kl(self, z, m, v):
        """KL(q(z|x) || p(z)) for q = N(m, diag(v)): exact here, so the sample z is unused."""
        return kl_normal(m, v, *self.z_prior)

    def negative_elbo_bound(self, x):
        """-ELBO(x) = rec + KL from one sample of z, averaged over the batch, in nats.

        x: (batch, x_dim) in [0, 1]. Returns scalars nelbo = rec + beta * kl, kl and
        rec = -log p(x|z). Raises ValueError on another shape or range.
        Notes §3.2, §5.2; chapters 2 and 3.
        """
        _check_images(x, self)
        m, v = self.enc(x)
        z = sample_gaussian(m, v)
        kl = self.kl(z, m, v).mean()
        rec = -log_bernoulli_with_logits(x, self.dec(z)).mean()
        return rec + self.beta * kl, kl, rec

    def log_weight(self, x, iw, dreg=False):
        """log w = log p(x, z) - log q(z|x) for `iw` draws z ~ q(z|x), in nats.

        x: (batch, x_dim). Returns log w, kl and rec, each (iw, batch), where
        kl = log q(z|x) - log p(z) and rec = -log p(x|z) at the drawn z, so that
        log w = -(kl + rec). Notes eq. 2 (corrected); chapter 6. dreg: see
        `negative_iwae_bound`. Raises ValueError if iw < 1 or x has another shape or range.
        """
        _check_images(x, self)
        iw = _check_count(iw, "iw")
        m, v = self.enc(x)
        z = sample_gaussian(duplicate(m, iw), duplicate(v, iw)).reshape(iw, *m.shape)
        if dreg:  # the encoder learns through z alone ...
            m, v = m.detach(), v.detach()
        kl = log_normal(z, m, v) - self.log_prior(z)
        rec = -log_bernoulli_with_logits(x, self.dec(z))
        log_w = -(kl + rec)
        if dreg and z.requires_grad:  # ... and each z counts once more by its share of the weights
            share = log_w.detach().softmax(0).unsqueeze(-1)
            z.register_hook(lambda grad: grad * share)
        return log_w, kl, rec

    def negative_iwae_bound(self, x, iw, dreg=False):
        """-log (1/iw) sum_i w_i averaged over the batch, in nats: at iw = 1, the -ELBO.

        x: (batch, x_dim) in [0, 1]; iw: number of samples. Returns scalars niwae, kl and
        rec; the last two are means over all samples and do *not* add up to niwae. It
        bounds -log p(x) from above whatever beta is. dreg: give the encoder the doubly
        reparameterised gradient of the same bound (Tucker et al., 2019), which has the same
        mean, and less noise unless q is much narrower than the posterior. Raises
        ValueError if iw < 1 or x has another shape or range.
        Notes §5.6, eq. 3; chapter 6.
        """
        log_w, kl, rec = self.log_weight(x, iw, dreg)
        return -log_mean_exp(log_w, dim=0).mean(), kl.mean(), rec.mean()


class GMVAE(VAE):
    """A VAE whose prior is a learned mixture of k Gaussians with equal weights.

    Only p(z) differs, so only `log_prior` and the KL do, which has no closed form any
    more: one sample estimates it, without bias. Notes §4.2, §5.3; chapter 5.
    """

    def __init__(self, x_dim=784, z_dim=10, hidden=(300, 300), activation="elu", k=500, beta=1.0):
        super().__init__(x_dim, z_dim, hidden, activation, beta)
        self.k = _check_count(k, "k")
        # Means near 0 and variances near softplus(0) = 0.7, so that every component begins with its share of the data.
        self.z_pre = nn.Parameter(torch.randn(1, 2 * self.k, self.z_dim) / math.sqrt(self.k * self.z_dim))

    @property
    def z_prior(self):
        """Means and variances of the k components of p(z), each (1, k, z_dim)."""
        return gaussian_parameters(self.z_pre, dim=1)

    def log_prior(self, z):
        """log p(z), in nats: (..., z_dim) -> (...).

        The square in each component is expanded, z^2/v - 2 z m/v + m^2/v: linear in (z^2, z),
        so that a matrix product replaces a (batch, k, z_dim) temporary; in float64, since it
        cancels.
        """
        m, v = (t.squeeze(0).double() for t in self.z_prior)
        rows = z.reshape(-1, self.z_dim).double()
        constant = (math.log(2 * math.pi) + v.log() + m**2 / v).sum(-1)
        log_each = F.linear(torch.cat((rows**2, rows), 1), torch.cat((-0.5 / v, m / v), 1), -0.5 * constant)
        return log_mean_exp(log_each.to(z.dtype), dim=1).reshape(z.shape[:-1])

    def kl(self, z, m, v):
        """log q(z|x) - log p(z) at the sample z ~ q: its mean is KL(q(z|x) || p(z))."""
        return log_normal(z, m, v) - self.log_prior(z)


class SSVAE(VAE):
    """Semi-supervised VAE: x|y, z ~ Bernoulli(dec(z, y)), y uniform, z ~ N(0, I),
    with q(y, z|x) = q(y|x) q(z|x, y). Notes §4.4, §5.7, eqs. 4-12; chapter 7.

    gen_weight and class_weight weigh the bounds and the classifier's cross-entropy in
    `loss`, and beta the KL of z and y together. Images with a known label and without share
    all networks; activation is that of encoder and decoder, the classifier's is ReLU.
    """

    def __init__(self, x_dim=784, z_dim=64, hidden=(300, 300), activation="elu", y_dim=10,
                 gen_weight=1.0, class_weight=100.0, beta=1.0):
        super().__init__(x_dim, z_dim, hidden, activation, beta)
        self.y_dim = _check_count(y_dim, "y_dim")
        self.gen_weight = _check_number(gen_weight, "gen_weight")
        self.class_weight = _check_number(class_weight, "class_weight")
        self.enc = Encoder((self.x_dim, *self.hidden, 2 * self.z_dim), activation, self.y_dim)
        self.dec = MLP((self.z_dim, *reversed(self.hidden), self.x_dim), activation, self.y_dim)
        self.cls = MLP((self.x_dim, *self.hidden, self.y_dim), "relu")

    def _every_label(self):
        return torch.eye(self.y_dim).to(self.prior_m).unsqueeze(1)  # (y_dim, 1, y_dim)

    def _z_bound(self, x, y):
        """KL and reconstruction for given labels: one-hot (..., batch or 1, y_dim) -> (..., batch) each."""
        m, v = self.enc(x, y)
        z = sample_gaussian(m, v)
        return self.kl(z, m, v), -log_bernoulli_with_logits(x, self.dec(z, y))

    def negative_elbo_bound(self, x, y=None):
        """-ELBO(x), or -ELBO(x, y) where the labels are given, batch mean, in nats.

        x: (batch, x_dim) in [0, 1]; y: None, class ids (batch,) or one-hot (batch, y_dim).
        Returns scalars nelbo = rec + beta * (kl_z + kl_y), kl_z, kl_y and rec. Without y, all of
        its values are summed over with weights q(y|x), and kl_y = KL(q(y|x) || p(y));
        with y, kl_y = -log p(y). Raises ValueError on bad images or labels.
        Notes §5.7, eq. 7; chapter 7.
        """
        _check_images(x, self)
        log_p_y = -math.log(self.y_dim)
        if y is not None:
            kl_z, rec = (t.mean() for t in self._z_bound(x, _one_hot(y, len(x), self)))
            kl_y = torch.full_like(rec, -log_p_y)
        else:
            log_q = self.cls(x).log_softmax(-1)
            q = log_q.exp()
            kl_z, rec = ((q.T * t).sum(0).mean() for t in self._z_bound(x, self._every_label()))
            kl_y = kl_cat(q, log_q, log_p_y).mean()
        return rec + self.beta * kl_z + self.beta * kl_y, kl_z, kl_y, rec

    def negative_truncated_bound(self, x, k):
        """-ELBO(x) under q(y|x) cut down to each image's k most probable labels, in nats.

        Any q gives a bound, this one too, at k / y_dim of the cost; where the classifier is
        sure, nothing is lost. x: (batch, x_dim) in [0, 1]. Returns a scalar. Raises ValueError
        on bad images, or a k that is not between 1 and y_dim. Chapter 7.
        """
        _check_images(x, self)
        k = _check_count(k, "k")
        if k > self.y_dim:
            raise ValueError(f"k must be at most the {self.y_dim} labels there are; given {k}")
        log_q, y = self.cls(x).log_softmax(-1).topk(k)
        log_q = log_q.log_softmax(-1)  # the labels that are left share all the probability
        q = log_q.exp()
        kl_z, rec = self._z_bound(x, F.one_hot(y.T, self.y_dim).to(x.dtype))  # (k, batch)
        kl_y = kl_cat(q, log_q, -math.log(self.y_dim))
        return ((q.T * (self.beta * kl_z + rec)).sum(0) + self.beta * kl_y).mean()

    def log_posterior_of_classes(self, x: torch.Tensor) -> torch.Tensor:
        """log q(y|x), the classifier's, in nats: (batch, x_dim) -> (batch, y_dim)."""
        _check_images(x, self)
        return self.cls(x).log_softmax(-1)

    def log_weight(self, x, iw, dreg=False):
        """As VAE.log_weight, with (y, z) ~ q(y|x) q(z|x, y) in the place of z.

        Here kl = log q(y, z|x) - log p(y, z), so it holds the label's share as well. Raises
        ValueError for dreg, too: no gradient passes through a drawn label.
        """
        _check_images(x, self)
        if dreg:
            raise ValueError("the doubly reparameterised gradient needs latents that are all Gaussian; "
                             "an SSVAE also draws a label")
        log_q = self.cls(x).log_softmax(-1)
        y = torch.distributions.Categorical(logits=log_q).sample((_check_count(iw, "iw"),))
        drawn = y, torch.arange(len(x), device=x.device)
        m, v = (t[drawn] for t in self.enc(x, self._every_label()))  # each label encoded once, not each draw
        z = sample_gaussian(m, v)
        kl_y = log_q.T[drawn] + math.log(self.y_dim)
        kl = log_normal(z, m, v) - self.log_prior(z) + kl_y
        rec = -log_bernoulli_with_logits(x, self.dec(z, F.one_hot(y, self.y_dim).to(x.dtype)))
        return -(kl + rec), kl, rec

    def loss(self, x, x_labelled, y_labelled, labelled_share, k=None):
        """The training objective: both bounds of eq. 7, and the classifier's cross-entropy.

        x: (batch, x_dim) without labels; x_labelled, y_labelled: a batch with. Each
        bound counts as often as there are images of its kind: labelled_share = number of
        labelled images / number of unlabelled ones. k: sum over the k most probable labels
        of each image only (by default, over all). Returns a scalar, in nats. Raises ValueError
        on bad images or labels.
        """
        _check_images(x_labelled, self)
        y_labelled = _one_hot(y_labelled, len(x_labelled), self)
        cross_entropy = F.cross_entropy(self.cls(x_labelled), y_labelled)
        loss = self.class_weight * cross_entropy
        if self.gen_weight:
            unlabelled = self.negative_elbo_bound(x)[0] if k is None else self.negative_truncated_bound(x, k)
            labelled = self.negative_elbo_bound(x_labelled, y_labelled)[0]
            loss = loss + self.gen_weight * (unlabelled + labelled_share * labelled)
        return loss


class NamedGMVAE(VAE):
    """A GMVAE whose components carry the names of classes: y uniform, z|y a mixture of `each` Gaussians with
    full covariances, x|z ~ Bernoulli(dec(z)), q(z|x) = N(enc(x)). Chapter 7.

    There is no classifier: q(y|x) is p(y|z), by Bayes' rule. class_weight weighs the cross-entropy of the known
    labels in `loss`. `place` sets the components on codes that have been named.
    """

    def __init__(self, x_dim: int = 784, z_dim: int = 25, hidden: Sequence[int] = (300, 300), activation: str = "elu",
                 y_dim: int = 10, each: int = 20, class_weight: float = 1.0, beta: float = 1.0):
        super().__init__(x_dim, z_dim, hidden, activation, beta)
        self.y_dim, self.each = _check_count(y_dim, "y_dim"), _check_count(each, "each")
        self.class_weight = _check_number(class_weight, "class_weight")
        k = self.y_dim * self.each  # those of class 0, then those of class 1, ...
        self.mean = nn.Parameter(torch.randn(k, self.z_dim))
        # Lower triangular: it maps a component's codes, less their mean, to N(0, I).
        self.whiten = nn.Parameter(torch.eye(self.z_dim).repeat(k, 1, 1))
        self.share = nn.Parameter(torch.zeros(self.y_dim, self.each))  # logits of the weights within a class

    def log_prior_of_classes(self, z: torch.Tensor) -> torch.Tensor:
        """log p(z|y) for every class, in nats: (..., z_dim) -> (..., y_dim)."""
        rows, whiten = z.reshape(-1, self.z_dim), self.whiten.tril()
        centre = (whiten @ self.mean.unsqueeze(2)).squeeze(2)
        white = F.linear(rows, whiten.flatten(0, 1)).reshape(-1, *centre.shape) - centre
        log_det = whiten.diagonal(dim1=1, dim2=2).abs().log().sum(1)
        log_each = log_det - 0.5 * (white.square().sum(2) + self.z_dim * math.log(2 * math.pi))
        log_each = log_each.reshape(-1, self.y_dim, self.each) + self.share.log_softmax(1)
        return log_each.logsumexp(2).reshape(*z.shape[:-1], self.y_dim)

    def log_prior(self, z):
        """log p(z), the sum over classes, in nats: (..., z_dim) -> (...)."""
        return log_mean_exp(self.log_prior_of_classes(z), dim=-1)

    def kl(self, z, m, v):
        """log q(z|x) - log p(z) at the sample z ~ q: its mean is KL(q(z|x) || p(z))."""
        return log_normal(z, m, v) - self.log_prior(z)

    def log_posterior_of_classes(self, x: torch.Tensor) -> torch.Tensor:
        """log q(y|x) = log p(y|z) at the mean of q(z|x), in nats: (batch, x_dim) -> (batch, y_dim)."""
        _check_images(x, self)
        return self.log_prior_of_classes(self.enc(x)[0]).log_softmax(-1)

    def loss(self, x: torch.Tensor, x_labelled: torch.Tensor, y_labelled: torch.Tensor,
             labelled_share: float) -> torch.Tensor:
        """The training objective: -ELBO(x), -ELBO(x, y) and the cross-entropy of the known labels under p(y|z).

        Arguments and weights as in `SSVAE.loss`. Returns a scalar, in nats. Raises ValueError on bad images or
        labels.
        """
        _check_images(x_labelled, self)
        y = _one_hot(y_labelled, len(x_labelled), self)
        m, v = self.enc(x_labelled)
        z = sample_gaussian(m, v)
        log_p = self.log_prior_of_classes(z)
        kl = log_normal(z, m, v) - (y * log_p).sum(-1) + math.log(self.y_dim)
        rec = -log_bernoulli_with_logits(x_labelled, self.dec(z))
        labelled = (rec + self.beta * kl).mean()
        return (self.negative_elbo_bound(x)[0] + labelled_share * labelled
                + self.class_weight * F.cross_entropy(log_p, y))

    @torch.no_grad()
    def place(self, codes: torch.Tensor, labels: torch.Tensor, seed: int = 0) -> None:
        """Set the components of each class on `each` clusters (k-means) of the codes that have its name.

        codes: (n, z_dim), samples of q(z|x); labels: (n,) class ids, guessed or known. Raises ValueError if a
        class has fewer codes than components.
        """
        from sklearn.cluster import KMeans  # slow to import, and needed here alone

        means, factors, counts = [], [], []
        ridge = 0.02 * torch.eye(self.z_dim)  # a few codes have no full covariance
        for c in range(self.y_dim):
            own = codes[labels == c].float().cpu()
            if len(own) < self.each:
                raise ValueError(f"class {c} has {len(own)} codes for its {self.each} components")
            found = KMeans(self.each, n_init=1, random_state=seed).fit(own[:4000].numpy())
            which = torch.from_numpy(found.predict(own.numpy()))
            for j in range(self.each):
                cluster = own[which == j]
                spread = torch.cov((cluster if len(cluster) > 2 * self.z_dim else own).T) + ridge
                means.append(cluster.mean(0))
                factors.append(torch.linalg.cholesky(spread).inverse())
                counts.append(len(cluster))
        self.mean.copy_(torch.stack(means))
        self.whiten.copy_(torch.stack(factors))
        self.share.copy_(torch.tensor(counts, dtype=torch.float).reshape(self.y_dim, self.each).log())


class Autoencoder(_Model):
    """A deterministic autoencoder, z = enc(x), for contrast: no prior, no KL, no p(x).

    Notes §1.3; chapter 3.
    """

    def __init__(self, x_dim=784, z_dim=2, hidden=(300, 300), activation="elu"):
        super().__init__()
        self.x_dim, self.z_dim = _check_count(x_dim, "x_dim"), _check_count(z_dim, "z_dim")
        self.hidden = [_check_count(n, "the width of a layer") for n in hidden]
        self.activation = activation
        self.enc = MLP((self.x_dim, *self.hidden, self.z_dim), activation)
        self.dec = MLP((self.z_dim, *reversed(self.hidden), self.x_dim), activation)

    def loss(self, x):
        """Mean cross-entropy of the reconstruction, in nats. x: (batch, x_dim) in [0, 1]."""
        _check_images(x, self)
        return -log_bernoulli_with_logits(x, self.dec(self.enc(x))).mean()


# ------------------------------------------------------------------------------------
# Evaluation
# ------------------------------------------------------------------------------------


@torch.no_grad()
def evaluate(model, images, seed=0):
    """The ELBO and its parts, one sample of z an image: -ELBO(x) averaged over images.

    images: (n, x_dim), uint8 or float in [0, 1], binarised with `seed`, which also draws z.
    Returns a dict of floats in nats: nelbo (with beta = 1), kl, rec, and for an SSVAE
    kl_z and kl_y in the place of kl; for an autoencoder rec alone. Chapter 3.
    """
    with _seeded(seed):
        x = binarize(images).to(model.dec.first.weight.dtype)
        totals = {}
        for batch in x.split(1000):
            if isinstance(model, Autoencoder):
                parts = {"rec": model.loss(batch)}
            elif isinstance(model, SSVAE):
                parts = dict(zip(("kl_z", "kl_y", "rec"), model.negative_elbo_bound(batch)[1:], strict=True))
            else:
                parts = dict(zip(("kl", "rec"), model.negative_elbo_bound(batch)[1:], strict=True))
            for name, value in parts.items():
                totals[name] = totals.get(name, 0) + value.item() * len(batch) / len(x)
    if not isinstance(model, Autoencoder):
        totals = {"nelbo": sum(totals.values()), **totals}
    return totals


@torch.no_grad()
def log_likelihood(model, x, m=5000):
    """Estimate log p(x) of each image by its IWAE bound with m samples, in nats.

    x: (n, x_dim) in [0, 1], already binary; m: a number of samples, or several, all
    counted along the same draws. Returns (n,), or (len(m), n): stochastic lower bounds,
    lower in the mean, that close on log p(x) as m grows. Memory does not grow with n or
    m. Raises ValueError if an m < 1, x has another shape or range, or the model has no p(x).
    Burda et al. (2016); chapter 6.
    """
    _check_images(x, model)
    if not isinstance(model, VAE):
        raise ValueError(f"log p(x) needs a VAE, GMVAE or SSVAE; given {type(model).__name__}")
    several = isinstance(m, (list, tuple, range))
    counts = [_check_count(c, "m") for c in (m if several else [m])]
    if not counts or counts != sorted(counts):
        raise ValueError(f"m must be a number of samples, or several in ascending order; given {m}")
    bounds = []
    for batch in x.split(20):  # few, so that many samples share an encoding
        log_sum, drawn, bound = batch.new_full((len(batch),), -math.inf), 0, []
        for count in counts:
            while drawn < count:
                step = min(3000 // len(batch), count - drawn)  # this many images are decoded at a time
                log_sum = log_sum.logaddexp(model.log_weight(batch, step)[0].logsumexp(0))
                drawn += step
            bound.append(log_sum - math.log(count))
        bounds.append(torch.stack(bound))
    bounds = torch.cat(bounds, dim=1)
    return bounds if several else bounds[0]


class Grid(NamedTuple):
    """What `log_marginal_grid` found; see there."""

    log_px: torch.Tensor
    log_posterior: torch.Tensor
    z: torch.Tensor
    log_volume: float


@torch.no_grad()
def log_marginal_grid(model, x, n=401, limit=None):
    """log p(x) and the posterior p(z|x) by quadrature on a grid, for one or two latents.

    x: (batch, x_dim) in [0, 1]; the grid has n points from -limit to limit along each
    latent, by default as far as six standard deviations of the prior (of any of its
    components) reach. Returns a Grid of

        log_px         (batch,)         log sum_j p(x|z_j) p(z_j) * cell volume, in nats
        log_posterior  (batch, points)  log p(z_j|x), a density, in nats
        z              (points, z_dim)  the grid, the last latent varying fastest
        log_volume                      log of a cell's volume

    The integrand is nearly smooth and, that far out, dies before the edge, so the sum
    converges very fast once the spacing is below the posterior's width: halve n to see how
    far a sharp posterior is from there. Raises ValueError for more than two latents, a model
    whose decoder also needs a label, or a grid without extent. Notes eq. 1; chapter 1.
    """
    _check_images(x, model)
    if not isinstance(model, VAE) or isinstance(model, SSVAE) or model.z_dim > 2:
        raise ValueError("quadrature needs a VAE or GMVAE with one or two latents; given "
                         f"{type(model).__name__} with z_dim={model.z_dim}")
    n = _check_count(n, "n")
    if n < 2:
        raise ValueError("a grid needs at least 2 points along each latent; given n=1")
    if limit is None:
        m, v = model.z_prior
        limit = (m.abs() + 6 * v.sqrt()).max().item()
    if not 0 < limit < math.inf:
        raise ValueError(f"limit, where the grid ends, must be positive; given {limit}")
    axis = torch.linspace(-limit, limit, n, dtype=x.dtype, device=x.device)
    z = torch.cartesian_prod(*[axis] * model.z_dim).reshape(-1, model.z_dim)
    log_volume = model.z_dim * math.log(2 * limit / (n - 1))
    log_joint = x.new_empty(len(x), len(z))
    for start in range(0, len(z), 5000):
        part = z[start : start + 5000]
        logits = model.dec(part)  # log p(x|z_j) = x . logits_j + log p(0|z_j), all x at once
        log_p0 = log_bernoulli_with_logits(logits.new_zeros(model.x_dim), logits)
        log_joint[:, start : start + 5000] = x @ logits.T + log_p0 + model.log_prior(part)
    log_px = log_joint.logsumexp(1) + log_volume
    return Grid(log_px, log_joint - log_px.unsqueeze(1), z, log_volume)


@torch.no_grad()
def active_units(model, x, threshold=0.01):
    """Which latents the data use: those whose posterior mean varies across images.

    x: (n, x_dim) in [0, 1]. Returns (z_dim,) booleans: Var_x(E_q[z_i|x]) > threshold.
    Raises ValueError for a model whose encoder gives no q(z|x), and for a single image.
    Burda et al. (2016); chapter 4.
    """
    _check_images(x, model)
    if len(x) < 2:
        raise ValueError("whether a latent varies needs at least 2 images; given 1")
    if not isinstance(model, VAE) or isinstance(model, SSVAE):
        raise ValueError(f"active units need a VAE or GMVAE; given {type(model).__name__}")
    return model.enc(x)[0].var(0) > threshold


def _one_hot(y, batch, model):
    """Labels of a batch, class ids or one-hot already, as (batch, y_dim) in the model's precision."""
    _check_tensor(y, "labels")
    y_dim = model.y_dim
    if y.shape == (batch,) and not y.is_floating_point() and _holds((y >= 0) & (y < y_dim)):
        return (y.unsqueeze(1) == torch.arange(y_dim, device=y.device)).to(model.prior_m)
    if y.shape == (batch, y_dim) and _holds((y.sum(1) == 1) & ((y == 0) | (y == 1)).all(1)):
        return y.to(model.prior_m)
    values = f", {y.min()} to {y.max()}" if y.numel() else ""
    raise ValueError(f"wanted one label for each of {batch} images, as class ids 0 to {y_dim - 1} or one-hot "
                     f"({batch}, {y_dim}); given {y.dtype} of shape {tuple(y.shape)}{values}")


@torch.no_grad()
def accuracy(model, images, labels, seed=0):
    """Share of images whose most probable class under q(y|x) is the label. Chapter 7.

    images: (n, x_dim), uint8 or float in [0, 1], binarised with `seed` since that is what
    the classifier saw in training; labels: (n,) class ids. Returns a float. Raises
    ValueError for a model that knows no classes, or where there is not one label for each image.
    """
    if not hasattr(model, "log_posterior_of_classes"):
        raise ValueError(f"only an SSVAE or a NamedGMVAE knows classes; given {type(model).__name__}")
    _check_tensor(labels, "labels")
    if labels.shape != (len(images),):
        raise ValueError(f"wanted labels of shape ({len(images)},), one for each image; given {tuple(labels.shape)}")
    with _seeded(seed):
        x = binarize(images).to(next(model.parameters()).dtype)
    found = torch.cat([model.log_posterior_of_classes(batch).argmax(1) for batch in x.split(2000)])
    return (found == labels).float().mean().item()


@contextlib.contextmanager
def _seeded(seed):
    """Draw from `seed` inside, and leave the caller's random state as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


# ------------------------------------------------------------------------------------
# Data
# ------------------------------------------------------------------------------------

MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


class MNIST(NamedTuple):
    """The digits: images (n, 784) uint8 in 0..255, labels (n,) class ids."""

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor


def load_mnist(archives=BOOK / "data"):
    """Read MNIST from the book's own archives: no network, and no disk to write on.

    archives: folder of the four .xz files. Returns an MNIST of 60,000 training and 10,000
    test images. Raises ValueError if a file is not the original, byte for byte.
    """
    parts = []
    for name, digest in MNIST_SHA256.items():
        data = _unpack(Path(archives) / f"{name}.xz", digest)
        size = 784 if "images" in name else 1
        values = torch.from_numpy(np.frombuffer(data, np.uint8, offset=16 if size > 1 else 8).copy())
        parts.append(values.reshape(-1, size) if size > 1 else values.long())
    return MNIST(*parts)


def labelled_subset(labels, n, seed=0):
    """Draw n images whose labels will be known, equally many of each class. Chapter 7.

    labels: (images,) class ids. Returns n indices, class by class. Raises ValueError if n
    is no multiple of the number of classes, or more than there are.
    """
    _check_tensor(labels, "labels")
    if labels.dim() != 1 or not len(labels):
        raise ValueError(f"wanted labels of shape (images,); given {tuple(labels.shape)}")
    classes, counts = labels.unique(return_counts=True)
    each, rest = divmod(_check_count(n, "n"), len(classes))
    if rest or each > counts.min():
        raise ValueError(f"n must be a multiple of the {len(classes)} classes, with no more of one than there are; "
                         f"given {n}")
    generator = torch.Generator().manual_seed(seed)
    rows = [(labels == c).nonzero().squeeze(1) for c in classes]
    return torch.cat([r[torch.randperm(len(r), generator=generator)[:each]] for r in rows])


def neighbour_graph(codes, k=10):
    """Tie each image to its k nearest neighbours in a latent space. Chapter 7.

    codes: (n, dim), the images under an encoder. A tie weighs exp(-4 d^2 / d_k^2), where
    d_k is the distance to the k-th neighbour; two images that chose each other are tied
    twice. Returns a symmetric scipy matrix (n, n), mostly zeros. Raises ValueError if there
    are no more than k images.
    """
    from scipy.sparse import csr_matrix  # slow to import, and needed here alone
    from sklearn.neighbors import NearestNeighbors

    n = len(codes)
    k = _check_count(k, "k")
    if n <= k:
        raise ValueError(f"wanted the codes of more than k = {k} images; given {n}")
    found = NearestNeighbors(n_neighbors=k).fit(codes.detach().float().cpu().numpy()).kneighbors()
    distance, neighbour = map(torch.from_numpy, found)
    weight = (-4 * (distance / distance[:, -1:].clamp(min=1e-12)) ** 2).exp()
    start = torch.arange(0, n * k + 1, k)
    ties = csr_matrix((weight.float().flatten().numpy(), neighbour.flatten().numpy(), start.numpy()), (n, n))
    return ties + ties.T


def spread_labels(graph, known, labels, y_dim=10):
    """Guess every image's class from a few, by letting labels flow along a graph.

    graph: from `neighbour_graph`; known, labels: (few,), which images' classes are known,
    and their class ids. From each known image its label flows along the ties, until all
    have some (Poisson learning, Calder et al., 2020). Then, a few times over, every image is
    given the class that it has most of, such that classes are about equally large, as
    p(y) has it; and these flow a little way on. Returns (n, y_dim), probabilities; the
    known images keep their labels.
    Raises ValueError if labels are not class ids, one for each known image, or if no
    label reaches some image. Chapter 7.
    """
    n = graph.shape[0]
    _check_known(known, labels, n, y_dim)
    degree = torch.from_numpy(graph.sum(1)).float()
    source, few = torch.zeros(n, y_dim), F.one_hot(labels.long(), y_dim).float()
    source[known] = few - few.mean(0)  # as much flows off as flows on
    source /= degree
    ratio, flow = graph.multiply(1 / degree.numpy()).tocsr(), torch.zeros(n, y_dim)
    for steps in (300, 10, 10, 10, 10, 10):
        for _ in range(steps):
            flow = torch.from_numpy(ratio @ flow.numpy()) + source
        if (flow == 0).all(1).any():
            raise ValueError("no label reaches some images: they are tied to no known one, or all labels are the same")
        scale = torch.ones(y_dim)
        for _ in range(100):  # a class that is too large counts for less
            share = (flow * scale).argmax(1).bincount(minlength=y_dim) / n
            scale = (scale + 0.5 * (1 / y_dim - share)).clamp(0.5, 2)
        guess = (flow * scale).clamp(min=0)
        flow = F.one_hot(guess.argmax(1), y_dim).float()
    guess[known] = few
    guess = guess**3  # a mean over neighbours is right more often than it is sure
    return guess / guess.sum(1, keepdim=True)


def name_clusters(codes: torch.Tensor, known: torch.Tensor, labels: torch.Tensor, y_dim: int = 10,
                  steps: int = 25) -> torch.Tensor:
    """Guess every image's class from a few, by EM: one Gaussian with a full covariance for each class.

    codes: (n, dim), samples of q(z|x); known, labels: as in `spread_labels`. The Gaussians start at the means of
    the known codes. In each step p(y|z), with p(y) uniform, says which codes are whose, where no label does; then
    each Gaussian takes the mean and covariance of its own (Dempster et al., 1977).
    Returns p(y|z), (n, y_dim). Raises ValueError as `spread_labels` does, and if a class has no label. Chapter 7.
    """
    _check_known(known, labels, len(codes), y_dim)
    few = F.one_hot(labels.long(), y_dim).to(codes)
    if not few.any(0).all():
        raise ValueError(f"wanted a label of each class, 0 to {y_dim - 1}; given {labels.unique().tolist()}")
    mean, cov = few.T @ codes[known] / few.sum(0).unsqueeze(1), (0.5 * torch.cov(codes.T)).expand(y_dim, -1, -1)
    for _ in range(steps):
        factor = torch.linalg.cholesky(cov)
        log_p = torch.distributions.MultivariateNormal(mean, scale_tril=factor).log_prob(codes.unsqueeze(1))
        p = log_p.softmax(1)
        p[known] = few
        size = p.sum(0)
        mean = p.T @ codes / size.unsqueeze(1)
        second = torch.einsum("ny,ni,nj->yij", p, codes, codes) / size.reshape(-1, 1, 1)
        cov = second - mean.unsqueeze(2) * mean.unsqueeze(1) + 1e-3 * torch.eye(codes.shape[1])
    return p


def _check_known(known, labels, n, y_dim):
    """Raise ValueError unless these are different indices of n images, and a class id for each."""
    if not len(known) or known.min() < 0 or known.max() >= n or len(known.unique()) != len(known):
        raise ValueError(f"known must be different indices from 0 to {n - 1}, at least one; given {known}")
    if known.shape != labels.shape or labels.is_floating_point() or not 0 <= labels.min() <= labels.max() < y_dim:
        values = f", {labels.min()} to {labels.max()}" if labels.numel() else ""
        raise ValueError(f"wanted a class id from 0 to {y_dim - 1} for each of {len(known)} known images; "
                         f"given {labels.dtype} of shape {tuple(labels.shape)}{values}")


def _unpack(archive, digest):
    try:
        data = lzma.decompress(archive.read_bytes())
    except FileNotFoundError:
        raise ValueError(f"{archive} does not exist: restore it from the repository") from None
    except lzma.LZMAError as error:
        raise ValueError(f"{archive} is damaged ({error}): restore it from the repository") from None
    if _sha256(data) != digest:
        raise ValueError(f"{archive} does not hold the original MNIST file: restore it from the repository")
    return data


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _write_atomically(file, data):
    """A reader sees the old file or the new one, never half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        part.write_bytes(data)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


# ------------------------------------------------------------------------------------
# Training
# ------------------------------------------------------------------------------------


class Epoch(NamedTuple):
    """One epoch of `fit`: its mean loss in nats, and the seconds since training began."""

    loss: float
    seconds: float


@torch.inference_mode(False)
@torch.enable_grad()
def fit(model, images, *, epochs, loss=None, batch_size=128, optimizer="adam", learning_rate=4e-3,
        warm_up=0.0, seed=0, device="auto", precision="auto", checkpoint=None, progress=True):
    """Train the model in place, with images that are binarised anew at every step.

    images: (n, x_dim), uint8 or float in [0, 1]; they stay on the device as they are.
    loss: function of one binary batch that returns a scalar in nats (by default the
    model's -ELBO); gradients are on, also where they are off outside. optimizer: "adam",
    or "muon" for the layers' matrices (Jordan et al., 2024;
    Adam at a third of the rate keeps the rest), whose steps take longer and get further: for
    large batches or a dear loss, at rates of 0.01 to 0.06. The rate climbs to learning_rate in the first
    twentieth of the run and falls to zero along a line.
    warm_up: in this share of the run the weight of the KL in `negative_elbo_bound` climbs from 0 to the
    model's beta, so that latents prove their worth before they have to pay for it (Bowman et al., 2016);
    a loss that does not call it is as it was.
    device: "auto" takes a GPU if there is one.
    precision: "float32", "bfloat16" (networks only; densities stay in full precision), or
    "auto", which takes bfloat16 where that is faster.
    checkpoint: a file, written after every epoch, from which the same call goes on after
    an interruption as if there had been none (with the same loss: that is yours to see to);
    it is removed at the end.

    Returns a list of one Epoch per epoch. Raises ValueError for images of another
    shape or range, for a model that has neither a bound nor a loss, or was made under
    torch.inference_mode(), for an unknown optimizer, device or precision, for a warm_up
    outside [0, 1] or of a model whose bound has no beta, and for a checkpoint that is damaged
    or of another run. Chapter 3.
    """
    if loss is None and not isinstance(model, VAE):
        raise ValueError(f"{type(model).__name__} has no ELBO to climb: give a loss, such as loss=model.loss")
    weight = next(model.parameters())
    if weight.is_inference():
        raise ValueError("a model made under torch.inference_mode() cannot learn: make or load it outside")
    home, dtype = weight.device, weight.dtype
    _check_tensor(images, "images")
    _check_images((images[:1] / 255 if images.dtype == torch.uint8 else images).to(home, dtype), model)
    epochs, batch_size, seed = _check_count(epochs, "epochs"), _check_count(batch_size, "batch_size"), int(seed)
    learning_rate, warm_up = _check_number(learning_rate, "learning_rate"), _check_number(warm_up, "warm_up", 1)
    if warm_up and not isinstance(model, VAE):
        raise ValueError(f"warm_up needs the beta of a VAE, GMVAE or SSVAE; given {type(model).__name__}")
    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    except RuntimeError as error:
        raise ValueError(f'device must be "auto" or one of torch\'s; given {device!r} ({error})') from None
    autocast = _autocast(precision, device)
    optimizers = _optimizers(optimizer, model, learning_rate)
    images = images.to(device)
    model.to(device)
    steps = math.ceil(len(images) / batch_size) * epochs
    schedules = [torch.optim.lr_scheduler.OneCycleLR(
        each, each.defaults["lr"], total_steps=steps, pct_start=0.051,  # 0.05 fails at 20 steps
        anneal_strategy="linear", cycle_momentum=False) for each in optimizers]
    parts = [model, *optimizers, *schedules]
    # What a checkpoint has to agree with, to be gone on from.
    run = dict(model=type(model).__name__, **model.arguments, epochs=epochs, batch_size=batch_size, optimizer=optimizer,
               learning_rate=learning_rate, warm_up=warm_up, precision=precision, seed=seed,
               images=checkpoint and _hash_tensors({"images": images.cpu()}))
    history = []
    with _seeded(seed), contextlib.ExitStack() as at_the_end:
        at_the_end.callback(model.to, home)
        at_the_end.callback(model.zero_grad)
        if warm_up:
            beta = model.beta
            at_the_end.callback(setattr, model, "beta", beta)
        if checkpoint and Path(checkpoint).exists():
            history = _resume(checkpoint, parts, run)
        bar = tqdm(total=steps, initial=schedules[0].last_epoch, unit="step", disable=not progress)
        with bar:
            start = time.perf_counter() - (history[-1].seconds if history else 0)
            for _ in range(len(history), epochs):
                total = 0.0
                for index in torch.randperm(len(images), device=device).split(batch_size):
                    x = binarize(images.index_select(0, index)).to(dtype)
                    if warm_up:
                        model.beta = beta * min(1, schedules[0].last_epoch / (warm_up * steps))
                    with autocast:
                        value = loss(x) if loss else model.negative_elbo_bound(x)[0]
                    model.zero_grad()
                    value.backward()
                    with autocast:
                        for each in (*optimizers, *schedules):
                            each.step()
                    total += value.item() * len(x)
                    bar.update()
                    bar.set_postfix_str(f"{value.item():.1f} nats", refresh=False)
                history.append(Epoch(total / len(images), time.perf_counter() - start))
                if checkpoint:
                    _save_checkpoint(checkpoint, parts, run, history)
    if checkpoint:
        Path(checkpoint).unlink(missing_ok=True)
    return history


def bfloat16_is_faster(device="cpu"):
    """Whether the device multiplies bfloat16 matrices faster than float32 ones.

    On a processor this is measured, once and in a few milliseconds: some that have the
    instructions still take twice as long with them.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and _processor_is_faster_in_bfloat16()


@functools.cache
def _processor_is_faster_in_bfloat16():
    def seconds(a):
        a @ a  # the first product of a kind takes longer
        times = [time.perf_counter()]
        for _ in range(5):
            a @ a
            times.append(time.perf_counter())
        return min(end - start for start, end in pairwise(times))

    square = torch.randn(256, 256, generator=torch.Generator())
    return seconds(square.bfloat16()) < 0.8 * seconds(square)


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


def _optimizers(name, model, learning_rate):
    parameters = list(model.parameters())
    if name == "adam":
        return [torch.optim.Adam(parameters, learning_rate, fused=True)]
    if name != "muon":
        raise ValueError(f'optimizer must be "adam" or "muon"; given {name!r}')
    return [Muon([p for p in parameters if p.dim() == 2], learning_rate),
            torch.optim.Adam([p for p in parameters if p.dim() != 2], learning_rate / 3, fused=True)]


def _autocast(precision, device):
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f'precision must be "auto", "float32" or "bfloat16"; given {precision!r}')
    enabled = precision == "bfloat16" or (precision == "auto" and bfloat16_is_faster(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def _save_checkpoint(file, parts, run, history):
    state = [part.state_dict() for part in parts]
    random = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
    buffer = io.BytesIO()
    torch.save(dict(state=state, run=run, history=[tuple(e) for e in history], random=random), buffer)
    data = buffer.getvalue()
    _write_atomically(Path(file), _sha256(data).encode() + data)


def _resume(file, parts, run):
    try:
        digest, data = (whole := Path(file).read_bytes())[:64], whole[64:]
        if digest != _sha256(data).encode():
            raise ValueError("its hash is not that of the rest: damaged, or of another version")
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        its_run = dict(found["run"])
        other = {k: its_run.get(k) for k in run if its_run.get(k) != run[k]}
        if not other:
            history = [Epoch(*e) for e in found["history"]]
            torch.set_rng_state(found["random"][0])
            torch.cuda.set_rng_state_all(found["random"][1:])
            for part, its_state in zip(reversed(parts), reversed(found["state"]), strict=True):  # the model last
                part.load_state_dict(its_state)
    except Exception as error:
        raise ValueError(f"{file} is no readable checkpoint ({error}): delete it to start afresh") from None
    if other:
        raise ValueError(f"{file} belongs to another run, with {other}: delete it to start afresh")
    return history


# ------------------------------------------------------------------------------------
# Trained models
# ------------------------------------------------------------------------------------

MODELS = {"VAE": VAE, "GMVAE": GMVAE, "SSVAE": SSVAE, "NamedGMVAE": NamedGMVAE, "Autoencoder": Autoencoder}
TRAINED = BOOK / "trained"


def save_model(file, model, **description):
    """Write a model as one self-describing .safetensors file, atomically.

    Weights are float16; description (recipe, seed, results ...) is kept as JSON in the
    file's metadata, beside the class, its arguments and one hash over all of it. Raises
    ValueError for what `load_model` could not make again: weights that float16 cannot hold,
    a class that is not in MODELS, other layers than its own.
    """
    if MODELS.get(type(model).__name__) is not type(model):
        name = type(model).__name__
        raise ValueError(f"a file names its class, and vae_core.MODELS has no such {name}: add it, as in "
                         f"vae_core.MODELS[{name!r}] = {name}, here and where the file is loaded")
    tensors = {name: t.detach().cpu().half().contiguous() for name, t in model.state_dict().items()}
    for name, t in model.state_dict().items():
        if not tensors[name].isfinite().all():
            raise ValueError(f"{name} holds {t.abs().max():g}, and float16 ends at 65504")
    description.pop("sha256", None)
    description |= {"class": type(model).__name__, "arguments": model.arguments, "sha256": ""}
    text = json.dumps(description)
    _check_layers(json.loads(text), tensors)
    text = f'{text[:-2]}{_hash_tensors(tensors, text)}"}}'  # the hash, at the end, is of all but itself
    _write_atomically(Path(file), save(tensors, {"description": text}))


def load_model(file):
    """Read a model that `save_model` wrote; it comes in float32, ready to use.

    What the file says of itself is in model.description, as in `trained_models`. Nothing
    in the file is executed, and nothing is made of it before its shapes are those of the
    model that it describes. Raises ValueError, with what is wrong, for a missing, damaged or
    foreign file.
    """
    description, tensors = _read(file)
    try:
        _check_layers(description, tensors)
        model = MODELS[description["class"]](**description["arguments"])
        model.load_state_dict(tensors)
    except Exception as error:
        reason = str(error).partition("\n")[0]  # torch's go on with a trace
        raise ValueError(f"{file} does not fit this version of vae_core: {reason}") from None
    model.description = description
    return model.eval()


def load_trained(name):
    """One of the book's trained models, by name; `trained_models` lists them.

    Raises ValueError for an unknown name.
    """
    names = sorted(file.stem for file in TRAINED.glob("*.safetensors"))
    if name not in names:
        raise ValueError(f"no trained model {name!r}; there are {', '.join(names)}")
    return load_model(TRAINED / f"{name}.safetensors")


def trained_models():
    """What there is in book/trained/: a dict from name to description.

    A description is a dict: the class and its arguments, recipe, seed, history of the
    training loss, versions, and the results that train.py measured, in nats.
    """
    return {file.stem: _read(file)[0] for file in sorted(TRAINED.glob("*.safetensors"))}


def _read(file):
    """A file's description and tensors, which are those that were hashed when it was written."""
    try:
        with safe_open(file, "pt") as f:
            text = (f.metadata() or {}).get("description", "")
            tensors = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118 (f is no dict)
        if {str(t.dtype) for t in tensors.values()} != {"torch.float16"}:
            raise ValueError("its weights are not float16")
        if text[-66:-2] != _hash_tensors(tensors, text[:-66] + text[-2:]):
            raise ValueError("its description and weights do not match their hash")
        description = json.loads(text)
        if not isinstance(description, dict):
            raise ValueError("its description is no dict")
        for name, t in tensors.items():
            if not t.isfinite().all():
                raise ValueError(f"{name} holds numbers that are not finite")
    except FileNotFoundError:
        raise ValueError(f"{file} does not exist") from None
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error}") from None
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} is damaged, or no model of this book: {error}") from None
    return description, tensors


def _check_layers(description, tensors):
    """Raise ValueError unless the described model has these tensors. On the device "meta", it has no memory."""
    kind, arguments = description.get("class"), description.get("arguments")
    if not isinstance(kind, str) or kind not in MODELS:
        raise ValueError(f"it holds a {kind!r}, and vae_core.MODELS has {', '.join(MODELS)}")
    if not isinstance(arguments, dict) or len(arguments.get("hidden", ())) > len(tensors):  # a layer has two at least
        raise ValueError(f"these are no arguments for it: {str(arguments)[:200]}")
    with torch.device("meta"):
        wanted = MODELS[kind](**arguments).state_dict()
    for name in {**wanted, **tensors}:
        shapes = [tuple(each[name].shape) if name in each else "none" for each in (wanted, tensors)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{name} has to have shape {shapes[0]} in a {kind} of {arguments}; given {shapes[1]}")


def _hash_tensors(tensors, text=""):
    tensors = sorted(tensors.items())
    header = [text, *((name, str(t.dtype), tuple(t.shape)) for name, t in tensors)]
    digest = hashlib.sha256(json.dumps(header).encode())
    for _, t in tensors:
        digest.update(t.numpy().ravel())
    return digest.hexdigest()
