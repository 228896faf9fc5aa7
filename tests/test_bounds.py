"""The bounds of vae_core against models whose log p(x) is known exactly.

Small models with six binary pixels and one or two latents: log p(x) and expectations under
q(z|x) come from sums over a fine grid, written here in NumPy from the weights alone.
A stochastic bound is compared by its mean, to five standard errors, with a fixed seed.
"""

import copy
import inspect
import math

import numpy as np
import pytest
import torch
from exact_models import (
    DRAWS,
    EVERY_IMAGE,
    UNLABELLED,
    X_DIM,
    Exact,
    X,
    close,
    exact_ssvae,
    gmvae,
    lively,
    log_weights,
    many,
    mlp,
    ssvae,
    vae,
    within_standard_errors,
    without_noise,
)

import vae_core as vc

# ------------------------------------------------------------------------------------
# Quadrature
# ------------------------------------------------------------------------------------


@UNLABELLED
def test_log_marginal_grid_is_the_exact_log_px(model):
    grid, exact = vc.log_marginal_grid(model, X, n=301, limit=9.0), Exact(model, X)
    close(grid.log_px, exact.log_px)
    close(grid.log_posterior.logsumexp(1) + grid.log_volume, np.zeros(len(X)), atol=1e-5)
    posterior_mean = (grid.log_posterior.exp() @ grid.z) * math.exp(grid.log_volume)
    close(posterior_mean, np.exp(exact.log_posterior) @ exact.z * exact.cell)


@UNLABELLED
def test_log_marginal_grid_is_a_distribution_over_every_image(model):
    close(vc.log_marginal_grid(model, EVERY_IMAGE, limit=9.0).log_px.logsumexp(0), 0)


def test_log_marginal_grid_puts_the_last_latent_first_in_speed():
    grid = vc.log_marginal_grid(vae(2), X, n=5, limit=2.0)
    assert grid.z[:6].tolist() == [[-2, -2], [-2, -1], [-2, 0], [-2, 1], [-2, 2], [-1, -2]]
    assert grid.log_volume == pytest.approx(0)
    assert vc.log_marginal_grid(vae(1), X, n=5, limit=2.0).z.tolist() == [[-2], [-1], [0], [1], [2]]


@UNLABELLED
def test_log_px_is_elbo_plus_the_gap(model):
    """log p(x) = ELBO + KL(q(z|x) || p(z|x)): q on the module's own grid and posterior."""
    grid, exact = vc.log_marginal_grid(model, X, limit=9.0), Exact(model, X)
    log_q = vc.log_normal(grid.z, *(t.unsqueeze(1) for t in model.enc(X)))
    gap = (log_q.exp() * (log_q - grid.log_posterior)).sum(1) * math.exp(grid.log_volume)
    close(grid.log_px, -(exact.kl + exact.rec) + gap.numpy(), atol=1e-3)
    assert gap.mean() > 0.05  # and q is no posterior, so that the tests below have a gap to see


# ------------------------------------------------------------------------------------
# The ELBO and the IWAE bound
# ------------------------------------------------------------------------------------


@UNLABELLED
def test_elbo_and_its_parts_have_the_exact_mean(model):
    exact = Exact(model, X)
    for i, x in enumerate(X):
        nelbo, kl, rec = many(model, x, model.negative_elbo_bound).T
        within_standard_errors(rec, exact.rec[i])
        within_standard_errors(kl, exact.kl[i])
        within_standard_errors(nelbo, exact.kl[i] + exact.rec[i])
        assert (nelbo - kl - rec).abs().max() < 1e-5


@UNLABELLED
def test_iwae_with_one_sample_is_the_elbo(model):
    exact = Exact(model, X)
    for i, x in enumerate(X):
        niwae, kl, rec = many(model, x, lambda batch: model.negative_iwae_bound(batch, 1)).T
        within_standard_errors(niwae, exact.kl[i] + exact.rec[i])
        within_standard_errors(kl, exact.kl[i])
        within_standard_errors(rec, exact.rec[i])


@UNLABELLED
def test_the_mean_weight_is_px(model):
    """E[w] = p(x), image by image: true of the right log w, and of next to nothing else."""
    log_w, kl, rec = log_weights(model, X, DRAWS)
    exact = Exact(model, X)
    within_standard_errors((log_w - torch.from_numpy(exact.log_px)).exp(), 1.0)
    within_standard_errors(kl, exact.kl)
    within_standard_errors(rec, exact.rec)


@UNLABELLED
def test_the_bound_tightens_with_m_and_stays_below_log_px(model):
    log_w, exact = log_weights(model, X, DRAWS)[0], Exact(model, X)
    bounds = {m: vc.log_mean_exp(log_w.reshape(-1, m, len(X)), 1).double() for m in (1, 2, 4, 20, 100)}
    means = np.stack([bound.mean(0).numpy() for bound in bounds.values()])
    assert (np.diff(means, axis=0) > 0).all(), means  # of the same draws, grouped: little noise in the difference
    assert (means[0] < exact.log_px - 0.5 * exact.gap).all()
    for bound in bounds.values():
        assert (bound.mean(0).numpy() <= exact.log_px + 5 * bound.std(0).numpy() / math.sqrt(len(bound))).all()
    assert (exact.log_px - means[-1]).mean() < 0.25 * exact.gap.mean()


