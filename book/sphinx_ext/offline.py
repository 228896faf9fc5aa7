"""A small Sphinx extension: what the pages need to work from disk with the network off."""

import html
import re
from pathlib import Path

from docutils import nodes
from fontTools import subset
from fontTools.ttLib import TTFont
from PIL import Image
from sphinx.util.fileutil import copy_asset
from widget_state import pack_page, state_of

from vae_widgets.modules import without_comments

ROOT = Path(__file__).resolve().parents[2]
PIXELS_PER_INCH = 100
# Where a widget will be, with its room; and what is said where scripts do not run.
PLACE = (
    '<div class="{kind}"{name} aria-busy="true"><noscript>{question}<p class="widget-notice">An interactive '
    "figure: it needs JavaScript.</p></noscript></div>"
)


def drop_what_nobody_reads(app, exception):
    """The theme brings two thousand icons as fonts, of which the pages show a dozen, and once more as a script of
    1.5 MB; and maps of sources, for those who write it. And our own scripts have comments."""
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    (out / "_static/scripts/fontawesome.js").unlink(missing_ok=True)
    pages = {page: page.read_text(encoding="utf-8") for page in out.rglob("*.html")}
    for page, text in pages.items():
        page.write_text(re.sub(r'<script[^>]*src="[^"]*fontawesome\.js[^>]*></script>', "", text), encoding="utf-8")
    scripts = [script.read_text(encoding="utf-8") for script in out.glob("_static/scripts/*.js")]
    shown = set(re.findall(r"fa-[\w-]+", "\n".join([*pages.values(), *scripts])))
    css = (out / "_static/styles/pydata-sphinx-theme.css").read_text(encoding="utf-8")
    icons = [f"{ord(letter):x}" for letter in re.findall("[\ue000-\uf8ff]", css)]
    rule = re.compile(r'(?<=\})([^{}]+)\{content:"\\([0-9a-f]+)"\}')
    for selector, code in rule.findall(css):
        names = set(re.findall(r"\.(fa-[\w-]+)", selector))
        if not names or names & shown:
            icons.append(code)
        else:
            css = css.replace(f'}}{selector}{{content:"\\{code}"}}', "}", 1)
    for file in out.rglob("_static/vendor/fontawesome/webfonts/fa-*.ttf"):
        keep_characters(file, {int(code, 16) for code in icons}, file.with_suffix(".woff2"))
        file.unlink()
    css = re.sub(r',url\([^)]*\.ttf\) ?format\("truetype"\)', "", css)
    (out / "_static/styles/pydata-sphinx-theme.css").write_text(css, encoding="utf-8")
    for file in out.rglob("_static/**/*.map"):
        file.unlink()
    for source in ROOT.glob("book/assets/*.js"):
        script = without_comments(source.read_text(encoding="utf-8"))
        (out / "_static" / source.name).write_text(script, encoding="utf-8")


def keep_characters(file, characters, target, features=()):
    """Write a smaller font, with these characters alone, under no name: that is its makers'."""
    font = TTFont(file)
    cut = subset.Subsetter(subset.Options(layout_features=list(features), name_IDs=[0, 13, 14], hinting=False))
    cut.populate(unicodes=characters)
    cut.subset(font)
    font.flavor = "woff2"
    font.save(target)


def size_figures(app, doctree):
    """Show a figure at the size it was drawn for, however many dots an inch it has."""
    for node in doctree.findall(nodes.image):
        path = Path(app.srcdir, node["uri"])
        if path.suffix == ".png" and not ({"width", "height", "scale"} & set(node.attributes)):
            with Image.open(path) as image:
                if "dpi" in image.info:
                    node["width"] = f"{image.width / image.info['dpi'][0] * PIXELS_PER_INCH:.0f}px"


