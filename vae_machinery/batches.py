"""What `fit` is given, as batches: tensors and arrays stay on the device, all else is asked for batch by batch."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from vae_machinery.checks import check_tensor
from vae_machinery.files import hash_tensors


class Resident:
    """Tensors of one length, in a new order at each epoch; every batch is a tuple, of the images and of the rest."""

    def __init__(self, tensors: tuple, batch_size: int, device: torch.device):
        held = [torch.as_tensor(t) if isinstance(t, np.ndarray) else t for t in tensors]
        for t in held:
            check_tensor(t, "images and what goes with them")
        if len({len(t) for t in held}) > 1:
            raise ValueError(f"wanted as many of each as there are images; given {[len(t) for t in held]}")
        self.tensors = [_flat(held[0]), *held[1:]]
        self.batch_size, self.device = batch_size, device

    def __len__(self) -> int:
        return -(-len(self.tensors[0]) // self.batch_size)

    def __iter__(self) -> Iterator[tuple]:
        for index in torch.randperm(len(self.tensors[0]), device=self.device).split(self.batch_size):
            yield tuple(t.index_select(0, index) for t in self.tensors)

    def to_device(self) -> None:
        self.tensors = [t.to(self.device) for t in self.tensors]

    def fingerprint(self) -> str:
        return hash_tensors({str(i): t.cpu() for i, t in enumerate(self.tensors)})


class Loaded:
    """The batches of a DataLoader, on the device; every one is a tuple, of the images and of the rest."""

    def __init__(self, loader: DataLoader, device: torch.device):
        self.loader, self.device = loader, device
        try:
            self.batches = len(loader)
        except TypeError:
            raise ValueError(
                "the rate falls to 0 at the end, so the data need a length; given those of "
                f"{type(loader.dataset).__name__}, which has none"
            ) from None

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[tuple]:
        for batch in self.loader:
            if isinstance(batch, Mapping):
                raise ValueError(f"wanted batches of images, or of (images, ...); given a dict of {', '.join(batch)}")
            images, *rest = batch if isinstance(batch, (tuple, list)) else (batch,)
            check_tensor(images, "images")
            yield tuple(
                t.to(self.device, non_blocking=True) if isinstance(t, torch.Tensor) else t
                for t in (_flat(images), *rest)
            )

    def to_device(self) -> None:
        pass

    def fingerprint(self) -> str:
        return f"{self.batches} batches of {type(self.loader.dataset).__name__}"


def batches_of(data: Any, batch_size: int, device: torch.device) -> Resident | Loaded:
    """Raises ValueError for what is no tensor, array, tuple of those, Dataset or DataLoader."""
    if isinstance(data, TensorDataset):
        data = data.tensors
    if isinstance(data, Dataset):
        data = DataLoader(data, batch_size, shuffle=not isinstance(data, torch.utils.data.IterableDataset))
    if isinstance(data, DataLoader):
        return Loaded(data, device)
    return Resident(data if isinstance(data, tuple) else (data,), batch_size, device)


def _flat(images: torch.Tensor) -> torch.Tensor:
    return images.flatten(1) if images.dim() > 2 else images
