"""What the tests share: the book, built once, and a browser that opens its pages from disk with the network off."""

import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import executed_notebooks
import own_environment
import pytest
from chrome import HELP, find_chrome
from filelock import FileLock
from firefox import Firefox, find_firefox
from playwright.sync_api import sync_playwright
from widget_pages import PATIENCE, wait_until_ready, write_widget_page

own_environment.enter()  # before any kernel or drawing begins
ROOT = Path(__file__).parents[1]
CHROME_FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup",  # two pages of its own for each of ours
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def site(tmp_path_factory, worker_id):
    """The folder of the book's HTML, built in a clean place; a warning fails the build, and with it every user.

    Where the environment variable BOOK_SITE names a folder, that one is tested: what is published is what was.
    """
    if built := os.environ.get("BOOK_SITE"):
        return Path(built).resolve()
    common = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    folder = common / "site"
    with FileLock(common / "site.lock"):  # the first process that needs the book builds it for all
        report = folder / "report.txt"
        if not report.exists():
            folder.mkdir()
            report.write_text(build_book(folder), encoding="utf-8")
    if trouble := report.read_text(encoding="utf-8"):
        pytest.fail(f"the book did not build cleanly:\n{trouble}", pytrace=False)
    return folder / "_build" / "html"


def build_book(folder):
    """Build the book in a folder, and return what went wrong."""
    program = Path(sys.executable).with_name("jupyter-book")
    command = [program, "build", ROOT, "--path-output", folder, "-W", "-n", "--keep-going"]
    if executed_notebooks.FOLDER:
        command += ["--config", executed_notebooks.configuration(folder)]
    build = subprocess.run(command, cwd=ROOT, encoding="utf-8", capture_output=True)
    reports = [report.read_text(encoding="utf-8") for report in folder.rglob("*.err.log")]
    return "\n".join([build.stderr[-4000:], *reports]) if build.returncode else ""


@pytest.fixture(scope="session")
def browser():
    path = find_chrome()
    assert path, HELP
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROME_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def firefox(tmp_path_factory):
    if not (program := find_firefox()):
        pytest.skip("Firefox is not installed")
    firefox = Firefox(program, tmp_path_factory.mktemp("firefox"))
    yield firefox
    firefox.close()


@pytest.fixture(scope="module")
def page(request, browser, tmp_path_factory):
    """A page from disk with a script in it, as the test module's `open_page(browser, folder, before="")` opens it."""
    page = request.module.open_page(browser, tmp_path_factory.mktemp("page"))
    yield page
    page.close()


@pytest.fixture(scope="module")
def plain_page(request, browser, tmp_path_factory):
    """The same where the browser has no WebAssembly, or may not use it."""
    folder = tmp_path_factory.mktemp("page")
    page = request.module.open_page(browser, folder, before="delete globalThis.WebAssembly;")
    yield page
    page.close()


@pytest.fixture(params=["page", "plain_page"])
def either_page(request):
    return request.getfixturevalue(request.param)


@contextmanager
def opening(browser):
    """A function that opens an address and returns (page, trouble); the pages are closed in the end.

    Such a page is ready (see `wait_until_ready`), unless `wait_until` says an earlier event.

    `trouble` is a list that goes on filling: errors on the console or in scripts, and requests that leave the disk (or
    the server, if it is on one), for which there is no network: see CHROME_FLAGS. before: a script that runs before the
    page's own. options: those of Playwright's new_context. A page may keep nothing for later, unless
    service_workers="allow".
    """
    contexts = []

    def open_address(address, width=1280, theme="light", before="", wait_until="load", **options):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, **{"service_workers": "block"} | options
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        trouble = []

        def look_at(request):
            if not request.url.startswith((home, "data:", "blob:")):
                trouble.append(f"request to {request.url}")

        def note(line):
            # A browser asks a host for an icon on its own, where a page names none.
            if line.type == "error" and not line.location["url"].endswith("/favicon.ico"):
                trouble.append(f"console: {line.text}")

        home = re.match(r"file:|\w+://[^/]+/", address)[0]
        context.on("request", look_at)  # context.route would ask back for each, which is a third of a page's opening
        context.add_init_script(before)
        page = context.new_page()
        page.on("pageerror", lambda error: trouble.append(f"script error: {error}"))
        page.on("requestfailed", lambda request: trouble.append(f"{request.url} failed: {request.failure}"))
        page.on("console", note)
        page.goto(address, wait_until=wait_until)
        if wait_until == "load":
            wait_until_ready(page)
        return page, trouble

    yield open_address
    for context in contexts:
        context.close()


@pytest.fixture
def open_address(browser):
    with opening(browser) as open_address:
        yield open_address


@pytest.fixture
def open_page(open_address, site):
    """A function that opens a page of the book and returns (page, trouble)."""

    def open_page(name, query="", **options):
        return open_address(f"{(site / name).with_suffix('.html').as_uri()}{query}", **options)

    return open_page


@pytest.fixture
def serve():
    """A function that serves a folder and returns its address; headers go with every answer, and what stands in `held`
    (a path's beginning) is not answered before the end. serve.stop(address) ends it before."""
    servers, over = {}, threading.Event()

    def serve(folder, headers=(), held=None):
        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self):
                if held and self.path.startswith(held):
                    over.wait(60)
                del self.headers["If-Modified-Since"]  # in whole seconds, in one of which a test writes a file twice
                super().do_GET()

            def end_headers(self):
                for name, value in headers:
                    self.send_header(name, value)
                super().end_headers()

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        servers[address] = server
        return address

    def stop(address):
        server = servers.pop(address)
        server.shutdown()
        server.socket.close()

    serve.stop = stop
    yield serve
    over.set()
    for address in list(servers):
        stop(address)


@pytest.fixture
def show_widgets(open_address, tmp_path):
    """A function that shows widgets, one below the other, in a page from disk, and returns (page, trouble)."""

    def show_widgets(widgets, width=1280, theme="light", query="", reduced_motion=None, touch=False, before=""):
        file = write_widget_page(tmp_path / "widgets.html", widgets, theme)
        options = dict(width=width, theme=theme, reduced_motion=reduced_motion, has_touch=touch, before=before)
        return open_address(f"{file.as_uri()}{query}", **options)

    return show_widgets
