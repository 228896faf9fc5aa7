"""A widget in JupyterLab, driven in a browser: Python and the picture move each other, with no network."""

import json

import numpy as np
import pytest
from conftest import opening
from lab import Notebook, jupyterlab
from playwright.sync_api import expect
from widget_pages import control, drag, ink, number, press

START, SHOW, TELL, SET, TRAIN, TELL_OWN, SET_OWN, IN_PAGE, TELL_STEPS, ASK, ASK_NUMBER, TELL_GIVEN = range(12)
CELLS = [
    "import json, torch, vae_core as vc\nfrom vae_widgets import LatentPlane",
    'w = LatentPlane(vc.load_trained("vae-2d"))\nw',
    "print(json.dumps([w.z, w.text, w.image.flatten().tolist()]))",
    "w.z = [1.0, -1.0]",
    """data = vc.load_mnist()
torch.manual_seed(0)
mine = vc.VAE(z_dim=2, hidden=[64, 64])
vc.fit(mine, data.train_images[:300], epochs=3, batch_size=32, device="cpu", progress=False)
own = LatentPlane(mine, vc.binarize(data.test_images[:50]), data.test_labels[:50])
own""",
    "print(json.dumps([own.z, own.text, own.image.flatten().tolist()]))",
    "own.prior, own.z = False, [-2.0, 3.0]",
    "from vae_widgets import TrainVAE\nt = TrainVAE(hidden=[32])\nt",
    """x = vc.binarize(vc.load_mnist().test_images[:1000], torch.Generator().manual_seed(0))[:64]
print(json.dumps([t.steps, t.steps and -vc.log_marginal_grid(t.model, x).log_px.mean().item()]))""",
    """from vae_widgets import Predict
reasons = {"larger": "No: it falls.", "smaller": "It falls.", "the same": "No: it falls."}
choice = Predict("What becomes of the KL?", choices=reasons, right="smaller", told="The prior is near.")
choice""",
    """n = Predict("How many nats?", number=205.0, between=(0, 500), step=1, unit="nats", told="So it was trained.")
n""",
    "print(json.dumps([choice.prediction, n.prediction]))",
]


@pytest.fixture(scope="module")
def notebook(browser, tmp_path_factory):
    """The notebook in JupyterLab."""
    with jupyterlab(tmp_path_factory.mktemp("lab"), CELLS) as address, opening(browser) as open_address:
        page, trouble = open_address(address)
        notebook = Notebook(page)
        notebook.run(START)
        yield notebook
    assert [line for line in trouble if "request to" in line] == []


def told(notebook, index, text):
    """What a cell prints as JSON, as soon as the words in it (second) start with the text."""
    for _ in range(100):
        z, words, image = json.loads(notebook.run(index).locator(".jp-OutputArea-output").text_content())
        if words.startswith(text):
            return z, np.array(image)
    pytest.fail(f"Python did not hear of {text!r}: it has {z}, {words!r}", pytrace=False)


def test_keys_and_drags_reach_python(notebook):
    place = notebook.run(SHOW).locator(".vw")
    slider = control(place, "z", 0)
    before = ink(place)
    press(slider, *["ArrowRight"] * 3, "ArrowUp", "ArrowLeft")
    assert float(slider.input_value()) == pytest.approx(0.15)
    assert slider.evaluate("(slider) => slider === document.activeElement")  # JupyterLab left it the keys
    after = ink(place)
    z, image = told(notebook, TELL, "z = (0.15, 0.00)")
    assert z == pytest.approx([0.15, 0])
    assert np.abs(after - image).max() <= 0.003 and np.abs(after - before).max() > 0.02
    box = place.locator("canvas.vw-plane").bounding_box()
    x, y = box["x"] + box["width"] * (1.4 + 3.5) / 7, box["y"] + box["height"] * (3.5 - 2.1) / 7
    drag(notebook.page, [(x - 50, y + 50), (x, y)])
    z, image = told(notebook, TELL, "z = (1.")
    assert z == pytest.approx([1.4, 2.1], abs=0.03)
    assert np.abs(ink(place) - image).max() <= 0.003


def test_python_moves_the_picture(notebook):
    place = notebook.run(SHOW).locator(".vw")
    before = ink(place)
    notebook.run(SET)
    z, image = told(notebook, TELL, "z = (1.00, −1.00)")
    assert z == [1, -1] and [control(place, "z", i).input_value() for i in range(2)] == ["1", "-1"]
    assert np.abs(ink(place) - image).max() <= 0.003 and np.abs(ink(place) - before).max() > 0.2
    press(place.get_by_role("button", name="Reset"), "Enter")
    assert told(notebook, TELL, "z = (0.00, 0.00)")[0] == [0, 0]
    assert (ink(place) == before).all()


def test_a_model_that_was_trained_a_minute_ago(notebook):
    place = notebook.run(TRAIN).locator(".vw")
    press(control(place, "z", 1), "End")
    z, image = told(notebook, TELL_OWN, "z = (0.00, 3.50)")
    assert z == [0, 3.5] and np.abs(ink(place) - image).max() <= 0.003
    notebook.run(SET_OWN)
    z, image = told(notebook, TELL_OWN, "z = (−2.00, 3.00)")
    assert np.abs(ink(place) - image).max() <= 0.003
    assert not control(place, "prior").is_checked()


def test_a_model_that_the_browser_trained(notebook):
    place = notebook.run(IN_PAGE).locator(".vw")
    expect(place.locator("output[data-key=nelbo][data-value]")).to_have_count(1, timeout=60_000)
    untrained = number(place, "exact")
    place.get_by_role("button", name="Play", exact=True).press("Enter")
    expect(place.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    notebook.page.wait_for_function("+document.querySelector('[data-key=steps]').dataset.value > 50", timeout=60_000)
    place.get_by_role("button", name="Pause", exact=True).press("Enter")
    for _ in range(100):
        steps, exact = json.loads(notebook.run(TELL_STEPS).locator(".jp-OutputArea-output").text_content())
        if steps == number(place, "steps"):
            break
    assert steps > 50 and exact < untrained - 50
    assert exact == pytest.approx(number(place, "exact"), abs=0.01)


def test_a_prediction_is_given_by_keys_and_python_reads_it(notebook):
    def given():
        return json.loads(notebook.run(TELL_GIVEN).locator(".jp-OutputArea-output").text_content())

    choice, typed = (notebook.run(cell).locator(".vw") for cell in (ASK, ASK_NUMBER))
    commit = [place.get_by_role("button", name="Commit") for place in (choice, typed)]
    commit[0].press("Enter")
    assert given() == [None, None]  # nothing was marked
    press(choice.get_by_role("radio", name="larger"), "Space", "ArrowDown")
    expect(choice.get_by_role("radio", name="smaller")).to_be_checked()
    field = typed.get_by_role("spinbutton")
    field.focus()
    notebook.page.keyboard.type("150")  # to JupyterLab, 1 would be a heading
    expect(field).to_have_value("150")
    assert not choice.get_by_text("The prior is near.").is_visible()
    commit[0].press("Enter")
    field.press("Enter")
    for place, text in ((choice, "The prior is near."), (typed, "You said 150; it is 205 nats.")):
        expect(place.get_by_text(text).first).to_be_visible()
        expect(place.get_by_role("button", name="Committed")).to_have_attribute("aria-disabled", "true")
    for _ in range(100):
        if (heard := given())[1] is not None:
            break
    assert heard == ["smaller", 150]
    assert notebook.cell(ASK_NUMBER).locator("h1").count() == 0
