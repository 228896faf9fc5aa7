"""The state of a page's widgets in less room than Jupyter takes for it; widget_host.js unpacks it.

Jupyter writes one JSON text, with weights in base64 and the whole source of a front end once for each widget. Here the
weights stay bytes, each piece of source is kept once, and all of it is deflated:

    4 bytes, little endian: the length of the JSON · the JSON · the binary values, at the places that the JSON names
"""

import base64
import json
import struct
import zlib

KIND = "application/vnd.vae-book.widget-state"  # the type of the script element
PIECES = "\f\n"  # between the files that a front end is joined from, see vae_widgets.base


def pack_state(state):
    """The text of the element with the state of a page's widgets, which is given as Jupyter's manager state."""
    texts, blob = {}, bytearray()
    for spec in state["state"].values():
        for source in sorted(spec["state"].keys() & {"_esm", "_css"}):
            pieces = spec["state"][source].split(PIECES)
            spec["state"][source] = [texts.setdefault(piece, len(texts)) for piece in pieces]
        for buffer in spec.get("buffers", []):
            data = base64.b64decode(buffer["data"])
            buffer |= {"data": [len(blob), len(data)]}
            blob += data
    head = json.dumps({"texts": list(texts), "state": state["state"]}, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(struct.pack("<I", len(head)) + head + blob, 9)).decode()


def pack_page(app, pagename, templatename, context, doctree):
    """Before myst-nb adds the state to a page, as a script with a body, pack it."""
    scripts = getattr(app.env, "nb_metadata", {}).get(pagename, {}).get("js_files", {})
    _, state = scripts.get("ipywidgets_state", (None, {}))
    if state.get("type") == "application/vnd.jupyter.widget-state+json":
        scripts["ipywidgets_state"] = (None, {"type": KIND, "body": pack_state(json.loads(state["body"]))})
