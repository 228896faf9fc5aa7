"""Where the book's files lie, and how they are written and recognised."""

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent.parent
BOOK = HERE / ("vae_book" if (HERE / "vae_book").is_dir() else "book")  # as installed, and in the repository


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_atomically(file: Path, data: bytes) -> None:
    """A reader sees the old file or the new one, never half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        part.write_bytes(data)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def hash_tensors(tensors: Mapping[str, torch.Tensor], text: str = "") -> str:
    each = sorted(tensors.items())
    header = [text, *((name, str(t.dtype), tuple(t.shape)) for name, t in each)]
    digest = hashlib.sha256(json.dumps(header).encode())
    for _, t in each:
        digest.update(t.numpy().ravel().data)
    return digest.hexdigest()
