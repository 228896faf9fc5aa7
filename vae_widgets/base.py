"""What the widgets share: networks that travel once, a state that is checked, and the files of their front ends."""

import hashlib
import math
import weakref
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any, ClassVar

import anywidget
import ipywidgets
import numpy as np
import torch
import torch.nn.functional as F
import traitlets

import vae_core as vc

from .modules import FOLDER, joined

Model = Any  # of vae_core, or what wants to be one: it is asked for what it can do
Labels = torch.Tensor | Sequence[int]
SEEDS = (0, 2**31 - 1)  # of a widget that has a seed and says no others
MAX_DIGITS = 100  # in a widget: a hundred test digits are 10 kB of its page


class BeyondBrowsersError(ValueError):
    """A network or a likelihood that engine.js does not know: PyTorch computes it, a page cannot."""


class Network(ipywidgets.Widget):
    """One MLP of a vae_core model as the browser runs it: `Network.of(model.dec)`.

    It has no picture of its own. Widgets refer to it, so that a network that serves several widgets is in the page
    once. weights: for each layer the matrix W (out, in), after the first one the label's matrix (out, y_dim) where
    there is one, and then the bias, in the given precision; weights.js says how each is laid out.
    """

    sizes = traitlets.List(traitlets.Int()).tag(sync=True)
    activation = traitlets.Unicode().tag(sync=True)
    y_dim = traitlets.Int(0).tag(sync=True)
    precision = traitlets.Enum(["float32", "float16", "int8"]).tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    grey = traitlets.Enum(
        ["sigmoid", "identity", "continuous"], "sigmoid", help="of a decoder: what makes grey levels of its numbers"
    ).tag(sync=True)

    # Hash of what is sent -> the network that has been sent.
    _made: ClassVar[weakref.WeakValueDictionary] = weakref.WeakValueDictionary()

    @classmethod
    def of(cls, mlp: Model, precision: str = "float16", outputs: int | None = None, grey: str = "sigmoid") -> "Network":
        """The network of an MLP: the one that exists, if nothing about it has changed.

        precision: "float16" (what the book's models are stored in), "float32", or "int8" with a scale for each row,
        for pictures without numbers. outputs: how many of its numbers the browser needs, by default all. Raises
        ValueError if mlp is no MLP of vae_core, or says something else than its layers do, for another precision, or
        if it holds numbers that are not finite in that precision.
        """
        linear = layers_of(mlp)
        if precision not in _PACK:
            raise ValueError(f"precision must be one of {', '.join(_PACK)}; given {precision!r}")
        for name, weight in mlp.named_parameters():
            check_finite(name, weight, torch.float16 if precision == "float16" else torch.float32)
        check_layers(mlp)
        sizes = [linear[0].in_features, *(layer.out_features for layer in linear)]
        state = dict(
            sizes=[*sizes[:-1], outputs or sizes[-1]],
            grey=grey,
            activation=activation_of(mlp),
            y_dim=mlp.label.in_features if mlp.label else 0,
            precision=precision,
            weights=pack(mlp, linear, precision, outputs),
        )
        key = hashlib.sha256(repr(sorted(state.items())).encode()).hexdigest()
        if key not in cls._made or cls._made[key].comm is None:  # closed: Jupyter forgot it
            cls._made[key] = cls(**state)
        return cls._made[key]


def check_finite(name: str, weight: torch.Tensor, dtype: torch.dtype = torch.float32) -> None:
    """Raise ValueError unless all numbers are finite in the precision in which a browser gets them."""
    if not weight.to(dtype).isfinite().all():
        given = weight.abs().max().item()
        raise ValueError(
            f"wanted weights that are finite in {dtype}, which ends at {torch.finfo(dtype).max:g}; "
            f"{name} holds {given:g}"
        )


def layers_of(mlp: Model) -> list[torch.nn.Linear]:
    """The linear layers of an MLP, first to last. Raises ValueError for another network."""
    if not hasattr(mlp, "first") or not hasattr(mlp, "rest"):
        raise BeyondBrowsersError(
            f"a browser runs MLPs of vae_core, such as model.dec, and no other network; given {type(mlp).__name__}"
        )
    return [mlp.first, *(layer for layer in mlp.rest if isinstance(layer, torch.nn.Linear))]


