from collections.abc import Mapping
from typing import Any

import torch
import traitlets

import vae_core as vc

from .base import (
    FollowingWidget,
    Labels,
    Mixture,
    answer_trait,
    as_floats,
    check_labels,
    check_model,
    check_posterior,
    check_shapes,
    has_standard_prior,
    images_of,
    pack_images,
    pack_labels,
    pack_prior,
    raster_of,
    references,
)

SAMPLES = [1, 2, 5, 10, 20, 50, 100]
ESTIMATES = 100


class SampledKl(FollowingWidget, script="sampled_kl.js"):
    """KL(q(z|x) || p(z)) estimated from S samples of z: a hundred estimates, and how far they spread by S.

    models: name -> VAE or GMVAE, the priors to choose from. x, labels: test digits (n, x_dim) to choose from, binary
    ones for a Bernoulli, and their class ids. Traits: prior, the index of the model; digit, that of the digit; samples,
    S, the terms that one estimate averages; seed, of all 10,000 terms. `exact` is the KL where it has a closed form.
    Raises ValueError for other models, or if x and labels do not fit each other.
    """

    prior = traitlets.Int(0, help="the index of the model").tag(sync=True)
    digit = traitlets.Int(0, help="the index of the chosen test digit").tag(sync=True)
    samples = traitlets.Int(1, help="S, the terms that one estimate averages").tag(sync=True)
    seed = traitlets.Int(0, help="of the terms").tag(sync=True)
    answer = answer_trait()
    state = ("prior", "digit", "samples", "seed", "answer")

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    mixtures = references(Mixture)  # of each model; None where the prior is N(0, I)
    z_dims = traitlets.List(traitlets.Int()).tag(sync=True)
    codes = traitlets.Bytes(help="of each model: m (n, z_dim) and v (n, z_dim) of q(z|x), in float32").tag(sync=True)
    digits = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)
    sizes = traitlets.List(traitlets.Int(), SAMPLES, help="the S to choose from").tag(sync=True)
    estimates = traitlets.Int(ESTIMATES).tag(sync=True)

    def __init__(
        self,
        models: Mapping[str, vc.VAE],
        x: torch.Tensor,
        labels: Labels,
        *,
        name: str = "sampled-kl",
        **traits: Any,
    ):
        if not models:
            raise ValueError("wanted a VAE or GMVAE, at least one; given none")
        for model in models.values():
            if not hasattr(model, "log_weight") or model.takes_label:
                raise ValueError(f"wanted VAEs or GMVAEs, whose KL is that of z alone; given {type(model).__name__}")
            check_model(model)
            check_posterior(model)
        check_shapes(models.values())
        self._models = list(models.values())
        self._x = images_of(self._models[0], x)
        check_labels(x, labels)
        super().__init__(
            name=name,
            names=list(models),
            raster=raster_of(self._models[0]),
            digits=pack_images(self._models[0], self._x),
            labels=pack_labels(labels),
            z_dims=[m.z_dim for m in self._models],
            limits={"prior": (0, len(models) - 1), "digit": (0, len(labels) - 1), "samples": (1, SAMPLES[-1])},
            **self._packed(),
            **traits,
        )

    @torch.no_grad()
    def _packed(self) -> dict[str, Any]:
        self._codes = [model.encode(self._x) for model in self._models]
        return dict(
            mixtures=[pack_prior(m) for m in self._models],
            codes=b"".join(as_floats(part) for code in self._codes for part in code),
        )

    @property
    def exact(self) -> float | None:
        """The KL of the chosen digit in nats, in closed form; None where the prior is a mixture."""
        model, (m, v) = self._models[self.prior], self._codes[self.prior]
        if not has_standard_prior(model):
            return None
        return vc.kl_normal(m[self.digit], v[self.digit], torch.zeros(1), torch.ones(1)).item()
