import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import traitlets

import vae_core as vc

from .base import Labels, ModelWidget, Network, answer_trait, encoder_of, pack_digits, reference

SAMPLES = 1000  # of z, from which `elbo` is estimated


class DrawableWidget(ModelWidget):
    """The base of a widget whose digit may be one of some test digits, or one that is drawn on 28 x 28 pixels."""

    pixels = traitlets.Unicode("", help="an image that is no test digit: base64url of its 784 bits").tag(sync=True)
    in_nats = True
    encoder = reference(Network)

    def __init__(
        self,
        model: vc.VAE,
        x: torch.Tensor,
        labels: Labels,
        *,
        limits: Mapping[str, Sequence[float]],
        **traits: Any,
    ):
        if getattr(model, "shape", None) not in (None, (28, 28)):
            raise ValueError(f"a digit is drawn on 28 x 28 pixels; given a model of {model.shape}")
        if traits.get("pixels"):
            traits = {"digit": -1} | traits
        super().__init__(model, x, labels, limits={"digit": (-1, len(x) - 1), **limits}, **traits)

    def _packed(self) -> dict[str, Any]:
        return super()._packed() | dict(encoder=encoder_of(self._model, self._x))

    @traitlets.validate("pixels")
    def _valid_pixels(self, proposal: traitlets.Bunch) -> str:
        if proposal["value"]:
            unpack_image(proposal["value"])
        return proposal["value"]

    @traitlets.observe("digit")
    def _digit_chosen(self, change: traitlets.Bunch) -> None:
        if change.new >= 0:
            self.pixels = ""

    @traitlets.observe("pixels")
    def _image_given(self, change: traitlets.Bunch) -> None:
        if change.new:
            self.digit = -1

    def _image(self, digit: int, pixels: str) -> torch.Tensor:
        if pixels:
            return unpack_image(pixels)
        return self._x[digit] if digit >= 0 else torch.zeros(784)

    @property
    def x(self) -> torch.Tensor:
        """The image that the model sees: (784,) zeros and ones. It can be set, too."""
        return self._image(self.digit, self.pixels)

    @x.setter
    def x(self, image: torch.Tensor) -> None:
        packed = pack_digits(torch.as_tensor(image).reshape(1, -1), 784)
        self.pixels = base64.urlsafe_b64encode(packed).decode().rstrip("=")


class DrawDigit(DrawableWidget, script="draw_digit.js"):
    """Draw a digit, and see what the model makes of it: q(z|x), samples from it decoded, and the ELBO's terms.

    model: a VAE, GMVAE or SSVAE. x, labels: a few binary test digits (n, 784) of 28 x 28 pixels and their class ids; to
    choose one is the way by keyboard. Drawings are centred and scaled as MNIST is.
    Traits: digit, the index of the chosen test digit, or -1; pixels, an image from elsewhere as base64url of its 784
    bits, or "" (with digit = -1, an empty image); seed, of the samples.
    `x` is the image that the model sees, which can be set as well; `q` its q(z|x) and `elbo` its bound, by PyTorch.
    Raises ValueError for another model, or if x and labels do not fit each other.
    """

    seed = traitlets.Int(0, help="of the samples of z").tag(sync=True)
    answer = answer_trait()
    state = ("digit", "pixels", "seed", "answer")
    classifier = reference(Network)
    later = ("encoder", "classifier")  # which a drawing needs, and no test digit

    def __init__(self, model: vc.VAE, x: torch.Tensor, labels: Labels, *, name: str = "draw", **traits: Any):
        super().__init__(model, x, labels, name=name, limits={}, **traits)

    def _packed(self) -> dict[str, Any]:
        return super()._packed() | dict(classifier=Network.of(self._model.cls) if self._model.takes_label else None)

    @property
    def q(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance of q(z|x), each (z_dim,); of an SSVAE, q(z|x, y) for the most probable y."""
        with torch.no_grad():
            if not self._model.takes_label:
                return tuple(t[0] for t in self._model.encode(self.x.unsqueeze(0)))
            y = torch.nn.functional.one_hot(self._model.cls(self.x).argmax(), self._model.y_dim).float()
            return tuple(t[0] for t in self._model.encode(self.x.unsqueeze(0), y.unsqueeze(0)))

    @property
    def elbo(self) -> float:
        """The ELBO in nats, estimated from 1,000 samples of its own."""
        with torch.no_grad():
            return self._model.log_weight(self.x.unsqueeze(0), SAMPLES)[0].mean().item()


def unpack_image(text: str) -> torch.Tensor:
    """The image (784,) of a base64url text. Raises ValueError if it is none."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        packed = b""
    if len(packed) != 98:
        raise ValueError(f"pixels must be base64url of 98 bytes, a bit a pixel; given {text[:20]!r}, {len(text)} long")
    return torch.from_numpy(np.unpackbits(np.frombuffer(packed, np.uint8)).astype(np.float32))
