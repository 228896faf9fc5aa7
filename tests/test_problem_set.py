"""The adapter on the page about the problem set, against what the problem set's checker asks of code."""

import math
from itertools import pairwise

import nbformat
import pytest
import torch
from conftest import ROOT
from torch import nn

import vae_core as vc


@pytest.fixture(scope="module")
def adapter():
    """What the page's cells define, as a reader would copy them."""
    cells = {cell.id: cell.source for cell in nbformat.read(ROOT / "book/problem_set.ipynb", as_version=4).cells}
    names = {}
    for cell in ("ps-utils", "ps-adapter", "ps-models", "ps-labels", "ps-checkpoint"):
        exec(compile(cells[cell], cell, "exec"), names)
    return names


@pytest.fixture
def noise():
    return torch.randint(0, 2, (97, 784), generator=torch.Generator().manual_seed(1)).float()


def layers(*sizes, between=nn.ELU):
    """A network as the skeleton has it: linear layers in the order of their sizes, started by PyTorch."""
    stack = [nn.Linear(*sizes[:2])]
    for size in pairwise(sizes[1:]):
        stack += [between(), nn.Linear(*size)]
    return nn.Sequential(*stack)


def skeleton(z_dim, y_dim=0):
    """Encoder, decoder and, with labels, a classifier, by the names that its checkpoints give them."""
    networks = {"enc.net": layers(784 + y_dim, 300, 300, 2 * z_dim), "dec.net": layers(z_dim + y_dim, 300, 300, 784)}
    if y_dim:
        networks["cls.net"] = layers(784, 300, 300, y_dim, between=nn.ReLU)
    return networks


def checkpoint(networks, **others):
    return others | {
        f"{name}.{key}": value for name, network in networks.items() for key, value in network.state_dict().items()
    }


def test_a_seed_gives_the_draw_of_the_plain_formula(adapter):
    m, v = torch.randn(3, 5), torch.rand(3, 5) + 0.1
    torch.manual_seed(0)
    z = adapter["ut"].sample_gaussian(m, v)
    torch.manual_seed(0)
    assert torch.allclose(z, m + v**0.5 * torch.randn(3, 5), atol=1e-6)


def test_the_densities_are_those_of_torch(adapter):
    ut, normal = adapter["ut"], torch.distributions.Normal
    m, v, z = torch.randn(3, 4, 5), torch.rand(3, 4, 5) + 0.1, torch.randn(3, 5)
    each = normal(m, v.sqrt()).log_prob(z.unsqueeze(1)).sum(-1)
    assert torch.allclose(ut.log_normal(z, m[:, 1], v[:, 1]), each[:, 1], atol=1e-5)
    assert torch.allclose(ut.log_normal_mixture(z, m, v), each.exp().mean(1).log(), atol=1e-5)
    kl = torch.distributions.kl_divergence(normal(m, v.sqrt()), normal(torch.zeros(1), torch.ones(1))).sum(-1)
    assert torch.allclose(ut.kl_normal(m, v, torch.zeros(1), torch.ones(1)), kl, atol=1e-5)
    q = torch.rand(3, 10).softmax(-1)
    assert torch.allclose(ut.kl_cat(q, q.log(), math.log(0.1)), math.log(10) + (q * q.log()).sum(-1), atol=1e-6)
    x, logits = torch.randint(0, 2, (3, 784)).float(), torch.randn(3, 784)
    bernoulli = torch.distributions.Bernoulli(logits=logits).log_prob(x).sum(-1)
    assert torch.allclose(ut.log_bernoulli_with_logits(x, logits), bernoulli, rtol=1e-5)


def test_copies_and_averages_go_by_its_dimensions(adapter):
    ut, x = adapter["ut"], torch.randn(4, 3)
    assert torch.equal(ut.duplicate(x, 2), torch.cat((x, x)))
    for dim in (0, 1):
        assert torch.allclose(ut.log_mean_exp(x, dim), x.exp().mean(dim).log(), atol=1e-6)
    h = torch.randn(1, 6, 2)
    m, v = ut.gaussian_parameters(h, dim=1)
    assert torch.equal(m, h[:, :3]) and torch.allclose(v, (1 + h[:, 3:].exp()).log(), atol=1e-6)


@pytest.mark.parametrize(
    "kind, arguments, parts",
    [
        ("VAE", dict(z_dim=10), 3),
        ("GMVAE", dict(z_dim=10, k=500), 3),
        ("SSVAE", dict(gen_weight=1, class_weight=100), 4),
    ],
)
def test_the_bounds_are_scalars_that_add_up(adapter, noise, kind, arguments, parts):
    model = adapter[kind](nn="v1", name="any", **arguments)
    nelbo, *rest = model.negative_elbo_bound(noise)
    assert [part.shape for part in (nelbo, *rest)] == parts * [()]
    assert torch.isclose(nelbo, sum(rest)) and model.name == "any"


