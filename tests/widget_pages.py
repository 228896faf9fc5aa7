"""Pages with nothing but widgets, in the form in which Jupyter Book embeds them; and hands and eyes for such pages.

Hands and eyes take a place: a page, or the locator of one widget on it.
"""

import json
import re
from pathlib import Path

import numpy as np
from ipywidgets.embed import dependency_state, embed_data
from playwright.sync_api import expect
from widget_state import KIND, pack_state

ROOT = Path(__file__).parents[1]

PATIENCE = 90_000  # ms that a page may take for what is expected of it: the machine may have other work
expect.set_options(timeout=PATIENCE)

PAGE = """<!doctype html>
<html lang="en" data-theme="{theme}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Widgets</title>
<style>body {{ font-family: "Liberation Sans", sans-serif; margin: 16px auto; max-width: 760px; }}
html[data-theme=dark] body {{ background: #15181c; color: #d9dce0; }}</style>
<style>{css}</style><style media="print">{print_css}</style></head>
<body>
<script type="{kind}">{state}</script>
{views}
<script type="module">{host}</script>
</body></html>
"""


def write_widget_page(file, widgets, theme="light"):
    """Write a page that shows the widgets one below the other, and return its path."""

    def escape(value):
        return json.dumps(value).replace("</", "<\\/")

    def store(name, content):
        file.with_name(name).write_bytes(content)
        return name

    data = embed_data(widgets, state=dependency_state(widgets, drop_defaults=False))  # not every widget there is
    view = '<div><script type="application/vnd.jupyter.widget-view+json">{}</script></div>'
    css = (ROOT / "book/assets/book.css").read_text(encoding="utf-8")  # without the fonts, which a built page has
    file.write_text(
        PAGE.format(
            theme=theme,
            css=re.sub("@font-face {.*?}", "", css, flags=re.DOTALL),
            print_css=(ROOT / "book/assets/print.css").read_text(encoding="utf-8"),
            kind=KIND,
            state=pack_state(data["manager_state"], store),
            views="\n".join(view.format(escape(spec)) for spec in data["view_specs"]),
            host=(ROOT / "book/assets/widget_host.js").read_text(encoding="utf-8"),
        ),
        encoding="utf-8",
    )
    return file


def wait_until_ready(page):
    """Return when nothing moves by itself: the theme's scripts have run, the widgets are drawn, the type is there."""
    expect(page.locator("script[type='text/later'], .opening, .widget[aria-busy]")).to_have_count(0)
    page.evaluate("() => document.fonts.ready.then(() => {})")


def wait_for_frame(page):
    """Return when everything that has been asked for is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def control(place, trait, index=None):
    """The slider, checkbox or radio buttons that set a trait, or one entry of it."""
    return place.locator(f'[data-trait="{trait}"]' + ("" if index is None else f'[data-index="{index}"]'))


def press(input, *keys):
    """Press keys on an input, one after the other, and return when the answer is drawn."""
    for key in keys:
        input.press(key)
    wait_for_frame(input.page)


def number(place, key):
    """A number that a widget shows, with all its digits."""
    return float(place.locator(f'output[data-key="{key}"]').get_attribute("data-value"))


INK = """(canvas) => [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]
    .filter((_, i) => i % 4 === 3)"""


def ink(place, selector="canvas.vw-digit"):
    """The ink of a digit's picture: (height * width,) from 0 to 1, in steps of 1/255."""
    return np.array(place.locator(selector).first.evaluate(INK)) / 255


def inks(place, selector):
    """That of all such pictures, in one question: (pictures, height * width)."""
    return np.array(place.locator(selector).evaluate_all(f"(all) => all.map({INK})")) / 255


def picture(place, selector):
    """A canvas, whatever is on it, as text: to see whether it changed."""
    return place.locator(selector).first.evaluate("(canvas) => canvas.toDataURL()")


