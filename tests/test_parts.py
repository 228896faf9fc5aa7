"""Models made of other parts than the book's: their log p(x) is known exactly, or by quadrature on a fine grid."""

import inspect
import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import nn

import vae_core as vc

X_DIM = 6
SMALL = dict(x_dim=X_DIM, z_dim=2, hidden=(8,))


def grid(n=401, limit=9.0):
    axis = torch.linspace(-limit, limit, n, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis), (2 * limit / (n - 1)) ** 2


def images(n=4, seed=0):
    return torch.rand(n, X_DIM, generator=torch.Generator().manual_seed(seed))


def wide(net):
    """q is N(0, 1.7 I), whatever x is: no importance weight is enormous."""
    net.enc.rest[-1].weight.zero_()
    net.enc.rest[-1].bias.copy_(torch.tensor([0, 0, 1.5, 1.5]))


@vc.register
class VampPrior(vc.Mixture):
    """p(z) = the mean of q(z|u_j) over k images that are learned. Tomczak and Welling (2018)."""

    def __init__(self, k, x_dim):
        super().__init__()
        self.k, self.x_dim = k, x_dim
        self.pseudo = nn.Parameter(torch.randn(k, x_dim))

    def attach(self, model):
        self.encoder_of = (model,)

    def components(self):
        return tuple(t.unsqueeze(0) for t in self.encoder_of[0].encode(self.pseudo.sigmoid()))


@vc.register
class Uniform(vc.Prior):
    """On a square of side 6, which is no mixture of Gaussians."""

    def log_prob(self, z):
        return torch.where((z.abs() < 3).all(-1), -2 * math.log(6), -math.inf)

    def sample(self, n):
        return 6 * torch.rand(n, 2) - 3


@vc.register
class ConvEncoder(nn.Module):
    """Of 2 x 3 pixels."""

    def __init__(self, width=4):
        super().__init__()
        self.width = width
        self.net = nn.Sequential(
            nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, width, 2), nn.ReLU(), nn.Flatten(), nn.Linear(2 * width, 4)
        )

    def forward(self, x):
        return self.net(x)


