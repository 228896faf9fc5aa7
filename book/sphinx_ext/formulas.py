"""A small Sphinx extension: formulas are set while the book is built, so that they stand in a page as it arrives.

Sphinx leaves each formula's TeX in the pages. When all are written, MathJax sets whatever formulas they have, from the
text, a table of contents, a cell's output or glue: the MathJax of sphinx-mathjax-offline, in mini-racer's JavaScript
engine. A page gets what MathJax would have made of it in a browser. One style sheet has the rules and the glyphs that
the formulas of this book use, and no others.

A part of a formula has the colour of a quantity by its name, such as \\textcolor{kl}{...}, in either theme. Jupyter
knows no colour of that name, and sets it in the colour of the text.
"""

import base64
import hashlib
import io
import json
import re
from contextlib import closing
from html import escape, unescape
from importlib.resources import files
from pathlib import Path

from docutils import nodes
from fontTools import subset
from fontTools.ttLib import TTFont
from py_mini_racer import MiniRacer
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)
MATHJAX = Path(str(files("sphinx-mathjax-offline"))) / "static/mathjax"
FONTS = MATHJAX / "output/chtml/fonts/woff-v2"
PARTS = [
    "core",
    "adaptors/liteDOM",
    "input/tex-base",
    "input/tex/extensions/ams",
    "input/tex/extensions/color",
    "output/chtml",
    "output/chtml/fonts/tex",
]
PALETTE = Path(__file__).parents[2] / "vae_widgets/colours.css"
COLOURS = set(re.findall(r"--vae-(\w+)", PALETTE.read_text(encoding="utf-8")))
# A formula in a page, set or not, with its TeX as a reader copies it.
FORMULA = re.compile(r"""<mjx-container data-tex=("|')(.*?)\1.*?</mjx-container>""", re.DOTALL)


def leave(tex):
    return f'<mjx-container data-tex="{escape(tex)}">{escape(tex)}</mjx-container>'


def visit_math(self, node):
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(leave(f"${node.astext().strip()}$") + "</span>")
    raise nodes.SkipNode


def visit_math_block(self, node):
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    tex = node.astext().strip()
    self.body.append(leave(tex if node["nowrap"] else f"$${tex}$$") + "</div>\n")  # an environment has no dollars
    raise nodes.SkipNode


def run_mathjax(formulas):
    """What formulas.js makes of a list of formulas."""
    with closing(MiniRacer()) as engine:  # left open, it would keep Python from ending
        engine.eval("globalThis.MathJax = {}; 0")
        for part in PARTS:
            engine.eval((MATHJAX / f"{part}.js").read_text(encoding="utf-8") + "\n; 0")
            if part == "core":  # what comes after asks for the loader, which is for browsers
                engine.eval("MathJax._.components.package = { Package: {}, PackageError: Error }; 0")
        engine.eval(Path(__file__).with_suffix(".js").read_text(encoding="utf-8") + "\n; 0")
        return json.loads(engine.eval(f"JSON.stringify(setFormulas({json.dumps(formulas)}))"))


def font_face(family, file, characters):
    """A rule with the font in it, so that it is there with the first picture, and from disk as well."""
    font = TTFont(FONTS / file)
    cut = subset.Subsetter(subset.Options(layout_features=[], drop_tables=["FFTM"], name_IDs=[0, 13, 14]))
    cut.populate(text=characters)
    cut.subset(font)
    font.save(data := io.BytesIO())
    address = f"data:font/woff;base64,{base64.b64encode(data.getvalue()).decode()}"
    return f'@font-face {{\n  font-family: {family};\n  src: url("{address}") format("woff");\n}}\n'


def set_formulas(app, exception):
    """Set the formulas of all pages, also of those that an earlier build wrote, since they share the style sheet."""
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(out.rglob("*.html"))}
    found = {path: dict.fromkeys(unescape(tex) for _, tex in FORMULA.findall(text)) for path, text in pages.items()}
    formulas = list(dict.fromkeys(tex for of_page in found.values() for tex in of_page))
    made = run_mathjax(formulas)
    set_as = dict(zip(formulas, made["formulas"], strict=True))
    for tex in formulas:
        if strange := set(re.findall(r"\\textcolor\{(.*?)\}", tex)) - COLOURS:
            set_as[tex] = {"error": f"No quantity of colours.css has the name {strange.pop()}"}
    css = re.sub(rf"(?<=\bcolor: )({'|'.join(COLOURS)})\b", r"var(--vae-\1)", made["css"])
    css += "".join(font_face(**font) for font in made["fonts"])
    (out / "_static/formulas.css").write_text(css, encoding="utf-8")
    version = hashlib.sha256(css.encode()).hexdigest()[:8]

    def put(match):
        tex = unescape(match[2])
        formula = set_as[tex]
        if "error" in formula:
            return leave(tex)
        return f'<mjx-container data-tex="{escape(tex)}"{formula["attributes"]}>{formula["html"]}</mjx-container>'

    for path, text in pages.items():
        for tex in found[path]:
            if error := set_as[tex].get("error"):
                name = path.relative_to(out).with_suffix("").as_posix()
                logger.warning("formula: %s in %s", error, tex, location=name)
        text = re.sub(r'formulas\.css(\?v=\w+)?"', f'formulas.css?v={version}"', text)
        path.write_text(FORMULA.sub(put, text), encoding="utf-8")


def setup(app):
    app.add_html_math_renderer("at_build", (visit_math, None), (visit_math_block, None))
    app.add_css_file("formulas.css")
    app.connect("build-finished", set_formulas)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
