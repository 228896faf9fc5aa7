"""One latent in a browser, against PyTorch: the identity log p(x) = ELBO + KL."""

import math

import pytest
import torch
import traitlets
from widget_pages import control, drag, number, press

import vae_core as vc
from vae_widgets import OneLatent

NATS = 0.01


@pytest.fixture
def widget():
    """The book's example: x = 1.2, x | z ~ N(z² + 0.3 z, 0.1)."""
    z = torch.linspace(-15, 15, 3001, dtype=torch.double)
    return OneLatent(z, vc.log_normal(torch.tensor([1.2]), (z**2 + 0.3 * z)[:, None], torch.tensor([0.1])))


def assert_shows(page, widget, m, s):
    widget.m, widget.s = m, s
    for key in ("log_px", "elbo", "kl", "rec", "kl_prior"):
        assert number(page, key) == pytest.approx(getattr(widget, key), abs=NATS), key
    assert number(page, "elbo") + number(page, "kl") == pytest.approx(number(page, "log_px"), abs=1e-6)
    assert number(page, "rec") - number(page, "kl_prior") == pytest.approx(number(page, "elbo"), abs=1e-4)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_drawn_before_anything_is_touched(show_widgets, widget, theme):
    page, trouble = show_widgets([widget], theme=theme)
    assert_shows(page, widget, 0.3, 0.6)
    assert page.locator("svg text", has_text="log p(x) = −1.56").is_visible()
    assert trouble == []


def test_keys_move_q_and_log_px_stays(show_widgets, widget):
    page, trouble = show_widgets([widget])
    before = number(page, "log_px")
    press(control(page, "m"), *["ArrowRight"] * 4)
    assert_shows(page, widget, 0.5, 0.6)
    press(control(page, "s"), "Home", "PageUp")
    s = float(page.locator(".vw-slider", has=control(page, "s")).locator("output").text_content())
    assert 0.05 < s < 0.2
    assert number(page, "elbo") < -2 and number(page, "log_px") == before
    press(control(page, "m"), "Home")
    press(control(page, "s"), "Home")
    assert_shows(page, widget, -2.7, 0.05)  # far from both humps
    assert number(page, "kl") > 100
    press(control(page, "s"), "End")
    assert_shows(page, widget, -2.7, 2)
    assert number(page, "log_px") == before
    assert trouble == []


STILL = "[...document.querySelectorAll('svg')].at(-1).querySelectorAll('text, line')"
# Less what stands in a bar or beside it.
IS_FIXED = "(e) => e.tagName === 'line' || !/^(KL |ELBO −|◂|$)/.test(e.textContent)"
FIXED = f"[...{STILL}].filter({IS_FIXED}).map((e) => e.outerHTML)"


def test_log_px_stands_still_wherever_q_is(show_widgets, widget):
    """With it the axis: what moves below it are the bars."""
    page, trouble = show_widgets([widget])
    before = page.evaluate(FIXED)
    assert any("log p(x) = −1.56" in part for part in before)
    bars = "[...document.querySelectorAll('svg')].at(-1).querySelectorAll('rect')[0].getAttribute('width')"
    widths = [float(page.evaluate(bars))]
    for trait, key in (("m", "End"), ("s", "Home"), ("m", "Home"), ("s", "End")):
        press(control(page, trait), key)
        assert page.evaluate(FIXED) == before
        widths.append(float(page.evaluate(bars)))
    assert len(set(widths)) > 1
    assert trouble == []


def test_buttons_take_q_to_the_summits(show_widgets, widget):
    page, trouble = show_widgets([widget])
    assert page.get_by_role("button", name="Second summit").is_hidden()
    press(page.get_by_role("button", name="Show the best q"), "Enter")
    elbos = []
    for name, (m, s) in zip(("Best q", "Second summit", "Third summit"), widget.summits, strict=True):
        press(page.get_by_role("button", name=name, exact=True), "Enter")
        assert_shows(page, widget, m, s)
        elbos.append(number(page, "elbo"))
    assert elbos == sorted(elbos, reverse=True)
    press(page.get_by_role("button", name="The prior"), "Enter")
    assert_shows(page, widget, 0, 1)
    assert number(page, "kl_prior") == pytest.approx(0, abs=1e-9)
    assert trouble == []


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "finger"])
def test_dragging_moves_the_mean_and_an_end_the_width(show_widgets, widget, touch):
    page, trouble = show_widgets([widget], width=360 if touch else 1280, touch=touch)
    middle = page.locator("svg circle").first.bounding_box()
    x, y = middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2
    end = page.locator("svg rect[rx]").nth(1).bounding_box()
    unit = (end["x"] + end["width"] / 2 - x) / 0.6
    drag(page, [(x, y), (x + 0.5 * unit, y - 40)], touch)
    m = float(control(page, "m").input_value())
    assert m == pytest.approx(0.8, abs=0.05)
    x += 0.5 * unit
    drag(page, [(x + 0.6 * unit, y), (x + 0.3 * unit, y)], touch)
    shown = page.locator(".vw-slider", has=control(page, "s")).locator("output").text_content()
    assert float(shown) == pytest.approx(0.3, abs=0.05)
    assert float(control(page, "m").input_value()) == m
    assert number(page, "elbo") + number(page, "kl") == pytest.approx(widget.log_px, abs=NATS)
    assert trouble == []


def test_the_summits_are_where_no_step_leads_upwards(widget):
    assert len(widget.summits) == 3
    for m, s in widget.summits:
        around = [(m + dm, s * math.exp(ds)) for dm in (-0.02, 0, 0.02) for ds in (-0.02, 0, 0.02)]
        bounds = widget._bound(*torch.tensor(around).double().T)
        assert bounds.argmax() == 4
    assert widget.summits[0][0] > 0.5 and widget.summits[1][0] < -0.8  # one on each hump


def test_bad_input_is_refused(widget):
    z = torch.linspace(-15, 15, 3001)
    for grid, log_lik, message in [
        (z, z[1:], "one shape"),
        (z[:, None], z[:, None], "one shape"),
        (z.flip(0), z, "even steps of at most 0.05"),
        (z**3 / 100, z, "even steps of at most 0.05"),
        (torch.linspace(-15, 15, 301), torch.zeros(301), "at most 0.05; given steps from 0.09"),
        (torch.linspace(-5, 5, 1001), torch.zeros(1001), "reach from -10.7 to 10.7"),
    ]:
        with pytest.raises(ValueError, match=message):
            OneLatent(grid, log_lik)
    for trait, value in (("m", 3.0), ("s", 0.0), ("s", math.nan)):
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be"):
            setattr(widget, trait, value)


def test_a_gaussian_posterior_is_met_exactly():
    """x | z ~ N(z, 1): the posterior is N(x/2, 1/2), and the best q has no gap."""
    z = torch.linspace(-15, 15, 3001, dtype=torch.double)
    widget = OneLatent(z, vc.log_normal(torch.tensor([1.4]), z[:, None], torch.tensor([1.0])))
    assert widget.summits == [pytest.approx([0.7, math.sqrt(0.5)], abs=1e-4)]
    widget.m, widget.s = widget.summits[0]
    assert widget.kl == pytest.approx(0, abs=1e-6)
    assert widget.log_px == pytest.approx(vc.log_normal(*torch.tensor([[1.4], [0.0], [2.0]])).item(), abs=1e-5)
