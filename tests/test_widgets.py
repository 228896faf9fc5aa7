"""What all widgets have in common: the host of the static page, the frame, the controls, and the Python base."""

import base64
import gc
import json
import re
import zlib

import anywidget
import ipywidgets
import numpy as np
import pytest
import torch
import traitlets
from playwright.sync_api import expect
from widget_examples import EXAMPLES, WIDGETS, digits, ellipse_grid, model
from widget_pages import (
    control,
    controls,
    ink,
    press,
    settled_look,
    wait_for_frame,
    wait_for_look,
    wait_until_ready,
)
from widget_state import MARK, as_script, shown

import vae_core as vc
import vae_widgets as w
from vae_widgets import LatentPlane, Reparameterise
from vae_widgets.base import BookWidget, Mixture, Network, pack_digits, pack_labels
from vae_widgets.modules import PIECES


def broken(esm):
    return type("Broken", (anywidget.AnyWidget,), {"_esm": esm})()


@pytest.fixture
def plane():
    return LatentPlane(model())


# --- the host ---


def test_views_of_one_model_move_together(show_widgets, plane):
    page, trouble = show_widgets([plane, plane])
    first, second = page.locator(".vw").all()
    before = ink(second)
    press(control(first, "z", 0), "End")
    assert (ink(first) == ink(second)).all() and np.abs(ink(second) - before).max() > 0.2
    press(control(second, "z", 1), "Home")
    assert control(first, "z", 1).input_value() == "-3.5" and (ink(first) == ink(second)).all()
    assert page.locator("#plane").count() == 1
    assert trouble == []


def test_widgets_of_two_kinds_have_names_of_their_own(show_widgets):
    """Equal names would make one group of both rows of digits, and one clipping frame of all axes."""
    page, trouble = show_widgets([EXAMPLES["DrawDigit"](), EXAMPLES["LatentTraversal"](), EXAMPLES["IwaeBound"]()])
    first, second, third = page.locator(".vw").all()
    for place in (first, second, third):
        press(control(place, "digit").nth(1), "Space")
    assert [control(place, "digit").nth(1).is_checked() for place in (first, second, third)] == [True] * 3
    ids = page.locator("clipPath").evaluate_all("(paths) => paths.map((path) => path.id)")
    assert len(ids) == len(set(ids)) > 1
    assert trouble == []


def unpacked(text):
    packed = zlib.decompress(base64.b64decode(text))
    return json.loads(packed[4 : 4 + int.from_bytes(packed[:4], "little")])


def test_a_source_is_loaded_once(show_widgets, plane, tmp_path):
    """Each piece of it is a file, which other widgets share; the engine is one for all of them."""
    listen = """globalThis.loaded = [];
    document.addEventListener("load", ({ target }) => target.src && loaded.push(target.src.split("/").pop()), true);"""
    page, trouble = show_widgets([plane, LatentPlane(model(), name="other"), EXAMPLES["Jensen"]()], before=listen)
    state = unpacked(page.locator("script[type$='widget-state']").text_content())
    one, other, jensen = (spec["state"]["_esm"] for spec in state["state"].values() if "_esm" in spec["state"])
    assert one == other and one[:2] == jensen[:2] and one[2] != jensen[2]
    for piece, file in zip(plane._esm.split(PIECES)[:-1], one, strict=True):
        assert piece in (tmp_path / file).read_text(encoding="utf-8")
    loaded = page.evaluate("loaded")
    assert [loaded.count(file) for file in {*one, *jensen}] == [1] * 4
    assert trouble == []


def test_a_network_is_in_the_page_once(show_widgets, plane, tmp_path):
    page, trouble = show_widgets([plane, LatentPlane(model(), name="other")])
    state = unpacked(page.locator("script[type$='widget-state']").text_content())["state"].values()
    assert [len(spec["buffers"]) for spec in state if "precision" in spec["state"]] == [1]
    assert page.locator(".vw").count() == 2
    assert trouble == []


def test_a_page_carries_what_it_shows_and_no_more():
    """A notebook makes widgets that it does not show; what the shown ones refer to comes with them."""
    state = {
        "a": {"state": {"parts": ["IPY_MODEL_b", None]}},
        "b": {"state": {"layout": "IPY_MODEL_c"}},
        "c": {"state": {}},
        "forgotten": {"state": {"parts": ["IPY_MODEL_b"]}},
    }
    assert set(shown(state, ["a", "elsewhere"])) == {"a", "b", "c"}
    assert shown(state, []) == {}


