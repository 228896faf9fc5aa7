"""The pictures of the chapters' cards on the first page, from the models that the chapters show.

Usage: python book/cards/draw.py [folder, this one by default]
"""

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Circle
from sklearn.datasets import load_digits

import vae_core as vc
from vae_widgets import Jensen, plots

HERE = Path(__file__).parent
SIZE, DPI = (2.4, 1.2), 200  # inches, of which the pages make 100 pixels each
INK = LinearSegmentedColormap.from_list("ink", [(0.1, 0.1, 0.1, 0), (0.1, 0.1, 0.1, 1)])  # on any ground


def rows_of(ax: Axes, *rows: torch.Tensor) -> None:
    """Rows of digits, each (n, pixels)."""
    side = int(rows[0].shape[1] ** 0.5)
    sheet = torch.cat([row.reshape(-1, side, side).permute(1, 0, 2).flatten(1) for row in rows])
    ax.imshow(sheet, cmap=INK, vmin=0, vmax=1)


def digits(classes: list[int]) -> torch.Tensor:
    """The first test digit of each class: (n, 784)."""
    data = vc.load_mnist()
    first = torch.stack([data.test_images[data.test_labels == c][0] for c in classes])
    return vc.binarize(first, torch.Generator().manual_seed(0))


def ring(ax: Axes, radius: float, **style) -> None:
    ax.add_patch(Circle((0, 0), radius, fill=False, edgecolor=plots.PRIOR, linewidth=1.4, **style))


def causes(ax: Axes) -> None:
    """Where the prior draws its causes, and where those of one digit are."""
    x, away = digits([4]), 5.0
    grid = vc.log_marginal_grid(vc.load_trained("vae-2d"), x, n=121, limit=6)
    mass = grid.log_posterior[0].exp().reshape(121, 121).T
    ax.imshow(mass / mass.max(), cmap=INK, origin="lower", extent=[-6.05, 6.05] * 2, interpolation="bilinear")
    drawn = torch.randn(400, 2, generator=torch.Generator().manual_seed(4))
    ax.plot(*drawn.T, ".", color=plots.PRIOR, markersize=1.6, alpha=0.8)
    ax.imshow(x.reshape(28, 28), cmap=INK, extent=[away - 1.8, away + 1.8, -1.8, 1.8])
    ax.annotate("", (away - 2.1, -0.6), (1.2, -2.2), arrowprops=dict(arrowstyle="->", color=plots.TRUTH, linewidth=1))
    ax.set(xlim=(-3.6, 7), ylim=(-3.4, 3.4))


def chord(ax: Axes) -> None:
    """The widget Jensen's numbers: the mean of their logarithms lies below the logarithm of their mean."""
    jensen = Jensen()
    values = np.array(jensen.values)
    t = np.linspace(0.12, 6.4, 200)
    ax.plot(t, np.log(t), color=plots.TRUTH, linewidth=1.6)
    ax.plot(values, np.log(values), "o", color=plots.TRUTH, markersize=3.5)
    middle = values.mean()
    ax.plot([middle] * 2, [jensen.mean_of_logs, jensen.log_of_mean], color=plots.GAP, linewidth=2.4)
    ax.plot(middle, jensen.log_of_mean, "o", color=plots.IWAE, markersize=5)
    ax.plot(middle, jensen.mean_of_logs, "o", color=plots.ELBO, markersize=5)
    ax.set(xlim=(-0.2, 6.8), ylim=(-2.1, 2.1))


def rebuilt(ax: Axes) -> None:
    """Test digits, and the same rebuilt from ten latents."""
    x, vae = digits([7, 2, 1, 0, 4, 9]), vc.load_trained("vae")
    rows_of(ax, x, vae.dec(vae.enc(x)[0]).sigmoid())


def knobs(ax: Axes) -> None:
    """Test digits, and the same rebuilt with beta = 1 and beta = 8."""
    x = digits([0, 2, 4, 5, 8, 6, 9])
    ones = [vc.load_trained(name) for name in ("vae-z10", "vae-beta8")]
    rows_of(ax, x, *(vae.dec(vae.enc(x)[0]).sigmoid() for vae in ones))


def mixture(ax: Axes) -> None:
    """The 500 components of the GMVAE, along the two latents in which they lie farthest apart; and N(0, I)."""
    m = vc.load_trained("gmvae").z_prior[0][0]
    i, j = m.var(0).topk(2).indices.tolist()
    ax.plot(*m[:, [i, j]].T, ".", color=plots.PRIOR, markersize=2.4)
    ring(ax, 2, linestyle="--")
    ax.set(xlim=(-9, 9), ylim=(-4.6, 4.6))


def tighter(ax: Axes) -> None:
    """The bound of one digit, from 1 to 1,000 draws, under its exact log p(x)."""
    model, x = vc.load_trained("vae-2d"), digits([0])
    truth = vc.log_marginal_grid(model, x, n=151).log_px.item()
    with vc.seeded(0):
        log_w = model.log_weight(x, 20_000)[0].flatten()
    counts = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    bounds = [vc.log_mean_exp(log_w.reshape(-1, k), 1).mean().item() for k in counts]
    ax.axhline(truth, color=plots.TRUTH, linewidth=1.6)
    ax.fill_between(counts, bounds, truth, color=plots.GAP, alpha=0.18, linewidth=0)
    ax.semilogx(counts, bounds, color=plots.IWAE, linewidth=2.2)
    ax.plot(1, bounds[0], "o", color=plots.ELBO, markersize=5)
    ax.set(xlim=(0.7, 1300), ylim=(bounds[0] - 0.25 * (truth - bounds[0]), truth + 0.2 * (truth - bounds[0])))


def styles(ax: Axes) -> None:
    """The handwriting of three test digits, in seven classes."""
    model, x, y = vc.load_trained("ssvae"), digits([7, 2, 4]), torch.eye(10)
    styles, _ = model.encode(x, y[[7, 2, 4]])
    classes = y[[0, 2, 3, 4, 6, 7, 8]]
    rows_of(ax, *(model.decode(z.expand(len(classes), -1), classes).sigmoid() for z in styles))


def others(ax: Axes) -> None:
    """The first digits of scikit-learn's, of 8 x 8 pixels: the chapter's first data that are no MNIST."""
    pixels = torch.tensor(load_digits().images[:14]).float() / 16
    apart = torch.nn.functional.pad(pixels, (1, 1, 1, 1)).flatten(1)
    rows_of(ax, apart[:7], apart[7:])


CARDS: dict[str, Callable[[Axes], None]] = {
    "1_marginal_likelihood": causes,
    "2_jensen_elbo": chord,
    "3_vae": rebuilt,
    "4_beta": knobs,
    "5_gmvae": mixture,
    "6_iwae": tighter,
    "7_ssvae": styles,
    "8_your_own": others,
}


@torch.no_grad()
def draw(name: str, folder: Path) -> Path:
    """Draw the card of a chapter into a folder, and return its path."""
    mpl.use("agg")
    with plt.style.context(["vae_widgets.book", {"savefig.bbox": "standard", "figure.constrained_layout.use": False}]):
        figure = plt.figure(figsize=SIZE)
        ax = figure.add_axes((0, 0, 1, 1))
        CARDS[name](ax)
        ax.set_axis_off()
        file = folder / f"{name}.png"
        figure.savefig(file, dpi=DPI, metadata={"Software": None})
        plt.close(figure)
    return file


if __name__ == "__main__":
    for chapter in CARDS:
        print(draw(chapter, Path(sys.argv[1]) if len(sys.argv) > 1 else HERE))
