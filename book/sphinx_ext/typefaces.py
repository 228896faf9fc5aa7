"""A small Sphinx extension: the type of the pages, cut down to the characters that they have.

Adobe's Source Serif and Source Sans come from the packages font-source-serif-pro and font-source-sans-pro. book.css
names the files. Their licence keeps the name "Source" for the whole fonts, so the cut ones have none.
"""

from pathlib import Path

from font_source_sans_pro import font_files_ttf as sans
from font_source_serif_pro import font_files_ttf as serif
from offline import ROOT, keep_characters

TYPEFACES = {
    "text": serif["SourceSerifPro"],
    "text-italic": serif["SourceSerifProIt"],
    "text-bold": serif["SourceSerifProSemibold"],
    "sans": sans["SourceSansPro"],
    "sans-italic": sans["SourceSansProIt"],
    "sans-bold": sans["SourceSansProSemibold"],
}
FEATURES = ["ccmp", "kern", "liga", "locl", "mark", "tnum"]


def cut_typefaces(app, exception):
    """Write the fonts with ASCII and whatever the pages have, and the notebooks and front ends of their widgets."""
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    files = [
        *out.rglob("*.html"),
        *ROOT.glob("book/*.ipynb"),
        *ROOT.glob("vae_widgets/*.js"),
        *ROOT.glob("vae_widgets/*.py"),
    ]
    characters = set(range(0x20, 0x7F)).union(*(map(ord, set(file.read_text(encoding="utf-8"))) for file in files))
    (out / "_static/fonts").mkdir(exist_ok=True)
    for name, file in TYPEFACES.items():
        keep_characters(file, characters, out / f"_static/fonts/{name}.woff2", FEATURES)


def setup(app):
    app.connect("build-finished", cut_typefaces, priority=980)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
