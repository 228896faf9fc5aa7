"""A small Sphinx extension: the search finds sections, also where a page may fetch nothing, as from disk.

When all pages are written, their text goes into one script, section by section, with the exercises, the names of the
code and the references as sections of their own. It is as readers see it: numbers in place, formulas as plain text,
without what is folded to be guessed first. synonyms.txt says which words mean the same. search.js has the rest: it
makes the index and answers, from the first letter that a reader types; until then no page loads any of this.
"""

import json
import re
from html import escape, unescape
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString, Tag
from formulas import FORMULA
from plain_tex import plain
from sphinx.search.en import SearchEnglish

HERE = Path(__file__).parent
# How much a mention weighs beside one in a chapter; on a page that is not here, half.
PAGES = {
    "index": 0.7,
    "questions": 0.8,
    "results": 0.7,
    "notation": 0.7,
    "api": 0.3,
    "from_the_notes": 0.4,
    "lecturers": 0.2,
    "architecture": 0.2,
    "references": 0.15,
}
# And beside the main path, what stands in boxes, in exercises and at the end of every chapter.
SHARES = {
    "To be exact: ": 0.8,
    "Exercise": 0.7,
    "Five lines to remember": 0.6,
    "To read next": 0.6,
    "What to read next": 0.6,
}
UNSEEN = (
    ".headerlink, .reading, .solution, .cell_output pre, script, style, noscript, summary .expanded, .eqno, "
    "details.hide .cell_input, .meaning"
)
BLOCKS = {"p", "div", "li", "td", "th", "tr", "dt", "dd", "figcaption", "summary", "section", "table", "ul", "ol", "dl"}


def text_of(node, inside=lambda child: True):
    """The text that is seen, blocks apart, without the children that are not `inside`."""
    pieces = []

    def walk(node):
        for child in node.children:
            if type(child) is NavigableString:
                pieces.append(child)
            elif isinstance(child, Tag) and inside(child):
                pieces.extend(" " if child.name in BLOCKS | {"br"} else "")
                walk(child)
                pieces.extend(" " if child.name in BLOCKS else "")

    walk(node)
    return re.sub(r"\s+", " ", "".join(pieces)).strip()


def place_of(node):
    """What a part of a page is as a section of its own: its anchor and title, or None if it is none."""
    if node.name == "section" and (
        title := node.find(re.compile("h[1-6]"), recursive=False)
        or node.select_one(":scope > details.exact > summary > :is(h2, h3, h4)")
    ):
        return node["id"], text_of(title)
    if "exercise" in node.get("class", ()) and node.get("id"):
        title = text_of(node.select_one(".admonition-title"))
        return node["id"], title
    if node.name == "dl" and "py" in node.get("class", ()):
        name = node.dt["id"]
        return name, name.removeprefix("vae_core.")
    if "citation" in node.get("class", ()):
        parts = re.split(r"(?<! [A-Z])[.?!] ", text_of(node.p), maxsplit=2)  # not after an initial
        return node["id"], parts[1] if len(parts) > 1 else parts[0]
    return None


def sections_of(text):
    """Each section: anchor, title, the number of the one it stands in, text, the terms explained in it, code."""
    article = re.search(r"<article.*?</article>", text, re.S)[0]
    article = FORMULA.sub(lambda match: escape(plain(unescape(match[2]))), article)
    article = re.sub(r"(?<=<pre>).*?(?=</pre>)", lambda match: re.sub("<.*?>", "", match[0]), article, flags=re.S)
    soup = BeautifulSoup(article, "html.parser")
    for unseen in soup.select(UNSEEN):
        unseen.decompose()
    for line in soup.select("summary .collapsed"):
        if not line.get_text().startswith("checked"):
            line.decompose()
    places = [(node, place) for node in soup.find_all(["section", "div", "dl"]) if (place := place_of(node))]
    numbers = {id(node): number for number, (node, _) in enumerate(places)}
    made = []
    for node, (anchor, title) in places:
        above = next((numbers[id(parent)] for parent in node.parents if id(parent) in numbers), -1)

        def own(child):
            return (
                id(child) not in numbers
                and child.name not in ("h1", "h2", "h3", "h4", "pre")
                and ("sig" not in child.get("class", ()))
            )

        within = [
            child
            for child in node.find_all(["strong", "em", "pre"])
            if next(p for p in child.parents if id(p) in numbers) is node
        ]
        # Bold is a term where it is explained, and so are italics of several words; of one, they are emphasis.
        marked = [child for child in within if child.name != "pre" and not child.find_parent(["a", "dt"])]
        terms = " · ".join(text_of(child) for child in marked if child.name == "strong" or " " in child.get_text())
        code = "\n".join(child.get_text() for child in within if child.name == "pre")
        made.append([anchor, title, above, text_of(node, own), terms, code])
    return made


def synonyms():
    lines = (HERE / "synonyms.txt").read_text(encoding="utf-8").splitlines()
    return [[word.strip() for word in line.split(" = ")] for line in lines if line.strip() and not line.startswith("#")]


def write_index(app, exception):
    if exception or app.builder.name != "html":
        return
    static = Path(app.outdir, "_static")
    pages, sections = [], []
    for name in sorted(app.env.found_docs):
        first = len(sections)
        for anchor, title, above, *rest in sections_of(Path(app.outdir, f"{name}.html").read_text(encoding="utf-8")):
            share = next((share for start, share in SHARES.items() if title.startswith(start)), 1 if rest[0] else 0.5)
            sections.append([len(pages), anchor, title, above + first if above >= 0 else -1, share, *rest])
        short = name.rpartition("/")[2]
        pages.append([f"{name}.html", 1 if short[0].isdigit() else PAGES.get(short, 0.5)])
    index = {"pages": pages, "sections": sections, "synonyms": synonyms(), "stopwords": sorted(SearchEnglish.stopwords)}
    text = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    static.joinpath("search_index.js").write_text(f"globalThis.bookIndex = {text};\n", encoding="utf-8")
    static.joinpath("stemmer.js").write_text(SearchEnglish.js_stemmer_code, encoding="utf-8")
    for unused in ("searchtools.js", "language_data.js", "sphinx_highlight.js"):
        static.joinpath(unused).unlink(missing_ok=True)


def without_sphinxs_own(app):
    app.builder.search = False


def without_highlights(app, name, template, context, doctree):
    """What marks in a page the words that Sphinx's search had found; this one marks them in its results."""
    context["script_files"] = [
        file
        for file in context["script_files"]
        if not str(getattr(file, "filename", "")).endswith("sphinx_highlight.js")
    ]


def setup(app):
    app.connect("builder-inited", without_sphinxs_own)
    app.connect("html-collect-pages", lambda app: [("search", {}, "search.html")])
    app.connect("html-page-context", without_highlights)
    app.connect("build-finished", write_index, priority=400)  # before the formulas are set, at 500
    return {"parallel_read_safe": True, "parallel_write_safe": True}
