"""A small Sphinx extension: what others show of a page, where someone shares its address or searches for it.

A page's metadata has a `description`. Of it, the title and the first figure are made the tags for search engines and
for whoever previews a link, the picture of 1200 × 630 that goes with them, and the same once more as structured data.
What takes the site's public address (`html_baseurl`, see address.py) is left out where there is none.
"""

import html
import io
import json
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import matplotlib
import yaml
from docutils import nodes
from mark import draw_mark
from PIL import Image, ImageDraw, ImageFont
from resvg_py import svg_to_bytes

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "_share"  # of the pictures
SIZE, MARGIN = (1200, 630), 60
LIMIT = 60_000  # bytes of a picture
PAPER, INK, MUTED, ACCENT = "#fffefc", "#22262b", "#5a626b", "#1f5f8b"
FONTS = Path(matplotlib.get_data_path(), "fonts/ttf")
PLANE = ROOT / "book/assets/latent_plane.png"  # for a page without a figure
PLANE_ALT = "The plane of digits that a VAE with two latents has learned"
ROOT_TITLE = "An interactive book"  # before the book's own
# The pages that Sphinx makes.
OTHERS = {
    "genindex": ("Index", "The names in the book's code, each with a link to where it is explained."),
    "search": ("Search", "Search the chapters, the notation and the code of the book."),
}
TAGS = re.compile(r'<(?:meta (?:name="description"|name="twitter:|property="og:)|link rel="canonical")[^>]*>')


def title_of(app, name):
    return app.config.html_title if name == app.config.root_doc else app.env.titles[name].astext()


def number_of(app, name):
    """The number of a chapter; None for other pages."""
    return (app.env.toc_secnumbers.get(name, {}).get("") or [None])[0]


def address_of(app, name):
    return f"{app.config.html_baseurl.rstrip('/')}/{name}"


def add_tags(app, pagename, templatename, context, doctree):
    """Complete the head of a page, and draw its picture."""
    name = pagename if doctree else app.config.root_doc  # whose picture it shows
    if pagename in OTHERS:
        title, description = OTHERS[pagename]
    elif doctree and (description := app.env.metadata[name].get("description")):
        title, number = title_of(app, name), number_of(app, name)
        title = f"{number}. {title}" if number else title
    else:
        return
    picture, alt = first_figure(app, doctree)
    if doctree:
        folder = Path(app.outdir, FOLDER)
        folder.mkdir(exist_ok=True)
        save_small(draw_card(app, name, description, picture), folder / f"{Path(name).name}.png")
    is_root = pagename == app.config.root_doc
    if is_root:
        context["title"] = ROOT_TITLE
    tags = [
        ("name", "description", description),
        ("property", "og:title", title),
        ("property", "og:description", description),
        ("property", "og:type", "book" if is_root else "article"),
        ("property", "og:site_name", app.config.html_title),
        ("property", "og:locale", app.config.language),
    ]
    if app.config.html_baseurl:
        tags += [
            ("property", "og:url", address_of(app, f"{pagename}.html")),
            ("property", "og:image", address_of(app, f"{FOLDER}/{Path(name).name}.png")),
            ("property", "og:image:type", "image/png"),
            ("property", "og:image:width", SIZE[0]),
            ("property", "og:image:height", SIZE[1]),
            ("property", "og:image:alt", alt),
            ("name", "twitter:card", "summary_large_image"),
        ]
    else:
        tags.append(("name", "twitter:card", "summary"))
    lines = [f'<meta {kind}="{key}" content="{html.escape(str(value))}">' for kind, key, value in tags]
    if doctree:
        data = json.dumps(structured(app, name, description), ensure_ascii=False).replace("<", "\\u003c")
        lines.append(f'<script type="application/ld+json">{data}</script>')
    context["metatags"] = "\n".join([context.get("metatags", ""), *lines])


# --- structured data ---


@cache
def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