@UNLABELLED
def test_negative_iwae_bound_averages_the_weights_of_each_image(model):
    torch.manual_seed(3)
    niwae, kl, rec = model.negative_iwae_bound(X, 7)
    torch.manual_seed(3)
    log_w, kl_each, rec_each = model.log_weight(X, 7)
    assert log_w.shape == kl_each.shape == rec_each.shape == (7, len(X))
    by_hand = [-np.log(np.mean(np.exp(log_w[:, i].double().numpy()))) for i in range(len(X))]
    close([niwae, kl, rec], [np.mean(by_hand), kl_each.mean(), rec_each.mean()], atol=1e-5)
    assert kl + rec > niwae + 1e-3  # Jensen: the parts do not add up to the bound


@pytest.mark.parametrize("model", [vae(2), gmvae()], ids=["vae", "gmvae"])
@pytest.mark.parametrize("iw", [1, 8])
def test_doubly_reparameterised_gradient_has_the_same_mean_and_less_noise(model, iw):
    def gradients(dreg):
        """The bound and its gradients, to the encoder and to everything else, for 800 draws."""
        torch.manual_seed(5)
        values, to_encoder, to_rest = [], [], []
        for _ in range(800):
            value = model.negative_iwae_bound(X, iw, dreg)[0]
            each = torch.autograd.grad(value, [*encoder, *rest])
            values.append(value.detach())
            to_encoder.append(torch.cat([g.flatten() for g in each[: len(encoder)]]))
            to_rest.append(torch.cat([g.flatten() for g in each[len(encoder) :]]))
        return torch.stack(values), torch.stack(to_encoder), torch.stack(to_rest)

    model.requires_grad_()
    encoder = list(model.enc.parameters())
    rest = [p for name, p in model.named_parameters() if not name.startswith("enc.")]
    plain, dreg = gradients(False), gradients(True)
    model.requires_grad_(False)
    assert plain[0].equal(dreg[0])  # one bound, the same draws ...
    close(dreg[2], plain[2], atol=1e-5)  # ... and the decoder's gradient is untouched
    torch.manual_seed(5)
    assert model.negative_iwae_bound(X, iw, dreg=True)[0] == dreg[0][0]  # and without gradients, the bound alone
    within_standard_errors(plain[1] - dreg[1], 0.0)
    assert dreg[1].var(0).sum() < 0.8 * plain[1].var(0).sum()


def test_doubly_reparameterised_gradient_is_that_of_its_surrogate():
    """The sum of share^2 log w, its shares and q's parameters held: the estimator of Tucker et al. (2019)."""
    model = copy.deepcopy(vae(2)).requires_grad_()
    encoder = list(model.enc.parameters())
    torch.manual_seed(0)
    given = torch.autograd.grad(model.negative_iwae_bound(X, 3, dreg=True)[0], encoder)
    torch.manual_seed(0)
    m, v = model.encode(X)
    z = m + v.sqrt() * torch.randn(3 * len(X), 2).reshape(3, len(X), 2)
    log_w = (
        model.likelihood.log_prob(X, model.decode(z)) + model.log_prior(z) - vc.log_normal(z, m.detach(), v.detach())
    )
    surrogate = (log_w.detach().softmax(0) ** 2 * log_w).sum(0).mean()
    for one, other in zip(given, torch.autograd.grad(-surrogate, encoder), strict=True):
        close(one, other, atol=1e-6)


def test_closed_form_kl_is_the_mean_of_the_sampled_one():
    model = vae(2)
    m, v = model.enc(X)
    within_standard_errors(log_weights(model, X, DRAWS)[1], model.kl(None, m, v).numpy())


@pytest.mark.parametrize("make", [vae, gmvae, ssvae])
def test_beta_scales_the_kl_in_the_objective_and_nowhere_else(make, monkeypatch):
    results = {}
    for beta in (0.0, 1.0, 4.0):
        model = make(beta=beta)
        assert model.beta == model.arguments["beta"] == beta
        torch.manual_seed(0)
        nelbo, *kl, rec = model.negative_elbo_bound(X)
        close(nelbo, rec + beta * sum(kl), atol=1e-5)
        if make is ssvae:
            with monkeypatch.context() as patch:
                without_noise(patch)
                close(model.negative_truncated_bound(X, 3), model.negative_elbo_bound(X)[0], atol=1e-5)
        torch.manual_seed(0)
        results[beta] = [sum(kl).item(), rec.item(), *(t.item() for t in model.negative_iwae_bound(X, 5))]
        results[beta] += vc.evaluate(model, X).values()
    assert results[0.0] == results[1.0] == results[4.0]