@vc.register
class ConvDecoder(nn.Module):
    """To 2 x 3 pixels, as images with a channel."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2, 4), nn.ELU(), nn.Unflatten(1, (4, 1, 1)), nn.ConvTranspose2d(4, 1, (2, 3))
        )

    def forward(self, z):
        return self.net(z)


class Planar(nn.Module):
    """z + u tanh(w z + b), with u w > -1 so that it can be undone. Rezende and Mohamed (2015)."""

    def __init__(self):
        super().__init__()
        self.w, self.u = nn.Parameter(torch.tensor([1.5, -0.5])), nn.Parameter(torch.tensor([1.0, 0.7]))

    def forward(self, z):
        h = (z @ self.w).tanh()
        return z + h.unsqueeze(-1) * self.u, (1 + (1 - h**2) * (self.w @ self.u)).log()


PRIORS = {
    "standard": lambda: vc.StandardNormal(2),
    "mixture": lambda: vc.GaussianMixture(2, 5),
    "named": lambda: vc.NamedMixture(2, 3, 2),
    "uniform": Uniform,
}


def made(prior):
    torch.manual_seed(1)
    made = PRIORS[prior]().requires_grad_(False)
    if prior == "named":  # its components lean, and are not equally large
        made.whiten.copy_(0.4 * torch.randn(6, 2, 2) + torch.eye(2))
        made.share.copy_(torch.randn(3, 2))
    return made


# ------------------------------------------------------------------------------------
# Priors
# ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", PRIORS)
def test_a_prior_is_a_density_and_its_samples_are_its_own(prior):
    prior = made(prior)
    z, cell = grid(601)
    p = prior.log_prob(z.float()).double().exp() * cell
    assert p.sum() == pytest.approx(1, abs=0.02 if isinstance(prior, Uniform) else 1e-4)
    mean = p @ z
    cov = (p[:, None] * z).T @ z - mean[:, None] * mean
    torch.manual_seed(0)
    drawn = prior.sample(100_000).double()
    assert drawn.shape == (100_000, 2)
    assert torch.allclose(drawn.mean(0), mean, atol=0.03)
    assert torch.allclose(torch.cov(drawn.T), cov, atol=0.08)


@pytest.mark.parametrize("prior", ["standard", "mixture", "named"])
def test_the_mean_of_a_priors_kl_is_the_kl(prior):
    prior, m, v = made(prior), torch.tensor([0.3, -0.8]), torch.tensor([0.5, 0.2])
    z, cell = grid(601)
    log_q = vc.log_normal(z, m.double(), v.double())
    exact = ((log_q - prior.log_prob(z.float()).double()) * log_q.exp()).sum() * cell
    torch.manual_seed(0)
    m, v = m.expand(100_000, 2), v.expand(100_000, 2)
    estimates = prior.kl(m, v, vc.sample_gaussian(m, v))
    assert estimates.mean() == pytest.approx(exact.item(), abs=0.02)


@pytest.mark.parametrize("prior", ["standard", "mixture", "named"])
def test_a_grid_reaches_as_far_as_the_prior(prior):
    prior = made(prior)
    z, cell = grid(601, prior.extent())
    assert prior.log_prob(z.float()).double().exp().sum() * cell == pytest.approx(1, abs=1e-3)
    assert Uniform().extent() == pytest.approx(1.5 * 3, abs=0.01)


@pytest.mark.parametrize("prior", ["standard", "mixture", "named"])
def test_samples_have_the_priors_precision_and_its_place(prior):
    assert made(prior).double().sample(3).dtype == torch.float64
    assert prior != "standard" or made(prior).to("meta").sample(3).is_meta


def test_the_components_of_a_mixture_begin_close_together():
    torch.manual_seed(0)
    assert vc.GaussianMixture(4, 100).z_pre.std().item() == pytest.approx(1 / 20, rel=0.1)


def test_a_prior_of_the_models_own_encoder_learns_and_comes_back(tmp_path):
    torch.manual_seed(0)
    net = vc.VAE(**SMALL, prior=VampPrior(3, X_DIM))
    assert [name for name in net.state_dict() if name.startswith("prior")] == ["prior.pseudo"]
    before = net.prior.pseudo.clone()
    vc.fit(net, images(64), epochs=2, batch_size=16, progress=False)
    assert not net.prior.pseudo.equal(before)
    vc.save_model(tmp_path / "net", net)
    again = vc.load_model(tmp_path / "net")
    z = torch.randn(5, 2)
    torch.testing.assert_close(again.log_prior(z), net.log_prior(z), atol=0.01, rtol=0)
    x = net.prepare(images(3))
    m, v = net.encode(net.prior.pseudo.sigmoid())
    torch.testing.assert_close(net.log_prior(z), vc.log_normal_mixture(z, m[None], v[None]))
    assert vc.log_marginal_grid(net, x, n=201).log_px == pytest.approx(
        vc.log_likelihood(net, x, 20_000).tolist(), abs=0.05
    )


def test_a_subclass_with_its_own_log_prior_has_its_kl():
    class Shifted(vc.VAE):
        def log_prior(self, z):
            return vc.log_normal(z, torch.ones(2), torch.ones(2))

    torch.manual_seed(0)
    net, x = Shifted(**SMALL), (images() > 0.5).float()
    m, v = net.encode(x)
    with torch.no_grad():
        kl = torch.stack([net.negative_elbo_bound(x)[1] for _ in range(4000)]).mean().item()
        exact = vc.kl_normal(m, v, torch.ones(2), torch.ones(2)).mean().item()
    assert kl == pytest.approx(exact, abs=0.1) and abs(exact - vc.kl_normal(m, v, m * 0, v * 0 + 1).mean()) > 0.5


# ------------------------------------------------------------------------------------
# Likelihoods
# ------------------------------------------------------------------------------------


@pytest.mark.parametrize("variance", [0.3, "learned", "predicted"])
def test_a_linear_gaussian_model_has_the_log_px_of_factor_analysis(variance):
    """x = W z + b + noise is N(b, W W' + v I)."""
    torch.manual_seed(0)
    likelihood = vc.Gaussian(variance)
    decoder = nn.Linear(2, likelihood.outputs * X_DIM)
    net = vc.VAE(**SMALL, likelihood=likelihood, decoder=decoder).requires_grad_(False)
    if variance == "learned":
        likelihood.log_v.fill_(math.log(0.4))
    if variance == "predicted":
        decoder.weight[X_DIM:] = 0
        decoder.bias[X_DIM:] = math.log(math.e**0.4 - 1)  # which softplus makes 0.4 of
    v = 0.3 if variance == 0.3 else 0.4
    w, b = decoder.weight[:X_DIM].double(), decoder.bias[:X_DIM].double()
    wide(net)
    x = net.sample(4)  # beyond [0, 1] too
    exact = multivariate_normal(b.numpy(), (w @ w.T + v * torch.eye(X_DIM)).numpy()).logpdf(x.numpy())
    np.testing.assert_allclose(vc.log_marginal_grid(net, x).log_px.numpy(), exact, atol=1e-3)
    np.testing.assert_allclose(vc.log_likelihood(net, x, 100_000).numpy(), exact, atol=0.1)
    results = vc.evaluate(net, x)
    assert results["nelbo"] == pytest.approx(results["kl"] + results["rec"]) and results["nelbo"] > -exact.mean()
    drawn = net.sample(50_000).double()
    assert torch.allclose(torch.cov(drawn.T), w @ w.T + v * torch.eye(X_DIM), atol=0.05)
    assert torch.allclose(likelihood.mean(net.decode(torch.zeros(1, 2))).double(), b, atol=1e-6)


def test_a_learned_variance_finds_that_of_the_noise():
    torch.manual_seed(0)
    x = torch.randn(4000, 1) * torch.tensor([1.0, -0.5, 2, 0, 1, 1]) + 0.2 * torch.randn(4000, X_DIM)
    net = vc.VAE(X_DIM, 1, (16,), likelihood=vc.Gaussian("learned"))
    vc.fit(net, x, epochs=30, batch_size=100, learning_rate=1e-2, progress=False)
    assert net.likelihood.log_v.exp().item() == pytest.approx(0.04, rel=0.1)
    assert vc.evaluate(net, x)["nelbo"] < 2  # 7 without a latent


def test_a_continuous_bernoulli_is_a_density_with_its_mean():
    x = torch.linspace(0, 1, 2001, dtype=torch.float64)
    for logit in (-4.0, -0.3, 0.0, 2.5):
        likelihood, parameters = vc.ContinuousBernoulli(), torch.full((1,), logit, dtype=torch.float64)
        p = likelihood.log_prob(x[:, None], parameters).exp()
        assert torch.trapezoid(p, x) == pytest.approx(1, abs=1e-5)
        assert torch.trapezoid(p * x, x) == pytest.approx(likelihood.mean(parameters).item(), abs=1e-5)
        drawn = likelihood.sample(parameters.expand(100_000, 1))
        assert drawn.mean() == pytest.approx(likelihood.mean(parameters).item(), abs=0.01)


@pytest.mark.parametrize(
    "likelihood", [vc.Bernoulli, vc.ContinuousBernoulli, lambda: vc.Gaussian(0.5), lambda: vc.Gaussian("predicted")]
)
def test_pairs_of_images_and_latents_are_as_one_by_one(likelihood):
    torch.manual_seed(0)
    likelihood = likelihood()
    x, parameters = likelihood.prepare(images(3)), torch.randn(5, likelihood.outputs * X_DIM)
    one_by_one = [[likelihood.log_prob(each, other).item() for other in parameters] for each in x]
    pairs = likelihood.log_prob_pairs(x, parameters)
    assert likelihood.log_prob_pairs(x.float(), parameters.float()).dtype == torch.float32
    np.testing.assert_allclose(pairs.numpy(), one_by_one, atol=1e-5)


@pytest.mark.parametrize("kind", [vc.Bernoulli, vc.ContinuousBernoulli, vc.Gaussian])
def test_a_likelihood_with_its_own_density_has_its_own_pairs(kind):
    class Half(kind):
        def log_prob(self, x, parameters):
            return 0.5 * super().log_prob(x, parameters).clamp(min=-3)

    torch.manual_seed(0)
    x, parameters = images(3), torch.randn(5, X_DIM)
    one_by_one = [[Half().log_prob(each, other).item() for other in parameters] for each in x]
    np.testing.assert_allclose(Half().log_prob_pairs(x, parameters).numpy(), one_by_one, atol=1e-5)


def test_a_prior_with_its_own_density_has_its_own_kl():
    class Wide(vc.StandardNormal):
        def log_prob(self, z):
            return vc.log_normal(z, self.m, 4 * self.v)

    z, m, v = torch.randn(7, 2), torch.zeros(7, 2), torch.ones(7, 2)
    expected = vc.log_normal(z, m, v) - vc.log_normal(z, m, 4 * v)
    torch.testing.assert_close(Wide(2).kl(m, v, z), expected)


def test_data_are_prepared_as_the_likelihood_has_them():
    bytes_ = (255 * images(50)).to(torch.uint8)
    binary = vc.VAE(**SMALL).prepare(bytes_)
    assert set(binary.unique().tolist()) == {0, 1}
    for likelihood in (vc.ContinuousBernoulli(), vc.Gaussian()):
        net = vc.VAE(**SMALL, likelihood=likelihood)
        assert net.prepare(bytes_).equal(bytes_ / 255) and net.prepare(images()).equal(images())
        seen = []
        vc.fit(net, bytes_, epochs=1, loss=lambda x, net=net, seen=seen: seen.append(x) or net(x)[0], progress=False)
        assert set(torch.cat(seen).unique().tolist()) == set((bytes_ / 255).unique().tolist())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: vc.Gaussian(0), 'positive, "learned" or "predicted"; given 0'),
        (lambda: vc.Gaussian("fixed"), "given 'fixed'"),
        (lambda: vc.VAE(**SMALL, likelihood=vc.Gaussian())(torch.full((1, X_DIM), math.nan)), "finite"),
        (lambda: vc.VAE(**SMALL)(torch.full((1, X_DIM), 2.0)), r"\[0, 1\]; given 2 to 2"),
        (lambda: vc.VAE(**SMALL, shape=(2, 2)), r"a shape of 6 pixels; given \(2, 2\)"),
        (lambda: vc.VAE(**SMALL, encoder=nn.Linear(X_DIM, 3))(images() > 2), "float"),
        (lambda: vc.VAE(**SMALL, encoder=nn.Linear(X_DIM, 6))(images().round()), "mean and variance of 2 latents"),
        (lambda: vc.VAE(**SMALL, decoder=nn.Linear(2, 7))(images().round()), "1 x 6 numbers; given"),
    ],
)
def test_parts_that_do_not_fit_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ------------------------------------------------------------------------------------
# Networks
# ------------------------------------------------------------------------------------


