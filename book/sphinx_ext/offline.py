"""A small Sphinx extension: what the pages need to work from disk with the network off."""

import re
from pathlib import Path

from docutils import nodes
from PIL import Image
from widget_state import pack_page

PIXELS_PER_INCH = 100
NO_SCRIPT = '<noscript><p class="widget-notice">An interactive figure: it needs JavaScript.</p></noscript>'


def drop_icon_script(app, exception):
    """The icons are there as a font; the script that draws them once more is 1.5 MB, and holds up the first picture."""
    script = Path(app.outdir, "_static/scripts/fontawesome.js")
    if exception is None and script.exists():
        script.write_text("")


def size_figures(app, doctree):
    """Show a figure at the size it was drawn for, however many dots an inch it has."""
    for node in doctree.findall(nodes.image):
        path = Path(app.srcdir, node["uri"])
        if path.suffix == ".png" and not ({"width", "height", "scale"} & set(node.attributes)):
            with Image.open(path) as image:
                if "dpi" in image.info:
                    node["width"] = f"{image.width / image.info['dpi'][0] * PIXELS_PER_INCH:.0f}px"


def set_text(app, doctree, name):
    """A number's minus sign is one; and a formula stays on one line with the punctuation after it."""
    for text in list(doctree.findall(nodes.Text)):
        if not isinstance(text.parent, (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw)):
            better = re.sub(r"(?<![\w-])-(?=\d)", "−", text.astext())
            if better != text.astext():
                text.parent.replace(text, nodes.Text(better))
    for formula in list(doctree.findall(nodes.math)):
        after = formula.next_node(descend=False, siblings=True)
        mark = re.match(r"[.,;:!?)’”]+", after.astext()) if isinstance(after, nodes.Text) else None
        if mark:
            after.parent.replace(after, nodes.Text(after.astext()[mark.end():]))
            formula.replace_self(nodes.inline("", "", formula.deepcopy(), nodes.Text(mark[0]), classes=["unbroken"]))


def complete_start_page(app, exception):
    """The page that leads to the first one: with a title, and a link for those whom it does not lead."""
    start = Path(app.outdir, "index.html")
    if exception is None and app.builder.format == "html" and start.exists():
        first = re.search("url=([^\"]+)", start.read_text())[1]
        start.write_text('<!doctype html><html lang="en"><meta charset="utf-8">'
                         f'<meta http-equiv="refresh" content="0; url={first}"><title>{app.config.html_title}</title>'
                         f'<a href="{first}">Read the book</a></html>\n')


def mark_widgets(app, doctree, name):
    """Say what is missing where scripts do not run."""
    for node in list(doctree.findall(nodes.raw)):
        if "widget-view+json" in node.astext():
            node.parent.insert(node.parent.index(node) + 1, nodes.raw("", NO_SCRIPT, format="html"))


def setup(app):
    # From disk a page may not read the others, so there the search shows their titles without extracts.
    app.add_js_file(None, body='DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = location.protocol !== "file:";')
    app.connect("doctree-read", size_figures)
    app.connect("doctree-resolved", mark_widgets)
    app.connect("doctree-resolved", set_text)
    app.connect("html-page-context", pack_page, priority=400)  # myst-nb has 500
    app.connect("build-finished", drop_icon_script)
    app.connect("build-finished", complete_start_page, priority=900)  # the table of contents writes it at 500
    return {"parallel_read_safe": True, "parallel_write_safe": True}
