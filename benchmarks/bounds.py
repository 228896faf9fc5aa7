"""What the bounds cost, beside the way in which they are usually written: make bench

* log_likelihood with m = 5,000 against a plain chunked loop: samples stacked, the images copied
  for each, the decoder's cross-entropy from torch;
* a step of the semi-supervised model against the listing that enumerates labels by stacking ten
  copies of the batch, and against the bound cut down to the two most probable labels;
* the mixture prior of the GMVAE, k = 500, against the density of each component.

Each runs in a process of its own, in turn, so that its peak memory (above that of the process
before it began) can be told. Then how costs grow with m, z_dim, k and the number of images.
With --write, the figures go to book/costs.json, where the results page finds them.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import torch
import torch.nn.functional as F
from clock import matrix_rate
from plain import with_torch_elu

import vae_core as vc

COSTS = vc.BOOK / "costs.json"
M = 5000


@torch.no_grad()
def plain_log_likelihood(model, x, chunk=100):
    bounds = []
    for batch in x.split(100):
        m, v = model.enc(batch)
        m, v, images = (vc.duplicate(t, chunk) for t in (m, v, batch))
        log_w = []
        for _ in range(M // chunk):
            z = vc.sample_gaussian(m, v)
            rec = F.binary_cross_entropy_with_logits(model.dec(z), images, reduction="none").sum(-1)
            log_w.append(vc.log_normal(z, *model.z_prior) - vc.log_normal(z, m, v) - rec)
        bounds.append(vc.log_mean_exp(torch.cat(log_w).reshape(M, len(batch)), 0))
    return torch.cat(bounds)


def in_bfloat16(work):
    with torch.autocast("cpu", torch.bfloat16):
        return work()


def listing_step(model, x):
    """-ELBO(x), every image stacked ten times, each copy with its label in the input."""
    log_q = model.cls(x).log_softmax(-1)
    y = F.one_hot(torch.arange(model.y_dim).repeat_interleave(len(x)), model.y_dim).float()
    copies = vc.duplicate(x, model.y_dim)

    def stacked(net, inputs):
        first = F.linear(torch.cat([inputs, y], 1), torch.cat([net.first.weight, net.label.weight], 1), net.first.bias)
        return net.rest(first)

    m, v = vc.gaussian_parameters(stacked(model.enc, copies))
    z = vc.sample_gaussian(m, v)
    rec = F.binary_cross_entropy_with_logits(stacked(model.dec, z), copies, reduction="none").sum(-1)
    kl_z = vc.kl_normal(m, v, *model.z_prior)
    each = (rec + kl_z).reshape(model.y_dim, len(x)).T
    q = log_q.exp()
    return ((q * each).sum(1) + vc.kl_cat(q, log_q, -torch.tensor(10.0).log())).mean()


def step(model, loss):
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def run(x):
        value = loss(model, x)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    return run


def contestants(images):
    """name -> (what it is compared with, how often it runs, the work)."""
    x, vae, gmvae = images[:100], vc.load_trained("vae"), vc.load_trained("gmvae")
    torch.manual_seed(0)
    z = torch.randn(1000, gmvae.z_dim)
    steps = {
        name: step(with_torch_elu(vc.SSVAE()) if name == "listing" else vc.SSVAE(), loss)
        for name, loss in {
            "listing": listing_step,
            "shared": lambda model, x: model.negative_elbo_bound(x)[0],
            "two labels": lambda model, x: model.negative_truncated_bound(x, 2),
        }.items()
    }
    return {
        "log p(x), plain loop": (1, lambda: plain_log_likelihood(with_torch_elu(vc.load_trained("vae")), x)),
        "log p(x), `log_likelihood`": (1, lambda: vc.log_likelihood(vae, x, M)),
        "log p(x), `log_likelihood`, bfloat16": (1, lambda: in_bfloat16(lambda: vc.log_likelihood(vae, x, M))),
        "SSVAE step, stacked copies": (30, lambda: steps["listing"](x)),
        "SSVAE step, shared layers": (30, lambda: steps["shared"](x)),
        "SSVAE step, two labels": (30, lambda: steps["two labels"](x)),
        "mixture of 500, each component": (30, lambda: vc.log_normal_mixture(z, *gmvae.z_prior)),
        "mixture of 500, `log_prior`": (30, lambda: gmvae.log_prior(z)),
    }


def peak_memory():
    """Of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def run_one(name, images):
    repeats, work = contestants(images)[name]
    before, times = peak_memory(), []
    for _ in range(repeats + 1):  # the first is not counted, unless it is the only one
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    print(json.dumps([min(times[1:]), peak_memory() - before]))


