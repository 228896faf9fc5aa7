"""The pages as an app: kept in the browser, and read where there is no network."""

import base64
import hashlib
import json
import re

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from playwright.sync_api import expect
from test_other_browsers import POLICY, until
from web_app import FOLDER, MANIFEST, TOUCH_ICON, WORKER, list_files, write_icons, write_manifest, write_worker
from widget_pages import wait_until_ready

HERE = "The pages are kept on this device"
ALL_HERE = "The whole book is kept on this device"


def line_of(page):
    return page.locator(".offline")


def test_a_first_visit_keeps_the_pages_and_a_button_the_rest(open_address, site, serve):
    """Under a strict policy, in a folder of its host. Then the host goes away."""
    address = serve(site.parent, [("Content-Security-Policy", f"{POLICY}; script-src 'self' 'wasm-unsafe-eval'")])
    home = f"{address}/{site.name}/book"
    page, trouble = open_address(f"{home}/index.html", service_workers="allow")
    expect(line_of(page)).to_contain_text(HERE)
    page.get_by_role("button", name="Keep all models and figures").click()
    expect(line_of(page)).to_contain_text(ALL_HERE)
    serve.stop(address)
    page.goto(f"{home}/3_vae.html?traversal.image=3#sec-3-loss")
    wait_until_ready(page)
    assert page.locator(".vw").count() > 5 and page.locator(".widget-notice.failed").count() == 0
    expect(line_of(page)).to_contain_text(ALL_HERE)
    assert trouble == []


def test_what_a_page_has_used_is_kept_with_it(open_address, site, serve):
    address = serve(site)
    page, trouble = open_address(f"{address}/book/index.html", service_workers="allow")
    expect(line_of(page)).to_contain_text(HERE)
    wait_for_quiet = "navigator.serviceWorker.ready.then(() => new Promise((done) => setTimeout(done, 500)))"
    page.evaluate(wait_for_quiet)
    serve.stop(address)
    for name in ("notation", "index"):
        page.goto(f"{address}/book/{name}.html")
        wait_until_ready(page)
        assert page.locator(".widget-notice.failed").count() == 0
    assert page.locator(".vw").count() > 0
    assert trouble == []


def test_the_page_that_is_read_comes_first(open_address, site, serve):
    address = serve(site, held="/_widgets")
    page, _ = open_address(f"{address}/book/index.html", service_workers="allow", wait_until="commit")
    expect(page.locator("script[type='text/later']")).to_have_count(0)
    page.wait_for_timeout(500)  # time in which it would begin
    assert page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0


def test_from_disk_there_is_no_app(open_page):
    page, trouble = open_page("book/index")
    assert page.locator("link[rel=manifest]").count() == 0
    expect(line_of(page)).to_be_hidden()
    assert trouble == []


# --- a book of two pages ---

PAGE = """<!doctype html><html lang="en" data-content_root="./"><title>{text}</title><h1>{text}</h1>
<link rel="icon" href="data:,"><img src="picture.png" alt="" loading="lazy">
<p class="offline" hidden></p><script src="web_app.js"></script>"""
KEPT = """caches.keys().then(([store]) => caches.open(store)).then((store) => store.keys())
    .then((all) => all.map(({ url }) => new URL(url).pathname.split("/").pop()).sort())"""


def write_book(folder, text):
    folder.mkdir(exist_ok=True)
    for name in ("index", "other"):
        (folder / f"{name}.html").write_text(PAGE.format(text=f"{text} {name}"), encoding="utf-8")
    (folder / "web_app.js").write_bytes((ROOT / "book/assets/web_app.js").read_bytes())
    Image.new("L", (8, 8), len(text)).save(folder / "picture.png")
    write_icons(folder)
    write_manifest(folder, "Book", "A book.", "index.html")
    write_worker(folder)
    return folder


