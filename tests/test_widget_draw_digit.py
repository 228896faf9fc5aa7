"""Drawing a digit in a browser: what the model sees, and what it makes of it, against PyTorch."""

import math

import numpy as np
import pytest
import torch
import traitlets
from widget_examples import digits, model
from widget_models import terms
from widget_pages import control, drag, ink, number, press, wait_until_ready

import vae_core as vc
from vae_widgets import DrawDigit
from vae_widgets.modules import joined

PIXEL = 0.5 / 255 + 1e-4  # a picture's ink comes in steps of 1/255
NATS = 0.01
SEEN, REBUILT = "figure:nth-of-type(1) canvas", "figure:nth-of-type(2) canvas"


def widget(name="vae", **traits):
    return DrawDigit(model(name), *digits(10), **traits)


@torch.no_grad()
def assert_shows(page, drawing, x, seed=0):
    """Pictures and numbers are those of the image x."""
    net = drawing._model
    assert np.array_equal(ink(page, SEEN), x.numpy())
    drawn = terms(page, drawing, x, 6, seed)
    for picture, image in zip(page.locator(".vw-samples canvas").all(), drawn.images.numpy(), strict=True):
        read = "(c) => [...c.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 3)"
        assert np.abs(np.array(picture.evaluate(read)) / 255 - image).max() <= PIXEL
    if isinstance(net, vc.SSVAE):
        shown = page.locator("[data-bound]").evaluate_all("(bars) => bars.map((bar) => +bar.dataset.bound)")
        for y, bound in enumerate(shown):
            under = terms(page, drawing, x, 6, seed, y)
            assert bound == pytest.approx(-(under.rec + under.kl).mean().item(), abs=NATS)
    kl = net.kl(None, *net.enc(x)) if type(net) is vc.VAE else drawn.kl.mean()
    assert number(page, "rec") == pytest.approx(drawn.rec.mean().item(), abs=NATS)
    assert number(page, "kl") == pytest.approx(kl.item(), abs=NATS)
    assert number(page, "elbo") == pytest.approx(-(drawn.rec.mean() + kl).item(), abs=NATS)
    if isinstance(net, vc.SSVAE):
        q = net.cls(x).softmax(-1)
        shown = page.locator("[data-probability]").evaluate_all("(bars) => bars.map((bar) => +bar.dataset.probability)")
        assert shown == pytest.approx(q.tolist(), abs=1e-4)
        y = torch.nn.functional.one_hot(q.argmax(), 10).float()
        mean = net.dec(net.enc(x, y)[0], y)
    else:
        assert page.locator("[data-probability]").count() == 0
        mean = net.dec(net.enc(x)[0])
    assert np.abs(ink(page, REBUILT) - mean.sigmoid().numpy()).max() <= PIXEL


def on_paper(page, points):
    """Places on the page of points on the paper, each from 0 to 1."""
    paper = page.locator(".vw-paper")
    paper.scroll_into_view_if_needed()
    box = paper.bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]


def three(scale=1.0, x0=0.5, y0=0.5):
    """The stroke of a 3."""
    bows = [(-0.14, 0.15, 0.2, -2.6), (0.19, 0.19, 0.24, -1.5)]
    turns = [(middle, tall, wide, start + k / 5) for middle, tall, wide, start in bows for k in range(20)]
    points = [(wide * math.cos(t), middle + tall * math.sin(t)) for middle, tall, wide, t in turns]
    return [(x0 + scale * x, y0 + scale * y) for x, y in points]


THEMES = [("vae", "light"), ("vae-2d", "dark"), ("gmvae", "light"), ("ssvae", "dark")]


@pytest.mark.parametrize(("name", "theme"), THEMES)
def test_a_test_digit_is_there_at_once(show_widgets, name, theme):
    drawing = widget(name)
    page, trouble = show_widgets([drawing], theme=theme)
    assert_shows(page, drawing, digits(10)[0][0])
    for name in ("Undo", "Clear"):
        assert page.get_by_role("button", name=name).is_disabled()
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.startsWith('Test digit 1, a 7')")
    assert trouble == []