def compare(names, rounds):
    results = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            command = [sys.executable, __file__, "--one", name]
            done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
            results[name].append(json.loads(done.stdout))
    print("| | seconds, the best | peak memory, MB |\n|---|---|---|")
    for name, runs in results.items():
        print(f"| {name} | {min(seconds for seconds, _ in runs):.4f} | {min(peak for _, peak in runs):.0f} |")
    weights = sum(p.numel() for p in vc.VAE().dec.parameters() if p.dim() == 2)
    for name in (name for name in names if name.startswith("log p(x)")):
        rate = weights * M * 100 / min(seconds for seconds, _ in results[name])
        dtype = torch.bfloat16 if name.endswith("bfloat16") else torch.float32
        print(f"\n{name}: {rate / matrix_rate(dtype):.0%} of the matrix rate", end="")
    best = {name: [min(column) for column in zip(*runs, strict=True)] for name, runs in results.items()}
    return {name.replace("`", ""): figures for name, figures in best.items()}


def growth(images):
    """Seconds by m, z_dim, k and images: the best of three, the rest as in `vae` or `gmvae`."""

    def seconds(work):
        times = []
        for _ in range(4):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return min(times[1:])

    vae, z = vc.VAE(), torch.randn(1000, 10)
    table = {"m": {}, "images": {}, "z_dim": {}, "k": {}}
    for m in (1, 10, 100, 1000, 5000):
        table["m"][m] = seconds(lambda: vc.log_likelihood(vae, images[:20], m))  # noqa: B023
    for n in (10, 100, 1000):
        table["images"][n] = seconds(lambda: vc.log_likelihood(vae, images[:n], 100))  # noqa: B023
    for z_dim in (1, 2, 5, 10, 20, 50, 100, 200):
        wide = vc.VAE(z_dim=z_dim)
        table["z_dim"][z_dim] = seconds(lambda: vc.log_likelihood(wide, images[:20], 1000))  # noqa: B023
    for k in (10, 50, 100, 500, 1000, 5000):
        mixture = vc.GMVAE(k=k).requires_grad_(False)
        table["k"][k] = seconds(lambda: mixture.log_prior(z))  # noqa: B023
    for name, row in table.items():
        print(f"\n| {name} | " + " | ".join(map(str, row)) + " |\n|---" + "|---" * len(row) + "|")
        print("| seconds | " + " | ".join(f"{s:.4f}" for s in row.values()) + " |")
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="processes of each contestant (default: 3)")
    parser.add_argument("--write", action="store_true", help="keep the figures in book/costs.json")
    parser.add_argument("--one", metavar="NAME", help="run one contestant here, and print its seconds and its memory")
    arguments = parser.parse_args()
    images = vc.binarize(vc.load_mnist().test_images[:1000], torch.Generator().manual_seed(0))
    if arguments.one:
        return run_one(arguments.one, images)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    costs = json.loads(COSTS.read_text(encoding="utf-8")) if COSTS.exists() else {}
    costs["bounds"] = compare(list(contestants(images)), arguments.rounds)
    costs["growth"] = growth(images)
    if arguments.write:
        COSTS.write_text(json.dumps(costs, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