@torch.no_grad()
def check_layers(mlp: Model) -> None:
    """Raise ValueError unless the network says what its layers do, which is what a browser computes."""
    linear, label = layers_of(mlp), mlp.label
    x = some_numbers(label.in_features if label else 4, linear[0].in_features).to(linear[0].weight)
    y = [torch.eye(label.in_features).to(x)] if label else []
    h = linear[0](x) + (label(*y) if label else 0)
    activation = vc.ACTIVATIONS[activation_of(mlp)]()
    for layer in linear[1:]:
        h = layer(activation(h))
    found = mlp(x, *y)
    wanted = vc.gaussian_parameters(h) if isinstance(found, tuple) and h.shape[-1] % 2 == 0 else h
    if not alike(found, wanted):
        raise BeyondBrowsersError(
            "a browser runs the layers of an MLP one after the other; this "
            f"{type(mlp).__name__} has a forward of its own, which says something else"
        )


def some_numbers(rows: int, columns: int) -> torch.Tensor:
    """The same normal numbers each time, to try a part of a model on."""
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


def alike(found: Any, wanted: Any) -> bool:
    """Whether two tensors, or tuples of them, are the same but for rounding."""
    if isinstance(found, tuple) or isinstance(wanted, tuple):
        return len(found) == len(wanted) and all(map(alike, found, wanted))
    return found.shape == wanted.shape and torch.allclose(found, wanted, rtol=1e-3, atol=1e-3, equal_nan=True)


def activation_of(mlp: Model) -> str:
    if not len(mlp.rest):
        return "elu"  # a single layer has none
    found = [name for name, kind in vc.ACTIVATIONS.items() if isinstance(mlp.rest[0], kind)]
    if not found:
        raise BeyondBrowsersError(
            f"browsers know vae_core's {', '.join(vc.ACTIVATIONS)}; given {type(mlp.rest[0]).__name__}"
        )
    return found[0]


def pack(mlp: Model, linear: Sequence[torch.nn.Linear], precision: str, outputs: int | None = None) -> bytes:
    """The bytes of a network's weights, layer after layer; of the last one those of the first `outputs` numbers."""
    parts = []
    for layer in linear:
        rows = outputs if layer is linear[-1] else None
        parts.append(_PACK[precision](layer.weight[:rows]))
        if layer is mlp.first and mlp.label is not None:
            parts.append(_PACK[precision](mlp.label.weight[:rows]))
        parts.append(_PACK["float32" if precision == "int8" else precision](layer.bias[:rows]))
    return b"".join(parts)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().float().numpy()


def _int8_rows(tensor: torch.Tensor) -> bytes:
    """Each row's scale, then the rows as whole numbers from -127 to 127, filled up to a multiple of four bytes."""
    rows = _array(tensor)
    scale = np.abs(rows).max(1).clip(1e-12) / 127
    whole = np.rint(rows / scale[:, None]).astype("<i1").tobytes()
    return scale.astype("<f4").tobytes() + whole + bytes(-len(whole) % 4)


def _halves(tensor: torch.Tensor) -> bytes:
    """All low bytes, then all high bytes: those have few values, and so are deflated better by themselves."""
    return _array(tensor).astype("<f2").view(np.uint8).reshape(-1, 2).T.tobytes()


_PACK = {
    "float16": _halves,
    "float32": lambda tensor: _array(tensor).astype("<f4").tobytes(),
    "int8": _int8_rows,
}


class Mixture(ipywidgets.Widget):
    """The learned prior of a GMVAE as the browser has it: `Mixture.of(model)`.

    weights: the means (k, z_dim), then the variances (k, z_dim), in float32.
    """

    k = traitlets.Int().tag(sync=True)
    z_dim = traitlets.Int().tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)

    @classmethod
    @torch.no_grad()
    def of(cls, model: Model) -> "Mixture":
        """The prior of a model, as `mixture_of` has it."""
        m, v = mixture_of(model)
        return cls(k=len(m), z_dim=model.z_dim, weights=_PACK["float32"](m) + _PACK["float32"](v))