def test_a_new_build_takes_the_place_of_the_old_one_at_once(open_address, serve, tmp_path):
    book = write_book(tmp_path / "book", "old")
    address = serve(book)
    page, trouble = open_address(f"{address}/index.html", service_workers="allow")
    expect(line_of(page)).to_contain_text(HERE)
    before = page.evaluate(KEPT)
    write_book(book, "a new")
    page.goto(f"{address}/index.html")
    expect(page.locator("h1")).to_have_text("old index")  # at once, and what is new comes meanwhile
    until(page, lambda: page.evaluate("navigator.serviceWorker.ready.then(({ waiting }) => Boolean(waiting))"))
    page.goto(f"{address}/other.html?x=1#y")
    expect(page.locator("h1")).to_have_text("a new other")
    assert page.url.endswith("?x=1#y")
    until(page, lambda: page.evaluate(KEPT) == before)  # each file once: nothing of the old build is left
    serve.stop(address)
    page.goto(f"{address}/index.html")
    expect(page.locator("h1")).to_have_text("a new index")
    assert trouble == []


def test_no_file_of_another_build_is_kept(open_address, serve, tmp_path):
    """As on a host that is being renewed: the page is newer than the list."""
    book = write_book(tmp_path / "book", "old")
    (book / "other.html").write_text("new", encoding="utf-8")
    address = serve(book)
    page, _ = open_address(f"{address}/index.html", service_workers="allow")
    given_up = """navigator.serviceWorker.getRegistrations().then(async (all) =>
        !all.length && (await caches.keys()).length > 0)"""
    until(page, lambda: page.evaluate(given_up))
    assert "other.html" not in page.evaluate(KEPT)
    expect(line_of(page)).to_be_hidden()


def test_who_saves_data_is_asked(open_address, serve, tmp_path):
    address = serve(write_book(tmp_path / "book", "a"))
    saves = "Object.defineProperty(navigator, 'connection', { value: { saveData: true } })"
    page, trouble = open_address(f"{address}/index.html", service_workers="allow", before=saves)
    button = page.get_by_role("button", name="Keep it on this device")
    expect(button).to_be_visible()
    assert page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
    button.click()
    expect(line_of(page)).to_contain_text(HERE)
    assert trouble == []


# --- what the build writes ---


def test_the_lists_have_all_that_pages_load_and_no_more_than_25_megabytes(site):
    text = (site / WORKER).read_text(encoding="utf-8")
    always, rest = (json.loads(re.search(rf"const {name} = (.*);", text)[1]) for name in ("ALWAYS", "REST"))
    assert (always, rest) == list_files(site)
    files = always | rest
    for name in ("book/3_vae.html", f"{FOLDER}/icon-192.png"):
        content = (site / name).read_bytes()
        assert files[name] == [base64.b64encode(hashlib.sha256(content).digest()).decode(), len(content)]
    assert sum(size for _, size in always.values()) < 9e6 and sum(size for _, size in files.values()) < 25e6
    pages = [site / name for name in always if name.endswith(".html")]
    assert len(pages) > 19
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for address in re.findall(r'<(?:script|img|link)\b[^>]*?\s(?:src|href)="([^"]+)"', text):
            if ":" not in address and address != "#":
                assert (page.parent / address.split("?")[0]).resolve().relative_to(site).as_posix() in files


def test_the_manifest_names_what_is_there(site):
    manifest = json.loads((site / MANIFEST).read_text(encoding="utf-8"))
    assert (site / manifest["start_url"]).exists() and manifest["scope"] == "./"
    sizes = {}
    for icon in manifest["icons"]:
        with Image.open(site / icon["src"]) as image:
            assert image.format == "PNG" and f"{image.width}x{image.height}" == icon["sizes"]
            sizes.setdefault(icon["purpose"], []).append(image.width)
    assert sizes == {"any": [192, 512], "maskable": [512]}
    assert f'<link rel="apple-touch-icon" href="../{FOLDER}/{TOUCH_ICON[0]}">' in (site / "book/index.html").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("name", ["maskable.png", TOUCH_ICON[0]])
def test_an_icon_may_be_cut_to_a_circle(site, name):
    """A phone shows of a maskable one what is within 40% of its middle, at the least."""
    with Image.open(site / FOLDER / name) as image:
        pixels = np.array(image.convert("RGB"), float)
    middle = (len(pixels) - 1) / 2
    drawn = np.argwhere(np.abs(pixels - pixels[0, 0]).sum(-1) > 8)
    share = 0.4 if name == "maskable.png" else 0.5
    assert len(drawn) > 100 and np.hypot(*(drawn - middle).T).max() < share * len(pixels)
