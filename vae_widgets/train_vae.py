import functools
from collections.abc import Sequence
from typing import Any, ClassVar

import ipywidgets
import numpy as np
import torch
import traitlets

import vae_core as vc

from .base import (
    BookWidget,
    activation_of,
    check_bernoulli,
    check_finite,
    check_layers,
    check_model,
    check_posterior,
    has_standard_prior,
    layers_of,
    pack,
    reference,
)

IMAGES = 10_000  # training digits that a page carries, 0.95 MB deflated
TEST = 1000  # test digits whose codes are shown
UNITS = (1, 512)  # of a hidden layer
LIMITS = {
    "beta": (0, 100),
    "learning_rate": (1e-6, 1),
    "m": (1, 20),
    "batch": (16, 256),
    "digit": (0, 9),
    "z": (-4, 4, 2),
    "z_dim": (2, 50),
}


class TrainingDigits(ipywidgets.Widget):
    """The digits that a page trains on: `TrainingDigits.of()`, one for all widgets of a page.

    images: the first 10,000 training digits of MNIST in 16 grey levels, two pixels a byte (n * 392). test: the first
    1,000 test digits, each pixel drawn with its grey level as its probability, as bits (n * 98); labels: their classes.
    """

    images = traitlets.Bytes().tag(sync=True)
    test = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)

    _made: ClassVar["TrainingDigits | None"] = None

    @classmethod
    def of(cls) -> "TrainingDigits":
        """The digits: those that exist, if nobody has closed them."""
        if cls._made is None or cls._made.comm is None:
            cls._made = cls(**packed_digits())
        return cls._made


@functools.cache
def packed_digits() -> dict[str, bytes]:
    data = vc.load_mnist()
    levels = (data.train_images[:IMAGES].numpy().astype(np.uint16) + 8) // 17  # 0 to 15
    images = (levels[:, ::2] << 4 | levels[:, 1::2]).astype(np.uint8).tobytes()
    return dict(
        images=images,
        test=np.packbits(shown_digits().numpy().astype(np.uint8), axis=1).tobytes(),
        labels=bytes(data.test_labels[:TEST].tolist()),
    )


def shown_digits() -> torch.Tensor:
    """The binary test digits (1000, 784) whose codes are shown; of the first 64 the exact log p(x) is."""
    return vc.binarize(vc.load_mnist().test_images[:TEST], torch.Generator().manual_seed(0))