@torch.no_grad()
def mixture_of(model: Model) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and variances, (k, z_dim), of the Gaussians that p(z) is made of, with equal weights.

    Raises ValueError for a model whose p(z) is another, which a browser cannot compute, and for numbers that are not
    finite.
    """
    name = type(model).__name__
    if not hasattr(model, "z_prior"):
        raise ValueError(
            f"a browser knows N(0, I) and mixtures of Gaussians with equal weights; a {name} has another "
            "prior, without components()"
        )
    m, v = (t.reshape(-1, model.z_dim) for t in model.z_prior)
    check_finite("the mixture", torch.cat([m, v]))
    some = torch.arange(-2.0, 3.0).unsqueeze(1).expand(-1, model.z_dim)  # a class may have a log p(z) of its own
    if not alike(model.log_prior(some), vc.log_normal_mixture(some, m[None], v[None])):
        raise ValueError(
            f"a browser knows N(0, I) and mixtures of Gaussians with equal weights; a {name} has another "
            "prior: its log p(z) is not that of its z_prior"
        )
    return m, v


def has_standard_prior(model: Model) -> bool:
    """Whether p(z) is N(0, I). Raises ValueError where a browser cannot know."""
    m, v = mixture_of(model)
    return len(m) == 1 and bool((m == 0).all() and (v == 1).all())


def pack_prior(model: Model) -> Mixture | None:
    """A model's p(z) as the browser has it, where None is N(0, I). Raises ValueError where it knows no such prior."""
    return None if has_standard_prior(model) else Mixture.of(model)


def reference(kind: type[ipywidgets.Widget]) -> traitlets.Instance:
    """A trait that holds another widget; the front end gets its address."""
    return traitlets.Instance(kind, allow_none=True).tag(sync=True, part=True, **ipywidgets.widget_serialization)


def references(kind: type[ipywidgets.Widget]) -> traitlets.List:
    """A trait that holds a list of other widgets, or None in the place of some."""
    held = traitlets.Instance(kind, allow_none=True)
    return traitlets.List(held).tag(sync=True, part=True, **ipywidgets.widget_serialization)


def answer_trait() -> traitlets.Bool:
    """A trait for what a reader is asked to find: a front end shows it from the start if True, else at a button."""
    return traitlets.Bool(False, help="show the answer").tag(sync=True)


