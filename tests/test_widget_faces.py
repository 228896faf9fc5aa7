"""The faces in a browser, against PyTorch."""

import numpy as np
import pytest
import torch
import traitlets
from widget_pages import control, number, picture, press

import vae_core as vc
from vae_widgets import Faces
from vae_widgets.faces import NOISE, face

PIXEL = 0.5 / 255 + 1e-4  # a picture's ink comes in steps of 1/255
NATS = 0.01
READ = "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 3)"


def ink(page, index):
    return np.array(page.locator("canvas").nth(index).evaluate(READ)) / 255


def wait_for_count(page, n):
    page.wait_for_function(f"document.querySelector('[data-key=faces]')?.dataset.value == {n**4}")


def marginals(page, n):
    bars = page.locator(".vw-over > svg rect").evaluate_all("(bars) => bars.map((bar) => +bar.dataset.value)")
    return np.array(bars).reshape(4, n)


def marks(page):
    """Where the photographed latents are marked, from 0 to 200."""
    lines = page.locator(".vw-over > svg line")
    return lines.evaluate_all("(lines) => lines.map((line) => +line.getAttribute('x1'))")


def on_the_grid(photo, n):
    """Settings of each latent, log p(photo | z) of every combination, log p(photo) and the posterior."""
    z = torch.cartesian_prod(*[torch.linspace(-2.5, 2.5, n)] * 4)
    log_prior = vc.log_normal(z, torch.zeros(4), torch.ones(4)).log_softmax(0)
    log_lik = vc.log_normal(photo, face(z), torch.tensor(NOISE**2))
    log_px = (log_lik + log_prior).logsumexp(0)
    return z, log_lik, log_px, (log_lik + log_prior - log_px).exp()


def assert_found(page, photo, n):
    wait_for_count(page, n)
    z, log_lik, log_px, posterior = on_the_grid(photo, n)
    best = posterior.argmax()
    assert number(page, "log_px") == pytest.approx(log_px.item(), abs=NATS)
    assert number(page, "best") == pytest.approx(log_lik[best].item(), abs=NATS)
    cube = posterior.reshape(n, n, n, n).double()
    expected = torch.stack([cube.sum([d for d in range(4) if d != latent]) for latent in range(4)])
    assert np.abs(marginals(page, n) - expected.numpy()).max() < 1e-3
    gathered = posterior.sort(descending=True).values.cumsum(0)
    assert abs(number(page, "needed") - int((gathered < 0.9).sum()) - 1) <= 1
    assert np.abs(ink(page, 2) - face(z[best : best + 1], 96)[0].numpy()).max() < PIXEL


def assert_mine(page, photo, z):
    z = torch.tensor([z])
    assert np.abs(ink(page, 0) - face(z, 96)[0].numpy()).max() < PIXEL
    log_lik = vc.log_normal(photo, face(z)[0], torch.tensor(NOISE**2))
    assert number(page, "mine") == pytest.approx(log_lik.item(), abs=NATS)


@pytest.fixture(scope="module")
def photo():
    noise = NOISE * torch.randn(576, generator=torch.Generator().manual_seed(5))
    return face(torch.tensor([[1.1, 1.3, -0.9, -0.6]]))[0] + noise


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_compares_all_faces_at_once(show_widgets, photo, theme):
    page, trouble = show_widgets([Faces(photo)], theme=theme)
    assert_mine(page, photo, [0.0] * 4)
    assert np.abs(ink(page, 1) - ((photo + 0.7) / 2.4).clamp(0, 1).numpy()).max() < PIXEL
    assert_found(page, photo, 11)
    assert [number(page, key) for key in ("n", "faces", "five", "ten", "switches")] == [11, 11**4, 11**5, 11**10, 1024]
    assert trouble == []


def test_each_latent_draws_as_in_python(show_widgets, photo):
    page, trouble = show_widgets([Faces(photo, n=2, answer=True)])
    z = [0.0] * 4
    for latent, key in enumerate(["End", "Home", "PageUp", "ArrowRight"]):
        press(control(page, "z", latent), key)
        z[latent] = float(control(page, "z", latent).input_value())
        assert abs(z[latent]) >= 0.1
        assert_mine(page, photo, z)
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.includes('light angle 2.5')")
    assert trouble == []


def test_the_number_of_settings(show_widgets, photo):
    page, trouble = show_widgets([Faces(photo, n=2, answer=True)])
    assert_found(page, photo, 2)
    press(control(page, "n"), "ArrowRight", "ArrowRight")
    assert_found(page, photo, 4)
    press(control(page, "n"), "End")
    assert_found(page, photo, 15)
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert_found(page, photo, 2)
    assert trouble == []


def test_photographs(show_widgets, photo):
    page, trouble = show_widgets([Faces(photo, n=9, answer=True)])
    wait_for_count(page, 9)
    for latent in range(4):
        press(control(page, "z", latent), "End")
    first = picture(page, "canvas >> nth=1")
    press(page.get_by_role("button", name="Photograph your face"), "Enter")
    mine = picture(page, "canvas >> nth=1")
    press(control(page, "reveal"), "Space")
    assert marks(page) == [200] * 4  # 2.5 of each
    # The photo, out of the clipped picture: near the face it was taken of.
    noise = 2.4 * ink(page, 1) - 0.7 - face(torch.full((1, 4), 2.5))[0].numpy()
    assert abs(noise.mean()) < 0.1 and noise.std() == pytest.approx(NOISE, abs=0.06)
    press(page.get_by_role("button", name="Photograph a stranger"), "Enter")
    assert not control(page, "reveal").is_checked()
    press(control(page, "reveal"), "Space")
    assert len({first, mine, picture(page, "canvas >> nth=1")}) == 3
    assert len(set(marks(page))) == 4 and all(0 <= x <= 200 for x in marks(page))
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert picture(page, "canvas >> nth=1") == first
    assert trouble == []


def test_a_link_carries_the_state(show_widgets, photo):
    query = "?faces.n=3&faces.z=1,-1,0.5,2&faces.reveal=true&faces.answer=true&faces.seed=-4"
    page, trouble = show_widgets([Faces(photo)], query=query)
    assert_mine(page, photo, [1, -1, 0.5, 2])
    assert_found(page, photo, 3)
    assert control(page, "reveal").is_checked()
    assert trouble == []


def test_python_side(photo):
    w = Faces(photo)
    w.z = [1.0, -1.0, 0.5, 2.0]
    assert torch.equal(w.image, face(torch.tensor([[1.0, -1.0, 0.5, 2.0]]), 96).reshape(96, 96))
    for trait, bad in (("n", 16), ("n", 1), ("z", [0.0] * 3), ("z", [3.0, 0, 0, 0]), ("truth", [float("nan")] * 4)):
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be .* from .* to .*; given"):
            setattr(w, trait, bad)
    for bad in (torch.zeros(784), torch.full((576,), float("nan"))):
        with pytest.raises(ValueError, match="a photo is 576 finite numbers; given shape"):
            Faces(bad)
