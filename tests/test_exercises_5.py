"""The checks of chapter 5, against wrong answers that a student would give."""

import pytest
from exercises import Edit, assert_tells, labels_of

CHAPTER = "5_gmvae"
MIXTURE = "return vc.log_mean_exp(log_density, dim=1)"
WRONG = {
    "ex-5-predict": {
        "what cancels the other": Edit("('sampled', 1.3, 0)", "('exact', 1.3, 0)"),
        "adding the two variances": Edit("('sampled', 1.3, 0)", "('exact', 1.2, 0)"),
        "turn the ratio round": Edit("1.3", "0.75"),
        "one way is steadier by more": Edit("1.3", "1"),
        "the ratio of the variances": Edit("1.3", "1.75"),
        "the posterior": Edit("1.3", "200 ** 0.5"),
        "the other spreads 1.": Edit("1.3", "2.05"),
        "keeps beside the exact KL": Edit("1.3, 0", "1.3, 3.4"),
        "with this encoder's q": Edit("1.3, 0", "1.3, 2.6"),
        "what is left of z": Edit("1.3, 0", "1.3, 1"),
        'is "exact" or "sampled"': Edit("'sampled'", "'both'"),
    },
    "ex-5-closed": {
        "the weights 1/K are missing": Edit("-vc.log_mean_exp(-d, dim=1)", "-(-d).logsumexp(1)"),
        "That is the nearest D_k": Edit("-vc.log_mean_exp(-d, dim=1)", "d.amin(1)"),
        "the looser of the two": Edit("-vc.log_mean_exp(-d, dim=1)", "d.amin(1) + math.log(d.shape[1])"),
        "the mean of the D_k": Edit("-vc.log_mean_exp(-d, dim=1)", "d.mean(1)"),
        "adds up the D_k": Edit("-vc.log_mean_exp(-d, dim=1)", "d.sum(1)"),
        "The sign is wrong": Edit("-vc.log_mean_exp", "vc.log_mean_exp"),
        "the furthest component": Edit("-vc.log_mean_exp(-d, dim=1)", "vc.log_mean_exp(d, dim=1)"),
        "Here q comes first": Edit(
            "m.unsqueeze(1), v.unsqueeze(1), prior_m, prior_v", "prior_m, prior_v, m.unsqueeze(1), v.unsqueeze(1)"
        ),
        "v was taken for a standard deviation": Edit(
            "m.unsqueeze(1), v.unsqueeze(1), prior_m, prior_v",
            "m.unsqueeze(1), v.unsqueeze(1) ** 2, prior_m, prior_v ** 2",
        ),
        "A bound in each latent": Edit(
            "vc.kl_normal(m.unsqueeze(1), v.unsqueeze(1), prior_m, prior_v)\n    return -vc.log_mean_exp(-d, dim=1)",
            "vc.kl_normal(m[:, None, :, None], v[:, None, :, None], prior_m[..., None], prior_v[..., None])\n"
            "    return -vc.log_mean_exp(-d, dim=1).sum(-1)",
        ),
        "log(s_k / pi_k) is missing": Edit("-vc.log_mean_exp(-d, dim=1)", "((-d).softmax(1) * d).sum(1)"),
        "it samples": "def kl_bound(m, v, prior_m, prior_v):\n    z = vc.sample_gaussian(m, v)\n"
        "    return vc.log_normal(z, m, v) - vc.log_normal_mixture(z, prior_m, prior_v)",
        "it gives (3,)": Edit("dim=1", "dim=0"),
        "use a log-mean-exp": Edit("-vc.log_mean_exp(-d, dim=1)", "-(-d).exp().mean(1).log()"),
        "and the bound is": Edit("-vc.log_mean_exp(-d, dim=1)", "-vc.log_mean_exp(-d, dim=1) + 0.1"),
        "It stops with": Edit("m.unsqueeze(1)", "m"),
    },
    "ex-5-moments": {
        "they lie in different places": Edit(" + away.T @ away / len(m)", ""),
        "how the means m_k scatter": Edit("v.mean(0).diag() + ", ""),
        "divided by K - 1": Edit("away.T @ away / len(m)", "torch.cov(m.T)"),
        "subtract the mean's own product": Edit("away = m - m.mean(0)", "away = m"),
        "tells about the other latent": Edit("away.T @ away / len(m)", "(away ** 2).mean(0).diag()"),
        "v was squared": Edit("v.mean(0).diag()", "(v ** 2).mean(0).diag()"),
        "The square roots of v": Edit("v.mean(0).diag()", "v.sqrt().mean(0).diag()"),
        "added to whole rows": Edit("v.mean(0).diag()", "v.mean(0)"),
        "divided by K twice": Edit("v.mean(0).diag()", "v.mean(0).diag() / len(m)"),
        "The covariance is three times": Edit(
            "v.mean(0).diag() + away.T @ away / len(m)", "v.sum(0).diag() + away.T @ away"
        ),
        "The mean is (2.00, 1.00)": Edit("(m.mean(0), ", "(m.median(0).values, "),
        "The mean is three times": Edit("(m.mean(0), ", "(m.sum(0), "),
        "the covariance has the shape (3, 3)": Edit("v.mean(0).diag() + away.T @ away", "away @ away.T"),
        "and this [[": Edit("away.T @ away / len(m)", "away.T @ away"),
    },
    "ex-5-product": {
        "It still mixes in each latent": Edit(
            "vc.log_normal(z.unsqueeze(1), m, v)\n    return vc.log_mean_exp(log_density, dim=1)",
            "vc.log_normal(z[:, None, :, None], m[..., None], v[..., None])\n"
            "    return vc.log_mean_exp(log_density, dim=1).sum(-1)",
        ),
        "the two axes are exchanged": Edit(
            "vc.log_normal(z.unsqueeze(1), m, v)\n    return vc.log_mean_exp(log_density, dim=1)",
            "vc.log_normal(z[:, None, :, None], m[..., None], v[..., None])\n"
            "    return vc.log_mean_exp(log_density, dim=2).sum(-1)",
        ),
        "It averages log-densities": Edit(MIXTURE, "return log_density.mean(1)"),
        "It adds up log-densities": Edit(MIXTURE, "return log_density.sum(1)"),
        "the nearest component alone": Edit(MIXTURE, "return log_density.amax(1)"),
        "It is too large by log K": Edit(MIXTURE, "return log_density.logsumexp(1)"),
        "the number of latents": Edit(MIXTURE, "return log_density.logsumexp(1) - math.log(z.shape[1])"),
        "The sign of log K": Edit(MIXTURE, "return log_density.logsumexp(1) + math.log(m.shape[1])"),
        "It weighs the log-densities by a softmax": Edit(
            MIXTURE, "return (log_density.softmax(1) * log_density).sum(1)"
        ),
        "A softmax over the components": Edit(MIXTURE, "return log_density.log_softmax(1).logsumexp(1)"),
        "That is the density": Edit(MIXTURE, "return log_density.exp().mean(1)"),
        "minus the log-density": Edit(MIXTURE, "return -vc.log_mean_exp(log_density, dim=1)"),
        "v was taken for a standard deviation": Edit("unsqueeze(1), m, v)", "unsqueeze(1), m, v ** 2)"),
        "With components of its own for each z": Edit("unsqueeze(1), m, v)", "unsqueeze(1), m[:1], v[:1])"),
        "it gives (4,)": Edit("dim=1", "dim=0"),
        "Far from all components": Edit(MIXTURE, "return log_density.exp().mean(1).log()"),
        "and the mixture has": Edit(MIXTURE, "return vc.log_mean_exp(log_density, dim=1) + 0.1"),
    },
}


def test_every_exercise_has_a_check():
    assert set(labels_of(CHAPTER)) == WRONG.keys()


@pytest.mark.parametrize("label", WRONG)
def test_check_tells_right_from_wrong(label):
    assert_tells(CHAPTER, label, WRONG[label])
