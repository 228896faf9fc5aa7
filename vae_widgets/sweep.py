from collections.abc import Mapping
from typing import Any

import torch
import traitlets

import vae_core as vc

from .base import (
    FollowingWidget,
    Mixture,
    Model,
    Network,
    as_floats,
    check_labels,
    check_model,
    check_posterior,
    check_shapes,
    drawing_of,
    has_standard_prior,
    images_of,
    pack_images,
    pack_labels,
    pack_prior,
    raster_of,
    references,
    to_choose,
)

MEASURED = 2000  # images on which models without results of their own are measured


class Sweep(FollowingWidget, script="sweep.js"):
    """Steps through models that were trained alike but for one number, such as β.

    At each stop: sixteen draws from the prior, under the same noise for every model; a digit and seven draws of q(z|x)
    decoded; what each latent carries, in nats; rate, distortion and bound. A page fetches a model's network when its
    stop is reached.

    models: a dict of at least two, from the number (what the slider shows) to a VAE or GMVAE. x, labels: images
    (n, x_dim), binary ones for a Bernoulli, and their class ids; up to ten of them can be chosen (the first of each
    class, if there are more), and the latents' nats are means over all. The other results are those that the models
    were stored with; if one has none, all are measured on x. what: the number's name. plot: "rate", distortion against
    rate, or "bounds", the bounds on -log p(x) by their number of samples, which the models must have been stored with.
    Traits: index, the model; digit, the image; seed, of the noise. `model` and `results` are those of the index.
    Raises ValueError for other models or plots, or if x and labels do not fit each other.
    """

    index = traitlets.Int(0, help="the model that is shown, from 0").tag(sync=True)
    digit = traitlets.Int(0, help="the index of the chosen image").tag(sync=True)
    seed = traitlets.Int(0, help="of the noise in q(z|x) and in the prior").tag(sync=True)
    state = ("index", "digit", "seed")

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    what = traitlets.Unicode().tag(sync=True)
    plot = traitlets.Enum(["rate", "bounds"], "rate").tag(sync=True)
    decoders = references(Network)
    mixtures = references(Mixture)
    later = ("decoders", "mixtures")
    measured: traitlets.List = traitlets.List(help="of each model: the numbers that are shown").tag(sync=True)
    measured_on = traitlets.Unicode().tag(sync=True)
    codes_m = traitlets.Bytes(help="model after model, digit after digit").tag(sync=True)
    codes_v = traitlets.Bytes().tag(sync=True)
    digits = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        models: Mapping,
        x: torch.Tensor,
        labels: torch.Tensor,
        *,
        what: str = "model",
        plot: str = "rate",
        name: str = "sweep",
        **traits: Any,
    ):
        if len(models) < 2:
            raise ValueError(f"wanted at least two models to step through; given {len(models)}")
        for label, model in models.items():
            if not hasattr(model, "log_weight") or model.takes_label:
                raise ValueError(f"wanted VAEs and GMVAEs; {label!r} is of type {type(model).__name__}")
            check_model(model)
            check_posterior(model)
        check_shapes(models.values())
        check_labels(x, labels)
        x, labels = torch.as_tensor(x), torch.as_tensor(labels)
        chosen = to_choose(labels)
        self._models = list(models.values())
        self._chosen = images_of(self._models[0], x[chosen])
        self._x = x.float()
        packed = self._packed()
        measured, stored = packed["measured"], self._stored()
        if plot not in ("rate", "bounds") or (plot == "bounds" and not all(one["niwae"] for one in measured)):
            raise ValueError(f'plot must be "rate", or "bounds" for models whose bounds are stored; given {plot!r}')
        super().__init__(
            name=name,
            what=what,
            plot=plot,
            names=[str(label) for label in models],
            raster=raster_of(self._models[0]),
            digits=pack_images(self._models[0], self._chosen),
            labels=pack_labels(labels[chosen]),
            measured_on="the 10,000 test images" if stored else f"{len(x[:MEASURED]):,} images",
            limits={"index": (0, len(models) - 1), "digit": (0, len(chosen) - 1)},
            **packed,
            **traits,
        )

    def _stored(self) -> bool:
        return all("test" in getattr(model, "description", {}).get("results", {}) for model in self._models)

    @torch.no_grad()
    def _packed(self) -> dict[str, Any]:
        codes = [model.encode(self._chosen) for model in self._models]
        m, v = (b"".join(as_floats(code[part]) for code in codes) for part in range(2))
        return dict(
            codes_m=m,
            codes_v=v,
            measured=[measure(model, self._x, self._stored()) for model in self._models],
            decoders=[drawing_of(model, "int8") for model in self._models],
            mixtures=[pack_prior(model) for model in self._models],
        )

    @property
    def model(self) -> Model:
        """The model that is shown."""
        return self._models[self.index]

    @property
    def results(self) -> dict:
        """Of the model that is shown: rate (mean KL), distortion (mean -log p(x|z)), their sum nelbo, in nats; niwae,
        its bounds on -log p(x) by their number of samples; active, the number of latents in use, of z_dim; nats, what
        each latent carries, largest first, and whether it is `used` (None and [] if the prior is a mixture)."""
        return self.measured[self.index]


@torch.no_grad()
def measure(model: Model, x: torch.Tensor, stored: bool) -> dict[str, Any]:
    results = model.description["results"] if stored else {"test": vc.evaluate(model, x[:MEASURED])}
    active = vc.active_units(model, x)
    nats = order = None
    if has_standard_prior(model):
        m, v = (part.unsqueeze(-1) for part in model.encode(x))
        nats, order = vc.kl_normal(m, v, torch.zeros(1), torch.ones(1)).mean(0).sort(descending=True)
    test = results["test"]
    return dict(
        rate=test["kl"],
        distortion=test["rec"],
        nelbo=test["nelbo"],
        niwae=results.get("niwae", {}),
        active=int(active.sum()),
        z_dim=model.z_dim,
        nats=None if nats is None else nats.tolist(),
        used=active[order].tolist() if nats is not None else [],
    )
