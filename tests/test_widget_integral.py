"""The integral behind log p(x) in a browser, against PyTorch."""

import math
import re

import numpy as np
import pytest
import torch
import traitlets
import widget_examples as examples
from playwright.sync_api import expect
from widget_pages import control, number, picture, press

import vae_core as vc
from vae_widgets import Integral

NATS = 0.01
integral = examples.EXAMPLES["Integral"]


@pytest.fixture(scope="module")
def model():
    return examples.model()


@pytest.fixture(scope="module")
def digits():
    return examples.digits(3)


@pytest.fixture(scope="module")
def exact(model, digits):
    return vc.log_marginal_grid(model, digits[0])


def wait_for(page, key, not_before=None):
    """The number that the widget shows when its arithmetic has got there."""
    page.wait_for_function(
        """([key, before]) => {
        const text = document.querySelector(`[data-key="${key}"]`)?.dataset.value;
        return text !== "NaN" && text !== before;
    }""",
        arg=[key, str(not_before)],
    )
    return number(page, key)


def wait_until_done(page):
    expect(page.locator(".vw")).to_have_attribute("aria-busy", "false")


def assert_grid(page, model, x, n):
    said = f"{n * n:,} points. All were decoded."
    page.wait_for_function(f"document.querySelector('.vw-note').textContent.includes('{said}')")
    assert_sum(page, model, x, n)


def assert_sum(page, model, x, n):
    expected = vc.log_marginal_grid(model, x[None], n).log_px.item()
    assert wait_for(page, "grid") == pytest.approx(expected, abs=NATS)
    assert number(page, "grid_error") == pytest.approx(number(page, "grid") - number(page, "exact"), abs=1e-9)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_drawn_and_computed_before_anything_is_touched(show_widgets, model, digits, exact, theme):
    page, trouble = show_widgets([integral()], theme=theme)
    assert number(page, "exact") == pytest.approx(exact.log_px[0].item(), abs=1e-3)
    assert_grid(page, model, digits[0][0], 21)
    wait_for(page, "samples")
    page.wait_for_function("document.querySelectorAll('.vw svg circle').length >= 5")
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.startsWith('Test digit 1, a 7')")
    assert trouble == []


