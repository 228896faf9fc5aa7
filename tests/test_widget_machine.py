"""The machine in a browser, against PyTorch; how it plays, stops and steps, and where its parts lead."""

import re
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
import traitlets
import widget_examples as examples
from playwright.sync_api import expect
from test_site import parsed
from widget_pages import control, drag, ink, number, press, wait_for_frame, wait_until_ready

import vae_core as vc
from vae_widgets import Machine

PIXEL = 0.5 / 255 + 1e-4  # a picture's ink comes in steps of 1/255
NATS = 0.01
LAST = 7
PAINTED, COST = ".painted canvas", ".cost canvas"


def machine(**traits):
    return Machine(examples.model(), *examples.digits(10), **{"play": False} | traits)


@torch.no_grad()
def assert_shows(page, widget, eps):
    """All numbers on the wires and both pictures are PyTorch's, for the widget's x and this noise."""
    net, x, eps = examples.model(), widget.x, torch.tensor(eps)
    m, v = (part[0] for part in net.encode(x[None]))
    z = m + v.sqrt() * eps
    logits = net.decode(z)
    price = -torch.distributions.Bernoulli(logits=logits).log_prob(x)
    kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(m, v.sqrt()), torch.distributions.Normal(0.0, 1.0)
    ).sum()
    for name, wanted in {"m": m, "v": v, "eps": eps, "z": z}.items():
        for i in range(2):
            assert number(page, f"{name}{i + 1}") == pytest.approx(wanted[i].item(), abs=1e-4), name
    assert number(page, "rec") == pytest.approx(price.sum().item(), abs=NATS)
    assert number(page, "kl") == pytest.approx(kl.item(), abs=NATS)
    assert number(page, "elbo") == pytest.approx(-(price.sum() + kl).item(), abs=NATS)
    assert np.abs(ink(page, PAINTED) - logits.sigmoid().numpy()).max() <= PIXEL
    assert np.abs(ink(page, COST) - (price / 2.5).clamp(max=1).numpy()).max() <= PIXEL


def step(page):
    return int(control(page, "step").input_value())


def test_the_numbers_are_pytorchs(show_widgets):
    widget = machine(digit=3, eps=[-1.25, 0.4])
    page, trouble = show_widgets([widget])
    assert_shows(page, widget, [-1.25, 0.4])
    expect(page.locator(".vw-machine-sheet.lit")).to_have_count(1)  # the decoder is there
    assert_shows(page, widget, [-1.25, 0.4])
    control(page, "digit").nth(8).check(force=True)
    wait_for_frame(page)
    widget.digit = 8
    assert_shows(page, widget, [-1.25, 0.4])
    press(page.get_by_role("button", name="New ε"), "Enter")
    eps = [number(page, f"eps{i}") for i in (1, 2)]
    assert eps != [-1.25, 0.4]
    assert_shows(page, widget, eps)
    assert trouble == []


def test_what_it_shows_first_needs_no_weights(show_widgets, tmp_path):
    """They may come later, or never; another digit needs them, and says so."""
    widget = machine()
    page, _ = show_widgets([widget])
    for file in tmp_path.glob("*.js"):
        if file.read_bytes()[:2] == b"\xff\xfe":  # weights, and no script
            file.unlink()
    page.reload()
    wait_until_ready(page)
    assert_shows(page, widget, widget.eps)
    control(page, "digit").nth(8).check(force=True)
    expect(page.locator(".vw-machine-says")).to_contain_text("The decoder could not be loaded")


def test_what_is_there_at_each_step(show_widgets):
    page, trouble = show_widgets([machine(step=0)], reduced_motion="reduce")
    seen = """() => [...document.querySelectorAll(".vw-machine :not(canvas).lit")].map((e) => e.classList[0]).sort()"""
    there = {"x"}
    assert set(page.evaluate(seen)) == there
    told = set()
    for new in (["encoder", "code"], ["noise"], ["plane"], ["decoder", "painted"], ["cost", "rec"], ["kl"], ["elbo"]):
        press(control(page, "step"), "ArrowRight")
        there |= {*new}
        assert set(page.evaluate(seen)) == there
        told.add(page.locator(".vw-machine-says").inner_text())
        expect(page.locator(".vw p[aria-live]")).to_contain_text(page.locator(".vw-machine-says").inner_text())
    assert len(told) == LAST
    assert trouble == []


