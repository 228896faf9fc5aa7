"""What a model is made of: densities, priors p(z), likelihoods p(x|z) and networks.

Read this file from top to bottom, and then vae_core, which makes models of such parts, bounds log p(x) with them, and
trains them. All public names are to be had from there: `import vae_core as vc`, and `vc.log_normal`. A part of your
own has to say no more than its base class asks for, `Prior`, `Likelihood` or any nn.Module; chapter 8 makes some.

All logarithms are natural, so every density and divergence is in nats; `v` is always a variance. "Notes" are the
lecture notes that the book follows, and book/from_the_notes.md says where each of their equations is derived.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_machinery import fast
from vae_machinery.checks import (
    HALF,
    check_count,
    check_number,
    check_shapes,
    check_tensor,
    check_unit_range,
    check_variance,
    holds,
)
from vae_machinery.few_labels import cluster_classes
from vae_machinery.model_files import register

if TYPE_CHECKING:
    from vae_core import VAE

# ------------------------------------------------------------------------------------
# Densities, and draws. A density sums over the last dimension, and over nothing else.
# ------------------------------------------------------------------------------------


def sample_gaussian(m: Tensor, v: Tensor) -> Tensor:
    """Draw z = m + sqrt(v) * eps with eps ~ N(0, I): the reparameterisation trick.

    m, v: mean and variance, of one shape (batch, ...). Returns z of that shape, through
    which gradients reach m and v. Raises ValueError if the shapes differ or a variance is
    not positive. Notes §5.1; chapter 3.
    """
    if m.shape != v.shape:
        raise ValueError(f"wanted m and v of one shape; given {tuple(m.shape)} and {tuple(v.shape)}")
    check_variance(v)
    return m + v.sqrt() * torch.randn_like(m)


def gaussian_parameters(h: Tensor, dim: int = -1) -> tuple[Tensor, Tensor]:
    """Split h in half along `dim` into a mean and a variance, softplus(h_2) + 1e-8 > 0.

    h: (..., 2n, ...) -> m, v: (..., n, ...). Raises ValueError if the size is odd.
    Notes §3.1 (which uses the log-variance instead); chapter 3.
    """
    if h.shape[dim] % 2:
        raise ValueError(
            f"h needs an even size along dim {dim}, a mean and a variance "
            f"for each latent; its shape is {tuple(h.shape)}"
        )
    m, h_v = h.chunk(2, dim)
    return m, F.softplus(h_v) + 1e-8


def log_normal(x: Tensor, m: Tensor, v: Tensor) -> Tensor:
    """log N(x; m, diag(v)), in nats. Notes §5.4, eq. 13; chapters 1 and 5.

    x, m, v: (..., dim), broadcast together; v is a variance. Returns (...).
    Raises ValueError if shapes do not broadcast or a variance is not positive.
    """
    check_shapes(x=x, m=m, v=v)
    check_variance(v)
    return -0.5 * (math.log(2 * math.pi) + v.log() + (x - m) ** 2 / v).sum(-1)


def log_normal_mixture(z: Tensor, m: Tensor, v: Tensor) -> Tensor:
    """log (1/k) sum_j N(z; m_j, diag(v_j)), in nats. Notes §5.5; chapter 5.

    z: (batch, dim); m, v: (1 or batch, k, dim), the k components, weighted equally.
    Returns (batch,). Raises ValueError on other shapes or a variance that is not positive.
    """
    if z.dim() != 2 or m.dim() != 3 or m.shape != v.shape or m.shape[2] != z.shape[1] or len(m) not in (1, len(z)):
        raise ValueError(
            "wanted z: (batch, dim) and m, v: (1 or batch, k, dim); given "
            f"z {tuple(z.shape)}, m {tuple(m.shape)}, v {tuple(v.shape)}"
        )
    return log_mean_exp(log_normal(z.unsqueeze(1), m, v), dim=1)


def log_bernoulli_with_logits(x: Tensor, logits: Tensor) -> Tensor:
    """log p(x) of independent pixels with p(x_i = 1) = sigmoid(logits_i), in nats.

    x, logits: (..., dim), broadcast together; x is 0 or 1 (at a grey level in between,
    this is minus the cross-entropy and no log-probability). An infinite logit adds 0 where x
    is on its side, and -inf elsewhere. Returns (...). Raises ValueError if shapes do not
    broadcast, or x leaves [0, 1]. Notes §3.2.1 and eq. 12; chapter 3.
    """
    if logits.dtype in HALF:  # a network's under autocast
        logits = logits.float()
    x = x.to(logits.dtype)
    check_shapes(x=x, logits=logits)
    if x.numel():
        check_unit_range(x)
    if logits.shape[-1] == 1:
        logits = logits.expand(*logits.shape[:-1], x.shape[-1])
    return fast.log_bernoulli(x, logits)


def kl_normal(qm: Tensor, qv: Tensor, pm: Tensor, pv: Tensor) -> Tensor:
    """KL(N(qm, diag(qv)) || N(pm, diag(pv))) in closed form, in nats, and never below 0.

    All (..., dim), broadcast together; qv and pv are variances. Returns (...).
    Raises ValueError if shapes do not broadcast or a variance is not positive.
    Notes §3.2; chapter 2.
    """
    check_shapes(qm=qm, qv=qv, pm=pm, pv=pv)
    check_variance(qv)
    check_variance(pv)
    return _not_below_zero(0.5 * (pv.log() - qv.log() + (qv + (qm - pm) ** 2) / pv - 1).sum(-1))


def kl_cat(q: Tensor, log_q: Tensor | float, log_p: Tensor | float) -> Tensor:
    """KL(q || p) of two categorical distributions, in nats, never below 0. Notes §5.7; chapter 7.

    q: (..., k) probabilities; log_q, log_p: (..., k) or numbers. Returns (...). A class
    with q = 0 adds 0, to the gradient, too. That passes through q, with log_q as its
    logarithm, and through log_p. Raises ValueError if shapes do not broadcast.
    """
    q = q if q.is_floating_point() else q.float()
    log_q, log_p = (t if isinstance(t, Tensor) else q.new_tensor(t) for t in (log_q, log_p))
    check_shapes(q=q, log_q=log_q, log_p=log_p)
    log_of_q = torch.where(q > 0, q, 1).log()  # q.log() has no slope at q = 0: its value is log_q, its slope this one's
    log_ratio = torch.where(q > 0, log_q.detach() + (log_of_q - log_of_q.detach()) - log_p, 0)
    return _not_below_zero((q * log_ratio).sum(-1))


def _not_below_zero(kl: Tensor) -> Tensor:
    return kl - kl.detach().clamp(max=0)  # what rounding took away; the gradient stays as it is


def log_mean_exp(x: Tensor, dim: int) -> Tensor:
    """log of the mean of exp(x) along `dim`, without overflow; all -inf gives -inf.

    Raises ValueError if there is nothing to average. Notes §5.5 and eq. 3; chapter 6.
    """
    if x.shape[dim] == 0:
        raise ValueError(f"nothing to average: x has shape {tuple(x.shape)}, dim={dim}")
    return x.logsumexp(dim) - math.log(x.shape[dim])


def duplicate(x: Tensor, rep: int) -> Tensor:
    """Stack `rep` copies of x: (batch, ...) -> (rep * batch, ...).

    The result is *rep-major*: all of copy 1, then all of copy 2, ... so it is
    reshape(rep, batch, ...) that takes it apart again, never (batch, rep).
    Raises ValueError if rep < 1. Notes §5.6; chapter 6.
    """
    return x.repeat(check_count(rep, "rep"), *[1] * (x.dim() - 1))


def binarize(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw binary pixels, each on with the probability that its grey level states.

    x: any shape, uint8 in 0..255 or float in [0, 1]; generator: a torch.Generator on x's
    device, for a repeatable draw. Returns float32 zeros and ones of the same shape.
    Raises ValueError for another dtype or range. Notes §5, problem 1; chapter 3.
    """
    check_tensor(x, "images")
    if x.dtype == torch.uint8:
        scale = 255
    else:
        check_unit_range(x)
        scale = 1
    u = torch.rand(x.shape, generator=generator, device=x.device)
    return (u.mul_(scale) < x).float()


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from `seed` inside, and leave the caller's random state as it was. Chapter 3."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _wide(t: Tensor) -> Tensor:
    """In float64, where the device has it: Apple's GPUs do not."""
    return t if t.device.type == "mps" else t.double()