class TrainVAE(BookWidget, script="train_vae.js"):
    """A VAE that learns real digits in the page, with the exact log p(x) beside its bound.

    With more than two latents the plane is of the two that have the most KL, and log p(x), for which no sum over all z
    can be taken, is estimated from samples. Nothing is trained before the reader says so. model: a vc.VAE with 2 to 50
    latents and one or two hidden layers to go on from; without one, a new network of `hidden` units, `z_dim` latents
    and `activation` starts from `seed`.
    Traits, all of which may change while it trains (hidden, z_dim and seed start it anew; of a given model hidden and
    z_dim stay): hidden, units of each layer; z_dim; beta;
    learning_rate, Adam's; m, samples of the IWAE bound, 1 to 20, and dreg, its doubly reparameterised gradient; batch,
    16 to 256; seed; slow, a few steps a second; z, on the plane, and digit, the class shown in slow motion. preset: a
    set piece to open with: "collapse", "rate", "samples", "autoencoder" or "units". `model` has the browser's weights
    as of the last pause, `steps` how many steps it has learned. Raises ValueError for another model.
    """

    beta = traitlets.Float(1.0).tag(sync=True)
    learning_rate = traitlets.Float(3e-3).tag(sync=True)
    m = traitlets.Int(1, help="samples of z for each image").tag(sync=True)
    dreg = traitlets.Bool(False, help="with m > 1, the doubly reparameterised gradient").tag(sync=True)
    batch = traitlets.Int(64).tag(sync=True)
    hidden = traitlets.List(traitlets.Int(), help="units of each hidden layer of the encoder").tag(sync=True)
    z_dim = traitlets.Int(2, help="latents").tag(sync=True)
    seed = traitlets.Int(0, help="of the first weights, the order of images and all noise").tag(sync=True)
    slow = traitlets.Bool(False, help="a few steps a second").tag(sync=True)
    z = traitlets.List(traitlets.Float(), [0.0, 0.0]).tag(sync=True)
    digit = traitlets.Int(2, help="the class of the digit in slow motion").tag(sync=True)
    preset = traitlets.Enum(
        ["none", "collapse", "rate", "samples", "autoencoder", "units"], "none", help="the set piece that is open"
    ).tag(sync=True)
    state = ("beta", "learning_rate", "m", "dreg", "batch", "hidden", "z_dim", "seed", "slow", "z", "digit", "preset")

    activation = traitlets.Enum(list(vc.ACTIVATIONS), "elu").tag(sync=True)
    data = reference(TrainingDigits)
    later = ("data",)
    start = traitlets.Bytes(help="the given model's weights in float32, or nothing").tag(sync=True)
    weights = traitlets.Bytes(help="the browser's weights as of the last pause").tag(
        sync=True, from_json=lambda held, _: bytes(held)
    )  # a browser's bytes come as a memoryview
    trained = traitlets.Dict(help="of these weights: hidden, z_dim").tag(sync=True)
    steps = traitlets.Int(0, help="steps of training as of the last pause").tag(sync=True)

    def __init__(
        self,
        model: vc.VAE | None = None,
        *,
        hidden: Sequence[int] = (128,),
        activation: str = "elu",
        z_dim: int = 2,
        preset: str | None = None,
        name: str = "train",
        **traits: Any,
    ):
        start, latents = b"", LIMITS["z_dim"]
        if model is not None:
            if not hasattr(model, "log_weight") or model.takes_label or not has_standard_prior(model):
                raise ValueError(f"wanted a VAE, whose prior is N(0, I), to go on from; given {type(model).__name__}")
            if not latents[0] <= model.z_dim <= latents[1]:
                raise ValueError(f"wanted a model with 2 to 50 latents; given z_dim={model.z_dim}")
            check_model(model)
            check_posterior(model)
            check_bernoulli(model)
            if model.shape != (28, 28):
                raise ValueError(f"a page trains on MNIST's 28 x 28 pixels; given a model of {model.shape}")
            nets = model.enc, model.dec
            for net in nets:
                check_layers(net)
            z_dim, activation = model.z_dim, activation_of(model.enc)
            hidden, back = ([layer.out_features for layer in layers_of(net)[:-1]] for net in nets)
            if back != hidden[::-1] or activation_of(model.dec) != activation:
                raise ValueError(f"wanted a decoder of the encoder's layers in reverse; given {hidden} and {back}")
            latents = (z_dim, z_dim)
            for part, weight in model.named_parameters():
                check_finite(part, weight)
            start = b"".join(pack(net, layers_of(net), "float32") for net in nets)
        hidden = list(hidden)
        if len(hidden) not in (1, 2):
            raise ValueError(f"wanted one or two hidden layers; given {len(hidden)}")
        limits = LIMITS | {"hidden": (*UNITS, len(hidden)), "z_dim": latents}
        super().__init__(
            name=name,
            hidden=hidden,
            z_dim=z_dim,
            activation=activation,
            preset=preset or "none",
            start=start,
            data=TrainingDigits.of(),
            limits=limits,
            **traits,
        )

    @property
    def model(self) -> vc.VAE:
        """A VAE with the browser's weights as of the last pause; before there are any, with the given model's.

        Raises RuntimeError for a widget without a model that no browser has shown yet.
        """
        weights = self.weights or self.start
        shape = self.trained if self.weights else dict(hidden=self.hidden, z_dim=self.z_dim)
        if not weights:
            raise RuntimeError("no browser has shown this widget yet, and its weights begin there: display it first")
        model = vc.VAE(784, **shape, activation=self.activation, beta=self.beta)
        values = torch.frombuffer(bytearray(weights), dtype=torch.float32)
        with torch.no_grad():
            for layer in (layer for net in (model.enc, model.dec) for layer in layers_of(net)):
                for part in (layer.weight, layer.bias):
                    part.copy_(values[: part.numel()].view_as(part))
                    values = values[part.numel() :]
        return model