def test_log_weight_is_constant_where_q_is_the_posterior():
    """A decoder that ignores z has the prior as posterior: every weight is p(x) itself."""
    model = vae(2)
    model.dec.first.weight.zero_()
    model.enc.rest[-1].weight.zero_()
    model.enc.rest[-1].bias.copy_(torch.tensor([0.0, 0.0, *[math.log(math.e - 1)] * 2]))  # softplus gives 1
    log_px = vc.log_bernoulli_with_logits(X, model.dec(torch.zeros(1, 2))).numpy()
    close(log_weights(model, X, 50)[0], np.tile(log_px, (50, 1)), atol=1e-5)
    for m in (1, 7, 20, 33):
        close(vc.log_likelihood(model, X.repeat(14, 1), m), np.tile(log_px, 14), atol=1e-5)
        close(model.negative_iwae_bound(X, m)[0], -log_px.mean(), atol=1e-5)
    close(vc.log_likelihood(model, X, [1, 7, 7, 33]), np.tile(log_px, (4, 1)), atol=1e-5)
    close(vc.evaluate(model, X)["kl"], 0, atol=1e-6)


# A linear-Gaussian model: x|z ~ N(W z + b, s I) in the place of the Bernoulli. Then
# log p(x) = log N(x; b, W W' + s I), and with orthogonal columns of W the posterior is a
# Gaussian with a diagonal covariance and a mean linear in x, which a linear encoder can be.

NOISE = 0.3
COLUMNS = torch.tensor([[1.0, 1, 0, 0, 1, 1], [1, -1, 2, 0, -1, 1]]).T * 0.4
OFFSET = torch.tensor([0.5, -0.2, 0.1, 0.0, 0.3, 0.4])


def linear_gaussian(shift=0.0):
    """The model with q = the exact posterior, its mean moved by `shift` along each latent."""
    model = vc.VAE(X_DIM, 2, hidden=(), likelihood=vc.Gaussian(NOISE)).requires_grad_(False)
    model.dec.first.weight.copy_(COLUMNS)
    model.dec.first.bias.copy_(OFFSET)
    v = 1 / (1 + (COLUMNS**2).sum(0) / NOISE)
    gain = v.unsqueeze(1) * COLUMNS.T / NOISE
    model.enc.first.weight.copy_(torch.cat([gain, torch.zeros(2, X_DIM)]))
    model.enc.first.bias.copy_(torch.cat([shift - gain @ OFFSET, v.expm1().log()]))
    covariance = COLUMNS @ COLUMNS.T + NOISE * torch.eye(X_DIM)
    log_px = torch.distributions.MultivariateNormal(OFFSET, covariance).log_prob(X)
    return model, log_px, shift**2 / 2 * (1 / v).sum()  # and KL(q || posterior)


def test_every_weight_is_exactly_px_in_a_linear_gaussian_model():
    model, log_px, _ = linear_gaussian()
    close(log_weights(model, X, 100)[0], log_px.expand(100, -1), atol=2e-5)
    close(vc.log_likelihood(model, X, 33), log_px, atol=2e-5)


def test_the_elbo_misses_log_px_by_the_gap_in_a_linear_gaussian_model():
    model, log_px, gap = linear_gaussian(shift=0.2)
    within_standard_errors(log_weights(model, X, DRAWS)[0], (log_px - gap).numpy())
    nelbo = many(model, X[1], model.negative_elbo_bound).T[0]
    within_standard_errors(nelbo, (gap - log_px[1]).item())
    within_standard_errors((log_weights(model, X, DRAWS)[0] - log_px).exp(), 1.0)


# ------------------------------------------------------------------------------------
# log p(x) by sampling, and what else is measured
# ------------------------------------------------------------------------------------


@UNLABELLED
def test_log_likelihood_closes_on_log_px(model):
    torch.manual_seed(0)
    close(vc.log_likelihood(model, X, 5000), Exact(model, X).log_px, atol=0.1)


@pytest.mark.parametrize("net", [vae(2), gmvae(), ssvae()], ids=["vae", "gmvae", "ssvae"])
def test_log_likelihood_is_a_plain_loop_over_images_and_chunks(net):
    """The same draws, from the bound that takes an image at a time; tiles of 20 images, 3,000 draws at once."""
    images = EVERY_IMAGE.repeat(math.ceil(27 / len(EVERY_IMAGE)), 1)[:27]
    torch.manual_seed(6)
    bounds = vc.log_likelihood(net, images, [1, 450])
    torch.manual_seed(6)
    for tile, draws in ((slice(0, 20), (1, 150, 150, 149)), (slice(20, 27), (1, 428, 21))):
        log_w = torch.cat([net.log_weight(images[tile], n)[0] for n in draws]).double().numpy()
        close(bounds[0, tile], log_w[0], atol=1e-5)
        close(bounds[1, tile], np.log(np.exp(log_w).mean(0)), atol=1e-5)


