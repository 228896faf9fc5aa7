"""The sweep over models in a browser, against PyTorch."""

import copy
import math

import numpy as np
import pytest
import torch
import traitlets
from widget_examples import digits, model
from widget_pages import control, ink, number, press, wait_for_frame

import vae_core as vc
from vae_widgets import Sweep
from vae_widgets.base import FOLDER

PIXEL = 0.5 / 255 + 1e-3  # a picture's ink comes in steps of 1/255
NAMES = {"two": "vae-2d", "ten": "vae", "mixture": "gmvae"}


@pytest.fixture
def models():
    return {label: model(name) for label, name in NAMES.items()}


@pytest.fixture
def sweep(models):
    return Sweep(models, *digits(200))


def rounded(net):
    """The decoder with its weights as int8 has them."""
    net = copy.deepcopy(net)
    with torch.no_grad():
        for layer in (net.first, *(layer for layer in net.rest if isinstance(layer, torch.nn.Linear))):
            scale = layer.weight.abs().amax(1, keepdim=True) / 127
            layer.weight.copy_((layer.weight / scale).round() * scale)
    return net


def noise(page, seed, z_dim):
    """The engine's draws: (10, z_dim) normals, and after them 6 uniforms."""
    call = """async ([source, seed, n]) => {
        const url = URL.createObjectURL(new Blob([source, "\\nexport { engine };"], { type: "text/javascript" }));
        const draws = (await import(url)).engine.normals(seed);
        return [[...draws.fill(new Float32Array(n))], Array.from({ length: 6 }, draws.uniform)];
    }"""
    eps, u = page.evaluate(call, [(FOLDER / "engine.js").read_text(encoding="utf-8"), seed, 10 * z_dim])
    return torch.tensor(eps).reshape(10, z_dim), u


@torch.no_grad()
def expected(page, vae, x, seed, longest=10):
    """What a model draws: four times the digit rebuilt, six times from the prior."""
    eps, u = noise(page, seed, longest)
    m, v = vae.enc(x)
    eps = eps[:, :vae.z_dim]  # every model takes the first of the same numbers
    z = torch.cat([m + v.sqrt() * eps[:4], eps[4:]])
    if isinstance(vae, vc.GMVAE):
        prior_m, prior_v = (t[0][[math.floor(part * vae.k) for part in u]] for t in vae.z_prior)
        z[4:] = prior_m + prior_v.sqrt() * eps[4:]
    return rounded(vae.dec)(z).sigmoid().numpy()


def assert_shows(page, models, index, x, seed=0, longest=10):
    """The pictures, of the model and in the overview, and the slider."""
    pictures = [expected(page, vae, x, seed, longest) for vae in models.values()]
    shown = page.locator(".vw-sweep-draws canvas")
    assert np.abs(np.array([ink(shown.nth(n), "xpath=.") for n in range(10)]) - pictures[index]).max() <= PIXEL
    columns = page.locator(".vw-sweep-model")
    assert np.array_equal(ink(columns.first), x.numpy())
    for i, wanted in enumerate(pictures):
        for n, of in ((0, 0), (1, 4)):
            assert np.abs(ink(columns.nth(i + 1).locator("canvas").nth(n), "xpath=.") - wanted[of]).max() <= PIXEL
    chosen = columns.evaluate_all("(all) => all.map((e) => e.classList.contains('chosen'))")
    assert chosen == [False, *(i == index for i in range(len(models)))]
    assert control(page, "index").get_attribute("aria-valuetext") == list(models)[index]


def image_of(label):
    x, labels = digits(200)
    return x[labels == label][0]


def test_it_is_drawn_before_anything_is_touched(show_widgets, sweep, models):
    page, trouble = show_widgets([sweep])
    assert_shows(page, models, 0, image_of(0))
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.startsWith('two: rate 4.07')")
    assert page.locator(".vw").get_by_text("Means over the 10,000 test images.").count() == 1
    assert trouble == []


def test_a_key_steps_through_the_models(show_widgets, sweep, models):
    page, trouble = show_widgets([sweep], width=360)
    for index, vae in enumerate(models.values()):
        if index:
            press(control(page, "index"), "ArrowRight")
        assert_shows(page, models, index, image_of(0))
        test = vae.description["results"]["test"]
        for key, stored in (("rate", "kl"), ("distortion", "rec"), ("nelbo", "nelbo")):
            assert number(page, key) == test[stored]
        assert number(page, "active") == vc.active_units(vae, digits(200)[0]).sum()
    assert trouble == []


def test_a_click_on_a_model_chooses_it(show_widgets, sweep):
    page, trouble = show_widgets([sweep])
    page.locator(".vw-sweep-model canvas").nth(4).click()  # after the original and two of the first model
    wait_for_frame(page)
    assert control(page, "index").input_value() == "1"
    assert trouble == []


def test_digits_noise_and_reset(show_widgets, sweep, models):
    page, trouble = show_widgets([sweep])
    press(control(page, "digit").nth(1), "ArrowRight")
    press(page.get_by_role("button", name="New noise"), "Enter")
    press(control(page, "index"), "End")
    assert_shows(page, models, 2, image_of(2), seed=1)
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert_shows(page, models, 0, image_of(0))
    assert trouble == []


