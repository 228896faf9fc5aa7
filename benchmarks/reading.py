"""How heavy is each page on a first reading? Opens the built pages in Chromium and counts what a reader sees of them.

Usage: python benchmarks/reading.py [--check] [folder of built pages, _build/html by default]

The main path is what a page shows as it opens, without the quiz, the exercises and their solutions; what is folded or
hidden is not on it. All of the lesson is that and what is folded, still without these. Words are those of paragraphs,
lists, captions, headings and tables, and a formula in a line counts as one. A distance between widgets is from the
lower edge of one, or of a prediction, to the upper edge of the next. minutes() says what takes how long.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "book/sphinx_ext")]
from chrome import HELP, find_chrome  # noqa: E402
from conftest import CHROME_FLAGS  # noqa: E402
from first_reading import FIGURE, LINE, NEW_ROW, PREDICTION, ROW, WIDGET, WORD  # noqa: E402
from widget_pages import wait_until_ready  # noqa: E402

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
OTHERS = ["index", "questions", "results"]
TOLERANCE = 1.5  # minutes that a stated time may be from the measure


@dataclass(frozen=True)
class Counts:
    """What there is to read in a part of a page."""

    words: int = 0
    rows: int = 0  # of display formulas
    lines: int = 0  # of code
    listed: int = 0  # lines of library code that a cell shows as its output
    asserts: int = 0
    figures: int = 0
    widgets: int = 0
    predictions: int = 0


@dataclass(frozen=True)
class Measured:
    """A page's counts, and what is long, cut off or silent on it."""

    path: Counts
    lesson: Counts
    outside: Counts  # of solutions: the lesson and the exercises with their checks
    silent: int  # visible cells that assert and print nothing
    exercises: int
    first: tuple[float | None, ...]  # screens from the top to the first widget, on a desk and on a phone
    gap: float  # most screens from one widget to the next
    stated: float | None  # minutes, by the page's own word
    cut: tuple[int, int]  # visible blocks of code whose lines end beyond the edge, on a desk and on a phone
    wide: tuple[int, int]  # displayed formulas that do


def minutes(counts: Counts) -> float:
    """By the seconds that first_reading.py has for each word, row of formulas, line of code, figure and widget."""
    seconds = (
        WORD * counts.words
        + ROW * counts.rows
        + LINE * (counts.lines + counts.listed)
        + FIGURE * counts.figures
        + WIDGET * counts.widgets
        + PREDICTION * counts.predictions
    )
    return seconds / 60


COUNT = r"""() => {
  const article = document.querySelector("article.bd-article");
  const all = (selector) => [...article.querySelectorAll(selector)];
  const sum = (elements, count) => elements.reduce((total, e) => total + count(e), 0);

  // An exercise reaches from its text to the end of its solution. A quiz is a section.
  const apart = new Set(all(".solution, #five-questions"));
  for (const exercise of all(".exercise")) {
    apart.add(exercise);
    let after = exercise;
    while ((after = after.nextElementSibling) && !after.matches(".exercise, .solution")) apart.add(after);
  }
  const ofExercise = (e) => e !== null && (apart.has(e) || ofExercise(e.parentElement));
  const seen = (e) => e.checkVisibility({ visibilityProperty: true });
  const ofPath = (e) => seen(e) && !ofExercise(e);

  const BLOCK = "p, li, dt, dd, h1, h2, h3, h4, h5, h6, figcaption, caption, th, td";
  const NO_PROSE = "summary, pre, button, nav, script, style, noscript, .widget, .headerlink, div.math";
  const text = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.data;
    if (node.nodeType !== Node.ELEMENT_NODE || node.matches(`${BLOCK}, ${NO_PROSE}`)) return "";
    return node.matches("mjx-container") ? "x" : textIn(node);
  };
  const textIn = (element) => [...element.childNodes].map(text).join("");
  const words = (block) => textIn(block).split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;

  const INNER = /\\begin\{(cases|array|\w*matrix)\}.*?\\end\{\1\}/gs; // whose rows are none of the formula
  const rows = (formula) => formula.dataset.tex.replace(INNER, "").split(/NEW_ROW/).length;

  const codeOf = (pre) => pre.textContent.trimEnd().split("\n");
  const lines = (pre) => codeOf(pre).length;
  const asserts = (pre) => codeOf(pre).filter((line) => /^\s*assert\b/.test(line)).length;
  const asks = (widget) => widget.querySelector(".vw-predict") !== null;

  const prose = all(BLOCK).filter((e) => !e.closest(NO_PROSE));
  const code = all(".cell_input pre, .highlight-python pre");
  const widgets = all(".widget");
  const countsOf = (keep) => {
    const shown = code.filter(keep), own = shown.filter((e) => !e.closest(".cell_output"));
    return {
      words: sum(prose.filter(keep), words),
      rows: sum(all("div.math mjx-container").filter(keep), rows),
      lines: sum(own, lines),
      listed: sum(shown, lines) - sum(own, lines),
      asserts: sum(own, asserts),
      figures: all("figure img, .cell_output img").filter((e) => keep(e) && !e.closest(".widget")).length,
      widgets: widgets.filter((e) => keep(e) && !asks(e)).length,
      predictions: widgets.filter((e) => keep(e) && asks(e)).length,
    };
  };
  const boxes = widgets.filter(ofPath).map((e) => e.getBoundingClientRect());
  const silent = (pre) => asserts(pre) && !pre.closest(".cell")?.querySelector(".cell_output");
  return {
    path: countsOf(ofPath),
    lesson: countsOf((e) => !ofExercise(e)),
    outside: countsOf((e) => !e.closest(".solution")),
    silent: code.filter((e) => ofPath(e) && silent(e)).length,
    exercises: all(".exercise").length,
    gap: Math.max(0, ...boxes.slice(1).map((box, i) => (box.top - boxes[i].bottom) / innerHeight)),
    stated: +article.querySelector(".reading-time[data-minutes]")?.dataset.minutes || null,
  };
}""".replace("NEW_ROW", NEW_ROW)

