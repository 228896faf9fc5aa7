"""The latent plane in a browser, against PyTorch."""

import re

import numpy as np
import pytest
import torch
import traitlets
import widget_examples as examples
from widget_pages import control, drag, ink, number, picture, press, wait_until_ready

import vae_core as vc
from vae_widgets import LatentPlane

PIXEL = 0.5 / 255 + 1e-4  # a picture's ink comes in steps of 1/255
NATS = 0.01


@pytest.fixture(scope="module")
def model():
    return examples.model()


@pytest.fixture(scope="module")
def digits():
    return examples.digits(300)


@pytest.fixture
def plane(model, digits):
    return LatentPlane(model, *digits)


def assert_shows(page, model, z, x=None):
    """The picture and the numbers are those of z, and the sliders stand there."""
    z = torch.tensor(z, dtype=torch.float32)
    with torch.no_grad():
        expected = model.dec(z).sigmoid()
    assert np.abs(ink(page) - expected.numpy()).max() <= PIXEL
    assert number(page, "log_p") == pytest.approx(vc.log_normal(z, torch.zeros(2), torch.ones(2)).item(), abs=NATS)
    if x is not None:
        with torch.no_grad():
            log_q = vc.log_mean_exp(vc.log_normal(z, *model.enc(x)), 0)
        assert number(page, "log_q") == pytest.approx(log_q.item(), abs=NATS)
    for i in range(2):
        assert float(control(page, "z", i).input_value()) == pytest.approx(z[i].item(), abs=0.026)  # half a step


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_drawn_before_anything_is_touched(show_widgets, plane, model, digits, theme):
    page, trouble = show_widgets([plane], theme=theme)
    assert_shows(page, model, [0, 0], digits[0])
    blank = "(canvas) => !canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    assert not page.locator("canvas.vw-plane").evaluate(blank)
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.startsWith('z = (0.00, 0.00)')")
    assert trouble == []


def test_densities_can_be_left_out(show_widgets, model, digits):
    """For readers who have not met them, in words, numbers and boxes."""
    page, trouble = show_widgets([LatentPlane(model, *digits, densities=False)])
    said = "The place is 0.00 across, 0.00 up"
    page.wait_for_function(f"document.querySelector('.vw p[aria-live]').textContent === '{said}'")
    assert page.locator("[data-trait=points], [data-trait=digits]").count() == 2
    assert page.locator("[data-trait=prior], [data-trait=codes], output[data-key]").count() == 0
    words = page.locator(".vw").inner_text()
    assert not any(word in words for word in ("log", "prior", "density", "p(z)", "q(z)"))
    before = picture(page, "canvas.vw-plane")
    press(control(page, "digits"), "Space")
    assert picture(page, "canvas.vw-plane") != before
    assert trouble == []


def test_keys_move_the_sliders(show_widgets, plane, model, digits):
    page, trouble = show_widgets([plane])
    press(control(page, "z", 0), *["ArrowRight"] * 3, "PageUp")
    z1 = float(control(page, "z", 0).input_value())
    assert z1 > 0.3
    assert_shows(page, model, [z1, 0], digits[0])
    press(control(page, "z", 1), "End")
    assert_shows(page, model, [z1, 3.5], digits[0])
    press(control(page, "z", 1), "Home", "ArrowUp")
    assert_shows(page, model, [z1, -3.45], digits[0])
    assert f"({z1:.2f}, −3.45)" in page.locator("canvas.vw-plane").get_attribute("aria-label")
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.includes('−3.45')")
    assert trouble == []


@pytest.mark.parametrize("trait", ["points", "codes", "prior", "digits"])
def test_a_key_switches_a_layer_on_and_off(show_widgets, plane, trait):
    page, trouble = show_widgets([plane])
    box = control(page, trait)
    before, was_on = picture(page, "canvas.vw-plane"), box.is_checked()
    press(box, "Space")
    assert picture(page, "canvas.vw-plane") != before and box.is_checked() != was_on
    press(box, "Space")
    assert picture(page, "canvas.vw-plane") == before and box.is_checked() == was_on
    assert trouble == []


def test_a_part_of_a_pixel_enlarges_nothing(show_widgets, plane):
    """Or the picture would change with the page's first layout, after it is drawn."""
    page, _ = show_widgets([plane])
    canvas = page.locator("canvas.vw-plane")
    assert canvas.bounding_box()["width"] % 1 > 0.1
    assert canvas.evaluate("(canvas) => canvas.getContext('2d').getTransform().a") == 1


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "finger"])
def test_dragging_over_the_plane(show_widgets, plane, model, digits, touch):
    page, trouble = show_widgets([plane], width=360 if touch else 1280, touch=touch)
    page.locator("canvas.vw-plane").scroll_into_view_if_needed()
    box = page.locator("canvas.vw-plane").bounding_box()

    def at(z1, z2):
        return box["x"] + (z1 + 3.5) / 7 * box["width"], box["y"] + (3.5 - z2) / 7 * box["height"]

    drag(page, [at(0, 0), at(1, -0.5), at(-1.6, 2.1)], touch)
    z = [float(control(page, "z", i).input_value()) for i in range(2)]
    assert z == pytest.approx([-1.6, 2.1], abs=0.06)  # half a step of the slider and half a pixel
    shown = page.locator("canvas.vw-digit").get_attribute("aria-label")  # with both digits
    z = [float(part.replace("−", "-")) for part in re.search(r"\((.+), (.+)\)", shown).groups()]
    assert_shows(page, model, z, digits[0])
    # Beyond the edge it stays on the plane.
    drag(page, [at(0, 0), (box["x"] + 1, box["y"] - 30)], touch)
    assert float(control(page, "z", 1).input_value()) == 3.5
    assert trouble == []


