"""Drawings that several chapters share, and one colour for each quantity throughout the book."""

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib import font_manager
from matplotlib.axes import Axes

with suppress(ImportError):  # the type of the book's pages, where those are built
    from font_source_sans_pro import font_files_ttf

    for name in ("SourceSansPro", "SourceSansProIt", "SourceSansProSemibold"):
        font_manager.fontManager.addfont(font_files_ttf[name])

if os.environ.get("VAE_BOOK_FIGURES") == "svg":  # the pages are being built: see book/sphinx_ext/figures.py
    from matplotlib_inline.config import InlineBackend

    inline = InlineBackend.instance()
    inline.print_figure_kwargs = {"bbox_inches": "tight", "metadata": {"Date": None}}  # type: ignore[dict-item]
    inline.figure_formats = {"svg"}

# By meaning. They are far enough apart for colour-blind readers and dark enough for text, and the dark theme's filter
# keeps their hues. Formulas and widgets have the same ones, from colours.css.
TRUTH = "#1a1a1a"  # log p(x), the exact posterior p(z | x), the data
ELBO = "#4870d3"  # the bound from one sample
KL = "#b3601d"  # the bound's second term, KL(q(z | x) || p(z))
GAP = "#7a2b48"  # log p(x) less a bound; for the ELBO KL(q(z | x) || p(z | x))
REC = "#2c8458"  # the bound's first term, reconstruction
Q = "#813799"  # q(z | x), and what is drawn from it
PRIOR = "#6c4502"  # p(z), and what is drawn from it
IWAE = "#177e9a"  # a bound from several samples
# Of two or three things that are compared and are none of these.
ONE = "#bd535f"
OTHER = "#2f4605"
THIRD = "#6e5c9c"


def digits(images: torch.Tensor, titles: Sequence[str] | None = None, columns: int = 10, ax: Axes | None = None) -> Any:
    """Draw digits in a grid, dark ink on white, and return the axes.

    images: (n, height, width), or (n, pixels) if they are square, ink from 0 to 1; titles: n short texts, one above
    each digit, or None. With `ax` everything is drawn there as one picture (then without titles); otherwise each digit
    gets axes of its own in a new figure, about 0.72 inch a digit. Raises ValueError if the shape is not of digits, if
    there are none, or if the titles do not match.
    """
    images = torch.as_tensor(images).detach().cpu().float()
    if images.ndim == 2 and math.isqrt(images.shape[1]) ** 2 == images.shape[1]:
        images = images.unflatten(1, [math.isqrt(images.shape[1])] * 2)
    if images.ndim != 3 or not images.numel():
        raise ValueError(
            f"digits wants (n, height, width), or (n, pixels) of squares, with n ≥ 1, not {tuple(images.shape)}"
        )
    if titles is not None and (ax is not None or len(titles) != len(images)):
        raise ValueError(f"digits wants {len(images)} titles and no ax with them, not {len(titles)} titles, ax={ax}")
    _, height, width = images.shape
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    if ax is not None:
        padded = torch.cat([images, torch.zeros(rows * columns - len(images), height, width)])
        sheet = padded.unflatten(0, (rows, columns)).transpose(1, 2).reshape(rows * height, columns * width)
        ax.imshow(sheet, cmap="gray_r", vmin=0, vmax=1)
        ax.set_axis_off()
        return ax
    inches = rows * (0.72 if titles is None else 0.95)
    _, axes = plt.subplots(rows, columns, figsize=(0.72 * columns, inches), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for i, (axis, image) in enumerate(zip(axes.flat, images, strict=False)):
        axis.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        if titles is not None:
            axis.set_title(titles[i], fontsize=10, fontweight="normal", loc="center", pad=3)
    return axes


def plane(ax: Axes | None = None, extent: float = 3.5) -> Axes:
    """Make axes of a two-dimensional latent plane, -extent to extent both ways, and return them.

    Equal aspect, faint lines through the origin, labels z₁ and z₂. Without `ax` in a new figure.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(4.2, 4.2))
    ax.axhline(0, color="#C4C4C4", linewidth=0.8, zorder=0)
    ax.axvline(0, color="#C4C4C4", linewidth=0.8, zorder=0)
    ax.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal", xlabel="$z_1$", ylabel="$z_2$")
    return ax
