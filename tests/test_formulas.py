"""Formulas are set at build: wherever they come from, with nothing left for a script, and copied as TeX."""

import base64
import io
import re
import subprocess
import sys

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT
from fontTools.ttLib import TTFont
from test_site import PAGES

CONF = f"""
import sys
from docutils import nodes
sys.path.insert(0, {str(ROOT / "book/sphinx_ext")!r})
extensions = ["myst_nb", "formulas"]
myst_enable_extensions = ["amsmath", "dollarmath"]
nb_execution_mode = "off"
html_theme = "sphinx_book_theme"

def add(app, doctree, name):  # as glue does, when all pages are read
    doctree.append(nodes.paragraph("", "", nodes.math("", r"\\kappa")))

def setup(app):
    app.connect("doctree-resolved", add)
"""


@pytest.fixture
def build(tmp_path):
    """A function that builds pages, {name: Markdown}, and returns (status, what Sphinx said, {name: parsed page})."""

    def build(pages):
        for name, text in pages.items():
            (tmp_path / f"{name}.md").write_text(text, encoding="utf-8")
        (tmp_path / "conf.py").write_text(CONF, encoding="utf-8")
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", tmp_path, tmp_path / "out"]
        run = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
        made = {name: (tmp_path / f"out/{name}.html").read_text(encoding="utf-8") for name in pages}
        return run.returncode, run.stderr, {name: BeautifulSoup(text, "html.parser") for name, text in made.items()}

    return build


def tex(page):
    return [formula["data-tex"] for formula in page.select("mjx-container:has(mjx-c)")]


def test_a_formula_is_set_wherever_it_stands(build):
    text = """# Of $\\alpha$

| head $\\beta$ |
|---|
| cell $a < b$ |

```{note}
Inside $\\gamma$.
```

$$\\text{"said"} \\\\ x &= y$$ (two)

\\begin{align}
x &= 1
\\end{align}

## With quotes $\\text{"a"}$
"""
    status, said, pages = build({"index": f"{text}\n```{{toctree}}\nother\n```", "other": "# Titled $\\delta$"})
    assert (status, said) == (0, "")
    environment = "\\begin{align}\nx &= 1\n\\end{align}"
    assert tex(pages["index"].article) == [
        "$\\alpha$",
        "$\\beta$",
        "$a < b$",
        "$\\gamma$",
        '$$\\text{"said"} \\\\ x &= y$$',
        environment,
        '$\\text{"a"}$',
        "$\\delta$",
        "$\\kappa$",
    ]
    contents = [formula["data-tex"] for formula in pages["index"].select("a.nav-link mjx-container:has(mjx-c)")]
    assert set(contents) == {'$\\text{"a"}$'}
    assert tex(pages["other"].article) == ["$\\delta$", "$\\kappa$"]
    assert pages["index"].select_one("#equation-two .eqno").text.startswith("(1)")
    words = pages["index"].select_one('[data-tex="$a < b$"] mjx-assistive-mml > math')
    assert words.text == "a<b"
    assert pages["other"].title.text.startswith("Titled $\\delta$")


def test_a_part_has_the_colour_of_its_quantity(build, tmp_path):
    status, said, pages = build({"index": "# A page\n\n$$\\textcolor{elbo}{a} = \\textcolor{kl}{\\frac{b}{2}}$$\n"})
    assert (status, said) == (0, "")
    css = (tmp_path / "out/_static/formulas.css").read_text(encoding="utf-8")
    for name, text in (("elbo", "1D44E"), ("kl", "1D44F")):
        part = pages["index"].select_one(f"mjx-mstyle:has(.mjx-c{text})")
        assert f".{part['class'][0]} {{\n  color: var(--vae-{name}) !important;" in css
    status, said, _ = build({"index": "# A page\n\n$\\textcolor{teal}{a}$\n"})
    assert status == 1 and "formula: No quantity of colours.css has the name teal in $" in said


def test_a_wrong_formula_fails_the_build_and_is_named(build):
    status, said, pages = build({"index": "# A page\n\nRight: $x$. Wrong: $\\nosuch x$.\n"})
    assert status == 1
    assert "index.md: WARNING: formula: Undefined control sequence \\nosuch in $\\nosuch x$" in said
    assert tex(pages["index"]) == ["$x$", "$\\kappa$"]  # the others stand


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_left_to_do_in_the_page(site, name):
    text = (site / name).with_suffix(".html").read_text(encoding="utf-8")
    page = BeautifulSoup(text, "html.parser")
    for place in page.select(".math"):
        formula = place.find("mjx-container")
        assert formula.select_one(":scope > mjx-math > *"), formula
        assert formula.select_one(":scope > mjx-math")["aria-hidden"] == "true"
        assert formula.select_one(":scope > mjx-assistive-mml > math > *"), formula
        assert not place.select("[style], script, [tabindex]")
    assert not page.select("mjx-merror, mjx-utext")  # a character that MathJax has no glyph for
    assert "MathJax =" not in text