def let_figures_wait(app, exception):
    """Figures come when the reader nears them, and leave the line to text and widgets; their room is kept.

    They travel as WebP, which loses nothing and takes half the bytes of PNG.
    """
    if exception or app.builder.format != "html":
        return
    done = set()
    for page in Path(app.outdir).rglob("book/*.html"):
        files = set()

        def with_room(tag, page=page, files=files):
            source = re.search(r'src="([^"]+\.png)"', tag[0])
            if not source or "loading=" in tag[0]:
                return tag[0]
            files.add(file := (page.parent / source[1]).resolve())
            with Image.open(file) as image:
                image.save(file.with_suffix(".webp"), lossless=True)
                return f'<img width="{image.width}" height="{image.height}" loading="lazy"{tag[1]}>'

        text = re.sub(r"<img((?: [^>]*)?)>", with_room, page.read_text(encoding="utf-8"))
        for file in files:
            text = text.replace(f"/{file.name}", f"/{file.stem}.webp")
        page.write_text(text, encoding="utf-8")
        done |= files
    for file in done:
        file.unlink()


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
            after.parent.replace(after, nodes.Text(after.astext()[mark.end() :]))
            formula.replace_self(nodes.inline("", "", formula.deepcopy(), nodes.Text(mark[0]), classes=["unbroken"]))


def complete_start_page(app, exception):
    """The page that leads to the first one: with a title, and a link for those whom it does not lead."""
    start = Path(app.outdir, "index.html")
    if exception is None and app.builder.format == "html" and start.exists():
        first = re.search('url=([^"]+)', start.read_text(encoding="utf-8"))[1]
        start.write_text(
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            f'<meta http-equiv="refresh" content="0; url={first}"><title>{app.config.html_title}</title>'
            f'<a href="{first}">Read the book</a></html>\n',
            encoding="utf-8",
        )


def complete_site(app, exception):
    """The licences that the footer names, and a file without which GitHub's pages leave out folders named _static."""
    if exception is None:
        copy_asset(ROOT / "THIRD_PARTY.txt", app.outdir)
        Path(app.outdir, ".nojekyll").touch()


def mark_widgets(app, doctree, name):
    """Keep a place for each widget, where a question can be read without scripts, too."""
    views = [node for node in doctree.findall(nodes.raw) if "widget-view+json" in node.astext()]
    models = state_of(app, name)["state"] if views else {}
    shown = [re.search(r'"model_id": "(\w+)"', node.astext())[1] for node in views]
    names = addresses(models, shown)
    for node, model in zip(views, shown, strict=True):
        state = models.get(model, {}).get("state", {})
        asked = [state] if "prompt" in state else state.get("questions", [])
        kind = "widget question" if asked and state.get("kind") != "curve" else "widget"
        address = names.get(model)
        place = PLACE.format(
            kind=kind,
            name=f' id="{address}"' if address and address not in doctree.ids else "",
            question="".join(map(as_text, asked)),
        )
        node.parent.insert(node.parent.index(node) + 1, nodes.raw("", place, format="html"))


def addresses(models, shown):
    """How links name the widgets of a page, as settle() in widget_host.js has it: model id -> address."""
    names = {}

    def settle(model):
        state = models.get(model, {}).get("state", {})
        if "children" in state:  # a box
            for child in state["children"]:
                settle(child.removeprefix("IPY_MODEL_"))
        if "_shared" in state and model not in names:
            name, n = state["name"], 2
            while name in names.values():
                name, n = f"{state['name']}-{n}", n + 1
            names[model] = name

    for model in shown:
        settle(model)
    return names


def as_text(question):
    """The prompt and the choices of a vae_widgets.Predict, or of a question of a Quiz, without its answer."""
    prompt, *choices = (
        re.sub("`(.*?)`", r"<code>\1</code>", html.escape(text))
        for text in (question["prompt"], *question.get("choices", []))
    )
    items = "".join(f"<li>{choice}</li>" for choice in choices)
    return f"<p>{prompt}</p>" + (f"<ul>{items}</ul>" if items else "")


def setup(app):
    app.connect("doctree-read", size_figures)
    app.connect("doctree-resolved", mark_widgets)
    app.connect("doctree-resolved", set_text)
    app.connect("html-page-context", pack_page, priority=400)  # myst-nb has 500
    app.connect("build-finished", drop_what_nobody_reads, priority=940)
    app.connect("build-finished", let_figures_wait)
    app.connect("build-finished", complete_site)
    app.connect("build-finished", complete_start_page, priority=900)  # the table of contents writes it at 500
    return {"parallel_read_safe": True, "parallel_write_safe": True}
