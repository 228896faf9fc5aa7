"""A small Sphinx extension: what docutils and the theme write, as a screen reader takes it."""

import re
from pathlib import Path

from docutils import nodes
from sphinx_exercise.nodes import is_exercise_enumerable_node, is_exercise_node

ICON = re.compile(r'<(i|span) class="(?=[^"]*\bfa-)')


def visit_entry(translator, node):
    """The empty corner of a table is no heading."""
    type(translator).visit_entry(translator, node)
    if not node.astext() and translator.body[-1].startswith("<th"):
        translator.body[-1] = translator.body[-1].replace("<th", "<td", 1)
        translator.context[-1] = translator.context[-1].replace("</th", "</td", 1)


def depart_entry(translator, node):
    type(translator).depart_entry(translator, node)


def visit_citation(translator, node):
    """The entries of a bibliography are items of the list that they stand in; docutils' role for them is no more."""
    type(translator).visit_citation(translator, node)
    translator.body[-1] = translator.body[-1].replace('role="doc-biblioentry"', 'role="listitem"')


def depart_citation(translator, node):
    type(translator).depart_citation(translator, node)


def visit_title(translator, node):
    """An exercise is found among the headings."""
    start = len(translator.body)
    type(translator).visit_title(translator, node)
    if is_exercise_node(node.parent) or is_exercise_enumerable_node(node.parent):
        translator.body[start] = translator.body[start].replace("<p ", '<p role="heading" aria-level="3" ', 1)


def depart_title(translator, node):
    type(translator).depart_title(translator, node)


def hide_icons(app, error):
    """They are letters of a typeface, which would be read out in front of the words beside them."""
    if error or app.builder.name != "html":
        return
    for file in Path(app.outdir).rglob("*.html"):
        text = file.read_text(encoding="utf-8")
        file.write_text(ICON.sub(r'<\1 aria-hidden="true" class="', text), encoding="utf-8")


def setup(app):
    app.add_node(nodes.title, override=True, html=(visit_title, depart_title))
    app.connect("build-finished", hide_icons)
    app.add_node(nodes.entry, override=True, html=(visit_entry, depart_entry))
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
