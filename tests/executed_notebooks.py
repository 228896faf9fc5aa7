"""Notebooks are run once, for their own tests and for the tests of the built book.

`python -m pytest -p tests.executed_notebooks book` has nbval run their cells. What they print, draw and show goes into
the folder that the environment variable BOOK_EXECUTED names, in a cache as Jupyter Book itself keeps one; where it is
set, the tests build the book from there. A notebook that is not in it, since it was not run or failed, the build runs.
"""

import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from filelock import FileLock
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn

ROOT = Path(__file__).parents[1]
EXTENSIONS = ROOT / "book/sphinx_ext"
sys.path.append(str(EXTENSIONS))  # a plugin comes before pytest's own settings
import own_environment  # noqa: E402

FOLDER = os.environ.get("BOOK_EXECUTED")
SHOWN = {"stream", "display_data", "execute_result"}
# Run in the notebook at its end: the state of its widgets, as Jupyter keeps it.
STATE = """
import json as _json, pathlib as _pathlib, ipywidgets as _ipywidgets
_pathlib.Path({file!r}).write_text(_json.dumps(_ipywidgets.Widget.get_manager_state()))
"""


def pytest_configure():
    own_environment.enter()  # before any kernel begins
    os.environ["VAE_BOOK_FIGURES"] = "svg"  # as figures.py has them drawn


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    """Listen to what the kernel says. nbval keeps it, too, but with all that is printed before all that is shown; and
    it runs cells outside the history, where IPython does not see the semicolon that ends one."""
    item.said, kernel = [], item.parent.kernel

    def get_kernel_message(timeout=None, stream="iopub"):
        item.said.append(kernel.get_message(stream, timeout=timeout))
        return item.said[-1]

    def execute(source, allow_stdin=None):
        return kernel.kc.execute(source, allow_stdin=allow_stdin, stop_on_error=False)

    item.parent.get_kernel_message, kernel.execute_cell_input = get_kernel_message, execute


def pytest_runtest_teardown(item, nextitem):
    """When the last cell of a notebook has run, keep what all of them showed, unless a test has failed."""
    notebook = item.parent
    if getattr(nextitem, "parent", None) is not notebook and not item.session.testsfailed:
        keep(notebook, [outputs(cell.said) for cell in item.session.items if cell.parent is notebook])


def outputs(said):
    """The messages of one cell as a notebook has them: what is printed in a row is one text."""
    shown = []
    for message in said:
        if message["msg_type"] not in SHOWN or message["parent_header"] != said[-1]["parent_header"]:
            continue
        output = nbformat.v4.output_from_msg(message)
        if output.output_type == "stream" and shown and shown[-1].get("name") == output.name:
            shown[-1].text += output.text
        else:
            shown.append(output)
    return shown


def keep(file, shown):
    """Put a notebook, an nbval file whose cells have run, into the cache with what they showed."""
    notebook = nbformat.from_dict(file.nb)
    code = (cell for cell in notebook.cells if cell.cell_type == "code")
    for count, (cell, cell.outputs) in enumerate(zip(code, shown, strict=True), 1):
        cell.execution_count = count
    about = file.kernel.kc.kernel_info(reply=True, timeout=60)["content"]
    notebook.metadata.language_info = about["language_info"]  # how its code is coloured
    widgets = Path(FOLDER, f"{file.path.stem}.widgets.json")
    file.kernel.await_reply(file.kernel.execute_cell_input(STATE.format(file=str(widgets.resolve()))), timeout=60)
    notebook.metadata.widgets = {"application/vnd.jupyter.widget-state+json": json.loads(widgets.read_text())}
    with FileLock(Path(FOLDER, "lock")):
        bundle = CacheBundleIn(notebook, str(file.path))
        get_cache(Path(FOLDER, "cache")).cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def configuration(folder):
    """A configuration of the book that takes the cache, as a file in a folder."""
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    settings["sphinx"]["local_extensions"] = dict.fromkeys(settings["sphinx"]["local_extensions"], str(EXTENSIONS))
    settings["execute"] |= dict(execute_notebooks="cache", cache=str(Path(FOLDER, "cache").resolve()))
    file = folder / "_config.yml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return file
