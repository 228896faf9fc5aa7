"""Variational autoencoders, from their bounds to trained models.

One quantity is behind everything here: the log importance weight of a latent z drawn
from the encoder q(z|x),

    log w = log p(x, z) - log q(z|x),          z ~ q(z|x).

Its mean is the ELBO. The log of the mean of m weights is the IWAE bound, and the same
with m = 5000 estimates log p(x). A model is made of parts, a prior p(z), a likelihood p(x|z), an encoder
and a decoder; the bounds ask the parts, and so does all that follows. A GMVAE changes the prior and nothing else;
an SSVAE adds a label y that is drawn, or summed over, together with z.

The parts are in vae_parts, which comes first for a reader; its names are exported from here. Then read this file from
top to bottom: models and their bounds, evaluation, training. All logarithms are natural, so every bound is in nats;
`v` is always a variance. "Notes" are the lecture notes that the book follows, and
book/from_the_notes.md says where each of their equations is derived. What only a machine needs (files,
checkpoints, checks, optimisers, the data, labels spread to other images) is in vae_machinery.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from vae_machinery.batches import Resident, batches_of
from vae_machinery.checkpoints import Best, described, load_checkpoint, save_checkpoint
from vae_machinery.checks import check_count, check_number, check_tensor, holds, on_trust
from vae_machinery.few_labels import labelled_subset, name_clusters, neighbour_graph, spread_labels
from vae_machinery.files import BOOK
from vae_machinery.fitting import check_finite, device_for, left_as_it_was, one_cycle, optimizers_for
from vae_machinery.mnist import MNIST, MNIST_SHA256, load_mnist
from vae_machinery.model_files import (
    TRAINED,
    arguments_of,
    load_model,
    load_trained,
    register,
    save_model,
    trained_models,
)
from vae_machinery.muon import Muon
from vae_machinery.precision import autocast, bfloat16_is_faster
from vae_parts import (
    ACTIVATIONS,
    ELU,
    MLP,
    Bernoulli,
    ContinuousBernoulli,
    Encoder,
    Gaussian,
    GaussianMixture,
    Likelihood,
    Mixture,
    NamedMixture,
    Prior,
    StandardNormal,
    binarize,
    duplicate,
    gaussian_parameters,
    kl_cat,
    kl_normal,
    log_bernoulli_with_logits,
    log_mean_exp,
    log_normal,
    log_normal_mixture,
    sample_gaussian,
    seeded,
)

__all__ = [
    "ACTIVATIONS", "BOOK", "ELU", "GMVAE", "MLP", "MNIST", "MNIST_SHA256", "SSVAE", "TRAINED", "VAE", "Autoencoder",
    "Bernoulli", "ContinuousBernoulli", "Encoder", "Epoch", "Gaussian", "GaussianMixture", "Grid", "Likelihood",
    "Mixture", "Muon", "NamedGMVAE", "NamedMixture", "Prior", "StandardNormal", "accuracy", "active_units",
    "bfloat16_is_faster", "binarize", "duplicate", "evaluate", "fit", "gaussian_parameters", "kl_cat", "kl_normal",
    "labelled_subset", "load_mnist", "load_model", "load_trained", "log_bernoulli_with_logits", "log_likelihood",
    "log_marginal_grid", "log_mean_exp", "log_normal", "log_normal_mixture", "name_clusters", "neighbour_graph",
    "register", "sample_gaussian", "save_model", "seeded", "spread_labels", "trained_models",
]  # fmt: skip

# ------------------------------------------------------------------------------------
# Models. A model says what p(x|z), p(z) and q(z|x) are; the bounds follow.
# ------------------------------------------------------------------------------------


class _Model(nn.Module):
    """An encoder, a decoder and a likelihood.

    encoder maps (batch, x_dim) to q's means and variances, each (batch, z_dim), or to both at once, (batch, 2 z_dim),
    which `gaussian_parameters` takes apart; decoder maps (batch, z_dim) to the likelihood's numbers,
    (batch, outputs * x_dim) in all. Any nn.Module will do. shape: height and width of an image, for what shows some.
    """

    takes_label = False  # whether encoder and decoder need y

    def __init__(self, x_dim: int, z_dim: int, hidden: Sequence[int], activation: str, encoder: nn.Module | None,
                 decoder: nn.Module | None, likelihood: Likelihood | None, shape: tuple[int, int] | None):  # fmt: skip
        super().__init__()
        self.x_dim, self.z_dim = check_count(x_dim, "x_dim"), check_count(z_dim, "z_dim")
        self.hidden = [check_count(n, "the width of a layer") for n in hidden]
        self.activation = activation
        self._defaults: dict[str, Any] = {}  # the parts that nobody gave, which a file need not name
        self.likelihood = self._part("likelihood", likelihood, Bernoulli)
        self._networks(encoder, decoder)
        side = math.isqrt(self.x_dim)
        square = (side, side) if side**2 == self.x_dim else None
        self.shape = self._part("shape", shape and tuple(shape), lambda: square)
        if self.shape and math.prod(self.shape) != self.x_dim:
            raise ValueError(f"wanted a shape of {self.x_dim} pixels; given {self.shape}")

    def _part(self, name: str, given: Any, default: Callable[[], Any]) -> Any:
        if given is None:
            given = self._defaults[name] = default()
        return given

    def _networks(self, encoder: nn.Module | None, decoder: nn.Module | None, y_dim: int = 0) -> None:
        down = self.x_dim, *self.hidden, 2 * self.z_dim
        up = self.z_dim, *reversed(self.hidden), self.likelihood.outputs * self.x_dim
        self.enc = self._part("encoder", encoder, lambda: Encoder(down, self.activation, y_dim))
        self.dec = self._part("decoder", decoder, lambda: MLP(up, self.activation, y_dim))

    @property
    def left_out(self) -> list[str]:
        """The arguments that are as the class itself chooses them."""
        return [name for name, part in self._defaults.items() if getattr(self, name) is part]

    @property
    def arguments(self) -> dict[str, Any]:
        """What the class would have to be called with for a model like this one: a dict, as `save_model` keeps it."""
        return arguments_of(self)

    @property
    def encoder(self) -> nn.Module:
        """The network of q(z|x); the argument, by its name."""
        return self.enc

    @property
    def decoder(self) -> nn.Module:
        """The network of p(x|z); the argument, by its name."""
        return self.dec

    def prepare(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Data as the bounds take them, in the precision of the weights: binary images for a Bernoulli."""
        return self.likelihood.prepare(images, generator).to(next(self.parameters()).dtype)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The likelihood's parameters, (..., outputs * x_dim): z (..., z_dim), y one-hot (..., y_dim)."""
        (parameters,) = self._through(self.dec, z, y)
        if parameters.shape[-1] != self.likelihood.outputs * self.x_dim:
            raise ValueError(
                f"wanted a decoder that gives {self.likelihood.outputs} x {self.x_dim} numbers; "
                f"given {tuple(parameters.shape)} for latents {tuple(z.shape)}"
            )
        return parameters

    @staticmethod
    def _through(net: nn.Module, t: Tensor, y: Tensor | None = None) -> tuple[Tensor, ...]:
        """What a network says of t: it sees one batch, and its numbers come back in t's precision."""
        if y is not None and not getattr(net, "broadcasts", False):
            lead = torch.broadcast_shapes(t.shape[:-1], y.shape[:-1])
            t, y = t.expand(*lead, -1), y.expand(*lead, -1)
        lead, inputs = t.shape[:-1], [each for each in (t, y) if each is not None]
        if getattr(net, "broadcasts", False):
            found = net(*inputs)
            return found if isinstance(found, tuple) else (found,)
        found = net(*(each.reshape(-1, each.shape[-1]) for each in inputs))
        return tuple(each.to(t.dtype).reshape(*lead, -1) for each in (found if isinstance(found, tuple) else (found,)))