# ------------------------------------------------------------------------------------
# Priors: what p(z) is
# ------------------------------------------------------------------------------------


class Prior(nn.Module):
    """The base of priors: one has to say `log_prob(z)`, (..., z_dim) -> (...) in nats, and `sample(n)`, (n, z_dim).

    One whose density is a mixture of Gaussians also says `components()`, their means and variances, each (1, k, z_dim)
    or, for a single one, (z_dim,), all weighted equally: with them a browser can compute it. Chapter 8.
    """

    log_prob: Callable[[Tensor], Tensor]
    sample: Callable[[int], Tensor]
    components: Callable[[], tuple[Tensor, Tensor]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "log_prob" in vars(cls) and "kl" not in vars(cls):  # an inherited formula is that of another density
            cls.kl = Prior.kl  # type: ignore[method-assign]

    def attach(self, model: "VAE") -> None:
        """Called by the model that is made with this prior, for one that needs the model's networks (kept in a tuple:
        as an attribute of its own, a network would be saved and trained twice)."""

    def kl(self, m: Tensor, v: Tensor, z: Tensor) -> Tensor:
        """log q(z) - log p(z) at the sample z ~ q = N(m, diag(v)): its mean is KL(q || p). (..., z_dim) -> (...)."""
        return log_normal(z, m, v) - self.log_prob(z)

    @torch.no_grad()
    def extent(self) -> float:
        """How far from 0 a grid has to reach, so that next to nothing of p(z) is left out."""
        if hasattr(self, "components"):
            m, v = self.components()
            return (m.abs() + 6 * v.sqrt()).max().item()
        with seeded(0):
            return 1.5 * self.sample(10_000).abs().max().item()


@register
class StandardNormal(Prior):
    """p(z) = N(0, I). Notes §2; chapter 1."""

    m: Tensor
    v: Tensor

    def __init__(self, z_dim: int):
        super().__init__()
        self.z_dim = check_count(z_dim, "z_dim")
        self.register_buffer("m", torch.zeros(self.z_dim), persistent=False)
        self.register_buffer("v", torch.ones(self.z_dim), persistent=False)

    def components(self) -> tuple[Tensor, Tensor]:
        """Its mean and variance, each (z_dim,)."""
        return self.m, self.v

    def log_prob(self, z: Tensor) -> Tensor:
        """log N(z; 0, I), in nats: (..., z_dim) -> (...)."""
        return log_normal(z, self.m, self.v)

    def sample(self, n: int) -> Tensor:
        """n draws, (n, z_dim)."""
        return torch.randn(n, self.z_dim, dtype=self.m.dtype, device=self.m.device)

    def kl(self, m: Tensor, v: Tensor, z: Tensor) -> Tensor:
        """KL(N(m, diag(v)) || N(0, I)), exact, so that the sample z is unused. Notes §3.2; chapter 2."""
        return kl_normal(m, v, self.m, self.v)


class Mixture(Prior):
    """A mixture of Gaussians with equal weights: a subclass says what its `components()` are. Notes §4.2; chapter 5."""

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z), in nats: (..., z_dim) -> (...).

        The square in each component is expanded, z^2/v - 2 z m/v + m^2/v: linear in (z^2, z),
        so that a matrix product replaces a (batch, k, z_dim) temporary; in float64, since it
        cancels.
        """
        m, v = (_wide(t.squeeze(0)) for t in self.components())
        rows = _wide(z.reshape(-1, z.shape[-1]))
        constant = (math.log(2 * math.pi) + v.log() + m**2 / v).sum(-1)
        log_each = F.linear(torch.cat((rows**2, rows), 1), torch.cat((-0.5 / v, m / v), 1), -0.5 * constant)
        return log_mean_exp(log_each.to(z.dtype), dim=1).reshape(z.shape[:-1])

    def sample(self, n: int) -> Tensor:
        """n draws, (n, z_dim)."""
        m, v = (t.squeeze(0) for t in self.components())
        which = torch.randint(len(m), (n,), device=m.device)
        return sample_gaussian(m[which], v[which])


def _drawn(*shape: int, over: float = 1.0) -> nn.Parameter:
    """Weights drawn from N(0, 1), over a number. Where shapes alone are asked for, on the device "meta", none is drawn:
    PyTorch would import for seconds first."""
    drawn = torch.empty(shape)
    return nn.Parameter(drawn if drawn.is_meta else drawn.normal_().div_(over))


@register
class GaussianMixture(Mixture):
    """k Gaussians whose means and variances are learned. Notes §4.2, §5.3; chapter 5."""

    def __init__(self, z_dim: int, k: int = 500):
        super().__init__()
        self.z_dim, self.k = check_count(z_dim, "z_dim"), check_count(k, "k")
        # Means near 0 and variances near softplus(0) = 0.7, so that every component begins with its share of the data.
        self.z_pre = _drawn(1, 2 * self.k, self.z_dim, over=math.sqrt(self.k * self.z_dim))

    def components(self) -> tuple[Tensor, Tensor]:
        """Means and variances, each (1, k, z_dim)."""
        return gaussian_parameters(self.z_pre, dim=1)


@register
class NamedMixture(Prior):
    """y uniform, z|y a mixture of `each` Gaussians with full covariances. Chapter 7."""

    def __init__(self, z_dim: int, y_dim: int = 10, each: int = 20):
        super().__init__()
        self.z_dim, self.y_dim, self.each = (
            check_count(n, name) for n, name in ((z_dim, "z_dim"), (y_dim, "y_dim"), (each, "each"))
        )
        k = self.y_dim * self.each  # those of class 0, then those of class 1, ...
        self.mean = _drawn(k, self.z_dim)
        # Lower triangular: it maps a component's codes, less their mean, to N(0, I).
        self.whiten = nn.Parameter(torch.zeros(k, self.z_dim, self.z_dim))
        self.whiten.data.diagonal(dim1=1, dim2=2).fill_(1)
        self.share = nn.Parameter(torch.zeros(self.y_dim, self.each))  # logits of the weights within a class

    def log_prob_of_classes(self, z: Tensor) -> Tensor:
        """log p(z|y) for every class, in nats: (..., z_dim) -> (..., y_dim)."""
        rows, whiten = z.reshape(-1, self.z_dim), self.whiten.tril()
        centre = (whiten @ self.mean.unsqueeze(2)).squeeze(2)
        white = F.linear(rows, whiten.flatten(0, 1)).reshape(-1, *centre.shape) - centre
        log_det = whiten.diagonal(dim1=1, dim2=2).abs().log().sum(1)
        log_each = log_det - 0.5 * (white.square().sum(2) + self.z_dim * math.log(2 * math.pi))
        log_each = log_each.reshape(-1, self.y_dim, self.each) + self.share.log_softmax(1)
        return log_each.logsumexp(2).reshape(*z.shape[:-1], self.y_dim)

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z), the mean over classes, in nats: (..., z_dim) -> (...)."""
        return log_mean_exp(self.log_prob_of_classes(z), dim=-1)

    def sample(self, n: int) -> Tensor:
        """n draws, (n, z_dim)."""
        y = torch.randint(self.y_dim, (n,), device=self.mean.device)
        which = y * self.each + torch.distributions.Categorical(logits=self.share[y]).sample()
        noise, factor = torch.randn_like(self.mean[which]).unsqueeze(2), self.whiten.tril()[which]
        return self.mean[which] + torch.linalg.solve_triangular(factor, noise, upper=False).squeeze(2)

    @torch.no_grad()
    def place(self, codes: Tensor, labels: Tensor, seed: int = 0) -> None:
        """Set the components of each class on `each` clusters (k-means) of the codes that have its name.

        codes: (n, z_dim), samples of q(z|x); labels: (n,) class ids, guessed or known. Raises ValueError if a
        class has fewer codes than components.
        """
        means, factors, counts = cluster_classes(codes, labels, self.y_dim, self.each, seed)
        self.mean.copy_(means)
        self.whiten.copy_(factors.inverse())
        self.share.copy_(counts.log())


