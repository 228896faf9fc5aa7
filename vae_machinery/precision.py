"""Whether half precision pays on this machine."""

import functools
import time

import torch
import torch.nn.functional as F

Layers = tuple[tuple[int, int], ...]  # (out, in) of each matrix
DEFAULT_LAYERS: Layers = ((300, 784), (300, 300), (20, 300), (300, 10), (300, 300), (784, 300))  # of the default VAE


def bfloat16_is_faster(
    device: str | torch.device = "cpu", layers: Layers = DEFAULT_LAYERS, batch_size: int = 128
) -> bool:
    """Whether the device takes a batch through such layers and back clearly faster in bfloat16 than in float32.

    layers: (out, in) of each matrix. This is measured, once for each question and in a few hundredths of a second,
    the casts included: some processors that have the instructions take longer with them at some sizes. Chapter 3.
    """
    device = torch.device(device)
    return (
        bool(layers)
        and device.type in ("cpu", "cuda")
        and is_faster(device, tuple(layers), batch_size, torch.get_num_threads())
    )


@functools.cache
@torch.inference_mode(False)
@torch.enable_grad()
def is_faster(device: torch.device, layers: Layers, batch_size: int, threads: int) -> bool:
    generator = torch.Generator().manual_seed(0)  # the caller's is left alone
    weights, batches = (
        [torch.randn(shape, generator=generator).to(device).requires_grad_() for shape in shapes]
        for shapes in (layers, [(batch_size, n_in) for _, n_in in layers])
    )

    def step(enabled: bool) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=enabled):
            out = [F.linear(x, w).float() for x, w in zip(batches, weights, strict=True)]
        torch.autograd.grad(out, weights + batches, [torch.ones_like(each) for each in out])
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    best = {False: float("inf"), True: float("inf")}
    for turn in range(8):  # in turn, so that what else the machine does hits both
        for enabled in best:
            start = time.perf_counter()
            step(enabled)
            seconds = time.perf_counter() - start
            if turn:  # the first of a kind takes longer
                best[enabled] = min(best[enabled], seconds)
    return best[True] < 0.8 * best[False]


def autocast(
    precision: str, device: torch.device, layers: Layers = DEFAULT_LAYERS, batch_size: int = 128
) -> torch.autocast:
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f'precision must be "auto", "float32" or "bfloat16"; given {precision!r}')
    enabled = precision == "bfloat16" or (precision == "auto" and bfloat16_is_faster(device, layers, batch_size))
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
