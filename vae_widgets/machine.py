from collections.abc import Mapping
from typing import Any

import torch
import traitlets

import vae_core as vc

from .base import as_floats, has_standard_prior
from .draw_digit import DrawableWidget

STEPS = ("image", "encoder", "noise", "z", "decoder", "rec", "KL", "ELBO")
PARTS = ("x", "encoder", "noise", "z", "decoder", "rec", "kl", "elbo")  # which may lead to a page
FARTHEST = 4.0  # that a noise may be from 0


class Machine(DrawableWidget, script="machine.js"):
    """The whole VAE at once: a digit goes through the encoder, noise falls in, z lands, the decoder paints, bars fill.

    model: a VAE with z_dim = 2 and the prior N(0, I), of binary digits of 28 x 28 pixels; x, labels: a few of them
    (n, 784) and their class ids. A reader may draw one as well. links: {part: "page#section"}, of the parts "x",
    "encoder", "noise", "z", "decoder", "rec", "kl" and "elbo", where each is told in full; pages lie beside the one
    that shows the machine.
    Traits: digit, the index of the chosen one, or -1; pixels, a drawing as base64url of its 784 bits, or ""; eps, the
    noise, two numbers; step, how far the digit has come, 0 to 7; play, whether it goes on by itself, until touched.
    `x`, `m`, `v`, `z`, `rec`, `kl` and `elbo` are what it shows at the end of its way, from PyTorch, where rec and
    elbo are those of this one z. Raises ValueError for another model, or if x and labels do not fit each other.
    """

    eps = traitlets.List(traitlets.Float(), [0.9, -0.8], help="the noise").tag(sync=True)
    step = traitlets.Int(len(STEPS) - 1, help="how far the digit has come").tag(sync=True)
    play = traitlets.Bool(True, help="whether it goes on by itself, until touched").tag(sync=True)
    state = ("digit", "pixels", "eps", "step", "play")
    later = ("encoder", "decoder")  # what it shows first is drawn without them

    first = traitlets.Bytes(help="the logits that z decodes to as the widget is made").tag(sync=True)
    links = traitlets.Dict(
        key_trait=traitlets.Enum(PARTS), value_trait=traitlets.Unicode(), help="part -> where it is told in full"
    ).tag(sync=True)

    def __init__(
        self,
        model: Any,
        x: Any,
        labels: Any,
        *,
        links: Mapping[str, str] | None = None,
        name: str = "machine",
        **traits: Any,
    ) -> None:
        if hasattr(model, "log_weight") and (model.z_dim != 2 or not has_standard_prior(model) or model.takes_label):
            raise ValueError(
                "the machine is a VAE with two latents and the prior N(0, I); given "
                f"{type(model).__name__} with z_dim={model.z_dim}"
            )
        limits = {"eps": (-FARTHEST, FARTHEST, 2), "step": (0, len(STEPS) - 1)}
        super().__init__(model, x, labels, name=name, limits=limits, links=dict(links or {}), **traits)
        self.first = self._pack_first()

    def refresh(self, *_: Any) -> None:
        """Show the model as it is by now: its weights are packed anew, and open views are drawn anew."""
        with self.hold_sync():
            super().refresh()
            self.first = self._pack_first()

    def _pack_first(self) -> bytes:
        """Of the state that Reset restores."""
        start = self._defaults
        return as_floats(self._logits(self._image(start["digit"], start["pixels"]), start["eps"]))

    @torch.no_grad()
    def _logits(self, x: torch.Tensor, eps: list[float]) -> torch.Tensor:
        m, v = self._model.encode(x.unsqueeze(0))
        return self._model.decode(m + v.sqrt() * torch.tensor(eps))[0]

    @torch.no_grad()
    def _q(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self._model.encode(self.x.unsqueeze(0))

    @property
    def m(self) -> torch.Tensor:
        """The means of q(z|x): (2,)."""
        return self._q()[0][0]

    @property
    def v(self) -> torch.Tensor:
        """The variances of q(z|x): (2,)."""
        return self._q()[1][0]

    @property
    def z(self) -> torch.Tensor:
        """m + sqrt(v) * eps: (2,)."""
        return self.m + self.v.sqrt() * torch.tensor(self.eps)

    @property
    def image(self) -> torch.Tensor:
        """What z decodes to: (28, 28) probabilities that a pixel is on."""
        return self._logits(self.x, self.eps).sigmoid().reshape(28, 28)

    @property
    def rec(self) -> float:
        """-log p(x|z) in nats, of this z."""
        return -self._model.likelihood.log_prob(self.x, self._logits(self.x, self.eps)).item()

    @property
    @torch.no_grad()
    def kl(self) -> float:
        """KL(q(z|x) || p(z)) in nats, exact."""
        m, v = self._q()
        return vc.kl_normal(m, v, torch.zeros_like(m), torch.ones_like(v)).item()

    @property
    def elbo(self) -> float:
        """-(rec + kl) in nats: the ELBO as this one z estimates it."""
        return -(self.rec + self.kl)
