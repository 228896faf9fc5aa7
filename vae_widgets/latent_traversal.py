import math
from typing import Any

import torch
import traitlets

import vae_core as vc

from .base import (
    DecodingWidget,
    Labels,
    Mixture,
    Model,
    as_floats,
    check_labels,
    check_model,
    check_posterior,
    drawn,
    has_standard_prior,
    images_of,
    is_bernoulli,
    mixture_of,
    pack_images,
    pack_labels,
    pack_prior,
    raster_of,
    reference,
    to_choose,
)

IMAGES = 2000  # on which the use of each latent is measured


class LatentTraversal(DecodingWidget, script="latent_traversal.js"):
    """One slider for each latent, what z draws, and a film strip along one latent.

    model: a VAE, GMVAE or Autoencoder with any number of latents; where a browser does not know its decoder, Python
    draws, and a page without Python says so. x, labels: images (n, x_dim), binary ones for a Bernoulli, and their class
    ids, or none. The reader may start from the code of one of them, up to ten (the first of each class, if there are
    more); and on them is measured how many nats of KL each latent carries, by which the sliders are ordered.
    Traits: z; dimension, the latent of the film strip; digit, the image whose code z started from, or -1 (when it is
    set, z becomes its code); seed, of a draw from the prior (when it is set, the front end draws z). `image` is the
    decoded picture, `log_p` is log p(z) and `rec` is -log p(x|z) of the chosen image, by PyTorch. Raises ValueError for
    another model, or if x and labels do not fit each other.
    """

    z = traitlets.List(traitlets.Float()).tag(sync=True)
    dimension = traitlets.Int(0, help="the latent that the film strip runs along, from 0").tag(sync=True)
    digit = traitlets.Int(-1, help="the image that z started from; -1: none").tag(sync=True)
    seed = traitlets.Int(0, help="of the draw from the prior").tag(sync=True)
    state = ("seed", "digit", "z", "dimension")  # in this order: a seed and a digit bring their z with them

    extent = traitlets.Float().tag(sync=True)
    order = traitlets.List(traitlets.Int(), help="the latents, most used first").tag(sync=True)
    nats = traitlets.List(traitlets.Float(), help="mean KL of each latent").tag(sync=True)
    mixture = reference(Mixture)
    has_prior = traitlets.Bool().tag(sync=True)
    has_rec = traitlets.Bool(help="whether the browser can compute log p(x|z)").tag(sync=True)
    digits = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)
    codes_m = traitlets.Bytes(help="of each digit the mean of q(z|x), or the code of an autoencoder").tag(sync=True)
    codes_v = traitlets.Bytes(help="and the variance").tag(sync=True)

    def __init__(
        self,
        model: vc.VAE | vc.Autoencoder,
        x: torch.Tensor | None = None,
        labels: Labels | None = None,
        *,
        name: str = "traversal",
        **traits: Any,
    ):
        if not hasattr(model, "decode") or model.takes_label:
            raise ValueError(f"wanted a VAE, GMVAE or Autoencoder; given {type(model).__name__}")
        check_model(model)
        check_labels(x, labels)
        self._model, self._x, self._chosen = model, None, None
        if x is not None:
            check_posterior(model)
            labels, chosen = torch.as_tensor(labels), to_choose(labels)
            self._x = images_of(model, torch.as_tensor(x)[:IMAGES], IMAGES)
            self._chosen = images_of(model, torch.as_tensor(x)[chosen])
            traits |= dict(digits=pack_images(model, self._chosen), labels=pack_labels(labels[chosen]))
            traits.setdefault("digit", 0)
        packed, digit = self._packed(), traits.get("digit", -1)
        zero = [0.0] * model.z_dim
        traits = (
            dict(dimension=packed["order"][0], z=self._codes[digit] if 0 <= digit < len(self._codes) else zero) | traits
        )
        super().__init__(
            name=name,
            raster=raster_of(model),
            has_prior=hasattr(model, "log_weight"),
            has_rec=is_bernoulli(model),
            limits=self._limits_of(packed["extent"])
            | {"dimension": (0, model.z_dim - 1), "digit": (-1, len(self._codes) - 1)},
            **packed,
            **traits,
        )
        self.observe(self._start_from, "digit")

    def _limits_of(self, extent: float) -> dict[str, tuple[float, float, int]]:
        return {"z": (-extent, extent, self._model.z_dim)}

    def _packed(self) -> dict[str, Any]:
        model = self._model
        has_prior = hasattr(model, "log_weight")
        traits = self._pack_decoder() | dict(mixture=pack_prior(model) if has_prior else None, nats=[])
        self._codes, spread = [], prior_spread(model)
        if self._x is not None and self._chosen is not None:
            m, v = codes_of(model, self._chosen)
            traits |= dict(
                nats=kl_of_latents(model, self._x), codes_m=as_floats(m), codes_v=b"" if v is None else as_floats(v)
            )
            spread = spread if has_prior else m.std().item()
            self._codes = [[round(c, 3) for c in code] for code in m.tolist()]  # short links; also in the front end
        farthest = max((abs(c) for code in self._codes for c in code), default=0)
        latents = range(model.z_dim)
        order = sorted(latents, key=lambda i: -traits["nats"][i]) if traits["nats"] else list(latents)
        return traits | dict(order=order, extent=float(math.ceil(max(4 * spread, farthest))))

    def refresh(self, *_: Any) -> None:
        """Show the model as it is by now; a z that came from an image is its new code."""
        with self.hold_sync():
            super().refresh()
            self._limits = self._limits | {trait: list(wide) for trait, wide in self._limits_of(self.extent).items()}
            self.z = (
                self._codes[self.digit]
                if self.digit >= 0
                else [min(self.extent, max(-self.extent, value)) for value in self.z]
            )

    def _start_from(self, change: traitlets.Bunch) -> None:
        if change.new >= 0 and not self._property_lock:  # locked: a front end has set digit, and the z that it wants
            self.z = self._codes[change.new]

    @property
    def image(self) -> torch.Tensor:
        """What z decodes to: (height, width) grey levels of the mean of p(x|z), from PyTorch."""
        return drawn(self._model, torch.tensor(self.z))

    @property
    def log_p(self) -> float | None:
        """log p(z) in nats; None for an autoencoder."""
        return log_prior(self._model, self.z)

    @property
    def rec(self) -> float | None:
        """-log p(x|z) of the chosen image in nats; None where none is chosen."""
        if self.digit < 0 or self._chosen is None:
            return None
        with torch.no_grad():
            decoded = self._model.decode(torch.tensor([self.z]))
            return -self._model.likelihood.log_prob(self._chosen[self.digit], decoded).item()