class BookWidget(anywidget.AnyWidget):
    """The base of every widget of the book.

    A subclass names its script, `class LatentPlane(BookWidget, script="latent_plane.js")`, and the traits that make
    up its `state`: what a link to it carries, and what Reset restores. Those that are numbers keep within `limits`.
    `unshared` are traits that Reset restores as well, and that no link carries.
    `later` are its traits that refer to what its front end fetches by itself, when that is needed.
    """

    name = traitlets.Unicode(help="how a link to the page addresses this widget").tag(sync=True)
    title = traitlets.Unicode(help="what tells it from its like on the page; empty if nothing has to").tag(sync=True)
    text = traitlets.Unicode(help="what the picture shows, in words; kept up to date by the front end").tag(sync=True)
    state: tuple[str, ...] = ()
    unshared: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    _later = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _shared = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _defaults = traitlets.Dict().tag(sync=True)
    _whole = traitlets.List(traitlets.Unicode(), help="the traits of the state that are whole numbers").tag(sync=True)
    _limits = traitlets.Dict(
        help="trait -> [lowest, highest], and of a list also its length; of a text, its options"
    ).tag(sync=True)

    _open: ClassVar[weakref.WeakSet] = weakref.WeakSet()  # all that have not been closed

    def __init_subclass__(cls, script: str | None = None, **options: Any) -> None:
        if script:
            cls._esm = joined(script)
            cls._css = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in ("colours.css", "widgets.css"))
        kinds = traitlets.Int, traitlets.Float, traitlets.List
        numbers = [trait for trait in cls.state if isinstance(getattr(cls, trait), kinds)]
        if numbers:
            cls._validator = traitlets.validate(*numbers)(lambda self, proposal: self.inside(proposal))
        super().__init_subclass__(**options)

    def __init__(self, *, limits: Mapping[str, Sequence[float]], **traits: Any):
        kinds = {trait: self.traits()[trait] for trait in self.state}
        known: dict[str, Any] = {
            trait: kind.values for trait, kind in kinds.items() if isinstance(kind, traitlets.Enum)
        }
        if "seed" in kinds:
            known["seed"] = SEEDS
        super().__init__(_limits={trait: list(bounds) for trait, bounds in {**known, **limits}.items()}, **traits)
        self._shared, self._later = list(self.state), list(self.later)
        self._defaults = {trait: getattr(self, trait) for trait in (*self.state, *self.unshared)}
        items = {trait: getattr(kind, "_trait", kind) for trait, kind in kinds.items()}  # of a list, the kind of those
        self._whole = [trait for trait, kind in items.items() if isinstance(kind, traitlets.Int)]

    def _parts(self) -> set[ipywidgets.Widget]:
        """The widgets that it refers to: networks, mixtures, its layout."""
        held = [getattr(self, trait) for trait in ("layout", *self.trait_names(part=True))]
        return {part for value in held for part in (value if isinstance(value, list) else [value]) if part is not None}

    def open(self) -> None:
        super().open()
        self._open.add(self)

    def close(self) -> None:
        """Let the widget go, and those of its parts, such as networks, that no other one shows."""
        parts = self._parts() if self in self._open else set()
        super().close()
        self._open.discard(self)
        self._let_go(parts)

    def _let_go(self, parts: set[ipywidgets.Widget]) -> None:
        """Close those that no open widget shows."""
        for part in parts.difference(*(other._parts() for other in self._open)):
            part.close()

    def __setattr__(self, name: str, value: Any) -> None:
        """Numbers may come as a tensor or an array, or as a list of them."""
        super().__setattr__(name, _plain(value) if name in self.state else value)

    def inside(self, proposal: traitlets.Bunch) -> Any:
        """The value that a trait is to have, if it is within its limits; else a TraitError with both."""
        name, value = proposal["trait"].name, proposal["value"]
        low, high, *size = self._limits[name]
        values = value if size else [value]
        if (size and len(values) != size[0]) or not all(low <= v <= high for v in values):  # refuses NaN as well
            wanted = f"{size[0]} numbers" if size else "a number"
            raise traitlets.TraitError(f"{name} must be {wanted} from {low:g} to {high:g}; given {value}")
        return value


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.tolist() if hasattr(value, "tolist") else value


class FollowingWidget(BookWidget):
    """The base of a widget that shows a model, or several, and can follow one that is being trained.

    A subclass has its `_packed` return the traits that are made of the model, and takes them from there at first.
    """

    raster = traitlets.List(
        traitlets.Int(), [28, 28, 1], help="height and width of a picture, and the bits of a pixel as it travels"
    ).tag(sync=True)
    _model: Model
    version = traitlets.Int(0, help="how often the model has been taken anew").tag(sync=True)

    def _packed(self) -> dict[str, Any]:
        raise NotImplementedError

    def refresh(self, *_: Any) -> None:
        """Show the model as it is by now: its weights are packed anew, and open views are drawn anew.

        Arguments are ignored, so that a training may call it after every epoch.
        """
        parts = self._parts()
        with self.hold_sync():
            for name, value in self._packed().items():
                setattr(self, name, value)
            self.version += 1
        self._let_go(parts - self._parts())


class DecodingWidget(FollowingWidget):
    """The base of a widget that draws what z decodes to: a browser does or, if that does not know the decoder, Python.

    A message {decode: id} with z (n, z_dim) in float32 is answered by {decoded: id} with the numbers of n pictures, of
    which `grey` makes grey levels.
    """

    decoder = reference(Network)  # None: Python decodes
    grey = traitlets.Enum(["", "sigmoid", "identity"], "", help="as Network.grey, where Python decodes").tag(sync=True)

    def __init__(self, **traits: Any):
        super().__init__(**traits)
        self.on_msg(self._answer)

    def _pack_decoder(self, precision: str = "float16") -> dict[str, Any]:
        """The traits of what decodes."""
        try:
            return dict(decoder=drawing_of(self._model, precision), grey="")
        except BeyondBrowsersError:
            return dict(decoder=None, grey="sigmoid" if is_bernoulli(self._model) else "identity")

    @torch.no_grad()
    def _decode(self, z: torch.Tensor) -> torch.Tensor:
        """What `grey` makes grey levels of, (n, x_dim)."""
        decoded = self._model.decode(z)
        return decoded if self.grey == "sigmoid" else self._model.likelihood.mean(decoded)

    def _answer(self, _: Any, content: dict[str, Any], buffers: list[memoryview]) -> None:
        if "decode" in content:
            z = torch.frombuffer(bytearray(buffers[0]), dtype=torch.float32).reshape(-1, self._model.z_dim)
            self.send({"decoded": content["decode"]}, [as_floats(self._decode(z))])


