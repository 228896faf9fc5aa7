"""A small Sphinx extension: lessons, which are lists of links to slides, and the gallery of all widgets.

    ```{lesson} lesson-10
    - at: 1_marginal_likelihood#integral    # the page, and a section or a widget of it
      state: {method: samples, m: 100}      # of the widget
      title: A hundred tries
      say: ...                              # MyST, as the next two
      ask: ...
      answer: ... {samples} nats ...
      shows: {samples: −131.94}             # numbers on the widget, which the answer may name; a test compares them
    - A step of a lesson before this one    # by its title
    ```

book/assets/present.js walks through a lesson by the list that is written here, into lessons.js. `{gallery}` lists every
widget of the package; its body says how those are made for which names of arguments are not enough.
"""

import html
import inspect
import json
import re
from pathlib import Path
from urllib.parse import quote

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from offline import addresses
from sphinx.util.docutils import SphinxDirective
from widget_state import state_of

import vae_widgets
from vae_widgets.base import BookWidget

PICTURES = Path(__file__).parents[1] / "assets/gallery"
VIEW = r'"model_id": "(\w+)"'
NEEDED = {"at", "title", "say", "ask", "answer"}
WIDGETS = {
    name: getattr(vae_widgets, name)
    for name in vae_widgets.__all__
    if issubclass(getattr(vae_widgets, name), BookWidget)
}


def query(address, state):
    """A widget's state as a link has it, for widget_host.js to read."""
    texts = {trait: ",".join(value) if isinstance(value, list) else value for trait, value in state.items()}
    return "".join(f"&{quote(address)}.{trait}={quote(text, safe=',')}" for trait, text in texts.items())


def told(directive):
    """The body of a directive, which is YAML; every number in it stays the text that it is."""
    return yaml.load("\n".join(directive.content), Loader=yaml.BaseLoader)


def filled(text, numbers):
    """A text with the numbers that it names."""
    return re.sub(r"\{(\w+)\}", lambda key: numbers.get(key[1], key[0]), text)


def parsed(directive, text):
    """The nodes of a text in MyST."""
    found = nodes.Element()
    directive.state.nested_parse(StringList(text.splitlines()), directive.content_offset, found)
    return found.children


def raw(text):
    return nodes.raw("", text, format="html")


class Lesson(SphinxDirective):
    """A list of slides, with what to say and to ask at each."""

    has_content = True
    required_arguments = 1

    def run(self):
        name, steps, links = self.arguments[0], nodes.enumerated_list(classes=["lesson"]), []
        known = self.env.temp_data.setdefault("lesson_steps", {})
        for number, step in enumerate(told(self), 1):
            if isinstance(step, str):
                if step not in known:
                    raise self.error(f"step {number} of {name}: no lesson before it has a step called {step!r}")
                step = known[step]
            known[step["title"]] = step
            if missing := NEEDED - step.keys():
                raise self.error(f"step {number} of {name} lacks {', '.join(sorted(missing))}")
            page, _, place = step["at"].partition("#")
            shows = step.get("shows", {})
            link = f"{page}.html?present={name}&step={number}{query(place, step.get('state', {}))}#{place}"
            links.append(link)
            opener = (
                f'<a class="lesson-link" href="{html.escape(link)}" '
                f'data-shows="{html.escape(json.dumps(shows))}">{html.escape(step["title"])}</a>'
            )
            say, ask, answer = (filled(step[part], shows) for part in ("say", "ask", "answer"))
            steps += nodes.list_item(
                "",
                nodes.paragraph("", "", nodes.strong("", "", raw(opener))),
                *parsed(self, say),
                raw('<div class="lesson-ask">'),
                *parsed(self, f"**Ask.** {ask}"),
                raw("<details><summary>The answer</summary>"),
                *parsed(self, answer),
                raw("</details></div>"),
            )
        lessons = self.env.__dict__.setdefault("lessons", {})
        lessons.setdefault(self.env.docname, {})[name] = links
        return [steps]


class gallery(nodes.General, nodes.Element):
    """Where the widgets are listed, when all pages have been read."""