@pytest.mark.parametrize("name", WIDGETS)
def test_what_travels_is_read(name):
    """By the widget's own script; what ui.js reads of it for a script is named here."""
    widget = EXAMPLES[name]()
    script = widget._esm.split(PIECES)[-2].replace("ui.proposals(", "codes ui.proposals(")
    own = set(widget.trait_names(sync=True)).difference(BookWidget.class_trait_names())
    sent = [trait for trait in own if not trait.startswith("_") and getattr(widget, trait)]
    assert sent
    assert [trait for trait in sent if not re.search(rf"\b{trait}\b", script)] == []


def test_a_large_value_arrives_whole(show_widgets):
    """Whatever characters its bytes make, odd in number as they are."""

    class Holder(anywidget.AnyWidget):
        _esm = "export default { render({ model }) { globalThis.held = model.get('data'); } }"
        data = traitlets.Bytes().tag(sync=True)

    data = np.random.default_rng(0).bytes(1_000_001)
    assert as_script(data).count(MARK.to_bytes(2, "little")) > 10_000
    page, trouble = show_widgets([Holder(data=data)])
    assert bytes(page.evaluate("Array.from(new Uint8Array(held.buffer, held.byteOffset, held.byteLength))")) == data
    assert trouble == []


def test_a_widget_whose_weights_are_missing_says_so_and_the_others_live(show_widgets, plane, tmp_path):
    page, _ = show_widgets([plane, Reparameterise()])
    weights = sorted(tmp_path.glob("*.js"), key=lambda file: file.stat().st_size)[-1]
    weights.unlink()
    page.reload()
    wait_until_ready(page)
    assert page.locator(".widget-notice.failed").all_text_contents() == [
        f"This widget could not be shown: {weights.name} is missing"
    ]
    assert page.locator(".vw").count() == 1


def test_a_widget_that_throws_says_so_and_the_others_live(show_widgets, plane):
    bad = [
        broken("export default { render() { throw new Error('no such luck') } }"),
        broken("export default { async initialize() { throw new Error('not today') }, render() {} }"),
        broken("this is no JavaScript"),
        w.IwaeBound(model(), *digits(3), name="lost"),
    ]
    bad[3].decoder = None
    page, trouble = show_widgets([bad[0], plane, *bad[1:]])
    notices = page.locator(".widget-notice.failed").all_text_contents()
    assert len(notices) == 4 and all(text.startswith("This widget could not be shown: ") for text in notices)
    assert "no such luck" in notices[0] and "not today" in notices[1]
    before = ink(page)
    press(control(page, "z", 0), "End")
    assert (ink(page) != before).any()
    assert len(trouble) == 4  # each is on the console, too, with its stack


def test_what_needs_python_says_so_once_in_one_line(show_widgets, plane):
    interact = ipywidgets.VBox([ipywidgets.FloatSlider(), ipywidgets.Output()])
    page, trouble = show_widgets([interact, ipywidgets.IntSlider(), ipywidgets.HBox([plane, ipywidgets.IntSlider()])])
    notices = page.locator(".widget-notice.needs-jupyter")
    assert notices.all_text_contents() == ["This part runs Python: open the chapter in Jupyter to use it."] * 3
    assert page.locator(".widget-row .vw").count() == 1
    assert trouble == []


def test_widgets_of_the_same_name_have_addresses_of_their_own(show_widgets, plane):
    page, trouble = show_widgets([plane, LatentPlane(model())], query="?plane-2.z=1,-1")
    values = [[float(control(view, "z", i).input_value()) for i in range(2)] for view in page.locator(".vw").all()]
    assert values == [[0, 0], [1, -1]]
    assert page.locator("#plane .vw, #plane-2 .vw").count() == 2
    assert trouble == []


@pytest.mark.parametrize("link", ["prior=constructor", "prior=1", "z=1", "z=1,x", "z=9,0"])
def test_a_link_that_makes_no_sense_is_left_aside(show_widgets, plane, link):
    page, trouble = show_widgets([plane])
    wanted = settled_look(page.locator(".vw"))
    page.goto(f"{page.url}?plane.{link}")
    wait_until_ready(page)
    assert settled_look(page.locator(".vw")) == wanted and trouble == []