def convolutional():
    torch.manual_seed(0)
    return vc.VAE(**SMALL, encoder=ConvEncoder(), decoder=ConvDecoder(), shape=(2, 3))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_convolution_trains_is_measured_and_comes_back(tmp_path, precision):
    net = convolutional()
    before = vc.evaluate(net, images(200))["nelbo"]
    vc.fit(net, images(200), epochs=10, batch_size=20, precision=precision, progress=False)
    assert vc.evaluate(net, images(200))["nelbo"] < before
    x = net.prepare(images())
    assert net.log_weight(x, 3)[0].shape == (3, 4) and net.sample(3).shape == (3, 6)
    np.testing.assert_allclose(vc.log_likelihood(net, x, 20_000), vc.log_marginal_grid(net, x, 201).log_px, atol=0.05)
    vc.save_model(tmp_path / "net", net)
    again = vc.load_model(tmp_path / "net")
    assert type(again.enc) is ConvEncoder and again.shape == (2, 3)
    assert vc.evaluate(again, images(200)) == pytest.approx(vc.evaluate(net, images(200)), abs=0.01)


def test_an_ssvae_takes_any_networks():
    class Both(nn.Module):
        def __init__(self, n_in, n_out):
            super().__init__()
            self.net = nn.Linear(n_in + 3, n_out)

        def forward(self, t, y):
            return self.net(torch.cat([t, y], 1))

    torch.manual_seed(0)
    net = vc.SSVAE(**SMALL, y_dim=3, encoder=Both(X_DIM, 4), decoder=Both(2, X_DIM))
    x, y = images().round(), torch.tensor([0, 2, 1, 1])
    bounds = [net.negative_elbo_bound(x)[0], net.negative_elbo_bound(x, y)[0], net.loss(x, x, y, 0.5, 2)]
    assert all(t.isfinite() for t in bounds) and net.log_weight(x, 5)[0].shape == (5, 4)


