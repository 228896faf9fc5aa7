"""What a first reading of a page takes, by benchmarks/reading.py."""

import subprocess
import sys
from dataclasses import replace

import pytest
from conftest import ROOT

sys.path.append(str(ROOT / "benchmarks"))
from reading import OTHERS, Counts, Measured, is_true, measure, minutes


def cell(code, output=""):
    source = f'<div class="cell_input"><div class="highlight-ipython3"><pre>{code}</pre></div></div>'
    answer = f'<div class="cell_output">{output}</div>' if output else ""
    return f'<div class="cell">{source}{answer}</div>'


def widget(part=""):
    return f'<div class="widget" style="height: 450px"><p>its own words</p>{part}</div>'


def formula(tex):
    return f'<div class="math"><mjx-container data-tex="{tex}">set</mjx-container></div>'


LOOP = "for a in b:\n\n    assert a"
LISTED = '<div class="highlight-python"><pre>def f():\n    pass</pre></div>'
ALIGNED = r"\begin{aligned} a &= b \\ &\quad + c \\ &= \begin{cases} 1 \\ 2 \end{cases} \end{aligned}"
STYLE = """body, pre, .widget, p { margin: 0 } pre { overflow-x: auto; width: 20em } .hidden { display: none }
.toggle-hidden .admonition-title ~ * { height: 0; visibility: hidden }"""
PAGE = f"""<!doctype html><meta charset="utf-8"><style>{STYLE}</style><p>Navigation</p><article class="bd-article">
<h1>Two words<a class="headerlink">#</a></h1>
<div style="height: 900px"></div>{widget()}
<div style="height: 1800px"></div>{widget('<div class="vw-predict"></div>')}
<p>A formula <span class="math"><mjx-container>x = 1</mjx-container></span>: one – word.</p>
<ul><li><p>nested</p></li><li>item <code>name</code></li></ul>
<table><tr><th>one</th><td>2</td></tr></table>
<figure><img alt=""><figcaption>A caption</figcaption></figure>
{formula("$$x$$")} {formula(ALIGNED)}
{cell(LOOP)} {cell("assert " + "long " * 40, "<pre>printed words</pre>")} {cell("import torch", LISTED)} {cell("a = 1")}
<details class="check"><summary><p>checked: it holds</p></summary>{cell("assert c, d")}</details>
<details class="exact"><summary>To be exact</summary><p>three folded words</p>{formula("y")}</details>
<div class="hidden">{cell("plt.show()")}</div>
<div class="admonition dropdown toggle toggle-hidden"><p class="admonition-title">Note</p><p>folded too</p></div>
<section id="five-questions"><h2>Five questions</h2>{widget('<div class="vw-predict"></div>')}</section>
<div class="exercise"><p>Solve this.</p></div>{cell("assert tried")}{widget()}
<div class="solution"><p>Solved.</p>{cell("assert solved")}</div>
<p>The end</p>"""
PATH = Counts(words=17, rows=3, lines=6, listed=2, asserts=2, figures=1, widgets=1, predictions=1)


def test_a_page_is_counted_as_a_reader_sees_it(browser, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(PAGE, encoding="utf-8")
    page = browser.new_page()
    measured = measure(page, file)
    page.close()
    assert measured.path == PATH
    assert (measured.lesson.words, measured.lesson.rows) == (PATH.words + 5, PATH.rows + 1)
    assert (measured.lesson.lines, measured.lesson.asserts, measured.lesson.widgets) == (8, 3, 1)
    assert (measured.outside.lines, measured.outside.asserts, measured.outside.widgets) == (9, 4, 2)
    assert measured.outside.predictions == PATH.predictions + 1
    assert (measured.silent, measured.exercises, measured.cut, measured.stated) == (1, 1, (1, 1), None)
    assert 1 < min(measured.first) < max(measured.first) < 1.3 and measured.gap == 2


def test_what_there_is_to_read_takes_its_time():
    assert minutes(Counts()) == 0
    assert minutes(Counts(words=120, rows=3, lines=10, figures=3)) == 5
    assert minutes(Counts(words=120, rows=3, lines=5, listed=5, figures=3, widgets=2, predictions=3)) == 10


@pytest.mark.parametrize("off, true", [(-1, True), (1.4, True), (1.6, False), (-2, False)])
def test_a_stated_time_is_true_within_a_minute_and_a_half(off, true):
    measured = Measured(
        *[PATH] * 3, silent=0, exercises=4, first=1, gap=1, stated=minutes(PATH) + off, cut=(0, 0), wide=(0, 0)
    )
    assert is_true(measured) == true and is_true(replace(measured, stated=None))


@pytest.mark.parametrize("off, code", [(1.4, 0), (1.6, 1)])
def test_a_stated_time_that_is_off_is_an_error(tmp_path, off, code):
    (tmp_path / "book").mkdir()
    for name in ["1_chapter", *OTHERS]:
        stated = f'<span class="reading-time" data-minutes="{minutes(PATH) + off}"></span>'
        page = PAGE + stated * (name == "1_chapter")
        (tmp_path / f"book/{name}.html").write_text(page, encoding="utf-8")
    command = [sys.executable, ROOT / "benchmarks/reading.py", "--check", tmp_path]
    done = subprocess.run(command, encoding="utf-8", capture_output=True)
    assert done.returncode == code, done.stderr
    assert ("1_chapter states" in done.stderr) == bool(code)
    assert f"| 1_chapter | {PATH.words} / {PATH.words + 5} |" in done.stdout


@pytest.mark.parametrize("chapter", sorted((ROOT / "book").glob("[0-9]*.ipynb")), ids=lambda path: path.stem)
def test_a_chapter_states_its_time_and_a_first_reading_is_light(browser, site, chapter):
    page = browser.new_page()
    measured = measure(page, site / f"book/{chapter.stem}.html")
    page.close()
    assert is_true(measured) and 15 <= measured.stated <= 45
    assert max(measured.first) < 2 and measured.gap <= 1.5 and measured.silent == 0
    assert measured.cut[0] == measured.wide[0] == 0
