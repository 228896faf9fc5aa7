"""The book as one PDF, from the pages that are built: python pdf.py [--paper Letter] [PAGE ...], or `make pdf`.

A browser opens each page and draws its widgets. What it then shows is put into one document, with a title and the
contents before it, and the browser prints that: once to learn on which sheet everything begins, and once more with the
numbers in the contents.
"""

import argparse
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from playwright.sync_api import Browser, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import BooleanObject, DictionaryObject, Fit, NameObject, TextStringObject

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tests"))
from chrome import HELP, find_chrome  # noqa: E402

from vae_machinery.files import write_atomically  # noqa: E402

Part = tuple[str | None, list[str]]  # its caption and its pages, as _toc.yml has them

PATIENCE = 120_000  # ms that a page may take until its widgets are drawn
WIDTH = 660  # CSS pixels of a column on paper
DRAWN = """!document.querySelector(".widget[aria-busy], .vw[aria-busy=true]")
    && [...document.images].every((image) => image.complete)"""

# What a page shows, as markup that stands by itself. Names get the page's own in front, links into other pages of the
# book lead to these, and what a script has set is written down.
TAKE = """([key, keys]) => {
    const article = document.querySelector(".bd-article");
    for (const canvas of article.querySelectorAll("canvas")) canvas.dataset.picture = canvas.toDataURL();
    for (const input of article.querySelectorAll("input")) input.toggleAttribute("checked", input.checked);
    for (const image of article.querySelectorAll("img")) image.src = image.src;
    for (const link of article.querySelectorAll("a[href]")) {
        const target = new URL(link.href), name = decodeURIComponent(target.hash.slice(1));
        const page = keys[target.pathname];
        if (page) link.setAttribute("href", name ? `#${page}--${name}` : `#${page}`);
        else if (target.protocol === "file:") link.removeAttribute("href");
    }
    for (const element of article.querySelectorAll("[id]")) {
        if (!element.closest(".vw")) element.id = `${key}--${element.id}`;
    }
    for (const rest of article.querySelectorAll("script, noscript, .headerlink, .code-switch")) rest.remove();
    const entry = (heading) => {
        const words = heading.cloneNode(true);
        for (const formula of words.querySelectorAll("mjx-container")) {
            formula.replaceWith(formula.querySelector("mjx-assistive-mml").textContent);
        }
        return { name: heading.closest("[id]").id, markup: heading.innerHTML, text: words.textContent.trim() };
    };
    return {
        title: entry(article.querySelector("h1")),
        sections: [...article.querySelectorAll("h2")].map(entry),
        body: article.innerHTML,
        sheets: [...document.querySelectorAll("link[rel=stylesheet]")].map(({ href, media }) => [href, media]),
        styles: [...document.querySelectorAll("head > style")].map((style) => style.textContent),
    };
}"""

PAINT = """async () => {
    for (const canvas of document.querySelectorAll("canvas")) {
        const picture = Object.assign(new Image(), { src: canvas.dataset.picture });
        await picture.decode();
        canvas.getContext("2d").drawImage(picture, 0, 0);
    }
    await Promise.all(Array.from(document.images, (image) => image.decode()));
    await Promise.allSettled(Array.from(document.fonts, (font) => font.load())); // not every stand-in is installed
}"""

NUMBER = """(numbers) => {
    for (const place of document.querySelectorAll("[data-begins]")) place.textContent = numbers[place.dataset.begins];
}"""

DOCUMENT = """<!doctype html>
<html lang="en-GB" data-theme="light" data-code="lesson"><head><meta charset="utf-8"><title>{title}</title>
{head}
<style>{style}</style></head>
<body><main class="bd-main"><div class="bd-content"><div class="bd-article-container">
<section class="cover bd-article"><h1>{title}</h1><p>{abstract}</p><img src="{picture}" alt="">
<p>{author}<br>Version {version}</p><p>{licence}</p></section>
<nav class="book-contents bd-article"><h1>Contents</h1>
{contents}</nav>
{chapters}
</div></div></main></body></html>
"""
LICENCE = (
    "The text is under the CC BY 4.0 licence, the code under the MIT licence, pictures of MNIST’s digits under "
    "CC BY-SA 3.0. This is the book as it can be printed: on its own pages the widgets live and the code runs."
)

