"""Pages where a browser lacks something, a host forbids something, or a link says something strange."""

import re

import pytest
from conftest import ROOT
from playwright.sync_api import expect
from widget_examples import EXAMPLES
from widget_pages import (
    PATIENCE,
    control,
    ink,
    look,
    number,
    press,
    settled_look,
    wait_for_look,
    wait_until_ready,
)

POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:"
CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("[1-9]_*.ipynb"))


# --- links ---


@pytest.mark.parametrize("fragment", ["#%E0%A4%A", "#%", "#plane%", "#no-such-place"])
def test_a_fragment_that_names_nothing_is_left_aside(show_widgets, fragment):
    page, trouble = show_widgets([EXAMPLES["LatentPlane"]()], query=fragment)
    assert page.locator(".vw").count() == 1
    assert trouble == []


@pytest.mark.parametrize("word", ["x", "constructor", "__proto__", "toString", "", "square,cube", "%00"])
def test_a_word_that_is_no_option_is_left_aside(show_widgets, word):
    gradients = EXAMPLES["GradientEstimators"]()
    page, trouble = show_widgets([gradients], query=f"?gradients.f={word}&gradients.n=4")
    assert control(page, "f").and_(page.locator(":checked")).get_attribute("value") == gradients.f == "square"
    assert trouble == []


def test_every_text_in_a_link_has_options_or_is_read_with_care():
    for name, make in EXAMPLES.items():
        widget = make()
        texts = [trait for trait in widget.state if isinstance(getattr(widget, trait), str)]
        drawn = ["pixels"] if name in ("DrawDigit", "Machine") else []
        assert [text for text in texts if text not in widget._limits] == drawn


@pytest.mark.parametrize("text", ["AAAA", "%3Cb%3E"])
def test_a_drawing_that_is_none_is_an_empty_image(show_widgets, text):
    page, trouble = show_widgets([EXAMPLES["Machine"]()], query=f"?machine.pixels={text}&machine.digit=-1")
    expect(page.locator("canvas[aria-label^='Your drawing: 0 pixels on']")).to_have_count(1)
    assert trouble == []


# --- the browser's history ---


@pytest.mark.parametrize("name", ["LatentPlane", "GradientEstimators", "Reparameterise", "Sweep"])
def test_going_back_finds_a_widget_as_it_was_left(show_widgets, name):
    page, trouble = show_widgets([EXAMPLES[name]()])
    place = page.locator(".vw")
    before = settled_look(place)
    page.wait_for_function("history.state?.widgets")
    kept = page.evaluate("JSON.stringify(history.state)")
    press(place.locator("input[type=range]").first, "ArrowRight")
    wait_for_look(place, other=before)
    left = settled_look(place)
    page.wait_for_function("(kept) => JSON.stringify(history.state) !== kept", arg=kept)
    page.goto("about:blank")
    page.go_back()
    wait_until_ready(page)
    wait_for_look(page.locator(".vw"), same=left)
    press(page.get_by_role("button", name="Reset"), "Enter")
    wait_for_look(page.locator(".vw"), same=before)
    assert trouble == []


# --- what a browser may lack ---

MISSING = {
    "Array.with": "delete Array.prototype.with; delete Float32Array.prototype.__proto__.with",
    "OffscreenCanvas": "delete globalThis.OffscreenCanvas",
    "requestIdleCallback": "delete globalThis.requestIdleCallback",
    "WebAssembly": "delete globalThis.WebAssembly",
    "Worker": "delete globalThis.Worker",
    "history": "History.prototype.replaceState = () => { throw new DOMException('refused', 'SecurityError') }",
    "storage": """Object.defineProperty(globalThis, "localStorage",
                  { configurable: true, get() { throw new DOMException("refused", "SecurityError") } })""",
}


NUMBERS = """(all) => all.filter(({ dataset }) => !["time", "wait"].includes(dataset.key))
    .map(({ dataset }) => +dataset.value)"""