def test_the_pictures_are_the_integrand(show_widgets, model, digits, exact):
    w = integral(digit=1, n=3)
    page, trouble = show_widgets([w])
    page.wait_for_function("document.querySelectorAll('.vw svg circle').length >= 11")  # up to 51 x 51
    wait_until_done(page)
    pixels = """(canvas) => { const c = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return [canvas.width, [...c.data].filter((_, i) => i % 4 === 3)]; }"""
    width, ink = page.locator("canvas.vw-plane").nth(1).evaluate(pixels)
    ink = np.array(ink).reshape(width, width) / 255
    middle, half = torch.tensor(w.spots[1][:2]), w.spots[1][2]
    sides = torch.linspace(-0.9, 0.9, 37)
    z = torch.cartesian_prod(-sides, sides).flip(1) * half + middle  # row by row, from the top
    with torch.no_grad():
        joint = vc.log_bernoulli_with_logits(digits[0][1], model.dec(z)) + model.log_prior(z)
    places = ((sides.numpy() + 1) / 2 * (width - 1)).round().astype(int)
    difference = np.abs(ink[np.ix_(places, places)] - (joint - joint.max()).exp().reshape(37, 37).numpy())
    assert np.median(difference) < 0.02 and difference.mean() < 0.05  # the grid's few points lie above it
    # The wide picture has the digit's spot where its posterior is.
    width, ink = page.locator("canvas.vw-plane").first.evaluate(pixels)
    row, column = [round((6 - s * w.spots[1][i]) / 12 * width) for i, s in ((1, 1), (0, -1))]
    ink = np.array(ink).reshape(width, width)
    assert ink[row, column] > 200 and ink[width // 20, width // 20] < 60
    assert trouble == []


def test_the_grid_follows_its_slider(show_widgets, model, digits):
    page, trouble = show_widgets([integral()])
    press(control(page, "n"), "ArrowRight", "ArrowRight")
    assert_grid(page, model, digits[0][0], 41)
    press(control(page, "n"), "End")
    page.wait_for_function("document.querySelector('.vw-note').textContent.includes('At the others')", timeout=60_000)
    text = page.locator(".vw-note").first.inner_text()
    few = int(re.search(r"160,801 points\. ([\d,]+) of them were decoded", text)[1].replace(",", ""))
    assert 51**2 < few < 20_000
    assert_sum(page, model, digits[0][0], 401)
    assert number(page, "grid") == pytest.approx(number(page, "exact"), abs=1e-3)
    press(control(page, "n"), "Home")
    assert_grid(page, model, digits[0][0], 3)
    press(control(page, "digit").first, "ArrowRight")
    assert_grid(page, model, digits[0][1], 3)
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert_grid(page, model, digits[0][0], 21)
    assert trouble == []


def test_samples_come_near_the_truth(show_widgets, model, digits, exact):
    page, trouble = show_widgets([integral(m=10_000)])
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.includes('10,000 samples')")
    few = wait_for(page, "samples")
    page.wait_for_function("document.querySelector('[data-key=samples_error]').dataset.value > -3")
    log_ratio = exact.log_posterior[0] - model.log_prior(exact.z)
    chi_squared = ((exact.log_posterior[0] + log_ratio).logsumexp(0) + exact.log_volume).exp().item() - 1
    wait_until_done(page)
    assert abs(number(page, "samples_error")) < 5 * math.sqrt(chi_squared / 10_000)
    press(control(page, "m"), "Home")
    one = wait_for(page, "samples", few)
    # One sample's estimate is log p(x | z) for some z, and falls short by far.
    assert one < exact.log_px[0] - 5
    press(page.get_by_role("button", name="Other samples"), "Enter")
    assert wait_for(page, "samples", one) != one
    assert trouble == []


def test_points_and_costs(show_widgets, model, digits):
    page, trouble = show_widgets([integral()])
    assert_grid(page, model, digits[0][0], 21)
    page.wait_for_function("document.querySelectorAll('.vw svg circle').length >= 11")
    before = picture(page, "canvas.vw-plane")
    press(control(page, "method").first, "ArrowRight")
    assert picture(page, "canvas.vw-plane") != before
    notes = page.locator("div:has(> .vw-note)")
    assert "With 2 latents it would have 441 points." in notes.inner_text()  # more are for who asks
    press(control(page, "latents"), "End")
    assert "With 20 latents it would have 2.8 × 10²⁶ points." in notes.inner_text()
    assert re.search("× 10[⁰¹²³⁴⁵⁶⁷⁸⁹]+ years", notes.inner_text())
    assert trouble == []


def test_a_link_carries_the_state(show_widgets, model, digits):
    query = "?integral.digit=2&integral.n=22&integral.m=30&integral.method=dice&integral.latents=3"
    page, trouble = show_widgets([integral()], query=query)
    assert_grid(page, model, digits[0][2], 21)  # there is no grid of 22
    assert control(page, "m").get_attribute("aria-valuetext") == "30"
    assert control(page, "method").first.is_checked()
    assert "With 3 latents it would have 9,261" in page.locator("div:has(> .vw-note)").inner_text()
    assert trouble == []


def test_python_side(model, digits, exact):
    w = Integral(model, *digits, digit=1, n=41)
    assert w.exact == pytest.approx(exact.log_px.tolist(), abs=1e-3)
    assert w.estimate == pytest.approx(vc.log_marginal_grid(model, digits[0], 41).log_px[1].item(), abs=1e-3)
    for trait, bad in (("n", 40), ("n", 402), ("m", 2), ("digit", 3), ("latents", 0), ("method", "dice")):
        with pytest.raises(traitlets.TraitError, match=trait):
            setattr(w, trait, bad)
    with pytest.raises(ValueError, match="VAE with two latents; given VAE with z_dim=10"):
        Integral(vc.load_trained("vae"), *digits)
    with pytest.raises(ValueError, match="two latents; given SSVAE"):
        Integral(vc.SSVAE(z_dim=2), *digits)
    with pytest.raises(ValueError, match="given 3 images and 2 labels"):
        Integral(model, digits[0], digits[1][:2])
    with pytest.raises(ValueError, match="binary digits"):
        Integral(model, 0.5 * digits[0], digits[1])
