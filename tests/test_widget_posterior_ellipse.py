"""An ellipse over a digit's exact posterior in a browser, against PyTorch."""

import numpy as np
import pytest
import torch
import traitlets
from widget_examples import digits, ellipse_grid, model
from widget_pages import control, drag, ink, number, picture, press

import vae_core as vc
from vae_widgets import PosteriorEllipse

NATS = 0.01


@pytest.fixture(scope="module")
def state():
    """One widget, whose summits are searched for once."""
    return PosteriorEllipse(model(), *digits(3), ellipse_grid())


@pytest.fixture
def widget(state):
    state.digit, state.m, state.sd = 0, state.encoder[0][:2], state.encoder[0][2:]
    return state


def exact_elbo(i, m, sd):
    """By Gauss–Hermite quadrature with the decoder itself, in place of a sum over the grid."""
    nodes, weights = (torch.tensor(t) for t in np.polynomial.hermite_e.hermegauss(40))
    eps = torch.cartesian_prod(nodes, nodes)
    weight = torch.cartesian_prod(weights, weights).prod(1) / weights.sum() ** 2
    m, sd = torch.tensor(m).double(), torch.tensor(sd).double()
    with torch.no_grad():
        log_lik = vc.log_bernoulli_with_logits(digits(3)[0][i], model().dec((m + sd * eps).float()))
    return (weight @ log_lik.double() - vc.kl_normal(m, sd**2, torch.zeros(2), torch.ones(2))).item()


def read(page):
    """m and sd, as the sliders stand."""
    values = page.evaluate("[...document.querySelectorAll('input[type=range]')].map((input) => +input.value)")
    return values[:2], values[2:]


def assert_shows(page, widget, digit, m, sd):
    widget.digit, widget.m, widget.sd = digit, m, sd
    assert number(page, "log_px") == pytest.approx(widget.log_px, abs=NATS)
    assert number(page, "elbo") == pytest.approx(widget.elbo, abs=NATS)
    assert number(page, "kl") == pytest.approx(widget.kl, abs=NATS)
    assert number(page, "elbo") + number(page, "kl") == pytest.approx(number(page, "log_px"), abs=1e-6)


def test_it_is_drawn_with_the_encoder_s_q(show_widgets, widget):
    page, trouble = show_widgets([widget])
    m, v = (t[0].double() for t in model().enc(digits(3)[0]))
    assert_shows(page, widget, 0, m.tolist(), v.sqrt().tolist())
    assert number(page, "elbo") == pytest.approx(exact_elbo(0, m.tolist(), v.sqrt().tolist()), abs=NATS)
    assert number(page, "approximation") + number(page, "amortisation") == pytest.approx(number(page, "kl"), abs=1e-6)
    with torch.no_grad():
        expected = model().dec(m.float()).sigmoid().numpy()
    assert np.abs(ink(page, "figure:nth-of-type(2) canvas") - expected).max() < 0.02  # weights in 8 bits
    assert trouble == []


def test_buttons_and_another_digit(show_widgets, widget):
    page, trouble = show_widgets([widget])
    press(page.get_by_role("button", name="Show the best q"), "Enter")
    for digit in range(3):
        press(control(page, "digit").nth(digit), "Space")
        assert_shows(page, widget, digit, widget.encoder[digit][:2], widget.encoder[digit][2:])
        press(page.get_by_role("button", name="Best q", exact=True), "Enter")
        assert_shows(page, widget, digit, widget.best[digit][:2], widget.best[digit][2:])
        assert number(page, "kl") == pytest.approx(number(page, "approximation"), abs=1e-6)
        press(page.get_by_role("button", name="The encoder’s q"), "Enter")
        gaps = number(page, "approximation"), number(page, "amortisation")
        assert number(page, "kl") == pytest.approx(sum(gaps), abs=1e-6)
    assert trouble == []


