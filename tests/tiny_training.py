"""A tiny model and its images, and training of no time, for the tests of fit, checkpoints and files."""

import hashlib

import torch

import vae_core as vc

X_DIM = 16


def bars(n=96):
    """Grey images of 4 x 4 pixels with one bright row or column: uint8."""
    generator = torch.Generator().manual_seed(0)
    images = torch.full((n, 4, 4), 5, dtype=torch.uint8)
    for i, j in enumerate(torch.randint(8, (n,), generator=generator).tolist()):
        images[(i, j) if j < 4 else (i, slice(None), j - 4)] = 250
    return images.reshape(n, X_DIM)


def model(kind=vc.VAE, seed=0, **arguments):
    torch.manual_seed(seed)
    if kind is vc.GMVAE:
        arguments.setdefault("k", 5)
    return kind(X_DIM, 2, (12,), **arguments)


def fit(net, images=None, **options):
    tiny = dict(epochs=4, batch_size=32, learning_rate=1e-2, progress=False, device="cpu", precision="float32")
    return vc.fit(net, bars() if images is None else images, **tiny | options)


def weights(net):
    return [p.detach().clone() for p in net.parameters()]


def same(a, b):
    return all(s.equal(t) for s, t in zip(a, b, strict=True))


class Interrupted(Exception):
    pass


class SameArguments(vc.VAE):
    """Another model, of which only the name tells."""


class Payload:
    """Unpickling this makes a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


def hashed(data):
    """As a checkpoint is kept, behind its hash."""
    return hashlib.sha256(data).hexdigest().encode() + data


def flipped(whole, count, seed=0):
    """Copies of the bytes, each with another bit flipped."""
    generator = torch.Generator().manual_seed(seed)
    for bit in torch.randperm(len(whole) * 8, generator=generator)[:count].tolist():
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        yield damaged
