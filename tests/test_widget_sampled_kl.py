"""The KL from samples, in a browser, against PyTorch and the closed form."""

import pytest
import torch
import traitlets
from widget_examples import digits, model
from widget_pages import control, number, press, wait_for_frame

import vae_core as vc
from vae_widgets import SampledKl
from vae_widgets.modules import joined

NATS = 2e-3
SPREAD = ".vw-row > div:nth-child(1) svg"
AXES = """() => [...document.querySelectorAll(".vw-row > .vw-grow > svg")].map((svg) =>
    [...svg.querySelectorAll("text")].map((text) => text.outerHTML))"""

NOISE = """async ([source, seed, count]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const engine = await import(url);
  return [...engine.normals(seed).fill(new Float32Array(count))];
}"""


@pytest.fixture
def widget():
    return SampledKl({"round": model("vae"), "mixture": model("gmvae")}, *digits(10))


@torch.no_grad()
def assert_shows(page, widget, prior=0, digit=0, samples=1, seed=0):
    """The numbers are those of the very same draws under PyTorch."""
    net = [model("vae"), model("gmvae")][prior]
    m, v = net.enc(digits(10)[0][digit])
    noise = torch.tensor(page.evaluate(NOISE, [joined("engine.js"), seed, 10_000 * net.z_dim])).reshape(
        10_000, net.z_dim
    )
    z = m + v.sqrt() * noise
    log_density = vc.log_normal_mixture if prior else vc.log_normal  # written out, not as the model rearranges it
    log_p = torch.cat([log_density(part, *net.z_prior) for part in z.split(1000)])
    terms = (vc.log_normal(z, m, v) - log_p).double()
    estimates = terms[: 100 * samples].reshape(100, samples).mean(1)
    assert number(page, "all") == pytest.approx(terms.mean().item(), abs=NATS)
    assert number(page, "mean") == pytest.approx(estimates.mean().item(), abs=NATS)
    assert number(page, "sd") == pytest.approx(estimates.std().item(), abs=NATS)
    assert number(page, "law") == pytest.approx(terms.std().item() / samples**0.5, abs=NATS)
    assert abs(estimates.mean() - terms.mean()) < 4 * estimates.std() / 10  # no bias, whatever S is
    if prior:
        assert page.locator('output[data-key="exact"]').text_content() == "—"
    else:
        closed = vc.kl_normal(m, v, *net.z_prior).item()
        assert number(page, "exact") == pytest.approx(closed, abs=NATS)
        assert abs(terms.mean() - closed) < 4 * terms.std() / 100
    assert page.locator(f"{SPREAD} circle").count() == 100


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_it_is_drawn_before_anything_is_touched(show_widgets, widget, theme, width):
    page, trouble = show_widgets([widget], theme=theme, width=width)
    assert_shows(page, widget)
    assert number(page, "exact") == pytest.approx(widget.exact, abs=NATS)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.startsWith('S = 1: 100 estimates')")
    assert trouble == []


def test_more_samples_narrow_the_spread_around_the_same_place(show_widgets, widget):
    page, trouble = show_widgets([widget])
    press(page.get_by_role("button", name="Show how the spread falls"), "Enter")
    before, mean, sd = page.locator(SPREAD).inner_html(), number(page, "all"), number(page, "sd")
    axes = page.evaluate(AXES)
    for keys, samples in ([["ArrowRight"], 2], [["ArrowRight", "ArrowRight"], 10], [["End"], 100]):
        press(control(page, "samples"), *keys)
        assert_shows(page, widget, samples=samples)
        assert page.evaluate(AXES) == axes  # so that the eye sees it narrow
    assert page.locator(SPREAD).inner_html() != before and number(page, "all") == mean
    assert number(page, "sd") == pytest.approx(sd / 10, rel=0.3)
    assert "S = 100: 100 estimates with mean" in page.locator(SPREAD).get_attribute("aria-label")
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert_shows(page, widget)
    assert trouble == []


def test_the_mixture_and_other_digits(show_widgets, widget):
    page, trouble = show_widgets([widget])
    press(control(page, "prior").first, "ArrowRight")
    assert_shows(page, widget, prior=1)
    press(control(page, "digit").nth(3), "ArrowRight")
    press(control(page, "samples"), "ArrowRight")
    assert_shows(page, widget, prior=1, digit=4, samples=2)
    assert "a 4, under mixture" in page.locator(SPREAD).get_attribute("aria-label")
    assert trouble == []


def test_new_draws(show_widgets, widget):
    page, trouble = show_widgets([widget])
    press(page.get_by_role("button", name="Show how the spread falls"), "Enter")
    before, axes = number(page, "mean"), page.evaluate(AXES)
    page.get_by_role("button", name="Draw anew").press("Enter")
    wait_for_frame(page)
    assert number(page, "mean") != before
    assert page.evaluate(AXES) == axes
    assert_shows(page, widget, seed=1)
    assert trouble == []


@pytest.mark.parametrize(("query", "state"), [
    ("prior=1&digit=2&samples=50&seed=7", dict(prior=1, digit=2, samples=50, seed=7)),
    ("prior=2&digit=10&samples=0&seed=-1", {}),
    ("prior=x&digit=1.5&samples=", {}),
])  # fmt: skip
def test_what_a_link_says_is_checked(show_widgets, widget, query, state):
    page, trouble = show_widgets([widget], query="?" + "&".join(f"sampled-kl.{part}" for part in query.split("&")))
    assert_shows(page, widget, **state)
    assert trouble == []


def test_python_side(widget):
    x = digits(10)[0]
    widget.digit = 3
    with torch.no_grad():
        assert widget.exact == pytest.approx(model("vae").kl(None, *model("vae").enc(x[3:4])).item(), rel=1e-5)
    widget.prior = 1
    assert widget.exact is None
    for trait, value, limits in [
        ("prior", 2, "from 0 to 1"),
        ("digit", 10, "from 0 to 9"),
        ("samples", 0, "from 1 to 100"),
        ("seed", -1, "from 0 to"),
    ]:
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be a number {limits}.*given {value}"):
            setattr(widget, trait, value)


def test_bad_input_is_refused():
    x, labels = digits(10)
    for other in (model("autoencoder-2d"), vc.SSVAE(hidden=[8])):
        with pytest.raises(ValueError, match=f"wanted VAEs or GMVAEs.* given {type(other).__name__}"):
            SampledKl({"a": model("vae"), "b": other}, x, labels)
    with pytest.raises(ValueError, match="at least one; given none"):
        SampledKl({}, x, labels)
    with pytest.raises(ValueError, match="given 10 images and 9 labels"):
        SampledKl({"a": model("vae")}, x, labels[:9])
    with pytest.raises(ValueError, match="wanted 1 to 100 binary digits"):
        SampledKl({"a": model("vae")}, 0.5 * x, labels)