def test_it_plays_by_itself_until_touched(show_widgets):
    page, trouble = show_widgets([machine(play=True)])
    play = page.get_by_role("button", name="Play")
    page.wait_for_function("+document.querySelector('[data-trait=step]').value === 1")  # from the beginning
    expect(page.locator(".code.lit")).to_have_count(1)
    page.locator(".vw-machine .plane svg").click()
    expect(play).to_have_count(1)
    stood = step(page)
    page.wait_for_timeout(2700)  # each step has less
    assert step(page) == stood
    play.click()
    page.wait_for_function(f"+document.querySelector('[data-trait=step]').value > {stood}")
    page.get_by_role("button", name="Copy link").press("ArrowLeft")
    expect(play).to_have_count(1)
    assert trouble == []


def test_it_stands_still_where_motion_is_unwelcome(show_widgets):
    page, trouble = show_widgets([machine(play=True)], reduced_motion="reduce")
    page.wait_for_timeout(2500)
    assert step(page) == LAST
    assert page.get_by_role("button", name=re.compile("Play|Pause")).count() == 0
    press(page.get_by_role("button", name="Copy link"), "ArrowLeft")
    assert step(page) == LAST - 1
    assert trouble == []


def test_the_arrow_keys_step(show_widgets):
    page, trouble = show_widgets([machine(step=2)])
    copy = page.get_by_role("button", name="Copy link")
    press(copy, "ArrowRight", "ArrowRight")
    assert step(page) == 4
    press(copy, *["ArrowLeft"] * 5)
    assert step(page) == 0
    press(copy, *["ArrowRight"] * 9)
    assert step(page) == LAST
    press(control(page, "digit").first, "ArrowRight")  # has a use for it
    assert step(page) == LAST and control(page, "digit").nth(1).is_checked()
    assert trouble == []


def test_a_drawing_goes_through(show_widgets):
    widget = machine(eps=[0.5, -1.0])
    page, trouble = show_widgets([widget])
    box = page.locator(".vw-machine-paper").bounding_box()
    seven = [(0.3, 0.2), (0.7, 0.2), (0.4, 0.85)]
    drag(page, [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in seven])
    label = page.locator(".vw-machine-paper")
    expect(label).to_have_attribute("aria-label", re.compile("^Your drawing"))
    page.wait_for_function("history.state?.widgets?.machine?.pixels")
    widget.pixels = page.evaluate("history.state.widgets.machine.pixels")
    assert 30 < widget.x.sum() < 200
    assert_shows(page, widget, [0.5, -1.0])
    press(page.get_by_role("button", name="Clear"), "Enter")
    expect(label).to_have_attribute("aria-label", re.compile("^An empty image"))
    assert trouble == []


def test_a_reader_s_own_model_goes_in(show_widgets):
    from test_use_model import use

    torch.manual_seed(3)
    own, widget = vc.VAE(z_dim=2, hidden=(32,)).eval(), machine()
    page, trouble = show_widgets([widget])
    use(page, own)
    page.locator(".vw-adopted").wait_for()
    with torch.no_grad():
        m, v = own.enc(widget.x)
        rec = -vc.log_bernoulli_with_logits(widget.x, own.dec(m + v.sqrt() * torch.tensor(widget.eps))).item()
    page.wait_for_function("document.querySelector('[data-key=rec]')?.dataset.value")
    assert number(page, "rec") == pytest.approx(rec, abs=NATS)
    assert trouble == []