@register
class VAE(_Model):
    """z ~ p(z), by default N(0, I); x|z ~ likelihood(dec(z)), by default Bernoulli; q(z|x) = N(enc(x)).
    Notes §2, §5; chapters 3 and 8.

    beta weighs the KL in `negative_elbo_bound` (beta-VAE, notes §4.1). Above 1 the number
    still bounds -log p(x), less tightly; below 1 it is a training objective and no bound.
    prior, likelihood: a `Prior` and a `Likelihood`; encoder, decoder: any networks, see above; flow: a module that
    moves samples of q on, flow(z, *context) -> z, log |det dz/dz| (both of one leading shape), where the context is
    what the encoder gives besides m and v (Rezende and Mohamed, 2015).
    """

    def __init__(self, x_dim: int = 784, z_dim: int = 10, hidden: Sequence[int] = (300, 300), activation: str = "elu",
                 beta: float = 1.0, *, prior: Prior | None = None, likelihood: Likelihood | None = None,
                 encoder: nn.Module | None = None, decoder: nn.Module | None = None, flow: nn.Module | None = None,
                 shape: tuple[int, int] | None = None):  # fmt: skip
        super().__init__(x_dim, z_dim, hidden, activation, encoder, decoder, likelihood, shape)
        self.beta = check_number(beta, "beta")
        self.prior = self._part("prior", prior, lambda: StandardNormal(self.z_dim))
        self.prior.attach(self)
        self.flow = self._part("flow", flow, lambda: None)

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """m and v of q(z|x), or of q(z|x, y), each (..., z_dim): x (..., x_dim), y one-hot (..., y_dim)."""
        m, v, *_ = self._encode(x, y)
        return m, v

    def _encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, ...]:
        # m, v, and what an encoder says besides, which is for a flow
        m, *rest = self._through(self.enc, x, y)
        if not rest:
            m, *rest = gaussian_parameters(m)
        for t in (m, rest[0]):
            if t.shape[-1] != self.z_dim:
                raise ValueError(
                    f"wanted an encoder that gives mean and variance of {self.z_dim} latents; "
                    f"given {tuple(m.shape)} and {tuple(rest[0].shape)} for images {tuple(x.shape)}"
                )
        return m, *rest

    @property
    def z_prior(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of p(z) = N(0, I), each (z_dim,); those of a mixture, each (1, k, z_dim)."""
        return self.prior.components()

    def log_prior(self, z: Tensor) -> Tensor:
        """log p(z), in nats: (..., z_dim) -> (...)."""
        return self.prior.log_prob(z)

    def kl(self, z: Tensor, m: Tensor, v: Tensor) -> Tensor:
        """KL(N(m, diag(v)) || p(z)): exact under N(0, I), else estimated at z ~ q."""
        if type(self).log_prior is not VAE.log_prior:  # its own has no formula
            return log_normal(z, m, v) - self.log_prior(z)
        return self.prior.kl(m, v, z)

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x_i, z_j) of all pairs, in nats: x (n, x_dim), z (k, z_dim) -> (n, k). Notes eq. 1; chapter 1."""
        return self.likelihood.log_prob_pairs(x, self.decode(z)) + self.log_prior(z)

    def _moved(self, z: Tensor, log_q: Tensor | float, context: Sequence[Tensor]) -> tuple[Tensor, Any]:
        """A sample of q and log q there, after the flow, if there is one."""
        if self.flow is None:
            return z, log_q
        z, log_det = self.flow(z, *context)
        return z, log_q - log_det

    def negative_elbo_bound(self, x: Tensor) -> tuple[Tensor, ...]:
        """-ELBO(x) = rec + KL from one sample of z, averaged over the batch, in nats.

        x: (batch, x_dim) as `prepare` gives it. Returns scalars nelbo = rec + beta * kl, kl and
        rec = -log p(x|z). Raises ValueError on another shape or range.
        Notes §3.2, §5.2; chapters 2 and 3.
        """
        _check_images(x, self)
        m, v, *context = self._encode(x)
        z = sample_gaussian(m, v)
        if self.flow is None:
            kl = self.kl(z, m, v).mean()
        else:
            z, log_q = self._moved(z, log_normal(z, m, v), context)
            kl = (log_q - self.log_prior(z)).mean()
        rec = -self.likelihood.log_prob(x, self.decode(z)).mean()
        return rec + self.beta * kl, kl, rec

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """`negative_elbo_bound`, so that what wraps a module, as DistributedDataParallel does, sees a step's start."""
        return self.negative_elbo_bound(x)

    def terms(self, x: Tensor) -> dict[str, Tensor]:
        """The bound with beta = 1 and its parts, by name: what `evaluate` averages."""
        _, kl, rec = self.negative_elbo_bound(x)
        return dict(nelbo=kl + rec, kl=kl, rec=rec)

    def log_weight(self, x: Tensor, iw: int, dreg: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """log w = log p(x, z) - log q(z|x) for `iw` draws z ~ q(z|x), in nats.

        x: (batch, x_dim). Returns log w, kl and rec, each (iw, batch), where
        kl = log q(z|x) - log p(z) and rec = -log p(x|z) at the drawn z, so that
        log w = -(kl + rec). Notes eq. 2 (corrected); chapter 6. dreg: see
        `negative_iwae_bound`. Raises ValueError if iw < 1 or x has another shape or range.
        """
        _check_images(x, self)
        iw = check_count(iw, "iw")
        if dreg and self.flow is not None:
            raise ValueError("the doubly reparameterised gradient needs a Gaussian q; this one has a flow")
        m, v, *context = self._encode(x)
        z = sample_gaussian(duplicate(m, iw), duplicate(v, iw)).reshape(iw, *m.shape)
        if dreg:  # the encoder learns through z alone ...
            m, v = m.detach(), v.detach()
        z, log_q = self._moved(z, log_normal(z, m, v), [c.expand(iw, *c.shape) for c in context])
        kl = log_q - self.log_prior(z)
        rec = -self.likelihood.log_prob(x, self.decode(z))
        log_w = -(kl + rec)
        if dreg and z.requires_grad:  # ... and each z counts once more by its share of the weights
            share = log_w.detach().softmax(0).unsqueeze(-1)
            z.register_hook(lambda grad: grad * share)
        return log_w, kl, rec

    def negative_iwae_bound(self, x: Tensor, iw: int, dreg: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """-log (1/iw) sum_i w_i averaged over the batch, in nats: at iw = 1, the -ELBO.

        x: (batch, x_dim), as `prepare` gives it; iw: number of samples. Returns scalars niwae, kl and
        rec; the last two are means over all samples and do *not* add up to niwae. It
        bounds -log p(x) from above whatever beta is. dreg: give the encoder the doubly
        reparameterised gradient of the same bound (Tucker et al., 2019), which has the same
        mean, and less noise unless q is much narrower than the posterior. Raises
        ValueError if iw < 1 or x has another shape or range.
        Notes §5.6, eq. 3; chapter 6.
        """
        log_w, kl, rec = self.log_weight(x, iw, dreg)
        return -log_mean_exp(log_w, dim=0).mean(), kl.mean(), rec.mean()

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n images x ~ p(x|z), z ~ p(z): (n, x_dim)."""
        return self.likelihood.sample(self.decode(self.prior.sample(check_count(n, "n"))))

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """The mean of p(x|z) at one z ~ q(z|x) for each image: (batch, x_dim) -> (batch, x_dim)."""
        _check_images(x, self)
        m, v, *context = self._encode(x)
        z, _ = self._moved(sample_gaussian(m, v), 0, context)
        return self.likelihood.mean(self.decode(z))


@register
class GMVAE(VAE):
    """A VAE whose prior is a learned mixture of k Gaussians with equal weights.

    Only p(z) differs, so only `log_prior` and the KL do, which has no closed form any
    more: one sample estimates it, without bias. Notes §4.2, §5.3; chapter 5.
    """

    def __init__(self, x_dim: int = 784, z_dim: int = 10, hidden: Sequence[int] = (300, 300), activation: str = "elu",
                 k: int = 500, beta: float = 1.0, *, likelihood: Likelihood | None = None,
                 encoder: nn.Module | None = None, decoder: nn.Module | None = None, flow: nn.Module | None = None,
                 shape: tuple[int, int] | None = None):  # fmt: skip
        parts: dict[str, Any] = dict(likelihood=likelihood, encoder=encoder, decoder=decoder, flow=flow, shape=shape)
        super().__init__(x_dim, z_dim, hidden, activation, beta, prior=GaussianMixture(z_dim, k), **parts)
        self.k = self.prior.k

    @property
    def z_pre(self) -> Tensor:
        """The k means, then what softplus makes the variances of, (1, 2k, z_dim)."""
        return self.prior.z_pre


@register
class SSVAE(VAE):
    """Semi-supervised VAE: x|y, z ~ Bernoulli(dec(z, y)), y uniform, z ~ N(0, I),
    with q(y, z|x) = q(y|x) q(z|x, y). Notes §4.4, §5.7, eqs. 4-12; chapter 7.

    gen_weight and class_weight weigh the bounds and the classifier's cross-entropy in
    `loss`, and beta the KL of z and y together. Images with a known label and without share
    all networks; activation is that of encoder and decoder, the classifier's is ReLU.
    """

    takes_label = True

    def __init__(self, x_dim: int = 784, z_dim: int = 64, hidden: Sequence[int] = (300, 300), activation: str = "elu",
                 y_dim: int = 10, gen_weight: float = 1.0, class_weight: float = 100.0, beta: float = 1.0, *,
                 likelihood: Likelihood | None = None, encoder: nn.Module | None = None,
                 decoder: nn.Module | None = None, shape: tuple[int, int] | None = None):  # fmt: skip
        super().__init__(
            x_dim, z_dim, hidden, activation, beta, likelihood=likelihood, encoder=encoder, decoder=decoder, shape=shape
        )
        self.y_dim = check_count(y_dim, "y_dim")
        self.gen_weight = check_number(gen_weight, "gen_weight")
        self.class_weight = check_number(class_weight, "class_weight")
        self._networks(encoder, decoder, self.y_dim)
        self.cls = MLP((self.x_dim, *self.hidden, self.y_dim), "relu")

    def every_label(self) -> Tensor:
        """All labels, one-hot, (y_dim, 1, y_dim): to be broadcast with a batch."""
        return torch.eye(self.y_dim).to(self.cls.first.weight).unsqueeze(1)

    def z_bound(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """KL and reconstruction for given labels: one-hot (..., batch or 1, y_dim) -> (..., batch) each."""
        m, v = self.encode(x, y)
        z = sample_gaussian(m, v)
        return self.kl(z, m, v), -self.likelihood.log_prob(x, self.decode(z, y))

    def negative_elbo_bound(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, ...]:
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
            kl_z, rec = (t.mean() for t in self.z_bound(x, _one_hot(y, len(x), self)))
            kl_y = torch.full_like(rec, -log_p_y)
        else:
            log_q = self.cls(x).log_softmax(-1)
            q = log_q.exp()
            kl_z, rec = ((q.T * t).sum(0).mean() for t in self.z_bound(x, self.every_label()))
            kl_y = kl_cat(q, log_q, log_p_y).mean()
        return rec + self.beta * kl_z + self.beta * kl_y, kl_z, kl_y, rec

    def negative_truncated_bound(self, x: Tensor, k: int) -> Tensor:
        """-ELBO(x) under q(y|x) cut down to each image's k most probable labels, in nats.

        Any q gives a bound, this one too, at k / y_dim of the cost; where the classifier is
        sure, nothing is lost. x: (batch, x_dim) in [0, 1]. Returns a scalar. Raises ValueError
        on bad images, or a k that is not between 1 and y_dim. Chapter 7.
        """
        _check_images(x, self)
        k = check_count(k, "k")
        if k > self.y_dim:
            raise ValueError(f"k must be at most the {self.y_dim} labels there are; given {k}")
        log_q, y = self.cls(x).log_softmax(-1).topk(k)
        log_q = log_q.log_softmax(-1)  # the labels that are left share all the probability
        q = log_q.exp()
        kl_z, rec = self.z_bound(x, F.one_hot(y.T, self.y_dim).to(x.dtype))  # (k, batch)
        kl_y = kl_cat(q, log_q, -math.log(self.y_dim))
        return ((q.T * (self.beta * kl_z + rec)).sum(0) + self.beta * kl_y).mean()

    def terms(self, x: Tensor) -> dict[str, Tensor]:
        """As VAE.terms, with the KL's two parts."""
        _, kl_z, kl_y, rec = self.negative_elbo_bound(x)
        return dict(nelbo=kl_z + kl_y + rec, kl_z=kl_z, kl_y=kl_y, rec=rec)

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """As VAE.log_joint, the labels summed out."""
        pairs = [self.likelihood.log_prob_pairs(x, self.decode(z, y)) for y in self.every_label()]
        return log_mean_exp(torch.stack(pairs), dim=0) + self.log_prior(z)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n images x ~ p(x|y, z), y and z from their priors: (n, x_dim)."""
        y = F.one_hot(torch.randint(self.y_dim, (check_count(n, "n"),)), self.y_dim).to(self.every_label())
        return self.likelihood.sample(self.decode(self.prior.sample(n), y))

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """As VAE.reconstruct, with each image's likeliest label."""
        y = F.one_hot(self.log_posterior_of_classes(x).argmax(1), self.y_dim).to(x)
        return self.likelihood.mean(self.decode(sample_gaussian(*self.encode(x, y)), y))

    def log_posterior_of_classes(self, x: Tensor) -> Tensor:
        """log q(y|x), the classifier's, in nats: (batch, x_dim) -> (batch, y_dim)."""
        _check_images(x, self)
        return self.cls(x).log_softmax(-1)

    def log_weight(self, x: Tensor, iw: int, dreg: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """As VAE.log_weight, with (y, z) ~ q(y|x) q(z|x, y) in the place of z.

        Here kl = log q(y, z|x) - log p(y, z), so it holds the label's share as well. Raises
        ValueError for dreg, too: no gradient passes through a drawn label.
        """
        _check_images(x, self)
        if dreg:
            raise ValueError(
                "the doubly reparameterised gradient needs latents that are all Gaussian; an SSVAE also draws a label"
            )
        log_q = self.cls(x).log_softmax(-1)
        y = torch.distributions.Categorical(logits=log_q).sample((check_count(iw, "iw"),))
        drawn = y, torch.arange(len(x), device=x.device)
        m, v = (t[drawn] for t in self.encode(x, self.every_label()))  # each label encoded once, not each draw
        z = sample_gaussian(m, v)
        kl_y = log_q.T[drawn] + math.log(self.y_dim)
        kl = log_normal(z, m, v) - self.log_prior(z) + kl_y
        rec = -self.likelihood.log_prob(x, self.decode(z, F.one_hot(y, self.y_dim).to(x.dtype)))
        return -(kl + rec), kl, rec

    def loss(
        self, x: Tensor, x_labelled: Tensor, y_labelled: Tensor, labelled_share: float, k: int | None = None
    ) -> Tensor:
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


@register
class NamedGMVAE(VAE):
    """A GMVAE whose components carry the names of classes: y uniform, z|y a mixture of `each` Gaussians with
    full covariances, x|z ~ Bernoulli(dec(z)), q(z|x) = N(enc(x)). Chapter 7.

    There is no classifier: q(y|x) is p(y|z), by Bayes' rule. class_weight weighs the cross-entropy of the known
    labels in `loss`. `prior.place` sets the components on codes that have been named.
    """

    def __init__(self, x_dim: int = 784, z_dim: int = 25, hidden: Sequence[int] = (300, 300), activation: str = "elu",
                 y_dim: int = 10, each: int = 20, class_weight: float = 1.0, beta: float = 1.0, *,
                 likelihood: Likelihood | None = None, encoder: nn.Module | None = None,
                 decoder: nn.Module | None = None, shape: tuple[int, int] | None = None):  # fmt: skip
        parts: dict[str, Any] = dict(likelihood=likelihood, encoder=encoder, decoder=decoder, shape=shape)
        super().__init__(x_dim, z_dim, hidden, activation, beta, prior=NamedMixture(z_dim, y_dim, each), **parts)
        self.y_dim, self.each = self.prior.y_dim, self.prior.each
        self.class_weight = check_number(class_weight, "class_weight")

    def log_posterior_of_classes(self, x: Tensor) -> Tensor:
        """log q(y|x) = log p(y|z) at the mean of q(z|x), in nats: (batch, x_dim) -> (batch, y_dim)."""
        _check_images(x, self)
        return self.prior.log_prob_of_classes(self.encode(x)[0]).log_softmax(-1)

    def loss(self, x: Tensor, x_labelled: Tensor, y_labelled: Tensor, labelled_share: float) -> Tensor:
        """The training objective: -ELBO(x), -ELBO(x, y) and the cross-entropy of the known labels under p(y|z).

        Arguments and weights as in `SSVAE.loss`. Returns a scalar, in nats. Raises ValueError on bad images or
        labels.
        """
        _check_images(x_labelled, self)
        y = _one_hot(y_labelled, len(x_labelled), self)
        m, v = self.encode(x_labelled)
        z = sample_gaussian(m, v)
        log_p = self.prior.log_prob_of_classes(z)
        kl = log_normal(z, m, v) - (y * log_p).sum(-1) + math.log(self.y_dim)
        rec = -self.likelihood.log_prob(x_labelled, self.decode(z))
        labelled = (rec + self.beta * kl).mean()
        return (
            self.negative_elbo_bound(x)[0] + labelled_share * labelled + self.class_weight * F.cross_entropy(log_p, y)
        )


@register
class Autoencoder(_Model):
    """A deterministic autoencoder, z = enc(x), for contrast: no prior, no KL, no p(x).

    Notes §1.3; chapter 3.
    """

    def __init__(self, x_dim: int = 784, z_dim: int = 2, hidden: Sequence[int] = (300, 300), activation: str = "elu", *,
                 likelihood: Likelihood | None = None, encoder: nn.Module | None = None,
                 decoder: nn.Module | None = None, shape: tuple[int, int] | None = None):  # fmt: skip
        super().__init__(x_dim, z_dim, hidden, activation, encoder, decoder, likelihood, shape)
        self.enc = self._part("encoder", encoder, lambda: MLP((self.x_dim, *self.hidden, self.z_dim), activation))

    def encode(self, x: Tensor) -> Tensor:
        """z: (..., x_dim) -> (..., z_dim)."""
        return self._through(self.enc, x)[0]

    def loss(self, x: Tensor) -> Tensor:
        """Mean cross-entropy of the reconstruction, in nats. x: (batch, x_dim) in [0, 1]."""
        _check_images(x, self)
        return -self.likelihood.log_prob(x, self.decode(self.encode(x))).mean()

    def terms(self, x: Tensor) -> dict[str, Tensor]:
        """The loss, by its name: what `evaluate` averages."""
        return dict(rec=self.loss(x))

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """The decoder's mean at z = enc(x): (batch, x_dim) -> (batch, x_dim)."""
        _check_images(x, self)
        return self.likelihood.mean(self.decode(self.encode(x)))


# What bounds refuse of images and labels.


def _check_images(x: Tensor, model: _Model) -> None:
    check_tensor(x, "images")
    if x.dim() != 2 or x.shape[1] != model.x_dim or x.shape[0] == 0:
        raise ValueError(f"wanted images of shape (batch, {model.x_dim}); given {tuple(x.shape)}")
    model.likelihood.check(x)
    dtype = next(model.parameters()).dtype
    if x.dtype != dtype:
        raise ValueError(f"wanted images in {dtype}, as the model's weights are; given {x.dtype}")


def _one_hot(y: Tensor, batch: int, model: SSVAE | NamedGMVAE) -> Tensor:
    """Labels of a batch, class ids or one-hot already, as (batch, y_dim) in the model's precision."""
    check_tensor(y, "labels")
    y_dim = model.y_dim
    if y.shape == (batch,) and not y.is_floating_point() and holds((y >= 0) & (y < y_dim)):
        return (y.unsqueeze(1) == torch.arange(y_dim, device=y.device)).to(next(model.parameters()))
    if y.shape == (batch, y_dim) and holds((y.sum(1) == 1) & ((y == 0) | (y == 1)).all(1)):
        return y.to(next(model.parameters()))
    values = f", {y.min()} to {y.max()}" if y.numel() else ""
    raise ValueError(
        f"wanted one label for each of {batch} images, as class ids 0 to {y_dim - 1} or one-hot "
        f"({batch}, {y_dim}); given {y.dtype} of shape {tuple(y.shape)}{values}"
    )


# ------------------------------------------------------------------------------------
# Evaluation
# ------------------------------------------------------------------------------------


@torch.no_grad()
def evaluate(model: VAE | Autoencoder, images: Tensor, seed: int = 0) -> dict[str, float]:
    """The ELBO and its parts, one sample of z an image: -ELBO(x) averaged over images.

    images: (n, x_dim), uint8 or float in [0, 1], binarised with `seed`, which also draws z.
    Returns a dict of floats in nats: nelbo (with beta = 1), kl, rec, and for an SSVAE
    kl_z and kl_y in the place of kl; for an autoencoder rec alone. Chapter 3.
    """
    with seeded(seed):
        x = model.prepare(images)
        totals: dict[str, float] = {}
        for batch in x.split(1000):
            for name, value in model.terms(batch).items():
                totals[name] = totals.get(name, 0) + value.item() * len(batch) / len(x)
    return totals


@torch.no_grad()
def log_likelihood(model: VAE, x: Tensor, m: int | Sequence[int] = 5000) -> Tensor:
    """Estimate log p(x) of each image by its IWAE bound with m samples, in nats.

    x: (n, x_dim) in [0, 1], already binary; m: a number of samples, or several, all
    counted along the same draws. Returns (n,), or (len(m), n): stochastic lower bounds,
    lower in the mean, that close on log p(x) as m grows. Memory does not grow with n or
    m. Raises ValueError if an m < 1, x has another shape or range, or the model has no p(x).
    Burda et al. (2016); chapter 6.
    """
    _check_images(x, model)
    if not hasattr(model, "log_weight"):
        raise ValueError(f"log p(x) needs a model with a bound, such as a VAE; given {type(model).__name__}")
    several = isinstance(m, (list, tuple, range))
    counts = [check_count(c, "m") for c in (m if isinstance(m, (list, tuple, range)) else [m])]
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
    found = torch.cat(bounds, dim=1)
    return found if several else found[0]


class Grid(NamedTuple):
    """What `log_marginal_grid` found; see there. Chapter 1."""

    log_px: Tensor
    log_posterior: Tensor
    z: Tensor
    log_volume: float


@torch.no_grad()
def log_marginal_grid(model: VAE, x: Tensor, n: int = 401, limit: float | None = None) -> Grid:
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
    if not hasattr(model, "log_joint") or model.z_dim > 2:
        raise ValueError(
            "quadrature needs a model with p(x, z), such as a VAE, and one or two latents; given "
            f"{type(model).__name__} with z_dim={model.z_dim}"
        )
    _check_weights_are_the_parts(model)
    n = check_count(n, "n")
    if n < 2:
        raise ValueError("a grid needs at least 2 points along each latent; given n=1")
    if limit is None:
        limit = model.prior.extent()
    if not 0 < limit < math.inf:
        raise ValueError(f"limit, where the grid ends, must be positive; given {limit}")
    axis = torch.linspace(-limit, limit, n, dtype=x.dtype, device=x.device)
    z = torch.cartesian_prod(*[axis] * model.z_dim).reshape(-1, model.z_dim)
    log_volume = model.z_dim * math.log(2 * limit / (n - 1))
    log_joint = x.new_empty(len(x), len(z))
    for start in range(0, len(z), 5000):
        part = z[start : start + 5000]
        log_joint[:, start : start + 5000] = model.log_joint(x, part)
    log_px = log_joint.logsumexp(1) + log_volume
    return Grid(log_px, log_joint - log_px.unsqueeze(1), z, log_volume)


@torch.no_grad()
def active_units(model: VAE, x: Tensor, threshold: float = 0.01) -> Tensor:
    """Which latents the data use: those whose posterior mean varies across images.

    x: (n, x_dim) in [0, 1]. Returns (z_dim,) booleans: Var_x(E_q[z_i|x]) > threshold.
    Raises ValueError for a model whose encoder gives no q(z|x), and for a single image.
    Burda et al. (2016); chapter 4.
    """
    _check_images(x, model)
    if len(x) < 2:
        raise ValueError("whether a latent varies needs at least 2 images; given 1")
    if not hasattr(model, "log_weight") or model.takes_label or model.flow is not None:
        raise ValueError(
            "active units need an encoder that gives the mean of q(z|x): that of a VAE or GMVAE "
            f"without a flow; given {type(model).__name__}"
        )
    return model.encode(x)[0].var(0) > threshold


@torch.no_grad()
def accuracy(model: SSVAE | NamedGMVAE, images: Tensor, labels: Tensor, seed: int = 0) -> float:
    """Share of images whose most probable class under q(y|x) is the label. Chapter 7.

    images: (n, x_dim), uint8 or float in [0, 1], binarised with `seed` since that is what
    the classifier saw in training; labels: (n,) class ids. Returns a float. Raises
    ValueError for a model that knows no classes, or where there is not one label for each image.
    """
    if not hasattr(model, "log_posterior_of_classes"):
        raise ValueError(f"only an SSVAE or a NamedGMVAE knows classes; given {type(model).__name__}")
    check_tensor(labels, "labels")
    if labels.shape != (len(images),):
        raise ValueError(f"wanted labels of shape ({len(images)},), one for each image; given {tuple(labels.shape)}")
    with seeded(seed):
        x = model.prepare(images)
    found = torch.cat([model.log_posterior_of_classes(batch).argmax(1) for batch in x.split(2000)])
    return (found == labels).float().mean().item()


def _check_weights_are_the_parts(model: VAE) -> None:
    """Raise ValueError for a subclass whose weights are its own: its parts do not say what they are made of."""
    if type(model).log_weight.__module__ != __name__:
        raise ValueError(
            f"{type(model).__name__} has its own log_weight, which need not be that of its parts: "
            "give it a prior or a likelihood instead"
        )


# ------------------------------------------------------------------------------------
# Training
# ------------------------------------------------------------------------------------


class Epoch(NamedTuple):
    """One epoch of `fit`: its mean loss in nats, the seconds since training began, and the bound on the validation
    images, if there are any. Chapter 3."""

    loss: float
    seconds: float
    validation: float | None = None


@torch.inference_mode(False)
@torch.enable_grad()
def fit(
    model: VAE | Autoencoder,
    images: Tensor | tuple | Dataset | DataLoader,
    *,
    epochs: int,
    loss: Callable[..., Tensor] | None = None,
    batch_size: int = 128,
    optimizer: str = "adam",
    learning_rate: float = 4e-3,
    warm_up: float = 0.0,
    seed: int = 0,
    device: str | torch.device = "auto",
    precision: str = "auto",
    validation: Tensor | None = None,
    keep_best: bool = False,
    callback: Callable[[Epoch], object] | None = None,
    history: Sequence[Epoch] = (),
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> list[Epoch]:
    """Train the model in place, with images that `model.prepare` makes ready at every step: binarised anew, or as
    they are.

    images: (n, x_dim), or (n, ...) of x_dim values each, uint8 or float: a tensor or an array, which stays on the
    device as it is; a tuple of those, (images, labels, ...); or a Dataset or DataLoader, whose batches are images or
    (images, ...). A DataLoader has its own batch size and order.
    loss: function of a prepared batch, and of what comes with its images, that returns a scalar in nats; by default
    the model's -ELBO, of the images alone. Gradients are on, also where they are off outside, and the model is in
    training mode; its modes are put back at the end.
    optimizer: "adam", or "muon" for the layers' matrices (Jordan et al., 2024;
    Adam at a third of the rate keeps the rest), whose steps take longer and get further: for
    large batches or a dear loss, at rates of 0.01 to 0.06. The rate climbs to learning_rate in the first
    twentieth of the run and falls to zero along a line.
    warm_up: in this share of the run the weight of the KL in `negative_elbo_bound` climbs from 0 to the
    model's beta, so that latents prove their worth before they have to pay for it (Bowman et al., 2016);
    a loss that does not call it is as it was.
    device: "auto" takes a GPU if there is one, CUDA's or Apple's.
    precision: "float32", "bfloat16" (networks only; densities stay in full precision), or
    "auto", which takes bfloat16 where layers like the model's are faster in it.
    validation: images that `evaluate` bounds after each epoch, in evaluation mode and always with the same draws.
    keep_best: leave the model with the weights that did best there, not with the last.
    callback: called after each epoch; a true answer ends the training.
    history: what an earlier call returned, to be gone on from: its epochs and seconds count, and draws are new.
    The optimiser and the rate begin anew, for the rate had come down to zero.
    checkpoint: a file, written after every epoch, from which the same call goes on after an interruption as if there
    had been none (with the same loss, and from a loader the same data: that is yours to see to); it is removed at
    the end.

    Returns a list of one Epoch per epoch. Raises ValueError for images of another
    shape or range, for a model that has neither a bound nor a loss, or was made under
    torch.inference_mode(), for an unknown optimizer, device or precision, for a warm_up
    outside [0, 1] or of a model whose bound has no beta, for keep_best without validation, and for a checkpoint that
    is damaged or of another run; FloatingPointError, before the step is taken, for a loss that is not finite.
    Chapter 3.
    """
    elbo: Any = getattr(model, "negative_elbo_bound", None)
    if loss is None and elbo is None:
        raise ValueError(f"{type(model).__name__} has no ELBO to climb: give a loss, such as loss=model.loss")
    parameters = list(model.parameters())
    if parameters[0].is_inference():
        raise ValueError("a model made under torch.inference_mode() cannot learn: make or load it outside")
    epochs, batch_size, seed = check_count(epochs, "epochs"), check_count(batch_size, "batch_size"), int(seed)
    learning_rate, warm_up = check_number(learning_rate, "learning_rate"), check_number(warm_up, "warm_up", 1)
    if warm_up and not hasattr(model, "beta"):
        raise ValueError(f"warm_up needs a bound with a beta, such as a VAE's; given {type(model).__name__}")
    if keep_best and validation is None:
        raise ValueError("keep_best needs validation images, to know which weights are best")
    device = device_for(device, parameters[0].dtype)
    batches = batches_of(images, batch_size, device)
    held = [batches.tensors[0]] if isinstance(batches, Resident) else []
    resident = bool(held)
    if validation is not None:
        validation = Resident((validation,), batch_size, device).tensors[0]
        held.append(validation)
    for given in held:  # looked at once, and not at every step
        _check_images((given[:1] / 255 if given.dtype == torch.uint8 else given).to(parameters[0]), model)
    half = autocast(precision, device, tuple((len(p), p.shape[1]) for p in parameters if p.dim() == 2), batch_size)
    optimizers, best = optimizers_for(optimizer, parameters, learning_rate, device), Best()
    parts = [model, *optimizers, best]
    checkpoint, history, before = Path(checkpoint) if checkpoint else None, list(history), len(history)
    run: dict[str, Any] = {} if checkpoint is None else dict(  # what a checkpoint has to agree with, to be gone on from
        model=described(model), epochs=epochs, batch_size=batch_size, optimizer=optimizer,
        learning_rate=learning_rate, warm_up=warm_up, precision=precision, seed=seed,
        images=batches.fingerprint(), keep_best=keep_best, before=[tuple(epoch) for epoch in history],
    )  # fmt: skip
    with seeded(seed + 1_000_003 * before), left_as_it_was(model):
        batches.to_device()
        model.to(device)
        if validation is not None:
            validation = validation.to(device)
        if checkpoint and checkpoint.exists():
            history = [Epoch(*each) for each in load_checkpoint(checkpoint, parts, run)]
        steps, step, first = len(batches) * epochs, (len(history) - before) * len(batches), True
        beta = getattr(model, "beta", 0.0)
        with tqdm(total=steps, initial=step, unit="step", disable=not progress) as bar:
            start = time.perf_counter() - (history[-1].seconds if history else 0)
            while len(history) < before + epochs:
                model.train()
                total, seen = 0.0, 0
                for given, *rest in batches:
                    with on_trust(resident):
                        x = model.prepare(given)
                    if warm_up:
                        model.beta = beta * min(1, step / (warm_up * steps))
                    # The first step tells of an encoder that gives no variances; of one that goes astray, the loss.
                    with half, on_trust(resident and loss is None and not first):
                        value = loss(x, *rest) if loss else elbo(x)[0]
                    number, rate = value.item(), one_cycle(step, steps, learning_rate)
                    check_finite(number, step, len(history) + 1, rate, checkpoint)
                    for parameter in parameters:
                        parameter.grad = None
                    value.backward()
                    with half:
                        for each in optimizers:
                            for group in each.param_groups:
                                group["lr"] = one_cycle(step, steps, each.defaults["lr"])
                            each.step()
                    step, first, seen, total = step + 1, False, seen + len(x), total + number * len(x)
                    if progress:
                        bar.set_postfix_str(f"{number:.1f} nats", refresh=False)
                        bar.update()
                bound = None
                if validation is not None:
                    model.eval()
                    terms = evaluate(model, validation, seed)
                    bound = terms.get("nelbo", terms["rec"])
                    if keep_best:
                        best.see(bound, model)
                history.append(Epoch(total / seen, time.perf_counter() - start, bound))
                if checkpoint:
                    save_checkpoint(checkpoint, parts, run, history)
                if callback and callback(history[-1]):
                    break
        if keep_best:
            model.load_state_dict(best.weights)
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    return history
