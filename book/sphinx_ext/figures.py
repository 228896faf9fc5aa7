"""A small Sphinx extension: figures are drawings, sharp at any size, in the colours of the page's theme.

The cells draw SVG: see vae_widgets/plots.py. From each of them come two files, one for either theme. In the dark one a
colour has become what the filter invert(1) hue-rotate(180deg) would make of it, as colours.css has it, and so have the
pictures within, such as digits; photographs, which have the class `photo`, are never negatives. The page shows one of
the two, and a browser fetches no other.
"""

import base64
import io
import os
import re
from pathlib import Path

import numpy as np
from docutils import nodes
from PIL import Image

LUMA = np.array([0.213, 0.715, 0.072])  # as a filter's hue-rotate has it
PIXELS_PER_INCH = 100
POINTS_PER_INCH = 72
NARROW = 520  # px: beside a drawing of this width there is room for its caption
EMBEDDED = re.compile(r"data:image/\w+;base64,([\w+/=\s]+)")


def turned(colours):
    """Colours from 0 to 1, (…, 3), with their luma turned and what their channels differ by kept."""
    return np.clip(colours + 1 - 2 * (colours @ LUMA)[..., None], 0, 1)


def turn_colour(match):
    colour = np.array([int(match[0][i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in turned(colour))


def pack(picture):
    picture.save(data := io.BytesIO(), "webp", lossless=True)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"


def turn_picture(match):
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(match[1]))).convert("RGBA")) / 255
    pixels = np.concatenate([turned(pixels[..., :3]), pixels[..., 3:]], -1)
    return pack(Image.fromarray((255 * pixels).round().astype(np.uint8)))


def tidy(svg):
    """A drawing without what nobody sees: a hundredth of a point is enough, and its pictures are packed anew."""
    svg = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(?<=\s)(?:d|x|y)="[^"]*"', lambda match: re.sub(r"(\.\d\d)\d+", r"\1", match[0]), svg)
    svg = re.sub(r'(d="[^"]*") transform="scale\(0.015625\)"', coarser, svg)
    svg = re.sub(r'(?<=\sd=")[^"]*', lambda match: re.sub(r"\s*([A-Za-z])\s*", r"\1", match[0]), svg)
    svg = re.sub(r'(?<=\sstyle=")[^"]*', lambda match: re.sub(r"([:;]) ", r"\1", match[0]), svg)
    svg = svg.replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "").replace("xlink:href", "href")
    svg = re.sub(r'(<use [^>]*?)transform="translate\((\S+) (\S+)\)"', place_by_attributes, svg)
    used = dict.fromkeys(re.findall(r'(?:url\(|href=")#([^")]+)', svg))
    short = {name: f"n{i}" for i, name in enumerate(used)}  # a letter is named after its font, at length
    svg = re.sub(r' id="([^"]*)"', lambda match: f' id="{short[match[1]]}"' if match[1] in short else "", svg)
    svg = re.sub(r'(url\(|href=")#([^")]+)', lambda match: f"{match[1]}#{short[match[2]]}", svg)
    svg = EMBEDDED.sub(lambda match: pack(Image.open(io.BytesIO(base64.b64decode(match[1])))), svg)
    svg = re.sub(r"\n\s*", "\n", svg).strip() + "\n"
    return re.sub(r"<use [^>]*?( style=[^>]*)/>\n(?:<use [^>]*\1/>\n)+", share_style, svg)


def coarser(match):
    """A letter's outline, on a grid of 400 for its size instead of 6,400."""
    return re.sub(r"-?\d+", lambda number: str(round(int(number[0]) / 16)), match[1]) + ' transform="scale(0.25)"'


def place_by_attributes(match):
    """Of a letter or a point: where it stands, in fewer words."""
    places = ((name, round(float(value), 2)) for name, value in zip("xy", match.groups()[1:], strict=True))
    return match[1] + " ".join(f'{name}="{value:g}"' for name, value in places if value)


def share_style(match):
    """Points that look alike say so once."""
    return f"<g{match[1]}>\n{match[0].replace(match[1], '')}</g>\n"


def for_the_dark(svg, photo):
    """The drawing for a dark page; what has no colour of its own is black, and there white."""
    svg = re.sub(r"#[0-9a-f]{6}\b", turn_colour, svg.replace("<svg ", '<svg fill="#000000" ', 1))
    return svg if photo else EMBEDDED.sub(turn_picture, svg)


def size_drawings(app, doctree):
    """Show a drawing at the size it was drawn for."""
    for node in doctree.findall(nodes.image):
        path = Path(app.srcdir, node["uri"])
        if path.suffix != ".svg" or {"width", "height"} & set(node.attributes):
            continue
        if width := re.search(r'<svg [^>]*?width="([\d.]+)pt"', path.read_text(encoding="utf-8")):
            node["width"] = f"{float(width[1]) / POINTS_PER_INCH * PIXELS_PER_INCH:.0f}px"


def draw_twice(app, exception):
    """Put a picture for either theme in the place of each drawing, with its room, for when the reader nears it."""
    if exception or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):

        def both(tag, page=page):
            link, attributes = tag[1] or "", tag[2]
            source = re.search(r'src="([^"]*_images/[^"]+)\.svg"', attributes)
            if not source or "loading=" in attributes:
                return tag[0]
            file = (page.parent / f"{source[1]}.svg").resolve()
            dark = file.with_stem(f"{file.stem}-dark")
            if not dark.exists():
                svg = tidy(file.read_text(encoding="utf-8"))
                file.write_text(svg, encoding="utf-8")
                classes = " ".join(re.findall(r'class="([^"]*)"', link + attributes)).split()
                dark.write_text(for_the_dark(svg, "photo" in classes), encoding="utf-8")
            box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', file.read_text(encoding="utf-8"))
            width, height = (round(float(side) / POINTS_PER_INCH * PIXELS_PER_INCH) for side in box.groups())
            rest = re.sub(r' (class|src)="[^"]*"', "", attributes)
            room = f'width="{width}" height="{height}" loading="lazy"'
            return link + "".join(
                f'<img class="in-{theme}" {room} src="{source[1]}{end}.svg"{rest}>'
                for theme, end in (("light", ""), ("dark", "-dark"))
            )

        def with_caption_beside(start):
            return f'{start[1]} narrow"{start[2]}' if int(start[3]) <= NARROW else start[0]

        text = re.sub(r"(<a [^>]*>)?<img((?: [^>]*)?)>", both, page.read_text(encoding="utf-8"))
        text = re.sub(
            r'(<figure class="[^"]*)"([^>]*>\s*<a [^>]*><img class="in-light" width="(\d+)")', with_caption_beside, text
        )
        page.write_text(text, encoding="utf-8")


def setup(app):
    os.environ["VAE_BOOK_FIGURES"] = "svg"
    app.connect("doctree-read", size_drawings)
    app.connect("build-finished", draw_twice)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
