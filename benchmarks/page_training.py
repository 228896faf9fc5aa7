"""How fast does a VAE train in a page, beside PyTorch on one core of the same machine?

Everyone trains on the same 10,000 digits, batches of 64, one after the other in turns of some hundred steps, so that
what else the machine does hits all alike: vae_widgets/trainer.js in Chromium, with WebAssembly and in plain loops; a
bare PyTorch loop, as one would write it; and vae_core.fit, all in float32. Then -ELBO on test digits against the
seconds of training, in the page and in the bare loop; what eight samples of z are worth against one for as long; and
the time of a step at the beginning and the end of a long run with twenty samples, where numbers that are too small
would make it slow.
"""

import argparse
import base64
import math
import statistics
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from clock import seconds_of
from playwright.sync_api import sync_playwright

import vae_core as vc
from vae_widgets.modules import joined
from vae_widgets.train_vae import shown_digits

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))
from chrome import HELP, find_chrome  # noqa: E402

SHAPES = {"784-128-2": dict(hidden=[128], z_dim=2), "784-300-300-10": dict(hidden=[300, 300], z_dim=10)}
BATCH, RATE = 64, 2e-3

SETUP = """async ([source, grey]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const trainer = await import(url), images = Uint8Array.from(atob(grey), (c) => c.charCodeAt(0)), made = {};
  globalThis.train = (shape, steps, how = {}, key = JSON.stringify(shape)) => { // ms a step
    const t = (made[key] ??= trainer.create({ images, ...shape })), start = performance.now();
    for (let i = 0; i < steps; i++) t.step(how);
    return (performance.now() - start) / steps;
  };
  globalThis.weights = (key) => [...made[key].write()];
  globalThis.forget = (key) => delete made[key];
}"""


def loop(shape, images):
    """A function that takes so many steps of a bare PyTorch loop, and the model."""
    model = vc.VAE(**shape)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)

    def step():
        x = torch.bernoulli(images[torch.randint(len(images), (BATCH,))])
        optimizer.zero_grad()
        h = model.enc.rest(model.enc.first(x))
        m, v = h.chunk(2, 1)
        v = torch.nn.functional.softplus(v) + 1e-8
        z = m + v.sqrt() * torch.randn_like(m)
        logits = model.dec.rest(model.dec.first(z))
        rec = torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = 0.5 * (m**2 + v - 1 - v.log()).sum()
        ((rec + kl) / BATCH).backward()
        optimizer.step()

    return model, lambda steps: [step() for _ in range(steps)]


def nelbo(model, test):
    return vc.evaluate(model, test)["nelbo"]


def of_page(weights, shape):
    model = vc.VAE(**shape)
    torch.nn.utils.vector_to_parameters(torch.tensor(weights), [*model.enc.parameters(), *model.dec.parameters()])
    return model


def milliseconds(action, steps):
    return 1000 * seconds_of(action) / steps


def compare_steps(pages, grey, rounds):
    print("| ms a step | page | page, plain loops | bare PyTorch | vae_core.fit |\n|---|---|---|---|---|")
    some = grey[: 200 * BATCH]
    how = dict(epochs=1, batch_size=BATCH, learning_rate=RATE, precision="float32", device="cpu", progress=False)
    for name, shape in SHAPES.items():
        steps, fitted = loop(shape, grey.float() / 255)[1], vc.VAE(**shape)
        fit, times = partial(vc.fit, fitted, some, **how), {key: [] for key in (*pages, "PyTorch", "fit")}
        for _ in range(rounds):
            for key, page in pages.items():
                n = 20 if "plain" in key else 200
                times[key].append(page.evaluate("([shape, n]) => train(shape, n)", [shape, n]))
            times["PyTorch"].append(milliseconds(partial(steps, 200), 200))
            times["fit"].append(milliseconds(fit, math.ceil(len(some) / BATCH)))
        cells = (f"{statistics.median(each):.2f}" for each in times.values())
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def compare_bounds(page, grey, test):
    ends = (100, 400, 1600, 3200)
    print("\n| -ELBO (seconds) after steps | " + " | ".join(map(str, ends)) + " |\n|---|---|---|---|---|")
    for name, shape in SHAPES.items():
        model, steps = loop(shape, grey.float() / 255)
        rows, seconds = {"page": [], "bare PyTorch": []}, dict.fromkeys(("page", "PyTorch"), 0.0)
        for before, until in pairwise((0, *ends)):
            n = until - before
            seconds["page"] += page.evaluate("([shape, n]) => train(shape, n, {}, 'nats')", [shape, n]) * n / 1000
            seconds["PyTorch"] += seconds_of(partial(steps, n))
            own = of_page(page.evaluate("weights('nats')"), shape)
            rows["page"].append(f"{nelbo(own, test):.1f} ({seconds['page']:.1f})")
            rows["bare PyTorch"].append(f"{nelbo(model, test):.1f} ({seconds['PyTorch']:.1f})")
        page.evaluate("forget('nats')")
        for who, cells in rows.items():
            print(f"| {name}, {who} | " + " | ".join(cells) + " |", flush=True)


def compare_samples(page, seeds=3):
    """TrainVAE's set piece with its own network: 400 steps with m = 1, then 300 with m = 8, or m = 1 for as long."""
    x = shown_digits()[:64]
    print(
        "\n| seed | ms a step, m = 1 | m = 8 | exact -log p(x), m = 8 | m = 1, as many steps | m = 1, for as long "
        "| steps |\n|---|---|---|---|---|---|---|"
    )
    for seed in range(seeds):
        shape = dict(hidden=[128], z_dim=2)

        def train(key, steps, m=1, shape=shape | dict(seed=seed)):
            how = dict(learning_rate=3e-3, m=m)
            return page.evaluate("(args) => train(...args)", [shape, steps, how, key])

        def nats(key, shape=shape):
            return -vc.log_marginal_grid(of_page(page.evaluate("weights", key), shape), x).log_px.mean().item()

        train("one", 400)
        train("eight", 400)
        eight, one = train("eight", 300, m=8), train("one", 300)
        after, more = nats("one"), round(300 * (eight / one - 1))
        train("one", more)
        cells = [f"{one:.2f}", f"{eight:.2f}", *(f"{value:.1f}" for value in (nats("eight"), after, nats("one")))]
        print(f"| {seed} | {' | '.join(cells)} | {300 + more} |", flush=True)
        page.evaluate("forget('one'), forget('eight')")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: 5)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = vc.load_mnist()
    grey = (torch.round(data.train_images[:10_000] / 17) * 17).to(torch.uint8)  # sixteen levels, as pages have them
    path = find_chrome()
    assert path, HELP
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        pages = {}
        for name, before in {"page": "", "page, plain loops": "delete globalThis.WebAssembly;\n"}.items():
            pages[name] = browser.new_page()
            pages[name].goto("about:blank")
            images = base64.b64encode(grey.numpy().tobytes()).decode()
            pages[name].evaluate(SETUP, [before + joined("trainer.js"), images])
        compare_steps(pages, grey, args.rounds)
        compare_bounds(pages["page"], grey, data.test_images[:2000])
        compare_samples(pages["page"])
        call = "(shape) => train(shape, 500, { m: 20 }, 'long')"
        long = [pages["page"].evaluate(call, SHAPES["784-128-2"]) for _ in range(10)]
        print(f"\nm = 20, ms a step in each 500 of 5,000 steps: {', '.join(f'{ms:.1f}' for ms in long)}")
        browser.close()


if __name__ == "__main__":
    main()