@pytest.mark.parametrize("m", [1, 7, 150, 403])  # below, at and between multiples of the chunk
def test_log_likelihood_in_chunks_is_the_bound(m):
    model, x = vae(2), X[1].expand(3000, X_DIM)
    torch.manual_seed(0)
    chunked, whole = vc.log_likelihood(model, x, m), vc.log_mean_exp(model.log_weight(x, m)[0], 0)
    within_standard_errors(torch.stack([chunked - whole], 1), 0.0)
    assert 0.8 < chunked.std() / whole.std() < 1.25


def test_measuring_keeps_no_graph():
    model = vae(2).requires_grad_(True)
    assert model.log_weight(X, 3)[0].requires_grad
    assert not vc.log_likelihood(model, X, 3).requires_grad
    assert not vc.log_marginal_grid(model, X, n=11).log_px.requires_grad


def test_log_likelihood_of_several_m_takes_each_along_the_same_draws():
    model, x = vae(2), X[1].expand(3000, X_DIM)
    torch.manual_seed(0)
    bounds = vc.log_likelihood(model, x, [1, 5, 30])
    assert bounds.shape == (3, 3000)
    for m, bound in zip((1, 5, 30), bounds, strict=True):
        torch.manual_seed(1)
        within_standard_errors(torch.stack([bound - vc.log_likelihood(model, x, m)], 1), 0.0)
    first, fifth = bounds[:2]  # the fifth holds the first draw: w_1 <= w_1 + ... + w_5
    assert (first - math.log(5) <= fifth + 1e-6).all()


def test_log_likelihood_keeps_images_in_order():
    images = EVERY_IMAGE.flip(0)
    torch.manual_seed(0)
    estimate = vc.log_likelihood(vae(1), images, 2000)
    close(estimate, Exact(vae(1), images).log_px, atol=0.25)


@pytest.mark.parametrize("model", [vae(2), gmvae(), ssvae()], ids=["vae", "gmvae", "ssvae"])
def test_evaluate_is_the_mean_bound_over_all_images_and_repeats(model):
    images = (X.repeat(500, 1) * 255).to(torch.uint8)[:1700]  # 1,000 in the first batch, 700 in the second
    result = vc.evaluate(model, images, seed=5)
    assert result == vc.evaluate(model, X.repeat(500, 1)[:1700], seed=5)
    assert result != vc.evaluate(model, images, seed=6)
    assert result["nelbo"] == pytest.approx(sum(v for name, v in result.items() if name != "nelbo"))
    if isinstance(model, vc.SSVAE):
        assert list(result) == ["nelbo", "kl_z", "kl_y", "rec"]
        assert result["nelbo"] == pytest.approx(exact_ssvae(model, X)[1].mean(), abs=0.15)
    else:
        exact = Exact(model, X)
        assert [result["kl"], result["rec"]] == pytest.approx([exact.kl.mean(), exact.rec.mean()], abs=0.15)


def test_evaluate_weighs_a_small_last_batch_by_its_size():
    model = vae(2)
    one, two = EVERY_IMAGE[:1].expand(1000, -1), EVERY_IMAGE[-1:].expand(10, -1)
    exact = Exact(model, torch.stack([one[0], two[0]]))
    nelbo = exact.kl + exact.rec
    assert abs(nelbo[0] - nelbo[1]) > 1
    expected = (100 * nelbo[0] + nelbo[1]) / 101
    assert vc.evaluate(model, torch.cat([one, two]))["nelbo"] == pytest.approx(expected, abs=0.2)


def test_evaluate_leaves_the_callers_random_state_alone():
    model = ssvae()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    vc.evaluate(model, X, seed=0)
    vc.accuracy(model, X, torch.zeros(len(X), dtype=torch.long))
    assert torch.rand(3).equal(expected)


def test_an_autoencoder_is_measured_by_its_reconstruction_alone():
    model = lively(vc.Autoencoder(X_DIM, 2, (8,)))
    x = X.double().numpy()
    logits = mlp(model.dec, mlp(model.enc, x))
    cross_entropy = (np.logaddexp(0, logits) - x * logits).sum(1).mean()
    assert vc.evaluate(model, X) == {"rec": pytest.approx(cross_entropy, abs=1e-4)}
    assert model.loss(X).item() == pytest.approx(cross_entropy, abs=1e-4)


def test_the_plain_gradient_is_the_default():
    def gradient(*dreg):
        model = vae().requires_grad_()
        torch.manual_seed(0)
        return torch.autograd.grad(model.log_weight(X, 3, *dreg)[0].sum(), model.enc.first.weight)[0]

    plain, by_default, doubly = gradient(False), gradient(), gradient(True)
    assert by_default.equal(plain) and not by_default.equal(doubly)


