"""A widget in JupyterLab, driven in a browser: Python and the picture move each other, with no network."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
import numpy as np
import pytest
from conftest import opening
from widget_pages import control, drag, ink, press

START, SHOW, TELL, SET, TRAIN, TELL_OWN, SET_OWN = range(7)
CELLS = [
    "import json, torch, vae_core as vc\nfrom vae_widgets import LatentPlane",
    'w = LatentPlane(vc.load_trained("vae-2d"))\nw',
    "print(json.dumps([w.z, w.text, w.image.flatten().tolist()]))",
    "w.z = [1.0, -1.0]",
    """data = vc.load_mnist()
torch.manual_seed(0)
mine = vc.VAE(z_dim=2, hidden=[64, 64])
vc.fit(mine, data.train_images[:500], epochs=5, batch_size=32, device="cpu", progress=False)
own = LatentPlane(mine, vc.binarize(data.test_images[:50]), data.test_labels[:50])
own""",
    "print(json.dumps([own.z, own.text, own.image.flatten().tolist()]))",
    "own.prior, own.z = False, [-2.0, 3.0]",
]


class Notebook:
    """An open notebook, whose cells run when told to."""

    def __init__(self, page):
        self.page = page

    def cell(self, index):
        return self.page.locator(f'.jp-Notebook-cell[data-windowed-list-index="{index}"]')

    def run(self, index):
        """Run a cell and return it with its output."""
        self.page.evaluate(
            """async (index) => {
                const panel = jupyterapp.shell.currentWidget;
                await panel.sessionContext.ready;
                panel.content.activeCellIndex = index;
                panel.content.deselectAll();
                await jupyterapp.commands.execute("notebook:run-cell");
            }""", index)
        assert self.cell(index).locator("[data-mime-type='application/vnd.jupyter.stderr']").all_text_contents() == []
        return self.cell(index)

    def told(self, index, text):
        """What a cell prints as JSON, as soon as the words in it (second) start with the text."""
        for _ in range(100):
            z, words, image = json.loads(self.run(index).locator(".jp-OutputArea-output").text_content())
            if words.startswith(text):
                return z, np.array(image)
        pytest.fail(f"Python did not hear of {text!r}: it has {z}, {words!r}", pytrace=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a JupyterLab that serves one notebook, and asks nobody for news."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "widgets.ipynb")
    places = ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
              "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR"]
    settings = {place: str(folder / f".{place.lower()}") for place in places}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp.ip": "127.0.0.1", "ServerApp.port": port, "ServerApp.port_retries": 0,
        "ServerApp.root_dir": folder, "IdentityProvider.token": "book", "LabApp.expose_app_in_browser": True,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate", "LabApp.news_url": None,
        "LabApp.extension_manager": "readonly",
    }  # fmt: skip
    command = [Path(sys.executable).with_name("jupyter-lab"), "--no-browser", "--allow-root"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with open(folder / ".log", "w") as log:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | settings, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}/"
    try:
        end = time.monotonic() + 60
        while True:
            try:
                urlopen(f"{address}api/status?token=book").close()
                break
            except URLError:
                if process.poll() is not None or time.monotonic() > end:
                    pytest.fail(f"JupyterLab did not start:\n{(folder / '.log').read_text()}", pytrace=False)
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()  # the kernel ends with it
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture(scope="module")
def notebook(browser, server):
    """The notebook in JupyterLab."""
    with opening(browser) as open_address:
        page, trouble = open_address(f"{server}doc/tree/widgets.ipynb?token=book")
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.context?.isReady")
        notebook = Notebook(page)
        notebook.run(START)
        yield notebook
    assert [line for line in trouble if "request to" in line] == []


def test_keys_and_drags_reach_python(notebook):
    place = notebook.run(SHOW).locator(".vw")
    slider = control(place, "z", 0)
    before = ink(place)
    press(slider, *["ArrowRight"] * 3, "ArrowUp", "ArrowLeft")
    assert float(slider.input_value()) == pytest.approx(0.15)
    assert slider.evaluate("(slider) => slider === document.activeElement")  # JupyterLab left it the keys
    after = ink(place)
    z, image = notebook.told(TELL, "z = (0.15, 0.00)")
    assert z == pytest.approx([0.15, 0])
    assert np.abs(after - image).max() <= 0.003 and np.abs(after - before).max() > 0.02
    box = place.locator("canvas.vw-plane").bounding_box()
    x, y = box["x"] + box["width"] * (1.4 + 3.5) / 7, box["y"] + box["height"] * (3.5 - 2.1) / 7
    drag(notebook.page, [(x - 50, y + 50), (x, y)])
    z, image = notebook.told(TELL, "z = (1.")
    assert z == pytest.approx([1.4, 2.1], abs=0.03)
    assert np.abs(ink(place) - image).max() <= 0.003


def test_python_moves_the_picture(notebook):
    place = notebook.run(SHOW).locator(".vw")
    before = ink(place)
    notebook.run(SET)
    z, image = notebook.told(TELL, "z = (1.00, −1.00)")
    assert z == [1, -1] and [control(place, "z", i).input_value() for i in range(2)] == ["1", "-1"]
    assert np.abs(ink(place) - image).max() <= 0.003 and np.abs(ink(place) - before).max() > 0.2
    press(place.get_by_role("button", name="Reset"), "Enter")
    assert notebook.told(TELL, "z = (0.00, 0.00)")[0] == [0, 0]
    assert (ink(place) == before).all()


def test_a_model_that_was_trained_a_minute_ago(notebook):
    place = notebook.run(TRAIN).locator(".vw")
    press(control(place, "z", 1), "End")
    z, image = notebook.told(TELL_OWN, "z = (0.00, 3.50)")
    assert z == [0, 3.5] and np.abs(ink(place) - image).max() <= 0.003
    notebook.run(SET_OWN)
    z, image = notebook.told(TELL_OWN, "z = (−2.00, 3.00)")
    assert np.abs(ink(place) - image).max() <= 0.003
    assert not control(place, "prior").is_checked()