def test_keys_move_q_and_it_stays_in_the_picture(show_widgets, widget):
    page, trouble = show_widgets([widget])
    log_px = number(page, "log_px")
    press(page.get_by_role("button", name="Show the best q"), "Enter")
    press(page.get_by_role("button", name="Best q", exact=True), "Enter")
    axis = page.locator("svg line").evaluate_all("(lines) => lines.map((line) => line.outerHTML)")
    seen = {picture(page, "canvas.vw-plane")}
    for trait, index, key in (("m", 0, "End"), ("m", 1, "Home"), ("sd", 0, "Home"), ("sd", 1, "Home"),
                              ("m", 0, "PageDown"), ("sd", 0, "End")):  # fmt: skip
        press(control(page, trait, index), key)
        seen.add(picture(page, "canvas.vw-plane"))
        assert number(page, "log_px") == log_px
        assert page.locator("svg line").evaluate_all("(lines) => lines.map((line) => line.outerHTML)") == axis
        assert number(page, "elbo") + number(page, "kl") == pytest.approx(log_px, abs=1e-6)
        assert number(page, "kl") >= number(page, "approximation")
    assert len(seen) == 7
    m, sd = read(page)
    (middle1, middle2, step, k) = widget.windows[0]
    for middle, mean, width in zip((middle1, middle2), m, sd, strict=True):
        assert abs(mean - middle) + 2 * width < k * step + 0.01
    assert trouble == []


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "finger"])
def test_dragging_the_middle_and_a_handle(show_widgets, widget, touch):
    page, trouble = show_widgets([widget], width=360 if touch else 1280, touch=touch)
    page.locator("canvas.vw-plane").scroll_into_view_if_needed()
    box = page.locator("canvas.vw-plane").bounding_box()
    middle1, middle2, step, k = widget.windows[0]
    half = k * step
    best_m, best_sd = widget.best[0][:2], widget.best[0][2:]

    def at(z1, z2):
        return (box["x"] + (1 + (z1 - middle1) / half) / 2 * box["width"],
                box["y"] + (1 - (z2 - middle2) / half) / 2 * box["height"])  # fmt: skip

    m, sd = widget.m, widget.sd
    drag(page, [at(m[0] + 2 * sd[0], m[1]), at(m[0] + sd[0], m[1]), at(m[0] + 2 * best_sd[0], m[1])], touch)
    assert read(page)[1] == pytest.approx([best_sd[0], sd[1]], abs=0.01)
    drag(page, [at(m[0], m[1] + 2 * sd[1]), at(m[0], m[1] + 2 * best_sd[1])], touch)
    assert read(page)[1] == pytest.approx(best_sd, abs=0.01)
    before = number(page, "kl")
    drag(page, [at(*m), at(*best_m)], touch)
    assert read(page)[0] == pytest.approx(best_m, abs=0.02)
    assert read(page)[1] == pytest.approx(best_sd, abs=0.01)
    assert number(page, "kl") == pytest.approx(number(page, "approximation"), abs=0.1)
    assert number(page, "kl") < before
    assert trouble == []


def test_a_link(show_widgets, widget):
    m, sd = widget.best[2][:2], widget.best[2][2:]
    page, trouble = show_widgets([widget], query="?ellipse.digit=2&ellipse.m={},{}&ellipse.sd={},{}".format(*m, *sd))
    assert_shows(page, widget, 2, m, sd)
    assert trouble == []


def test_numbers_agree_with_the_decoder_itself(widget):
    for i in range(3):
        for q in (widget.encoder[i], widget.best[i]):
            widget.digit, widget.m, widget.sd = i, q[:2], q[2:]
            assert widget.elbo == pytest.approx(exact_elbo(i, q[:2], q[2:]), abs=NATS)
        best = widget.elbo
        for step in torch.randn(30, 4, generator=torch.Generator().manual_seed(i)).double():
            m = torch.tensor(widget.best[i][:2]) + 0.02 * step[:2]
            sd = torch.tensor(widget.best[i][2:]) * (0.05 * step[2:]).exp()
            assert widget._bound(i, m, sd) < best  # no other q near the best one is better


def test_bad_input_is_refused(widget):
    x, labels = digits(3)
    with pytest.raises(ValueError, match="two latents; given z_dim=10"):
        PosteriorEllipse(model("vae"), x, labels, ellipse_grid())
    with pytest.raises(ValueError, match="VAE or GMVAE; given Autoencoder"):
        PosteriorEllipse(model("autoencoder-2d"), x, labels, ellipse_grid())
    with pytest.raises(ValueError, match="grid of two latents; given z_dim=2 and 1"):
        PosteriorEllipse(model(), x, labels, vc.log_marginal_grid(model("vae-z1"), x))
    with pytest.raises(ValueError, match="of the same digits; given 2, 3 and 3"):
        PosteriorEllipse(model(), x[:2], labels, ellipse_grid())
    with pytest.raises(ValueError, match="too small for digit 0: it needs a larger limit than 2"):
        PosteriorEllipse(model(), x[:1], labels[:1], vc.log_marginal_grid(model(), x[:1], n=51, limit=2))
    for trait, value in (("digit", 3), ("m", [0.0]), ("m", [9.0, 0]), ("sd", [0.0, 1])):
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be"):
            setattr(widget, trait, value)


def test_the_summit_is_found_where_gradients_are_off(state):
    with torch.no_grad():
        again = PosteriorEllipse(model(), *digits(3), ellipse_grid())
    np.testing.assert_allclose(again.best, state.best, atol=1e-3)