def test_a_link_brings_its_widget_into_view(show_widgets, plane):
    page, trouble = show_widgets([LatentPlane(model()), LatentPlane(model()), plane], query="#plane-3")
    page.wait_for_function("document.getElementById('plane-3').getBoundingClientRect().top < innerHeight / 2")
    assert trouble == []


def test_a_link_that_cannot_be_copied_is_shown(show_widgets, plane):
    page, trouble = show_widgets([plane])
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('denied')); }")
    press(page.get_by_role("button", name="Copy link"), "Enter")
    field = page.get_by_role("textbox", name="Link to this state")
    assert re.search(r"widgets.html\?plane\.z=0%2C0&.*plane\.digits=false#plane$", field.input_value())
    assert field.evaluate("(field) => field.selectionEnd - field.selectionStart === field.value.length")
    assert trouble == []


# --- what every widget does ---


def test_there_is_an_example_of_every_widget():
    assert sorted(EXAMPLES) == sorted(WIDGETS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_controls_reset_and_link(show_widgets, name):
    page, trouble = show_widgets([EXAMPLES[name]()])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    place = page.locator(".vw")
    start, words = settled_look(place), place.locator("p[aria-live]")
    expect(words).not_to_be_empty()
    at_first = words.text_content()
    assert controls(place)
    for input, key in controls(place):
        before = settled_look(place, pause=40)
        input.press(key)
        wait_for_look(place, other=before)
    moved = settled_look(place)
    expect(words).not_to_have_text(at_first)
    copy = place.get_by_role("button", name="Copy link")
    shared = bool(getattr(w, name).state)
    assert copy.count() == shared
    if shared:
        press(copy, "Enter")
        place.get_by_text("Copied.").wait_for()
    press(place.get_by_role("button", name="Reset"), "Enter")
    wait_for_look(place, same=start)
    if shared:
        link = page.evaluate("navigator.clipboard.readText()")
        page.goto("about:blank")
        page.goto(link)
        wait_until_ready(page)
        wait_for_look(page.locator(".vw"), same=moved)
    assert trouble == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_names_focus_and_a_narrow_page(show_widgets, name):
    page, trouble = show_widgets([EXAMPLES[name]()], width=360, touch=True)
    settled_look(page.locator(".vw"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    outside = page.evaluate(
        """(() => {
            const scrolls = (e) => e && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
            const edge = document.querySelector(".vw").getBoundingClientRect().right + 1;
            return [...document.querySelectorAll(".vw :not(svg *)")].filter((e) => e.checkVisibility()
                && e.getBoundingClientRect().right > edge && !scrolls(e.parentElement)).map((e) => e.outerHTML);
        })()"""
    )
    assert outside == []
    roles = {"slider", "checkbox", "radio", "button", "combobox", "textbox", "spinbutton", "image", "img"}
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    names = [
        (node["role"]["value"], node.get("name", {}).get("value", "").strip())
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in roles
    ]
    assert names and [role for role, words in names if not words] == []
    pictures = page.locator(".vw :is(canvas, svg:not(svg svg)):not([role=img], [aria-hidden=true], [role=img] *)")
    assert pictures.evaluate_all("(all) => all.map((e) => e.outerHTML)") == []

    # Tab goes through every control, in sight and with a ring around it; radio buttons of one group are one stop.
    page.evaluate("document.activeElement.blur()")
    stops = []
    while True:
        page.keyboard.press("Tab")
        stop = page.evaluate(
            """(() => {
                const focused = document.activeElement;
                if (!focused.closest(".vw")) return null;
                const box = focused.getBoundingClientRect();
                return {
                    what: focused.outerHTML,
                    seen: box.bottom > 0 && box.top < innerHeight,
                    ring: [focused, focused.closest("label") ?? focused].map((e) => getComputedStyle(e))
                        .some((style) => style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2),
                };
            })()"""
        )
        if stop is None:
            break
        stops.append(stop)
    assert [stop for stop in stops if not (stop["ring"] and stop["seen"])] == []
    buttons = page.locator(".vw :is(button:enabled:not([tabindex='-1']), summary, a[href]):visible").count()
    sheets = page.locator(".vw-sheet[tabindex='0']").count()  # which scroll
    assert len(stops) == len(controls(page.locator(".vw"))) + buttons + sheets
    assert trouble == []


# A widget with all that it can show, and the most sliders that it can have.
FULL = {"Jensen": {"n": 6, "weighted": True}}

# The pictures of a widget, as far as they are seen in what scrolls around them: [top, bottom, what is on it].
PICTURES = """(place) => [...place.querySelectorAll("canvas, svg:not(svg svg)")].flatMap((e) => {
    if (!e.checkVisibility()) return [];
    let { top, bottom } = e.getBoundingClientRect();
    for (let box = e.parentElement; box !== place; box = box.parentElement) {
        if (getComputedStyle(box).overflowY === "visible") continue;
        top = Math.max(top, box.getBoundingClientRect().top);
        bottom = Math.min(bottom, box.getBoundingClientRect().bottom);
    }
    return [[top, bottom, e.toDataURL?.() ?? e.innerHTML.replace(/vw-clip-[\\w-]+/g, "")]];
})"""


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"TrainVAE"}))
def test_a_slider_and_the_pictures_that_it_moves_share_a_phone_s_screen(show_widgets, name):
    """844 pixels, less 60 of the page's header; TrainVAE's sliders set up a run, and move no picture."""
    widget = EXAMPLES[name]()
    for trait, value in {**FULL.get(name, {}), **({"answer": True} if widget.has_trait("answer") else {})}.items():
        setattr(widget, trait, value)
    page, trouble = show_widgets([widget], width=390, touch=True)
    page.set_viewport_size({"width": 390, "height": 784})
    place, apart, moved = page.locator(".vw"), [], 0
    settled_look(place)
    for slider in place.locator("input[type=range]:visible").all():
        before = place.evaluate(PICTURES)
        press(slider, "ArrowLeft" if slider.input_value() == slider.get_attribute("max") else "ArrowRight")
        settled_look(place, pause=40)
        seen = []
        for block in ("start", "end"):
            slider.evaluate("(slider, block) => slider.scrollIntoView({ block, behavior: 'instant' })", block)
            wait_for_frame(page)
            seen.append(place.evaluate(PICTURES))
        for i, (old, *places) in enumerate(zip(before, *seen, strict=True)):
            if old[2] == places[0][2]:
                continue
            moved += 1
            if not any(top >= -1 and bottom <= 785 for top, bottom, _ in places):
                apart.append((slider.get_attribute("data-trait"), i, places))
    assert apart == []
    on_its_slider = {"Predict", "Try"}  # a flag, above the place of the mark
    assert moved or name in on_its_slider or not place.locator("input[type=range]").count()
    assert trouble == []