def test_a_reason_stands_beside_its_step_and_on_a_phone_below(open_page):
    page, _ = open_page("book/2_jensen_elbo")
    places = """() => [...document.querySelectorAll("article mjx-mtr")].map((row) => [...row.children])
        .filter(([left, step, gap, reason]) => reason?.querySelector("mjx-mtext") && reason.checkVisibility())
        .map(([left, step, gap, reason]) => [step, reason].map((part) => part.getBoundingClientRect().toJSON()))"""
    beside = page.evaluate(places)
    assert len(beside) > 5 and all(reason["left"] >= step["right"] - 1 for step, reason in beside)
    page.set_viewport_size({"width": 390, "height": 844})
    below = page.evaluate(places)
    assert len(below) == len(beside) and all(reason["top"] >= step["bottom"] - 1 for step, reason in below)


def test_the_style_sheet_has_every_glyph(site):
    assert not (site / "_static/mathjax").exists()
    css = (site / "_static/formulas.css").read_text(encoding="utf-8")
    faces = re.findall(r'font-family: ([\w-]+);\s+src: url\("data:font/woff;base64,([^"]+)', css)
    glyphs = {family: set(TTFont(io.BytesIO(base64.b64decode(font))).getBestCmap()) for family, font in faces}
    assert {"MJXTEX", "MJXTEX-I"} <= glyphs.keys()
    drawn = re.findall(r"^mjx-c\.mjx-c\w+(?:\.TEX(-\w+))?::before \{[^}]*content: \"(\\[0-9A-F]+|[^\\\"])\"", css, re.M)
    assert len(drawn) > 100
    missing = [
        (family, text)
        for family, text in drawn
        if (int(text[1:], 16) if len(text) > 1 else ord(text)) not in glyphs[f"MJXTEX{family}"]
    ]
    assert missing == []
    # and a page that was built with other formulas does not take an older one from a cache
    page = (site / "book/index.html").read_text(encoding="utf-8")
    assert re.search(r'formulas\.css\?v=[0-9a-f]{8}"', page)


def pasted(page):
    """What Ctrl + C and Ctrl + V bring into a field."""
    page.keyboard.press("ControlOrMeta+c")
    page.evaluate("document.body.append(Object.assign(document.createElement('textarea'), { id: 'field' }))")
    page.locator("#field").focus()
    page.keyboard.press("ControlOrMeta+v")
    text = page.locator("#field").input_value()
    page.evaluate("document.querySelector('#field').remove()")
    return text


def test_copying_gives_tex(open_page):
    page, trouble = open_page("book/notation")
    page.evaluate("""() => {
        const part = document.createElement("section");
        const [inline, other] = [...document.querySelectorAll("article mjx-container:not([display])")];
        part.id = "part";
        part.innerHTML = `<p>Let <span class="math">${inline.outerHTML}</span>, say.</p><p>And <b>then</b>
            <span class="math">${other.outerHTML}</span>.</p><p>No formula.</p>`;
        document.querySelector("article").prepend(part);
        window.tex = [inline, other].map((formula) => formula.dataset.tex);
    }""")
    first, second = page.evaluate("tex")
    assert re.fullmatch(r"\$[^$]+\$", first) and first != second
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#part'))")
    assert pasted(page) == f"Let {first}, say.\n\nAnd then {second}.\n\nNo formula."
    # A part of a formula stands for all of it.
    page.evaluate("""() => {
        const [one, two] = document.querySelectorAll("#part mjx-math");
        getSelection().setBaseAndExtent(one, 1, two.querySelector("mjx-c"), 0);
    }""")
    assert pasted(page) == f"{first}, say.\n\nAnd then {second}"
    # Without a formula the browser copies as ever, and in a field too.
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#part p:last-child'))")
    assert pasted(page) == "No formula."
    assert trouble == []


def test_copying_leaves_out_the_colours(open_page):
    page, _ = open_page("book/notation")
    assert page.locator("#the-colours [data-tex*=textcolor]").count() == 8
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#the-colours'))")
    text = pasted(page)
    assert text.count(r"${\blacksquare}$") == 8 and "textcolor" not in text


def test_copying_a_displayed_formula_gives_its_tex(open_page):
    page, _ = open_page("book/2_jensen_elbo")
    source = page.evaluate("""() => {
        const formula = document.querySelector("article mjx-container[display]");
        getSelection().selectAllChildren(formula.closest(".math"));
        return formula.dataset.tex;
    }""")
    assert source.startswith("$$") and source.endswith("$$")
    assert source in pasted(page)
