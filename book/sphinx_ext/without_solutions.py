"""A small Sphinx extension: with SOLUTIONS=0 in the environment, the book for a class that hands in its exercises.

The notebooks are read, and can be downloaded, without solutions and without the checked claims beside them. A Try is
its question and its choices, without its code and its reasons. What an exercise gives its reader stays, also the check
that says yes or no.
"""

import json
import os
import re
from pathlib import Path

from docutils import nodes
from offline import as_text
from widget_state import state_of

WHOLE = re.compile(r"^(`{3,})\{solution\}.*?^\1 *$\n?", re.M | re.S)
START = re.compile(r"^(`{3,})\{solution-start\}.*?^\1 *$\n?", re.M | re.S)
END = re.compile(r"^(`{3,})\{solution-end\} *\n\1 *$\n?", re.M)


def outside(text: str, inside: bool) -> tuple[str, bool]:
    """What of a text is no solution, and whether its end is in one. inside: whether its beginning is."""
    kept, text = [], WHOLE.sub("", text)
    while mark := (END if inside else START).search(text):
        kept.append("" if inside else text[: mark.start()])
        text, inside = text[mark.end() :], not inside
    return "".join([*kept, "" if inside else text]), inside


def strip(notebook: dict) -> dict:
    """A notebook without solutions, and with every Try's code out of sight."""
    cells, inside, exercises = [], False, False
    for cell in notebook["cells"]:
        source, tags = "".join(cell["source"]), cell["metadata"].get("tags", [])
        if cell["cell_type"] == "markdown":
            exercises |= "{exercise}" in source
            source, inside = outside(source, inside)
            keep = source.strip() != ""
        else:
            keep = not inside and not (exercises and "check" in tags)
        if is_try(cell):
            cell = cell | {"metadata": cell["metadata"] | {"tags": ["remove-input"]}}
        if keep:
            cells.append(cell | {"source": source.splitlines(keepends=True)})
    return notebook | {"cells": cells}


def is_try(cell: dict) -> bool:
    return cell["cell_type"] == "code" and re.search(r"^Try\(", "".join(cell["source"]), re.M) is not None


def read(app, docname, source):
    if app.env.doc2path(docname).endswith(".ipynb"):
        source[0] = json.dumps(strip(json.loads(source[0])))


def ask(app, doctree, docname):
    """In the place of each Try put its question, and keep it for the notebook."""
    asked = app.env.questions[docname] = []
    models = state_of(app, docname).get("state", {})
    for view in [node for node in doctree.findall(nodes.raw) if "widget-view+json" in node.astext()]:
        state = models.get(re.search(r'"model_id": "(\w+)"', view.astext())[1], {}).get("state", {})
        if state.get("tolerance") is not None:
            asked.append(as_text(state))
            view.replace_self(nodes.raw("", f'<div class="asked">{asked[-1]}</div>', format="html"))


def mend_downloads(app, exception):
    """Sphinx copies the notebooks as they are."""
    if exception or app.builder.format != "html":
        return
    for docname, asked in app.env.questions.items():
        file = Path(app.outdir, "_sources", f"{docname}.ipynb")
        if not file.exists():
            continue
        notebook, questions = strip(json.loads(file.read_text(encoding="utf-8"))), iter(asked)
        for i, cell in enumerate(notebook["cells"]):
            if is_try(cell):
                text = {"cell_type": "markdown", "metadata": {}, "source": [next(questions)]}
                notebook["cells"][i] = text | {name: cell[name] for name in ("id",) if name in cell}
        file.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def setup(app):
    without = os.environ.get("SOLUTIONS") == "0"
    app.add_config_value("solutions", not without, "env")  # a build of the other kind reads all pages anew
    if without:
        app.connect("builder-inited", lambda app: setattr(app.env, "questions", {}))
        app.connect("source-read", read)
        app.connect("doctree-resolved", ask, priority=400)  # offline.py has 500
        app.connect("build-finished", mend_downloads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
