"""Models as self-describing files, made again from the registered names and arguments of their parts."""

import inspect
import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from vae_machinery.files import BOOK, hash_tensors, write_atomically

Kind = TypeVar("Kind", bound=nn.Module)
TRAINED = BOOK / "trained"
REGISTRY: dict[str, type[nn.Module]] = {}  # name -> class: what a file can hold
_RENAMED = {"z_pre": "prior.z_pre", "mean": "prior.mean", "whiten": "prior.whiten", "share": "prior.share"}  # since 1.0


def register(kind: type[Kind]) -> type[Kind]:
    """Let files hold this class, of models or of parts: a decorator, `@vc.register` in the line above.

    What it is called with has to be kept in attributes of the same names, and to be numbers, texts, lists, None or
    registered parts. It must be registered where a file is loaded, too. Chapter 8.
    """
    REGISTRY[kind.__name__] = kind
    return kind


def arguments_of(module: nn.Module) -> dict:
    """What its registered class would have to be called with for a module like this one.

    Parts become dicts of their class and arguments; what a model names in `left_out`, its default parts, is left out.
    Raises ValueError for what a file cannot hold.
    """
    kind = next((c for c in type(module).__mro__ if c in REGISTRY.values()), None)  # a subclass may be called otherwise
    if kind is None:
        raise ValueError(_unregistered(module))
    arguments = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        any_number = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if any_number or name in getattr(module, "left_out", ()):
            continue
        if not hasattr(module, name):
            raise ValueError(f"a {kind.__name__} has to keep its arguments, and self.{name} is missing")
        value = getattr(module, name)
        arguments[name] = describe(value) if isinstance(value, nn.Module) else value
    try:
        return json.loads(json.dumps(arguments))
    except TypeError as error:
        raise ValueError(f"a file cannot hold the arguments {arguments} of a {kind.__name__}: {error}") from None


def describe(module: nn.Module) -> dict:
    """A model or part as a file holds it: class and arguments. Raises ValueError for a class that is not registered."""
    if REGISTRY.get(type(module).__name__) is not type(module):
        raise ValueError(_unregistered(module))
    return {"class": type(module).__name__, "arguments": arguments_of(module)}


def _unregistered(module: nn.Module) -> str:
    name = type(module).__name__
    return (
        f"a file names classes, and {name} is not registered: write @vae_core.register in the line above "
        f"`class {name}`, here and where the file is loaded (a Sequential goes into a class of your own)"
    )


def _rebuild(description: dict[str, Any]) -> Any:
    arguments = {
        name: _rebuild(value) if isinstance(value, dict) and "class" in value else value
        for name, value in description["arguments"].items()
    }
    return REGISTRY[description["class"]](**arguments)


def save_model(file: str | Path, model: nn.Module, **description: Any) -> None:
    """Write a model as one self-describing .safetensors file, atomically.

    Weights are float16; description (recipe, seed, results ...) is kept as JSON in the
    file's metadata, beside the class, its arguments and one hash over all of it. Raises
    ValueError for what `load_model` could not make again: weights that float16 cannot hold, a class of the model
    or of a part that is not registered, other layers than its own. Chapter 8.
    """
    described = describe(model)
    tensors = {name: t.detach().cpu().half().contiguous() for name, t in model.state_dict().items()}
    for name, t in model.state_dict().items():
        if not tensors[name].isfinite().all():
            raise ValueError(f"{name} holds {t.abs().max():g}, and float16 ends at 65504")
    description.pop("sha256", None)
    description |= described | {"sha256": ""}
    text = json.dumps(description)
    _check_layers(json.loads(text), tensors)
    text = f'{text[:-2]}{hash_tensors(tensors, text)}"}}'  # the hash, at the end, is of all but itself
    write_atomically(Path(file), save(tensors, {"description": text}))


def load_model(file: str | Path) -> Any:
    """Read a model that `save_model` wrote; it comes in float32, ready to use.

    What the file says of itself is in model.description, as in `trained_models`. Nothing
    in the file is executed, and nothing is made of it before its shapes are those of the
    model that it describes. Raises ValueError, with what is wrong, for a missing, damaged or
    foreign file. Chapter 8.
    """
    description, tensors = _read(file)
    try:
        _check_layers(description, tensors)
        model = _rebuild(description)
        model.load_state_dict(tensors)
    except Exception as error:
        reason = str(error).partition("\n")[0]  # torch's go on with a trace
        raise ValueError(f"{file} does not fit this version of vae_core: {reason}") from None
    model.description = description
    return model.eval()


def load_trained(name: str) -> Any:
    """One of the book's trained models, by name; `trained_models` lists them.

    Raises ValueError for an unknown name. Chapter 1.
    """
    names = sorted(file.stem for file in TRAINED.glob("*.safetensors"))
    if name not in names:
        raise ValueError(f"no trained model {name!r}; there are {', '.join(names)}")
    return load_model(TRAINED / f"{name}.safetensors")


def trained_models() -> dict[str, dict[str, Any]]:
    """What there is in book/trained/: a dict from name to description.

    A description is a dict: the class and its arguments, recipe, seed, history of the
    training loss, versions, and the results that train.py measured, in nats. Chapter 1.
    """
    return {file.stem: _read(file)[0] for file in sorted(TRAINED.glob("*.safetensors"))}


def _read(file: str | Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """A file's description and tensors, which are those that were hashed when it was written."""
    try:
        with safe_open(file, "pt") as f:
            text = (f.metadata() or {}).get("description", "")
            tensors = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118 (f is no dict)
        if {str(t.dtype) for t in tensors.values()} != {"torch.float16"}:
            raise ValueError("its weights are not float16")
        if text[-66:-2] != hash_tensors(tensors, text[:-66] + text[-2:]):
            raise ValueError("its description and weights do not match their hash")
        description = json.loads(text)
        if not isinstance(description, dict):
            raise ValueError("its description is no dict")
        for name, t in tensors.items():
            if not t.isfinite().all():
                raise ValueError(f"{name} holds numbers that are not finite")
    except FileNotFoundError:
        raise ValueError(f"{file} does not exist") from None
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error}") from None
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} is damaged, or no model of this book: {error}") from None
    return description, {_RENAMED.get(name, name): t for name, t in tensors.items()}


def _check_layers(description: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """Raise ValueError unless the described model has these tensors. On the device "meta", it has no memory."""
    _check_described(description, len(tensors))
    with torch.device("meta"):
        wanted = _rebuild(description).state_dict()
    for name in {**wanted, **tensors}:
        shapes = [tuple(each[name].shape) if name in each else "none" for each in (wanted, tensors)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"{name} has to have shape {shapes[0]} in a {description['class']} of "
                f"{description['arguments']}; given {shapes[1]}"
            )


def _check_described(description: dict[str, Any], most: int) -> None:
    """Raise ValueError for a class that is not registered, or lists that are longer than any file's layers need."""
    kind, arguments = description.get("class"), description.get("arguments")
    if not isinstance(kind, str) or kind not in REGISTRY:
        raise ValueError(f"it holds a {kind!r}, and registered are {', '.join(REGISTRY)}")
    if not isinstance(arguments, dict) or any(  # a layer has two tensors at least, and three layers four sizes
        isinstance(value, list) and len(value) > most for value in arguments.values()
    ):
        raise ValueError(f"these are no arguments for it: {str(arguments)[:200]}")
    for value in arguments.values():
        if isinstance(value, dict):
            _check_described(value, most)
