"""The checks of chapter 2, against wrong answers that a student would give."""

import pytest
from exercises import Edit, assert_tells, labels_of, reply

CHAPTER = "2_jensen_elbo"
COST = "house[best_house] - house[best_floor]"
WRONG = {
    "ex-2-summit": {
        "z² + 0.3 z = 0 has two solutions, 0 and −0.3": "humps, summits, gap = 2, 3, 'smaller'",
        "highest somewhere": "humps, summits, gap = 0, 1, 'smaller'",
        "3 humps are too many": "humps, summits, gap = 3, 1, 'smaller'",
        "a whole number": "humps, summits, gap = 1.5, 1, 'smaller'",
        "straddled two humps": "humps, summits, gap = 1, 3, 'smaller'",
        "a hump of its own": "humps, summits, gap = 1, 2, 'smaller'",
        "bounded by log p(x)": "humps, summits, gap = 1, 0, 'smaller'",
        "There are not 4": "humps, summits, gap = 1, 4, 'smaller'",
        "What must it leave out now?": "humps, summits, gap = 1, 1, 'larger'",
        'to be "larger" or "smaller"': "humps, summits, gap = 1, 1, 'the same'",
    },
    "ex-2-upper": {
        "half of it lies in the other hump": Edit("prior", "best"),
        "this is the worse": Edit("prior", "second"),
        "there is a wider one": Edit("prior", "third"),
        "no Gaussian": Edit("prior", "posterior"),
        "The four are": Edit("prior", "wide"),
    },
    "ex-2-gradient": {
        "there is no slope yet": Edit(
            "(x_toy - z ** 2 - a * z) * z / 0.1", "(x_toy - z**2 - a * z) * (2 * z + a) / 0.1 - z"
        ),
        "the sign": Edit("x_toy - z ** 2 - a * z)", "z ** 2 + a * z - x_toy)"),
        "the variance 0.1 is gone": Edit("z / 0.1", "z"),
        "not to be squared": Edit("z / 0.1", "z / 0.1 ** 2"),
        "and the log-density has 1/2": Edit("z / 0.1", "2 * z / 0.1"),
        "which cancels the 1/2": Edit("z / 0.1", "z / 0.2"),
        "has the slope z": Edit(" * z / 0.1", " / 0.1"),
        "not how far x lies": Edit(" - a * z)", ")"),
        "an average over the prior": Edit("log_joint.softmax(0) @", "log_prior.softmax(0) @"),
        "that is the mean of log p(x, z) itself": Edit("@ slope[:, 0]", "@ log_joint"),
        "no root is to be taken": Edit("z / 0.1", "z / 0.1 ** 0.5"),
        "the prior does not depend on a": Edit("z / 0.1", "z / 0.1 - z"),
        "does not add up to 1": Edit("log_joint.softmax(0)", "log_joint.exp()"),
        "the slope is that of a = 0.3": Edit(" - a * z)", " - 0.3 * z)"),
        "the posterior is that of a = 0.3": Edit("z ** 2 + a * z", "z ** 2 + 0.3 * z"),
        "at a = 0.3 it is the same": "def posterior_gradient(a): return -0.1397",
        "yours has the shape (3001,)": Edit("@ slope[:, 0]", "* slope[:, 0]"),
    },
    "ex-2-theta": {
        "The two have changed places": "best_by_likelihood, best_by_elbo, cost = 1, 0, 0.2",
        "At a = 1 log p(x) is -1.741, and still rises towards smaller a": (
            "best_by_likelihood, best_by_elbo, cost = 1, 1, 0"
        ),
        "q loses log 2": "best_by_likelihood, best_by_elbo, cost = 0, 0, 0",
        "At a = 0.3 the largest ELBO is": "best_by_likelihood, best_by_elbo, cost = 0, 0.3, 0.02",
        "but of a log p(x) that has fallen": "best_by_likelihood, best_by_elbo, cost = 0, 2, 0.52",
        "so the cost is positive": Edit(COST, "house[best_floor] - house[best_house]"),
        "what the ELBO has gained": Edit(COST, "floor[best_floor] - floor[0]"),
        "what the ELBO lacks": Edit(COST, "house[best_floor] - floor[best_floor]"),
        "0.48 nats are not what": Edit(COST, "house[best_house] - floor[best_floor]"),
        "-1 is not between": "best_by_likelihood, best_by_elbo, cost = 0, -1, 0.2",
    },
    "ex-2-bug": {
        "+0.24 nats from log p(x), so it is no bound: its two terms are not of one": Edit("v.sqrt()", "v"),
        "that is the ELBO of another q": ("def elbo_by_nodes(m, v):\n    return elbo(m, v ** 2)"),
        "the draws are still not N(m, v)": Edit("v.sqrt()", "v ** 0.25"),
        "wants the variance, not its root": Edit("v[None]", "v[None].sqrt()"),
        "wants v as it is": Edit("v[None]", "v[None] ** 2"),
        "the KL is gone": Edit("sum() - kl", "sum()"),
        "here it is added": Edit("sum() - kl", "sum() + kl"),
        "the other way round": Edit(
            "m[None], v[None], torch.zeros(1), torch.ones(1)", "torch.zeros(1), torch.ones(1), m[None], v[None]"
        ),
        "q has lost its width": Edit("v.sqrt() * nodes_1", "0 * nodes_1"),
        "that is the negative ELBO": Edit("(weights_1 * log_lik).sum() - kl", "kl - (weights_1 * log_lik).sum()"),
        "A bound that is merely low is not the ELBO": Edit("sum() - kl", "sum() - kl - 5"),
        "+0.08 nats from log p(x), so it is no bound: at m": Edit(
            "(weights_1 * log_lik).sum()", "(weights_1 * log_lik.exp()).sum().log()"
        ),
        "v = 0.014 the ELBO is -146.25, and this -150.77": Edit("sum() - kl", "sum() - 2 * kl"),
        "no finite number": Edit("sum() - kl", "sum() - kl / 0"),
        "and yet: at m = ": "def elbo_by_nodes(m, v): return torch.tensor(-50.0)",
        "it has the shape (40,)": Edit("(weights_1 * log_lik).sum() - kl", "weights_1 * log_lik - kl"),
    },
}
ALSO_RIGHT = {
    "ex-2-summit": ["humps, summits, gap = torch.tensor(1), 1.0, 'smaller'"],
    "ex-2-upper": ["tightest = 'pri' + 'or'"],
    "ex-2-gradient": [
        "def posterior_gradient(a):\n"
        "    log_joint = vc.log_normal(x_toy, z**2 + a * z, torch.tensor(0.1)) + log_prior\n"
        "    weight = (log_joint - log_joint.logsumexp(0)).exp()[:, None]\n"
        "    return (10 * weight * (z * x_toy - z**3 - a * z**2)).sum(0)",
        "def posterior_gradient(a):\n"
        "    a = torch.tensor(a).double().requires_grad_()\n"
        "    log_joint = vc.log_normal(x_toy, z**2 + a * z, torch.tensor(0.1)) + log_prior\n"
        "    return torch.autograd.grad((log_joint.softmax(0).detach() * log_joint).sum(), a)[0].item()",
    ],
    "ex-2-theta": [
        "best_by_likelihood, best_by_elbo, cost = 0, 1, 0.2",
        "best_by_likelihood, best_by_elbo, cost = 0.0, 1.05, torch.tensor(0.22)",
        "best_by_likelihood, best_by_elbo, cost = 0.0, 0.9, 0.17",  # of a coarse grid of q
    ],
    "ex-2-bug": ["elbo_by_nodes = elbo"],
}


def test_every_exercise_has_a_check():
    assert set(labels_of(CHAPTER)) == WRONG.keys()


@pytest.mark.parametrize("label", WRONG)
def test_check_tells_right_from_wrong(label):
    assert_tells(CHAPTER, label, WRONG[label])


@pytest.mark.parametrize(("label", "answer"), [(label, answer) for label in ALSO_RIGHT for answer in ALSO_RIGHT[label]])
def test_check_takes_other_right_answers(label, answer):
    assert reply(CHAPTER, label, answer).startswith("Yes. ")
