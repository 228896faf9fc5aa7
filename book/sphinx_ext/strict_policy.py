"""A small Sphinx extension: no script stands inside a page, so that a host may refuse those that do.

A Content-Security-Policy without 'unsafe-inline' is what keeps a page's scripts its own. Sphinx and its theme write a
dozen short scripts into every page; here they move into files, which equal ones share. In the head, what stands before
the first style sheet has to run before the page is drawn; the rest waits until it has been read. There they set options
for scripts that are files, so that they come first, after the one that makes the place for options: before later.js,
too, since the scripts that it calls read them. What is data, as of the type application/ld+json, is no script to a
policy, and stays.
"""

import hashlib
import json
import re
from pathlib import Path

SCRIPT = re.compile(r"<script([^>]*)>(.*?)</script>", re.S)
RUN = re.compile(r"(?:<script(?: data-cfasync=\"false\")?>(?:(?!</script>).)*</script>\s*)+", re.S)
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
    # Sphinx makes a function of a text, when the page is read; as part of its script it is no text.
    doctools, translations = out / "_static/doctools.js", out / "_static/translations.js"
    if translations.exists():
        catalogue = json.loads(re.search(r"\{.*\}", translations.read_text(encoding="utf-8"), re.S)[0])
        code = doctools.read_text(encoding="utf-8")
        made = re.sub(r"new Function\(.*?\);", f"(n) => {catalogue['plural_expr']};", code, flags=re.S)
        doctools.write_text(made, encoding="utf-8")


def without_scripts(text, page, out):
    def to_file(run):
        content = "\n".join(PAGENAME.sub("", script[1].strip()) for script in SCRIPT.findall(run[0]))
        name = f"_static/inline-{hashlib.sha256(content.encode()).hexdigest()[:16]}.js"
        out.joinpath(name).write_text(content, encoding="utf-8")
        return f'<script src="{"../" * (len(page.relative_to(out).parts) - 1)}{name}"></script>\n'

    head, body = text.split("</head>", 1)
    body = CALLS.sub(r' data-calls="\1"', RUN.sub(to_file, body))
    start = head.find('<link rel="stylesheet"')
    early, late = RUN.sub(to_file, head[:start]), head[start:]
    options = "".join(RUN.findall(late))
    place = re.compile(r"<script [^>]*documentation_options\.js[^>]*></script>\s*")
    late = RUN.sub("", late)
    if there := place.search(late):
        late = late[: there.start()] + late[there.end() :]
        late = late.replace("<script", f"{there[0]}{options}<script", 1)
    late = re.sub(r"<script (?![^>]*\b(?:type=|defer|async))", "<script defer ", RUN.sub(to_file, late))
    return early + late + "</head>" + body


def setup(app):
    app.connect("build-finished", move_scripts, priority=950)  # when every page is written
    return {"parallel_read_safe": True, "parallel_write_safe": True}