def drag(page, points, touch=False):
    """Drag over the page from point to point with the mouse, or with a finger; return when the answer is drawn.

    What a widget has to load for it is there by then.
    """
    if touch:
        session = page.context.new_cdp_session(page)
        for i, (x, y) in enumerate(points):
            event = {"type": "touchMove" if i else "touchStart", "touchPoints": [{"x": x, "y": y}]}
            session.send("Input.dispatchTouchEvent", event)
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    else:
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point)
        page.mouse.up()
    wait_for_frame(page)
    expect(page.locator(".vw[aria-busy=true]")).to_have_count(0)


# What a reader sees of a widget, as text: its pictures, its numbers, and how many controls there are. How long its
# arithmetic took (Faces: `time` and `wait`) is never twice the same.
LOOK = """(place) => [
    ...[...place.querySelectorAll(`canvas, svg, .vw-train-runs,
            [data-value]:not([data-key=time], [data-key=wait])`)].map((part) =>
        part.toDataURL?.() ?? part.dataset.value ?? part.innerHTML.replace(/vw-clip-[\\w-]+/g, "")),
    [...place.querySelectorAll("input, select")].filter((input) => input.checkVisibility()).length,
].join("\\n")"""


def look(place):
    return place.evaluate(LOOK)


# Whether it looks like `wanted` or not, asked with each frame until it is as is `right`.
LOOKS = f"""async (place, [wanted, right, patience]) => {{
    const end = performance.now() + patience;
    while ((({LOOK})(place) === wanted) !== right) {{
        if (performance.now() > end) throw new Error(`it ${{right ? "never looks as it should" : "looks as before"}}`);
        await new Promise(requestAnimationFrame);
    }}
}}"""


def wait_for_look(place, other=None, same=None):
    """Return when the widget looks different from `other`, or just like `same`."""
    place.evaluate(LOOKS, [other if same is None else same, same is not None, PATIENCE])


# The look, once it has been the same for three pauses; the page waits by itself, in one question.
SETTLED = f"""async (place, [pause, patience]) => {{
    const look = {LOOK}, end = performance.now() + patience;
    for (let last = look(place), same = 0; performance.now() < end; ) {{
        await new Promise((done) => setTimeout(done, pause));
        const now = look(place);
        same = now === last && place.ariaBusy !== "true" ? same + 1 : 0;
        if (same === 3) return now;
        last = now;
    }}
    throw new Error("it never looks the same for long");
}}"""


def settled_look(place, pause=100):
    """What it looks like when nothing has changed for three pauses (ms): long arithmetic is done."""
    return place.evaluate(SETTLED, [pause, PATIENCE])


# The sliders, boxes and groups of radio buttons that can be used: [place among all inputs, a key that moves it].
CONTROLS = """(place) => [...place.querySelectorAll("input, select")].flatMap((input, i) => {
    const usable = !input.disabled && input.checkVisibility() && input.type !== "text";
    const group = [...place.querySelectorAll("input[type=radio]")].filter(({ name }) => name === input.name);
    const stop = group.find(({ checked }) => checked) ?? group.find(({ dataset }) => dataset.trait);
    if (!usable || (input.type === "radio" && input !== stop)) return [];
    const atEnd = +input.value >= +input.max;
    return [[i, { checkbox: "Space", range: atEnd ? "ArrowLeft" : "ArrowRight" }[input.type] ?? "ArrowDown"]];
})"""


def controls(place):
    """[(input, key)]: what CONTROLS finds, as elements, for which a large page does not have to be searched again."""
    inputs = place.evaluate_handle("(place) => [...place.querySelectorAll('input, select')]").get_properties()
    return [(inputs[str(i)].as_element(), key) for i, key in place.evaluate(CONTROLS)]


# The pictures of a widget that have nothing on them.
EMPTY = """(place) => [...place.querySelectorAll("canvas, svg")].filter((part) => {
    if (!part.checkVisibility()) return false;
    if (part.tagName === "svg") return !part.querySelector("path, line, rect, circle");
    return !part.getContext("2d").getImageData(0, 0, part.width, part.height).data.some(Boolean);
}).map((part) => part.outerHTML.slice(0, 200))"""
