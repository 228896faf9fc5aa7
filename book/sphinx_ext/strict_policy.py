"""A small Sphinx extension: no script stands inside a page, so that a host may refuse those that do.

A Content-Security-Policy without 'unsafe-inline' is what keeps a page's scripts its own. Sphinx and its theme write a
dozen short scripts into every page; here they move into files, together with the scripts that stand between them: one
for what has to run before the page is drawn, and one, which all pages share, for the rest.
"""

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

SCRIPT = re.compile(r"<script([^>]*)>(.*?)</script>\s*", re.S)
CALLS = re.compile(r'\sonclick="([\w.]+)\(\)"')
# Of each page another; only a switcher of versions asks for it.
PAGENAME = re.compile(r"DOCUMENTATION_OPTIONS\.pagename = '[^']*';")


def move_scripts(app, exception):
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for page in out.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if "_static" not in page.relative_to(out).parts and "</head>" in text:
            page.write_text(without_scripts(text, page, out), encoding="utf-8")


def without_scripts(text, page, out):
    head, body = text.split("</head>", 1)
    first_style = head.find('<link rel="stylesheet"')
    early = moved(head[:first_style], page, out, "early", "")
    head = early + moved(head[first_style:], page, out, "page", "defer ")
    return head + "</head>" + CALLS.sub(r' data-calls="\1"', body)


def moved(text, page, out, name, how):
    """The text, with one script of that name in the place of the last of those that it had."""
    parts, spans = [], []
    for script in SCRIPT.finditer(text):
        content = content_of(script, page, out)
        if content is not None:
            parts.append(content)
            spans.append(script.span())
    if not parts:
        return text
    content = "\n;\n".join(part for part in parts if part)
    file = out / "_static" / f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}.js"
    if not file.exists():
        file.write_text(content, encoding="utf-8")
    address = "../" * (len(page.relative_to(out).parts) - 1) + f"_static/{file.name}"
    for start, end in reversed(spans):
        element = f'<script {how}src="{address}"></script>\n' if (start, end) == spans[-1] else ""
        text = text[:start] + element + text[end:]
    return text


def content_of(script, page, out):
    """What a script runs; None if it runs at another time, is of another kind, or comes from elsewhere."""
    attributes, body = script.groups()
    if re.search(r"\btype=|\basync\b", attributes):
        return None
    if not (source := re.search(r'\bsrc="([^"]*)"', attributes)):
        return PAGENAME.sub("", body).strip()
    file = (page.parent / urlsplit(source[1]).path).resolve()
    if (out / "_static").resolve() not in file.parents:
        return None
    return re.sub(r"^//# sourceMappingURL=.*$", "", file.read_text(encoding="utf-8"), flags=re.M).strip()


def setup(app):
    app.connect("build-finished", move_scripts, priority=950)  # when every page is written
    return {"parallel_read_safe": True, "parallel_write_safe": True}