# ------------------------------------------------------------------------------------
# Likelihoods: what p(x|z) is, given the decoder's numbers
# ------------------------------------------------------------------------------------


class Likelihood(nn.Module):
    """The base of likelihoods p(x|z) with independent pixels. The decoder gives `outputs` numbers a pixel.

    One has to say `log_prob(x, parameters)`, (..., x_dim) and (..., outputs * x_dim) -> (...) in nats;
    `mean(parameters)` and `sample(parameters)`, (..., x_dim) each; and may say how data are prepared. Chapter 8.
    """

    outputs = 1
    log_prob: Callable[[Tensor, Tensor], Tensor]
    mean: Callable[[Tensor], Tensor]
    sample: Callable[[Tensor], Tensor]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "log_prob" in vars(cls) and "log_prob_pairs" not in vars(cls):  # a faster one is of another density
            cls.log_prob_pairs = Likelihood.log_prob_pairs  # type: ignore[method-assign]

    def check(self, x: Tensor) -> None:
        """Raise ValueError for pixels outside [0, 1], or outside of what this likelihood is for."""
        check_unit_range(x)

    def prepare(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Data as the bounds take them: uint8 in 0..255 becomes float32 in [0, 1], all else stays as it is."""
        check_tensor(images, "images")
        return images / 255 if images.dtype == torch.uint8 else images

    def log_prob_pairs(self, x: Tensor, parameters: Tensor) -> Tensor:
        """log p(x_i|z_j) of all pairs: x (n, x_dim), parameters (k, outputs * x_dim) -> (n, k)."""
        return torch.stack([self.log_prob(each, parameters) for each in x])


@register
class Bernoulli(Likelihood):
    """Binary pixels, each on with probability sigmoid(logit). Images are binarised anew. Notes §3.2.1; chapter 3."""

    def prepare(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Binary pixels, drawn with the probabilities that the grey levels state; see `binarize`."""
        return binarize(images, generator)

    def log_prob(self, x: Tensor, parameters: Tensor) -> Tensor:
        """See `log_bernoulli_with_logits`."""
        return log_bernoulli_with_logits(x, parameters)

    def log_prob_pairs(self, x: Tensor, parameters: Tensor) -> Tensor:
        # x . logits_j + log p(0|z_j): one matrix product
        return x @ parameters.T + self.log_prob(parameters.new_zeros(x.shape[-1]), parameters)

    def mean(self, parameters: Tensor) -> Tensor:
        """The probability of ink at each pixel."""
        return parameters.sigmoid()

    def sample(self, parameters: Tensor) -> Tensor:
        """Zeros and ones."""
        return torch.bernoulli(parameters.sigmoid())


@register
class ContinuousBernoulli(Likelihood):
    """Grey pixels in [0, 1] with density C(p) p^x (1-p)^(1-x), p = sigmoid(logit): the factor C(p) makes its integral
    1, as that of the cross-entropy is not. Loaiza-Ganem and Cunningham (2019); chapter 8.
    """

    def log_prob(self, x: Tensor, parameters: Tensor) -> Tensor:
        """log of the density, in nats, which may be above 0."""
        return torch.distributions.ContinuousBernoulli(logits=parameters).log_prob(x).sum(-1)

    log_prob_pairs = Bernoulli.log_prob_pairs  # it is linear in x, too

    def mean(self, parameters: Tensor) -> Tensor:
        """The mean of each pixel: not p, but nearer to 1/2."""
        return torch.distributions.ContinuousBernoulli(logits=parameters).mean

    def sample(self, parameters: Tensor) -> Tensor:
        """Grey levels in [0, 1]."""
        return torch.distributions.ContinuousBernoulli(logits=parameters).sample()


@register
class Gaussian(Likelihood):
    """Real pixels, N(mean, variance): log p is that of a density and may be above 0. Chapter 8.

    variance: a positive number, which stays; "learned", one number for all pixels; or "predicted" by the decoder, for
    each pixel, after its mean. Raises ValueError for another.
    """

    def __init__(self, variance: float | str = 1.0):
        super().__init__()
        if variance not in ("learned", "predicted") and not check_number(variance, "variance") > 0:
            raise ValueError(f'variance must be positive, "learned" or "predicted"; given {variance!r}')
        self.variance = variance
        if variance == "learned":
            self.log_v = nn.Parameter(torch.zeros(()))
        if variance == "predicted":
            self.outputs = 2

    def check(self, x: Tensor) -> None:
        """Raise ValueError for pixels that are not finite."""
        if not x.is_floating_point() or not holds(x.isfinite()):
            raise ValueError(
                f"wanted floats that are finite; given {x.dtype}"
                + (", some of them NaN or infinite" if x.is_floating_point() else "")
            )

    def moments(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each pixel, broadcast together."""
        if self.variance == "predicted":
            return gaussian_parameters(parameters)
        return parameters, self.log_v.exp() if self.variance == "learned" else parameters.new_tensor(self.variance)

    def log_prob(self, x: Tensor, parameters: Tensor) -> Tensor:
        """log of the density, in nats: (..., x_dim) -> (...)."""
        m, v = self.moments(parameters)
        return log_normal(x, m, v.expand_as(m))

    def log_prob_pairs(self, x: Tensor, parameters: Tensor) -> Tensor:
        # matrix products in float64, as in Mixture.log_prob
        m, v = map(_wide, torch.broadcast_tensors(*self.moments(parameters)))
        constant = (math.log(2 * math.pi) + v.log() + m**2 / v).sum(-1)
        squared = _wide(x) ** 2 @ (1 / v).T - 2 * _wide(x) @ (m / v).T
        return (-0.5 * (squared + constant)).to(parameters.dtype)

    def mean(self, parameters: Tensor) -> Tensor:
        """The mean of each pixel."""
        return self.moments(parameters)[0]

    def sample(self, parameters: Tensor) -> Tensor:
        """A draw of each pixel."""
        m, v = self.moments(parameters)
        return sample_gaussian(m, v.expand_as(m))


# ------------------------------------------------------------------------------------
# Networks
# ------------------------------------------------------------------------------------


class ELU(nn.Module):
    """x where x > 0, else e^x - 1. Clevert et al. (2016); chapter 3."""

    def forward(self, x: Tensor) -> Tensor:
        return fast.elu(x)


ACTIVATIONS = {"elu": ELU, "relu": nn.ReLU, "tanh": nn.Tanh}


@register
class MLP(nn.Module):
    """Fully connected layers; sizes = (in, hidden, ..., out).

    A second input y (one-hot labels, y_dim wide) may enter at the first layer, which is
    linear in both: W x + U y + b. Its two parts are computed apart and broadcast, so that
    a batch of x meets ten labels at the cost of one pass through W. Chapters 3 and 7.
    """

    broadcasts = True  # leading dimensions, of x and y apart, and gives its input's precision back

    def __init__(self, sizes: Sequence[int], activation: str = "elu", y_dim: int = 0):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; given {activation!r}")
        sizes = [check_count(n, "the width of a layer") for n in sizes]
        y_dim = check_count(y_dim, "y_dim") if y_dim else 0
        self.sizes, self.activation, self.y_dim = sizes, activation, y_dim
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

    def forward(self, x: Tensor, y: Tensor | None = None) -> Any:  # a tensor; of an Encoder two
        if (y is None) != (self.label is None):
            raise ValueError("this network takes labels, too" if y is None else "this network takes no labels")
        h = self.first(x)
        if self.label is not None:
            h = h + self.label(y)
        return self.rest(h).to(x.dtype)  # under autocast too, densities are in full precision


@register
class Encoder(MLP):
    """q(z|x) or q(z|x, y) = N(m, diag(v)): returns m and v. Notes §3.1, §5.8, eq. 9; chapter 3."""

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return gaussian_parameters(super().forward(x, y))
