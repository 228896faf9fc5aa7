"""Every page of the book, opened once and looked at from all sides: from disk, with the network off, in both themes, on
a phone, by every control, and under axe-core, with all that folds open."""

import re

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from conftest import opening
from playwright.sync_api import expect
from test_site import PAGES, UNFOLD
from widget_pages import EMPTY, controls, settled_look, wait_for_look, wait_until_ready

DESK, PHONE = ({"width": width, "height": 900} for width in (1280, 360))


@pytest.fixture(scope="module", params=PAGES)
def opened(request, browser, site):
    """(name, page, trouble): opened in turn at a desk in the dark and on a phone in the light; then it is both."""
    name = request.param
    turn = PAGES.index(name) % 2
    address = (site / name).with_suffix(".html").as_uri()
    with opening(browser) as open_address:
        width, theme = (PHONE["width"], "light") if turn else (DESK["width"], "dark")
        # What plays moves its own controls.
        yield name, *open_address(f"{address}?machine.play=false", width=width, theme=theme)


def test_it_works_from_disk_with_the_network_off(opened):
    """In the theme of the machine, also when that changes."""
    _, page, trouble = opened
    first = page.locator("html").get_attribute("data-theme")
    for theme in sorted(["dark", "light"], key=lambda theme: theme != first):
        page.emulate_media(color_scheme=theme)
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).map(Number)")
        red, green, blue = colour[:3]
        assert (0.2126 * red + 0.7152 * green + 0.0722 * blue < 80) == (theme == "dark"), "the page is not in its theme"
        no_formula_scrolls_that_has_room(page)
    page.emulate_media(color_scheme="light")
    # Figures wait for a reader who nears them; this one sees all.
    page.evaluate("[...document.images].forEach((image) => { image.loading = 'eager'; })")
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    broken = page.evaluate("[...document.images].filter((image) => !image.naturalWidth).map((image) => image.src)")
    assert broken == [] == trouble


def no_formula_scrolls_that_has_room(page):
    """One that scrolls has a bar of its own in many browsers, and the Tab key stops at it."""
    # Those whose picture has room, give or take two pixels: a tilde is wider than what it stands on.
    scrolling = """[...document.querySelectorAll(".bd-article mjx-container:not([display])")]
        .filter((e) => e.checkVisibility() && getComputedStyle(e).overflowX !== "visible"
            && e.scrollWidth > e.clientWidth + 2
            && e.querySelector("mjx-math").getBoundingClientRect().width <= e.clientWidth + 2)"""
    page.wait_for_function(f"!{scrolling}.length")