def test_reset(show_widgets, model, digits):
    page, trouble = show_widgets([LatentPlane(model, *digits, z=[1.0, -0.5], codes=True)])
    press(control(page, "z", 0), "End")
    press(control(page, "codes"), "Space")
    press(control(page, "points"), "Space")
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert_shows(page, model, [1.0, -0.5], digits[0])
    assert control(page, "codes").is_checked() and control(page, "points").is_checked()
    assert trouble == []


def test_a_link_carries_the_state(show_widgets, plane, model):
    page, trouble = show_widgets([plane])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(control(page, "z", 0), "Home", "ArrowRight")
    press(control(page, "digits"), "Space")
    press(page.get_by_role("button", name="Copy link"), "Enter")
    page.get_by_role("status").get_by_text("Copied.").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    before = picture(page, "canvas.vw-plane")
    page.goto("about:blank")
    page.goto(link)
    wait_until_ready(page)
    assert_shows(page, model, [-3.45, 0])
    assert picture(page, "canvas.vw-plane") == before
    assert trouble == []


@pytest.mark.parametrize(("query", "z", "points"), [
    ("?plane.z=1.25,-2&plane.points=false", [1.25, -2], False),
    ("?plane.z=1", [0, 0], True),
    ("?plane.z=1,2,3", [0, 0], True),
    ("?plane.z=9,0", [0, 0], True),
    ("?plane.z=NaN,0&plane.points=maybe", [0, 0], True),
    ("?plane.z=,&plane.points=", [0, 0], True),
    ("?other.z=1,2&plane.name=x&plane.decoder=x", [0, 0], True),
])  # fmt: skip
def test_what_a_link_says_is_checked(show_widgets, plane, model, query, z, points):
    page, trouble = show_widgets([plane], query=query)
    assert_shows(page, model, z)
    assert control(page, "points").is_checked() == points
    assert trouble == []


def test_an_autoencoder_has_no_density_of_codes(show_widgets, digits):
    model = vc.load_trained("autoencoder-2d")
    page, trouble = show_widgets([LatentPlane(model, *digits)])
    assert_shows(page, model, [0, 0])
    press(control(page, "z", 1), "ArrowUp")
    assert_shows(page, model, [0, 0.05])
    assert page.locator('[data-key="log_q"], [data-trait="codes"]').count() == 0
    assert trouble == []


def test_no_digits_at_all(show_widgets, model):
    page, trouble = show_widgets([LatentPlane(model)])
    assert_shows(page, model, [0, 0])
    assert page.locator('[data-key="log_q"], [data-trait="codes"], [data-trait="points"]').count() == 0
    assert trouble == []


def test_python_side(model, digits):
    w = LatentPlane(model, *digits)
    w.z = [1.0, -1.0]
    with torch.no_grad():
        assert torch.equal(w.image, model.dec(torch.tensor([1.0, -1.0])).sigmoid().reshape(28, 28))
    for z in (torch.tensor([1.0, -1.0], requires_grad=True), np.array([1.0, -1.0]), (1, -1)):
        w.z = [0.0, 0.0]
        w.z = z
        assert w.z == [1.0, -1.0] and LatentPlane(model, z=z).z == w.z
    with pytest.raises(traitlets.TraitError, match=r"given \[4\.0, 0\.0\]"):
        w.z = torch.tensor([4.0, 0.0])
    for z in ([4.0, 0.0], [0.0], [0.0, float("nan")]):
        with pytest.raises(traitlets.TraitError, match=r"z must be 2 numbers from -3\.5 to 3\.5; given"):
            w.z = z
    with pytest.raises(traitlets.TraitError):
        w.z = "middle"
    assert w.z == [1.0, -1.0]
    with pytest.raises(ValueError, match="two latents; given z_dim=10"):
        LatentPlane(vc.load_trained("vae"))
    for other in (vc.GMVAE(z_dim=2), vc.SSVAE(z_dim=2), model.dec):
        with pytest.raises(ValueError, match=f"a plane needs a VAE.* or an Autoencoder; given {type(other).__name__}"):
            LatentPlane(other)
    x, labels = digits
    assert LatentPlane(model, x.to(torch.uint8), labels.tolist()).codes_m == LatentPlane(model, x, labels).codes_m
    for bad, given in ((255 * x, "from 0 to 255"), (x / 2, "from 0 to 0.5"), (x[:, :100], r"\(300, 100\)")):
        with pytest.raises(ValueError, match=f"binary digits of shape .*given shape .*{given}"):
            LatentPlane(model, bad, labels)
    with pytest.raises(ValueError, match="given 300 images and no labels"):
        LatentPlane(model, digits[0])
    with pytest.raises(ValueError, match="given 300 images and 10 labels"):
        LatentPlane(model, digits[0], digits[1][:10])
