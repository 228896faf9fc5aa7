"""Whether half precision pays on this machine."""

import functools
import time
from itertools import pairwise

import torch


def bfloat16_is_faster(device="cpu"):
    """Whether the device multiplies bfloat16 matrices faster than float32 ones.

    On a processor this is measured, once and in a few milliseconds: some that have the
    instructions still take twice as long with them. Chapter 3.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and _processor_is_faster_in_bfloat16()


@functools.cache
def _processor_is_faster_in_bfloat16():
    def seconds(a):
        a @ a  # the first product of a kind takes longer
        times = [time.perf_counter()]
        for _ in range(5):
            a @ a
            times.append(time.perf_counter())
        return min(end - start for start, end in pairwise(times))

    square = torch.randn(256, 256, generator=torch.Generator())
    return seconds(square.bfloat16()) < 0.8 * seconds(square)


def autocast(precision, device):
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f'precision must be "auto", "float32" or "bfloat16"; given {precision!r}')
    enabled = precision == "bfloat16" or (precision == "auto" and bfloat16_is_faster(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
