from typing import Any

import torch
import traitlets

import vae_core as vc

from .base import Labels, ModelWidget

WEIGHTS = 5000  # that are drawn for a digit


class IwaeBound(ModelWidget, script="iwae_bound.js"):
    """The bound from m samples for a test digit: how it rises with m, how it spreads, which weights carry it.

    model: a VAE, GMVAE or SSVAE. x, labels: binary test digits (n, x_dim) to choose from, and their class ids.
    Traits: digit, the index of the chosen one; m, the weights that are averaged, 1 to 5,000; seed, of the 5,000 draws,
    which the browser makes as you watch. `exact` is log p(x) by quadrature where the model has one or two latents;
    `bound` and `elbo` are the means that are shown, by PyTorch from 5,000 draws of its own.
    Raises ValueError for another model, or if x and labels do not fit each other.
    """

    m = traitlets.Int(10, help="how many weights are averaged").tag(sync=True)
    seed = traitlets.Int(0, help="of the weights").tag(sync=True)
    state = ("digit", "m", "seed")
    in_nats = True

    log_px = traitlets.List(traitlets.Float(), help="exact log p(x) of each digit in nats, or empty").tag(sync=True)

    def __init__(
        self,
        model: vc.VAE,
        x: torch.Tensor,
        labels: Labels,
        *,
        name: str = "bound",
        **traits: Any,
    ):
        super().__init__(model, x, labels, name=name, limits={"digit": (0, len(x) - 1), "m": (1, WEIGHTS)}, **traits)

    def _packed(self) -> dict[str, Any]:
        exact = vc.log_marginal_grid(self._model, self._x).log_px.tolist() if self._model.z_dim <= 2 else []
        return super()._packed() | dict(log_px=exact)

    @property
    def exact(self) -> float | None:
        """log p(x) of the chosen digit by quadrature, in nats; None for a model with more than two latents."""
        return self.log_px[self.digit] if self.log_px else None

    @property
    def bound(self) -> float:
        """The bound from m samples for the chosen digit, in nats: the mean over groups of m of 5,000 draws."""
        weights = self._weights()
        return vc.log_mean_exp(weights[: WEIGHTS // self.m * self.m].reshape(-1, self.m), dim=1).mean().item()

    @property
    def elbo(self) -> float:
        """The ELBO of the chosen digit in nats, the mean of 5,000 log weights."""
        return self._weights().mean().item()

    @torch.no_grad()
    def _weights(self) -> torch.Tensor:
        with vc.seeded(self.seed):
            return self._model.log_weight(self._x[self.digit : self.digit + 1], WEIGHTS)[0][:, 0]
