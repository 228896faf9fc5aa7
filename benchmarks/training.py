"""How fast does the default VAE train, beside its peers? make bench

Every contestant trains the same network on the same batches of 100, binarised anew at each step, one
epoch at a time and in turn, so that what else the machine does hits all alike (the others with torch's
own ELU, cross-entropy and start of the layers, as they would be written):

* the problem set's recipe: a loop over a torchvision DataLoader, Adam at 1e-3;
* pythae's trainer, and Pyro's SVI with its closed-form KL, over images in memory;
* vae_core.fit in float32 and at its best.

The last column is the share of the rate at which this machine multiplies large matrices in that
precision. The second table is that of steps.py: `fit` beside the loop that a good engineer writes. The third
has the share of steps of `fit` in float32, on one core and on all, for batches of 100 and 256. With --to-100
a fourth: seconds of training until the -ELBO on the full test set is at most 100 nats (one sample, a fixed
seed, evaluation not counted), from a cold start.
With --write, the figures go to book/costs.json, where the results page finds them.
"""

import argparse
import json
import logging
import lzma
import statistics
import tempfile
from pathlib import Path

import pyro
import torch
import torch.nn.functional as F
from clock import matrix_rate, seconds_of
from plain import plain_vae
from pyro.infer import SVI, TraceMeanField_ELBO
from pythae.data.datasets import BaseDataset
from pythae.models import VAE as PythaeVAE
from pythae.models import VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from steps import compare_steps
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

import vae_core as vc

BATCH = 100
BEST = dict(epochs=6, batch_size=500, optimizer="muon", learning_rate=0.06)  # gets vae_core.fit below 100 nats
COSTS = vc.BOOK / "costs.json"


