"""The components of a learned prior in a browser, against PyTorch."""

import math

import numpy as np
import pytest
import torch
import traitlets
from widget_examples import digits, model
from widget_models import spec
from widget_pages import control, ink, inks, number, picture, press, wait_for_frame

import vae_core as vc
from vae_widgets import Components
from vae_widgets.components import tour
from vae_widgets.modules import joined

PIXEL = 0.5 / 255 + 1e-4  # a picture's ink comes in steps of 1/255
NATS, PROBABILITY = 0.01, 1e-3
SHEET = ".vw-sheet canvas"
MEAN = ".vw-row figure canvas"

# What the front end draws from a component: normals(seed), moved.
DRAW = """async ([source, mixture, component, seed]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const engine = await import(url);
  const weights = Uint8Array.from(atob(mixture.weights), (letter) => letter.charCodeAt(0));
  const [prior, source_of] = [engine.mixture({ ...mixture, weights }), engine.normals(seed)];
  return Array.from({ length: 8 }, () => [...engine.mixtureSample(
    prior, source_of.fill(new Float32Array(mixture.z_dim)), (component + 0.5) / mixture.k)]);
}"""


@pytest.fixture
def components():
    return Components(model("gmvae"), *digits(10))


@torch.no_grad()
def assert_shows(page, component, digit=0, seed=0):
    """The pictures and the numbers are those of this component and this digit."""
    widget = Components(model("gmvae"), *digits(10), component=component, digit=digit)
    net, r = widget._model, widget.responsibilities
    assert np.abs(ink(page, MEAN) - widget.image.flatten().numpy()).max() <= PIXEL
    z = torch.tensor(page.evaluate(DRAW, [joined("engine.js"), spec(widget.mixture), component, seed]))
    assert np.abs(inks(page, ".vw-draws canvas") - net.dec(z).sigmoid().numpy()).max() <= PIXEL
    sd = page.locator("[data-sd]").evaluate_all("(bars) => bars.map((bar) => +bar.dataset.sd)")
    assert sd == pytest.approx(net.z_prior[1][0, component].sqrt().tolist(), abs=1e-5)

    code = net.enc(digits(10)[0][digit])[0]
    assert number(page, "log_p") == pytest.approx(net.log_prior(code).item(), abs=NATS)
    assert number(page, "largest") == pytest.approx(100 * r.max().item(), abs=100 * PROBABILITY)
    assert number(page, "chosen") == pytest.approx(100 * r[component].item(), abs=100 * PROBABILITY)
    effective = torch.distributions.Categorical(r).entropy().exp().item()
    assert number(page, "effective") == pytest.approx(effective, rel=1e-3)
    top = r.topk(6)
    for n, (share, j) in enumerate(zip(*top, strict=True)):
        button = page.locator(".vw-shares button").nth(n)
        assert button.get_attribute("aria-label").startswith(f"Choose component {j + 1}, ")
        assert button.get_attribute("aria-pressed") == str(j.item() == component).lower()
        assert float(button.locator("small").text_content().strip("<% ")) == pytest.approx(100 * share.item(), abs=0.51)
    wanted = net.dec(net.z_prior[0][0, top.indices]).sigmoid().numpy()
    assert np.abs(inks(page, ".vw-shares button canvas") - wanted).max() <= PIXEL
    words = page.locator(SHEET).get_attribute("aria-label")
    assert f"chosen: component {component + 1}, at place {widget.order.index(component) + 1} of 500" in words
    assert f"Shaded: {(r > 0.01).sum()}, with more than 1% of test digit {digit + 1}, a {digits(10)[1][digit]}" in words


def test_it_agrees_with_pytorch_before_anything_is_touched(show_widgets, components):
    page, trouble = show_widgets([components])
    assert components.component == components.responsibilities.argmax()
    assert_shows(page, components.component)
    assert trouble == []


