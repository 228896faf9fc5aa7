"""Small models whose log p(x) is known exactly, for the tests of bounds: in NumPy, from the weights alone."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import multivariate_normal

import vae_core as vc

X_DIM, DRAWS = 6, 20_000
EVERY_IMAGE = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * X_DIM)
X = EVERY_IMAGE[[3, 22, 44, 63]]


def mlp(net, x, y=None):
    """The network's output, from its weights: ELU layers, the label appended to the input."""
    weights = {name: t.detach().double().numpy() for name, t in net.named_parameters()}
    h = x @ weights["first.weight"].T + weights["first.bias"]
    if y is not None:
        h = h + weights["label.weight"][:, y]
    for layer in range(1, len(net.rest), 2):
        h = np.where(h > 0, h, np.exp(np.minimum(h, 0)) - 1)
        h = h @ weights[f"rest.{layer}.weight"].T + weights[f"rest.{layer}.bias"]
    return h


def log_gaussian(z, m, v):
    return -0.5 * np.sum(np.log(2 * np.pi * v) + (z - m) ** 2 / v, axis=-1)


def log_sum_exp(a, axis):
    top = a.max(axis, keepdims=True)
    return (top + np.log(np.exp(a - top).sum(axis, keepdims=True))).squeeze(axis)


def log_prior_of_classes(model, z):
    """log p(z|y) of a NamedGMVAE, (n, y_dim), from the covariances that its weights stand for."""
    prior = model.prior
    mean, whiten, share = (t.detach().double().numpy() for t in (prior.mean, prior.whiten, prior.share))
    log_p = []
    for m, a, w in zip(mean, np.tril(whiten), share.ravel(), strict=True):
        log_p.append(multivariate_normal(m, np.linalg.inv(a.T @ a)).logpdf(z) + w)
    log_p = np.stack(log_p, 1).reshape(len(z), model.y_dim, model.each)
    return log_sum_exp(log_p, 2) - log_sum_exp(share, 1)


class Exact:
    """log p(x), the posterior and expectations under q, on a grid of cells of area `cell`."""

    def __init__(self, model, x, y=None):
        x = x.double().numpy()
        axis, step = np.linspace(-9, 9, 2001 if model.z_dim == 1 else 361, retstep=True)
        self.z = np.stack(np.meshgrid(*[axis] * model.z_dim, indexing="ij"), -1).reshape(-1, model.z_dim)
        self.cell = step**model.z_dim
        logits = mlp(model.dec, self.z, y)
        on, off = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
        self.log_px_given_z = x @ on.T + (1 - x) @ off.T
        if isinstance(model, vc.GMVAE):
            m, h_v = np.split(model.z_pre.detach().double().numpy()[0], 2)
            v = np.logaddexp(0, h_v) + 1e-8
            self.log_prior = log_sum_exp(log_gaussian(self.z[:, None], m, v), 1) - np.log(len(m))
        elif isinstance(model, vc.NamedGMVAE):
            self.log_prior = log_sum_exp(log_prior_of_classes(model, self.z), 1) - np.log(model.y_dim)
        else:
            self.log_prior = log_gaussian(self.z, np.zeros(model.z_dim), np.ones(model.z_dim))
        h_m, h_v = np.split(mlp(model.enc, x, y), 2, axis=1)
        self.log_q = log_gaussian(self.z, h_m[:, None], np.logaddexp(0, h_v)[:, None] + 1e-8)
        q = np.exp(self.log_q) * self.cell
        np.testing.assert_allclose(q.sum(1), 1, atol=1e-6)  # the grid is wide and fine enough for q
        log_joint = self.log_px_given_z + self.log_prior
        self.log_px = log_sum_exp(log_joint, 1) + np.log(self.cell)
        self.log_posterior = log_joint - self.log_px[:, None]
        self.kl = (q * (self.log_q - self.log_prior)).sum(1)
        self.rec = -(q * self.log_px_given_z).sum(1)
        self.gap = (q * (self.log_q - self.log_posterior)).sum(1)  # KL(q(z|x) || p(z|x))


def lively(model, gain=1.0, seed=0):
    """Weights larger than at initialisation, so that x depends on z; and a wide
    q(z|x), so that no importance weight is enormous and their mean settles soon."""
    generator = torch.Generator().manual_seed(seed)
    for p in model.requires_grad_(False).parameters():
        p.copy_(gain * torch.randn(p.shape, generator=generator) / math.sqrt(p.shape[-1]))
    model.enc.rest[-1].weight.mul_(0.3)
    if isinstance(model, vc.VAE):
        model.enc.rest[-1].bias.copy_(torch.cat([torch.full((model.z_dim,), 0.2), torch.full((model.z_dim,), 0.5)]))
    return model


def vae(z_dim=2, **arguments):
    return lively(vc.VAE(X_DIM, z_dim, (8, 7), **arguments))


def gmvae(**arguments):
    return lively(vc.GMVAE(X_DIM, 2, (8, 7), k=4, **arguments))


def ssvae(**arguments):
    model = lively(vc.SSVAE(X_DIM, 2, (8, 7), y_dim=3, **arguments))
    model.dec.label.weight.mul_(2)
    return model


def named():
    model = lively(vc.NamedGMVAE(X_DIM, 2, (8, 7), y_dim=3, each=2))
    model.prior.whiten.mul_(0.3).add_(torch.eye(2))
    return model


UNLABELLED = pytest.mark.parametrize(
    "model", [vae(1), vae(2), gmvae(), named()], ids=["vae-1d", "vae-2d", "gmvae", "named"]
)


def close(actual, expected, atol=1e-4, rtol=0.0):
    np.testing.assert_allclose(np.asarray(actual, dtype=float), np.asarray(expected, dtype=float), rtol=rtol, atol=atol)


def within_standard_errors(samples, expected, n=5):
    """The mean over the first dimension is what is expected, to n standard errors."""
    samples = samples.double().numpy()
    error = samples.std(0) / math.sqrt(len(samples))
    assert (abs(samples.mean(0) - expected) <= n * error + 1e-5).all(), (samples.mean(0), expected, error)
    assert (error < 0.1).all()  # else the comparison says nothing


def log_weights(model, x, iw):
    torch.manual_seed(1)
    return model.log_weight(x, iw)


def many(model, x, f, n=400, batch=100):
    """n values of f(batch of copies of the single image x)."""
    torch.manual_seed(2)
    return torch.stack([torch.stack(f(x.expand(batch, X_DIM))) for _ in range(n)])


def class_probabilities(model, x):
    net = model.cls
    logits = net.rest[3](F.relu(net.rest[1](F.relu(net.first(x)))))
    return F.softmax(logits, -1).double().numpy()


def exact_ssvae(model, x):
    """log p(x), the enumerated -ELBO(x), and -ELBO(x, y) of every y, (3, batch)."""
    by_class = [Exact(model, x, y) for y in range(3)]
    log_px = log_sum_exp(np.stack([e.log_px for e in by_class]), 0) - math.log(3)
    labelled = np.stack([e.kl + e.rec for e in by_class]) + math.log(3)
    q = class_probabilities(model, x).T
    return log_px, (q * (labelled + np.log(q))).sum(0), labelled


def without_noise(monkeypatch):
    """z = m, so that a bound is a plain function of its arguments."""
    monkeypatch.setattr(vc, "sample_gaussian", lambda m, v: m)
