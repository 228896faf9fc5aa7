"""How alive does a page stay while a VAE trains in it: TrainVAE in Chromium, on this core and on one six times slower.

The trainer is in a Worker, or in the page's own thread where there is none; the slower core is Chromium's CPU throttle,
which may leave Workers as they are. A state is a report of the training that is drawn; a task is what the page's own
thread does in one go, and is counted from 50 ms, when a reader may notice. The opening is from the start of navigation
until half a second after the widget can be played.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from vae_widgets import TrainVAE

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "book/sphinx_ext")]
from chrome import HELP, find_chrome  # noqa: E402
from conftest import CHROME_FLAGS  # noqa: E402
from widget_pages import write_widget_page  # noqa: E402

SLOWER = 6

# In every page: `tasks` gets the milliseconds of each long task, `opening` is a promise of those of the opening, and
# `count(seconds)` one of what happens in so long a time. The page waits by itself, since what Playwright puts into a
# page in order to wait is a long task, too.
WATCH = """
globalThis.tasks = [];
const note = (list) => tasks.push(...list.getEntries().map(({ duration }) => duration));
new PerformanceObserver(note).observe({ type: "longtask" });
globalThis.opening = new Promise((done) => {
  const look = () => {
    if (!document.querySelector("output[data-key=nelbo][data-value]")) return setTimeout(look, 50);
    setTimeout(() => done([tasks.length, Math.max(0, ...tasks)]), 500);
  };
  look();
});
globalThis.count = (seconds) => new Promise((done) => {
  const steps = document.querySelector("[data-key=steps]"), value = () => +steps.dataset.value;
  const start = performance.now(), first = value();
  let frames = 0, states = 0, last = first;
  tasks.length = 0;
  const look = (now) => {
    frames += 1;
    if (value() !== last) [last, states] = [value(), states + 1];
    if (now - start < 1000 * seconds) return requestAnimationFrame(look);
    const each = (n) => n / ((now - start) / 1000);
    setTimeout(() => done([each(frames), each(states), each(last - first), tasks.length, Math.max(0, ...tasks)]), 100);
  };
  requestAnimationFrame(look);
});
"""


def measure(browser, address, before, slower, seconds):
    """Of the opening the number of long tasks and the longest; of training frames, states and steps a second, too."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(before + WATCH)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.goto(address)
    opening = page.evaluate("opening")
    page.get_by_role("button", name="Play", exact=True).press("Enter")
    page.wait_for_timeout(1000)
    training = page.evaluate("(seconds) => count(seconds)", seconds)
    page.close()
    return opening, training


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8, help="of training that are counted (default: 8)")
    args = parser.parse_args()
    if not (program := find_chrome()):
        sys.exit(HELP)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch:
        browser = playwright.chromium.launch(executable_path=program, args=CHROME_FLAGS)
        address = write_widget_page(Path(scratch) / "widget.html", [TrainVAE()]).as_uri()
        print(f"Chromium {browser.version}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
        heads = ["frames/s", "states/s", "steps/s", "tasks ≥ 50 ms", "longest, ms", "opening: tasks", "longest, ms"]
        print(f"| trainer | core | {' | '.join(heads)} |\n|---|---|{'--:|' * len(heads)}")
        for where, before in {"Worker": "", "page": "delete globalThis.Worker;"}.items():
            for slower in (1, SLOWER):
                opening, training = measure(browser, address, before, slower, args.seconds)
                rates, counts = training[:3], training[3:] + opening
                cells = [where, f"{slower} x slower" if slower > 1 else "this", *(f"{rate:.1f}" for rate in rates)]
                print(f"| {' | '.join([*cells, *(f'{n:.0f}' for n in counts)])} |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
