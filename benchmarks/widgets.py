"""How fast do the widgets answer? Built pages from disk, and the same move in JupyterLab with interact and matplotlib.

Usage: python benchmarks/widgets.py [folder of built pages, _build/html by default]

First picture: from the start of navigation until the page's first widget is on the screen, in a browser without a
cache. Weight: all files that the page has loaded when every widget is drawn. A press: from the key event's own time
until the frame with the new picture has been painted, which is when the first task after that frame runs; a screen of
60 Hz adds up to 17 ms of waiting for its turn.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import torch
from playwright.sync_api import sync_playwright

import vae_core as vc
from vae_widgets import Integral, LatentPlane, LatentTraversal, Sweep

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "book/sphinx_ext")]
from chrome import HELP, find_chrome  # noqa: E402
from conftest import CHROME_FLAGS  # noqa: E402
from lab import Notebook, jupyterlab  # noqa: E402
from widget_pages import control, wait_until_ready, write_widget_page  # noqa: E402

PRESSES = 100
OPENINGS = 5

# In every page: `painted()` waits until what is to be drawn now has been painted, and `firstPicture` is when that was
# for the first widget.
CLOCK = """
globalThis.painted = () => new Promise((done) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => done(performance.now());
  channel.port2.postMessage(null);
}));
new MutationObserver((changes, observer) => {
  if (!changes.some(({ target }) => target.matches(".widget:not([aria-busy])"))) return;
  observer.disconnect();
  painted().then((time) => { globalThis.firstPicture = time; });
}).observe(document, { attributeFilter: ["aria-busy"], subtree: true });
"""

# `presses` gets the milliseconds from each key press to its frame.
LISTEN = """() => {
  globalThis.presses = [];
  addEventListener("keydown", async ({ timeStamp }) => presses.push(await painted() - timeStamp), true);
}"""

INTERACT = """%matplotlib inline
import matplotlib.pyplot as plt, torch, vae_core as vc
from ipywidgets import FloatSlider, interact
model = vc.load_trained("vae-2d")
@interact(z1=FloatSlider(min=-3.5, max=3.5, step=0.05), z2=FloatSlider(min=-3.5, max=3.5, step=0.05))
def show(z1, z2):
    with torch.no_grad():
        picture = model.dec(torch.tensor([z1, z2])).sigmoid().reshape(28, 28)
    plt.figure(figsize=(2, 2))
    plt.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
    plt.axis("off")
    plt.show()"""
OURS = 'import vae_core as vc\nfrom vae_widgets import LatentPlane\nLatentPlane(vc.load_trained("vae-2d"))'


# `answered` gets the milliseconds from the next key press until the picture that Python drew for it is on the screen.
AWAIT_PICTURE = """(place) => {
  let pressed;
  addEventListener("keydown", ({ timeStamp }) => { pressed = timeStamp; }, { capture: true, once: true });
  globalThis.answered = new Promise((done) => {
    new MutationObserver(async (changes, observer) => {
      const added = changes.flatMap((change) => [...change.addedNodes]).filter((node) => node.querySelector);
      const picture = added.map((node) => (node.matches("img") ? node : node.querySelector("img"))).find(Boolean);
      if (!picture) return;
      observer.disconnect();
      await picture.decode();
      done(await painted() - pressed);
    }).observe(place, { childList: true, subtree: true });
  });
}"""


def open_page(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(CLOCK)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    return page, requests


def measure_page(browser, file):
    """The median time to the first picture in ms, bytes and requests of the page, and those that left the disk."""
    times = []
    for _ in range(OPENINGS):
        page, requests = open_page(browser, file.as_uri())
        page.wait_for_function("globalThis.firstPicture")
        times.append(page.evaluate("firstPicture"))
        wait_until_ready(page)
        page.wait_for_load_state("networkidle")
        page.close()
    from_disk = [Path(unquote(urlsplit(url).path)) for url in requests if url.startswith("file:")]
    off_page = [url for url in requests if not url.startswith(("file:", "data:", "blob:"))]
    return statistics.median(times), sum(path.stat().st_size for path in from_disk), len(from_disk), len(off_page)


def time_presses(page, slider):
    """The milliseconds from each press of an arrow key on a slider to its frame."""
    slider.press("Home")
    page.evaluate(LISTEN)
    for n in range(PRESSES):
        slider.press("ArrowRight")
        page.wait_for_function("(n) => presses.length > n", arg=n)
    return page.evaluate("presses")


def time_stops(page):
    """The same for a sweep whose networks are there, to and fro over its stops. Each time the noise is new, so that no
    picture has been drawn before."""
    slider, noise = control(page, "index"), page.get_by_role("button", name="New noise")
    last = int(slider.get_attribute("max"))
    for _ in range(last):
        slider.press("ArrowRight")
        page.locator(".vw-sweep-waiting").wait_for(state="hidden")
    for n in range(PRESSES):
        noise.click()
        page.evaluate("painted()")
        if n == 0:
            page.evaluate(LISTEN)
        slider.press("ArrowLeft" if n // last % 2 == 0 else "ArrowRight")
        page.wait_for_function("(n) => presses.length > n", arg=n)
    return page.evaluate("presses")


def time_python(page, place):
    """The same for a slider of ipywidgets.interact, whose pictures Python draws."""
    # JupyterLab would take the arrow keys for itself.
    place.evaluate("(place) => place.setAttribute('data-lm-suppress-shortcuts', 'true')")
    slider = place.locator(".noUi-handle").first
    times = []
    for _ in range(PRESSES // 4):
        place.evaluate(AWAIT_PICTURE)
        slider.press("ArrowRight")
        times.append(page.evaluate("answered"))
    return times


def time_finest(browser, file):
    """The milliseconds from the key press that asks Integral for its finest grid until the grid's sum is there."""
    times = []
    for _ in range(OPENINGS):
        page, _ = open_page(browser, file.as_uri())
        wait_until_ready(page)
        page.locator(".vw[aria-busy=false]").wait_for()
        page.evaluate("""() => addEventListener("keydown", async ({ timeStamp }) => {
            await painted();
            await painted();
            const grid = document.querySelector("[data-key=grid]");
            while (grid.dataset.value === "NaN") await painted();
            globalThis.summed = await painted() - timeStamp;
        }, { capture: true, once: true })""")
        control(page, "n").press("End")
        page.wait_for_function("globalThis.summed")
        times.append(page.evaluate("summed"))
        page.close()
    return times