def test_a_grid_reaches_as_far_as_the_prior():
    model = lively(vc.GMVAE(X_DIM, 1, (8, 7), k=2))
    model.z_pre[0, :2, 0] = torch.tensor([-9.0, 9.0])
    grid = vc.log_marginal_grid(model, X, n=1001)
    close(grid.log_px, vc.log_marginal_grid(model, X, n=2001, limit=20.0).log_px)
    assert grid.z.max() == (9 + 6 * model.z_prior[1].sqrt()).max()
    assert vc.log_marginal_grid(vae(1), X, n=5).z.tolist() == [[-6], [-3], [0], [3], [6]]
    assert vc.log_marginal_grid(vae(1), X, n=2, limit=0.5).z.tolist() == [[-0.5], [0.5]]


def test_accuracy_depends_on_its_seed_alone():
    model, grey = ssvae(), torch.full((2000, X_DIM), 0.5)
    labels = torch.arange(2000) % 3
    first, again, other = (vc.accuracy(model, grey, labels, *seed) for seed in ([0], [], [1]))
    assert first == again != other


def test_the_defaults_are_those_of_the_papers():
    def default(function, name):
        return inspect.signature(function).parameters[name].default

    assert default(vc.active_units, "threshold") == 0.01 and default(vc.log_likelihood, "m") == 5000  # Burda et al.
    latents = {vc.VAE: 10, vc.GMVAE: 10, vc.SSVAE: 64, vc.NamedGMVAE: 25, vc.Autoencoder: 2}  # the problem set
    models = {kind: kind() for kind in latents}
    assert {kind: model.z_dim for kind, model in models.items()} == latents
    for model in models.values():
        assert (model.x_dim, model.hidden, model.activation) == (784, [300, 300], "elu")
        assert getattr(model, "beta", 1) == getattr(model, "gen_weight", 1) == 1
    named = models[vc.NamedGMVAE]
    assert models[vc.SSVAE].class_weight == 100 and models[vc.GMVAE].k == 500  # the notes
    assert (named.y_dim, named.each, named.class_weight, models[vc.SSVAE].y_dim) == (10, 20, 1, 10)
    assert len(vc.NamedMixture(2).mean) == 10 * 20 and vc.GaussianMixture(2).k == 500 and vc.Gaussian().variance == 1
    assert len(vc.log_marginal_grid(vae(1), X).z) == 401
    assert default(vc.name_clusters, "steps") == 25 and default(vc.name_clusters, "y_dim") == 10


def test_active_units_are_those_whose_mean_moves():
    model = vae(2)
    model.enc.rest[-1].weight.mul_(30)
    means = mlp(model.enc, X.double().numpy())[:, :2]
    variances = means.var(0, ddof=1)
    between = float(variances.mean())
    assert vc.active_units(model, X, between).tolist() == (variances > between).tolist()
    assert sum(vc.active_units(model, X, between).tolist()) == 1
    of_two = model.encode(X[:2])[0].var(0)
    assert vc.active_units(model, X[:2], of_two[0].item()).tolist() == [False, bool(of_two[1] > of_two[0])]
    model.enc.rest[-1].weight[0] = 0
    assert vc.active_units(model, X).tolist() == [False, True]


def test_accuracy_is_the_share_of_right_classes():
    model = ssvae()
    with torch.no_grad():
        predicted = model.cls(X).argmax(1)
    wrong = (predicted + 1) % 3
    assert vc.accuracy(model, X, predicted) == 1
    assert vc.accuracy(model, X, wrong) == 0
    assert vc.accuracy(model, X, torch.cat([predicted[:3], wrong[3:]])) == 0.75


# ------------------------------------------------------------------------------------
# Double precision, and numbers that are whole
# ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [vae, gmvae, ssvae])
def test_bounds_in_double_precision(make):
    def figures(model, x):
        y = torch.tensor([2, 0, 1, 1])
        figures = {
            "log w": model.log_weight(x, 3)[0],
            "log p(x)": vc.log_likelihood(model, x, 4),
            "enc": model.enc(x, torch.eye(3).to(x)[y])[0] if make is ssvae else model.enc(x)[0],
        }
        vc.evaluate(model, x)
        if isinstance(model, vc.SSVAE):
            figures |= {
                "bounds": torch.stack([*model.negative_elbo_bound(x, y), model.negative_truncated_bound(x, 2)]),
                "loss": model.loss(x, x, y, 0.5),
            }
            vc.accuracy(model, x, y)
        else:
            figures |= {
                "bounds": torch.stack(model.negative_iwae_bound(x, 3)),
                "grid": vc.log_marginal_grid(model, x, n=41).log_px,
            }
        return figures

    double, single = figures(make().double(), X.double()), figures(make(), X)
    assert {t.dtype for t in double.values()} == {torch.float64} and all(t.isfinite().all() for t in double.values())
    for name in {"enc", "grid"} & set(double):  # nothing random in them
        close(double[name], single[name])


