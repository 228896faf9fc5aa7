"""The traversal of the latents in a browser, against PyTorch."""

from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import torch
import traitlets
from widget_examples import digits, model
from widget_pages import control, ink, inks, number, press, wait_for_frame

import vae_core as vc
from vae_widgets import LatentTraversal, latent_traversal

PIXEL = 0.5 / 255 + 1e-4  # a picture's ink comes in steps of 1/255
NATS = 0.01


@pytest.fixture
def traversal():
    return LatentTraversal(model("vae"), *digits(200))


def state(page):
    """The widget's traits, from its link."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(page.get_by_role("button", name="Copy link"), "Enter")
    page.get_by_role("status").get_by_text("Copied.").wait_for()
    query = parse_qs(urlsplit(page.evaluate("navigator.clipboard.readText()")).query)
    found = {name.split(".")[1]: [float(part) for part in value[0].split(",")] for name, value in query.items()}
    return {name: value if name == "z" else int(value[0]) for name, value in found.items()}


@torch.no_grad()
def assert_shows(page, vae, z, dimension, x=None):
    """The pictures and the numbers are those of z, and the sliders stand there."""
    z = torch.tensor(z)
    logits = vae.dec(z)
    assert np.abs(ink(page) - logits.sigmoid().numpy()).max() <= PIXEL
    if isinstance(vae, vc.VAE):
        assert number(page, "log_p") == pytest.approx(vae.log_prior(z).item(), abs=NATS)
    if x is not None:
        assert number(page, "rec") == pytest.approx(-vc.log_bernoulli_with_logits(x, logits).item(), abs=NATS)
        assert np.array_equal(ink(page, ".vw-pair figure:nth-child(2) canvas"), x.numpy())
    first = control(page, "z", 0)
    extent, step = (float(first.get_attribute(name)) for name in ("max", "step"))
    for i in range(len(z)):
        assert float(control(page, "z", i).input_value()) == pytest.approx(z[i].item(), abs=0.51 * step)
    along = z.repeat(9, 1)
    along[:, dimension] = torch.linspace(-0.75, 0.75, 9) * extent
    strip = inks(page, ".vw-strip > span canvas")
    assert np.abs(strip - vae.dec(along).sigmoid().numpy()).max() <= PIXEL
    assert page.locator("[data-trait=dimension]:checked").get_attribute("value") == str(dimension)


def code(vae, x):
    with torch.no_grad():
        found = vae.enc(x)
    return (found[0] if isinstance(found, tuple) else found).tolist()


@pytest.mark.parametrize("name", ["vae", "vae-2d", "gmvae", "autoencoder-2d"])
def test_it_is_drawn_before_anything_is_touched(show_widgets, name):
    x, labels = digits(200)
    w = LatentTraversal(model(name), x, labels)
    page, trouble = show_widgets([w])
    zero = x[labels == 0][0]
    assert w.z == pytest.approx(code(model(name), zero), abs=0.001)
    assert_shows(page, model(name), w.z, w.dimension, zero)
    assert page.get_by_role("button", name="Draw z from the prior").count() == (name != "autoencoder-2d")
    assert trouble == []


def test_keys_move_the_sliders_and_the_strip_runs_along_the_one_in_use(show_widgets, traversal):
    page, trouble = show_widgets([traversal])
    x = digits(200)[0][digits(200)[1] == 0][0]
    for i, key in [(3, "End"), (0, "Home"), (9, "ArrowRight")]:
        press(control(page, "z", i), key)
        now = state(page)
        assert now["dimension"] == i and now["z"][i] == {"End": 4, "Home": -4}.get(key, now["z"][i])
        assert_shows(page, model("vae"), now["z"], i, x)
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.startsWith('z₁₀ = ')")
    # A slider that is come to is the one in use; and so is one that is chosen.
    control(page, "z", 3).focus()
    wait_for_frame(page)
    assert state(page)["dimension"] == 3
    press(page.locator("[data-trait=dimension]:checked"), "ArrowDown")
    assert state(page)["dimension"] == traversal.order[traversal.order.index(3) + 1]
    assert trouble == []


def test_a_click_on_the_strip_sets_its_value(show_widgets, traversal):
    page, trouble = show_widgets([traversal])
    dimension, z = traversal.dimension, list(traversal.z)
    marks = []
    for n in (8, 1):
        page.locator(".vw-strip canvas").nth(n).click()
        wait_for_frame(page)
        z[dimension] = (n - 4) * 0.75
        assert_shows(page, model("vae"), z, dimension)
        cells = f"span:nth-child({n + 1})", ".vw-marker"
        box, mark = (page.locator(f".vw-strip > {part}").bounding_box() for part in cells)
        marks.append(mark["x"] + mark["width"] / 2 - box["x"] - box["width"] / 2)
    assert marks == pytest.approx([0, 0], abs=1)  # below the picture
    assert trouble == []


@pytest.mark.parametrize("name", ["vae", "gmvae", "autoencoder-2d"])
def test_it_starts_from_a_digit(show_widgets, name):
    x, labels = digits(200)
    w = LatentTraversal(model(name), x, labels, digit=6)
    page, trouble = show_widgets([w], width=360)
    press(control(page, "digit").nth(6), "ArrowRight")
    seven, now = x[labels == 7][0], state(page)
    assert now["digit"] == 7 and now["z"] == pytest.approx(code(model(name), seven), abs=0.001)
    assert_shows(page, model(name), now["z"], w.dimension, seven)
    # From anywhere, a click on the digit leads back to its code.
    press(control(page, "z", 1), "End")
    assert state(page)["z"] != now["z"]
    page.locator(".vw-digits label").nth(7).click()
    wait_for_frame(page)
    assert state(page)["z"] == now["z"]
    assert trouble == []


def test_q_is_shown_under_the_sliders(show_widgets, traversal):
    page, trouble = show_widgets([traversal])
    with torch.no_grad():
        m, v = model("vae").enc(digits(200)[0][digits(200)[1] == 0][0])
    for n, i in enumerate(traversal.order):
        band = page.locator(".vw-band span").nth(n)
        track = band.locator("..").bounding_box()
        left, right = (track["x"] + track["width"] * (0.5 + (m[i] + side * v[i].sqrt()).item() / 8) for side in (-2, 2))
        box = band.bounding_box()
        assert [box["x"], box["x"] + box["width"]] == pytest.approx([left, right], abs=0.5)
    press(page.get_by_role("button", name="Draw z from the prior"), "Enter")
    assert page.locator(".vw-band span:visible").count() == 0
    assert trouble == []


@pytest.mark.parametrize("name", ["vae", "gmvae"])
def test_a_seed_draws_z_from_the_prior(show_widgets, name):
    w = LatentTraversal(model(name), *digits(200))
    page, trouble = show_widgets([w])
    draws = []
    for seed in (1, 2):
        press(page.get_by_role("button", name="Draw z from the prior"), "Enter")
        draws.append(state(page))
        assert (draws[-1]["seed"], draws[-1]["digit"]) == (seed, -1)
        assert_shows(page, model(name), draws[-1]["z"], w.dimension)
        assert np.isnan(number(page, "rec")) and not page.locator(".vw-pair figure").nth(1).is_visible()
    assert draws[0]["z"] != draws[1]["z"]
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert state(page) == dict(seed=0, digit=0, dimension=w.dimension, z=w.z)
    press(page.get_by_role("button", name="Draw z from the prior"), "Enter")
    assert state(page) == draws[0]
    assert trouble == []


def test_draws_have_the_prior_s_moments(show_widgets):
    # Under a mixture of two far components, a draw is near one of them; all have their share.
    torch.manual_seed(0)
    gmvae = vc.GMVAE(z_dim=3, hidden=[8], k=2)
    with torch.no_grad():
        gmvae.z_pre[0] = torch.tensor([[-5.0] * 3, [5.0] * 3, [-4.0] * 3, [-4.0] * 3])
    page, trouble = show_widgets([LatentTraversal(gmvae)])
    draw = page.get_by_role("button", name="Draw z from the prior")
    found = []
    for _ in range(12):
        press(draw, "Enter")
        found.append(state(page)["z"])
    found = torch.tensor(found)
    assert ((found.abs() - 5).abs() < 1).all() and (found[:, 0].sign() == found[:, 2].sign()).all()
    assert 0 < (found[:, 0] > 0).sum() < 12
    assert trouble == []


def test_many_latents_in_a_box_that_scrolls(show_widgets):
    torch.manual_seed(0)
    wide = vc.VAE(z_dim=50, hidden=[30])
    x, labels = digits(200)
    w = LatentTraversal(wide, x, labels)
    page, trouble = show_widgets([w], width=360)
    assert_shows(page, wide, w.z, w.dimension, x[labels == 0][0])
    press(control(page, "z", w.order[-1]), "End")
    assert_shows(page, wide, state(page)["z"], w.order[-1])
    box = page.locator(".vw-latents").bounding_box()
    assert box["height"] < 360 and box["x"] + box["width"] <= 360
    columns = {control(page, "z", i).bounding_box()["x"] for i in range(50)}
    assert len(columns) == 2
    assert trouble == []


def test_on_a_phone_the_picture_stays_in_view(show_widgets, traversal):
    page, trouble = show_widgets([traversal], width=360, touch=True)
    page.set_viewport_size({"width": 360, "height": 640})
    last = control(page, "z", traversal.order[-1])
    last.scroll_into_view_if_needed()
    press(last, "End")
    picture, slider = page.locator("canvas.vw-digit").first.bounding_box(), last.bounding_box()
    assert picture["y"] >= 0 and picture["y"] + picture["height"] < slider["y"] < 640
    assert trouble == []


def test_without_digits(show_widgets):
    w = LatentTraversal(model("vae"))
    page, trouble = show_widgets([w])
    assert w.order == list(range(10)) and w.nats == [] and w.codes_m == b""
    assert_shows(page, model("vae"), [0.0] * 10, 0)
    assert page.locator("[data-key=rec], [data-trait=digit], .vw-latent small").count() == 0
    press(control(page, "z", 5), "PageUp")
    assert_shows(page, model("vae"), state(page)["z"], 5)
    assert trouble == []


def test_a_link(show_widgets, traversal):
    z = [0.5, -1.25, *[0.0] * 8]
    query = f"?traversal.z={','.join(map(str, z))}&traversal.dimension=1&traversal.digit=4&traversal.seed=9"
    page, trouble = show_widgets([traversal], query=query)
    x, labels = digits(200)
    assert_shows(page, model("vae"), z, 1, x[labels == 4][0])
    assert state(page) == dict(z=z, dimension=1, digit=4, seed=9)
    assert trouble == []


@pytest.mark.parametrize("query", ["z=1,2 dimension=10 digit=11 seed=-1", f"z={'9,' * 9}9 dimension=0.5 digit=x"])
def test_what_a_link_says_is_checked(show_widgets, traversal, query):
    page, trouble = show_widgets([traversal], query="?" + "&".join(f"traversal.{part}" for part in query.split()))
    assert state(page) == dict(z=traversal.z, dimension=traversal.dimension, digit=0, seed=0)
    assert trouble == []


def test_latents_are_ordered_by_their_kl():
    x, labels = digits(200)
    w = LatentTraversal(model("vae"), x, labels)
    with torch.no_grad():
        kl = vc.kl_normal(*model("vae").enc(x), torch.zeros(10), torch.ones(10)).mean()
    assert sum(w.nats) == pytest.approx(kl.item(), abs=1e-3)
    assert [w.nats[i] for i in w.order] == sorted(w.nats, reverse=True) and w.dimension == w.order[0]
    # Under a mixture whose components are all N(0, I), one sample an image estimates the same.
    torch.manual_seed(0)
    plain = vc.VAE(z_dim=3, hidden=[20])
    with torch.no_grad():
        plain.enc.rest[-1].bias[:3] = torch.tensor([2.0, 0.0, 1.0])
    mixture = vc.GMVAE(z_dim=3, hidden=[20], k=5)
    mixture.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        mixture.z_pre[:, :5], mixture.z_pre[:, 5:] = 0, float(np.log(np.e - 1))
    exact, sampled = (LatentTraversal(m, x, labels) for m in (plain, mixture))
    assert exact.order == sampled.order == [0, 2, 1]
    assert sampled.nats == pytest.approx(exact.nats, abs=0.3)


def test_python_side():
    x, labels = digits(200)
    w = LatentTraversal(model("vae"), x, labels, z=[1.0] * 10, digit=3)
    assert w.z == [1.0] * 10  # what is given is given
    w.digit = 5
    five = x[labels == 5][0]
    assert w.z == pytest.approx(code(model("vae"), five), abs=0.001)
    w.digit = -1
    assert w.z == pytest.approx(code(model("vae"), five), abs=0.001)
    w.z = [0.5] * 10
    with torch.no_grad():
        assert torch.equal(w.image, model("vae").dec(torch.full((10,), 0.5)).sigmoid().reshape(28, 28))
    # A front end sends the digit and the z that it wants with it.
    w.set_state({"digit": 2, "z": [0.25] * 10})
    assert (w.digit, w.z) == (2, [0.25] * 10)
    bad = dict(z=([0.0] * 9, [4.5] * 10), dimension=(10, -1), digit=(10, -2), seed=(-1,))
    for trait, value in [(trait, value) for trait, values in bad.items() for value in values]:
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be"):
            setattr(w, trait, value)
    few = LatentTraversal(model("vae"), x[:4], labels[:4])
    assert list(few.labels) == labels[:4].tolist()  # all of a few, the first of each class of many
    assert list(w.labels) == list(range(10))


def test_a_mixture_of_one_component_has_a_spread():
    mixture = vc.GMVAE(z_dim=2, hidden=[8], k=1)
    assert latent_traversal.prior_spread(mixture) == pytest.approx(mixture.z_prior[1].max().sqrt().item())


def test_bad_input_is_refused():
    x, labels = digits(200)
    with pytest.raises(ValueError, match="wanted a VAE, GMVAE or Autoencoder; given SSVAE"):
        LatentTraversal(vc.SSVAE(hidden=[8]))
    with pytest.raises(ValueError, match="given 200 images and no labels"):
        LatentTraversal(model("vae"), x)
    with pytest.raises(ValueError, match="given 200 images and 10 labels"):
        LatentTraversal(model("vae"), x, labels[:10])
    with pytest.raises(ValueError, match=r"binary digits .* from 0 to 0\.5"):
        LatentTraversal(model("vae"), x * 0.5, labels)
