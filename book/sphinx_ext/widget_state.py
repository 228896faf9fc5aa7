"""The state of a page's widgets in less room than Jupyter takes for it; widget_host.js unpacks it.

Jupyter writes one JSON text, with weights in base64 and the whole source of a front end once for each widget. Here
small binary values stay bytes, and all of it is deflated:

    4 bytes, little endian: the length of the JSON · the JSON · the small values, at the places that the JSON names

A large value, such as a network's weights, and each piece of a front end is a file of its own, which all pages share.
They are scripts that hand over a value: a page from disk may load a script, and nothing else; and a page whose host
allows no scripts but its own files may load them, too.
"""

import base64
import codecs
import functools
import hashlib
import json
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from vae_widgets.modules import PIECES

KIND = "application/vnd.vae-book.widget-state"  # the type of the script element
LARGE = 20_000  # bytes
MARK, FLIP = 0xE000, 0x8000  # what stands before a changed character, and the change


def pack_state(state, store):
    """The text of the element with the state of a page's widgets, which is given as Jupyter's manager state.

    store(name, content): keeps a file, and returns its address from the page.
    """
    texts, blob = {}, bytearray()
    for spec in state["state"].values():
        if "_css" in spec["state"]:
            spec["state"]["_css"] = texts.setdefault(spec["state"]["_css"], len(texts))
        *pieces, _ = spec["state"].get("_esm", "").split(PIECES)  # the last one exports what the others declare
        if pieces:  # others, which are no widgets of the book, stay modules
            spec["state"]["_esm"] = [store(f"{name_of(script)}.js", script) for script in as_functions(*pieces)]
        for buffer in spec.get("buffers", []):
            data = base64.b64decode(buffer["data"])
            if len(data) >= LARGE:
                buffer["data"] = store(f"{name_of(data)}.js", as_script(data))
            else:
                buffer["data"] = [len(blob), len(data)]
                blob += data
    head = json.dumps({"texts": list(texts), "state": state["state"]}, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(struct.pack("<I", len(head)) + head + blob, 9)).decode()


def name_of(data):
    return hashlib.sha256(data).hexdigest()[:16]


@functools.cache  # as with a network's weights: many a page has the same ones
def as_functions(*pieces):
    """The pieces of a front end as scripts, each of which hands over a function: of the modules that the pieces before
    it declare, by their names, it makes these and its own; the last one makes the widget.

    In a Worker the first one, the engine, serves the page, or the trainer, which loads the engine from the same folder.
    """
    known, scripts = [], []
    for piece in pieces:
        wanted = ", ".join(name for name in known if re.search(rf"\b{name}\b", piece))
        own = re.findall(r"^const (\w+) = \(\(\) => \{$", piece, re.M)
        known += own
        result = f"{own[-1]}.default" if piece is pieces[-1] else f"{{ ...given, {', '.join(own)} }}"
        before = f'importScripts("{name_of(scripts[0])}.js");\n' if scripts else ""
        script = (
            '"use strict";\n{\n'
            f"const make = function (given) {{\nconst {{ {wanted} }} = given;\n{piece}return {result};\n}};\n"
            "if (globalThis.document) document.currentScript.value = make;\n"
            f"else {{\n{before}self.made = make(self.made ?? {{}});\nself.made.{own[-1]}.serve(self);\n}}\n}}\n"
        ).encode()
        scripts.append(script)
    return scripts


@functools.cache
def as_script(data):
    """Bytes as a script that hands them over, deflated.

    Two bytes are one character in UTF-16, whose first mark tells every browser and server so. Halves of surrogate pairs
    and what may not stand in a string are changed by FLIP, after a MARK: 3% more, where base64 takes 33%.
    """
    ways = [zlib.compressobj(strategy=way) for way in (zlib.Z_HUFFMAN_ONLY, zlib.Z_DEFAULT_STRATEGY)]
    deflated = min((way.compress(data) + way.flush() for way in ways), key=len)  # weights do not repeat themselves
    letters = np.frombuffer(deflated + bytes(len(deflated) % 2), "<u2")
    changed = (letters >> 11 == 0xD800 >> 11) | np.isin(letters, [MARK, *b'"\\\n\r'])
    text = np.repeat(letters, 1 + changed)
    marks = np.flatnonzero(changed) + np.arange(changed.sum())
    text[marks] = MARK
    text[marks + 1] ^= FLIP
    before, after = f'document.currentScript.value = [{len(deflated)}, "', '"];'
    return codecs.BOM_UTF16_LE + before.encode("utf-16-le") + text.tobytes() + after.encode("utf-16-le")


def shown(state, ids):
    """The state of the widgets with these ids, and of those that they refer to: a notebook may have made others."""
    kept, wanted = {}, list(ids)
    while wanted:
        name = wanted.pop()
        if name in state and name not in kept:
            kept[name] = state[name]
            wanted += re.findall(r"IPY_MODEL_(\w+)", json.dumps(state[name]["state"]))
    return kept


def state_of(app, pagename):
    """The state of a page's widgets as Jupyter writes it; empty for a page that has none."""
    scripts = getattr(app.env, "nb_metadata", {}).get(pagename, {}).get("js_files", {})
    _, state = scripts.get("ipywidgets_state", (None, {}))
    return json.loads(state["body"]) if state.get("type") == "application/vnd.jupyter.widget-state+json" else {}


def pack_page(app, pagename, templatename, context, doctree):
    """Before myst-nb adds the state to a page, as a script with a body, pack it."""

    def store(name, content):
        file = Path(app.outdir, "_widgets", name)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        return context["pathto"](f"_widgets/{name}", 1)

    if whole := state_of(app, pagename):
        scripts = app.env.nb_metadata[pagename]["js_files"]
        whole["state"] = shown(whole["state"], re.findall(r'"model_id": "(\w+)"', context["body"]))
        scripts["ipywidgets_state"] = (None, {"type": KIND, "body": pack_state(whole, store)})
