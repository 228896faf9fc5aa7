"""What does a reader see when, on a slow line? Built pages from a host that compresses, at 1.6 Mbit/s and 150 ms.

Usage: python benchmarks/slow_line.py [folder of built pages, _build/html by default] [--pages WORD] [--plain]

Each page is opened with an empty cache, and left at its top. In seconds from the start of navigation:
  text      the first contentful paint
  theme     the last of the theme's scripts has run
  formulas  all of them are set, and their fonts are there
Shift is the page's cumulative layout shift until its first widget is there, and kB what has come over the line by then.
A page with widgets is opened once more, and scrolled to the first one as soon as there is text:
  widget    that one is on the screen
"""

import argparse
import gzip
import os
import sys
import threading
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import TimeoutError, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "book/sphinx_ext")]
from chrome import HELP, find_chrome  # noqa: E402
from conftest import CHROME_FLAGS  # noqa: E402

LINE = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 1.6e6 / 8}
COMPRESSED = {".html", ".css", ".js", ".svg", ".json"}
CLOCK = """
globalThis.seen = { shift: 0 };
const observe = (type, see) =>
  new PerformanceObserver((list) => list.getEntries().forEach(see)).observe({ type, buffered: true });
observe("paint", ({ name, startTime }) => { if (name === "first-contentful-paint") seen.text = startTime; });
observe("layout-shift", ({ value }) => { seen.shift += value; });
document.addEventListener("load", ({ target }) => {
  if (target.src?.includes("_static/scripts/")) seen.theme = performance.now();
}, true);
const set = () => [...document.querySelectorAll(".math")].every((math) => math.querySelector("mjx-math > *"))
  && ![...document.fonts].some((font) => font.family.includes("MJX") && font.status === "loading");
const clock = setInterval(() => {
  if (!seen.text || document.readyState === "loading" || !set()) return;
  seen.formulas = performance.now();
  clearInterval(clock);
}, 20);
new MutationObserver((changes, observer) => {
  const first = document.querySelector(".widget");
  if (!changes.some(({ target }) => target === first && target.matches(":not([aria-busy])"))) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => { seen.widget = performance.now(); }));
}).observe(document, { attributeFilter: ["aria-busy"], subtree: true });
"""


SCROLL = """
new PerformanceObserver(() => document.querySelector("script[type*=widget-view]").parentElement.scrollIntoView())
  .observe({ type: "paint", buffered: true });
"""


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """A page that is closed leaves what it had asked for."""


class Host(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    plain = False

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        if path.suffix in COMPRESSED and not self.plain:
            body = gzip.compress(body, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def measure(browser, address, before=CLOCK):
    """What the page has seen, and the bytes that came."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.add_init_script(before)
    line = context.new_cdp_session(page)
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", LINE)
    came = []
    line.on("Network.loadingFinished", lambda event: came.append(event["encodedDataLength"]))
    page.goto(address, wait_until="commit", timeout=120_000)
    with suppress(TimeoutError):  # a page that never gets there has a gap in the table
        page.wait_for_function(
            """document.readyState === "complete" && seen.theme && seen.formulas
                && (seen.widget || !document.querySelector(".widget"))""",
            timeout=60_000,
        )
    size = sum(came)
    page.wait_for_timeout(1000)  # whatever it moves
    seen = page.evaluate("seen")
    context.close()
    return seen, size


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "_build/html", help="of the built pages")
    parser.add_argument("--pages", default="", help="only those with this word in their name")
    parser.add_argument("--plain", action="store_true", help="the host does not compress")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    pages = [file for file in sorted(folder.glob("book/*.html")) if arguments.pages in file.name]
    if not pages:
        sys.exit(f"There are no such pages in {folder}: build the book first, with make book.")
    if not (program := find_chrome()):
        sys.exit(HELP)
    Host.plain = arguments.plain
    host = Server(("127.0.0.1", 0), partial(Host, directory=folder))
    threading.Thread(target=host.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROME_FLAGS)
        print(f"Chromium {browser.version}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
        print("| page | text, s | theme, s | formulas, s | widget, s | shift | kB |\n|---|--:|--:|--:|--:|--:|--:|")
        for file in pages:
            address = f"http://127.0.0.1:{host.server_port}/book/{file.name}"
            seen, size = measure(browser, address)
            if "widget" in seen:
                seen |= {"widget": measure(browser, address, CLOCK + SCROLL)[0].get("widget")}
            times = [seen.get(what) for what in ("text", "theme", "formulas", "widget")]
            cells = [file.stem, *(f"{ms / 1000:.1f}" if ms else "" for ms in times), f"{seen['shift']:.3f}"]
            print("|", " | ".join(cells), f"| {size / 1000:.0f} |", flush=True)
        browser.close()
    host.shutdown()


if __name__ == "__main__":
    main()
