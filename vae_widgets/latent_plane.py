from typing import Any

import torch
import traitlets

import vae_core as vc

from .base import (
    DecodingWidget,
    Labels,
    as_floats,
    check_labels,
    check_model,
    check_posterior,
    drawn,
    has_standard_prior,
    images_of,
    pack_labels,
    raster_of,
)
from .latent_traversal import codes_of, log_prior

POINTS = 2000  # of the test digits' codes, 20 bytes each in the page
SIDE = 15  # places along a side of the sheet of what each draws


class LatentPlane(DecodingWidget, script="latent_plane.js"):
    """Drag over the plane of a model with two latents; the digit that z decodes to follows.

    model: a VAE or Autoencoder with z_dim = 2; where a browser does not know its decoder, Python draws, and a page
    without Python has the nearest of 225 pictures. x, labels: images (n, x_dim), binary ones for a Bernoulli, and their
    class ids, whose codes are shown as coloured digits (at most 2,000), with contours of all codes' density, or none.
    Traits: z, two numbers within ±extent; points, codes, prior and digits, what is shown. `image` is the decoded
    picture. densities=False leaves the prior and the density of all codes out, for readers who have not met them.
    precision: of the decoder in the page; "int8" takes half the room. Raises ValueError for another
    model or number of latents, or if x does not fit the model or the labels.
    """

    z = traitlets.List(traitlets.Float(), [0.0, 0.0]).tag(sync=True)
    points = traitlets.Bool(True, help="show the codes of test digits").tag(sync=True)
    codes = traitlets.Bool(False, help="show contours of q(z), the density of all codes").tag(sync=True)
    prior = traitlets.Bool(True, help="show contours of p(z)").tag(sync=True)
    digits = traitlets.Bool(False, help="show what each z draws").tag(sync=True)
    state = ("z", "points", "codes", "prior", "digits")

    densities = traitlets.Bool(True, help="whether the prior and the density of all codes are there").tag(sync=True)
    extent = traitlets.Float().tag(sync=True)
    side = traitlets.Int(SIDE).tag(sync=True)
    sheet = traitlets.Bytes(help="what each of side x side places draws, where a page cannot tell").tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)
    codes_m = traitlets.Bytes().tag(sync=True)
    codes_v = traitlets.Bytes(help="0 for an autoencoder").tag(sync=True)

    def __init__(
        self,
        model: vc.VAE | vc.Autoencoder,
        x: torch.Tensor | None = None,
        labels: Labels | None = None,
        *,
        extent: float = 3.5,
        precision: str = "float16",
        name: str = "plane",
        **traits: Any,
    ):
        has_prior = hasattr(model, "log_weight")
        if not hasattr(model, "decode") or model.takes_label or (has_prior and not has_standard_prior(model)):
            given = type(model).__name__ + (", whose prior is another" if has_prior else "")
            raise ValueError(f"a plane needs a VAE, whose prior is N(0, I), or an Autoencoder; given {given}")
        if model.z_dim != 2:
            raise ValueError(f"a plane needs a model with two latents; given z_dim={model.z_dim}")
        check_model(model)
        check_labels(x, labels)
        self._model, self._x, self._precision, self._extent = model, None, precision, extent
        if x is not None and labels is not None:
            check_posterior(model)
            self._x = images_of(model, x[:POINTS], POINTS)
            traits |= dict(labels=pack_labels(labels[:POINTS]))
        super().__init__(
            name=name,
            extent=extent,
            raster=raster_of(model),
            limits={"z": (-extent, extent, 2)},
            **self._packed(),
            **traits,
        )

    def _packed(self) -> dict[str, Any]:
        traits = self._pack_decoder(self._precision)
        if traits["decoder"] is None:
            middles = self._extent * ((2 * torch.arange(SIDE) + 1) / SIDE - 1)
            z = torch.cartesian_prod(-middles, middles).flip(1)  # row by row, from the top
            traits |= dict(sheet=(255 * drawn(self._model, z)).round().byte().numpy().tobytes())
        if self._x is not None:
            m, v = codes_of(self._model, self._x)
            traits |= dict(codes_m=as_floats(m), codes_v=as_floats(torch.zeros_like(m) if v is None else v))
        return traits

    @property
    def image(self) -> torch.Tensor:
        """What z decodes to: (height, width) grey levels of the mean of p(x|z), from PyTorch."""
        return drawn(self._model, torch.tensor(self.z))

    @property
    def log_p(self) -> float | None:
        """log p(z) in nats; None for an autoencoder."""
        return log_prior(self._model, self.z)
