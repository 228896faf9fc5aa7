"""The noise of two gradients of the bound, in a browser, against the law and against autograd."""

import pytest
import torch
import traitlets
from widget_pages import control, number, press

import vae_core as vc
from vae_widgets import GradientNoise


def by_autograd(v, k, draws=20_000):
    """Variances of the gradient with respect to q's mean: plain, and doubly reparameterised."""
    one = torch.ones(1, dtype=torch.double)
    epsilon = torch.randn(draws, k, 1, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    m = torch.zeros(draws, 1, 1, dtype=torch.double, requires_grad=True)
    z = m + v**0.5 * epsilon
    log_joint = vc.log_normal(z, 0 * one, one)
    both, path = (log_joint - vc.log_normal(z, centre, v * one) for centre in (m, m.detach()))
    share = both.detach().softmax(1)
    found = [torch.autograd.grad(value.sum(), m, retain_graph=True)[0] for value in (share * both, share**2 * path)]
    return [gradient.var().item() for gradient in found]


def shown(page):
    return number(page, "plain"), number(page, "dreg")


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_it_is_drawn_before_anything_is_touched(show_widgets, theme, width):
    widget = GradientNoise()
    page, trouble = show_widgets([widget], theme=theme, width=width)
    assert shown(page) == pytest.approx(widget.noise)
    assert number(page, "ratio") == pytest.approx(widget.noise[1] / widget.noise[0])
    assert page.locator(".vw svg").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.startsWith('q with variance 0.30')")
    assert trouble == []


def test_they_cross_at_a_half(show_widgets):
    page, trouble = show_widgets([GradientNoise(v=0.45)])
    assert shown(page)[0] < shown(page)[1]
    press(control(page, "v"), "ArrowRight")
    assert shown(page) == pytest.approx((0.5, 0.5))
    press(control(page, "v"), "ArrowRight")
    assert shown(page)[0] > shown(page)[1]
    assert trouble == []


def test_a_q_that_is_the_posterior_leaves_one_of_them_no_noise(show_widgets):
    page, trouble = show_widgets([GradientNoise(v=1, k=5)])
    assert shown(page)[1] == 0 < shown(page)[0]
    assert trouble == []


@pytest.mark.parametrize(("v", "k"), [(0.2, 1), (4, 1), (0.2, 5), (0.5, 5), (2, 5), (0.3, 10)])
def test_the_noise_is_that_of_autograd(show_widgets, v, k):
    page, trouble = show_widgets([GradientNoise(v=v, k=k)])
    assert shown(page) == pytest.approx(by_autograd(v, k), rel=0.25, abs=0.003)  # two thousand draws
    assert trouble == []


def test_reset_and_link(show_widgets):
    page, trouble = show_widgets([GradientNoise()], query="?gradient-noise.v=2&gradient-noise.k=0")
    assert control(page, "v").get_attribute("aria-valuetext") == "2.00"
    assert control(page, "k").get_attribute("aria-valuetext") == "1"  # no weights are out of range
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert control(page, "v").get_attribute("aria-valuetext") == "0.30"
    assert trouble == []


@pytest.mark.parametrize("v", [0.25, 0.5, 1.0, 3.0])
def test_python_side(v):
    widget = GradientNoise(v=v)
    assert widget.noise == pytest.approx(by_autograd(v, 1), rel=0.05)
    for trait, value in [("v", 0.1), ("v", float("nan")), ("k", 0), ("k", 11)]:
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be a number from"):
            setattr(widget, trait, value)