def test_the_plot_marks_the_model(show_widgets, sweep, models):
    page, trouble = show_widgets([sweep], query="?sweep.index=1&sweep.digit=4&sweep.seed=7")
    assert_shows(page, models, 1, image_of(4), seed=7)
    plot = page.locator(".vw svg")
    ten = sweep.measured[1]
    words = f"ten has rate {ten['rate']:.2f} and distortion {ten['distortion']:.2f} nats"
    assert words in plot.get_attribute("aria-label")
    places = "(all) => all.map((e) => ['cx', 'cy'].map((name) => +e.getAttribute(name)))"
    *points, ring = plot.locator("circle").evaluate_all(places)
    assert ring == points[1]
    # Places in the plot are linear in the numbers, the distortion upwards.
    tests = [vae.description["results"]["test"] for vae in models.values()]
    for axis, key in ((0, "kl"), (1, "rec")):
        a, b, c = (test[key] for test in tests)
        p, q, r = (point[axis] for point in points)
        assert (q - p) / (r - p) == pytest.approx((b - a) / (c - a), abs=1e-6)
    assert points[1][0] > points[0][0] and points[1][1] > points[0][1]
    # Along each grey line the NELBO is what is written on it.
    per_nat = [(points[1][axis] - points[0][axis]) / (tests[1][key] - tests[0][key])
               for axis, key in ((0, "kl"), (1, "rec"))]
    lines = plot.locator("g line").evaluate_all(
        "(all) => all.map((e) => ['x1', 'y1', 'x2', 'y2'].map((name) => +e.getAttribute(name)))")
    totals = [tests[0]["kl"] + (x - points[0][0]) / per_nat[0] + tests[0]["rec"] + (y - points[0][1]) / per_nat[1]
              for x1, y1, x2, y2 in lines for x, y in ((x1, y1), (x2, y2))]
    assert len(lines) > 3 and totals[::2] == pytest.approx(totals[1::2], abs=1e-6)
    written = plot.locator("g text[text-anchor=middle]").all_text_contents()
    assert {float(text) for text in written} <= {round(total, 6) for total in totals} and len(written) >= 3
    assert trouble == []


def test_models_without_results_are_measured(show_widgets):
    torch.manual_seed(0)
    x, labels = digits(200)
    models = {"a": vc.VAE(z_dim=3, hidden=[20]), "b": vc.VAE(z_dim=60, hidden=[20], beta=4.0), "vae": model("vae")}
    w = Sweep(models, x, labels, index=1)
    page, trouble = show_widgets([w])
    assert_shows(page, models, 1, image_of(0), longest=60)
    measured = vc.evaluate(models["b"], x)
    assert w.results == dict(rate=measured["kl"], distortion=measured["rec"], nelbo=measured["nelbo"], z_dim=60,
                             active=vc.active_units(models["b"], x).sum())
    assert number(page, "nelbo") == measured["nelbo"]
    assert number(page, "nelbo") == pytest.approx(number(page, "rate") + number(page, "distortion"))
    assert page.locator(".vw").get_by_text("Means over 200 images.").count() == 1
    # One of them had results, but others are compared on the same images.
    assert w.measured[2]["nelbo"] != model("vae").description["results"]["test"]["nelbo"]
    assert trouble == []


def test_int8_is_good_enough_for_pictures():
    torch.manual_seed(0)
    for name in NAMES.values():
        with torch.no_grad():
            z = vc.sample_gaussian(*model(name).enc(digits(200)[0]))
            difference = (rounded(model(name).dec)(z).sigmoid() - model(name).dec(z).sigmoid()).abs()
        assert difference.mean() < 2 / 255


def test_python_side(sweep):
    assert sweep.model is model("vae-2d")
    sweep.index = 2
    assert sweep.model is model("gmvae")
    assert sweep.results["rate"] == model("gmvae").description["results"]["test"]["kl"]
    assert list(sweep.labels) == list(range(10))
    for trait, value in [("index", 3), ("digit", 10), ("seed", -1)]:
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be"):
            setattr(sweep, trait, value)
    x, labels = digits(200)
    two = {"a": model(), "b": model("vae")}
    with pytest.raises(ValueError, match="at least two models to step through; given 1"):
        Sweep({"a": model()}, x, labels)
    with pytest.raises(ValueError, match="'b' is of type Autoencoder"):
        Sweep({"a": model(), "b": model("autoencoder-2d")}, x, labels)
    with pytest.raises(ValueError, match="'b' is of type SSVAE"):
        Sweep({"a": model(), "b": vc.SSVAE(hidden=[8])}, x, labels)
    with pytest.raises(ValueError, match="given 200 images and 10 labels"):
        Sweep(two, x, labels[:10])
    with pytest.raises(ValueError, match="wanted 1 to 100 binary digits"):
        Sweep(two, x * 0.5, labels)