@pytest.mark.parametrize("name", EXAMPLES)
def test_widgets_do_without(show_widgets, name):
    """All that may be missing without harm, at once: the numbers are those of a whole browser, and controls work."""
    shown, widget = [], EXAMPLES[name]()
    for before in ("", ";\n".join(MISSING.values())):
        page, trouble = show_widgets([widget], query="?#x", before=before)
        place = page.locator(".vw")
        settled_look(place)
        shown.append(place.locator("[data-value]").evaluate_all(NUMBERS))
    assert shown[1] == pytest.approx(shown[0], rel=1e-3, abs=0.02, nan_ok=True)  # plain loops add in doubles
    before = look(place)
    slider = place.locator("input").first
    at_end = slider.input_value() == slider.get_attribute("max")
    key = {"range": "ArrowLeft" if at_end else "ArrowRight", "radio": "ArrowRight"}
    press(slider, key.get(slider.get_attribute("type"), "Space"))
    wait_for_look(place, other=before)
    assert trouble == []


def test_where_a_widget_stands_is_found_without_check_visibility(show_widgets):
    before = "delete Element.prototype.checkVisibility"
    page, trouble = show_widgets([EXAMPLES["LatentPlane"]()], query="#plane", before=before)
    assert page.locator(".vw").count() == 1
    assert trouble == []


@pytest.mark.parametrize("missing", ["DecompressionStream", "structuredClone"])
def test_an_old_browser_is_told_so_once_a_place(show_widgets, missing):
    widgets = [EXAMPLES["Jensen"](), EXAMPLES["LatentPlane"]()]
    page, trouble = show_widgets(widgets, before=f"delete globalThis.{missing}")
    notices = page.locator(".widget-notice.failed")
    said = "This browser is too old for the interactive figures."
    assert [text.startswith(said) for text in notices.all_text_contents()] == [True] * 2
    assert trouble == []


def test_a_drawing_is_kept_as_strokes_and_not_read_from_the_screen(show_widgets):
    """Firefox answers a page that reads a canvas with noise, where it resists fingerprinting."""
    from test_widget_draw_digit import SEEN, on_paper, three, widget
    from widget_pages import drag

    noise = """globalThis.truly = CanvasRenderingContext2D.prototype.getImageData;
    for (const kind of [CanvasRenderingContext2D, globalThis.OffscreenCanvasRenderingContext2D]) {
      kind.prototype.getImageData = function (...box) {
        const image = truly.apply(this, box);
        return new ImageData(image.data.map(() => 255 * Math.random()), image.width);
      };
    }"""
    seen = []
    for before in ("", noise):
        page, trouble = show_widgets([widget()], before=before)
        drag(page, on_paper(page, three()))
        page.evaluate("() => { if (globalThis.truly) CanvasRenderingContext2D.prototype.getImageData = truly }")
        seen.append(ink(page, SEEN))
        assert number(page, "kl") > 0
        assert trouble == []
    assert (seen[0] == seen[1]).all() and 40 < seen[0].sum() < 200


# --- hosts ---