def report(name, times):
    p95 = statistics.quantiles(times, n=20)[-1]
    print(f"| {name} | {len(times)} | {statistics.median(times):.1f} | {p95:.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "_build/html", help="of the built pages")
    folder = parser.parse_args().folder.resolve()
    pages = [file for file in sorted(folder.rglob("*.html")) if "widget-view+json" in file.read_text(encoding="utf-8")]
    if not pages:
        sys.exit(f"There are no pages with widgets in {folder}: build the book first, with make book.")
    data = vc.load_mnist()
    x, labels = vc.binarize(data.test_images[:1000], torch.Generator().manual_seed(0)), data.test_labels[:1000]
    widgets = {
        "LatentPlane, 1,000 codes and all contours": LatentPlane(vc.load_trained("vae-2d"), x, labels, codes=True),
        "LatentTraversal, ten latents and a film strip": LatentTraversal(vc.load_trained("vae"), x, labels),
    }
    if not (program := find_chrome()):
        sys.exit(HELP)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch:
        browser = playwright.chromium.launch(executable_path=program, args=CHROME_FLAGS)
        print(f"Chromium {browser.version}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
        print("| page | first picture, ms | weight, MB | requests | off-page |\n|---|--:|--:|--:|--:|")
        for file in pages:
            ms, size, count, off_page = measure_page(browser, file)
            name = file.relative_to(folder).with_suffix("")
            print(f"| {name} | {ms:.0f} | {size / 1e6:.2f} | {count} | {off_page} |", flush=True)
        print("\n| key press to painted frame | presses | median, ms | p95, ms |\n|---|--:|--:|--:|")
        for name, widget in widgets.items():
            page, _ = open_page(browser, write_widget_page(Path(scratch) / "widget.html", [widget]).as_uri())
            wait_until_ready(page)
            report(f"{name}, in a page", time_presses(page, page.locator(".vw input[data-trait=z]").first))
        betas = {
            about["arguments"]["beta"]: name
            for name, about in vc.trained_models().items()
            if name == "vae-z10" or name.startswith("vae-beta")
        }
        sweep = Sweep({beta: vc.load_trained(betas[beta]) for beta in sorted(betas)}, x, labels)
        page, _ = open_page(browser, write_widget_page(Path(scratch) / "widget.html", [sweep]).as_uri())
        wait_until_ready(page)
        report("Sweep, a stop whose network is there", time_stops(page))
        integral = Integral(vc.load_trained("vae-2d"), x[:8], labels[:8])
        times = time_finest(browser, write_widget_page(Path(scratch) / "widget.html", [integral]))
        report("Integral, 401 points a side", times)
        with jupyterlab(Path(scratch), [OURS, INTERACT]) as address:
            page, _ = open_page(browser, address)
            notebook = Notebook(page)
            place = notebook.run(0)
            report("LatentPlane in JupyterLab", time_presses(page, control(place, "z", 0)))
            place = notebook.run(1)
            place.locator("img").wait_for()
            report("interact and matplotlib in JupyterLab", time_python(page, place))
        browser.close()


if __name__ == "__main__":
    main()