STYLE = """
body, .bd-main, .bd-content, .bd-article-container {{ display: block !important; overflow: visible !important; }}
@page {{ @top-center {{ color: #5a626b; font: 9pt sans-serif; }} }}
@page cover {{ margin: 30mm 25mm; @bottom-center {{ content: none; }} }}
.cover {{ page: cover; text-align: center; }}
.cover > * {{ margin-bottom: 2.5rem !important; }}
.cover h1 {{ font-size: 3.4rem !important; margin-top: 3rem !important; }}
.cover img {{ display: block; max-height: none; width: 100%; zoom: 1; }}
.book-contents {{ line-height: 1.29; page: contents; }}
.book-contents a {{
    align-items: baseline; break-inside: avoid; color: inherit; display: flex; gap: 0.4rem; text-decoration: none;
}}
.book-contents a > span:nth-child(2) {{ border-bottom: 1px dotted #8a929b; flex: 1; }}
.book-contents a > span:last-child {{ font-variant-numeric: tabular-nums; min-width: 2em; text-align: right; }}
.book-contents .part {{
    break-after: avoid; color: #5a626b; font-size: 0.85em; letter-spacing: 0.06em; margin: 1.3rem 0 0;
    text-transform: uppercase;
}}
.book-contents .page {{ break-after: avoid; font-weight: 600; margin-top: 0.5rem; }}
.book-contents .section {{ font-size: 0.9em; padding-left: 1.6em; }}
{running}"""


class NotBuilt(Exception):
    """There is nothing to print, or nothing to print it with."""


def parts_of_the_book(chosen: Collection[str] = ()) -> list[Part]:
    """[(part's caption or None, [page, ...]), ...], in the order of the contents; all pages, or those chosen."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = [(part["caption"], [chapter["file"] for chapter in part["chapters"]]) for part in toc["parts"]]
    parts.insert(0, (None, [toc["root"]]))
    if unknown := set(chosen) - {name for _, names in parts for name in names}:
        raise NotBuilt(f"_toc.yml has no {', '.join(sorted(unknown))}.")
    parts = [(caption, [name for name in names if not chosen or name in chosen]) for caption, names in parts]
    return [(caption, names) for caption, names in parts if names]


@contextmanager
def open_browser() -> Iterator[Browser]:
    """The browser that the page tests drive."""
    path = find_chrome()
    if path is None:
        raise NotBuilt(HELP)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--disable-gpu"])
        yield browser
        browser.close()


def take_pages(browser: Browser, site: Path, names: list[str]) -> dict[str, dict]:
    """{page: what TAKE finds}, once all that is on it is drawn."""
    files = {name: (site / name).with_suffix(".html") for name in names}
    for file in files.values():
        if not file.exists():
            raise NotBuilt(f"{file} is missing: `make book` builds the pages.")
    keys = {urlsplit(file.as_uri()).path: key_of(name) for name, file in files.items()}
    taken = {}
    context = browser.new_context(
        viewport={"width": WIDTH, "height": 900}, color_scheme="light", device_scale_factor=2, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE)
    for name, file in files.items():
        page = context.new_page()
        page.emulate_media(media="print")
        page.goto(file.as_uri())
        page.evaluate("for (const image of document.images) image.loading = 'eager'")
        page.wait_for_function(DRAWN)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.wait_for_function(DRAWN)
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        taken[name] = page.evaluate(TAKE, [key_of(name), keys])
        page.close()
    context.close()
    return taken


def key_of(name: str) -> str:
    """What a page's names begin with in the document."""
    return name.split("/")[-1]


def assemble(parts: list[Part], taken: dict[str, dict], site: Path, config: dict) -> str:
    """The document, with places for the numbers in its contents."""
    first = next(iter(taken.values()))
    sheets = [f'<link rel="stylesheet" href="{href}" media="{media or "all"}">' for href, media in first["sheets"]]
    styles = dict.fromkeys(style for page in taken.values() for style in page["styles"])
    contents: list[str] = []
    chapters: list[str] = []
    running: list[str] = []
    for caption, names in parts:
        if caption:
            contents.append(f'<p class="part">{caption}</p>')
        for name in names:
            page, key = taken[name], key_of(name)
            contents.append(entry("page", key, page["title"]["markup"]))
            contents += [entry("section", section["name"], section["markup"]) for section in page["sections"]]
            sheet = f"sheet-{len(chapters)}"
            chapters.append(f'<article class="bd-article" id="{key}" style="page: {sheet}">{page["body"]}</article>')
            running.append(f"@page {sheet} {{ @top-center {{ content: {quoted(page['title']['text'])}; }} }}")
    picture = (site / "_static/latent_plane.png").as_uri()
    return DOCUMENT.format(
        head="\n".join([*sheets, *(f"<style>{style}</style>" for style in styles)]),
        style=STYLE.format(running="\n".join(running)),
        title=config["title"],
        author=config["author"],
        version=config["version"],
        abstract=config["abstract"],
        licence=LICENCE,
        picture=picture,
        contents="\n".join(contents),
        chapters="\n".join(chapters),
    )