def test_what_a_file_could_not_hold_is_refused_when_it_is_saved(tmp_path):
    for net in (vc.VAE(**SMALL, decoder=nn.Sequential(nn.Linear(2, X_DIM))), vc.VAE(**SMALL, flow=Planar())):
        with pytest.raises(ValueError, match=r"is not registered: write @vae_core\.register in the line above"):
            vc.save_model(tmp_path / "net", net)
    assert list(tmp_path.iterdir()) == []


def test_mixtures_begin_as_they_are_said_to():
    torch.manual_seed(0)
    named, plain = vc.NamedMixture(3, 4, 2), vc.GaussianMixture(3, 5)
    torch.manual_seed(0)
    assert torch.equal(named.mean, torch.randn(8, 3)) and torch.equal(named.whiten, torch.eye(3).expand(8, 3, 3))
    torch.testing.assert_close(plain.z_pre.detach(), torch.randn(1, 10, 3) / 15**0.5)


@pytest.mark.parametrize("kind", [vc.VAE, vc.GMVAE, vc.SSVAE, vc.NamedGMVAE, vc.Autoencoder])
def test_a_model_is_made_of_what_it_is_given(kind):
    known = inspect.signature(kind).parameters
    parts = dict(encoder=nn.Linear(X_DIM, 4), decoder=nn.Linear(2, X_DIM), likelihood=vc.Gaussian(), flow=Planar(),
                 prior=Uniform(), shape=(2, 3), k=3, y_dim=4, each=2, beta=0.5, gen_weight=0.5, class_weight=3.0,
                 activation="tanh")  # fmt: skip
    given = {name: part for name, part in parts.items() if name in known}
    net = kind(X_DIM, 2, (8,), **given)
    assert {name: getattr(net, name) for name in given} == given
    bare, names = kind(X_DIM, 2, (8,), activation="tanh"), {"encoder", "decoder", "likelihood", "shape"}
    assert not names & set(net.left_out) and names <= set(bare.left_out)
    assert bare.encoder.activation == bare.decoder.activation == "tanh"


