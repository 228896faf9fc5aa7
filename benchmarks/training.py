"""How fast does the default VAE train? One epoch at a time, the contestants in turn: make bench

Compared in one run, on the same network, batch size and data treatment (binarised anew at each
step): a loop over a torchvision DataLoader, as most tutorials have it, and vae_core.fit, in float32
and at its best. The last column is the share of the rate at which this machine multiplies large
matrices in that precision.
"""

import argparse
import statistics
import tempfile
import time

import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

import vae_core as vc

BATCH = 100


def data_loader_epoch(model, loader):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for grey, _ in loader:
        x = torch.bernoulli(grey.reshape(len(grey), -1))
        loss = model.negative_elbo_bound(x)[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def matrix_rate(dtype, n=2048, repeats=20):
    """Multiply-adds per second of an (n, n) product; the best of several, since others share the machine."""
    a, b = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    return n**3 / min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each contestant (default: 3)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        images = vc.load_mnist(cache=folder).train_images
        mnist = datasets.MNIST(folder, transform=transforms.ToTensor())
    loader = DataLoader(mnist, BATCH, shuffle=True)

    def fit(precision):
        return lambda model: vc.fit(model, images, epochs=1, batch_size=BATCH, precision=precision, progress=False)

    contestants = {"DataLoader loop, float32": lambda model: data_loader_epoch(model, loader),
                   "vae_core.fit, float32": fit("float32"),
                   "vae_core.fit, auto": fit("auto")}
    seconds = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, epoch in contestants.items():
            model = vc.VAE()
            start = time.perf_counter()
            epoch(model)
            seconds[name].append(time.perf_counter() - start)

    weights = sum(p.numel() for p in vc.VAE().parameters() if p.dim() == 2)
    work = 3 * weights * len(images)  # forward, and backward to inputs and to weights
    rates = {name: matrix_rate(torch.bfloat16 if vc.has_bfloat16() and name.endswith("auto") else torch.float32) for name in contestants}
    print(f"\n{torch.get_num_threads()} threads, torch {torch.__version__}, batch {BATCH}, median (min-max) of {rounds} epochs\n")
    print("| | s an epoch | images a second | share of the matrix rate |\n|---|---|---|---|")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"| {name} | {median:.2f} ({min(times):.2f}-{max(times):.2f}) | {len(images) / median:,.0f} | {work / median / rates[name]:.0%} |")


if __name__ == "__main__":
    main()
