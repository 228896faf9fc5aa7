"""A JupyterLab of its own that serves one notebook, without a network, and hands for the notebook."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import nbformat

PLACES = ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
          "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR"]  # fmt: skip


@contextmanager
def jupyterlab(folder, cells):
    """The address of a notebook with these cells in a JupyterLab that asks nobody for news."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "widgets.ipynb")
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
    settings = {place: str(folder / f".{place.lower()}") for place in PLACES}
    with open(folder / ".log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | settings, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                urlopen(f"http://127.0.0.1:{port}/api/status?token=book").close()
                break
            except URLError:
                if process.poll() is not None or time.monotonic() > end:
                    said = (folder / ".log").read_text(encoding="utf-8")
                    raise RuntimeError(f"JupyterLab did not start:\n{said}") from None
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/doc/tree/widgets.ipynb?token=book"
    finally:
        process.terminate()  # the kernel ends with it
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


class Notebook:
    """The notebook that a page shows; its cells run when told to."""

    def __init__(self, page):
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.context?.isReady", timeout=60_000)
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
            }""",
            index,
        )
        assert self.cell(index).locator("[data-mime-type='application/vnd.jupyter.stderr']").all_text_contents() == []
        return self.cell(index)
