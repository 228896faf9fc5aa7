"""The bound from m samples in a browser, against PyTorch with the very same draws."""

import pytest
import torch
import traitlets
from widget_examples import digits, model
from widget_models import terms
from widget_pages import control, number, press, wait_until_ready

import vae_core as vc
from vae_widgets import IwaeBound

NATS = 0.01
BENIGN, HARD = 4, 8  # test digits that the encoder of vae-2d covers, and nearly misses
DRAWN = "document.querySelector('[data-key=drawn]').dataset.value === '5000'"


def bound(name, **traits):
    x, labels = digits(10)
    chosen = torch.tensor([BENIGN, HARD, 0])
    return IwaeBound(model(name), x[chosen], labels[chosen], **traits)


@pytest.fixture(scope="module")
def plane_bound():
    return bound("vae-2d")


def log_weights(page, widget, digit=0, seed=0):
    """log w of the widget's 5,000 draws, by PyTorch."""
    drawn = terms(page, widget, widget._x[digit], 5000, seed)
    return -(drawn.kl + drawn.rec)


def assert_shows(page, log_w, m, exact=None):
    """The numbers are those of these weights in groups of m."""
    groups = len(log_w) // m
    bounds = vc.log_mean_exp(log_w[: groups * m].reshape(groups, m), dim=1)
    assert number(page, "bound") == pytest.approx(bounds.mean().item(), abs=NATS)
    assert number(page, "groups") == groups
    if groups > 1:
        assert number(page, "spread") == pytest.approx(bounds.std().item(), abs=NATS)
    else:
        assert page.locator("[data-key=spread]").text_content() == "—"
    assert number(page, "elbo") == pytest.approx(log_w.mean().item(), abs=NATS)
    w = (log_w[:m] - log_w.max()).double().exp()
    assert number(page, "ess") == pytest.approx((w.sum() ** 2 / (w**2).sum()).item(), rel=0.01)
    assert number(page, "share") == pytest.approx(100 * number(page, "ess") / m)
    if exact is not None:
        assert number(page, "exact") == pytest.approx(exact, abs=NATS)
        assert number(page, "gap") == pytest.approx(exact - bounds.mean().item(), abs=2 * NATS)
    else:
        assert page.locator("[data-key=exact], [data-key=gap]").count() == 0


@pytest.mark.parametrize("name", ["vae", "gmvae", "ssvae"])
def test_it_agrees_with_pytorch(show_widgets, name):
    widget = bound(name)
    page, trouble = show_widgets([widget])
    page.wait_for_function(DRAWN)
    log_w = log_weights(page, widget)
    assert widget.exact is None
    assert_shows(page, log_w, 10)
    press(control(page, "m"), "ArrowRight", "ArrowRight")
    assert_shows(page, log_w, 30)
    press(control(page, "m"), "End")
    assert_shows(page, log_w, 5000)
    press(control(page, "m"), "Home")
    assert_shows(page, log_w, 1)
    assert trouble == []


def test_it_runs_to_the_exact_value_in_two_latents(show_widgets, plane_bound):
    page, trouble = show_widgets([plane_bound], theme="dark")
    exact = plane_bound.log_px
    coarser = vc.log_marginal_grid(plane_bound._model, plane_bound._x[:1], n=301).log_px.item()
    assert coarser == pytest.approx(exact[0], abs=NATS)
    assert plane_bound.exact == exact[0]
    press(control(page, "m"), "End")
    for digit in range(3):
        if digit:
            press(control(page, "digit").nth(digit - 1), "ArrowRight")
        page.wait_for_function(DRAWN)
        assert_shows(page, log_weights(page, plane_bound, digit), 5000, exact[digit])
        # The relative variance of the mean weight is about 1 / ess.
        tolerance = 5 / number(page, "ess") ** 0.5
        assert abs(number(page, "gap")) < tolerance
        assert number(page, "elbo") < exact[digit]
        if digit == 0:
            torch.manual_seed(0)
            mine = vc.log_likelihood(plane_bound._model, plane_bound._x[:1]).item()
            assert abs(number(page, "bound") - mine) < 1.5 * tolerance
    assert trouble == []


