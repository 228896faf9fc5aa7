"""What nbval's run of a notebook leaves for the build is what the build's own run would be."""

import json
import os
import re
import subprocess
import sys

import nbformat
from conftest import ROOT
from jupyter_cache import get_cache
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

# Without an Output, which no notebook has: nbclient misses the answer to such a cell about once in thirty times, and
# then waits for ever (its issue 312).
SOURCES = [
    "import sys, ipywidgets\nfrom IPython.display import display",
    "slider = ipywidgets.IntSlider(3)\nprint('one')\nprint('two')\ndisplay(slider)\nprint('three')",
    "slider.value = 7\nprint('four', file=sys.stderr)\nipywidgets.Image(value=b'bytes')",
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


def test_what_cells_show_is_kept(tmp_path):
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = new_notebook(cells=[new_markdown_cell("Words."), *map(new_code_cell, SOURCES)], metadata=metadata)
    file = tmp_path / "small.ipynb"
    nbformat.write(notebook, file)
    command = f"{sys.executable} -m pytest -p tests.executed_notebooks -n 0 -c pyproject.toml".split()
    subprocess.run([*command, file], cwd=ROOT, env=os.environ | {"BOOK_EXECUTED": str(tmp_path)}, check=True)
    _, kept = get_cache(tmp_path / "cache").merge_match_into_notebook(notebook)
    outputs, models = shown(kept)
    assert [len(each or ()) for each in outputs] == [0, 0, 3, 2, 0] and len(models) == 5
    ran = NotebookClient(notebook).execute()
    assert [outputs, models] == shown(ran)
    assert kept.metadata.language_info == ran.metadata.language_info
