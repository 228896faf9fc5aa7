"""Jensen's inequality in a browser, against PyTorch."""

import pytest
import torch
import traitlets
from widget_pages import control, drag, number, press

from vae_widgets import Jensen


def assert_shows(page, widget):
    mean = (widget.probabilities @ torch.tensor(widget.values[: widget.n], dtype=torch.double)).item()
    expected = dict(mean=mean, log_of_mean=widget.log_of_mean, mean_of_logs=widget.mean_of_logs, gap=widget.gap)
    assert {key: number(page, key) for key in expected} == pytest.approx(expected, abs=1e-9)


def test_it_is_drawn_before_anything_is_touched(show_widgets):
    page, trouble = show_widgets([Jensen()])
    assert_shows(page, Jensen())
    assert page.locator("svg circle:visible").count() == 5
    assert "gap" not in page.locator("svg[role=img]").get_attribute("aria-label")
    press(page.get_by_role("button", name="Show both averages"), "Enter")
    assert "gap 0.60" in page.locator("svg[role=img]").get_attribute("aria-label")
    assert page.locator("svg circle:visible").count() == 6  # five dots, and the one on the curve above the mean
    assert trouble == []


def test_keys_and_choices(show_widgets):
    page, trouble = show_widgets([Jensen()])
    press(control(page, "values", 1), "Home")
    assert_shows(page, Jensen(values=[0.2, 0.1, 1.9, 4.4, 0.6, 3.1]))
    press(control(page, "n").nth(0), "Space")
    assert_shows(page, Jensen(values=[0.2, 0.1, 1.9, 4.4, 0.6, 3.1], n=3))
    assert [control(page, "values", i).is_visible() for i in range(6)] == [True] * 3 + [False] * 3
    press(control(page, "weighted"), "Space")
    press(control(page, "weights", 2), "End")
    weights = [0.5, 0.5, 1, 0.5, 0.5, 0.5]
    assert_shows(page, Jensen(values=[0.2, 0.1, 1.9, 4.4, 0.6, 3.1], n=3, weighted=True, weights=weights))
    shares = page.locator(".vw-slider:has([data-trait=weights]) output")
    assert shares.all_text_contents()[:3] == ["25%", "25%", "50%"]
    press(control(page, "n").nth(3), "Space")
    assert shares.all_text_contents() == ["14%", "14%", "29%", "14%", "14%", "14%"]
    assert trouble == []


def test_presets(show_widgets):
    page, trouble = show_widgets([Jensen(n=6, answer=True)])
    gaps = []
    for preset in ("Far apart", "Close", "All equal"):
        press(page.get_by_role("button", name=preset), "Enter")
        gaps.append(number(page, "gap"))
    assert gaps[0] > 0.4 and 0 < gaps[1] < 0.03 and gaps[2] == pytest.approx(0, abs=1e-12)
    assert trouble == []


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "finger"])
def test_a_dot_is_dragged(show_widgets, touch):
    page, trouble = show_widgets([Jensen()], width=360 if touch else 1280, touch=touch)
    dot = page.locator("svg circle").nth(2).bounding_box()  # t₃ = 1.9
    last = page.locator("svg circle").nth(3).bounding_box()  # t₄ = 4.4
    x, y = dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2
    unit = (last["x"] - dot["x"]) / 2.5
    drag(page, [(x, y), (x + unit, y), (x + 2 * unit, y + 30)], touch)
    value = float(control(page, "values", 2).input_value())
    assert value == pytest.approx(3.9, abs=0.06)
    assert number(page, "mean") == pytest.approx((0.2 + 5.9 + value + 4.4 + 0.6) / 5, abs=0.01)
    drag(page, [(x + 2 * unit, y - 20), (x + 30 * unit, y)], touch)
    assert float(control(page, "values", 2).input_value()) == 6
    assert trouble == []


def test_python_computes_the_same_and_refuses_what_is_out_of_range():
    widget = Jensen(n=3, values=[1.0, 2, 3, 4, 5, 6])
    assert widget.log_of_mean == pytest.approx(torch.tensor(2.0).log().item())
    assert widget.gap == pytest.approx(torch.tensor(8 / 6).log().item() / 3, abs=1e-6)
    for trait, value in (("n", 7), ("values", [1.0, 2]), ("values", [0.0, 1, 1, 1, 1, 1]), ("weights", [2.0] * 6)):
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be"):
            setattr(widget, trait, value)
