"""A small Sphinx extension: the scripts of Sphinx and of what extends it come in one file.

Each page asks for nine of them, of three kilobytes at most. A host that answers six requests at a time lets them wait
for the type and for each other, which costs a slow line a third of a second. They run one after another when the page
has been read, and so does the file that holds them. The book's own stay files of their own: an error in one ends no
other. On a long page those that the theme's scripts wait for, that file and later.js, are asked for before type and
pictures are: the text alone keeps a slow line busy there. On a short one the type would come too late for the first
lines.
"""

import hashlib
import re
from pathlib import Path

LONG = 300_000  # characters of a page
OWN = {path.name for path in Path(__file__).parents[1].glob("assets/*.js")}
DEFERRED = re.compile(r'<script defer(?:="defer")? src="((?:\.\./)*_static/([^"?]+)(?:\?[^"]*)?)"></script>\s*')


def join_scripts(app, exception):
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    joined = set()
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        addresses = {script[2]: script[1] for script in DEFERRED.finditer(text)}
        names = [name for name in addresses if name not in OWN]
        if len(names) < 2:
            continue
        content = "\n;\n".join(static.joinpath(name).read_text(encoding="utf-8") for name in names)
        name = f"scripts/libraries-{hashlib.sha256(content.encode()).hexdigest()[:16]}.js"
        static.joinpath(name).write_text(content, encoding="utf-8")
        place = DEFERRED.search(text).start()
        libraries = f"{'../' * (len(page.relative_to(app.outdir).parts) - 1)}_static/{name}"
        head = [f'<script defer src="{libraries}"></script>']
        if len(text) > LONG:
            asked = (addresses["later.js"], libraries)
            head = [f'<link rel="preload" as="script" href="{each}">' for each in asked] + head
        text = DEFERRED.sub(lambda script: script[0] if script[2] in OWN else "", text)  # nothing stands before place
        page.write_text("\n".join([text[:place] + head[0], *head[1:], text[place:]]), encoding="utf-8")
        joined.update(names)
    for name in joined:
        static.joinpath(name).unlink()


def setup(app):
    app.connect("build-finished", join_scripts, priority=960)  # when strict_policy.py has made its files
    return {"parallel_read_safe": True, "parallel_write_safe": True}
