"""A small Sphinx extension: the page of vae_core's public names, from their docstrings, tied to the chapters.

In the page, `{public}` lists names. Elsewhere a name in the text, such as `log_normal(z, m, v)` or
`VAE.negative_elbo_bound`, leads to its entry, once a section; and each entry lists the sections that speak of it.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

import vae_core as vc

PAGE = "book/api"
CHAPTERS = {file.name[0]: file.stem for file in sorted(Path(__file__).parents[1].glob("[1-9]_*.ipynb"))}


def _entries():
    """Every public name, and those of the methods and properties that a class describes itself."""
    for name in vc.__all__:
        member = getattr(vc, name)
        if callable(member):
            yield name, member
        for method, inside in vars(member).items() if inspect.isclass(member) else ():
            if (
                not method.startswith("_")
                and inside.__doc__
                and (inspect.isfunction(inside) or isinstance(inside, property))
            ):
                yield f"{name}.{method}", inside


_ENTRIES = dict(_entries())
_CHAPTERS = r"\b[Cc]hapters? \d(?:(?:, \d)* and \d)?"
_NAME = re.compile(r"(?:vc\.|vae_core\.)?([A-Za-z_]\w*(?:\.\w+)?)(?:\(.*\))?")


def listed(body: str) -> Iterator[str]:
    """The names in a body of `{public}`, each class followed by those that are made from it and not named there."""
    named = body.split()
    for name in named:
        yield name
        made = _made_from(getattr(vc, name))
        yield from (kind.__name__ for kind in made if kind.__name__ in set(vc.__all__).difference(named))


def _made_from(kind):
    """The classes that are made from this one, as they follow in the source; nothing for what is no class."""
    for other in kind.__subclasses__() if inspect.isclass(kind) else ():
        yield other
        yield from _made_from(other)


def entry_of(text):
    """The public name that a piece of code in the text speaks of, or None."""
    match = _NAME.fullmatch(text)
    return match[1] if match and match[1] in _ENTRIES else None


def signature_of(member):
    """How it is called: without types, which the docstring has in words."""
    if isinstance(member, property) or (inspect.isclass(member) and "__init__" not in vars(member)):
        return ""
    found = inspect.signature(member)
    parameters = [p.replace(annotation=p.empty) for p in found.parameters.values() if p.name != "self"]
    return str(found.replace(parameters=parameters, return_annotation=found.empty))


def markdown(docstring):
    """A docstring as MyST has it, its chapters and the notes' page linked."""

    def chapters(match):
        return re.sub(r"\d", lambda n: f"{{doc}}`{n[0]} </book/{CHAPTERS[n[0]]}>`", match[0])

    text = re.sub(_CHAPTERS, chapters, docstring)
    return text.replace("Notes ", "{doc}`Notes </book/from_the_notes>` ")


def described(name, fence="::::"):
    """An entry, and those of a class's methods in it."""
    member = _ENTRIES[name]
    kind = (
        "class"
        if inspect.isclass(member)
        else "property"
        if isinstance(member, property)
        else "method"
        if "." in name
        else "function"
    )
    inner = [described(method, fence[:-1]) for method in _ENTRIES if method.startswith(f"{name}.")]
    short = name.rpartition(".")[2]
    lines = [
        f"{fence}{{py:{kind}}} {short if '.' in name else f'vae_core.{name}'}{signature_of(member)}",
        "",
        markdown(inspect.cleandoc(member.__doc__)),
        "",
        *(() if "." in name else (f"{fence[:-1]}{{mentions}} {name}", fence[:-1])),
        "",
        *inner,
        fence,
        "",
    ]
    return "\n".join(lines)


class Public(SphinxDirective):
    """Entries of the names in its body, in that order, and of the classes that are made from those."""

    has_content = True

    def run(self):
        found = nodes.Element()
        for name in listed(" ".join(self.content)):
            text = described(name)
            self.state.nested_parse(StringList(text.splitlines(), source=name), self.content_offset, found)
        return found.children


class mentions(nodes.General, nodes.Element):
    """Where the sections that speak of a name are listed, when all pages have been read."""


class Mentions(SphinxDirective):
    """The place of that list."""

    required_arguments = 1

    def run(self):
        return [mentions(name=self.arguments[0])]


def collect(app, doctree):
    """Note which sections speak of which name, and tie the first mention in each to its entry."""
    page = app.env.docname
    if page == PAGE:
        return
    found = app.env.api_mentions[page] = []
    for block in doctree.findall(nodes.literal_block):  # code speaks of a name where the name says that it is at home
        for name in sorted(_ENTRIES.keys() & set(re.findall(r"\bvc\.(\w+)", block.astext()))):
            place = place_of(name, block)
            if place and place not in found and chapter_of(page)[:1] in chapters_of(_ENTRIES[name].__doc__):
                found.append(place)
    in_text = set()
    for literal in list(doctree.findall(nodes.literal)):
        name = entry_of(literal.astext())
        place = name and place_of(name, literal)
        if not place or isinstance(literal.parent, (nodes.reference, nodes.title)) or place in in_text:
            continue
        in_text.add(place)
        if place in found:
            found.remove(place)
        found.append(place)
        reference = nodes.reference("", "", refuri="", internal=True, classes=["api"], api=name)
        literal.replace_self(reference)
        reference += literal


def place_of(name, node):
    """The name, and the id and title of the section that it is spoken of in; None where there is no section."""
    while node is not None and not (isinstance(node, nodes.section) and node.next_node(nodes.title)):
        node = node.parent
    return node and (name, node["ids"][0], node.next_node(nodes.title).astext())


def chapters_of(docstring):
    """The numbers of the chapters that it names."""
    return set(re.findall(r"\d", " ".join(re.findall(_CHAPTERS, docstring))))


def resolve(app, doctree, page):
    """Addresses, now that they are known."""
    for reference in doctree.findall(lambda node: isinstance(node, nodes.reference) and "api" in node):
        reference["refuri"] = f"{app.builder.get_relative_uri(page, PAGE)}#vae_core.{reference['api']}"
        del reference.attributes["api"]
    for place in list(doctree.findall(mentions)):
        links = {}
        of_pages = sorted(app.env.api_mentions, key=lambda other: (not chapter_of(other), other))
        for other in of_pages:
            if links and not chapter_of(other):
                break  # where chapters speak of a name, what is looked up elsewhere adds nothing
            for name, section, title in app.env.api_mentions[other]:
                if name.partition(".")[0] == place["name"]:
                    uri = f"{app.builder.get_relative_uri(page, other)}#{section}"
                    links.setdefault(uri, nodes.reference("", f"{chapter_of(other)}{title}", refuri=uri, internal=True))
        line = nodes.paragraph("", "In the book: ")
        for uri, link in links.items():
            line += [link, nodes.Text("." if uri == list(links)[-1] else " · ")]
        place.replace_self([line] if links else [])


def chapter_of(page):
    number = page.removeprefix("book/")[:1]
    return f"{number}, " if number.isdigit() else ""


def begin(app, env, _names):
    if not hasattr(env, "api_mentions"):
        env.api_mentions = {}


def purge(app, env, page):
    getattr(env, "api_mentions", {}).pop(page, None)


def merge(app, env, pages, other):
    env.api_mentions |= {page: other.api_mentions[page] for page in pages if page in other.api_mentions}


def setup(app):
    app.add_directive("public", Public)
    app.add_directive("mentions", Mentions)
    app.add_node(mentions)
    app.connect("env-before-read-docs", begin)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("doctree-read", collect)
    app.connect("doctree-resolved", resolve)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