class ModelWidget(FollowingWidget):
    """The base of a widget that runs a model on one of some test digits.

    model: a VAE, GMVAE or SSVAE; x, labels: test digits (n, x_dim), binary ones for a Bernoulli, and their class ids.
    Raises ValueError for another model, or if x and labels do not fit each other.
    """

    digit = traitlets.Int(0, help="the index of the chosen test digit").tag(sync=True)
    decoder = reference(Network)
    mixture = reference(Mixture)
    digits = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)
    codes = traitlets.Bytes(help="what the encoder says of each digit, so that it need not travel").tag(sync=True)
    in_nats = False  # whether the browser computes log w, and not pictures alone

    def __init__(self, model: Model, x: torch.Tensor, labels: Labels, **traits: Any):
        if not hasattr(model, "log_weight"):
            raise ValueError(f"wanted a VAE, GMVAE or SSVAE, which have a bound; given {type(model).__name__}")
        check_model(model)
        check_posterior(model)
        if self.in_nats:
            check_bernoulli(model)
        self._model, self._x = model, images_of(model, x)
        check_labels(x, labels)
        self._labels = torch.as_tensor(labels)
        packed = pack_labels(labels)
        if self.in_nats:
            check_weights(model, self._x)
        super().__init__(
            raster=raster_of(model), digits=pack_images(model, self._x), labels=packed, **self._packed(), **traits
        )

    def _packed(self) -> dict[str, Any]:
        return dict(codes=self._pack_codes(), decoder=drawing_of(self._model), mixture=pack_prior(self._model))

    def _pack_codes(self) -> bytes:
        """q(z|x) of each digit, as the front end's ui.proposals reads it."""
        return pack_proposals(self._model, self._x)


@torch.no_grad()
def pack_proposals(model: Model, x: torch.Tensor) -> bytes:
    """Of each image the means and the variances of q(z|x), in float32; of a model whose encoder takes a label those of
    q(z|x, y) for each label, and then the logits of q(y|x)."""
    if not model.takes_label:
        return b"".join(as_floats(torch.cat(code)) for code in zip(*model.encode(x), strict=True))
    every_label = torch.eye(model.y_dim)
    codes = []
    for image in x:
        m, v = model.encode(image.expand(model.y_dim, -1), every_label)
        codes.append(torch.cat([m.flatten(), v.flatten(), model.cls(image)]))
    return b"".join(map(as_floats, codes))


@torch.no_grad()
def pack_means(model: Model, *x: torch.Tensor) -> bytes:
    """Of each image the mean of q(z|x), in float32."""
    return as_floats(model.encode(*x)[0])


def as_floats(tensor: torch.Tensor) -> bytes:
    """Its numbers in float32, as the front end's ui.floats reads them."""
    return _PACK["float32"](tensor)


# What a browser has to know of a model, and what it refuses. Parts are asked what they say, on a few numbers: a class
# of the reader's own may say something else than the one it is made of.


def check_model(model: Model) -> None:
    """Raise ValueError unless the model is of what widgets show and browsers compute."""
    name = type(model).__name__
    if not hasattr(model, "decode"):
        raise ValueError(f"wanted a model of vae_core; given {name}")
    if model.shape is None:
        raise ValueError(
            f"wanted a model that states its pictures' height and width: give "
            f"{name}(..., shape=(height, width)), of {model.x_dim} pixels in all"
        )
    dtype = next(model.parameters()).dtype
    if dtype != torch.float32:
        raise ValueError(f"wanted a model in torch.float32; given one in {dtype}: give model.float()")


def check_shapes(models: Iterable[Model]) -> None:
    """Raise ValueError unless all models are of pictures of one height and width."""
    shapes = sorted({model.shape for model in models})
    if len(shapes) > 1:
        raise ValueError(f"wanted models of pictures of one height and width; given {' and '.join(map(str, shapes))}")