# What makes an answer: the words that are seen with it alone, how many pictures show it, and whether it is read out.
ANSWERS = {
    "DrawDigit": None,
    "Faces": (["best guess", "A bar says", "settings", "all faces together", "of them to gather", "mark"], 5, True),
    "GradientEstimators": (["s.d. of one", "worth one of the other"], 0, False),
    "Integral": (["log p(x), exact", "error of the grid", "error of the samples", "error of each grid"], 1, True),
    "Jensen": (["gap between the two", "E[log t]", "log E[t]"], 1, True),
    "OneLatent": (["the best q", "Best q", "Second summit"], 1, False),
    "PosteriorEllipse": (["the best q", "Best q", "approximation gap", "amortisation gap"], 2, False),
    "Reparameterise": (["An arrow is", "∂z/∂m", "∂z/∂v"], 1, True),
    "SampledKl": (["σ / √S"], 2, False),
}
WORDS = """(place) => [...place.querySelectorAll(":not([aria-live])")].filter((part) =>
    part.checkVisibility({ visibilityProperty: true }) && !/^(Show|Hide) /.test(part.textContent)
    && [...part.childNodes].some((node) => node.nodeType === Node.TEXT_NODE))
    .map((part) => part.textContent).join("\\n")"""
DRAWN = """(place) => [...place.querySelectorAll("canvas, svg")].map((picture) =>
    picture.checkVisibility() && (picture.toDataURL?.() ?? picture.innerHTML.replace(/vw-clip-[\\w-]+/g, "")))"""


def test_every_answer_is_named_here():
    assert sorted(ANSWERS) == sorted(name for name in EXAMPLES if EXAMPLES[name]().has_trait("answer"))