def test_keys_walk_along_the_sheet(show_widgets, components):
    page, trouble = show_widgets([components], width=360)
    place = components.order.index(components.component)
    press(control(page, "component"), "ArrowRight", "ArrowRight")
    assert control(page, "component").get_attribute("aria-valuetext") == f"{place + 3}/500"
    assert_shows(page, components.order[place + 2])
    # The sheet scrolls here, and what is chosen stays in sight.
    for key, at in [("End", -1), ("Home", 0)]:
        press(control(page, "component"), key)
        assert_shows(page, components.order[at])
        box = page.locator(".vw-sheet")
        scrolled, room, height = box.evaluate("(box) => [box.scrollTop, box.clientHeight, box.scrollHeight]")
        assert scrolled == (0 if at == 0 else pytest.approx(height - room, abs=1)) and height > room
    page.wait_for_function("document.querySelector('.vw p[aria-live]').textContent.includes('place 1 of 500')")
    assert trouble == []


@pytest.mark.parametrize(("width", "touch"), [(1280, False), (360, True)])
def test_a_click_on_the_sheet_chooses(show_widgets, components, width, touch):
    page, trouble = show_widgets([components], width=width, touch=touch)
    sheet = page.locator(SHEET)
    box = sheet.bounding_box()
    columns = int(box["width"] / (25 if touch else 21))
    cell = box["width"] / columns
    assert box["height"] == pytest.approx(math.ceil(500 / columns) * cell, abs=1)
    for at in (components.order.index(components.component) + 2, 2 * columns + columns - 1, 3 * columns):
        place = {"x": cell * (at % columns + 0.5), "y": cell * (at // columns + 0.5)}
        before = picture(page, SHEET)
        (sheet.tap if touch else sheet.click)(position=place)
        wait_for_frame(page)
        assert_shows(page, components.order[at])
        assert picture(page, SHEET) != before
    before = picture(page, SHEET)
    sheet.click(position={"x": box["width"] - 2, "y": box["height"] - 2})  # the last row is not full
    wait_for_frame(page)
    assert picture(page, SHEET) == before
    assert trouble == []


def test_the_sheet_has_every_mean(show_widgets, components):
    page, trouble = show_widgets([components])
    page.wait_for_function(f"""() => {{
        const sheet = document.querySelector("{SHEET}"), cell = Math.floor(sheet.width / 34); // 15 rows
        const {{ data }} = sheet.getContext("2d").getImageData(0, 14 * cell, 20 * cell, cell);
        return data.some((value, i) => i % 4 === 3 && value > 200);
    }}""")
    # The mass of ink in each cell rises and falls with that of the mean which stands there.
    masses = page.locator(SHEET).evaluate("""(canvas) => {
        const cell = canvas.width / 34, context = canvas.getContext("2d");
        return Array.from({ length: 500 }, (_, at) => {
            const [x, y, side] = [cell * (at % 34), cell * Math.floor(at / 34), cell].map(Math.round);
            const { data } = context.getImageData(x, y, side, side);
            return data.reduce((sum, value, i) => sum + (i % 4 === 3 ? value : 0), 0);
        });
    }""")
    r = components.responsibilities[components.order]
    with torch.no_grad():
        wanted = model("gmvae").dec(model("gmvae").z_prior[0][0, components.order]).sigmoid().sum(1)
    plain = (r < 0.01) & (torch.tensor(components.order) != components.component)
    near_ring = components.order.index(components.component) + torch.tensor([-35, -34, -33, -1, 1, 33, 34, 35])
    plain[near_ring] = False
    assert torch.corrcoef(torch.stack([torch.tensor(masses)[plain].double(), wanted[plain].double()]))[0, 1] > 0.98
    assert trouble == []


def test_a_digit_s_components_can_be_chosen(show_widgets, components):
    page, trouble = show_widgets([components])
    first = components.component
    press(control(page, "digit").nth(2), "ArrowRight")
    assert_shows(page, first, digit=3)
    components.digit = 3
    second = components.responsibilities.topk(2).indices[1].item()
    page.locator(".vw-shares button").nth(1).click()
    wait_for_frame(page)
    assert_shows(page, second, digit=3)
    leader = page.locator(".vw-shares button").first
    press(leader, "Enter")
    assert_shows(page, components.responsibilities.argmax().item(), digit=3)
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert_shows(page, first)
    assert trouble == []


def test_new_samples(show_widgets, components):
    page, trouble = show_widgets([components], theme="dark")
    before, mean = ink(page, ".vw-draws canvas"), ink(page, MEAN)
    press(page.get_by_role("button", name="New samples"), "Enter")
    assert (ink(page, ".vw-draws canvas") != before).any() and (ink(page, MEAN) == mean).all()
    assert_shows(page, components.component, seed=1)
    assert trouble == []


@pytest.mark.parametrize(("query", "component", "digit", "seed"), [
    ("component=0&digit=2&seed=7", 0, 2, 7),
    ("component=499&digit=9", 499, 9, 0),
    ("component=500&digit=10&seed=-1", None, 0, 0),
    ("component=1.5&digit=&seed=x&order=1", None, 0, 0),
])  # fmt: skip
def test_what_a_link_says_is_checked(show_widgets, components, query, component, digit, seed):
    address = "?" + "&".join(f"components.{part}" for part in query.split("&"))
    page, trouble = show_widgets([components], query=address)
    assert_shows(page, components.component if component is None else component, digit, seed)
    assert trouble == []


def test_few_components(show_widgets):
    torch.manual_seed(0)
    small = vc.GMVAE(z_dim=2, hidden=[8], k=3)
    page, trouble = show_widgets([Components(small, *digits(2))], width=360)
    assert page.locator(".vw-shares button").count() == 3
    assert number(page, "effective") <= 3
    assert page.locator(SHEET).bounding_box()["width"] <= 150
    press(control(page, "component"), "Home", "ArrowRight")
    assert control(page, "component").get_attribute("aria-valuetext") == "2/3"
    assert trouble == []


def test_the_sheet_s_order():
    torch.manual_seed(0)
    line = torch.arange(30.0)[torch.randperm(30)]
    way = line[tour(line[:, None])]
    assert sorted(way.tolist()) == list(range(30))
    steps = (way[1:] - way[:-1]).abs().sum()
    assert steps <= 29 + min(way[0], 29 - way[0])  # from the first point to the nearer end, and from there to the other
    assert tour(torch.zeros(1, 5)) == [0] and sorted(tour(torch.zeros(4, 5))) == [0, 1, 2, 3]


def test_python_side(components):
    r = components.responsibilities
    assert r.shape == (500,) and r.sum() == pytest.approx(1, abs=1e-5)
    components.component, net = 7, model("gmvae")
    with torch.no_grad():
        assert torch.equal(components.image, net.dec(net.z_prior[0][0, 7]).sigmoid().reshape(28, 28))
    given = Components(model("gmvae"), *digits(10), component=3, digit=4, seed=5)
    assert (given.component, given.digit, given.seed) == (3, 4, 5)
    for trait, value, limits in [
        ("component", 500, "from 0 to 499"),
        ("component", -1, "from 0 to 499"),
        ("digit", 10, "from 0 to 9"),
        ("seed", -1, "from 0 to"),
    ]:
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be a number {limits}.*given {value}"):
            setattr(components, trait, value)


def test_bad_input_is_refused():
    x, labels = digits(10)
    for other in (model("vae"), model("autoencoder-2d"), vc.SSVAE(hidden=[8])):
        with pytest.raises(ValueError, match=f"wanted a GMVAE, .* given {type(other).__name__}"):
            Components(other, x, labels)
    with pytest.raises(ValueError, match="given 10 images and 9 labels"):
        Components(model("gmvae"), x, labels[:9])
    with pytest.raises(ValueError, match="wanted 1 to 100 binary digits"):
        Components(model("gmvae"), 0.5 * x, labels)
