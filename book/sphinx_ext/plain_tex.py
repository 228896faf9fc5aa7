r"""Formulas as plain text, for the search: \log p_\theta(x) \ge \mathbb{E}[\log w] as log pθ(x) ≥ E[log w]."""

import re
import unicodedata

SYMBOLS = {
    "mid": "|",
    "|": "‖",
    "Vert": "‖",
    "le": "≤",
    "ge": "≥",
    "ne": "≠",
    "sum": "∑",
    "prod": "∏",
    "int": "∫",
    "partial": "∂",
    "nabla": "∇",
    "infty": "∞",
    "cdot": "·",
    "times": "×",
    "sim": "∼",
    "approx": "≈",
    "to": "→",
    "leftarrow": "←",
    "propto": "∝",
    "in": "∈",
    "ell": "ℓ",
    "dots": "…",
    "ldots": "…",
    "blacksquare": "",
    "lvert": "|",
    "rvert": "|",
    "lVert": "‖",
    "rVert": "‖",
    "lfloor": "⌊",
    "rfloor": "⌋",
    "top": "ᵀ",
    "bmod": " mod ",
    "varepsilon": "ε",
    "lambda": "λ",
    "Lambda": "Λ",
}
SPACES = {"quad", "qquad", "\\", ",", ";", " "}
SILENT = {
    "left",
    "right",
    "big",
    "Big",
    "bigl",
    "bigr",
    "Bigl",
    "Bigr",
    "!",
    "mathcal",
    "mathbb",
    "mathrm",
    "operatorname",
    "textstyle",
    "texttt",
    "textit",
}
ACCENTS = {"hat": "\u0302", "widehat": "\u0302", "tilde": "\u0303", "bar": "\u0304"}
UP = dict(zip("0123456789+−=()nit", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵗ", strict=True)) | {"ᵀ": "ᵀ", "∗": "*", "*": "*"}
DOWN = dict(zip("0123456789+−=aeijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌ₐₑᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
GROUP = r"\s*(\{(?:[^{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})*\}|\\[A-Za-z]+|[^\s{}\\])"  # as deep as these go


def plain(tex: str) -> str:
    """What it says; alignment, size and colour say nothing. A command that is not known stands by its name."""
    tex = tex.replace(r"\{", "❴").replace(r"\}", "❵").replace("-", "−")
    tex = re.sub(r"\\(begin|end)\{.*?\}|&|\$|\\textcolor\{.*?\}|\\\\\[.*?\]", " ", tex)
    tex = re.sub(r"D_\{\\(mathrm|text)\{KL\}\}", "KL", tex)
    tex = re.sub(r"\\underbrace" + GROUP + "_" + GROUP, lambda match: plain(match[1]), tex)
    tex = re.sub(r"\\text\{(.*?)\}", lambda match: f" {match[1].replace('−', '-')} ", tex)
    tex = re.sub(rf"\\({'|'.join(ACCENTS)})(?![a-z])" + GROUP, lambda match: plain(match[2]) + ACCENTS[match[1]], tex)
    tex = re.sub(r"\\[td]?frac" + GROUP + GROUP, lambda match: f"{bracketed(match[1])}/{bracketed(match[2])} ", tex)
    tex = re.sub(r"\\sqrt" + GROUP, lambda match: f"√{bracketed(match[1])}", tex)
    tex = re.sub(r"\^" + GROUP, lambda match: script("^", plain(match[1]), UP), tex)
    tex = re.sub("_" + GROUP, lambda match: script("_", plain(match[1]), DOWN), tex)
    tex = re.sub(r"\\([A-Za-z]+|.)", lambda match: command(match[1]), tex, flags=re.S).replace("\0", "")
    tex = re.sub("[≤≥≠≈∼→∈∝=]", r" \g<0> ", tex)
    tex = re.sub(r"\s+", " ", tex.translate({ord("{"): "", ord("}"): "", ord("~"): " "}))
    tex = re.sub(r"(?<=[(\[❴∂∇∫√]) | (?=[)\],.;❵])|(?<=[^\W\d]) (?=[(\[])|(?<=\w) ?(?=\|)|(?<=\|) ", "", tex)
    return re.sub(r"\b(log|exp) ?\[", r"\1 [", tex).replace("❴", "{").replace("❵", "}").strip()


def command(name):
    """A Greek letter, a symbol, or a name such as log."""
    if name in SILENT:
        return ""
    if name in SYMBOLS or name in SPACES:
        return SYMBOLS.get(name, " ")
    try:
        return unicodedata.lookup(f"GREEK {'CAPITAL' if name[0].isupper() else 'SMALL'} LETTER {name}")
    except KeyError:
        return f" {name} "


def bracketed(tex):
    """Half of a fraction, in brackets if it would fall apart without."""
    text = plain(tex)
    closed = text
    while (less := re.sub(r"[(\[][^()\[\]]*[)\]]", "", closed)) != closed:
        closed = less
    return f"({text})" if " " in closed else text


def script(mark, text, letters):
    """An index or exponent, by Unicode's letters where it has them all."""
    text = text.replace(" ", "")
    if all(letter in letters for letter in text):
        return "".join(letters[letter] for letter in text)
    return f"\0{text}" if mark == "_" and len(text) == 1 else f"{mark}{text} "
