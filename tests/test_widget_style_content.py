"""Style and content in a browser, against PyTorch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import traitlets
from widget_examples import digits, model
from widget_pages import control, ink, inks, number, press, wait_for_frame

import vae_core as vc
from vae_widgets import StyleContent

PIXEL = 0.5 / 255 + 1e-4  # a picture's ink comes in steps of 1/255
NATS = 0.01
DECODED, ORIGINAL = "figure:nth-of-type(1) canvas", "figure:nth-of-type(2) canvas"


def widget(**traits):
    return StyleContent(model("ssvae"), *digits(10), **traits)


def strip(page, which):
    """The ten pictures of a row: (10, 784) from 0 to 1."""
    return inks(page, f".vw-choices >> nth={which} >> canvas")


@torch.no_grad()
def assert_shows(page, z, y, x=None):
    net, (digit_x, labels) = model("ssvae"), digits(10)
    logits = net.dec(z, F.one_hot(torch.tensor(y), 10).float())
    assert np.abs(ink(page, DECODED) - logits.sigmoid().numpy()).max() <= PIXEL
    assert np.abs(strip(page, 0) - net.dec(z, torch.eye(10)).sigmoid().numpy()).max() <= PIXEL
    styles = net.dec(net.enc(digit_x, F.one_hot(labels, 10).float())[0], torch.eye(10)[y])
    assert np.abs(strip(page, 1) - styles.sigmoid().numpy()).max() <= PIXEL
    read = net.cls((logits >= 0).float()).softmax(-1)[y]
    assert number(page, "read") == pytest.approx(read.item(), abs=2e-3)
    if x is not None:
        assert np.array_equal(ink(page, ORIGINAL), x.numpy())
        assert number(page, "rec") == pytest.approx(-vc.log_bernoulli_with_logits(x, logits).item(), abs=NATS)


@torch.no_grad()
def style(digit):
    x, labels = digits(10)
    return model("ssvae").enc(x[digit], torch.eye(10)[labels[digit]])[0]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_first_digit_is_there_at_once(show_widgets, theme):
    page, trouble = show_widgets([widget()], theme=theme)
    x, labels = digits(10)
    assert_shows(page, style(0), labels[0].item(), x[0])
    assert trouble == []


def test_class_and_style_are_chosen_by_keys_and_by_clicks(show_widgets):
    page, trouble = show_widgets([widget()])
    x, labels = digits(10)
    press(control(page, "y"), "Home", "ArrowRight", "ArrowRight")
    assert_shows(page, style(0), 2, x[0])
    press(control(page, "digit").first, "ArrowRight")
    assert_shows(page, style(1), 2, x[1])
    page.locator(".vw-choices").nth(0).locator("canvas").nth(8).click()
    wait_for_frame(page)
    assert_shows(page, style(1), 8, x[1])
    page.locator(".vw-choices").nth(1).locator("canvas").nth(5).click()
    wait_for_frame(page)
    assert_shows(page, style(5), 8, x[5])
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert_shows(page, style(0), labels[0].item(), x[0])
    assert trouble == []


def test_a_style_from_the_prior(show_widgets):
    page, trouble = show_widgets([widget()])
    draw = page.get_by_role("button", name="Draw z from the prior")
    press(draw, "Enter")
    first = strip(page, 0)
    assert page.locator(ORIGINAL).is_hidden()
    assert control(page, "digit").evaluate_all("(all) => !all.some((one) => one.checked)")
    press(draw, "Enter")
    assert np.abs(strip(page, 0) - first).max() > 0.5
    assert trouble == []


def test_python_side():
    one, (x, labels) = widget(y=3), digits(10)
    assert one.z == pytest.approx(style(0).tolist(), abs=1e-6) and one.y == 3
    one.z = style(4).tolist()
    with torch.no_grad():
        image = one._model.dec(style(4), torch.eye(10)[3]).sigmoid().reshape(28, 28)
    assert torch.allclose(one.image, image, atol=1e-6)
    assert widget().y == labels[0]
    with pytest.raises(traitlets.TraitError, match="y must be a number from 0 to 9; given 10"):
        one.y = 10
    with pytest.raises(traitlets.TraitError, match="digit must be a number from -1 to 9; given -2"):
        one.digit = -2
    with pytest.raises(ValueError, match="wanted an SSVAE, which tells class and style apart; given VAE"):
        StyleContent(model("vae"), x, labels)
    with pytest.raises(ValueError, match="given 10 images and 3 labels"):
        StyleContent(model("ssvae"), x, labels[:3])
