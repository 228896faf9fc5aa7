"""What a training is gone on from after an interruption."""

import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from vae_machinery.files import sha256, write_atomically


class Part(Protocol):
    """What has a state: the model, its optimisers, `Best`."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


class Best:
    """The weights with the lowest value so far, kept beside the model."""

    def __init__(self) -> None:
        self.value = math.inf
        self.weights: dict[str, torch.Tensor] = {}

    def see(self, value: float, model: nn.Module) -> None:
        if value < self.value:
            self.value = value
            self.weights = {name: t.detach().clone() for name, t in model.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        return dict(value=self.value, weights=self.weights)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.value, self.weights = state["value"], state["weights"]


def described(model: Any) -> dict[str, Any]:
    """Class and arguments of a model; of one whose parts are not registered, its layers."""
    try:
        return dict(name=type(model).__name__, **model.arguments)
    except ValueError:
        return dict(name=type(model).__name__, layers=str(model), beta=getattr(model, "beta", None))


def save_checkpoint(file: Path, parts: Sequence[Part], run: dict[str, Any], history: Iterable[tuple]) -> None:
    state = [part.state_dict() for part in parts]
    random = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
    buffer = io.BytesIO()
    torch.save(dict(state=state, run=run, history=[tuple(e) for e in history], random=random), buffer)
    data = buffer.getvalue()
    write_atomically(file, sha256(data).encode() + data)


def load_checkpoint(file: Path, parts: Sequence[Part], run: dict[str, Any]) -> list[tuple]:
    try:
        digest, data = (whole := file.read_bytes())[:64], whole[64:]
        if digest != sha256(data).encode():
            raise ValueError("its hash is not that of the rest: damaged, or of another version")
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        its_run = dict(found["run"])
        other = {k: its_run.get(k) for k in run if its_run.get(k) != run[k]}
        if not other:
            history = found["history"]
            torch.set_rng_state(found["random"][0])
            torch.cuda.set_rng_state_all(found["random"][1:])
            for part, its_state in zip(reversed(parts), reversed(found["state"]), strict=True):  # the model last
                part.load_state_dict(its_state)
    except Exception as error:
        raise ValueError(f"{file} is no readable checkpoint ({error}): delete it to start afresh") from None
    if other:
        raise ValueError(f"{file} belongs to another run, with {other}: delete it to start afresh")
    return history
