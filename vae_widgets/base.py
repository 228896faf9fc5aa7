"""What the widgets share: networks that travel once, a state that is checked, and the files of their front ends."""

import hashlib
import weakref
from pathlib import Path

import anywidget
import ipywidgets
import numpy as np
import torch
import traitlets

import vae_core as vc

FOLDER = Path(__file__).resolve().parent
MAX_DIGITS = 100  # in a widget: a hundred test digits are 10 kB of its page


class Network(ipywidgets.Widget):
    """One MLP of a vae_core model as the browser runs it: `Network.of(model.dec)`.

    It has no picture of its own. Widgets refer to it, so that a network that serves several widgets is in the page
    once. weights: for each layer the matrix W (out, in), after the first one the label's matrix (out, y_dim) where
    there is one, and then the bias, in the given precision; engine.js says how each is laid out.
    """

    sizes = traitlets.List(traitlets.Int()).tag(sync=True)
    activation = traitlets.Unicode().tag(sync=True)
    y_dim = traitlets.Int(0).tag(sync=True)
    precision = traitlets.Enum(["float32", "float16", "int8"]).tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)

    _made = weakref.WeakValueDictionary()  # noqa: RUF012 - hash of what is sent -> the network that has been sent

    @classmethod
    def of(cls, mlp, precision="float16"):
        """The network of an MLP: the one that exists, if nothing about it has changed.

        precision: "float16" (what the book's models are stored in), "float32", or "int8" with a scale for each row,
        for pictures without numbers. Raises ValueError if mlp is no MLP of vae_core, for another precision, or if it
        holds numbers that are not finite in that precision.
        """
        if not isinstance(mlp, vc.MLP):
            raise ValueError(f"wanted an MLP of vae_core, such as model.dec; given {type(mlp).__name__}")
        if precision not in _PACK:
            raise ValueError(f"precision must be one of {', '.join(_PACK)}; given {precision!r}")
        for name, weight in mlp.named_parameters():
            check_finite(name, weight, torch.float16 if precision == "float16" else torch.float32)
        linear = [mlp.first, *(layer for layer in mlp.rest if isinstance(layer, torch.nn.Linear))]
        state = dict(sizes=[linear[0].in_features, *(layer.out_features for layer in linear)],
                     activation=activation_of(mlp), y_dim=mlp.label.in_features if mlp.label else 0,
                     precision=precision, weights=pack(mlp, linear, precision))
        key = hashlib.sha256(repr(sorted(state.items())).encode()).hexdigest()
        if key not in cls._made or cls._made[key].comm is None:  # closed: Jupyter forgot it
            cls._made[key] = cls(**state)
        return cls._made[key]


def check_finite(name, weight, dtype=torch.float32):
    """Raise ValueError unless all numbers are finite in the precision in which a browser gets them."""
    if not weight.to(dtype).isfinite().all():
        given = weight.abs().max().item()
        raise ValueError(f"wanted weights that are finite in {dtype}, which ends at {torch.finfo(dtype).max:g}; "
                         f"{name} holds {given:g}")


def activation_of(mlp):
    if not len(mlp.rest):
        return "elu"  # a single layer has none
    found = [name for name, kind in vc.ACTIVATIONS.items() if isinstance(mlp.rest[0], kind)]
    if not found:
        raise ValueError(f"browsers know vae_core's {', '.join(vc.ACTIVATIONS)}; given {type(mlp.rest[0]).__name__}")
    return found[0]


def pack(mlp, linear, precision):
    """The bytes of a network's weights, layer after layer."""
    parts = []
    for layer in linear:
        parts.append(_PACK[precision](layer.weight))
        if layer is mlp.first and mlp.label is not None:
            parts.append(_PACK[precision](mlp.label.weight))
        parts.append(_PACK["float32" if precision == "int8" else precision](layer.bias))
    return b"".join(parts)


def _array(tensor):
    return tensor.detach().cpu().float().numpy()


def _int8_rows(tensor):
    """Each row's scale, then the rows as whole numbers from -127 to 127, filled up to a multiple of four bytes."""
    rows = _array(tensor)
    scale = np.abs(rows).max(1).clip(1e-12) / 127
    whole = np.rint(rows / scale[:, None]).astype("<i1").tobytes()
    return scale.astype("<f4").tobytes() + whole + bytes(-len(whole) % 4)


def _halves(tensor):
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
    def of(cls, model: vc.VAE) -> "Mixture":
        """The prior of a model, as `mixture_of` has it. Raises ValueError for numbers that are not finite."""
        m, v = mixture_of(model)
        check_finite("the mixture", torch.cat([m, v]))
        return cls(k=len(m), z_dim=model.z_dim, weights=_PACK["float32"](m) + _PACK["float32"](v))


