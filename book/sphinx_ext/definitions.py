"""A small Sphinx extension: a word of the glossary tells its meaning wherever the text uses it.

Authors do nothing. On each page, the first mention of a word that book/notation.md defines becomes a link to the
section that the definition names. Where a part of the page, under a heading of the second level, explains the word
itself, it is left alone until the next part. The definitions stand at the end of the page, unseen: definitions.js shows
one beside its word.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from docutils import nodes
from plain_tex import plain
from sphinx.addnodes import glossary, pending_xref

HOME = "book/notation"
APART = (nodes.table, nodes.citation)  # what is looked up is no running text
NAME = 3  # words that bold type has at most where it names what is explained


@dataclass(frozen=True)
class Word:
    """An entry of the glossary."""

    name: str
    label: str  # of the section that it comes from
    meaning: str  # HTML, with {} for that section's address

    @property
    def pattern(self) -> str:
        """The word in the singular and the plural, with a capital letter or without."""
        first, rest = self.name[0], re.escape(self.name[1:]).replace(r"\ ", r"\s+").replace("'", "['’]")
        rest = rest.removesuffix("y") + "(?:y|ies)" if rest.endswith("y") else rest + "s?"
        return f"[{first.upper()}{first}]{rest}"


def html_of(node: nodes.Node) -> str:
    """A definition in few bytes: its formulas are plain text."""
    if isinstance(node, nodes.math):
        return re.sub("(?<=[pq])([θφ])", r"<sub>\1</sub>", escape(plain(node.astext())))
    if isinstance(node, nodes.Text):
        return escape(re.sub(r"\s+", " ", node))
    inside = "".join(map(html_of, node.children))
    if isinstance(node, pending_xref):
        return f'<a href="{{}}">{inside}</a>'
    return f"<i>{inside}</i>" if isinstance(node, nodes.emphasis) else inside


def words_of(doctree: nodes.document) -> list[Word]:
    """The glossary's words, of two that begin alike the longer one first."""
    found = []
    for listed in doctree.findall(glossary):
        for entry in listed.findall(nodes.definition_list_item):
            (link,) = entry.findall(pending_xref)
            found.append(Word(entry[0].astext(), link["reftarget"], html_of(entry[-1][0])))
    return sorted(found, key=lambda word: -len(word.name))


def above_of(node: nodes.Node) -> Iterator[nodes.Element]:
    """What it stands in, from the inside out."""
    while node := node.parent:
        yield node


def is_within(node: nodes.Node, label: str) -> bool:
    return any(label in section["ids"] for section in above_of(node) if isinstance(section, nodes.section))


def parts_of(doctree: nodes.document) -> list[list[nodes.Text]]:
    """The texts of paragraphs, in a list for each section of the second level and one for what comes before."""
    parts: dict[int, list[nodes.Text]] = {}
    for text in doctree.findall(nodes.Text):
        above = list(above_of(text))
        sections = [node for node in above if isinstance(node, nodes.section)]
        is_name = isinstance(text.parent, nodes.strong) and len(text.split()) <= NAME
        if (
            sections
            and isinstance(above[is_name], nodes.paragraph)
            and not any(isinstance(node, APART) for node in above)
        ):
            parts.setdefault(id(sections[-2:][0]), []).append(text)
    return list(parts.values())


def mark(app, doctree, docname):
    if app.builder.format != "html" or docname == HOME or HOME not in app.env.found_docs:
        return
    labels = app.env.get_domain("std").anonlabels
    # Where only a part of the book is built, there are fewer sections to lead to.
    words = [word for word in words_of(app.env.get_doctree(HOME)) if word.label in labels]
    any_word = re.compile(rf"(?<![\w-])(?:{'|'.join(f'({word.pattern})' for word in words)})(?![\w-])")
    address, used = {}, {}
    for word in words:
        page, anchor = labels[word.label][:2]
        address[word] = ("" if page == docname else app.builder.get_relative_uri(docname, page)) + f"#{anchor}"
    for part in parts_of(doctree):
        explained = set()
        for text in part:
            pieces, end = [], 0
            for match in any_word.finditer(text):
                word = words[match.lastindex - 1]
                if isinstance(text.parent, nodes.strong) or is_within(text, word.label):
                    explained.add(word)
                elif word not in used and word not in explained:
                    used[word] = len(used) + 1
                    link = f'<a class="word" href="{address[word]}" aria-describedby="w{used[word]}">{match[0]}</a>'
                    pieces += [nodes.Text(text[end : match.start()]), nodes.raw("", link, format="html")]
                    end = match.end()
            if pieces:
                text.parent.replace(text, [*pieces, nodes.Text(text[end:])])
    told = [
        f'<div class="meaning" id="w{number}" popover>{word.meaning.replace("{}", address[word])}</div>'
        for word, number in used.items()
    ]
    doctree += nodes.raw("", "\n".join(told), format="html")


def setup(app):
    app.connect("doctree-resolved", mark, priority=900)  # others have read the text by then
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
