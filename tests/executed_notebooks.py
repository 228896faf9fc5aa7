"""Notebooks are run once, for their own tests and for the tests of the built book.

`python -m pytest -p tests.executed_notebooks book` has nbval run their cells. What they print, draw and show goes into
the folder that the environment variable BOOK_EXECUTED names, in a cache as Jupyter Book itself keeps one; where it is
set, the tests build the book from there. A notebook that is not in it, since it was not run or failed, the build runs.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
import yaml
from filelock import FileLock
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient
from nbclient.client import CellExecutionComplete

ROOT = Path(__file__).parents[1]
EXTENSIONS = ROOT / "book/sphinx_ext"
sys.path.append(str(EXTENSIONS))  # a plugin comes before pytest's own settings
import own_environment  # noqa: E402

FOLDER = os.environ.get("BOOK_EXECUTED")
listeners = {}  # for each notebook what makes outputs of a kernel's messages, as it would in a build


def pytest_configure():
    if not FOLDER:
        raise pytest.UsageError("BOOK_EXECUTED names no folder, into which what the notebooks show could go")
    own_environment.enter()  # before any kernel begins
    os.environ["VAE_BOOK_FIGURES"] = "svg"  # as figures.py has them drawn


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    """Let nbclient hear what the kernel tells nbval, which puts all that is printed before all that is shown. And have
    the cell run in the history, as everywhere else: IPython looks there for the semicolon that ends it."""
    kernel, listener = item.parent.kernel, listeners.get(item.parent)
    if not listener:
        listener = listeners[item.parent] = NotebookClient(nbformat.from_dict(item.parent.nb), record_timing=False)
        listener.reset_execution_trackers()
        listener.kc, listener.clear_before_next_output = kernel.kc, False
    code = [i for i, cell in enumerate(listener.nb.cells) if cell.cell_type == "code"]
    place = code[item.cell_num]

    def execute(source, allow_stdin=None):
        execute.name = kernel.kc.execute(source, allow_stdin=allow_stdin, stop_on_error=False)
        return execute.name

    def get_kernel_message(timeout=None, stream="iopub"):
        message = kernel.get_message(stream, timeout=timeout)
        if message["parent_header"].get("msg_id") == execute.name:
            with suppress(CellExecutionComplete):
                listener.process_message(message, listener.nb.cells[place], place)
        return message

    kernel.execute_cell_input, item.parent.get_kernel_message = execute, get_kernel_message


def pytest_runtest_teardown(item, nextitem):
    """When the last cell of a notebook has run, keep what all of them showed, unless a test has failed."""
    if getattr(nextitem, "parent", None) is item.parent or item.session.testsfailed:
        return
    listener, about = listeners.pop(item.parent), item.parent.kernel.kc.kernel_info(reply=True, timeout=60)
    listener.nb.metadata.language_info = about["content"]["language_info"]  # how code is coloured
    listener.set_widgets_metadata()
    with FileLock(Path(FOLDER, "lock")):
        bundle = CacheBundleIn(listener.nb, str(item.path))
        get_cache(Path(FOLDER, "cache")).cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def configuration(folder):
    """A configuration of the book that takes the cache, as a file in a folder."""
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    settings["sphinx"]["local_extensions"] = dict.fromkeys(settings["sphinx"]["local_extensions"], str(EXTENSIONS))
    settings["execute"] |= dict(execute_notebooks="cache", cache=str(Path(FOLDER, "cache").resolve()))
    file = folder / "_config.yml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return file
