"""Every page under axe-core, with all that folds open and every widget drawn: no rule is broken, of any weight."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from test_site import PAGES

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
# formula is a box of its size, since its picture is hidden from what reads aloud, and the text that is read is one.
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
    for (const math of document.querySelectorAll("mjx-assistive-mml math")) math.textContent = math.textContent;
}"""
# Colours that change have changed, and what scrolls at this width is a stop of the Tab key.
SETTLED = """() => document.getAnimations().every((moved) => !(moved instanceof CSSTransition))
    && [...document.querySelectorAll("pre, .pst-scrollable-table-container, div.math")]
        .every((wide) => wide.scrollWidth <= wide.clientWidth || wide.tabIndex === 0)"""
CONTEXT = {"exclude": [["th:has(math)"]]}  # a heading that is a formula seems empty to axe, which does not read MathML


def broken(page, **options):
    """The rules that the page breaks, each with its weight and the first places where it does."""
    page.wait_for_function(SETTLED)
    found = Axe().run(page, context=CONTEXT, options={"resultTypes": ["violations"], **options}).response["violations"]
    return {rule["id"]: (rule["impact"], [node["target"] for node in rule["nodes"][:3]]) for rule in found}


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(open_page, name):
    page, _ = open_page(name)
    page.evaluate(OPEN)
    page.evaluate(PLAIN)
    page.evaluate(FEWER)
    assert broken(page) == {}
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert broken(page, runOnly=["color-contrast"]) == {}
    page.set_viewport_size({"width": 390, "height": 900})
    assert broken(page, runOnly=["color-contrast", "scrollable-region-focusable", "label", "target-size"]) == {}