def test_its_parts_lead_to_what_exists(open_page, site):
    page, trouble = open_page("book/index", reduced_motion="reduce")
    links = page.locator(".vw-machine a")
    found = links.evaluate_all("(all) => all.map((link) => link.getAttribute('href'))")
    assert len(found) > 7 and all(page.locator(f".vw-machine a[href='{href}']").first.inner_text() for href in found)
    for href in found:
        path, section = urlsplit(href).path, urlsplit(href).fragment
        assert parsed(site / "book" / path).find(id=section), href
    # Whatever has the focus or nothing: the keys step, and code is above it neither shown nor folded.
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"+document.querySelector('[data-trait=step]').value === {LAST - 1}")
    top = page.locator("#machine").bounding_box()["y"]
    above = (
        page.locator("article")
        .locator("pre, summary, .code-switch")
        .evaluate_all(
            "(all, top) => all.filter((e) => e.checkVisibility() && e.getBoundingClientRect().top < top).length", top
        )
    )
    assert above == 0
    assert trouble == []


@pytest.mark.parametrize(
    ("width", "height"), [(360, 800), (375, 812), (390, 844), (412, 915), (1440, 900), (1920, 1080)]
)
def test_all_of_it_stands_on_the_first_screen(open_page, width, height):
    page, _ = open_page("book/index", width=width)
    box = page.locator(".vw-machine").bounding_box()  # from the digit down to the bars
    assert box["y"] > 0 and box["y"] + box["height"] <= height


def test_in_jupyter_its_parts_lead_to_notebooks(show_widgets):
    page, _ = show_widgets([machine(links={"encoder": "3_vae#the-model-three-densities", "kl": "2_jensen_elbo"})])
    links = page.locator(".vw-machine a").evaluate_all("(all) => all.map((a) => [a.getAttribute('href'), a.target])")
    assert links == [["3_vae.ipynb", "_blank"], ["2_jensen_elbo.ipynb", "_blank"]]


def test_python_side():
    net, (x, labels) = examples.model(), examples.digits(10)
    widget = machine(digit=2, eps=[1.0, -0.5])
    with torch.no_grad():
        m, v = (part[0] for part in net.encode(x[2:3]))
        z = m + v.sqrt() * torch.tensor([1.0, -0.5])
        rec = -vc.log_bernoulli_with_logits(x[2], net.decode(z)).item()
        kl = vc.kl_normal(m, v, torch.zeros(2), torch.ones(2)).item()
        assert torch.equal(widget.m, m) and torch.equal(widget.v, v) and torch.equal(widget.z, z)
        assert torch.allclose(widget.image.flatten(), net.decode(z).sigmoid())
    assert (widget.rec, widget.kl) == pytest.approx((rec, kl)) and widget.elbo == pytest.approx(-rec - kl)
    widget.x = x[5]
    assert widget.digit == -1 and torch.equal(widget.x, x[5])
    widget.digit = 0
    assert widget.pixels == "" and torch.equal(widget.x, x[0])
    for trait, value, wanted in [
        ("digit", 10, "from -1 to 9"),
        ("step", 8, "from 0 to 7"),
        ("eps", [5.0, 0.0], "2 numbers from -4 to 4"),
        ("eps", [0.0], "2 numbers"),
    ]:
        with pytest.raises(traitlets.TraitError, match=wanted):
            setattr(widget, trait, value)
    with pytest.raises(ValueError, match="pixels must be base64url"):
        widget.pixels = "no picture"
    with pytest.raises(ValueError, match=r"two latents and the prior N\(0, I\); given VAE with z_dim=10"):
        Machine(examples.model("vae"), x, labels)
    with pytest.raises(ValueError, match=r"two latents and the prior N\(0, I\); given GMVAE"):
        Machine(vc.GMVAE(z_dim=2, k=3), x, labels)
    with pytest.raises(traitlets.TraitError):
        machine(links={"engine": "3_vae"})
    own = vc.VAE(z_dim=2, hidden=(8,))
    follows = Machine(own, x, labels, play=False)
    before = follows.first
    with torch.no_grad():
        own.dec.rest[1].bias += 1
    follows.refresh()
    assert follows.first != before and follows.version == 1
