"""A small Sphinx extension: the pages as an app that a reader installs, and reads without a network.

Over http, web_app.js registers the service worker, once a page has all that it shows and is idle. The worker keeps the
pages and what they are made of, and figures and weights as they are used, or all of them when the reader asks for
that. It knows each file of a build by its hash, and takes nothing else: what a page is made of is of one build. From
disk none of it runs.
"""

import base64
import hashlib
import json
from pathlib import Path

from mark import draw_mark

HERE = Path(__file__).parent
FOLDER = "_app"  # of the icons
WORKER, MANIFEST = "service-worker.js", "manifest.webmanifest"
PAPER = "#fffefc"
# What is no part of a page: what is downloaded, what others show, other languages' words, and the theme's templates.
APART = {"_sources", "_share", "latent_plane.png", "locales", "webpack-macros.html", "sbt-webpack-macros.html"}
SMALL, LARGE = {".html", ".css", ".js", ".woff2", ".svg", ".txt", ".webmanifest"}, {".webp", ".png"}
WEIGHTS = b"\xff\xfe"  # what a file of weights begins with, see widget_state.py
# An icon's file, size, share of the square and purpose. A phone may cut a maskable one to any shape.
ICONS = [("icon-192.png", 192, 0.9, "any"), ("icon-512.png", 512, 0.9, "any"), ("maskable.png", 512, 0.6, "maskable")]
TOUCH_ICON = ("touch-icon.png", 180, 0.8)


def link_icon(app, pagename, templatename, context, doctree):
    address = context["pathto"](f"{FOLDER}/{TOUCH_ICON[0]}", 1)
    context["metatags"] = f'{context.get("metatags", "")}\n<link rel="apple-touch-icon" href="{address}">'


def write_icons(site):
    (site / FOLDER).mkdir(exist_ok=True)
    for name, size, share, *_ in [*ICONS, TOUCH_ICON]:
        draw_mark(size, PAPER, share).convert("RGB").quantize(64).save(site / FOLDER / name, optimize=True)


def write_manifest(site, title, description, first):
    icons = [
        {"src": f"{FOLDER}/{name}", "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
        for name, size, _, purpose in ICONS
    ]
    manifest = {
        "name": title,
        "short_name": "VAEs, Live",
        "description": description,
        "lang": "en-GB",
        "dir": "ltr",
        "start_url": first,
        "scope": "./",
        "display": "standalone",
        "display_override": ["minimal-ui"],
        "background_color": PAPER,
        "theme_color": PAPER,
        "categories": ["education"],
        "icons": icons,
    }
    (site / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def list_files(site):
    """The files that the app keeps, as {path: [hash, bytes]}: those it always does, and the rest."""
    always, rest = {}, {}
    for file in sorted(file for file in site.rglob("*") if file.is_file()):
        path = file.relative_to(site)
        if APART & set(path.parts) or file.suffix not in SMALL | LARGE or path.name == WORKER:
            continue
        content = file.read_bytes()
        large = path.parts[0] == "_images" or (file.suffix in LARGE and path.parts[0] != FOLDER)
        kept = rest if large or content.startswith(WEIGHTS) else always
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        kept[path.as_posix()] = [digest, len(content)]
    return always, rest


def write_worker(site):
    """After any change of a file: whoever has read the book gets the change with the next page but one."""
    always, rest = list_files(site)
    lists = f"const ALWAYS = {json.dumps(always)};\nconst REST = {json.dumps(rest)};\n"
    program = (HERE / "service_worker.js").read_text(encoding="utf-8")
    (site / WORKER).write_text(lists + program, encoding="utf-8", newline="\n")


def make_app(app, exception):
    if exception is None and app.builder.format == "html":
        site, root = Path(app.outdir), app.config.root_doc
        description = app.env.metadata[root].get("description", app.config.html_title)
        write_icons(site)
        write_manifest(site, app.config.html_title, description, f"{root}.html")
        write_worker(site)


def setup(app):
    app.connect("html-page-context", link_icon)
    app.connect("build-finished", make_app, priority=990)  # when every file is as it stays
    return {"parallel_read_safe": True, "parallel_write_safe": True}
