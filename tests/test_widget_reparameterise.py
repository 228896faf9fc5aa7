"""The draws that move with m and v, in a browser, against autograd."""

import numpy as np
import pytest
import torch
import traitlets
from widget_pages import control, number, press, wait_for_frame

from vae_widgets import Reparameterise


@pytest.fixture
def widget():
    return Reparameterise()


def circles(page):
    """Where the draws are: epsilon and z, (12, 2), from the picture."""
    across = page.locator(".vw svg circle").evaluate_all("(dots) => dots.map((dot) => +dot.getAttribute('cx'))")
    return np.array(across).reshape(-1, 2) / 42 - 5  # 420 pixels for -5 to 5


def assert_shows(page, m, v):
    """Every draw stands at m + sqrt(v) * epsilon, and the numbers are those of autograd."""
    epsilon, z = circles(page).T
    assert len(z) == 12
    assert z == pytest.approx(m + v**0.5 * epsilon, abs=1e-3)
    chosen = number(page, "epsilon")
    assert np.abs(epsilon - chosen).min() < 1e-3
    python = Reparameterise(m=m, v=v, draw=0)
    python.epsilon = [chosen]
    assert (number(page, "dz_dm"), number(page, "dz_dv")) == pytest.approx(python.gradient, abs=1e-5)
    assert number(page, "z") == pytest.approx(python.z.item(), abs=1e-5)
    return chosen


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_it_is_drawn_before_anything_is_touched(show_widgets, widget, theme, width):
    page, trouble = show_widgets([widget], theme=theme, width=width)
    assert_shows(page, 1, 0.5)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.startsWith('m = 1.00, v = 0.50')")
    assert trouble == []


def test_m_and_v_move_the_draws_and_leave_the_noise(show_widgets, widget):
    page, trouble = show_widgets([widget])
    noise = circles(page)[:, 0]
    press(control(page, "m"), "Home", "ArrowRight")
    assert_shows(page, -1.95, 0.5)
    press(control(page, "v"), "End")
    assert_shows(page, -1.95, 2)
    assert "m = −1.95, v = 2.00" in page.locator(".vw svg").get_attribute("aria-label")
    assert (circles(page)[:, 0] == noise).all()
    page.get_by_role("button", name="Draw new").press("Enter")
    wait_for_frame(page)
    assert np.abs(circles(page)[:, 0] - noise).max() > 0.1
    assert_shows(page, -1.95, 2)
    assert trouble == []


def test_choosing_a_draw(show_widgets, widget):
    page, trouble = show_widgets([widget])
    press(control(page, "draw"), "Home")
    first = assert_shows(page, 1, 0.5)
    assert first == pytest.approx(circles(page)[:, 0].min(), abs=1e-3)
    last = circles(page).max(0)[1]  # the largest z, to be clicked
    box = page.locator(".vw svg").bounding_box()
    scale = box["width"] / 420
    page.mouse.click(box["x"] + 42 * (last + 5) * scale, box["y"] + 246 * scale)
    wait_for_frame(page)
    assert assert_shows(page, 1, 0.5) == pytest.approx(circles(page)[:, 0].max(), abs=1e-3)
    assert control(page, "draw").input_value() == "11"
    assert trouble == []


def test_reset_and_link(show_widgets, widget):
    page, trouble = show_widgets([widget], query="?reparameterise.m=-0.5&reparameterise.v=9&reparameterise.draw=2")
    assert_shows(page, -0.5, 0.5)  # a variance of 9 is out of range, and left aside
    assert control(page, "draw").input_value() == "2"
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert_shows(page, 1, 0.5)
    assert control(page, "draw").input_value() == "9"
    assert trouble == []


def test_python_side(widget):
    assert widget.z.numel() == 0 and widget.gradient is None
    widget.epsilon = [float(e) for e in range(12)]
    assert torch.allclose(widget.z, 1 + 0.5**0.5 * torch.arange(12.0))
    assert widget.gradient == pytest.approx((1, 9 / (2 * 0.5**0.5)))
    for trait, value in [("m", 3.0), ("v", 0.0), ("v", float("nan")), ("draw", 12), ("seed", 0)]:
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be a number from"):
            setattr(widget, trait, value)
    assert (widget.m, widget.v, widget.draw) == (1.0, 0.5, 9)