@pytest.mark.parametrize("name", [name for name in ANSWERS if ANSWERS[name]])
def test_an_answer_is_covered_until_it_is_asked_for(show_widgets, name):
    texts, pictures, said = ANSWERS[name]
    page, trouble = show_widgets([EXAMPLES[name]()])
    place = page.locator(".vw")
    show = place.get_by_role("button", name=re.compile("^(Show|Hide) "))

    def seen():
        settled_look(place)
        words = place.evaluate(WORDS)
        return [text for text in texts if text in words]

    assert seen() == [] and show.get_attribute("aria-expanded") == "false"
    before, heard = place.evaluate(DRAWN), place.locator("p[aria-live]").inner_text()
    press(show, "Enter")
    assert seen() == texts and show.inner_text().startswith("Hide ")
    assert sum(one != other for one, other in zip(before, place.evaluate(DRAWN), strict=True)) == pictures
    assert (place.locator("p[aria-live]").inner_text() != heard) == said
    press(place.get_by_role("button", name="Reset"), "Enter")
    assert seen() == [] and place.evaluate(DRAWN) == before
    page.goto(f"{page.url}?{EXAMPLES[name]().name}.answer=true")
    wait_until_ready(page)
    assert seen() == texts
    assert trouble == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_moves_by_itself_where_motion_is_unwelcome(show_widgets, name):
    page, trouble = show_widgets([EXAMPLES[name]()], theme="dark", reduced_motion="reduce")
    place = page.locator(".vw")
    for button in [None, *place.get_by_role("button").all()]:
        if button and button.is_enabled() and button.is_visible():
            press(button, "Enter")
        settled_look(place, pause=40)  # which nothing is that goes on moving
        assert page.evaluate("document.getAnimations().length") == 0
    assert trouble == []


# --- paper ---


def test_paper_has_nothing_to_press_and_no_holes(show_widgets):
    page, trouble = show_widgets([make() for make in EXAMPLES.values()])
    assert page.locator(".vw").count() == len(EXAMPLES)
    page.emulate_media(media="print")
    controls = ("input:not(.vw-predict input)", "select", "button:not(:has(canvas))", "progress", "summary")
    for kind in (*controls, "output:empty"):
        assert page.locator(f".vw {kind}:visible").count() == 0, kind
    for place in page.locator(".vw").all():
        box, width = place.bounding_box(), page.viewport_size["width"]
        assert box["height"] > 30 and box["x"] + box["width"] <= width
    assert trouble == []


def test_what_is_under_way_is_finished_for_paper(show_widgets):
    """Where no slice of the arithmetic has had its turn."""
    page, trouble = show_widgets(
        [w.Faces(answer=True)],
        before="""{
        const later = setTimeout;
        globalThis.setTimeout = (task, time) => time === undefined ? 0 : later(task, time);
    }""",
    )
    line = page.locator(".vw-note", has=page.locator("output"))
    assert not line.is_visible()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert "14,641 faces" in line.text_content() and line.is_visible()
    assert trouble == []


# --- the Python base ---


def test_a_network_is_made_once_until_it_changes():
    net = vc.VAE(z_dim=2, hidden=[16]).dec
    first = Network.of(net)
    assert Network.of(net) is first
    assert Network.of(net, "float32") is not first
    with torch.no_grad():
        net.first.weight[0, 0] += 1
    trained_on = Network.of(net)
    assert trained_on is not first and trained_on.weights != first.weights
    first.close()
    with torch.no_grad():
        net.first.weight[0, 0] -= 1
    assert Network.of(net) is not first  # Jupyter forgot that one


def layers(net):
    return [net.first, *(layer for layer in net.rest if isinstance(layer, torch.nn.Linear))]


def test_a_closed_widget_lets_its_networks_go():
    from ipywidgets.widgets.widget import _instances as living

    net = vc.VAE(z_dim=2, hidden=[300])
    gc.collect()
    before = len(living)
    for _ in range(20):
        with torch.no_grad():
            net.dec.first.weight[0, 0] += 1
        first, second = LatentPlane(net), w.DrawDigit(net, *digits(3))
        mixed = w.Components(vc.GMVAE(z_dim=2, hidden=[8], k=3), *digits(3))
        assert len(living) > before
        for widget in (first, second, mixed, mixed):
            widget.close()
            assert widget is not first or second.decoder.comm is not None  # the other one shows it still
    del first, second, mixed, widget
    gc.collect()
    assert len(living) == before
    assert [len(network.weights) for network in Network._made.values() if network.sizes == [2, 300, 784]] == []


