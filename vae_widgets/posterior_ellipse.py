import math
from collections.abc import Callable
from typing import Any

import torch
import traitlets

import vae_core as vc

from .base import (
    BookWidget,
    Labels,
    Network,
    answer_trait,
    check_model,
    check_posterior,
    drawing_of,
    images_of,
    pack_images,
    raster_of,
    reference,
)

MOST = 42  # spacings from the middle of a picture to its side, so that a digit has at most 114 kB in the page
MARGIN = 1.06  # for the handles of a q at the side
REACH = 2.42  # standard deviations of the encoder's q that are in the picture; a q that is moved keeps 2.2


class PosteriorEllipse(BookWidget, script="posterior_ellipse.js"):
    """Lay an ellipse, q(z|x), over the exact posterior of a digit: log p(x) = ELBO + KL, and both gaps, in nats.

    model: a VAE with z_dim = 2; x, labels: a few digits (n, x_dim), binary ones for a Bernoulli, and their class ids;
    grid: what log_marginal_grid(model, x) returned, of which each digit gets the window that its posterior and q are
    in.
    Traits: digit, which one; m and sd, means and standard deviations of q, the encoder's at first. `encoder` and `best`
    hold (m1, m2, sd1, sd2) for each digit: what the encoder answers, and the axis-aligned Gaussian with the largest
    ELBO. `log_px`, `elbo` and `kl` are those of the current q, from PyTorch. Raises ValueError if x does not fit,
    or the grid is too small or too coarse.
    """

    digit = traitlets.Int(0).tag(sync=True)
    m = traitlets.List(traitlets.Float(), help="means of q").tag(sync=True)
    sd = traitlets.List(traitlets.Float(), help="standard deviations of q").tag(sync=True)
    answer = answer_trait()
    state = ("digit", "m", "sd", "answer")

    encoder = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    best = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    windows = traitlets.List(traitlets.List(traitlets.Float()), help="middle z1 and z2, spacing, K").tag(sync=True)
    log_joint = traitlets.Bytes(help="log p(x, z) of each digit, on (4 K + 1) x (4 K + 1) points").tag(sync=True)
    digits = traitlets.Bytes().tag(sync=True)
    labels = traitlets.List(traitlets.Int()).tag(sync=True)
    decoder = reference(Network)
    raster = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(
        self,
        model: vc.VAE,
        x: torch.Tensor,
        labels: Labels,
        grid: vc.Grid,
        *,
        name: str = "ellipse",
        **traits: Any,
    ):
        if not hasattr(model, "log_weight") or model.takes_label:
            raise ValueError(f"an ellipse needs a VAE or GMVAE; given {type(model).__name__}")
        if not model.z_dim == grid.z.shape[1] == 2:
            raise ValueError(
                f"an ellipse needs a model and a grid of two latents; given z_dim={model.z_dim} and {grid.z.shape[1]}"
            )
        check_model(model)
        if len({len(x), len(labels), len(grid.log_px)}) > 1:
            raise ValueError(
                f"x, labels and grid must be of the same digits; given {len(x)}, {len(labels)} and {len(grid.log_px)}"
            )
        check_posterior(model)
        x = images_of(model, x)
        digits = pack_images(model, x)
        with torch.no_grad():
            m, v = (t.double() for t in model.encode(x))
        encoder = torch.cat([m, v.sqrt()], 1)
        self._model, self._x, self._log_px = model, x, grid.log_px
        self._windows = [self._window(grid, i, encoder[i]) for i in range(len(x))]
        best = [self._climb(i, encoder[i]) for i in range(len(x))]
        limit = grid.z.abs().max().item()
        self._start = traits.get("digit", 0)
        if not 0 <= self._start < len(x):
            raise traitlets.TraitError(f"digit must be a number from 0 to {len(x) - 1}; given {self._start}")
        super().__init__(
            **dict(dict(m=encoder[self._start, :2].tolist(), sd=encoder[self._start, 2:].tolist()), **traits),
            name=name,
            limits={"digit": (0, len(x) - 1), "m": (-limit, limit, 2), "sd": (1e-3, limit, 2)},
            encoder=encoder.tolist(),
            best=best,
            digits=digits,
            labels=[int(label) for label in labels],
            windows=[
                [*(z[len(z) // 2].item() for z in axes), (axes[0][1] - axes[0][0]).item(), len(axes[0]) // 4]
                for *axes, _ in self._windows
            ],
            log_joint=b"".join(joint.numpy().astype("<f4").tobytes() for *_, joint in self._windows),
            decoder=drawing_of(model, "int8"),
            raster=raster_of(model),
        )

    def _window(self, grid: vc.Grid, i: int, encoder: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Where digit i's posterior and the encoder's q are: two axes of 4 K + 1 points, and log p(x, z) there.

        The picture is the inner half, K spacings to each side: a q with its ellipse in it has its tails in the window.
        """
        side = math.isqrt(len(grid.z))
        axis = grid.z[:side, 1].double()
        near = grid.z[grid.log_posterior[i] > grid.log_posterior[i].max() - 4].double()
        low = torch.minimum(near.amin(0), encoder[:2] - REACH * encoder[2:])
        high = torch.maximum(near.amax(0), encoder[:2] + REACH * encoder[2:])
        half = MARGIN * (high - low).max().item() / 2 / (axis[1] - axis[0]).item()  # in spacings of the grid
        stride = math.ceil(half / MOST)
        k = math.ceil(half / stride)
        middle = [(axis - centre).abs().argmin().item() for centre in (low + high) / 2]
        if min(middle) < 2 * k * stride or max(middle) + 2 * k * stride >= side:
            raise ValueError(f"the grid is too small for digit {i}: it needs a larger limit than {axis[-1]:g}")
        rows, columns = (m + stride * torch.arange(-2 * k, 2 * k + 1) for m in middle)
        joint = (grid.log_posterior[i] + grid.log_px[i]).reshape(side, side)[rows][:, columns].double()
        axes = axis[rows], axis[columns]
        log_px = (joint.flatten().logsumexp(0) + 2 * (axes[0][1] - axes[0][0]).log()).item()
        if abs(log_px - grid.log_px[i]) > 0.01:  # what the book promises of numbers in nats
            raise ValueError(
                f"digit {i} needs more than the {len(rows)} x {len(rows)} points of its window: "
                f"log p(x) is {log_px:.3f} on them, and {grid.log_px[i]:.3f} on all of the grid"
            )
        return *axes, joint

    def _bound(self, i: int, m: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
        """ELBO of N(m, diag(sd²)) for digit i, in nats, by a sum over its window."""
        z1, z2, joint = self._windows[i]
        log_q1, log_q2 = (vc.log_normal(z[:, None], m[j : j + 1], sd[j : j + 1] ** 2) for j, z in enumerate((z1, z2)))
        log_q = log_q1[:, None] + log_q2
        q = log_q.flatten().softmax(0).reshape(log_q.shape)
        return (q * (joint - log_q)).sum()

    @torch.enable_grad()
    def _climb(self, i: int, encoder: torch.Tensor) -> list[float]:
        """(m1, m2, sd1, sd2) of the largest ELBO: gradient ascent from the encoder's mean and the posterior's mode."""
        z1, z2, joint = self._windows[i]
        row, column = divmod(int(joint.argmax()), len(z2))
        # The search stays within the picture, and with widths that the sum over its points can tell.
        middle, half = torch.stack([z1[len(z1) // 2], z2[len(z2) // 2]]), (z1[-1] - z1[0]) / 4
        least, most = (0.6 * (z1[1] - z1[0])).log(), half.log()
        found = []
        for start in (encoder[:2], torch.stack([z1[row], z2[column]])):
            width = (0.5 * encoder[2:]).log().clamp(least + 0.1, most - 0.1)
            place = ((start - middle) / half).clamp(-0.99, 0.99).atanh().requires_grad_()
            scale = ((width - least) / (most - least)).logit().requires_grad_()
            optimizer = torch.optim.LBFGS(
                [place, scale], max_iter=100, line_search_fn="strong_wolfe", tolerance_grad=1e-6
            )

            def q(place: torch.Tensor = place, scale: torch.Tensor = scale) -> tuple[torch.Tensor, torch.Tensor]:
                return middle + half * place.tanh(), (least + (most - least) * scale.sigmoid()).exp()

            def loss(q: Callable = q, optimizer: torch.optim.Optimizer = optimizer) -> torch.Tensor:
                optimizer.zero_grad()
                value = -self._bound(i, *q())
                value.backward()
                return value

            optimizer.step(loss)
            found.append((loss().item(), [value.item() for part in q() for value in part]))
        return min(found)[1]

    @property
    def log_px(self) -> float:
        return self._log_px[self.digit].item()

    @property
    def elbo(self) -> float:
        with torch.no_grad():
            return self._bound(self.digit, *torch.tensor([self.m, self.sd]).double()).item()

    @property
    def kl(self) -> float:
        return self.log_px - self.elbo