@torch.no_grad()
def mixture_of(model: vc.VAE) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and variances, (k, z_dim), of the Gaussians that p(z) is made of, with equal weights.

    Raises ValueError for a model whose p(z) is another, which a browser cannot compute.
    """
    name = type(model).__name__
    if not hasattr(model, "z_prior"):
        raise ValueError(f"a browser knows N(0, I) and mixtures of Gaussians with equal weights; a {name} has another "
                         "prior, without components()")
    m, v = (t.reshape(-1, model.z_dim) for t in model.z_prior)
    some = torch.arange(-2.0, 3.0).unsqueeze(1).expand(-1, model.z_dim)  # a class may have a log p(z) of its own
    if not torch.allclose(model.log_prior(some), vc.log_normal_mixture(some, m[None], v[None]), rtol=1e-3, atol=1e-3,
                          equal_nan=True):
        raise ValueError(f"a browser knows N(0, I) and mixtures of Gaussians with equal weights; a {name} has another "
                         "prior: its log p(z) is not that of its z_prior")
    return m, v


def has_standard_prior(model: vc.VAE) -> bool:
    """Whether p(z) is N(0, I). Raises ValueError where a browser cannot know."""
    m, v = mixture_of(model)
    return len(m) == 1 and bool((m == 0).all() and (v == 1).all())


def pack_prior(model: vc.VAE) -> Mixture | None:
    """A model's p(z) as the browser has it, where None is N(0, I). Raises ValueError where it knows no such prior."""
    return None if has_standard_prior(model) else Mixture.of(model)


def reference(kind):
    """A trait that holds another widget; the front end gets its address."""
    return traitlets.Instance(kind, allow_none=True).tag(sync=True, part=True, **ipywidgets.widget_serialization)


def references(kind):
    """A trait that holds a list of other widgets, or None in the place of some."""
    held = traitlets.Instance(kind, allow_none=True)
    return traitlets.List(held).tag(sync=True, part=True, **ipywidgets.widget_serialization)


def answer_trait():
    """A trait for what a reader is asked to find: a front end shows it from the start if True, else at a button."""
    return traitlets.Bool(False, help="show the answer").tag(sync=True)


class BookWidget(anywidget.AnyWidget):
    """The base of every widget of the book.

    A subclass names its script, `class LatentPlane(BookWidget, script="latent_plane.js")`, and the traits that make
    up its `state`: what a link to it carries, and what Reset restores. It has `inside` validate those that are numbers.
    `unshared` are traits that Reset restores as well, and that no link carries.
    `further` are scripts that its Worker needs besides the engine.
    `later` are its traits that refer to what its front end fetches by itself, when that is needed.
    """

    name = traitlets.Unicode(help="how a link to the page addresses this widget").tag(sync=True)
    title = traitlets.Unicode(help="what tells it from its like on the page; empty if nothing has to").tag(sync=True)
    text = traitlets.Unicode(help="what the picture shows, in words; kept up to date by the front end").tag(sync=True)
    state = ()
    unshared = ()
    later = ()
    _later = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _shared = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _defaults = traitlets.Dict().tag(sync=True)
    _whole = traitlets.List(traitlets.Unicode(), help="the traits of the state that are whole numbers").tag(sync=True)
    _limits = traitlets.Dict(
        help="trait -> [lowest, highest], and of a list also its length; of a text, its options").tag(sync=True)

    _open = weakref.WeakSet()  # noqa: RUF012 - all that have not been closed

    def __init_subclass__(cls, script=None, further=(), **options):
        if script:
            # The form feed is where a page that holds several widgets may take a module apart again.
            parts = (FOLDER / part for part in ("engine.js", *further, "ui.js", script))
            cls._esm = "\f\n".join(part.read_text(encoding="utf-8") for part in parts)
            cls._css = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in ("colours.css", "widgets.css"))
        super().__init_subclass__(**options)

    def __init__(self, *, limits, **traits):
        words = {trait: self.traits()[trait].values for trait in self.state
                 if isinstance(self.traits()[trait], traitlets.Enum)}
        super().__init__(_limits={trait: list(bounds) for trait, bounds in (words | limits).items()}, **traits)
        self._shared, self._later = list(self.state), list(self.later)
        self._defaults = {trait: getattr(self, trait) for trait in (*self.state, *self.unshared)}
        kinds = {trait: self.traits()[trait] for trait in self.state}  # of a list, that of its items
        self._whole = [t for t, kind in kinds.items() if isinstance(getattr(kind, "_trait", kind), traitlets.Int)]

    def _parts(self):
        """The widgets that it refers to: networks, mixtures, its layout."""
        held = [getattr(self, trait) for trait in ("layout", *self.trait_names(part=True))]
        return {part for value in held for part in (value if isinstance(value, list) else [value]) if part is not None}

    def open(self):
        super().open()
        self._open.add(self)

    def close(self):
        """Let the widget go, and those of its parts, such as networks, that no other one shows."""
        parts = self._parts() if self in self._open else set()
        super().close()
        self._open.discard(self)
        for part in parts.difference(*(other._parts() for other in self._open)):
            part.close()

    def __setattr__(self, name, value):
        """Numbers may come as a tensor or an array."""
        super().__setattr__(name, value.tolist() if name in self.state and hasattr(value, "tolist") else value)

    def inside(self, proposal):
        """The value that a trait is to have, if it is within its limits; else a TraitError with both."""
        name, value = proposal["trait"].name, proposal["value"]
        low, high, *size = self._limits[name]
        values = value if size else [value]
        if (size and len(values) != size[0]) or not all(low <= v <= high for v in values):  # refuses NaN as well
            wanted = f"{size[0]} numbers" if size else "a number"
            raise traitlets.TraitError(f"{name} must be {wanted} from {low:g} to {high:g}; given {value}")
        return value