FIRST = """() => {
  const widget = [...document.querySelectorAll("article.bd-article .widget")].find((e) => e.checkVisibility());
  return widget ? (widget.getBoundingClientRect().top + scrollY) / innerHeight : null;
}"""

WIDE = """(selector) => [...document.querySelectorAll(`article.bd-article ${selector}`)]
  .filter((e) => e.checkVisibility({ visibilityProperty: true }) && e.scrollWidth > e.clientWidth).length"""


def measure(page: Page, file: Path) -> Measured:
    page.set_viewport_size(DESK)
    page.goto(file.as_uri())
    page.evaluate("[...document.images].forEach((image) => { image.loading = 'eager'; })")
    page.wait_for_load_state("networkidle")  # the theme folds and the pictures are as high as they will be
    wait_until_ready(page)
    found, first = page.evaluate(COUNT), [page.evaluate(FIRST)]
    wide = [page.evaluate(WIDE, kind) for kind in ("pre", "div.math")]
    page.set_viewport_size(PHONE)
    wide += [page.evaluate(WIDE, kind) for kind in ("pre", "div.math")]
    first.append(page.evaluate(FIRST))
    parts = {part: Counts(**found.pop(part)) for part in ("path", "lesson", "outside")}
    return Measured(**parts, **found, first=tuple(first), cut=tuple(wide[::2]), wide=tuple(wide[1::2]))


@contextmanager
def chromium() -> Iterator[Page]:
    path = find_chrome()
    assert path, HELP
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROME_FLAGS)
        yield browser.new_page(color_scheme="light")
        browser.close()


def pages(site: Path) -> list[Path]:
    """The numbered chapters, and then the other notebooks."""
    names = [*sorted((site / "book").glob("[0-9]*.html")), *(site / f"book/{name}.html" for name in OTHERS)]
    return [name for name in names if name.exists()]


def is_true(measured: Measured) -> bool:
    """Whether the time that a page states, if it states one, is that of its main path."""
    return measured.stated is None or abs(measured.stated - minutes(measured.path)) <= TOLERANCE


COLUMNS = {
    "words, of all": lambda m: f"{m.path.words} / {m.lesson.words}",
    "formula rows, of all": lambda m: f"{m.path.rows} / {m.lesson.rows}",
    "lines of code, of all, with exercises": lambda m: f"{m.path.lines} / {m.lesson.lines} / {m.outside.lines}",
    "and listed": lambda m: f"{m.path.listed}",
    "asserts, of all, with exercises": lambda m: f"{m.path.asserts} / {m.lesson.asserts} / {m.outside.asserts}",
    "blocks cut off at 1280, 390 px": lambda m: "{} / {}".format(*m.cut),
    "and formulas": lambda m: "{} / {}".format(*m.wide),
    "silent checks": lambda m: f"{m.silent}",
    "figures": lambda m: f"{m.path.figures}",
    "widgets": lambda m: f"{m.path.widgets}",
    "predictions": lambda m: f"{m.path.predictions}",
    "screens to the first widget at 1280, 390 px": lambda m: " / ".join(
        "–" if f is None else f"{f:.2f}" for f in m.first
    ),
    "from one to the next": lambda m: f"{m.gap:.1f}",
    "exercises": lambda m: f"{m.exercises}",
    "minutes, for all": lambda m: f"{minutes(m.path):.0f} / {minutes(m.lesson):.0f}",
    "stated": lambda m: "–" if m.stated is None else f"{m.stated:g}",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", nargs="?", type=Path, default=ROOT / "_build/html", help="default: _build/html")
    told = f"fail if a page states a time that is over {TOLERANCE:g} minutes off"
    parser.add_argument("--check", action="store_true", help=told)
    args = parser.parse_args()
    print(f"| page | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}")
    untrue = []
    with chromium() as page:
        for file in pages(args.site.resolve()):
            measured = measure(page, file)
            print(f"| {file.stem} | {' | '.join(cell(measured) for cell in COLUMNS.values())} |", flush=True)
            if not is_true(measured):
                untrue.append(f"{file.stem} states {measured.stated:g} minutes; it takes {minutes(measured.path):.0f}.")
    print(*untrue, sep="\n", file=sys.stderr, end="\n" if untrue else "")
    return int(args.check and bool(untrue))


if __name__ == "__main__":
    sys.exit(main())
