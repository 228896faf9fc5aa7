from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import traitlets

import vae_core as vc

from .base import Labels, ModelWidget, Network, drawn, is_bernoulli, pack_means, reference


class StyleContent(ModelWidget, script="style_content.js"):
    """Keep the style z of a digit and run through the classes y, or keep the class and run through styles.

    model: an SSVAE. x, labels: a few test digits (n, x_dim), binary ones for a Bernoulli, and their class ids, whose
    styles can be chosen from: the mean of q(z|x, y) under the true class.
    Traits: y, the class; digit, the image whose style it is, or -1 for one drawn from the prior; seed, of that draw.
    z, the style, follows from these (the front end sets it, so without one it stays that of the first digit), and
    `image` is what z and y decode to, and `rec` is -log p(x|y, z), by PyTorch. Raises ValueError for another model, or
    if x and labels do not fit each other.
    """

    z = traitlets.List(traitlets.Float(), help="the style").tag(sync=True)
    y = traitlets.Int(help="the class that is drawn").tag(sync=True)
    seed = traitlets.Int(0, help="of the draw from the prior").tag(sync=True)
    state = ("digit", "seed", "y")

    has_rec = traitlets.Bool(help="whether the browser can compute log p(x|y, z)").tag(sync=True)
    classifier = reference(Network)
    later = ("classifier",)  # which reads the picture, once that is there

    def __init__(
        self,
        model: vc.SSVAE,
        x: torch.Tensor,
        labels: Labels,
        *,
        name: str = "style",
        **traits: Any,
    ):
        if not getattr(model, "takes_label", False) or not hasattr(model, "cls"):
            raise ValueError(f"wanted an SSVAE, which tells class and style apart; given {type(model).__name__}")
        super().__init__(
            model,
            x,
            labels,
            name=name,
            has_rec=is_bernoulli(model),
            **dict(y=int(labels[0])) | traits,
            limits={"y": (0, model.y_dim - 1), "digit": (-1, len(labels) - 1)},
        )
        self.z = np.frombuffer(self.codes, "<f4")[: model.z_dim].tolist()

    def _packed(self) -> dict[str, Any]:
        return super()._packed() | dict(classifier=Network.of(self._model.cls))

    def _pack_codes(self) -> bytes:
        return pack_means(self._model, self._x, F.one_hot(self._labels.long(), self._model.y_dim).float())

    @property
    def image(self) -> torch.Tensor:
        """What z and y decode to: (height, width) grey levels of the mean of p(x|y, z), from PyTorch."""
        return drawn(self._model, torch.tensor(self.z), F.one_hot(torch.tensor(self.y), self._model.y_dim).float())

    @property
    @torch.no_grad()
    def rec(self) -> float | None:
        """-log p(x|y, z) of the digit whose style it is, in nats; None for a style from the prior."""
        if self.digit < 0:
            return None
        y = F.one_hot(torch.tensor([self.y]), self._model.y_dim).float()
        decoded = self._model.decode(torch.tensor([self.z]), y)
        return -self._model.likelihood.log_prob(self._x[self.digit], decoded).item()