@pytest.mark.parametrize(
    "kind, general, fast", [(vc.StandardNormal, vc.Prior, "kl"), (vc.Bernoulli, vc.Likelihood, "log_prob_pairs")]
)
def test_a_faster_formula_is_that_of_its_own_density_alone(kind, general, fast):
    def own(self):
        pass

    for said, wanted in (({}, getattr(kind, fast)), ({"log_prob": own}, getattr(general, fast)),
                         ({"log_prob": own, fast: own}, own)):  # fmt: skip
        assert getattr(type("Other", (kind,), said), fast) is wanted


def test_a_part_that_was_exchanged_is_saved(tmp_path):
    net = vc.VAE(**SMALL)
    assert not {"prior", "encoder", "flow", "shape"} & set(net.arguments)
    net.prior, net.dec = Uniform(), ConvDecoder()
    vc.save_model(tmp_path / "net", net)
    again = vc.load_model(tmp_path / "net")
    assert isinstance(again.prior, Uniform) and isinstance(again.dec, ConvDecoder)
    assert again.decode(torch.zeros(2)).shape == (X_DIM,)  # one z, without a batch


# ------------------------------------------------------------------------------------
# A flow, and the label summed out
# ------------------------------------------------------------------------------------


class Stretched(nn.Module):
    """exp(a) z, with a of the encoder's for each image."""

    def forward(self, z, a):
        return a.exp() * z, a.squeeze(-1) * z.shape[-1]


class Contextual(nn.Linear):
    """What an encoder says for q, and one number more for its flow."""

    def forward(self, x):
        m, a, v = super().forward(x).split((2, 1, 2), -1)
        return m, v.exp(), a


def test_a_flow_is_given_what_the_encoder_says_besides():
    torch.manual_seed(0)
    net = vc.VAE(**SMALL, encoder=Contextual(X_DIM, 5), flow=Stretched()).requires_grad_(False)
    x = images().round()
    m, v, a = net.enc(x)
    torch.manual_seed(1)
    log_w, kl, rec = net.log_weight(x, 3)
    torch.manual_seed(1)
    z = m + v.sqrt() * torch.randn(3 * len(x), 2).reshape(3, len(x), 2)
    stretched = a.exp() * z
    wanted = vc.log_normal(z, m, v) - 2 * a.squeeze(-1) - net.log_prior(stretched)
    torch.testing.assert_close(kl, wanted)
    torch.testing.assert_close(rec, -net.likelihood.log_prob(x, net.decode(stretched)))
    torch.testing.assert_close(log_w, -(kl + rec))


