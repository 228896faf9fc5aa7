"""The bivariate normal in a browser, against PyTorch."""

import pytest
import traitlets
from widget_pages import control, drag, number, picture, press

from vae_widgets import GaussianPrior

NATS = 0.01


def assert_shows(page, **state):
    expected = GaussianPrior(**state)
    assert number(page, "joint") == pytest.approx(expected.log_joint, abs=NATS)
    assert number(page, "product") == pytest.approx(expected.log_product, abs=NATS)
    assert number(page, "log_1") + number(page, "log_2") == pytest.approx(number(page, "product"), abs=1e-9)
    assert number(page, "difference") == pytest.approx(expected.log_joint - expected.log_product, abs=NATS)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_independent_at_first_and_not_when_correlated(show_widgets, theme):
    page, trouble = show_widgets([GaussianPrior()], theme=theme)
    assert_shows(page)
    assert number(page, "difference") == 0
    page.get_by_text("At correlation 0").first.wait_for()
    before = picture(page, "canvas")
    press(control(page, "rho"), "End")
    assert picture(page, "canvas") != before
    assert_shows(page, rho=0.95)
    page.get_by_text("nats too high").first.wait_for()
    assert trouble == []


def test_every_slider(show_widgets):
    page, trouble = show_widgets([GaussianPrior(rho=0.5)])
    state = dict(m=[0.0, 0.0], sd=[1.0, 1.0], z=[1.0, -1.0])
    for trait, keys in (("m", ["End", "Home"]), ("sd", ["Home", "End"]), ("z", ["PageUp", "ArrowLeft"])):
        for index, key in enumerate(keys):
            before = picture(page, "canvas")
            press(control(page, trait, index), key)
            state[trait][index] = float(control(page, trait, index).input_value())
            assert picture(page, "canvas") != before
            assert_shows(page, rho=0.5, **state)
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert_shows(page, rho=0.5)
    assert trouble == []


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "finger"])
def test_dragging_the_point(show_widgets, touch):
    page, trouble = show_widgets([GaussianPrior(rho=-0.6)], width=360 if touch else 1280, touch=touch)
    box = page.locator("canvas").bounding_box()

    def at(z1, z2):
        return box["x"] + (z1 + 4) / 8 * box["width"], box["y"] + (4 - z2) / 8 * box["height"]

    drag(page, [at(1, -1), at(0, 0), at(-2, 1.5)], touch)
    z = [float(control(page, "z", index).input_value()) for index in (0, 1)]
    assert z == pytest.approx([-2, 1.5], abs=0.06)
    # The sliders round to their step, the point does not.
    at_z = GaussianPrior(rho=-0.6, z=z)
    assert number(page, "difference") == pytest.approx(at_z.log_joint - at_z.log_product, abs=0.2)
    assert trouble == []


def test_a_link_carries_the_state(show_widgets):
    query = "?gaussian.rho=-0.5&gaussian.m=1,-1&gaussian.sd=0.5,9&gaussian.z=0,2"
    page, trouble = show_widgets([GaussianPrior()], query=query)
    assert_shows(page, rho=-0.5, m=[1.0, -1.0], z=[0.0, 2.0])  # a spread of 9 is beyond the limits
    assert trouble == []


def test_python_side():
    w = GaussianPrior(rho=0.5)
    for trait, bad in (("rho", 1.0), ("m", [0.0]), ("sd", [0.0, 1.0]), ("z", [float("nan"), 0.0])):
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be .* from .* to .*; given"):
            setattr(w, trait, bad)
    assert w.log_joint != pytest.approx(w.log_product)