@cache
def licences() -> list[str]:
    """By their SPDX names. Each holds for a part, where a list in CITATION.cff would leave one the choice."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["license"].split(" AND ")


@cache
def last_change():
    """The day of the last commit; None where git does not know it."""
    try:
        command = ["git", "log", "-1", "--format=%cs"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8").stdout.strip() or None
    except OSError:
        return None


def structured(app, name, description):
    """What a page is, in the words of schema.org."""
    root, number = app.config.root_doc, number_of(app, name)
    cited = citation()
    data = {
        "@context": "https://schema.org",
        **part(app, name),
        "description": description,
        "author": [{"@type": "Organization", "name": author["name"]} for author in cited["authors"]],
        "inLanguage": app.config.language.replace("_", "-"),
        "isAccessibleForFree": True,
        "license": [f"https://spdx.org/licenses/{licence}.html" for licence in licences()],
        "dateModified": last_change(),
        "version": cited["version"],
    }
    if app.config.html_baseurl:
        data["image"] = address_of(app, f"{FOLDER}/{Path(name).name}.png")
    if name == root:
        chapters = sorted((number_of(app, other), other) for other in app.env.found_docs if number_of(app, other))
        data |= {"keywords": cited["keywords"], "hasPart": [part(app, other) for _, other in chapters]}
    else:
        data["isPartOf"] = part(app, root)
    if number:
        data |= {
            "learningResourceType": "chapter with interactive figures and exercises",
            "timeRequired": f"PT{app.env.minutes[name]}M",
        }
    return {key: value for key, value in data.items() if value is not None}


def part(app, name):
    """A page as others name it."""
    number = number_of(app, name)
    kind = "Book" if name == app.config.root_doc else "Chapter" if number else "WebPage"
    data = {"@type": [kind, "LearningResource"], "name": title_of(app, name)}
    if number:
        data["position"] = number
    if app.config.html_baseurl:
        data["url"] = address_of(app, f"{name}.html")
    return data


# --- pictures ---


def first_figure(app, doctree):
    """The first drawing in a page, and its description; the plane of digits where there is none."""
    sources = {name: Path(app.srcdir, source) for source, name in app.builder.images.items()}
    for node in doctree.findall(nodes.image) if doctree else ():
        if node.get("alt") and node["uri"].endswith((".png", ".svg")):
            return sources[Path(node["uri"]).name], node["alt"]  # the page has its address by now
    return PLANE, PLANE_ALT


def draw_card(app, name, description, picture):
    """The book's mark, the page's place, title and question, and the picture beside them, or below if it is wide."""
    card = Image.new("RGB", SIZE, PAPER)
    pen = ImageDraw.Draw(card)
    figure = on_paper(picture)
    wide = figure.width > 1.7 * figure.height
    room = SIZE[0] - 2 * MARGIN if wide else 520
    number = number_of(app, name)
    is_root = name == app.config.root_doc
    card.paste(mark := draw_mark(56, PAPER).convert("RGB"), (MARGIN, y := 40))
    pen.text((MARGIN + mark.width + 14, y + 12), app.config.html_title, INK, font("DejaVuSans", 27))
    y = 128 if wide else 180
    if not is_root:
        pen.text((MARGIN, y), f"Chapter {number}" if number else "Reference", ACCENT, font("DejaVuSans-Bold", 27))
        y += 44
    asked = re.match(r"([^.?]*\?\s*)*", description)[0] or description
    y = write(pen, title_of(app, name), y, room, font("DejaVuSerif-Bold", 52), INK)
    y = write(pen, asked, y + 14, room, font("DejaVuSans", 30), MUTED)
    if wide:
        box = (MARGIN, y + 22, SIZE[0] - MARGIN, SIZE[1] - 32)
    else:
        box = (MARGIN + room + 40, 120, SIZE[0] - MARGIN, SIZE[1] - 50)
    scale = min((box[2] - box[0]) / figure.width, (box[3] - box[1]) / figure.height)
    figure = figure.resize((round(figure.width * scale), round(figure.height * scale)), Image.Resampling.LANCZOS)
    card.paste(figure, ((box[0] + box[2] - figure.width) // 2, (box[1] + box[3] - figure.height) // 2))
    return card


def on_paper(file):
    drawn = (
        io.BytesIO(svg_to_bytes(svg_path=str(file), zoom=2, dpi=96, skip_system_fonts=True))
        if file.suffix == ".svg"
        else file
    )  # letters in a drawing are outlines
    with Image.open(drawn) as image:
        image = image.convert("RGBA")
    if file == PLANE:  # its left half, below the title
        half = image.width // 2
        image = image.crop((0, image.height - half, half, image.height))
    return Image.alpha_composite(Image.new("RGBA", image.size, PAPER), image).convert("RGB")


@cache
def font(name, size):
    return ImageFont.truetype(FONTS / f"{name}.ttf", size)


def write(pen, text, y, room, letters, colour):
    """Set a text in lines of that width, and return where the next one may begin."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and pen.textlength(longer, letters) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    step = round(1.3 * letters.size)
    for i, line in enumerate(lines):
        pen.text((MARGIN, y + i * step), line, colour, letters)
    return y + len(lines) * step


def save_small(card, file):
    """With as many colours as the limit allows."""
    for colours in (256, 128, 64, 32, 16, 8):
        card.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(file, optimize=True)
        if file.stat().st_size <= LIMIT:
            return
    raise ValueError(f"{file.name} does not fit into {LIMIT} bytes")


# --- the page at the site's own address ---


def tag_start_page(app, exception):
    """It is what people share, and it leads to the first page: it has that one's tags."""
    start, first = Path(app.outdir, "index.html"), Path(app.outdir, f"{app.config.root_doc}.html")
    if exception is None and app.builder.format == "html" and start.exists():
        tags = "".join(TAGS.findall(first.read_text(encoding="utf-8")))
        text = start.read_text(encoding="utf-8")
        start.write_text(text.replace("</title>", f"</title>{tags}", 1), encoding="utf-8")


def setup(app):
    app.connect("html-page-context", add_tags)
    app.connect("build-finished", tag_start_page, priority=910)  # when offline.py has written it
    return {"parallel_read_safe": True, "parallel_write_safe": True}