class ModelWidget(BookWidget):
    """The base of a widget that runs a model on one of some test digits.

    model: a VAE, GMVAE or SSVAE; x, labels: binary test digits (n, 784) and their class ids. Raises ValueError for
    another model, or if x and labels do not fit each other.
    """

    digit = traitlets.Int(0, help="the index of the chosen test digit").tag(sync=True)
    decoder = reference(Network)
    mixture = reference(Mixture)
    digits = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)
    codes = traitlets.Bytes(help="what the encoder says of each digit, so that it need not travel").tag(sync=True)

    def __init__(self, model, x, labels, **traits):
        if not isinstance(model, vc.VAE):
            raise ValueError(f"wanted a VAE, GMVAE or SSVAE, which have a bound; given {type(model).__name__}")
        check_model(model)
        packed = pack_digits(x)
        if len(x) != len(labels):
            raise ValueError(f"wanted one label for each image; given {len(x)} images and {len(labels)} labels")
        self._model, self._x = model, torch.as_tensor(x).float()
        super().__init__(digits=packed, labels=pack_labels(labels), codes=self._pack_codes(labels),
                         decoder=Network.of(model.dec),
                         mixture=pack_prior(model), **traits)

    def _pack_codes(self, labels):
        """q(z|x) of each digit, as the front end's ui.proposals reads it."""
        return pack_proposals(self._model, self._x)


@torch.no_grad()
def pack_proposals(model, x):
    """Of each image the means and the variances of q(z|x), in float32; of an SSVAE those of q(z|x, y) for each label,
    and then the logits of q(y|x)."""
    if not isinstance(model, vc.SSVAE):
        return b"".join(_array(torch.cat(code)).astype("<f4").tobytes() for code in zip(*model.enc(x), strict=True))
    every_label = torch.eye(model.y_dim)
    codes = []
    for image in x:
        m, v = model.enc(image.expand(model.y_dim, -1), every_label)
        codes.append(torch.cat([m.flatten(), v.flatten(), model.cls(image)]))
    return b"".join(_array(code).astype("<f4").tobytes() for code in codes)


@torch.no_grad()
def pack_means(encoder, *x):
    """Of each image the mean of q(z|x), in float32."""
    return _array(encoder(*x)[0]).astype("<f4").tobytes()


def check_model(model):
    """Raise ValueError unless the model is of what widgets show and browsers compute."""
    if model.x_dim != 784:
        raise ValueError(f"wanted a model of 28 x 28 pixels; given one with x_dim={model.x_dim}")
    dtype = model.dec.first.weight.dtype
    if dtype != torch.float32:
        raise ValueError(f"wanted a model in torch.float32; given one in {dtype}: give model.float()")


def to_choose(labels, most=10):
    """The indices of images to choose from: all, or the first of each class if there are more than `most`."""
    labels = torch.as_tensor(labels).tolist()
    if len(labels) <= most:
        return list(range(len(labels)))
    return [labels.index(label) for label in sorted(set(labels))[:most]]


def pack_labels(labels):
    """Class ids, a byte each. Raises ValueError for anything else."""
    labels = torch.as_tensor(labels)
    if labels.dim() != 1 or labels.is_floating_point() or not ((labels >= 0) & (labels < 256)).all():
        raise ValueError(f"wanted class ids (n,), 0 or above; given {labels.dtype} of shape {tuple(labels.shape)}"
                         + (f", {labels.min()} to {labels.max()}" if labels.numel() else ""))
    return bytes(labels.tolist())


def pack_digits(x):
    """Binary digits as bits, 98 bytes each. x: (n, 784), zeros and ones. Raises ValueError for anything else."""
    return np.packbits(_array(binary_digits(x)).astype(np.uint8), axis=1).tobytes()


def binary_digits(x, most=MAX_DIGITS):
    """The digits as a tensor (n, 784) of zeros and ones. Raises ValueError for anything else, or for too many."""
    x = torch.as_tensor(x)
    if x.dim() != 2 or x.shape[1] != 784 or not 1 <= len(x) <= most or not ((x == 0) | (x == 1)).all():
        raise ValueError(f"wanted 1 to {most} binary digits of shape (n, 784); given shape {tuple(x.shape)}"
                         + ("" if x.numel() == 0 else f" with values from {x.min():g} to {x.max():g}"))
    return x
