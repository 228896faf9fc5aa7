import math
from typing import Any

import torch
import traitlets

import vae_core as vc

from .base import BookWidget, answer_trait


class OneLatent(BookWidget, script="one_latent.js"):
    """Move a Gaussian q(z) against an exact posterior: log p(x) = ELBO + KL(q || p(z|x)), as bars.

    z: (n,) evenly spaced values of the one latent; log_likelihood: (n,), log p(x|z) at each, in nats. The prior is
    N(0, 1). Sums over z are integrals, so z has to reach beyond every q, in steps of no more than a q's width.
    Traits: m and s, mean and standard deviation of q. `summits` are the (m, s) of the highest ELBOs, best first.
    `log_px`, `elbo`, `kl`, `rec` and `kl_prior` are computed with PyTorch. Raises ValueError for another shape or z.
    """

    m = traitlets.Float(0.3, help="mean of q").tag(sync=True)
    s = traitlets.Float(0.6, help="standard deviation of q").tag(sync=True)
    answer = answer_trait()
    state = ("m", "s", "answer")

    summits = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    span = traitlets.List(traitlets.Float(), help="first and last z").tag(sync=True)
    log_likelihood = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        z: torch.Tensor,
        log_likelihood: torch.Tensor,
        *,
        extent: float = 2.7,
        widths: tuple[float, float] = (0.05, 2.0),
        name: str = "one-latent",
        **traits: Any,
    ):
        z, log_lik = (torch.as_tensor(t).detach().double() for t in (z, log_likelihood))
        if z.dim() != 1 or len(z) < 2 or z.shape != log_lik.shape:
            raise ValueError(
                f"wanted z and log_likelihood of one shape (n,); given {tuple(z.shape)} and {tuple(log_lik.shape)}"
            )
        if not log_lik.isfinite().all():
            raise ValueError(f"log_likelihood must be finite; given {log_lik.min():g} to {log_lik.max():g}")
        step = z.diff()
        if not torch.allclose(step, step[:1], rtol=1e-3) or not 0 < step[0] <= widths[0]:
            raise ValueError(
                f"z must rise in even steps of at most {widths[0]:g}; given steps from {step.min():g} to {step.max():g}"
            )
        if max(z[0], -z[-1]) > -extent - 4 * widths[1]:
            raise ValueError(
                f"z must reach from {-extent - 4 * widths[1]:g} to {extent + 4 * widths[1]:g} or beyond; "
                f"given {z[0]:g} to {z[-1]:g}"
            )
        self._z, self._step = z[:, None], step[0]
        self._log_joint = log_lik + vc.log_normal(self._z, torch.zeros(1), torch.ones(1))
        super().__init__(
            name=name,
            limits={"m": (-extent, extent), "s": widths},
            span=[z[0].item(), z[-1].item()],
            log_likelihood=log_lik.numpy().astype("<f4").tobytes(),
            **traits,
        )
        self.summits = self._climb(extent, widths)

    def _bound(self, m: torch.Tensor, s: torch.Tensor, every: int = 1) -> torch.Tensor:
        """ELBO of each N(m, s²), in nats; m, s: (batch,). It takes only `every` so many points."""
        log_q = vc.log_normal(self._z[::every], m[:, None, None], s[:, None, None] ** 2)
        return (log_q.exp() * (self._log_joint[::every] - log_q)).sum(1) * self._step * every

    def _climb(self, extent: float, widths: tuple[float, float]) -> list[list[float]]:
        """The summits of the ELBO over mean and log width: gradient ascent from the highest points of a map."""
        every = max(1, int(0.8 * widths[0] / self._step))
        m = torch.linspace(-extent, extent, 41).double()
        log_s = torch.linspace(math.log(widths[0]), math.log(widths[1]), 21).double()
        height = self._bound(m.repeat(21), log_s.exp().repeat_interleave(41), every).reshape(21, 41)
        around = torch.nn.functional.max_pool2d(height[None], 3, stride=1, padding=1)[0]
        found: list[tuple[float, list[float]]] = []
        for j, i in (height == around).nonzero().tolist():
            at = torch.stack([m[i], log_s[j]]).requires_grad_()
            optimizer = torch.optim.LBFGS([at], max_iter=50, line_search_fn="strong_wolfe", tolerance_grad=1e-7)

            def loss(at: torch.Tensor = at, optimizer: torch.optim.Optimizer = optimizer) -> torch.Tensor:
                optimizer.zero_grad()
                value = -self._bound(at[:1], at[1:].exp(), every).sum()
                value.backward()
                return value

            optimizer.step(loss)
            m_s = [at[0].item(), at[1].exp().item()]
            new = all(abs(m_s[0] - other[0]) > 1e-3 for _, other in found)
            if new and abs(m_s[0]) <= extent and widths[0] <= m_s[1] <= widths[1]:
                found.append((-loss().item(), m_s))
        return [m_s for _, m_s in sorted(found, reverse=True)]

    @property
    def log_px(self) -> float:
        return (self._log_joint.logsumexp(0) + self._step.log()).item()

    @property
    def elbo(self) -> float:
        return self._bound(*torch.tensor([[self.m], [self.s]], dtype=torch.double)).item()

    @property
    def kl(self) -> float:
        """KL(q || p(z|x)), summed on its own."""
        log_q = vc.log_normal(self._z, torch.tensor(self.m).double(), torch.tensor(self.s).double() ** 2)
        return (log_q.exp() * (log_q - self._log_joint + self.log_px)).sum().item() * self._step.item()

    @property
    def rec(self) -> float:
        """E_q[log p(x|z)]: the mean of the log-likelihood, not its negative."""
        return self.elbo + self.kl_prior

    @property
    def kl_prior(self) -> float:
        return vc.kl_normal(*torch.tensor([[self.m], [self.s**2], [0.0], [1.0]])).item()
