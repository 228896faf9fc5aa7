"""A VAE that a reader trained, in the widgets of the page and in a file of its own."""

import base64

import pytest
import torch
import widget_examples as examples
from playwright.sync_api import expect
from widget_pages import control, look, number, press, settled_look, wait_for_look

import vae_core as vc
import vae_widgets as w
from vae_widgets.base import Network, to_choose
from vae_widgets.modules import joined
from vae_widgets.train_vae import shown_digits

UI = """const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const ui = await import(url);
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;"""
USE = f"""async ([source, trained]) => {{ {UI}
  const digits = trained && trained.digits.map((x) => Float32Array.from(x));
  for (const part of ["enc", "dec"]) if (trained) trained[part].weights = bytes(trained[part].weights);
  ui.useModel(trained && {{ ...trained, digits }}); }}"""
SAVE = f"""async ([source, weights, description]) => {{ {UI}
  ui.download(await ui.safetensors(new Float32Array(bytes(weights)), description), "mine.safetensors"); }}"""


@pytest.fixture
def trained():
    torch.manual_seed(3)
    return vc.VAE(z_dim=2, hidden=(32,)).eval()


def spec(mlp):
    net = Network.of(mlp, "float32")
    return dict(
        sizes=net.sizes,
        activation=net.activation,
        y_dim=0,
        precision="float32",
        weights=base64.b64encode(net.weights).decode(),
    )


def use(page, model):
    x, labels = examples.digits(50)
    given = model and dict(
        enc=spec(model.enc),
        dec=spec(model.dec),
        digits=x.tolist(),
        labels=labels.tolist(),
        words="the VAE you trained, 1,234 steps",
    )
    page.evaluate(USE, [joined("ui.js"), given])


@torch.no_grad()
def test_widgets_show_a_model_trained_in_the_page(show_widgets, trained):
    names = ["LatentPlane", "LatentTraversal", "DrawDigit", "IwaeBound"]
    widgets = [examples.EXAMPLES[name]() for name in names]
    widgets.append(w.DrawDigit(examples.model("gmvae"), *examples.digits(3)))
    page, trouble = show_widgets(widgets)
    places = [page.locator(".widget").nth(i) for i in range(5)]
    before = [settled_look(place) for place in places]
    use(page, trained)
    for place in places[:4]:
        place.locator(".vw-adopted").wait_for()
    assert page.locator(".vw-adopted").count() == 4  # a GMVAE keeps its own
    assert page.locator(".vw").count() == 5

    x = examples.digits(50)[0]
    plane, traversal, draw, bound = places[:4]
    log_q = vc.log_mean_exp(vc.log_normal(torch.zeros(2), *trained.enc(x)), 0).item()
    assert number(plane, "log_q") == pytest.approx(log_q, abs=0.01)
    many, labels = examples.digits(200)
    first = many[to_choose(labels)[0]]  # of which the traversal shows the code, to three digits
    rec = -vc.log_bernoulli_with_logits(first, trained.dec(trained.enc(first)[0])).item()
    assert number(traversal, "rec") == pytest.approx(rec, abs=0.2)
    m, v = trained.enc(widgets[2]._x[0])
    assert number(draw, "kl") == pytest.approx(vc.kl_normal(m, v, torch.zeros(2), torch.ones(2)).item(), abs=0.01)
    settled_look(bound)
    exact = vc.log_marginal_grid(trained, widgets[3]._x[:1]).log_px.item()
    assert exact - 10 < number(bound, "bound") < exact + 1  # q of a VAE that has learned nothing is far off

    shown = settled_look(plane)
    press(control(plane, "z", 0), "ArrowRight", "ArrowRight")
    assert look(plane) != shown
    plane.get_by_role("button", name="Reset").click()
    wait_for_look(plane, same=shown)
    plane.get_by_role("button", name="The book’s model again").click()
    for place, was in zip(places, before, strict=True):
        wait_for_look(place, same=was)
    assert page.locator(".vw-adopted").count() == 0
    assert trouble == []


