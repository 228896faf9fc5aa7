"""The checks of chapter 6, against wrong answers that a student would give."""

import pytest
from exercises import Edit, assert_tells, labels_of

CHAPTER = "6_iwae"
CHOICE = "torch.where(from_prior, torch.randn_like(m), vc.sample_gaussian(m, v))"
LINE = "return -vc.log_mean_exp(log_w.reshape(iw, len(x)), dim=0).mean()"
WRONG = {
    "ex-6-predict": {
        "Jensen the wrong way round": Edit("a < c < b", "b < c < a"),
        "(c) the mean of their logarithms": Edit("a < c < b", "a < b < c"),
        "(c) is not below (a)": Edit("a < c < b", "c < a < b"),
        "Equal they would be": Edit("a < c < b", "a = b = c"),
        "The order has each of": Edit("a < c < b", "a < b"),
        "(a) has 5,000 logarithms": Edit("(1, 5000, 100)", "(5000, 5000, 100)"),
        "(b) is a single draw": Edit("(1, 5000, 100)", "(1, 1, 100)"),
        "50 is how many draws": Edit("(1, 5000, 100)", "(1, 5000, 50)"),
        "no logarithm sees more than 100": Edit("(1, 5000, 100)", "(1, 5000, 5000)"),
        "is the number of weights inside one": Edit("(1, 5000, 100)", "(1, 100, 2)"),
        "A mean over 5,000 helps little": Edit("'b')", "'a')"),
        "In a group of 100": Edit("'b')", "'c')"),
        'is "a", "b" or "c"': Edit("'b')", "'all')"),
    },
    "ex-6-safe": {
        "10 is the largest w'": Edit("most = -math.log(0.1)", "most = 10"),
        "minus that of alpha": Edit("most = -math.log(0.1)", "most = math.log(0.1)"),
        "p(x, z)/q has no limit": Edit("most = -math.log(0.1)", "most = -math.log(0.9)"),
        "drop q's part of q'": Edit("most = -math.log(0.1)", "most = 0"),
        "All z come from q": Edit(CHOICE, "vc.sample_gaussian(m, v)"),
        "All z come from the prior": Edit(CHOICE, "torch.randn_like(m)"),
        "not for each latent": Edit("torch.rand(draws, 1)", "torch.rand(draws, 2)"),
        "do not mix them": Edit(CHOICE, "(1 - alpha) * vc.sample_gaussian(m, v) + alpha * torch.randn_like(m)"),
        "another variance than v": Edit("vc.sample_gaussian(m, v)", "m + v * torch.randn_like(m)"),
        "the prior's is 1": Edit("torch.randn_like(m)", "2 * torch.randn_like(m)"),
        "its two parts are exchanged": Edit("torch.rand(draws, 1) < alpha", "torch.rand(draws, 1) > alpha"),
        "the share of the prior is 0.10": Edit("torch.rand(draws, 1) < alpha", "torch.rand(draws, 1) < 0.1"),
        "It divides by q, from": Edit("parts.logsumexp(1)", "vc.log_normal(z, m, v)"),
        "It divides by p(z), from": Edit("parts.logsumexp(1)", "model.log_prior(z)"),
        "the part that z came from": Edit(
            "parts.logsumexp(1)", "torch.where(from_prior[:, 0], model.log_prior(z), vc.log_normal(z, m, v))"
        ),
        "It mixes the logarithms": Edit(
            "parts.logsumexp(1)", "((1 - alpha) * vc.log_normal(z, m, v) + alpha * model.log_prior(z))"
        ),
        "without 1 - alpha and alpha": Edit("parts = parts + torch.tensor([1 - alpha, alpha]).log()", "pass"),
        "1 - alpha and alpha are exchanged": Edit("[1 - alpha, alpha]", "[alpha, 1 - alpha]"),
        "p(z) is missing above": Edit("model.log_prior(z) + vc.log_ber", "vc.log_ber"),
        "is not divided by anything": Edit(" - parts.logsumexp(1)", ""),
        "Wanted is its logarithm.\n": Edit("log_joint - parts.logsumexp(1)", "(log_joint - parts.logsumexp(1)).exp()"),
        "in place of 4000 numbers": Edit("log_joint - parts.logsumexp(1)", "(log_joint - parts.logsumexp(1)).mean()"),
        "and log w' is": Edit("log_joint - parts.logsumexp(1)", "log_joint - parts.logsumexp(1) - model.log_prior(m)"),
    },
    "ex-6-reshape": {
        "in one row of the reshaped": Edit("reshape(iw, len(x)), dim=0", "reshape(len(x), iw), dim=1"),
        "The axis is another": Edit("reshape(iw, len(x)), dim=0", "reshape(len(x), iw), dim=0"),
        "over the images of a copy": Edit("dim=0", "dim=1"),
        "in one average": Edit("log_w.reshape(iw, len(x))", "log_w"),
        "divide by their number": Edit(LINE, "return -log_w.reshape(iw, len(x)).logsumexp(0).mean()"),
        "the largest weight": Edit(LINE, "return -log_w.reshape(iw, len(x)).amax(0).mean()"),
        "by its share of the sum": Edit(
            LINE, "w = log_w.reshape(iw, len(x))\n    return -(w.softmax(0) * w).sum(0).mean()"
        ),
        "Stay with log_mean_exp": Edit(LINE, "return -log_w.reshape(iw, len(x)).exp().mean(0).log().mean()"),
        "That is the ELBO": Edit(LINE, "return -log_w.mean()"),
        "The sign is wrong": Edit("return -", "return "),
        "wanted is their mean": Edit("dim=0).mean()", "dim=0).sum()"),
        "It gives torch.Size([12])": Edit("dim=0).mean()", "dim=0)"),
        "beside each z": Edit("vc.duplicate(x, iw)", "x.repeat_interleave(iw, 0)"),
        "weights inside the logarithm it should": Edit(
            "log_w = log_px_z + model.log_prior(z)", "log_w = log_px_z + 0.9 * model.log_prior(z)"
        ),
        "It stops with ValueError": Edit("vc.duplicate(x, iw)", "x"),
    },
    "ex-6-analytic": {
        "That is A_1": Edit(
            "(log_q + log_lik).logsumexp(1) + log_volume", "(log_q.exp() * log_lik).sum(1) * math.exp(log_volume)"
        ),
        "without the KL and before the logarithm": Edit(
            "(log_q + log_lik).logsumexp(1) + log_volume - kl", "(log_q.exp() * log_lik).sum(1) * math.exp(log_volume)"
        ),
        "The KL is missing": Edit(" - kl\n", "\n"),
        "The KL has the wrong sign": Edit(" - kl\n", " + kl\n"),
        "wrong throughout": Edit(
            "return (log_q + log_lik).logsumexp(1) + log_volume - kl",
            "return -((log_q + log_lik).logsumexp(1) + log_volume - kl)",
        ),
        "the volume of a cell is missing": Edit(" + log_volume", ""),
        "The logarithm of the volume": Edit("+ log_volume", "- log_volume"),
        "over all z alike": Edit("log_q + log_lik", "log_lik"),
        "the points of the grid": Edit("(log_q + log_lik).logsumexp(1) + log_volume", "vc.log_mean_exp(log_lik, 1)"),
        "Wanted is the logarithm": Edit(
            "(log_q + log_lik).logsumexp(1) + log_volume - kl",
            "((log_q + log_lik).logsumexp(1) + log_volume - kl).exp()",
        ),
        "Of two images": Edit(
            "return (log_q + log_lik).logsumexp(1) + log_volume - kl",
            "return ((log_q + log_lik).logsumexp(1) + log_volume - kl).mean()",
        ),
        "stay with logarithms": Edit(
            "(log_q + log_lik).logsumexp(1) + log_volume", "(log_q + log_lik).exp().sum(1).log() + log_volume"
        ),
        "and their integrals": Edit(" - kl\n", " - 2 * kl\n"),
        "it would be a bound": Edit("(limit > log_px).sum().item()", "0"),
        "with the exact posterior for q": Edit("(limit > log_px).sum().item()", "24"),
        "below log p(x), not above": Edit("limit > log_px", "limit < log_px"),
        "compare limit with log_px": Edit("(limit > log_px).sum().item()", "12"),
    },
}


def test_every_exercise_has_a_check():
    assert set(labels_of(CHAPTER)) == WRONG.keys()


@pytest.mark.parametrize("label", WRONG)
def test_check_tells_right_from_wrong(label):
    assert_tells(CHAPTER, label, WRONG[label])