def check_labels(x: Sized | None, labels: Sized | None) -> None:
    """Raise ValueError unless there is one label for each image, or neither of them."""
    given = ["no" if t is None else len(t) for t in (x, labels)]
    if given[0] != given[1]:
        raise ValueError(f"wanted one label for each image; given {given[0]} images and {given[1]} labels")


def check_posterior(model: Model) -> None:
    """Raise ValueError unless q(z|x) is a Gaussian, with the mean and variance that the encoder states."""
    if getattr(model, "flow", None) is not None:
        raise ValueError("wanted a model whose q(z|x) is a Gaussian; after this one's flow it is none")


def raster_of(model: Model) -> list[int]:
    """Height and width of the model's pictures, and the bits of a pixel: 1 of binary ones, else 8."""
    return [*model.shape, 1 if is_bernoulli(model) else 8]


@torch.no_grad()
def is_bernoulli(model: Model) -> bool:
    """Whether p(x|z) is a Bernoulli's for each pixel."""
    if model.likelihood.outputs != 1:
        return False
    logits = 3 * some_numbers(5, model.x_dim)
    x = (some_numbers(5, 2 * model.x_dim)[:, model.x_dim :] > 0).float()
    return alike(model.likelihood.log_prob(x, logits), vc.log_bernoulli_with_logits(x, logits))


def check_bernoulli(model: Model) -> None:
    """Raise ValueError unless a browser can compute log p(x|z)."""
    if not is_bernoulli(model):
        raise ValueError(
            "log p(x|z) is computed in the browser, which knows a Bernoulli for each pixel; "
            f"given {type(model.likelihood).__name__}"
        )


@torch.no_grad()
def check_weights(model: Model, x: torch.Tensor) -> None:
    """Raise ValueError unless the model's log w is that of its parts, from which a browser computes it."""
    x, count, y = x[:1], 3, None
    with vc.seeded(0):
        given = model.log_weight(x, count)[0].flatten()
    with vc.seeded(0):
        log_w = torch.zeros(())
        if model.takes_label:
            log_q = model.cls(x).log_softmax(-1)
            drawn = torch.distributions.Categorical(logits=log_q).sample((count,))[:, 0]
            y, log_w = F.one_hot(drawn, model.y_dim).to(x), -log_q[0, drawn] - math.log(model.y_dim)
        m, v = model.encode(x.expand(count, -1), y) if model.takes_label else model.encode(x.expand(count, -1))
        z = vc.sample_gaussian(m, v)
        decoded = model.decode(z, y) if model.takes_label else model.decode(z)
        log_w = log_w + model.likelihood.log_prob(x, decoded) + model.log_prior(z) - vc.log_normal(z, m, v)
    if not torch.allclose(given, log_w, rtol=1e-3, atol=0.01, equal_nan=True):
        raise ValueError(
            f"a browser computes log w = log p(x|z) + log p(z) - log q(z|x) from a model's parts; that of "
            f"{type(model).__name__}.log_weight is another: give it a prior or a likelihood instead"
        )


@torch.no_grad()
def grey_of(model: Model) -> str | None:
    """What makes grey levels of the decoder's numbers, by its name in engine.js; None if that knows no such thing."""
    numbers = 3 * some_numbers(5, model.likelihood.outputs * model.x_dim)
    first, found = numbers[:, : model.x_dim], model.likelihood.mean(numbers)
    known = dict(sigmoid=first.sigmoid(), identity=first, continuous=vc.ContinuousBernoulli().mean(first))
    return next((name for name, wanted in known.items() if alike(found, wanted)), None)


@torch.no_grad()
def drawing_of(model: Model, precision: str = "float16") -> Network:
    """The network that draws the mean of p(x|z). Raises ValueError where a browser cannot run it."""
    name, grey = type(model).__name__, grey_of(model)
    if grey is None:
        raise BeyondBrowsersError(
            "a browser draws the mean of a Bernoulli, of a continuous one or of a Gaussian; "
            f"given {type(model.likelihood).__name__}"
        )
    y = [torch.eye(model.y_dim)] if model.takes_label else []
    z = some_numbers(model.y_dim if y else 4, model.z_dim)
    net = Network.of(model.dec, precision, model.x_dim, grey)
    if not alike(model.decode(z, *y), model.dec(z, *y)):
        raise BeyondBrowsersError(f"a browser runs the network model.dec; {name}.decode says something else")
    return net


