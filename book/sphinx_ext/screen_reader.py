"""A small Sphinx extension: what docutils writes, as a screen reader takes it."""

from docutils import nodes


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


def setup(app):
    app.add_node(nodes.entry, override=True, html=(visit_entry, depart_entry))
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