def test_it_fits_a_phone(opened):
    _, page, _ = opened
    page.set_viewport_size(PHONE)
    wait_until_ready(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    # Nothing sticks out either, save inside something that scrolls sideways.
    outside = page.evaluate(
        """(() => {
            const scrolls = (e) => e && e !== document.body
                && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
            return [...document.querySelectorAll("article *")]
                .filter((e) => e.getBoundingClientRect().right > 361 && e.checkVisibility() && !scrolls(e.parentElement)
                    && !e.closest("mjx-assistive-mml, .headerlink, .copybtn"))
                .map((e) => e.outerHTML.slice(0, 120));
        })()"""
    )
    assert outside == []
    no_formula_scrolls_that_has_room(page)
    # No column is so narrow that a name in it is broken.
    assert (
        page.evaluate(
            """[...document.querySelectorAll("td code")].map((e) => [e.textContent, e.getClientRects().length])
            .filter(([name, lines]) => name.length < 30 && !name.includes(" ") && lines > 1)"""
        )
        == []
    )


def test_formulas_fit_a_phone(opened):
    """In the chapters before 6, those in boxes, too; on some pages, those within a line and what is folded."""
    name, page, _ = opened
    page.set_viewport_size(PHONE | {"width": 390})
    if re.match("book/[1-5]", name):
        page.evaluate("document.querySelectorAll('details.exact').forEach((box) => { box.open = true; })")
    if re.match("book/[1-7]", name):
        wide = """() => [...document.querySelectorAll("article div.math")]
            .filter((line) => line.checkVisibility({ visibilityProperty: true }) && line.scrollWidth > line.clientWidth)
            .map((line) => line.querySelector("mjx-container").dataset.tex)"""
        assert page.evaluate(wide) == []
    if name in ("book/6_iwae", "book/7_ssvae", "book/corrections", "book/questions"):
        page.evaluate(UNFOLD)
        wide = """() => [...document.querySelectorAll("article :is(div.math, :is(p, li) > .math mjx-container)")]
            .filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 2)
            .map((e) => e.textContent.slice(0, 60))"""
        assert page.evaluate(wide) == []


def test_widgets_are_drawn_and_every_control_does_something(opened):
    _, page, trouble = opened
    page.set_viewport_size(DESK)
    page.evaluate(UNFOLD)
    assert page.locator(".widget").count() == page.locator("script[type$='widget-view+json']").count()
    assert page.locator(".widget > :first-child:not(.vw, .widget-notice)").count() == 0
    assert page.locator(".widget-notice.failed").all_text_contents() == []
    for place in page.query_selector_all(".vw"):
        place.scroll_into_view_if_needed()  # what is large comes for who sees it
        page.wait_for_function(f"(place) => !({EMPTY})(place).length", arg=place)
        for control, key in controls(place):
            before = settled_look(place, pause=40)
            control.press(key)
            wait_for_look(place, other=before)
    assert trouble == []


# --- axe-core ---

OPEN = """async () => {
    for (const folded of document.querySelectorAll("details")) folded.open = true;
    for (const folded of document.querySelectorAll(".toggle-button-hidden")) folded.click();
    for (let y = 0; y < document.body.scrollHeight; y += innerHeight) { // what waits for its reader is drawn
        scrollTo(0, y);
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    }
}"""
# Behind the shades at the edges of what scrolls axe would judge no colour.
PLAIN = """() => {
    for (const wide of document.querySelectorAll("pre, div:has(> table)")) {
        wide.style.backgroundImage = "none";
    }
}"""
# axe takes its time for every element. Of the words of code that look alike, one in each block stays marked; and a
# formula is a box of its size, since its picture is hidden from what reads aloud, and plain text: axe reads no MathML.
FEWER = """() => {
    for (const block of document.querySelectorAll("pre")) {
        const kinds = new Set();
        const more = [...block.querySelectorAll("span[class]:not(:has(*))")].filter((word) => {
            const kind = `${word.parentElement.className}|${word.className}`;
            return kinds.has(kind) || !kinds.add(kind);
        });
        for (const word of more) word.replaceWith(word.textContent);
    }
    const pictures = [...document.querySelectorAll("mjx-math[aria-hidden=true]")];
    const sizes = pictures.map((picture) => picture.getBoundingClientRect());
    for (const [i, { style }] of pictures.entries()) {
        Object.assign(style, { display: "inline-block", width: `${sizes[i].width}px`, height: `${sizes[i].height}px` });
        pictures[i].replaceChildren();
    }
    for (const math of document.querySelectorAll("mjx-assistive-mml math")) math.replaceWith(math.textContent);
}"""
# Nor does it have to judge the contrast of every word: of those that have one colour, size and weight, on grounds of
# one colour, the first stands for all; but what lies over other things stands for itself.
ALIKE = """() => {
    const grounds = new Map([[null, ""]]), seen = new Set();
    const ground = (e) => {
        if (!grounds.has(e)) {
            const { backgroundColor, backgroundImage, opacity, filter, position } = getComputedStyle(e);
            const apart = ["absolute", "fixed"].includes(position) ? grounds.size : "";
            const own = [backgroundColor, backgroundImage, opacity, filter, apart].join();
            grounds.set(e, ground(e.parentElement) + (own === "rgba(0, 0, 0, 0),none,1,none," ? "" : `${own};`));
        }
        return grounds.get(e);
    };
    for (const e of document.querySelectorAll("body :not(mjx-assistive-mml *)")) {
        delete e.dataset.judged;
        if (![...e.childNodes].some((part) => part instanceof Text && part.data.trim())) continue;
        if (!e.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
        const { color, fontSize, fontWeight, textShadow } = getComputedStyle(e);
        const kind = [color, fontSize, fontWeight, textShadow, ground(e)].join();
        if (!seen.has(kind)) e.dataset.judged = "";
        seen.add(kind);
    }
}"""
# Colours that change have changed, and what scrolls at this width is a stop of the Tab key.
SETTLED = """() => document.getAnimations().every((moved) => !(moved instanceof CSSTransition))
    && [...document.querySelectorAll("pre, .pst-scrollable-table-container, div.math")]
        .every((wide) => wide.scrollWidth <= wide.clientWidth || wide.tabIndex === 0)"""
# Contrast is that of what stands for all.
RULES = """() => axe.configure({ rules: [{ id: "color-contrast", selector: "[data-judged]" }] })"""


def broken(page, *rules):
    """Those of the rules, or of all, that the page breaks, each with its weight and the first places where it does."""
    page.wait_for_function(SETTLED)
    page.evaluate(ALIKE)
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(AXE_SCRIPT)
        page.evaluate(RULES)
    options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
    found = page.evaluate("(options) => axe.run(options)", options)["violations"]
    return {rule["id"]: (rule["impact"], [node["target"] for node in rule["nodes"][:3]]) for rule in found}


def test_axe_finds_nothing(opened):
    """No rule is broken, of any weight."""
    _, page, _ = opened
    page.evaluate(OPEN)
    page.evaluate(PLAIN)
    page.evaluate(FEWER)
    assert broken(page) == {}
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert broken(page, "color-contrast") == {}
    page.set_viewport_size(PHONE | {"width": 390})
    assert broken(page, "color-contrast", "scrollable-region-focusable", "label", "target-size") == {}


def test_one_pale_word_is_found(open_page):
    """Among many that have its page's other colours, or over what it does not stand in."""
    page, _ = open_page("book/references")
    assert broken(page) == {}
    page.evaluate("document.querySelectorAll('article p')[5].style.color = '#999'")
    assert list(broken(page)) == ["color-contrast"]
    page.evaluate("""() => {
        document.querySelectorAll("article p")[5].style.color = "";
        const place = Object.assign(document.createElement("div"), { innerHTML: "<div></div><p>A word</p>" });
        const [dark, word] = place.children;
        place.style.position = "relative";
        Object.assign(dark.style, { height: "100px", background: "#333" });
        Object.assign(word.style, { position: "absolute", top: "20px" });
        document.querySelector("article").append(place);
    }""")
    assert list(broken(page)) == ["color-contrast"]


def test_an_empty_heading_is_found(open_page):
    page, _ = open_page("book/references")
    page.evaluate("document.querySelector('article').append(document.createElement('table'))")
    page.evaluate("document.querySelector('table').innerHTML = '<tr><th></th><th>A word</th></tr><tr><td>1<td>2</tr>'")
    assert list(broken(page)) == ["empty-table-header"]