def test_whole_numbers_may_come_as_floats():
    model = vc.SSVAE(X_DIM, 2.0, (4.0,), y_dim=3.0)
    assert (model.z_dim, model.y_dim) == (2, 3) and isinstance(model.z_dim, int)
    assert vc.GMVAE(X_DIM, 2.0, (4,), k=3.0).log_prior(torch.zeros(1, 2)).shape == (1,)
    assert vc.log_marginal_grid(V, BATCH, n=11.0).z.shape == (121, 2)
    assert vc.log_likelihood(V, BATCH, range(1, 4)).shape == (3, 4)


# ------------------------------------------------------------------------------------
# Gradients
# ------------------------------------------------------------------------------------

Y = torch.tensor([2, 0, 1, 1])


@pytest.mark.parametrize(
    "model, bound",
    [
        (vae(), lambda model, x: model.negative_elbo_bound(x)[0]),
        (gmvae(), lambda model, x: model.negative_elbo_bound(x)[0]),
        (vae(), lambda model, x: model.negative_iwae_bound(x, 3)[0]),
        (gmvae(), lambda model, x: model.negative_iwae_bound(x, 3)[0]),
        (ssvae(), lambda model, x: model.negative_iwae_bound(x, 3)[0]),
        (ssvae(), lambda model, x: model.negative_elbo_bound(x)[0]),
        (ssvae(), lambda model, x: model.negative_elbo_bound(x, Y)[0]),
        (ssvae(), lambda model, x: model.negative_truncated_bound(x, 2)),
        (ssvae(), lambda model, x: model.loss(x, x, Y, 0.5)),
        (lively(vc.Autoencoder(X_DIM, 2, (8, 7))), lambda model, x: model.loss(x)),
    ],
)
def test_the_gradient_of_a_bound_is_that_of_its_value(model, bound):
    """Along a random direction of all weights, with the noise held fixed, against the difference of two values."""
    model, generator = copy.deepcopy(model).double().requires_grad_(), torch.Generator().manual_seed(0)
    weights = list(model.parameters())
    along = [torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in weights]

    def value(step=0.0):
        with torch.no_grad():
            for w, d in zip(weights, along, strict=True):
                w.add_(d, alpha=step)
        torch.manual_seed(0)
        return bound(model, X.double())

    gradients = torch.autograd.grad(value(), weights, allow_unused=True)
    slope = sum((g * d).sum() for g, d in zip(gradients, along, strict=True) if g is not None).item()
    ahead, behind = value(1e-5).item(), value(-2e-5).item()
    assert slope == pytest.approx((ahead - behind) / 2e-5, rel=1e-5)