def until(page, ask):
    """Return when ask() is true; Playwright's own waiting evaluates text in the page, which a policy refuses."""
    for _ in range(PATIENCE // 50):
        if ask():
            return
        page.wait_for_timeout(50)
    assert ask()


@pytest.mark.parametrize("name", ["index", *CHAPTERS, "results", "notation"])
def test_the_site_works_under_a_strict_policy(open_address, site, serve, name):
    address = serve(site, [("Content-Security-Policy", POLICY)])
    page, trouble = open_address(f"{address}/book/{name}.html")
    assert page.locator(".widget-notice.failed").count() == 0
    html = page.locator("html")
    expect(html).to_have_attribute("data-theme", "light")
    mode = html.get_attribute("data-mode")
    page.locator(".theme-switch-button").first.click()  # the theme's own scripts run
    expect(html).not_to_have_attribute("data-mode", mode)
    if page.locator(".vw input[type=range]:visible").count():
        place = page.locator(".vw", has=page.locator("input[type=range]:visible")).first
        place.scroll_into_view_if_needed()
        before = settled_look(place)
        slider = place.locator("input[type=range]:visible").first
        press(slider, *["ArrowLeft" if slider.input_value() == slider.get_attribute("max") else "ArrowRight"] * 2)
        until(page, lambda: look(place) != before)
    # WebAssembly is what this policy refuses besides, and the plain loops stand in for it.
    assert [line for line in trouble if "WebAssembly" not in line] == []


def test_a_worker_runs_under_a_strict_policy(open_address, site, serve):
    address = serve(site, [("Content-Security-Policy", f"{POLICY}; script-src 'self' 'wasm-unsafe-eval'")])
    page, trouble = open_address(f"{address}/book/6_iwae.html", wait_until="commit")
    with page.expect_worker() as worker:
        wait_until_ready(page)
    assert worker.value.url.startswith(f"{address}/_widgets/")
    expect(page.locator(".vw p[aria-live]").first).not_to_be_empty()
    assert trouble == []


def test_the_search_works_under_a_strict_policy(open_address, site, serve):
    address = serve(site, [("Content-Security-Policy", POLICY)])
    page, trouble = open_address(f"{address}/search.html?q=jensen")
    expect(page.locator("#search-results li").first).to_be_visible()
    assert page.locator("#search-results li").count() > 3
    assert trouble == []


def test_no_script_stands_in_a_page(site):
    for file in site.rglob("*.html"):
        if "_static" in file.parts:
            continue
        text = file.read_text(encoding="utf-8")
        for tag in text.split("<script")[1:]:
            attributes, body = tag.split(">", 1)
            assert "src=" in attributes or 'type="application/' in attributes, f"{file.name}: {body[:80]}"
        assert " onclick=" not in text and "javascript:" not in text


def test_text_and_theme_do_not_wait_for_widgets(open_address, site, serve):
    address = serve(site, held="/_widgets")
    page, trouble = open_address(f"{address}/book/6_iwae.html", wait_until="commit")
    expect(page.locator("article h1")).to_be_visible()
    page.wait_for_function("document.documentElement.dataset.theme === 'light'")
    button = page.locator(".theme-switch-button").first
    mode = page.evaluate("document.documentElement.dataset.mode")
    page.wait_for_function("!document.querySelector('script[type=\"text/later\"]')")
    button.click()
    page.wait_for_function("(mode) => document.documentElement.dataset.mode !== mode", arg=mode)
    assert page.locator(".widget[aria-busy]").count() > 0  # they are still waiting
    assert trouble == []


def test_the_type_of_the_first_lines_does_not_wait_for_style_sheets(open_address, site, serve):
    address = serve(site, held="/_static/styles")
    page, _ = open_address(f"{address}/book/references.html", wait_until="commit")
    came = "performance.getEntriesByType('resource').filter(({ responseEnd }) => responseEnd).map(({ name }) => name)"
    for name in ("text", "text-bold", "sans"):
        arrived = f"{came}.some((name) => name.endsWith('/fonts/{name}.woff2'))"
        page.wait_for_function(arrived, polling=50)  # not by frames: there are none yet


def test_scripts_that_are_called_later_wait_for_the_options_that_they_read(open_page):
    page, trouble = open_page("book/references")
    held = []
    page.route("**/scripts/libraries-*.js", lambda route: held.append(route))
    page.reload(wait_until="commit")
    expect(page.locator("article h1")).to_be_visible()
    page.wait_for_timeout(500)  # time in which they would run, with nothing to read
    held[0].continue_()
    page.wait_for_function("!document.querySelector('script[type=\"text/later\"]')")
    mode = page.evaluate("document.documentElement.dataset.mode")
    page.locator(".theme-switch-button").first.click()
    page.wait_for_function("(mode) => document.documentElement.dataset.mode !== mode", arg=mode)
    assert [line for line in trouble if "favicon" not in line] == []  # which the reload may cut off


def test_the_book_does_without_the_libraries_of_others(open_page):
    page, _ = open_page("book/references")
    page.route("**/scripts/libraries-*.js", lambda route: route.abort())
    page.reload()
    page.wait_for_function("!document.querySelector('script[type=\"text/later\"], .opening')")


def test_a_page_asks_for_the_libraries_of_others_at_once(site):
    own = {path.name for path in (ROOT / "book/assets").glob("*.js")}
    for page in set(site.rglob("*.html")) - set(site.rglob("_static/*.html")):
        text = page.read_text(encoding="utf-8")
        scripts = re.findall(r"<script defer[^>]*_static/([^\"?]+)", text)
        others = [script for script in scripts if script not in own]
        assert len(others) <= 1, (page, others)
        assert others or not scripts, page
        asked = re.findall(r'<link rel="preload" as="script" href="[^"]*_static/([^"?]+)', text)
        if page.stem in CHAPTERS:
            assert {"later.js", *others} <= set(asked), page