@pytest.mark.parametrize(("precision", "kind"), [("float32", "<f4"), ("float16", "<f2")])
def test_floats_are_packed_layer_by_layer(precision, kind):
    net = model().dec
    packed = Network.of(net, precision)
    at = 0
    for part in (part.detach().numpy().ravel() for layer in layers(net) for part in (layer.weight, layer.bias)):
        data = np.frombuffer(packed.weights, np.uint8, part.size * np.dtype(kind).itemsize, at)
        if precision == "float16":
            data = data.reshape(2, -1).T.ravel()  # all low bytes come first, and then the high ones
        assert np.array_equal(data.view(kind), part.astype(kind))
        at += data.size
    assert at == len(packed.weights)
    assert packed.sizes == [2, 300, 300, 784] and packed.activation == "elu" and packed.y_dim == 0


def test_int8_has_a_scale_for_each_row():
    net = model().dec
    data = Network.of(net, "int8").weights
    at = 0

    def take(count, kind):
        nonlocal at
        part = np.frombuffer(data, kind, count, at)
        at += part.nbytes
        return part

    for layer in layers(net):
        rows, columns = layer.weight.shape
        scale = take(rows, "<f4")
        whole = take(rows * columns, "<i1").reshape(rows, columns)
        at += -rows * columns % 4
        assert np.abs(whole).max(1).tolist() == [127] * rows
        error = np.abs(whole * scale[:, None] - layer.weight.detach().numpy()).max(1)
        assert (error <= scale * 0.501).all()
        assert np.array_equal(take(rows, "<f4"), layer.bias.detach().numpy())
    assert at == len(data)


def test_networks_are_picky():
    with pytest.raises(ValueError, match=r"a browser runs MLPs of vae_core, such as model\.dec, .*; given VAE"):
        Network.of(model())
    with pytest.raises(ValueError, match="precision must be one of float16, float32, int8; given 'float8'"):
        Network.of(model().dec, "float8")
    other = vc.MLP((2, 4, 3))
    other.rest[0] = torch.nn.GELU()
    with pytest.raises(ValueError, match="elu, relu, tanh; given GELU"):
        Network.of(other)


@pytest.mark.parametrize(
    ("value", "precision", "holds"),
    [
        (float("nan"), "float16", "nan"),
        (float("nan"), "float32", "nan"),
        (float("inf"), "float16", "inf"),
        (float("-inf"), "int8", "inf"),
        (1e5, "float16", "100000"),
    ],
)
def test_weights_that_a_browser_would_get_wrong_are_refused(value, precision, holds):
    net = vc.VAE(784, 2, (4,))
    with torch.no_grad():
        net.dec.rest[1].bias[3] = value
    with pytest.raises(ValueError, match=rf"wanted weights that are finite in .*; rest\.1\.bias holds {holds}"):
        Network.of(net.dec, precision)
    with pytest.raises(ValueError, match="wanted weights that are finite"):
        w.DrawDigit(net, *digits(3))


def test_large_weights_are_shown_where_their_precision_holds_them():
    net = vc.VAE(784, 2, (4,)).dec
    with torch.no_grad():
        net.rest[1].bias[3] = 1e5
    for precision in ("float32", "int8"):
        assert np.float32(1e5).tobytes() in Network.of(net, precision).weights


def test_a_mixture_that_is_not_finite_is_refused():
    net = vc.GMVAE(784, 2, (4,), k=3)
    with torch.no_grad():
        net.z_pre[0, 1] = float("inf")
    with pytest.raises(ValueError, match="the mixture holds inf"):
        Mixture.of(net)


def test_digits_are_packed_as_bits():
    x, _ = digits(7)
    bits = np.unpackbits(np.frombuffer(pack_digits(x), np.uint8)).reshape(7, 784)
    assert np.array_equal(bits, x.numpy())
    for bad, given in [
        (x[0], r"\(784,\)"),
        (x[:, :100], r"\(7, 100\)"),
        (x[:0], r"\(0, 784\)"),
        (torch.zeros(101, 784), r"\(101, 784\)"),
        (x * 0.5, "from 0 to 0.5"),
    ]:
        with pytest.raises(ValueError, match=f"wanted 1 to 100 binary digits of shape .*given .*{given}"):
            pack_digits(bad, 784)
    assert len(pack_digits(torch.ones(3, 60))) == 3 * 8  # of each, whole bytes


