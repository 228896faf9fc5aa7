from typing import Any

import torch
import traitlets

import vae_core as vc

from .base import (
    FollowingWidget,
    Labels,
    Network,
    answer_trait,
    check_bernoulli,
    check_labels,
    check_model,
    drawing_of,
    has_standard_prior,
    images_of,
    pack_images,
    pack_labels,
    raster_of,
    reference,
)

DIGITS = 10  # at most
LIMIT = 6.0  # the grid runs from -LIMIT to LIMIT along each latent
FINEST = 401  # points along each latent of the grid that is as good as exact
# Grids whose points are all among the finest's.
SIZES = [n for n in range(3, FINEST + 1) if (FINEST - 1) % (n - 1) == 0]
COUNTS = [a * 10**k for k in range(5) for a in (1, 3)] + [100_000]  # of samples


class Integral(FollowingWidget, script="integral.js"):
    """log p(x) of a test digit with two latents: its integrand, a grid's sum, and samples from the prior.

    model: a VAE with z_dim = 2; x, labels: one to ten binary test digits (n, x_dim) and their class ids. Traits: digit,
    the index of the chosen one; n, the grid's points along each latent, one of SIZES; m, the number of samples, one of
    COUNTS; seed, of the samples; method, whose points are drawn, "grid" or "samples"; latents, for which the grid's
    cost is worked out. `exact` has log p(x) of each digit by a grid of 401 x 401, from PyTorch, and `estimate` that of
    the chosen digit by the chosen grid. Raises ValueError for another model or number of digits.
    """

    digit = traitlets.Int(0).tag(sync=True)
    n = traitlets.Int(21).tag(sync=True)
    m = traitlets.Int(1000).tag(sync=True)
    seed = traitlets.Int(1).tag(sync=True)
    method = traitlets.Enum(["grid", "samples"], "grid").tag(sync=True)
    latents = traitlets.Int(2).tag(sync=True)
    answer = answer_trait()
    state = ("digit", "n", "m", "seed", "method", "latents", "answer")

    decoder = reference(Network)
    digits = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)
    exact = traitlets.List(traitlets.Float(), help="log p(x) of each digit, in nats").tag(sync=True)
    spots: traitlets.List = traitlets.List(
        help="middle of each digit's posterior, and half the side of its close-up"
    ).tag(sync=True)
    limit = traitlets.Float(LIMIT).tag(sync=True)
    sizes = traitlets.List(traitlets.Int(), SIZES).tag(sync=True)
    counts = traitlets.List(traitlets.Int(), COUNTS).tag(sync=True)

    def __init__(
        self,
        model: vc.VAE,
        x: torch.Tensor,
        labels: Labels,
        *,
        name: str = "integral",
        **traits: Any,
    ):
        if not hasattr(model, "log_joint") or model.takes_label or model.z_dim != 2 or not has_standard_prior(model):
            raise ValueError(
                "the integral is over the plane of a VAE with two latents; given "
                f"{type(model).__name__} with z_dim={getattr(model, 'z_dim', None)}"
            )
        check_labels(x, labels)
        check_model(model)
        check_bernoulli(model)
        self._model, self._x = model, images_of(model, x, DIGITS)
        limits = {
            "digit": (0, len(x) - 1),
            "n": (SIZES[0], FINEST),
            "m": (1, COUNTS[-1]),
            "latents": (1, 20),
        }
        super().__init__(
            name=name,
            limits=limits,
            raster=raster_of(model),
            digits=pack_images(model, self._x),
            labels=pack_labels(labels),
            **self._packed(),
            **traits,
        )

    def _packed(self) -> dict[str, Any]:
        decoder = drawing_of(self._model)
        grid = vc.log_marginal_grid(self._model, self._x, FINEST, LIMIT)
        mass = (grid.log_posterior + grid.log_volume).exp()
        middle = mass @ grid.z
        spread = (mass @ grid.z**2 - middle**2).clamp(min=0).sqrt().max(1, keepdim=True).values
        return dict(
            decoder=decoder,
            exact=grid.log_px.tolist(),
            spots=torch.cat([middle, (5 * spread).clamp(min=0.2)], 1).tolist(),
        )

    def inside(self, proposal: traitlets.Bunch) -> Any:
        value, name = super().inside(proposal), proposal["trait"].name
        allowed = {"n": SIZES, "m": COUNTS}.get(name)
        if allowed and value not in allowed:
            raise traitlets.TraitError(f"{name} must be one of {', '.join(map(str, allowed))}; given {value}")
        return value

    @property
    def estimate(self) -> float:
        """log p(x) of the chosen digit by the chosen grid, in nats, from PyTorch."""
        x = self._x[self.digit : self.digit + 1]
        return vc.log_marginal_grid(self._model, x, self.n, self.limit).log_px.item()
