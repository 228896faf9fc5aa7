"""The widgets' front ends, which are ES modules, joined into the one text that Jupyter wants of a widget.

A module becomes an object of what it exports, `const ui_js = (() => { ...; return { h, s }; })();`, and what it imports
is taken from such objects, which stand before it. No other forms are known than those of IMPORT and EXPORT.
"""

import functools
import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent
PIECES = "\f\n"  # between the pieces of a joined text: a page that holds several widgets has each piece once
SHARED = ("engine", "trainer", "ui")  # each makes a piece, with what it imports; a Worker runs the first, or the second
IMPORT = re.compile(r'^(import|export) (?:\* as (\w+)|\{([^}]*)\}) from "\./(\w+)\.js";\n', re.M)
EXPORT = re.compile(r"^export (default|(?:(?:async )?function\*?|const|class) (\w+))", re.M)
# In lines of its own; a type; or at the end of a line, without quotation marks, since a text may have // in it, too.
COMMENT = re.compile(
    r"^ *(?://.*|/\*\*(?:[^*]|\*(?!/))*\*/)\n|/\*\* @type .*?\*/ ?|(?<=[;,{}()\[\]]) // [^\"'`\n]*$", re.M
)


def without_comments(script: str) -> str:
    """A script as pages have it: comments and types are for whoever reads the source."""
    return COMMENT.sub("", script)


class Module(NamedTuple):
    imports: list[str]
    exports: list[str]
    text: str


@functools.cache
def module(name: str) -> Module:
    """A module by its name, "ui", as a statement that declares `ui_js`. It is read once."""
    text = without_comments((FOLDER / f"{name}.js").read_text(encoding="utf-8"))
    imports, exports = [], []

    def take(found: re.Match[str]) -> str:
        kind, everything, some, source = found.groups()
        imports.append(source)
        if kind == "export":
            exports.extend(re.findall(r"\w+", some))
        return f"const {everything or '{' + some.replace(' as ', ': ') + '}'} = {source}_js;\n"

    def give(found: re.Match[str]) -> str:
        exports.append(found[2] or "default")
        return found[1] if found[2] else "const widget_js ="

    text = EXPORT.sub(give, IMPORT.sub(take, text)).strip()
    given = ", ".join("default: widget_js" if each == "default" else each for each in exports)
    return Module(imports, exports, f"const {name}_js = (() => {{\n{text}\nreturn {{ {given} }};\n}})();\n")


def in_order(name: str) -> list[str]:
    """A module's name after those of all that it imports, by way of others, too."""
    before = [each for source in module(name).imports for each in in_order(source)]
    return list(dict.fromkeys([*before, name]))


@functools.cache
def joined(file: str) -> str:
    """The text of a module, such as "jensen.js", with all that it imports: a module that exports the same."""
    name = file.removesuffix(".js")
    heads = [each for each in SHARED if each == "engine" or each in in_order(name)]
    done, pieces = set(), []
    for head in dict.fromkeys([*heads, name]):
        some = [each for each in in_order(head) if each not in done]
        done.update(some)
        pieces.append("".join(module(each).text for each in some))
    exports = module(name).exports
    what = f"default {name}_js.default" if exports == ["default"] else f"const {{ {', '.join(exports)} }} = {name}_js"
    return PIECES.join([*pieces, f"export {what};\n"])