@torch.no_grad()
def test_a_file_from_the_browser_is_a_model(show_widgets, trained, tmp_path):
    widget = w.Jensen()
    page, _ = show_widgets([widget])
    trained.dec.rest[1].bias[:4] = torch.tensor([1 + 2**-11, 1 + 3 * 2**-11, 2**-25 * 3, 65519.0])  # ties; small; large
    weights = b"".join(p.numpy().tobytes() for part in (trained.enc, trained.dec) for p in part.state_dict().values())
    about = {"arguments": trained.arguments, "recipe": {"beta": 1.0, "learning_rate": 1e-3, "note": 'é → \u007f "z"'}}
    with page.expect_download() as download:
        page.evaluate(SAVE, [joined("ui.js"), base64.b64encode(weights).decode(), about])
    file = tmp_path / "mine.safetensors"
    download.value.save_as(file)
    loaded = vc.load_model(file)
    for name, tensor in trained.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().float()), name
    assert loaded.description["recipe"] == about["recipe"]

    data = bytearray(file.read_bytes())
    data[-9] ^= 1
    file.write_bytes(data)
    with pytest.raises(ValueError, match="hash"):
        vc.load_model(file)


@torch.no_grad()
def test_what_was_trained_in_the_page(show_widgets, tmp_path):
    """From TrainVAE into the other widgets, and into a file with its recipe."""
    train = w.TrainVAE(hidden=[16])
    others = [examples.EXAMPLES[name]() for name in ("LatentPlane", "IwaeBound")]
    page, trouble = show_widgets([train, *others], reduced_motion="reduce")
    trained, plane = page.locator(".widget").nth(0), page.locator(".widget").nth(1)
    expect(trained.locator(".vw")).to_have_attribute("aria-busy", "false")
    trained.get_by_role("button", name="Train 50 steps").click()
    expect(trained.locator("[data-key=steps]")).to_have_attribute("data-value", "50")
    expect(trained.locator(".vw")).to_have_attribute("aria-busy", "false")
    control(trained, "beta").press("ArrowRight")
    trained.get_by_role("button", name="Use my model").click()
    expect(plane.locator(".vw-adopted")).to_contain_text("that you trained, after 50 steps")
    with page.expect_download() as download:
        trained.get_by_role("button", name="Download it").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    model = vc.load_model(file)
    told = model.description["recipe"]["settings"]
    assert [(part["from"], part["beta"]) for part in told] == [(0, 1), (50, 2)]
    assert (model.description["steps"], model.hidden, model.beta) == (50, [16], 2)
    assert file.name == "vae-50-steps.safetensors"
    log_q = vc.log_mean_exp(vc.log_normal(torch.zeros(2), *model.enc(shown_digits())), 0).item()
    assert number(plane, "log_q") == pytest.approx(log_q, abs=0.02)  # the file's weights are halves
    bound = page.locator(".widget").nth(2)
    expect(bound.locator(".vw-adopted")).to_contain_text("that you trained, after 50 steps")
    x = examples.digits(3)[0][:1]
    assert number(bound, "exact") == pytest.approx(vc.log_marginal_grid(model, x).log_px.item(), abs=0.1)
    assert trouble == []


@torch.no_grad()
def test_more_latents_than_a_plane_has(show_widgets):
    """Ten of them go into sliders and drawings, and the planes stay as they are."""
    others = [examples.EXAMPLES[name]() for name in ("LatentPlane", "LatentTraversal", "IwaeBound")]
    widgets = [w.TrainVAE(hidden=[16], z_dim=10), *others]
    page, trouble = show_widgets(widgets, reduced_motion="reduce")
    train, plane, traversal, bound = (page.locator(".widget").nth(i) for i in range(4))
    expect(train.locator(".vw")).to_have_attribute("aria-busy", "false", timeout=30_000)
    train.get_by_role("button", name="Use my model").click()
    for place in (traversal, bound):
        expect(place.locator(".vw-adopted")).to_contain_text("that you trained, after 0 steps")
    assert control(traversal, "z").count() == 10 and plane.locator(".vw-adopted").count() == 0
    assert train.get_by_text("they have no room for 10 latents").count() == 1
    assert bound.locator("[data-key=exact]").count() == 0 and trouble == []