@pytest.mark.parametrize("name", ["vae", "ssvae"])
def test_keys_choose_a_digit_and_new_samples(show_widgets, name):
    drawing, (x, _) = widget(name), digits(10)
    page, trouble = show_widgets([drawing])
    press(control(page, "digit").first, "ArrowRight")
    press(control(page, "digit").nth(1), "ArrowRight")
    assert_shows(page, drawing, x[2])
    press(page.get_by_role("button", name="Clear"), "Enter")  # nothing is drawn that it could clear
    assert_shows(page, drawing, x[2])
    press(page.get_by_role("button", name="New samples"), "Enter")
    assert_shows(page, drawing, x[2], seed=1)
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert_shows(page, drawing, x[0])
    assert trouble == []


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "finger"])
def test_drawing(show_widgets, touch):
    drawing = widget("ssvae", answer=True)
    page, trouble = show_widgets([drawing], width=360 if touch else 1280, touch=touch)
    drag(page, on_paper(page, three()), touch)
    one_stroke = torch.tensor(ink(page, SEEN)).float()
    assert_shows(page, drawing, one_stroke)
    assert drawing._model.cls(one_stroke).argmax() == 3
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.startsWith('Your digit, read as 3')")
    assert page.locator("[data-trait=digit]:checked").count() == 0
    # MNIST's size, place and width of stroke.
    rows, columns = one_stroke.reshape(28, 28).nonzero().float().T
    assert max(rows.max() - rows.min(), columns.max() - columns.min()) == 19
    assert abs(rows.mean() - 14) <= 0.6 and abs(columns.mean() - 14) <= 0.6
    test_ink = digits(10)[0].sum(1)
    assert test_ink.min() <= one_stroke.sum() <= test_ink.max()

    drag(page, on_paper(page, [(0.1, 0.1), (0.2, 0.15)]), touch)
    assert (ink(page, SEEN) != one_stroke.numpy()).any()
    assert page.locator(".vw-paper").get_attribute("aria-label") == "Your drawing, 2 strokes"
    press(page.get_by_role("button", name="Undo"), "Enter")
    assert_shows(page, drawing, one_stroke)
    press(page.get_by_role("button", name="Clear"), "Enter")
    assert page.get_by_role("button", name="Clear").evaluate("(own) => own.getRootNode().activeElement === own")
    assert_shows(page, drawing, torch.zeros(784))
    assert page.get_by_role("button", name="Undo").is_disabled()
    drag(page, on_paper(page, [(0.5, 0.2), (0.5, 0.8)]), touch)
    press(control(page, "digit").nth(3), "Space")
    assert_shows(page, drawing, digits(10)[0][3])
    assert page.get_by_role("button", name="Undo").is_disabled()
    assert trouble == []


def test_size_and_place_of_a_drawing_do_not_matter_but_a_dot_stays_a_dot(show_widgets):
    page, trouble = show_widgets([widget()])
    images = []
    for stroke in (three(), three(0.6, 0.3, 0.7), three(1.25)):
        drag(page, on_paper(page, stroke))
        images.append(ink(page, SEEN) > 0)
        press(page.get_by_role("button", name="Clear"), "Enter")
    for image in images[1:]:  # all but the edges' pixels, a pixel to the side at most
        moved = [np.roll(image, 28 * down + across) for down in (-1, 0, 1) for across in (-1, 0, 1)]
        assert max((other & images[0]).sum() / (other | images[0]).sum() for other in moved) > 0.8
    drag(page, on_paper(page, [(0.9, 0.9), (0.9, 0.9)]))
    assert 1 <= ink(page, SEEN).sum() <= 9
    # Beyond the edge the stroke stays on the paper.
    drag(page, on_paper(page, [(0.9, 0.9), (1.5, 0.9), (0.9, -0.2)]))
    assert trouble == []