def data_loader_epoch(model, optimizer, loader):
    for grey, _ in loader:
        x = torch.bernoulli(grey.reshape(len(grey), -1))
        m, v = model.enc(x)
        logits = model.dec(vc.sample_gaussian(m, v))
        rec = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
        loss = (rec + vc.kl_normal(m, v, *model.z_prior)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


class PythaeEncoder(BaseEncoder):
    def __init__(self):
        super().__init__()
        self.layers = plain_vae().enc

    def forward(self, x):
        m, v = self.layers(x)
        return ModelOutput(embedding=m, log_covariance=v.log())


class PythaeDecoder(BaseDecoder):
    def __init__(self):
        super().__init__()
        self.layers = plain_vae().dec

    def forward(self, z):
        return ModelOutput(reconstruction=self.layers(z).sigmoid())


class Binarised(PythaeVAE):
    def forward(self, inputs, **options):
        return super().forward({"data": torch.bernoulli(inputs["data"])}, **options)


def pythae_epoch(grey, folder):
    model = Binarised(VAEConfig((784,), 10, reconstruction_loss="bce"), PythaeEncoder(), PythaeDecoder())
    settings = BaseTrainerConfig(folder, BATCH, num_epochs=1, learning_rate=1e-3)
    trainer = BaseTrainer(model, BaseDataset(grey, torch.zeros(len(grey))), training_config=settings)
    trainer.prepare_training()
    return lambda: trainer.train_step(epoch=1)


def pyro_epoch(images):
    net = plain_vae()

    def model(x):
        pyro.module("decoder", net.dec)
        with pyro.plate("images", len(x)):
            z = pyro.sample("z", pyro.distributions.Normal(x.new_zeros(len(x), 10), 1.0).to_event(1))
            pyro.sample("x", pyro.distributions.Bernoulli(logits=net.dec(z)).to_event(1), obs=x)

    def guide(x):
        pyro.module("encoder", net.enc)
        with pyro.plate("images", len(x)):
            m, v = net.enc(x)
            pyro.sample("z", pyro.distributions.Normal(m, v.sqrt()).to_event(1))

    pyro.clear_param_store()
    svi = SVI(model, guide, pyro.optim.Adam({"lr": 1e-3}), TraceMeanField_ELBO())

    def epoch():
        for index in torch.randperm(len(images)).split(BATCH):
            svi.step(vc.binarize(images[index]))

    return epoch


def fit_epoch(images, precision):
    model = vc.VAE()
    return lambda: vc.fit(model, images, epochs=1, batch_size=BATCH, precision=precision, progress=False)


def recipe_epoch(loader):
    model = plain_vae()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return lambda: data_loader_epoch(model, optimizer, loader)


def work_of(images):
    """Multiply-adds of training on so many: forward, and backward to inputs and to weights."""
    return 3 * sum(p.numel() for p in vc.VAE().parameters() if p.dim() == 2) * images


def shares_of_steps(images, rounds, steps=80):
    """threads -> batch size -> share of the matrix rate that a step of `fit` reaches in float32."""
    shares = {}
    cores = torch.get_num_threads()
    for threads in sorted({1, cores}):
        torch.set_num_threads(threads)
        for size in (100, 256):
            settings = dict(epochs=1, batch_size=size, precision="float32", progress=False)
            runs = [
                seconds_of(lambda: vc.fit(vc.VAE(), images[: steps * size], **settings))  # noqa: B023
                for _ in range(rounds + 1)
            ]
            rate = work_of(steps * size) / min(runs)
            shares.setdefault(threads, {})[size] = rate / matrix_rate(torch.float32)
    torch.set_num_threads(cores)
    print("\n| a step in float32 | batch | share of the matrix rate |\n|---|---|---|")
    for threads, row in shares.items():
        for size, share in row.items():
            print(f"| {threads} threads | {size} | {share:.0%} |", flush=True)
    return shares


def compare_epochs(images, loader, rounds):
    grey = images.float() / 255
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, epoch in {
                "DataLoader loop, float32": recipe_epoch(loader),
                "pythae, float32": pythae_epoch(grey, folder),
                "Pyro SVI, float32": pyro_epoch(images),
                "`fit`, float32": fit_epoch(images, "float32"),
                "`fit`, auto": fit_epoch(images, "auto"),
            }.items():
                seconds.setdefault(name, []).append(seconds_of(epoch))
    work = work_of(len(images))
    best = torch.bfloat16 if vc.bfloat16_is_faster() else torch.float32
    rates = {dtype: matrix_rate(dtype) for dtype in {torch.float32, best}}
    print(f"\nBatches of {BATCH}, median (min-max) of {rounds} epochs of {len(images):,} images\n")
    print("| | s an epoch | images a second | share of the matrix rate |\n|---|---|---|---|")
    for name, times in seconds.items():
        median = statistics.median(times)
        rate = rates[best if name.endswith("auto") else torch.float32]
        spread = f"{median:.2f} ({min(times):.2f}-{max(times):.2f})"
        print(f"| {name} | {spread} | {len(images) / median:,.0f} | {work / median / rate:.0%} |", flush=True)
    return {name.replace("`", ""): statistics.median(times) for name, times in seconds.items()}


def time_to_100(data, loader, seeds):
    def bound(model):
        return vc.evaluate(model, data.test_images)["nelbo"]

    rows = {"recipe": [], "fit, float32": [], "fit, auto": []}
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = plain_vae()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        seconds = epochs = 0
        while epochs == 0 or bound(model) > 100:
            seconds += seconds_of(lambda: data_loader_epoch(model, optimizer, loader))  # noqa: B023
            epochs += 1
        rows["recipe"].append((seconds, epochs, bound(model)))
        for precision in ("float32", "auto"):
            torch.manual_seed(seed)
            model = vc.VAE()
            settings = BEST | dict(seed=seed, precision=precision, progress=False)
            seconds = seconds_of(lambda: vc.fit(model, data.train_images, **settings))  # noqa: B023
            rows[f"fit, {precision}"].append((seconds, BEST["epochs"], bound(model)))
    print("\n| seconds to 100 nats | seed | s | epochs | -ELBO there |\n|---|---|---|---|---|")
    for name, runs in rows.items():
        for seed, (seconds, epochs, reached) in enumerate(runs):
            print(f"| {name} | {seed} | {seconds:.1f} | {epochs} | {reached:.2f} |", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each contestant (default: 3)")
    parser.add_argument("--to-100", type=int, default=0, metavar="SEEDS", help="time to 100 nats, for so many seeds")
    parser.add_argument("--write", action="store_true", help="keep the figures in book/costs.json")
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    data = vc.load_mnist()
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "MNIST", "raw")
        raw.mkdir(parents=True)
        for archive in (vc.BOOK / "data").glob("*.xz"):
            (raw / archive.stem).write_bytes(lzma.decompress(archive.read_bytes()))
        loader = DataLoader(datasets.MNIST(folder, transform=transforms.ToTensor()), BATCH, shuffle=True)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    costs = json.loads(COSTS.read_text(encoding="utf-8")) if COSTS.exists() else {}
    costs["epoch"] = compare_epochs(data.train_images, loader, arguments.rounds)
    compare_steps(data.train_images, 5 * arguments.rounds)
    costs["share"] = shares_of_steps(data.train_images, arguments.rounds)
    if arguments.to_100:
        costs["to_100"] = time_to_100(data, loader, arguments.to_100)
    if arguments.write:
        COSTS.write_text(json.dumps(costs, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