def test_it_is_seen_converging_and_the_slider_answers_meanwhile(show_widgets):
    page, trouble = show_widgets([bound("vae")])
    page.wait_for_function(DRAWN)
    page.evaluate("""() => {
      globalThis.seen = [];
      const shown = (key) => +document.querySelector(`[data-key=${key}]`).dataset.value;
      const slider = document.querySelector("[data-trait=m]");
      new MutationObserver(() => {
        if (!seen.length && shown("drawn") === 5000) return; // still the digit before
        seen.push([shown("drawn"), shown("groups")]);
        if (slider.value !== "0") {
          slider.value = "0";
          slider.dispatchEvent(new Event("input"));
        }
      }).observe(document.querySelector(".vw"), { subtree: true, childList: true, attributes: true });
    }""")
    press(control(page, "digit").first, "ArrowRight")
    page.wait_for_function(f"seen.length && {DRAWN}")
    seen = page.evaluate("seen")
    drawn = [n for n, _ in seen]
    assert drawn[0] == 50 and drawn == sorted(drawn) and len(set(drawn)) >= 5
    assert any(n < 5000 and groups == n for n, groups in seen)  # at m = 1, before all were drawn
    assert trouble == []


def test_weights_are_drawn_anew(show_widgets):
    widget = bound("vae", m=5000)
    page, trouble = show_widgets([widget])
    page.wait_for_function(DRAWN)
    first = number(page, "bound")
    press(page.get_by_role("button", name="Draw anew"), "Enter")
    page.wait_for_function(DRAWN)
    assert number(page, "bound") != first
    assert_shows(page, log_weights(page, widget, seed=1), 5000)
    press(page.get_by_role("button", name="Reset"), "Enter")
    page.wait_for_function(f"{DRAWN} && +document.querySelector('[data-key=bound]').dataset.value === {first!r}")
    assert trouble == []


def test_the_picture_and_its_words_follow(show_widgets):
    page, trouble = show_widgets([bound("vae")])
    page.wait_for_function(DRAWN)
    rise, pile = page.locator(".vw-grow svg").all()
    before, words = rise.inner_html(), rise.get_attribute("aria-label")
    assert words.startswith("The bound against m, for a 4. m = 10: bound −") and "500 groups" in words
    assert pile.get_attribute("aria-label").startswith("Histogram of 5,000 log weights")
    press(control(page, "m"), "ArrowRight")
    assert rise.inner_html() != before and "250 groups" in rise.get_attribute("aria-label")
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.startsWith('m = 20: bound')")
    assert trouble == []


@pytest.mark.parametrize(("query", "m", "groups", "digit"), [
    ("?bound.m=137&bound.digit=2", "137", 36, 2),
    ("?bound.m=2.5&bound.digit=0.9", "10", 500, 0),
    ("?bound.m=0&bound.digit=3&bound.seed=-1", "10", 500, 0),
    ("?bound.m=many&bound.digit=&bound.exact=1", "10", 500, 0),
])  # fmt: skip
def test_what_a_link_says_is_checked(show_widgets, query, m, groups, digit):
    page, trouble = show_widgets([bound("vae")], query=query)
    page.wait_for_function(DRAWN)
    assert number(page, "groups") == groups
    assert control(page, "m").get_attribute("aria-valuetext") == m
    label = digits(10)[1][[BENIGN, HARD, 0][digit]].item()
    assert f"for a {label}." in page.locator(".vw-grow svg").first.get_attribute("aria-label")
    assert trouble == []


def test_no_worker_and_no_more_after_it_is_gone(show_widgets):
    page, trouble = show_widgets([bound("vae", m=5000)])
    page.wait_for_function(DRAWN)
    expected = number(page, "bound")
    page.add_init_script("delete globalThis.Worker;")
    page.reload()
    wait_until_ready(page)
    page.wait_for_function(DRAWN)
    assert number(page, "bound") == expected
    assert trouble == []


def test_python_side(plane_bound):
    x, labels = digits(10)
    widget = bound("vae", m=7, digit=1)
    assert (widget.m, widget.digit, widget.exact) == (7, 1, None)
    for trait, value, limits in [
        ("m", 0, "from 1 to 5000"),
        ("m", 5001, "from 1 to 5000"),
        ("digit", 3, "from 0 to 2"),
        ("seed", -1, "from 0 to"),
    ]:
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be a number {limits}.*given {value}"):
            setattr(widget, trait, value)
    with pytest.raises(ValueError, match="wanted a VAE, GMVAE or SSVAE, which have a bound; given Autoencoder"):
        IwaeBound(model("autoencoder-2d"), x, labels)
    with pytest.raises(ValueError, match="given 10 images and 9 labels"):
        IwaeBound(model("vae"), x, labels[:9])
    with pytest.raises(ValueError, match="wanted 1 to 100 binary digits"):
        IwaeBound(model("vae"), 0.5 * x, labels)
