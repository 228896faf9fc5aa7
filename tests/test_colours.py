"""One colour for each quantity: the same in figures, formulas and widgets, in both themes, and told apart by all."""

import base64
import itertools
import re
from io import BytesIO

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from widget_examples import EXAMPLES

from vae_widgets import plots

QUANTITIES = ["truth", "elbo", "kl", "gap", "rec", "q", "prior", "iwae"]
COMPARED = ["one", "other", "third"]
LUMA = np.array([0.213, 0.715, 0.072])  # as a filter's hue-rotate has it
# The pages' own backgrounds, and those of JupyterLab and VS Code.
BACKGROUNDS = {"light": ["#fffefc", "#ffffff"], "dark": ["#15181c", "#111111", "#1e1e1e"]}
# What the red, green and blue of a screen are to those without long-wave cones, and to those without middle-wave cones
# (Machado, Oliveira and Fernandes, 2009).
PROTANOPIA = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
DEUTERANOPIA = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]


def rgb(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def palettes():
    """{theme: {quantity: colour}}, as the style sheet has them."""
    light, dark = (ROOT / "vae_widgets/colours.css").read_text(encoding="utf-8").split("@media not print")
    return {
        theme: dict(re.findall(r"--vae-(\w+): (#[0-9a-f]{6});", text))
        for theme, text in (("light", light), ("dark", dark))
    }


def linear(colour):
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    low, high = sorted(linear(rgb(colour)) @ [0.2126, 0.7152, 0.0722] for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def oklab(light):
    """Linear light as Oklab, in which distances are as they look; black to white is 1."""
    cones = np.cbrt(
        light
        @ np.array(
            [
                [0.4122214708, 0.2119034982, 0.0883024619],
                [0.5363325363, 0.6806995451, 0.2817188376],
                [0.0514459929, 0.1073969566, 0.6299787005],
            ]
        )
    )
    return cones @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )


def turned(colour):
    """A colour under invert(1) hue-rotate(180deg): its luma turned, what its channels differ by kept."""
    return np.clip(colour + 1 - 2 * colour @ LUMA, 0, 1)


def test_the_palette_is_one():
    light, dark = palettes().values()
    assert list(light) == list(dark) == [*QUANTITIES, *COMPARED, "muted", "line"]
    assert {name: getattr(plots, name.upper()) for name in QUANTITIES + COMPARED}.items() <= light.items()
    source = (ROOT / "vae_widgets/colours.js").read_text(encoding="utf-8")
    ink, colours = re.search(r'INK = ("#\w+");.*?const COLOURS = \{(.*?)\};', source, re.DOTALL).groups()
    assert dict(re.findall(r'(\w+): "(#\w+)"', colours.replace("INK", ink))) == light


def test_the_dark_palette_is_what_the_filter_makes_of_the_light_one():
    light, dark = palettes().values()
    for name in light:
        assert np.abs(turned(rgb(light[name])) - rgb(dark[name])).max() < 1.01 / 255, name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_read_and_are_told_apart(theme):
    colours = palettes()[theme]
    low = {
        (name, ground): value
        for name in [*QUANTITIES, *COMPARED, "muted"]
        for ground in BACKGROUNDS[theme]
        if (value := contrast(colours[name], ground)) < 4.5
    }
    assert low == {}
    for eyes, least in ((np.eye(3), 0.1), (np.array(PROTANOPIA), 0.07), (np.array(DEUTERANOPIA), 0.07)):
        seen = {name: oklab(np.clip(linear(rgb(colours[name])) @ eyes.T, 0, 1)) for name in colours}
        pairs = [*itertools.combinations(QUANTITIES, 2), *itertools.combinations(["truth", *COMPARED], 2)]
        near = {pair: d for pair in pairs if (d := np.linalg.norm(seen[pair[0]] - seen[pair[1]])) < least}
        assert near == {}


def test_a_quantity_keeps_its_hue_in_the_dark():
    light, dark = palettes().values()
    for name in QUANTITIES[1:] + COMPARED:
        (_, a, b), (_, c, d) = (oklab(linear(rgb(palette[name]))) for palette in (light, dark))
        angle = np.degrees(np.arctan2(b, a) - np.arctan2(d, c))
        assert abs((angle + 180) % 360 - 180) < 15, name


def css(colour):
    return f"rgb({', '.join(str(round(255 * c)) for c in rgb(colour))})"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_widget_is_drawn_in_its_theme(show_widgets, theme):
    colours = palettes()[theme]
    page, trouble = show_widgets([EXAMPLES["OneLatent"]()], theme=theme)
    bars = page.get_by_role("img", name="Bars:")
    fills = bars.locator("rect").evaluate_all("(all) => all.map((bar) => getComputedStyle(bar).fill)")
    assert fills == [css(colours[name]) for name in ("elbo", "gap", "rec", "kl")]
    swatches = page.locator(".vw-numbers .swatch").evaluate_all(
        "(all) => all.map((swatch) => getComputedStyle(swatch).backgroundColor)"
    )
    assert swatches == [css(colours[name]) for name in ("truth", "elbo", "gap", "rec", "kl")]
    turned = page.locator(".vw svg, .vw svg *, .vw .swatch").evaluate_all(
        "(all) => all.filter((e) => getComputedStyle(e).filter !== 'none').length"
    )
    assert turned == 0
    page.emulate_media(media="print")
    gap = bars.locator("rect").nth(1)
    assert gap.evaluate("(bar) => getComputedStyle(bar).fill") == css(palettes()["light"]["gap"])
    assert trouble == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_figure_has_the_colours_of_its_theme(show_widgets, theme):
    page, _ = show_widgets([EXAMPLES["Reparameterise"]()], theme=theme)
    light, own = palettes()["light"], palettes()[theme]
    for name in light:
        Image.new("RGB", (8, 8), light[name]).save(picture := BytesIO(), "png")
        page.evaluate(
            """(png) => {
            document.body.innerHTML = `<div class="bd-content"><div class="bd-article"><div class="cell_output">
                <img alt="" src="data:image/png;base64,${png}">`;
            return document.querySelector("img").decode();
        }""",
            base64.b64encode(picture.getvalue()).decode(),
        )
        shown = np.array(Image.open(BytesIO(page.locator("img").screenshot())).convert("RGB"))[4, 4] / 255
        assert np.linalg.norm(oklab(linear(shown)) - oklab(linear(rgb(own[name])))) < 0.01, name


def test_faces_are_no_negatives_in_the_dark(show_widgets):
    page, _ = show_widgets([EXAMPLES["Faces"](), EXAMPLES["LatentPlane"]()], theme="dark")
    looks = "(all) => all.map((e) => [getComputedStyle(e).filter, getComputedStyle(e).backgroundColor])"
    faces, plane = page.locator(".vw").all()
    assert faces.locator("canvas").evaluate_all(looks) == [["none", "rgb(255, 255, 255)"]] * 3
    turned = ["invert(1) hue-rotate(180deg)", "rgba(0, 0, 0, 0)"]
    assert plane.locator("canvas").evaluate_all(looks) == [turned] * 2