class Gallery(SphinxDirective):
    """Every widget of vae_widgets. Body: class -> the line that makes it, where its arguments' names are not enough."""

    has_content = True

    def run(self):
        lines = told(self) or {}
        if unknown := lines.keys() - WIDGETS.keys():
            raise self.error(f"vae_widgets has no {', '.join(sorted(unknown))}")
        return [gallery(lines=lines)]


def line_of(name):
    """The call that makes a widget, by the names of its arguments."""
    wanted = [
        p.name
        for p in inspect.signature(WIDGETS[name]).parameters.values()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    return f"{name}({', '.join(wanted)})"


def collect(app, doctree):
    """Note how links name each widget of a page that is shown."""
    page, models = app.env.docname, state_of(app, app.env.docname).get("state", {})
    shown = [name for view in doctree.findall(nodes.raw) for name in re.findall(VIEW, view.astext())]
    places = app.env.__dict__.setdefault("widget_places", {})[page] = {}
    for model, address in addresses(models, shown).items():
        name = models[model]["state"].get("_anywidget_id", "").rpartition(".")[2]
        if name in WIDGETS:
            places.setdefault(name, address)


def order(page):
    """Chapters come before other pages."""
    name = page.split("/")[-1]
    return (not name[0].isdigit(), name)


def resolve(app, doctree, page):
    for node in list(doctree.findall(gallery)):
        places = sorted(getattr(app.env, "widget_places", {}).items(), key=lambda item: order(item[0]))
        cards = nodes.container(classes=["gallery"])
        for name, kind in WIDGETS.items():
            found = next(((other, held[name]) for other, held in places if name in held), None)
            cards += card(app, page, name, kind, found, node["lines"].get(name, line_of(name)))
        node.replace_self(cards)


def card(app, page, name, kind, found, line):
    """A widget: its picture, name, what it shows, where it stands, and how it is made."""
    card = nodes.container(classes=["gallery-card"], ids=[f"widget-{name.lower()}"])
    says = inspect.cleandoc(kind.__doc__).split("\n\n")[0].replace("\n", " ")
    picture, where = "<span>No picture yet: run make gallery.</span>", "It stands in no page yet."
    if (PICTURES / f"{name}.webp").exists():
        picture = (
            f'<img src="../_static/gallery/{name}.webp" width="480" height="360" loading="lazy" class="photo" '
            f'alt="{name}: {html.escape(says)}">'
        )
    if found:
        other, address = found
        uri, number = app.builder.get_relative_uri(page, other), other.split("/")[-1][0]
        picture = f'<a class="gallery-picture" href="{uri}?present#{address}" data-widget="{name}">{picture}</a>'
        place = f"In chapter {number}" if number.isdigit() else "Where it stands"
        where = f'<a href="{uri}#{address}">{place}</a> · <a href="{uri}?present#{address}">On the whole screen</a>'
    card += raw(picture)
    card += nodes.paragraph("", "", nodes.strong("", "", nodes.literal("", name)))
    card += nodes.paragraph("", says)
    card += nodes.literal_block(line, line, language="python")
    card += nodes.paragraph("", "", raw(where))
    return card


def merge(app, env, pages, other):
    for kind in ("lessons", "widget_places"):
        ours, theirs = env.__dict__.setdefault(kind, {}), getattr(other, kind, {})
        ours |= {page: theirs[page] for page in pages if page in theirs}


def purge(app, env, page):
    for kind in ("lessons", "widget_places"):
        getattr(env, kind, {}).pop(page, None)


def write(app, exception):
    """The lists, as a script that hands them over: pages from disk may load nothing else."""
    if exception is None and app.builder.format == "html":
        lists = {
            name: [f"../book/{link}" for link in links]
            for page in getattr(app.env, "lessons", {}).values()
            for name, links in page.items()
        }
        script = f"document.currentScript.value = {json.dumps(lists)};\n"
        Path(app.outdir, "_static/lessons.js").write_text(script, encoding="utf-8")


def setup(app):
    app.add_directive("lesson", Lesson)
    app.add_directive("gallery", Gallery)
    app.add_node(gallery)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("doctree-read", collect)
    app.connect("doctree-resolved", resolve)
    app.connect("build-finished", write)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
