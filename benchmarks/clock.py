"""How fast this machine is, to hold the rest against."""

import time

import torch


def seconds_of(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def matrix_rate(dtype, n=2048, repeats=20):
    """Multiply-adds per second of an (n, n) product; the best of several, since others share the machine."""
    a, b = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
    return n**3 / min(seconds_of(lambda: a @ b) for _ in range(repeats))
