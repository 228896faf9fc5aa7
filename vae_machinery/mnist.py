"""The digits, read from the archives that come with the book."""

import functools
import lzma
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from vae_machinery.files import BOOK, sha256

MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


class MNIST(NamedTuple):
    """The digits: images (n, 784) uint8 in 0..255, labels (n,) class ids. Chapter 3."""

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor


def load_mnist(archives: str | Path | None = None) -> MNIST:
    """Read MNIST from the book's own archives: no network, and no disk to write on.

    archives: folder of the four .xz files, by default the book's own. Returns an MNIST of
    60,000 training and 10,000 test images. Raises ValueError if a file is not the original,
    byte for byte. Chapter 3.
    """
    if archives is None:
        return MNIST(*(part.clone() for part in _own()))
    return _read(Path(archives))


@functools.cache
def _own() -> MNIST:
    """Unpacked once: a chapter and its widgets ask for them several times."""
    return _read(BOOK / "data")


def _read(archives: Path) -> MNIST:
    parts = []
    for name, digest in MNIST_SHA256.items():
        data = _unpack(archives / f"{name}.xz", digest)
        size = 784 if "images" in name else 1
        values = torch.from_numpy(np.frombuffer(data, np.uint8, offset=16 if size > 1 else 8).copy())
        parts.append(values.reshape(-1, size) if size > 1 else values.long())
    return MNIST(*parts)


def _unpack(archive: Path, digest: str) -> bytes:
    try:
        data = lzma.decompress(archive.read_bytes())
    except FileNotFoundError:
        raise ValueError(f"{archive} does not exist: restore it from the repository") from None
    except lzma.LZMAError as error:
        raise ValueError(f"{archive} is damaged ({error}): restore it from the repository") from None
    if sha256(data) != digest:
        raise ValueError(f"{archive} does not hold the original MNIST file: restore it from the repository")
    return data
