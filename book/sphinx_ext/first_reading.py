"""A small Sphinx extension: what a first reading sees of a page, and how long it takes.

A cell with the tag `check` becomes one folded line with its claim, which is the comment that the cell begins with. A
section that is called "To be exact: ..." is folded. Below the title, but for the first page's, stands how long the rest
takes to read, and a switch that shows all code, the lesson's or none. The lesson's code is that of cells without tags;
see book.css. A block quote, which Jupyter shows as such, is a side remark.
"""

import itertools
import math
import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxRole

EXACT = "To be exact: "
APART = ("Five questions", "Exercises")  # sections that no first reading has to have
CODE = {"lesson": "the lesson’s", "all": "all", "none": "none"}
# The seconds that each takes: a word, a row of a displayed formula, a line of code and so on.
WORD, ROW, LINE, FIGURE, WIDGET, PREDICTION = 0.5, 40, 6, 20, 90, 40
NEW_ROW = r"\\\\(?!\s*&\\q?quad)"  # of a formula: one that is indented goes on with the row above


def claim(source: str) -> str:
    """The comment that a cell begins with, as one line."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), source.splitlines())
    return " ".join(line.lstrip("# ") for line in lines)


def tags(cell):
    return cell.get("cell_metadata", {}).get("tags", [])


def cells(doctree):
    return [node for node in doctree.findall(nodes.container) if node.get("nb_element") == "cell_code"]


def is_exact(section):
    return isinstance(section, nodes.section) and section[0].astext().startswith(EXACT)


class Fold(SphinxPostTransform):
    """Checks and boxes, as HTML has them; before myst-nb folds its cells."""

    default_priority = 190
    formats = ("html",)

    def run(self, **kwargs):
        for cell in cells(self.document):
            source = cell[0].astext()
            if "check" in tags(cell):
                told = f"checked ✓ {claim(source)}"
                cell.attributes |= {"hide_mode": "input", "prompt_show": told, "prompt_hide": told}
            elif "hide-input" in tags(cell):
                what = "check of this exercise" if "@yes_or_no" in source else "code behind this"
                cell.attributes |= {"prompt_show": f"Show the {what}", "prompt_hide": f"Hide the {what}"}
        for section in filter(is_exact, self.document.findall(nodes.section)):
            section.insert(1, raw("</summary>"))
            section.insert(0, raw('<details class="exact"><summary>'))
            section.append(raw("</details>"))


def raw(html):
    return nodes.raw("", html, format="html")


def minutes(doctree) -> int:
    """How long the main path of a page takes: without quiz, exercises, boxes, and code that is folded or not shown."""
    seconds = 0.0
    for node in main_path(doctree):
        if isinstance(node, nodes.Text):
            seconds += WORD * len(re.findall(r"\S*\w\S*", node))
        elif isinstance(node, nodes.math):
            seconds += WORD
        elif isinstance(node, nodes.math_block):
            seconds += ROW * (1 + len(re.findall(NEW_ROW, node.astext())))
        elif isinstance(node, nodes.literal_block):
            seconds += LINE * sum(bool(line.strip()) for line in node.astext().splitlines())
        elif node.get("nb_element") == "cell_code":
            kinds = {part.get("mime_type", "") for part in node.findall(nodes.container)}
            if any("widget-view" in kind for kind in kinds):
                asks = re.search(r"^(Predict|Try)\(", node[0].astext(), re.M)
                seconds += PREDICTION if asks else WIDGET
            elif any(kind.startswith("image/") for kind in kinds):
                seconds += FIGURE
    return math.ceil(seconds / 60)


def main_path(node):
    kind = type(node).__name__
    if kind.startswith(("exercise", "solution")) or "dropdown" in getattr(node, "attributes", {}).get("classes", []):
        return
    if isinstance(node, nodes.section) and (is_exact(node) or node[0].astext() in APART):
        return
    if isinstance(node, (nodes.comment, nodes.target, nodes.substitution_definition)):
        return
    yield node
    if isinstance(node, (nodes.Text, nodes.math, nodes.math_block, nodes.literal_block)):
        return
    folded = {"check", "hide-input"} & {*tags(node)}
    for child in node.children:
        unseen = isinstance(child, nodes.container) and (
            (folded and child.get("nb_element") == "cell_code_source")
            or (len(node) > 1 and child.get("mime_type") == "text/plain")  # in the place of a widget or picture
        )
        if not unseen:
            yield from main_path(child)


class Minutes(SphinxRole):
    """{minutes}`3_vae`: how long that page takes."""

    def run(self):
        return [nodes.inline("", "", minutes_of=self.text)], []


def measure(app, doctree):
    if not hasattr(app.env, "minutes"):
        app.env.minutes = {}
    app.env.minutes[app.env.docname] = minutes(doctree)


def merge(app, env, docnames, other):
    env.minutes = getattr(env, "minutes", {}) | {name: other.minutes[name] for name in docnames}


def show(app, doctree, docname):
    for node in doctree.findall(nodes.inline):
        if "minutes_of" in node:
            node += nodes.Text(str(app.env.minutes["book/" + node["minutes_of"]]))
    for quote in list(doctree.findall(nodes.block_quote)) if cells(doctree) else []:  # in a notebook, a side remark
        quote.replace_self(nodes.container("", *quote.children, classes=["remark"]))
    if cells(doctree) and docname != app.config.root_doc:  # the first page begins with a picture
        n = app.env.minutes[docname]
        time = f'<span class="reading-time" data-minutes="{n}">{n} minutes, without boxes and exercises</span>'
        options = "".join(
            f'<label><input type="radio" name="code" value="{value}">{name}</label>' for value, name in CODE.items()
        )
        switch = f'<fieldset class="code-switch"><legend>Code:</legend>{options}</fieldset>'
        switch += '<button type="button" class="present-page" title="As slides, by the key p too">Present</button>'
        is_chapter = docname.split("/")[-1][0].isdigit()
        doctree[0].insert(1, raw(f'<div class="reading">{time if is_chapter else ""}{switch}</div>'))


def setup(app):
    app.add_role("minutes", Minutes())
    app.add_post_transform(Fold)
    app.connect("doctree-read", measure)
    app.connect("env-merge-info", merge)
    app.connect("doctree-resolved", show)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
