"""How fast is vae_widgets/engine.js in a browser? Everything in turn, many times over.

The decoder is that of `vae` (10-300-300-784); a bound is made of 5,000 log importance weights. Each is timed with
WebAssembly and without it, in the page and, for the bound, in a Worker too.
"""

import argparse
import base64
import statistics
import sys
from pathlib import Path

import torch
from playwright.sync_api import sync_playwright

import vae_core as vc
from vae_widgets.base import Mixture, Network
from vae_widgets.modules import joined

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))
from chrome import HELP, find_chrome  # noqa: E402

SETUP = """async ([source, models, image]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const engine = await import(url), x = Float32Array.from(image);
  for (const parts of Object.values(models)) {
    for (const [name, spec] of Object.entries(parts)) {
      spec.weights = Uint8Array.from(atob(spec.weights), (c) => c.charCodeAt(0)).buffer;
      parts[name] = name === "prior" ? engine.mixture(spec) : engine.network(spec);
    }
  }
  const z = engine.normals(1).fill(new Float32Array(10000));
  const decode = (rows, repeats) => () => {
    for (let i = 0; i < repeats; i++) engine.forward(models.vae.dec, z.subarray(0, 10 * rows), rows);
    return repeats;
  };
  const bound = (name) => () => {
    engine.logMeanExp(engine.logWeights(models[name], x, 5000, engine.normals(2)).logW);
    return 1;
  };
  const job = (name) => () => new Promise((resolve, reject) => engine.boundJob(source, models[name], x, 5000, 2,
    () => {}, (error) => error ? reject(error) : resolve(1)));
  const tasks = { "1 decode": decode(1, 20), "64 decodes": decode(64, 1), "1,000 decodes": decode(1000, 1) };
  for (const name in models) tasks[`bound of ${name}`] = bound(name);
  tasks["bound of vae, in a Worker"] = job("vae");
  globalThis.round = async () => {
    const times = {};
    for (const [name, task] of Object.entries(tasks)) {
      const start = performance.now(), repeats = await task();
      times[name] = (performance.now() - start) / repeats;
    }
    return times;
  };
}"""


def spec(widget):
    names = ("sizes", "activation", "y_dim", "precision") if isinstance(widget, Network) else ("k", "z_dim")
    values = {name: getattr(widget, name) for name in names}
    return {**values, "weights": base64.b64encode(widget.weights).decode()}


def parts(model):
    packed = {name: spec(Network.of(net)) for name, net in model.named_children() if isinstance(net, vc.MLP)}
    return {**packed, "prior": spec(Mixture.of(model))} if isinstance(model, vc.GMVAE) else packed


def p95(times):
    return sorted(times)[int(0.95 * len(times))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="how often each is timed (default: 40)")
    parser.add_argument("--engine", type=Path, nargs="*", help="joined engines to compare in place of it")
    args = parser.parse_args()
    models = {name: parts(vc.load_trained(name)) for name in ("vae", "gmvae", "ssvae")}
    image = vc.binarize(vc.load_mnist().test_images[0], torch.Generator().manual_seed(0)).tolist()
    text = joined("engine.js")
    sources = {"WebAssembly": text, "plain JavaScript": "delete globalThis.WebAssembly;\n" + text}
    if args.engine:
        sources = {file.name: file.read_text(encoding="utf-8") for file in args.engine}
    path = find_chrome()
    assert path, HELP
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        pages = {}
        for name, source in sources.items():
            pages[name] = browser.new_page()
            pages[name].goto("about:blank")
            pages[name].evaluate(SETUP, [source, models, image])
            pages[name].evaluate("round()")  # the compiler warms up
        times = {name: [] for name in pages}
        for _ in range(args.rounds):
            for name, page in pages.items():
                times[name].append(page.evaluate("round()"))
        version = browser.version
        browser.close()
    print(f"\nChromium {version}, ms, median / 95th percentile / best of {args.rounds}\n")
    print("| | " + " | ".join(times) + " |\n|---|" + "---|" * len(times))
    for task in next(iter(times.values()))[0]:
        cells = [[round[task] for round in rounds] for rounds in times.values()]
        figures = (" / ".join(f"{f(c):.3g}" for f in (statistics.median, p95, min)) for c in cells)
        print(f"| {task} | {' | '.join(figures)} |")


if __name__ == "__main__":
    main()
