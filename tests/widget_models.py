"""What a widget's model makes of an image: PyTorch, with the very draws that the widget's own engine makes."""

import base64
import hashlib
import json
import math
from typing import NamedTuple

import torch

import vae_core as vc
from vae_widgets.base import Network
from vae_widgets.modules import joined

# A page keeps an engine and the networks that it was given last, by their key.
MAKE = """async ([key, source, specs]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const engine = await import(url);
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const parts = Object.fromEntries(Object.entries(specs).map(([name, spec]) =>
    [name, (spec.k ? engine.mixture : engine.network)({ ...spec, weights: bytes(spec.weights) })]));
  globalThis.made = { key, engine, parts };
}"""
MADE = "(key) => globalThis.made?.key === key"
# The z, and for an SSVAE the y, that the engine draws.
DRAW = """([x, count, seed, label]) => {
  const { engine, parts } = globalThis.made, options = { y: label };
  const { z, y } = engine.logWeights(parts, Float32Array.from(x), count, engine.normals(seed), options);
  return { z: [...z], y: y && [...y] };
}"""


class Terms(NamedTuple):
    """Of each draw: z decoded, (count, 784) probabilities; rec and kl, with log w = -(kl + rec), in nats."""

    images: torch.Tensor
    rec: torch.Tensor
    kl: torch.Tensor


def spec(part):
    names = ("k", "z_dim") if hasattr(part, "k") else ("sizes", "activation", "y_dim", "precision")
    return {**{name: getattr(part, name) for name in names}, "weights": base64.b64encode(part.weights).decode()}


@torch.no_grad()
def terms(page, widget, x, count, seed=0, label=None):
    """The terms of `count` log weights of the image x, from the draws of a ModelWidget that `page` shows.

    label: of an SSVAE, the class y that is given; then w is of p(x, y).
    """
    net = widget._model
    ssvae = hasattr(net, "cls")
    parts = {
        "enc": Network.of(net.enc),
        "dec": widget.decoder,
        "cls": Network.of(net.cls) if ssvae else None,
        "prior": widget.mixture,
    }
    specs = {name: spec(part) for name, part in parts.items() if part}
    key = hashlib.sha256(json.dumps(specs).encode()).hexdigest()
    if not page.evaluate(MADE, key):
        page.evaluate(MAKE, [key, joined("engine.js"), specs])
    drawn = page.evaluate(DRAW, [x.tolist(), count, seed, label])
    z = torch.tensor(drawn["z"]).reshape(count, -1)
    if drawn["y"] is None:
        logits = net.dec(z)
        kl = vc.log_normal(z, *net.enc(x)) - net.log_prior(z)
    else:
        y = torch.tensor(drawn["y"])
        one_hot = torch.nn.functional.one_hot(y, net.y_dim).float()
        logits = net.dec(z, one_hot)
        log_q_y = net.cls(x).log_softmax(-1)[y] if label is None else 0
        log_q = log_q_y + vc.log_normal(z, *net.enc(x.expand(count, -1), one_hot))
        kl = log_q - net.log_prior(z) + math.log(net.y_dim)
    return Terms(logits.sigmoid(), -vc.log_bernoulli_with_logits(x, logits), kl)
