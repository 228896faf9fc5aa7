"""The bounds of models that know of labels, SSVAE and NamedGMVAE, and the mixture whose components have names."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from exact_models import (
    DRAWS,
    X_DIM,
    Exact,
    X,
    class_probabilities,
    close,
    exact_ssvae,
    lively,
    log_gaussian,
    log_prior_of_classes,
    log_sum_exp,
    log_weights,
    many,
    mlp,
    named,
    ssvae,
    within_standard_errors,
    without_noise,
)
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

import vae_core as vc
from vae_machinery.few_labels import cluster_classes

# ------------------------------------------------------------------------------------
# Labels
# ------------------------------------------------------------------------------------


def test_unlabelled_bound_is_a_sum_over_every_label_and_image():
    """The same noise, but one image and one label at a time, in plain loops."""
    model = ssvae()
    torch.manual_seed(4)
    bound = model.negative_elbo_bound(X)
    torch.manual_seed(4)
    eps = torch.randn(3, len(X), 2)
    q = class_probabilities(model, X)
    kl_z, kl_y, rec = np.zeros(len(X)), np.zeros(len(X)), np.zeros(len(X))
    for i in range(len(X)):
        x = X[i].double().numpy()
        for y in range(3):
            m, h_v = np.split(mlp(model.enc, x, y), 2)
            v = np.logaddexp(0, h_v) + 1e-8
            logits = mlp(model.dec, m + np.sqrt(v) * eps[y, i].double().numpy(), y)
            kl_z[i] += q[i, y] * 0.5 * (v + m**2 - 1 - np.log(v)).sum()
            kl_y[i] += q[i, y] * np.log(q[i, y] * 3)
            rec[i] += q[i, y] * (np.logaddexp(0, logits) - x * logits).sum()
    close(bound, [(rec + kl_z + kl_y).mean(), kl_z.mean(), kl_y.mean(), rec.mean()])


def test_labelled_bound_has_the_exact_mean_for_each_label():
    model = ssvae()
    for y in range(3):
        exact = Exact(model, X[:1], y)
        labels = torch.full((100,), y)
        nelbo, kl_z, kl_y, rec = many(model, X[0], lambda x: model.negative_elbo_bound(x, labels)).T  # noqa: B023
        within_standard_errors(nelbo, exact.kl[0] + exact.rec[0] + math.log(3))
        within_standard_errors(kl_z, exact.kl[0])
        within_standard_errors(rec, exact.rec[0])
        close(kl_y, np.full(len(kl_y), math.log(3)), atol=1e-6)


def test_labels_belong_to_their_images_and_one_hot_equals_class_ids():
    model, y = ssvae(), torch.tensor([2, 0, 1, 2])
    nelbo = []
    for labels in (y, y.int(), F.one_hot(y, 3), F.one_hot(y, 3).float()):
        torch.manual_seed(0)
        nelbo.append(model.negative_elbo_bound(X, labels)[0].item())
    assert nelbo == [nelbo[0]] * 4
    exact = exact_ssvae(model, X)[2][y, range(4)].mean()
    torch.manual_seed(0)
    samples = torch.stack([model.negative_elbo_bound(X.repeat(50, 1), y.repeat(50))[0] for _ in range(200)])
    within_standard_errors(samples, exact)


def test_unlabelled_bound_is_made_of_labelled_ones(monkeypatch):
    """-ELBO(x) = sum_y q(y|x) (-ELBO(x, y) + log q(y|x)) >= -log sum_y exp(ELBO(x, y))."""
    without_noise(monkeypatch)
    model = ssvae()
    for x in X.split(1):
        labelled = np.array([model.negative_elbo_bound(x, torch.tensor([y]))[0].item() for y in range(3)])
        q = class_probabilities(model, x)[0]
        unlabelled = model.negative_elbo_bound(x)[0].item()
        best = -log_sum_exp(-labelled, 0)
        assert unlabelled == pytest.approx((q * (labelled + np.log(q))).sum(), abs=1e-4)
        assert unlabelled > best
        # and with the best q(y|x), in proportion to exp ELBO(x, y), it is attained
        ideal = ssvae()
        ideal.cls.rest[3].weight.zero_()
        ideal.cls.rest[3].bias.copy_(torch.from_numpy(-labelled))
        assert ideal.negative_elbo_bound(x)[0].item() == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_truncated_bound_shares_the_probability_among_the_likeliest_labels(monkeypatch, k):
    without_noise(monkeypatch)
    model = ssvae()
    expected = []
    for x in X.split(1):
        labelled = np.array([model.negative_elbo_bound(x, torch.tensor([y]))[0].item() for y in range(3)])
        q = class_probabilities(model, x)[0]
        kept = np.argsort(-q)[:k]
        q = q[kept] / q[kept].sum()
        expected.append((q * (labelled[kept] + np.log(q))).sum())
        assert model.negative_truncated_bound(x, k).item() == pytest.approx(expected[-1], abs=1e-4)
        assert expected[-1] >= -log_sum_exp(-labelled, 0) - 1e-6  # a bound, whatever is cut off
    assert model.negative_truncated_bound(X, k).item() == pytest.approx(np.mean(expected), abs=1e-4)
    if k < 3:
        model.cls.rest[3].bias.copy_(torch.tensor([9.0, 0.0, -9.0]))  # the last label is nobody's
    assert model.negative_truncated_bound(X, k).isfinite()


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_loss_may_be_that_of_the_likeliest_labels(monkeypatch, k):
    without_noise(monkeypatch)
    model, y = ssvae(), torch.tensor([2, 0, 1])
    difference = model.loss(X, X[:3], y, 0.5, k) - model.loss(X, X[:3], y, 0.5)
    bounds = model.negative_truncated_bound(X, k) - model.negative_elbo_bound(X)[0]
    assert difference.item() == pytest.approx(bounds.item(), abs=1e-3)


def test_a_prior_of_its_own_is_asked_where_the_sample_is(monkeypatch):
    class Own(vc.SSVAE):
        def log_prior(self, z):
            return 2 * super().log_prior(z)

    without_noise(monkeypatch)
    model, y = lively(Own(X_DIM, 2, (8, 7), y_dim=3)), F.one_hot(torch.tensor([2, 0, 1, 2]), 3).float()
    m, v = model.encode(X, y)
    close(model.z_bound(X, y)[0], vc.log_normal(m, m, v) - 2 * vc.StandardNormal(2).log_prob(m))


def test_sampled_labels_and_latents_estimate_the_enumerated_bound():
    model = ssvae()
    log_px, nelbo, _ = exact_ssvae(model, X)
    log_w, kl, rec = log_weights(model, X, DRAWS)
    within_standard_errors(-log_w, nelbo)
    within_standard_errors((log_w - torch.from_numpy(log_px)).exp(), 1.0)
    assert (log_w + kl + rec).abs().max() < 1e-5
    assert (nelbo + log_px > 0.05).all()
    torch.manual_seed(0)
    close(vc.log_likelihood(model, X, 50_000), log_px, atol=0.1)
    many_elbos = many(model, X[1], model.negative_elbo_bound).T[0]
    within_standard_errors(many_elbos, nelbo[1])


def test_encoding_each_label_once_is_encoding_each_draw(monkeypatch):
    """The same draws, encoded and decoded one by one, each with its own label in the input."""
    without_noise(monkeypatch)
    model = ssvae()
    torch.manual_seed(5)
    log_w, kl, rec = model.log_weight(X, 40)
    torch.manual_seed(5)
    y = torch.distributions.Categorical(logits=model.cls(X)).sample((40,))
    assert len(y.unique()) == 3
    q = class_probabilities(model, X)
    for i in range(40):
        for j, x in enumerate(X.double().numpy()):
            label = y[i, j].item()
            m, h_v = np.split(mlp(model.enc, x, label), 2)
            v = np.logaddexp(0, h_v) + 1e-8
            logits = mlp(model.dec, m, label)
            close(rec[i, j], (np.logaddexp(0, logits) - x * logits).sum())
            log_q = log_gaussian(m, m, v) + np.log(q[j, label])
            close(kl[i, j], log_q - log_gaussian(m, np.zeros(2), np.ones(2)) + np.log(3))
    close(log_w, -(kl + rec), atol=1e-6)


@pytest.mark.parametrize(
    "gen_weight, class_weight, share",
    [
        (1.0, 100.0, 0.1),
        (0.5, 3.0, 2.0),
        (0.0, 7.0, 1.0),
        (1.0, 0.0, 0.5),
    ],
)
def test_ssvae_loss_is_its_parts(monkeypatch, gen_weight, class_weight, share):
    without_noise(monkeypatch)
    model = ssvae(gen_weight=gen_weight, class_weight=class_weight)
    y = torch.tensor([2, 0, 1])
    unlabelled = model.negative_elbo_bound(X)[0].item()
    labelled = model.negative_elbo_bound(X[:3], y)[0].item()
    cross_entropy = -np.log(class_probabilities(model, X[:3])[range(3), y]).mean()
    expected = gen_weight * (unlabelled + share * labelled) + class_weight * cross_entropy
    assert model.loss(X, X[:3], y, share).item() == pytest.approx(expected, rel=1e-5)


# ------------------------------------------------------------------------------------
# The mixture with the names of classes
# ------------------------------------------------------------------------------------


def test_a_named_mixture_has_bayes_rule_for_a_classifier():
    model = named()
    z = torch.randn(5, 4, 2, generator=torch.Generator().manual_seed(0))
    close(model.prior.log_prob_of_classes(z).reshape(20, 3), log_prior_of_classes(model, z.reshape(20, 2).numpy()))
    log_q = model.log_posterior_of_classes(X)
    at_means = log_prior_of_classes(model, model.enc(X)[0].numpy())
    close(log_q, at_means - log_sum_exp(at_means, 1)[:, None])
    assert log_q.exp().amax(1).min() < 0.9  # not so sure that it would say nothing


def test_the_loss_of_a_named_mixture_is_its_parts(monkeypatch):
    model, y = named(), torch.tensor([2, 0])
    assert model.loss(X, X[:2], y, 1.0) != model.loss(X, X[:2], y, 1.0)  # z is a sample
    without_noise(monkeypatch)
    x, share = X[:2].double().numpy(), 0.25
    m, h_v = np.split(mlp(model.enc, x), 2, axis=1)
    logits, by_class = mlp(model.dec, m), log_prior_of_classes(model, m)
    rec = (np.logaddexp(0, logits) - x * logits).sum(1)
    kl = log_gaussian(m, m, np.logaddexp(0, h_v) + 1e-8) - by_class[range(2), y] + np.log(3)
    cross = log_sum_exp(by_class, 1) - by_class[range(2), y]
    for model.beta, model.class_weight in ((1.0, 0.0), (0.5, 3.0)):
        bound = model.negative_elbo_bound(X)[0].item()
        expected = bound + share * (rec + model.beta * kl).mean() + model.class_weight * cross.mean()
        close(model.loss(X, X[:2], y, share), expected)
    with pytest.raises(ValueError, match="wanted one label for each of 4 images"):
        model.loss(X, X, y, share)
    with pytest.raises(ValueError, match="wanted images of shape"):
        model.loss(X, X[:2, :5], y, share)


def three_clouds(n=200):
    """Codes of three classes, each a long ellipse, which lie side by side."""
    torch.manual_seed(0)
    z = torch.randn(3 * n, 2) @ torch.tensor([[3.0, 0.0], [2.0, 0.3]])
    labels = torch.arange(3).repeat_interleave(n)
    return z + 2.5 * labels.unsqueeze(1) * torch.tensor([0.0, 1.0]), labels


def test_em_names_clusters_as_sklearn_does_and_its_likelihood_never_falls():
    z, y = three_clouds()
    known = torch.tensor([0, 1, 200, 201, 400, 401])
    p = vc.name_clusters(z, known, y[known], y_dim=3)
    assert (p.argmax(1) == y).float().mean() > 0.97
    assert torch.equal(p[known], F.one_hot(y[known], 3).to(p))
    nearest = torch.cdist(z, z[known].reshape(3, 2, 2).mean(1)).argmin(1)
    assert (nearest == y).float().mean() < 0.8  # which the start alone does not
    # Where it ends, sklearn's EM with equal weights and no labels stays.
    theirs = GaussianMixture(
        3,
        means_init=torch.stack([z[y == c].mean(0) for c in range(3)]).numpy(),
        tol=1e-6,
        random_state=0,
        reg_covar=1e-3,
    ).fit(z.numpy())
    agree = torch.from_numpy(theirs.predict_proba(z.numpy())).float()
    assert (p - agree).abs().mean() < 0.02

    def log_likelihood(steps):
        p = vc.name_clusters(z, known, y[known], y_dim=3, steps=steps)
        total, free = 0.0, torch.ones(len(z), dtype=torch.bool)
        size = p.sum(0)
        log_p = []
        for c in range(3):
            m = p[:, c] @ z / size[c]
            cov = ((z - m).T * p[:, c]) @ (z - m) / size[c] + 1e-3 * torch.eye(2)
            log_p.append(torch.distributions.MultivariateNormal(m, cov).log_prob(z))
        log_p = torch.stack(log_p, 1)
        free[known] = False
        total = log_p[free].logsumexp(1).sum() + log_p[known, y[known]].sum()
        return total.item()

    # The first two steps, from Gaussians about the known codes that share a covariance.
    mean, cov = torch.stack([z[known[y[known] == c]].mean(0) for c in range(3)]), [0.5 * z.T.cov()] * 3
    for steps in (1, 2):
        log_p = torch.stack(
            [torch.distributions.MultivariateNormal(*two).log_prob(z) for two in zip(mean, cov, strict=True)], 1
        )
        p = log_p.softmax(1)
        p[known] = F.one_hot(y[known], 3).float()
        close(vc.name_clusters(z, known, y[known], 3, steps), p)
        mean = p.T @ z / p.sum(0)[:, None]
        cov = [z.T.cov(correction=0, aweights=each) + 1e-3 * torch.eye(2) for each in p.T]

    rises = np.diff([log_likelihood(steps) for steps in range(1, 12)])
    assert (rises > -0.05).all() and rises.max() > 5


@pytest.mark.parametrize(
    ("known", "labels", "message"),
    [
        ([0, 1], [0, 1], r"a label of each class, 0 to 2; given \[0, 1\]"),
        ([0, 200, 400], [0, 1, 3], "class id from 0 to 2 for each of 3 known images"),
        ([0, 200, 400], [0, 1, -1], "class id from 0 to 2 for each of 3 known images"),
        ([0, 200, 400], [0, 1], "class id from 0 to 2 for each of 3 known images"),
        ([0, 200, 600], [0, 1, 2], "different indices from 0 to 599"),
        ([0, 200, 200], [0, 1, 2], "different indices"),
    ],
)
def test_em_wants_a_label_of_every_class_for_images_that_there_are(known, labels, message):
    with pytest.raises(ValueError, match=message):
        vc.name_clusters(three_clouds()[0], torch.tensor(known), torch.tensor(labels), y_dim=3)


def test_components_are_placed_on_the_codes_of_their_class():
    z, y = three_clouds()
    model = vc.NamedGMVAE(X_DIM, 2, (8, 7), y_dim=3, each=4)
    with torch.no_grad():
        before = (model.prior.log_prob_of_classes(z).argmax(1) == y).float().mean()
        model.prior.place(z, y)
        log_p = model.prior.log_prob_of_classes(z)
    assert before < 0.7 < 0.97 < (log_p.argmax(1) == y).float().mean()
    own = multivariate_normal(z[y == 1].mean(0).numpy(), np.cov(z[y == 1].numpy().T)).logpdf(z[y == 1].numpy()).mean()
    assert abs(log_p[y == 1, 1].mean() - own) < 0.2  # four pieces describe one Gaussian about as well as one
    with pytest.raises(ValueError, match="class 2 has 3 codes for its 4 components"):
        model.prior.place(z[:403], y[:403])
    model.prior.place(z[:404], y[:404])


def test_components_are_the_clusters_of_k_means():
    torch.manual_seed(0)
    sizes = torch.tensor([4, 5, 30])  # too few for a covariance in two dimensions, just enough, and many
    at = torch.arange(3).repeat_interleave(sizes)
    z = torch.randn(39, 2) * torch.tensor([1.0, 3.0]) + 100 * torch.tensor([[0.0, 0], [1, 0], [0, 1]])[at]
    means, factors, counts = cluster_classes(z, torch.zeros(39), 1, 3, 0)
    order = counts.argsort()[0]
    assert counts.equal(torch.tensor([[4.0, 5, 30]])[:, order.argsort()])
    for found, own, spread in zip(order, z.split(sizes.tolist()), (z, z[4:9], z[9:]), strict=True):
        close(means[found], own.mean(0))
        close(factors[found] @ factors[found].T, np.cov(spread.T.numpy()) + 0.02 * np.eye(2), rtol=1e-4)


def test_components_are_placed_alike_by_one_seed():
    placed = []
    for seed in ([], [0], [1]):
        placed.append(vc.NamedMixture(2, 1, 4))
        torch.manual_seed(3)
        placed[-1].place(torch.randn(300, 2), torch.zeros(300), *seed)
    assert placed[0].mean.equal(placed[1].mean) and not placed[1].mean.equal(placed[2].mean)
