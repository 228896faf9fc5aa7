"""The book's mark, two curves in book/assets/favicon.svg, in pixels, for what takes no SVG."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from fontTools.pens.recordingPen import RecordingPen
from fontTools.svgLib.path import parse_path
from PIL import Image, ImageColor, ImageDraw

FILE = Path(__file__).resolve().parents[1] / "assets/favicon.svg"
FINER = 8  # times, before it is reduced
STEPS = np.linspace(0, 1, 33)[1:, None]  # along a curve


def draw_mark(size: int, ground: str | None = None, share: float = 1) -> Image.Image:
    """The mark, of that share of a square, on a ground of that colour; on none for None."""
    fine = size * FINER
    svg = ElementTree.parse(FILE).getroot()
    x, y, width, height = map(float, svg.attrib["viewBox"].split())
    scale = share * fine / max(width, height)
    corner = np.array([x + width / 2, y + height / 2]) - fine / 2 / scale
    image = Image.new("RGBA", (fine, fine), ground or (0, 0, 0, 0))
    for path, style in paths(svg, {}):
        layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
        pen = ImageDraw.Draw(layer)
        outline = [tuple(point) for point in (points_of(path) - corner) * scale]
        thick = float(style["stroke-width"]) * scale
        opacity = round(255 * float(style.get("fill-opacity", 1)))
        pen.polygon(outline, fill=(*ImageColor.getrgb(style["fill"]), opacity))
        pen.line([*outline, *outline[:2]], fill=style["stroke"], width=round(thick), joint="curve")
        image.alpha_composite(layer)
    return image.reduce(FINER)


def paths(element, style):
    """Each path's outline, with the style that it has and inherits."""
    style = style | element.attrib
    if element.tag.endswith("}path"):
        yield style["d"], style
    for child in element:
        yield from paths(child, style)


def points_of(path):
    """The closed outline of lines and cubic curves as points: (n, 2)."""
    pen = RecordingPen()
    parse_path(path, pen)
    points = []
    for command, given in pen.value:
        ends = np.array(given, float)
        if command in ("moveTo", "lineTo"):
            points.append(ends)
        elif command == "curveTo":
            a, (b, c, d) = points[-1][-1], ends
            t, rest = STEPS, 1 - STEPS
            points.append(rest**3 * a + 3 * rest**2 * t * b + 3 * rest * t**2 * c + t**3 * d)
        elif command != "closePath":
            raise ValueError(f"{FILE.name} has a {command}, which this cannot draw")
    return np.concatenate(points)
