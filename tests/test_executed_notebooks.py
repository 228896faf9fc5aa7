"""What nbval's run of a notebook leaves for the build is what the build's own run would be."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from queue import Empty
from types import SimpleNamespace

import kernel_answers
import nbformat
import pytest
import zmq
import zmq.asyncio
from conftest import ROOT
from jupyter_cache import get_cache
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.session import Session
from nbclient import NotebookClient
from nbclient.output_widget import OutputWidget
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

SOURCES = [
    "import sys, ipywidgets\nfrom IPython.display import display",
    "slider = ipywidgets.IntSlider(3)\nprint('one')\nprint('two')\ndisplay(slider)\nprint('three')",
    "slider.value = 7\nprint('four', file=sys.stderr)\nipywidgets.Image(value=b'bytes')",
    "with ipywidgets.Output() as place:\n    print('five')\nplace",
    "'not shown';",
]


def shown(notebook):
    """The outputs of all cells and the state of all widgets, whose names are drawn anew each time."""
    state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    models = sorted(state.values(), key=lambda model: model["model_name"])
    text = json.dumps([[cell.get("outputs") for cell in notebook.cells], models], sort_keys=True)
    names = list(dict.fromkeys(re.findall("[0-9a-f]{32}", text)))
    text = re.sub("[0-9a-f]{32}", lambda name: f"widget {names.index(name[0])}", text)
    return json.loads(text)


@pytest.fixture(autouse=True)
def no_answer_is_missed(monkeypatch):
    monkeypatch.setattr(AsyncZMQSocketChannel, "get_msg", kernel_answers.get_msg)  # as it was, afterwards
    kernel_answers.miss_nothing()


def run(coroutine):
    """In a thread of its own: in this one a browser of other tests may keep a loop."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, coroutine).result()


def test_an_answer_that_comes_while_an_output_is_told_is_not_missed():
    async def tell():
        with zmq.Context() as here, zmq.asyncio.Context() as there, here.socket(zmq.PAIR) as kernel:
            session = Session()
            channel = AsyncZMQSocketChannel(there.socket(zmq.PAIR), session)
            channel.socket.connect(f"tcp://127.0.0.1:{kernel.bind_to_random_port('tcp://127.0.0.1')}")
            output = OutputWidget(
                "comm", {"outputs": []}, SimpleNamespace(session=session, shell_channel=channel), None
            )
            output.parent_header = {}
            output.sync_state()
            kernel.recv_multipart()  # the two are connected
            answer = asyncio.ensure_future(channel.get_msg(timeout=None))
            await asyncio.sleep(0.1)  # it waits
            session.send(kernel, "execute_reply")
            time.sleep(0.1)  # it has come, and nobody has looked
            output.sync_state()
            try:
                return await asyncio.wait_for(answer, 10)
            finally:
                channel.stop()
                kernel.linger = 0

    assert run(tell())["msg_type"] == "execute_reply"


def test_where_nothing_comes_the_time_is_kept():
    async def ask():
        with zmq.asyncio.Context() as there:
            channel = AsyncZMQSocketChannel(there.socket(zmq.PAIR), Session())
            try:
                await channel.get_msg(timeout=1.5)
            finally:
                channel.stop()

    start = time.monotonic()
    with pytest.raises(Empty):
        run(ask())
    assert time.monotonic() - start >= 1.5


def test_what_cells_show_is_kept(tmp_path):
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = new_notebook(cells=[new_markdown_cell("Words."), *map(new_code_cell, SOURCES)], metadata=metadata)
    file = tmp_path / "small.ipynb"
    nbformat.write(notebook, file)
    command = f"{sys.executable} -m pytest -p tests.executed_notebooks -n 0 -c pyproject.toml".split()
    subprocess.run([*command, file], cwd=ROOT, env=os.environ | {"BOOK_EXECUTED": str(tmp_path)}, check=True)
    _, kept = get_cache(tmp_path / "cache").merge_match_into_notebook(notebook)
    outputs, models = shown(kept)
    assert [len(each or ()) for each in outputs] == [0, 0, 3, 2, 0, 0] and len(models) == 7
    ran = NotebookClient(notebook).execute()
    assert [outputs, models] == shown(ran)
    assert kept.metadata.language_info == ran.metadata.language_info
