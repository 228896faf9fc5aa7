from typing import Any

import torch
import traitlets

from .base import BookWidget


class GaussianPrior(BookWidget, script="gaussian_prior.js"):
    """A bivariate normal density, and what is left of it if its latents are taken one by one.

    Traits: m and sd, mean and standard deviation of each latent; rho, their correlation; z, the point at which
    densities are compared, within ±4. `log_joint` and `log_product` are the two log-densities there, in nats.
    """

    m = traitlets.List(traitlets.Float(), [0.0, 0.0]).tag(sync=True)
    sd = traitlets.List(traitlets.Float(), [1.0, 1.0]).tag(sync=True)
    rho = traitlets.Float(0.0, help="correlation").tag(sync=True)
    z = traitlets.List(traitlets.Float(), [1.0, -1.0]).tag(sync=True)
    state = ("m", "sd", "rho", "z")

    def __init__(self, *, name: str = "gaussian", **traits: Any):
        limits = {"m": (-2, 2, 2), "sd": (0.3, 2, 2), "rho": (-0.95, 0.95), "z": (-4, 4, 2)}
        super().__init__(name=name, limits=limits, **traits)

    @property
    def log_joint(self) -> float:
        """log p(z₁, z₂), from PyTorch."""
        sd = torch.tensor(self.sd)
        covariance = torch.tensor([[1, self.rho], [self.rho, 1]]) * torch.outer(sd, sd)
        joint = torch.distributions.MultivariateNormal(torch.tensor(self.m), covariance)
        return joint.log_prob(torch.tensor(self.z)).item()

    @property
    def log_product(self) -> float:
        """log p(z₁) + log p(z₂), from PyTorch."""
        marginals = torch.distributions.Normal(torch.tensor(self.m), torch.tensor(self.sd))
        return marginals.log_prob(torch.tensor(self.z)).sum().item()