@torch.no_grad()
def encoder_of(model: Model, x: torch.Tensor) -> Network:
    """The network of q(z|x). Raises ValueError where a browser cannot run it."""
    net = Network.of(model.enc)
    y = [torch.eye(model.y_dim)[:1].expand(len(x), -1)] if model.takes_label else []
    if not alike(model.encode(x, *y), model.enc(x, *y)):
        raise BeyondBrowsersError(
            f"a browser runs the network model.enc; {type(model).__name__}.encode says something else"
        )
    return net


@torch.no_grad()
def drawn(model: Model, z: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
    """What z decodes to: the grey levels of the mean of p(x|z), (..., height, width), from PyTorch."""
    batch = [t.reshape(-1, t.shape[-1]) for t in (z, y) if t is not None]  # not every network takes a single z
    return model.likelihood.mean(model.decode(*batch)).clamp(0, 1).reshape(*z.shape[:-1], *model.shape)


def to_choose(labels: Labels, most: int = 10) -> list[int]:
    """The indices of images to choose from: all, or the first of each class if there are more than `most`."""
    labels = torch.as_tensor(labels).tolist()
    if len(labels) <= most:
        return list(range(len(labels)))
    return [labels.index(label) for label in sorted(set(labels))[:most]]


def pack_labels(labels: Labels) -> bytes:
    """Class ids, a byte each. Raises ValueError for anything else."""
    labels = torch.as_tensor(labels)
    if labels.dim() != 1 or labels.is_floating_point() or not ((labels >= 0) & (labels < 256)).all():
        raise ValueError(
            f"wanted class ids (n,), 0 or above; given {labels.dtype} of shape {tuple(labels.shape)}"
            + (f", {labels.min()} to {labels.max()}" if labels.numel() else "")
        )
    return bytes(labels.tolist())


def images_of(model: Model, x: torch.Tensor, most: int = MAX_DIGITS) -> torch.Tensor:
    """Images as the model takes them, a float tensor (n, x_dim). Raises ValueError for anything else, or too many."""
    if is_bernoulli(model):
        return binary_digits(x, model.x_dim, most).float()
    x = torch.as_tensor(x)
    if x.dim() != 2 or x.shape[1] != model.x_dim or not 1 <= len(x) <= most:
        raise ValueError(f"wanted 1 to {most} images of shape (n, {model.x_dim}); given shape {tuple(x.shape)}")
    model.likelihood.check(x)
    return x.float()


def pack_images(model: Model, x: torch.Tensor) -> bytes:
    """Images for ui.digitsOf: bits of binary ones, else a byte a pixel for grey from 0 to 1, as `raster_of` says."""
    if is_bernoulli(model):
        return pack_digits(x)
    return (255 * images_of(model, x).clamp(0, 1)).round().byte().numpy().tobytes()


def pack_digits(x: torch.Tensor, pixels: int | None = None, most: int = MAX_DIGITS) -> bytes:
    """Binary digits as bits, each filled up to whole bytes. x: (n, pixels), zeros and ones. Raises ValueError for
    anything else."""
    return np.packbits(_array(binary_digits(x, pixels, most)).astype(np.uint8), axis=1).tobytes()


def binary_digits(x: torch.Tensor, pixels: int | None = None, most: int = MAX_DIGITS) -> torch.Tensor:
    """The digits as a tensor (n, pixels) of zeros and ones. Raises ValueError for anything else, or for too many."""
    x = torch.as_tensor(x)
    fits = x.dim() == 2 and pixels in (None, x.shape[1])
    if not fits or not 1 <= len(x) <= most or not ((x == 0) | (x == 1)).all():
        raise ValueError(
            f"wanted 1 to {most} binary digits of shape (n, {pixels or 'pixels'}); "
            f"given shape {tuple(x.shape)}"
            + ("" if x.numel() == 0 else f" with values from {x.min():g} to {x.max():g}")
        )
    return x