def test_mnist_goes_through_unchanged(show_widgets):
    page, _ = show_widgets([widget()])
    grey = vc.load_mnist().test_images[:100].reshape(-1, 28, 28).float() / 255
    centred = """async ([source, images, side]) => {
      const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      const ui = await import(url);
      return images.map((ink) => [...ui.centreDigit(Float32Array.from(ink), side, side)]);
    }"""
    same = torch.tensor(page.evaluate(centred, [joined("ui.js"), grey.reshape(-1, 784).tolist(), 28]))
    assert (same - grey.reshape(-1, 784)).abs().max() < 1e-6
    # Five times as large and somewhere else: the digit alone counts.
    large = torch.zeros(10, 160, 160)
    large[:, 17:157, 3:143] = grey[:10].repeat_interleave(5, 1).repeat_interleave(5, 2)
    same = torch.tensor(page.evaluate(centred, [joined("ui.js"), large.reshape(-1, 160 * 160).tolist(), 160]))
    assert (same - grey[:10].reshape(-1, 784)).abs().max() < 1e-5


def test_a_link_carries_a_drawing(show_widgets):
    drawing = widget()
    page, trouble = show_widgets([drawing])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    drag(page, on_paper(page, three()))
    press(page.get_by_role("button", name="New samples"), "Enter")
    x = torch.tensor(ink(page, SEEN)).float()
    press(page.get_by_role("button", name="Copy link"), "Enter")
    page.get_by_role("status").get_by_text("Copied.").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    page.goto("about:blank")
    page.goto(link)
    wait_until_ready(page)
    assert_shows(page, drawing, x, seed=1)
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert_shows(page, drawing, digits(10)[0][0])
    assert trouble == []


@pytest.mark.parametrize(("query", "digit"), [
    ("?draw.digit=4", 4), ("?draw.digit=10&draw.seed=0.5", 0), ("?draw.digit=1.5", 0),
    ("?draw.pixels=AAAA", None), ("?draw.pixels=%3Cb%3E&draw.digit=2", None), ("?draw.digit=-1", None),
])  # fmt: skip
def test_what_a_link_says_is_checked(show_widgets, query, digit):
    drawing = widget()
    page, trouble = show_widgets([drawing], query=query)
    assert_shows(page, drawing, torch.zeros(784) if digit is None else digits(10)[0][digit])
    assert trouble == []


def test_python_side():
    drawing, (x, labels) = widget(digit=2), digits(10)
    assert torch.equal(drawing.x, x[2])
    drawing.x = x[5].reshape(28, 28)
    assert torch.equal(drawing.x, x[5]) and drawing.digit == -1 and len(drawing.pixels) == 131
    with torch.no_grad():
        m, v = drawing.q
        assert torch.equal(m, drawing._model.enc(x[5])[0]) and torch.equal(v, drawing._model.enc(x[5])[1])
        torch.manual_seed(0)
        log_w = drawing._model.log_weight(x[5:6], 1000)[0]
        assert abs(drawing.elbo - log_w.mean()) < 6 * log_w.std() / 1000**0.5
    other = widget("ssvae", pixels=drawing.pixels)
    assert torch.equal(other.x, x[5]) and other.digit == -1
    assert [len(part) for part in other.q] == [64, 64]
    drawing.digit = 0
    assert torch.equal(drawing.x, x[0]) and drawing.pixels == ""
    drawing.digit = -1
    assert drawing.x.sum() == 0
    for pixels in ("AAAA", "A" * 130 + "!", "ä" * 131):
        with pytest.raises((ValueError, traitlets.TraitError), match="base64url of 98 bytes"):
            drawing.pixels = pixels
    with pytest.raises(traitlets.TraitError, match="digit must be a number from -1 to 9; given 10"):
        drawing.digit = 10
    with pytest.raises(ValueError, match="binary digits"):
        drawing.x = 0.5 * x[0]
    with pytest.raises(ValueError, match="wanted a VAE, GMVAE or SSVAE"):
        DrawDigit(model("autoencoder-2d"), x, labels)
    with pytest.raises(ValueError, match="given 10 images and 3 labels"):
        DrawDigit(model("vae"), x, labels[:3])