def test_a_flow_moves_q_and_the_bounds_stay_bounds_of_the_same_log_px():
    torch.manual_seed(0)
    net = vc.VAE(**SMALL, flow=Planar()).requires_grad_(False)
    x = images().round()
    exact = vc.log_marginal_grid(net, x, 201).log_px
    np.testing.assert_allclose(vc.log_likelihood(net, x, 50_000), exact, atol=0.05)
    elbo = -torch.stack([net.negative_elbo_bound(x)[0] for _ in range(4000)]).mean()
    log_w = net.log_weight(x, 4000)[0].mean()
    assert elbo == pytest.approx(log_w.item(), abs=0.1) and elbo < exact.mean()
    z = torch.randn(7, 2)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda t: net.flow(t)[0]))(z)
    torch.testing.assert_close(net.flow(z)[1], jacobian.det().abs().log())
    with pytest.raises(ValueError, match="has a flow"):
        net.log_weight(x, 2, dreg=True)
    with pytest.raises(ValueError, match="without a flow"):
        vc.active_units(net, x)


def test_the_grid_of_an_ssvae_sums_the_labels_out():
    torch.manual_seed(0)
    net = vc.SSVAE(**SMALL, y_dim=3).requires_grad_(False)
    net.dec.label.weight.mul_(5)
    wide(net)
    x = images().round()
    z, _ = grid(201, 6.0)
    z, log_volume = z.float(), 2 * math.log(12 / 200)
    each = [net.likelihood.log_prob(x[:, None], net.decode(z, y)) for y in torch.eye(3)]
    exact = (torch.stack(each) + net.log_prior(z)).logsumexp((0, 2)) - math.log(3) + log_volume
    torch.testing.assert_close(vc.log_marginal_grid(net, x, 201).log_px, exact, atol=1e-4, rtol=0)
    np.testing.assert_allclose(vc.log_likelihood(net, x, 50_000), exact, atol=0.05)


def test_a_subclass_with_its_own_weights_has_no_grid():
    class Own(vc.VAE):
        def log_weight(self, x, iw, dreg=False):
            return super().log_weight(x, iw, dreg)

    with pytest.raises(ValueError, match=r"Own has its own log_weight.*give it a prior or a likelihood"):
        vc.log_marginal_grid(Own(**SMALL), images().round())


def test_calls_of_a_model_are_its_bound_and_its_mean():
    torch.manual_seed(0)
    net, x = vc.VAE(**SMALL), images().round()
    torch.manual_seed(1)
    bound = net(x)
    torch.manual_seed(1)
    assert bound == net.negative_elbo_bound(x)
    torch.manual_seed(1)
    mean = net.reconstruct(x)
    torch.manual_seed(1)
    m, v = net.encode(x)
    torch.testing.assert_close(mean, net.decode(vc.sample_gaussian(m, v)).sigmoid())
    assert set(net.sample(100).unique().tolist()) == {0, 1}
    net.flow = Planar()
    torch.manual_seed(1)
    mean = net.reconstruct(x)
    torch.manual_seed(1)
    torch.testing.assert_close(mean, net.decode(net.flow(vc.sample_gaussian(m, v))[0]).sigmoid())
    assert net.log_weight(x, 3)[0].shape == (3, len(x))
    torch.manual_seed(1)
    bound = net.negative_elbo_bound(x)[0]
    torch.manual_seed(1)
    torch.testing.assert_close(bound, -net.log_weight(x, 1)[0].mean())
    torch.manual_seed(1)
    z = vc.sample_gaussian(m, v)
    moved, log_det = net.flow(z)
    log_q = vc.log_normal(z, m, v) - log_det
    log_p = vc.log_bernoulli_with_logits(x, net.decode(moved)) + net.log_prior(moved)
    torch.testing.assert_close(bound, (log_q - log_p).mean())
    draws = [net.prepare(images(), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert draws[0].equal(draws[1]) and not draws[1].equal(draws[2])
    assert not vc.StandardNormal(2).state_dict()  # it has nothing to learn, and nothing to keep
    assert [vc.VAE(n, 2, (4,)).shape for n in (8, 9)] == [None, (3, 3)]
    ssvae = vc.SSVAE(**SMALL, y_dim=3)
    assert all(ssvae.sample(n).shape == (n, X_DIM) for n in range(1, 9)) and ssvae.reconstruct(x).shape == x.shape
    auto = vc.Autoencoder(**SMALL)
    torch.testing.assert_close(auto.reconstruct(x), auto.dec(auto.enc(x)).sigmoid())