@pytest.mark.parametrize(
    "make",
    [
        lambda net: w.DrawDigit(net, *digits(3)),
        lambda net: w.IwaeBound(net, *digits(3)),
        lambda net: w.LatentPlane(net),
        lambda net: w.LatentTraversal(net),
        lambda net: w.Integral(net, *digits(3)),
        lambda net: w.PosteriorEllipse(net, *digits(3), ellipse_grid()),
        lambda net: w.SampledKl({"one": net}, *digits(3)),
        lambda net: w.Sweep({"one": model(), "two": net}, *digits(3)),
        lambda net: w.Machine(net, *digits(3)),
    ],
)
def test_a_model_of_other_pixels_or_precision_is_refused(make):
    with pytest.raises(ValueError, match=r"give VAE\(\.\.\., shape=\(height, width\)\), of 99 pixels"):
        make(vc.VAE(99, 2, (4,)))
    with pytest.raises(ValueError, match=r"in torch\.float64: give model\.float\(\)"):
        make(vc.VAE(784, 2, (4,)).double())


class Shifted(vc.VAE):
    """A reader's own prior."""

    def log_prior(self, z):
        return vc.log_normal(z, torch.ones(2), torch.ones(2))


@pytest.mark.parametrize(
    "make",
    [
        lambda net: w.DrawDigit(net, *digits(3)),
        lambda net: w.IwaeBound(net, *digits(3)),
        lambda net: w.LatentPlane(net),
        lambda net: w.LatentTraversal(net),
        lambda net: w.SampledKl({"one": net}, *digits(3)),
        lambda net: w.TrainVAE(net),
        lambda net: w.Sweep({"one": model(), "two": net}, *digits(3)),
        lambda net: w.Machine(net, *digits(3)),
    ],
)
def test_a_prior_that_the_browser_does_not_know_is_refused(make):
    for net in (Shifted(784, 2, (4,)), vc.NamedGMVAE(784, 2, (4,), y_dim=3, each=2)):
        with pytest.raises(ValueError, match=f"a {type(net).__name__} has another prior"):
            make(net)


def test_labels_are_bytes():
    assert pack_labels([3, 0, 255]) == bytes([3, 0, 255]) == pack_labels(torch.tensor([3, 0, 255]))
    for bad, given in [([0.5], "float32"), ([-1, 3], "-1 to 3"), ([256], "256 to 256"), ([[1, 2]], r"\(1, 2\)")]:
        with pytest.raises(ValueError, match=f"class ids .*given .*{given}"):
            pack_labels(bad)


def test_a_notice_goes_when_it_is_no_longer_true(show_widgets):
    page, trouble = show_widgets([EXAMPLES["OneLatent"]()])
    status = page.locator(".vw-status")
    press(page.get_by_role("button", name="Reset"), "Enter")
    expect(status).to_have_text("As it was.")
    press(control(page, "m"), "ArrowRight")
    expect(status).to_be_empty()
    assert trouble == []


def test_a_title_tells_a_widget_from_its_like(show_widgets):
    page, _ = show_widgets([LatentPlane(model(), title="VAE", name="one"), LatentPlane(model(), name="two")])
    assert page.get_by_role("group", name="The latent plane: VAE").locator(".vw-title").inner_text() == "VAE"
    assert page.locator(".vw-title").count() == 1


def test_the_text_of_a_chart_can_be_read_on_a_phone(show_widgets):
    """However small the chart is drawn. (The numbers on Jensen's dots have the size of the dots.)"""
    page, trouble = show_widgets([EXAMPLES["Jensen"](), EXAMPLES["OneLatent"]()], width=360)
    smallest = """(texts) => Math.min(...texts.map(
        (text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().d))"""
    texts = page.locator("svg text:not([font-size]):not([transform])")
    assert texts.count() > 30
    assert texts.evaluate_all(smallest) > 10.9
    assert trouble == []


def test_numbers_stay_within_their_limits():
    class Dial(BookWidget):
        level = traitlets.Float(0.0).tag(sync=True)
        state = ("level",)

    dial = Dial(name="dial", limits={"level": (-1, 1)}, level=torch.tensor(0.25))
    assert dial.level == 0.25
    dial = Dial(name="dial", limits={"level": (-1, 1)}, level=np.float32(0.5))
    assert dial._defaults == {"level": 0.5}
    for value in (1.01, -2, float("nan"), float("inf")):
        with pytest.raises(traitlets.TraitError, match="level must be a number from -1 to 1; given"):
            dial.level = value
    assert dial.level == 0.5
    with pytest.raises(traitlets.TraitError):
        Dial(name="dial", limits={"level": (-1, 1)}, level=2)