class Bound(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model.negative_elbo_bound(x)[0]


@pytest.mark.parametrize("model", [vae(), gmvae(), ssvae()], ids=["vae", "gmvae", "ssvae"])
def test_torch_func_takes_gradients_image_by_image(monkeypatch, model):
    without_noise(monkeypatch)
    bound = Bound(model)

    def of_one(weights, x):
        return torch.func.functional_call(bound, weights, x.unsqueeze(0))

    weights = dict(bound.named_parameters())
    each = torch.func.vmap(torch.func.grad(of_one), (None, 0), randomness="different")(weights, X)
    for i, x in enumerate(X):
        model = copy.deepcopy(bound).requires_grad_()
        model(x.unsqueeze(0)).backward()
        for name, weight in model.named_parameters():
            close(each[name][i], 0 if weight.grad is None else weight.grad, atol=1e-5)


@pytest.mark.parametrize("y", [Y, torch.nn.functional.one_hot(Y, 3)], ids=["ids", "one-hot"])
def test_torch_func_maps_bounds_over_labels_too(monkeypatch, y):
    without_noise(monkeypatch)
    model = ssvae()

    def of_one(x, y):
        return model.negative_elbo_bound(x.unsqueeze(0), y.unsqueeze(0))

    each = torch.func.vmap(of_one, randomness="different")(X, y)
    for found, expected in zip(each, zip(*map(of_one, X, y), strict=True), strict=True):
        close(found, torch.stack(expected), atol=1e-5)


@pytest.mark.parametrize(
    "bound",
    [
        vae().negative_elbo_bound,
        gmvae().negative_elbo_bound,
        ssvae().negative_elbo_bound,
        lambda x: ssvae().negative_elbo_bound(x, Y),
        lambda x: vae().negative_iwae_bound(x, 3),
    ],
    ids=["vae", "gmvae", "ssvae", "labelled", "iwae"],
)
def test_a_jacobian_can_be_vectorised(monkeypatch, bound):
    without_noise(monkeypatch)
    found, expected = (torch.autograd.functional.jacobian(bound, X, vectorize=v) for v in (True, False))
    for f, e in zip(found, expected, strict=True):
        close(f, e, atol=1e-6)


def test_torch_func_takes_derivatives_of_a_network():
    dec, z = vae().double().dec, torch.tensor([0.3, -0.7], dtype=torch.float64)

    def log_p(z):
        return vc.log_bernoulli_with_logits(X[1].double(), dec(z))

    jacobian, hessian = torch.autograd.functional.jacobian(dec, z), torch.autograd.functional.hessian(log_p, z)
    for found in (torch.func.jacrev(dec)(z), torch.func.jacfwd(dec)(z)):
        close(found, jacobian, atol=1e-12)
    close(torch.func.hessian(log_p)(z), hessian, atol=1e-12)
    several = torch.stack([z, -z, 0 * z])
    close(torch.func.vmap(torch.func.jacrev(dec))(several)[0], jacobian, atol=1e-12)
    close(torch.func.vmap(log_p)(several), log_p(several), atol=1e-12)


# ------------------------------------------------------------------------------------
# What is refused
# ------------------------------------------------------------------------------------

V, S = vae(2), ssvae()
BATCH = torch.zeros(4, X_DIM)


@pytest.mark.parametrize(
    "bound",
    [
        V.negative_elbo_bound,
        S.negative_elbo_bound,
        lambda x: vc.log_likelihood(V, x, 2),
        lambda x: V.negative_iwae_bound(x, 2),
        lambda x: S.negative_iwae_bound(x, 2),
        lambda x: vc.log_marginal_grid(V, x, n=3),
        lambda x: vc.active_units(V, x),
        lambda x: vc.evaluate(V, x),
        vc.Autoencoder(X_DIM, 2, (4,)).loss,
        lambda x: S.negative_truncated_bound(x, 2),
        lambda x: V.log_weight(x, 2),
        lambda x: S.log_weight(x, 2),
        lambda x: vc.accuracy(S, x, torch.zeros(4)),
        lambda x: S.loss(BATCH, x, torch.zeros(4, dtype=torch.long), 0.5),
    ],
    ids=[
        "elbo",
        "ssvae-elbo",
        "likelihood",
        "iwae",
        "ssvae-iwae",
        "grid",
        "active",
        "evaluate",
        "autoencoder",
        "truncated",
        "weight",
        "ssvae-weight",
        "accuracy",
        "loss",
    ],
)
@pytest.mark.parametrize(
    "x, message",
    [
        (torch.zeros(4, 5), r"\(batch, 6\); given \(4, 5\)"),
        (torch.full((4, X_DIM), 1.5), r"\[0, 1\]; given 1.5 to 1.5"),
        (torch.full((4, X_DIM), -0.1), r"\[0, 1\]; given -0.1 to -0.1"),
        (torch.full((4, X_DIM), math.nan), "nan"),
        (torch.zeros(4, X_DIM, dtype=torch.long), "dtype torch.int64"),
    ],
    ids=["shape", "above", "below", "nan", "dtype"],
)
def test_images_that_are_none_are_refused(bound, x, message):
    with pytest.raises(ValueError, match=message):
        bound(x)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: V.negative_elbo_bound(torch.zeros(0, X_DIM)), r"given \(0, 6\)"),
        (lambda: V.negative_elbo_bound(torch.zeros(X_DIM)), r"given \(6,\)"),
        (lambda: V.negative_elbo_bound(BATCH.numpy()), "a tensor; given ndarray"),
        (lambda: vc.evaluate(V, torch.zeros(0, X_DIM)), r"given none, shape \(0, 6\)"),
        (lambda: V.negative_iwae_bound(BATCH, 0), "iw must be .* given 0"),
        (lambda: V.negative_iwae_bound(BATCH, 2.5), "iw must be .* given 2.5"),
        (lambda: S.negative_iwae_bound(BATCH, 2, dreg=True), "also draws a label"),
        (lambda: vc.log_likelihood(V, BATCH, 0), "m must be .* given 0"),
        (lambda: vc.log_likelihood(V, BATCH, -3), "m must be .* given -3"),
        (lambda: vc.log_likelihood(V, BATCH, [0, 5]), "m must be .* given 0"),
        (lambda: vc.log_likelihood(V, BATCH, [5, 1]), r"ascending order; given \[5, 1\]"),
        (lambda: vc.log_likelihood(V, BATCH, []), r"given \[\]"),
        (lambda: vc.VAE(beta=-1), "beta must be a number of at least 0; given -1"),
        (lambda: vc.VAE(beta=math.nan), "beta must be a number of at least 0; given nan"),
        (lambda: vc.GMVAE(beta=-1), "beta must be a number of at least 0; given -1"),
        (lambda: vc.VAE(beta="much"), "beta must be .* given 'much'"),
        (lambda: vc.SSVAE(gen_weight=-1), "gen_weight must be .* given -1"),
        (lambda: vc.SSVAE(class_weight=math.inf), "class_weight must be .* given inf"),
        (
            lambda: V.negative_elbo_bound(BATCH.double()),
            "in torch.float32, as the model's weights are; given torch.floa",
        ),
        (lambda: V.enc(BATCH, torch.eye(4)), "takes no labels"),
        (lambda: S.dec(torch.zeros(4, 2)), "takes labels, too"),
        (lambda: S.negative_elbo_bound(BATCH, [0, 1, 2, 0]), "labels as a tensor; given list"),
        (lambda: vc.accuracy(S, BATCH, [0, 1, 2, 0]), "labels as a tensor; given list"),
        (lambda: vc.accuracy(S, torch.zeros(0, X_DIM, dtype=torch.uint8), torch.zeros(0)), r"given \(0, 6\)"),
        (lambda: vc.binarize([0.5]), "images as a tensor; given list"),
        (lambda: vc.log_marginal_grid(V, BATCH, limit=math.inf), "limit.* given inf"),
        (lambda: vc.VAE(activation="gelu"), "elu, relu, tanh; given 'gelu'"),
        (lambda: vc.GMVAE(k=0), "k must be .* given 0"),
        (lambda: vc.VAE(z_dim=0), "z_dim must be .* given 0"),
        (lambda: vc.SSVAE(y_dim=0), "y_dim must be .* given 0"),
        (lambda: S.log_weight(BATCH, 0), "iw must be .* given 0"),
        (lambda: S.loss(BATCH, BATCH, torch.tensor([0, 1, 2, 14]), 0), "class ids 0 to 2.*0 to 14"),
        (lambda: vc.log_likelihood(vc.Autoencoder(X_DIM, 2, (4,)), BATCH), "given Autoencoder"),
        (lambda: vc.accuracy(V, BATCH, torch.zeros(4)), "an SSVAE or a NamedGMVAE knows classes; given VAE"),
        (lambda: vc.VAE(hidden=(300, 2.5)), "width of a layer must be .* given 2.5"),
        (lambda: S.negative_elbo_bound(BATCH, torch.tensor([0, 1, 2, 3])), r"ids 0 to 2 or one-hot \(4, 3\).*0 to 3"),
        (lambda: S.negative_elbo_bound(BATCH, torch.tensor([0, 1, 2, -1])), "class ids 0 to 2.*-1 to 2"),
        (lambda: S.negative_elbo_bound(BATCH, torch.tensor([])), r"each of 4 images.*of shape \(0,\)"),
        (lambda: S.negative_elbo_bound(BATCH, torch.tensor([0, 1])), r"each of 4 images.*of shape \(2,\)"),
        (lambda: S.negative_elbo_bound(BATCH, torch.tensor([0.0, 1, 2, 0])), "torch.float32 of shape"),
        (lambda: S.negative_elbo_bound(BATCH, torch.full((4, 3), 1 / 3)), "one-hot"),
        (lambda: S.negative_elbo_bound(BATCH, torch.zeros(4, 3)), "one-hot"),
        (lambda: S.negative_elbo_bound(BATCH, torch.ones(4, 3)), "one-hot"),
        (lambda: S.negative_elbo_bound(BATCH, torch.tensor([[1, 0.5, -0.5]] * 4)), "one-hot"),
        (lambda: vc.accuracy(S, BATCH, torch.tensor([1])), r"shape \(4,\), one for each image; given \(1,\)"),
        (lambda: vc.active_units(V, BATCH[:1]), "at least 2 images; given 1"),
        (lambda: vc.log_marginal_grid(V, BATCH, n=3, limit=-1.0), "limit.* must be positive; given -1.0"),
        (lambda: vc.log_marginal_grid(V, BATCH, n=3, limit=0), "limit.* must be positive; given 0"),
        (lambda: vc.log_marginal_grid(vae(3), BATCH), "one or two latents; given VAE with z_dim=3"),
        (lambda: vc.log_marginal_grid(vc.Autoencoder(X_DIM, 2, (4,)), BATCH), "given Autoencoder"),
    ],
)
def test_a_bad_argument_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("k, message", [(0, "at least 1; given 0"), (4, "at most the 3 labels there are; given 4")])
def test_truncation_names_a_bad_number_of_labels(k, message):
    y = torch.tensor([0, 1, 2, 0])
    for call in (lambda: S.negative_truncated_bound(BATCH, k), lambda: S.loss(BATCH, BATCH, y, 0.5, k)):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_whole_number_may_come_as_a_float():
    labels = torch.tensor([0, 1, 2, 0])
    for with_float, with_int in (
        (lambda n: S.negative_truncated_bound(X, n), 2),
        (lambda n: V.log_weight(X, n)[0], 3),
        (lambda n: S.loss(X, X, labels, 0.5, n), 2),
    ):
        torch.manual_seed(0)
        expected = with_float(with_int)
        torch.manual_seed(0)
        assert torch.equal(with_float(float(with_int)), expected)


def test_grid_and_active_units_name_what_they_cannot_take():
    with pytest.raises(ValueError, match="at least 2 points"):
        vc.log_marginal_grid(V, BATCH, n=1)
    with pytest.raises(ValueError, match="VAE or GMVAE without a flow; given SSVAE"):
        vc.active_units(S, BATCH)
    with pytest.raises(ValueError, match="VAE or GMVAE without a flow; given Autoencoder"):
        vc.active_units(vc.Autoencoder(X_DIM, 2, (4,)), BATCH)