@torch.no_grad()
def log_prior(model: Model, z: list[float]) -> float | None:
    """log p(z) in nats; None for an autoencoder."""
    return model.log_prior(torch.tensor([z])).item() if hasattr(model, "log_weight") else None


@torch.no_grad()
def codes_of(model: Model, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Mean and variance of q(z|x); of an autoencoder the code, and None."""
    return model.encode(x) if hasattr(model, "log_weight") else (model.encode(x), None)


@torch.no_grad()
def prior_spread(model: Model) -> float:
    """The largest standard deviation of a latent under the prior."""
    if not hasattr(model, "log_weight"):
        return 1.0
    m, v = mixture_of(model)  # (k, z_dim)
    return (v.mean(0) + m.var(0, correction=0)).max().sqrt().item()


@torch.no_grad()
def kl_of_latents(model: Model, x: torch.Tensor) -> list[float]:
    """KL(q(z_i|x) || p(z_i)) of each latent, averaged over x, in nats: [] for an autoencoder.

    Under N(0, I) they add up to the KL; under a mixture, whose latents depend on each other, they do not, and one
    sample an image estimates them.
    """
    if not hasattr(model, "log_weight"):
        return []
    m, v = (t.T.unsqueeze(-1) for t in model.encode(x))  # (z_dim, n, 1): latent by latent
    if has_standard_prior(model):
        return vc.kl_normal(m, v, torch.zeros(1), torch.ones(1)).mean(1).tolist()
    with vc.seeded(0):
        z = vc.sample_gaussian(m, v)
    prior = (t.T.unsqueeze(-1) for t in mixture_of(model))  # (z_dim, k, 1)
    log_p = torch.stack([vc.log_normal_mixture(z_i, pm[None], pv[None]) for z_i, pm, pv in zip(z, *prior, strict=True)])
    return (vc.log_normal(z, m, v) - log_p).mean(1).tolist()
