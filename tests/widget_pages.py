"""Pages with nothing but widgets on them, in the form in which Jupyter Book embeds widgets; quick to make and to open."""

import json

from conftest import ROOT
from ipywidgets.embed import embed_data

PAGE = """<!doctype html>
<html lang="en" data-theme="{theme}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Widgets</title>
<style>:root {{ --pst-font-family-base: x; }} body {{ font-family: "Liberation Sans", sans-serif; margin: 16px auto; max-width: 760px; }}
html[data-theme=dark] body {{ background: #15181c; color: #d9dce0; }}</style>
<style>{css}</style></head>
<body>
<script type="application/vnd.jupyter.widget-state+json">{state}</script>
{views}
<script type="module">{host}</script>
</body></html>
"""


def write_widget_page(file, widgets, theme="light"):
    """Write a page that shows the widgets one below the other, and return its path."""
    data = embed_data(views=widgets, drop_defaults=False)
    escape = lambda value: json.dumps(value).replace("</", "<\\/")
    view = '<div><script type="application/vnd.jupyter.widget-view+json">{}</script></div>'
    file.write_text(PAGE.format(
        theme=theme,
        css=(ROOT / "book/assets/book.css").read_text(),
        state=escape(data["manager_state"]),
        views="\n".join(view.format(escape(spec)) for spec in data["view_specs"]),
        host=(ROOT / "book/assets/widget_host.js").read_text(),
    ))
    return file