def test_an_untrained_model_says_what_the_checker_wants(adapter):
    torch.manual_seed(0)
    x = torch.randint(0, 2, (97, 784)).float()
    model = adapter["VAE"](z_dim=10)
    torch.manual_seed(0)
    niwae = model.negative_iwae_bound(x, iw=10)[0].item()
    assert min(abs(niwae - 544.3607), abs(niwae - 544.0493)) < 0.15


def test_the_layers_start_as_in_the_skeleton(adapter):
    torch.manual_seed(0)
    networks = skeleton(z_dim=10)
    torch.manual_seed(0)
    model = adapter["VAE"](z_dim=10)
    weights = [value for network in networks.values() for value in network.state_dict().values()]
    assert all(torch.equal(*pair) for pair in zip(model.state_dict().values(), weights, strict=True))


def test_the_bound_of_many_samples_is_that_of_the_skeleton(adapter, noise):
    networks = skeleton(z_dim=10)
    model = adapter["take_weights"](adapter["VAE"](z_dim=10), checkpoint(networks, z_prior_m=torch.zeros(1)))
    torch.manual_seed(0)
    niwae, kl, rec = model.negative_iwae_bound(noise, 7)
    m, v = vc.gaussian_parameters(networks["enc.net"](noise))
    torch.manual_seed(0)
    q = torch.distributions.Normal(m, v.sqrt())
    z = m + v.sqrt() * torch.randn(7, 97, 10)
    log_q, log_p = q.log_prob(z).sum(-1), torch.distributions.Normal(0, 1).log_prob(z).sum(-1)
    log_x_z = torch.distributions.Bernoulli(logits=networks["dec.net"](z)).log_prob(noise).sum(-1)
    assert torch.isclose(niwae, -(log_x_z + log_p - log_q).logsumexp(0).sub(math.log(7)).mean(), rtol=1e-5)
    assert torch.isclose(kl, (log_q - log_p).mean(), rtol=1e-4) and torch.isclose(rec, -log_x_z.mean(), rtol=1e-5)


def test_checkpoints_of_the_other_models_come_over(adapter, noise):
    z_pre, z = torch.randn(1, 1000, 10), torch.randn(97, 10)
    networks = skeleton(z_dim=10)
    gmvae = adapter["take_weights"](vc.GMVAE(), checkpoint(networks, z_pre=z_pre, pi=torch.ones(500) / 500))
    assert torch.allclose(gmvae.dec(z), networks["dec.net"](z), atol=1e-5)
    prior = vc.log_normal_mixture(z, *vc.gaussian_parameters(z_pre, dim=1))
    assert torch.allclose(gmvae.log_prior(z), prior, atol=1e-3)

    networks = skeleton(z_dim=64, y_dim=10)
    ssvae = adapter["take_weights"](vc.SSVAE(), checkpoint(networks))
    y, z = torch.eye(10)[torch.arange(97) % 10], torch.randn(97, 64)
    m, _ = vc.gaussian_parameters(networks["enc.net"](torch.cat((noise, y), 1)))
    assert torch.allclose(ssvae.enc(noise, y)[0], m, atol=1e-5)
    assert torch.allclose(ssvae.dec(z, y), networks["dec.net"](torch.cat((z, y), 1)), atol=1e-5)
    assert torch.allclose(ssvae.cls(noise), networks["cls.net"](noise), atol=1e-5)


def test_the_loss_with_labels_is_equation_27(adapter, noise):
    model = adapter["SSVAE"](gen_weight=2, class_weight=50)
    xl, yl = noise[:20], torch.eye(10).long()[torch.arange(20) % 10]
    torch.manual_seed(0)
    loss, summaries = model.loss(noise, xl, yl)
    torch.manual_seed(0)
    bound = model.negative_elbo_bound(noise)[0]
    assert torch.isclose(loss, 2 * bound - 50 * (yl * model.cls(xl).log_softmax(1)).sum(1).mean())
    assert isinstance(summaries, dict)


def test_the_loss_without_labels_is_the_bound(adapter, noise):
    model = adapter["GMVAE"](z_dim=10)
    torch.manual_seed(0)
    loss, summaries = model.loss(noise)
    torch.manual_seed(0)
    assert torch.equal(loss, model.negative_elbo_bound(noise)[0]) and isinstance(summaries, dict)
