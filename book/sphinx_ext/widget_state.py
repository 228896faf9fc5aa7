"""The state of a page's widgets in less room than Jupyter takes for it; widget_host.js unpacks it.

Jupyter writes one JSON text, with weights in base64 and the whole source of a front end once for each widget. Here the
weights stay bytes, each piece of source is kept once, and all of it is deflated:

    4 bytes, little endian: the length of the JSON · the JSON · the binary values, at the places that the JSON names
"""

import base64
import json
import re
import struct
import zlib

STATE = re.compile(r'<script type="application/vnd.jupyter.widget-state\+json">(.*?)</script>', re.DOTALL)
PIECES = "\f\n"  # between the files that a front end is joined from, see vae_widgets.base


def pack_state(state):
    """The script element that holds the state of a page's widgets, `state` in the form of Jupyter's manager state."""
    texts, blob = {}, bytearray()
    for spec in state["state"].values():
        for source in {"_esm", "_css"} & spec["state"].keys():
            pieces = spec["state"][source].split(PIECES)
            spec["state"][source] = [texts.setdefault(piece, len(texts)) for piece in pieces]
        for buffer in spec.get("buffers", []):
            data = base64.b64decode(buffer["data"])
            buffer |= {"data": [len(blob), len(data)]}
            blob += data
    head = json.dumps({"texts": list(texts), "state": state["state"]}, separators=(",", ":")).encode()
    packed = base64.b64encode(zlib.compress(struct.pack("<I", len(head)) + head + blob, 9)).decode()
    return f'<script type="application/vnd.vae-book.widget-state">{packed}</script>'


def pack_page(app, pagename, templatename, context, doctree):
    """Sphinx's html-page-context: pack the state that myst-nb wrote into the page."""
    if "body" in context:
        context["body"] = STATE.sub(lambda found: pack_state(json.loads(found[1])), context["body"])