def entry(kind: str, name: str, markup: str) -> str:
    """A line of the contents."""
    number = f'<span data-begins="{name}">000</span>'
    return f'<a class="{kind}" href="#{name}"><span>{markup}</span><span></span>{number}</a>'


def quoted(text: str) -> str:
    """As CSS has a string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def begins(reader: PdfReader) -> dict[str, int]:
    """{name: the number of the sheet where it is}."""
    return {
        name.removeprefix("/"): reader.get_destination_page_number(place) + 1  # type: ignore[operator]
        for name, place in reader.named_destinations.items()
    }


def finish(printed: Path, parts: list[Part], taken: dict[str, dict], config: dict) -> bytes:
    """The bytes of a PDF with an outline, and with what a library's catalogue asks for."""
    reader, writer = PdfReader(printed), PdfWriter(printed, incremental=True)  # so that the tags stay as they are
    places = {name.removeprefix("/"): place for name, place in reader.named_destinations.items()}

    def add(text: str, name: str, parent: Any, **style: Any) -> Any:
        place = places[name]
        return writer.add_outline_item(
            title=text,
            page_number=reader.get_destination_page_number(place),
            parent=parent,
            fit=Fit.xyz(left=0, top=place.top),
            **style,
        )

    for caption, names in parts:
        part = add(caption, key_of(names[0]), None, bold=True) if caption else None
        for name in names:
            page = taken[name]
            chapter = add(page["title"]["text"], key_of(name), part, is_open=False)
            for section in page["sections"]:
                add(section["text"], section["name"], chapter)
    writer.add_metadata({"/Title": config["title"], "/Author": config["author"], "/Subject": config["abstract"]})
    writer.page_mode = "/UseOutlines"
    writer.root_object[NameObject("/Lang")] = TextStringObject("en-GB")
    writer.root_object[NameObject("/ViewerPreferences")] = DictionaryObject(
        {NameObject("/DisplayDocTitle"): BooleanObject(True)}
    )
    writer.write(whole := BytesIO())
    return whole.getvalue()


def make_pdf(site: Path, out: Path, parts: list[Part], paper: str = "A4") -> int:
    """Write a PDF and return its sheets' number. A file that is there already stays until all is done.

    parts: as parts_of_the_book() has them.
    """
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    config |= {name: citation[name] for name in ("version", "abstract")}
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        document, printed = Path(folder, "book.html"), Path(folder, "book.pdf")
        taken = take_pages(browser, site, [name for _, names in parts for name in names])
        document.write_text(assemble(parts, taken, site, config), encoding="utf-8")
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.emulate_media(media="print", color_scheme="light")
        page.goto(document.as_uri())
        page.evaluate(PAINT)

        def print_it() -> PdfReader:
            page.pdf(path=printed, format=paper, tagged=True)
            return PdfReader(printed)

        numbers = begins(print_it())
        page.evaluate(NUMBER, numbers)
        reader = print_it()
        if begins(reader) != numbers:
            raise RuntimeError("The numbers in the contents have moved what they count.")
        write_atomically(out, finish(printed, parts, taken, config))
    return len(reader.pages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", metavar="PAGE", nargs="*", help="as in _toc.yml: book/3_vae; without any, all of them")
    parser.add_argument("--site", type=Path, default=ROOT / "_build/html", help="the folder of the built pages")
    parser.add_argument("--out", type=Path, default=ROOT / "_build/vae-book.pdf")
    parser.add_argument("--paper", choices=["A4", "Letter"], default="A4")
    arguments = parser.parse_args()
    try:
        parts = parts_of_the_book(arguments.pages)
        count = make_pdf(arguments.site.resolve(), arguments.out.resolve(), parts, arguments.paper)
    except (NotBuilt, FileNotFoundError) as error:
        sys.exit(str(error))
    print(f"{arguments.out}: {count} sheets of {arguments.paper}, {arguments.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
