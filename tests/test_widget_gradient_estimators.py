"""Two estimates of a gradient, in a browser, against closed forms."""

import math

import pytest
import torch
import traitlets
from widget_pages import control, number, press, wait_for_frame

from vae_widgets import GradientEstimators


def estimates(page):
    return {key: number(page, key) for key in ("exact", "path_mean", "path_sd", "score_mean", "score_sd")}


def spread(m, v, shift=0.0):
    """Standard deviation of one draw, f(z) = z² + shift: reparameterised, and by the score function.

    The score function's is E[f² e²] / v - (2m)² with f = (m² + shift) + 2 m s e + s² e² and the moments of e.
    """
    c, s = m**2 + shift, v**0.5
    square = c**2 + 3 * (4 * m**2 * v + 2 * c * v) + 15 * v**2
    return 2 * s, math.sqrt(square / v - 4 * m**2)


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_it_is_drawn_before_anything_is_touched(show_widgets, theme, width):
    widget = GradientEstimators()
    page, trouble = show_widgets([widget], theme=theme, width=width)
    shown = estimates(page)
    assert shown["exact"] == widget.exact == 2
    path, score = spread(1, 0.25)
    assert (shown["path_sd"], shown["score_sd"]) == pytest.approx((path, score), rel=0.05)
    assert number(page, "ratio") == pytest.approx((score / path) ** 2, rel=0.1)
    assert abs(shown["path_mean"] - 2) < 5 * path / 10 and abs(shown["score_mean"] - 2) < 5 * score / 10
    assert page.locator(".vw svg path").count() >= 6
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.startsWith('For f(z) = z²,')")
    assert trouble == []


def test_one_draw_is_one_draw(show_widgets):
    page, trouble = show_widgets([GradientEstimators()])
    press(control(page, "n"), "Home")
    shown = estimates(page)
    z = shown["path_mean"] / 2  # f'(z) = 2z
    assert shown["score_mean"] == pytest.approx(z**2 * (z - 1) / 0.25, abs=1e-9)
    page.get_by_role("button", name="Draw new").press("Enter")
    wait_for_frame(page)
    again = estimates(page)
    assert again["path_mean"] != shown["path_mean"]
    assert again["path_sd"] == pytest.approx(shown["path_sd"], rel=0.05)
    assert trouble == []


def test_both_arrive(show_widgets):
    page, trouble = show_widgets([GradientEstimators()])
    press(control(page, "m"), "Home", "ArrowRight")
    press(control(page, "v"), "End")
    press(control(page, "n"), "End")
    shown = estimates(page)
    assert shown["exact"] == pytest.approx(-3.9)
    for key, sd in zip(("path", "score"), spread(-1.95, 2), strict=True):
        assert shown[f"{key}_sd"] == pytest.approx(sd, rel=0.05)
        assert abs(shown[f"{key}_mean"] + 3.9) < 5 * sd / 100
    assert "−3.90" in page.locator(".vw svg").get_attribute("aria-label")
    assert trouble == []


def test_a_constant_costs_the_score_function_alone_and_a_baseline_pays(show_widgets):
    page, trouble = show_widgets([GradientEstimators()])
    plain = estimates(page)
    press(page.get_by_role("radio", name="z² + 10"), "Space")
    shifted = estimates(page)
    assert shifted["path_sd"] == plain["path_sd"]
    assert shifted["score_sd"] == pytest.approx(spread(1, 0.25, 10)[1], rel=0.05)
    press(control(page, "baseline"), "Space")
    paid = estimates(page)
    assert paid["score_sd"] == pytest.approx(spread(1, 0.25, -1.25)[1], rel=0.1)  # f minus its mean, 1.25
    assert abs(paid["score_mean"] - 2) < 5 * paid["score_sd"] / 10
    assert trouble == []


def test_a_step_has_no_slope(show_widgets):
    widget = GradientEstimators(f="step")
    page, trouble = show_widgets([widget])
    press(control(page, "n"), "End")
    shown = estimates(page)
    assert shown["exact"] == pytest.approx(widget.exact) == pytest.approx(1 / math.sqrt(2 * math.pi * 0.25))
    assert shown["path_mean"] == shown["path_sd"] == 0
    assert abs(shown["score_mean"] - widget.exact) < 5 * shown["score_sd"] / 100
    assert page.get_by_text("always 0, and wrong").is_visible()
    assert trouble == []


def test_reset_and_link(show_widgets):
    page, trouble = show_widgets([GradientEstimators()], query="?gradients.f=step&gradients.m=0.5&gradients.n=0")
    assert page.get_by_role("radio", name="1 if z > 1").is_checked() and control(page, "m").input_value() == "0.5"
    assert control(page, "n").get_attribute("aria-valuetext") == "100"  # no draws are out of range
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert page.get_by_role("radio", name="z²", exact=True).is_checked()
    assert estimates(page)["exact"] == 2
    assert trouble == []


def test_the_axis_stays(show_widgets):
    """So that the eye sees whose noise grows."""
    page, trouble = show_widgets([GradientEstimators()])
    ticks = "[...document.querySelectorAll('.vw svg text')].map((text) => text.outerHTML)"
    before = page.evaluate(ticks)
    for trait, key in (("f", "ArrowRight"), ("baseline", "Space"), ("m", "End"), ("v", "Home")):
        press(control(page, trait).first, key)
        assert page.evaluate(ticks) == before
    assert trouble == []


def test_python_side():
    widget = GradientEstimators(m=-0.5, v=2.0)
    assert widget.exact == -1
    widget.f = "step"
    m = torch.tensor(-0.5, requires_grad=True)
    mean = 1 - torch.special.ndtr((1 - m) / 2**0.5)  # E[f] = P(z > 1)
    assert widget.exact == pytest.approx(torch.autograd.grad(mean, m)[0].item())
    for trait, value in [("m", 3.0), ("v", 0.0), ("v", float("nan")), ("n", 0), ("seed", 0)]:
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be a number from"):
            setattr(widget, trait, value)
    with pytest.raises(traitlets.TraitError):
        widget.f = "cube"
