"""The checks of chapter 4, against wrong answers that a student would give."""

import pytest
from exercises import Edit, assert_tells, labels_of, reply

CHAPTER = "4_beta"
WRONG = {
    "ex-4-mean": {
        "It is the other way round": "beta, latents = 1 / 784, 10",
        "Only if both were sums": "beta, latents = 1, 10",
        "The mean over the batch is in both terms": "beta, latents = 784 * 100, 0",
        "so their number does not matter": "beta, latents = 7840, 0",
        "not to be divided by their number": "beta, latents = 78.4, 0",
        "28 is the side": "beta, latents = 28, 0",
        "there is then not 785": "beta, latents = 785, 0",
        "what would all ten have to earn": "beta, latents = 784, 10",
        "not even one": "beta, latents = 784, 1",
        "which latent is worth": "beta, latents = 784, 5",
    },
    "ex-4-tempered": {
        "that is the posterior": Edit(" / beta", ""),
        "the power is upside down": Edit("/ beta", "* beta"),
        "the prior is tempered, too": Edit("log_p + log_lik", "(log_p + log_lik)"),
        "but log q has it, too": Edit("log_p + log_lik / beta", "beta * log_p + log_lik"),
        "the prior is gone": Edit("log_p + ", ""),
        "the sign": Edit("+", "-"),
        "which is best when β is infinite": Edit(" + log_lik / beta", ""),
        "its logarithm is wanted": Edit("log_p + log_lik / beta", "(log_p + log_lik / beta).exp()"),
        "this one is that of β = 2": Edit("/ beta", "/ 2"),
        "and there is a q that reaches": Edit("/ beta", "/ beta**2"),
        "At 3201 points it gives ()": Edit("log_p + log_lik / beta", "(log_p + log_lik / beta).sum()"),
    },
    "ex-4-prices": {
        "the rate is upside down": Edit(
            "(two['rec'] - one['rec']) / (one['kl'] - two['kl'])", "(one['kl'] - two['kl']) / (two['rec'] - one['rec'])"
        ),
        "and so is the rate": Edit("two['rec'] - one['rec']", "one['rec'] - two['rec']"),
        "too small by 1": Edit("two['rec'] - one['rec']", "two['nelbo'] - one['nelbo']"),
        "a ratio of totals": "passes = True",
        "one model's totals": Edit("(two['rec'] - one['rec']) / (one['kl'] - two['kl'])", "one['rec'] / one['kl']"),
        "for how many nats": Edit(" / (one['kl'] - two['kl'])", ""),
        "is not the rate": Edit("one['kl'] - two['kl']", "one['kl'] + two['kl']"),
        "which pair does not pass": Edit("passes = all(", "passes = not all("),
        "is True or False": Edit("passes = all(", "passes = str("),
    },
}
ALSO_RIGHT = {
    "ex-4-mean": ["beta, latents = 784.0, torch.tensor(0)", "beta, latents = torch.tensor(28**2), 0.0"],
    "ex-4-tempered": [
        "def log_tempered(log_p, log_lik, beta): return (beta * log_p + log_lik) / beta + 3",
        "def log_tempered(log_p, log_lik, beta): return (log_p + log_lik / beta).log_softmax(0).float()",
    ],
    "ex-4-prices": [
        "passes = True\n"
        "def exchange_rate(one, two): return round((one['rec'] - two['rec']) / (two['kl'] - one['kl']), 3)",
        "def exchange_rate(one, two): return -(one['rec'] - two['rec']) / (one['kl'] - two['kl'])\npasses = True",
        "def exchange_rate(one, two): return 1 + (two['nelbo'] - one['nelbo']) / (one['kl'] - two['kl'])\npasses = 1",
    ],
}


def test_every_exercise_has_a_check():
    assert set(labels_of(CHAPTER)) == WRONG.keys()


@pytest.mark.parametrize("label", WRONG)
def test_check_tells_right_from_wrong(label):
    assert_tells(CHAPTER, label, WRONG[label])


@pytest.mark.parametrize(("label", "answer"), [(label, answer) for label in ALSO_RIGHT for answer in ALSO_RIGHT[label]])
def test_check_takes_other_right_answers(label, answer):
    assert reply(CHAPTER, label, answer).startswith("Yes. ")
