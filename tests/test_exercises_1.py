"""The checks of chapter 1, against wrong answers that a student would give."""

import pytest
from exercises import Edit, assert_tells, labels_of, reply

CHAPTER = "1_marginal_likelihood"
WRONG = {
    "ex-1-spread": {
        "each stands in the other's place": "spread_grows, shortfall_grows = 10, 3.16",
        "A factor of 0.316 is the wrong way round": "spread_grows, shortfall_grows = 1 / math.sqrt(10), 0.1",
        "with fewer samples the shortfall is larger": "spread_grows, shortfall_grows = 3.2, 0.1",
        "the spread is a standard deviation": "spread_grows, shortfall_grows = 10, 10",
        "not with its square": "spread_grows, shortfall_grows = 100, 10",
        "The spread has m in its denominator": "spread_grows, shortfall_grows = 1, 10",
        "Not by 4": "spread_grows, shortfall_grows = 4, 10",
        "with no root": "spread_grows, shortfall_grows = 3.16, 3.16",
        "don't square it again": "spread_grows, shortfall_grows = 3.16, 100",
        "the 2 drops out": "spread_grows, shortfall_grows = 3.16, 5",
        "The shortfall does not change its sign": "spread_grows, shortfall_grows = 3.16, -10",
        "Not by 31.6": "spread_grows, shortfall_grows = 3.16, 31.6",
    },
    "ex-1-emptiness": {
        "as if density were either 0 or constant": "def c(mu, s): return 1 / s\nsamples = 100 * c(1, 0.1)**10",
        "mu is missing": Edit("math.exp(mu ** 2 / (2 - s ** 2))", "1"),
        "there s is the variance": "def c(mu, s): return math.exp(mu**2 / (2 - s)) / (s * (2 - s)) ** 0.5\nsamples = 1",
        "the exponent has the wrong sign": Edit("exp(mu", "exp(-mu"),
        "the posterior is squared": Edit("mu ** 2 / (2", "mu ** 2 / 2 / (2"),
        "brings a factor s": Edit("(s * math", "(s ** 2 * math"),
        "is narrower than s": Edit("(s * math.sqrt(2 - s ** 2))", "s"),
        "χ² of a single latent": Edit("math.sqrt(2 - s ** 2))", "math.sqrt(2 - s ** 2)) - 1"),
        "its logarithm": ("def c(mu, s): return mu**2 / (2 - s**2) - math.log(s * math.sqrt(2 - s**2))\nsamples = 1"),
        "its inverse": "def c(mu, s): return s * math.sqrt(2 - s**2) * math.exp(-mu**2 / (2 - s**2))\nsamples = 1",
        "c(1, 0.1) = 14.78, and the integral is 11.72": Edit("math.sqrt(2 - s", "math.sqrt(1 + 25 * s"),
        "standard deviation 1 nat": Edit("100 * ", ""),
        "not ten times as many": Edit("100 * ", "10 * "),
        "mean shortfall a tenth": Edit("100 * ", "5 * "),
        "enough for one latent": Edit("** 10 - 1", "** 1"),
        "they do not add": Edit("** 10 - 1", "* 10"),
        "With 4.9e+20 samples": Edit("100 * ", "1e10 * "),
    },
    "ex-1-pair": {
        "That is its standard deviation": Edit("1 - rho ** 2", "(1 - rho ** 2) ** 0.5"),
        "so less is left to it": Edit("(1 - rho ** 2) * one", "one"),
        "together that is 0.590, not 1": Edit("(1 - rho ** 2) * one", "0.1 * one"),
        "The two are independent": Edit("rho * z_1", "0 * z_1"),
        "the sign is wrong": Edit("rho * z_1", "-rho * z_1"),
        "z_1 has the variance 0.510": Edit("log_normal(z_1, zero, one)", "log_normal(z_1, zero, (1 - rho**2) * one)"),
        "It integrates to": Edit("+ log_second", "+ 2 * log_second"),
        "it gives (5, 5)": Edit("+ log_second", "+ log_second[:, None]"),
        "It stops with NameError": Edit("+ log_second", "+ log_third"),
    },
    "ex-1-bug": {
        "In ten, every value is 83 nats too low": Edit("(math.log", "(z.shape[-1] * math.log"),
        "integrates to 1, 2.51, 6.28. log 2π is there once": (
            "def log_density(z, m, v):\n    return -0.5 * (math.log(2 * math.pi) + (v.log() + (z - m)**2 / v).sum(-1))"
        ),
        "log 2π is gone": Edit("math.log(2 * math.pi) + ", ""),
        "with no mean": Edit(".sum(-1)", ".mean(-1)"),
        "v is the variance": Edit("v.log() + (z - m) ** 2 / v", "2 * v.log() + (z - m) ** 2 / v**2"),
        "log v is gone": Edit(" + v.log()", ""),
        "log v has the wrong sign": Edit(" + v.log()", " - v.log()"),
        "log v stands outside": Edit(" + v.log()", " + 2 * v.log()"),
        "The squares stand outside": Edit("(z - m) ** 2", "2 * (z - m) ** 2"),
        "The squares have the wrong sign": Edit(" + (z", " - (z"),
        "The factor 1/2 is gone": Edit("-0.5 * ", "-"),
        "Its sign is wrong": Edit("-0.5", "0.5"),
        "its logarithm is wanted": "def log_density(z, m, v): return vc.log_normal(z, m, v).exp()",
        "it gives (7, 10), in place of seven numbers": Edit(".sum(-1)", ""),
        "where v is not 1, is": Edit("2 / v)", "2 / v.sqrt())"),  # integrates to 1, too, where v is 1
    },
}
ALSO_RIGHT = {
    "ex-1-spread": ["spread_grows, shortfall_grows = 3.2, 10.0", "spread_grows, shortfall_grows = 3, torch.tensor(10)"],
    "ex-1-emptiness": [
        "samples = 5e12\ndef c(mu, s): return (mu**2 / (2 - s**2) - 0.5 * (s**2 * (2 - s**2)).log()).exp()",
        "samples = 4_800_000_000_000\ndef c(mu, s): return torch.exp(mu**2 / (2 - s**2)) / s / (2 - s**2) ** 0.5",
    ],
    "ex-1-pair": [
        "def log_pair(z_1, z_2, rho):\n"
        "    v = 1 - rho**2\n"
        "    squares = (z_1**2 - 2 * rho * z_1 * z_2 + z_2**2) / v\n"
        "    return (-math.log(2 * math.pi) - 0.5 * math.log(v) - squares / 2).squeeze(1)",
    ],
    "ex-1-bug": [
        "log_density = vc.log_normal",
        "def log_density(z, m, v):\n"
        "    D = z.shape[-1]\n"
        "    return -0.5 * (D * math.log(2 * math.pi) + v.log().sum(-1) + ((z - m) ** 2 / v).sum(-1))",
    ],
}

PROOFS = {"ex-1-bias"}  # they have nothing that a cell could check


def test_every_exercise_has_a_check():
    assert set(labels_of(CHAPTER)) == WRONG.keys() | PROOFS


@pytest.mark.parametrize("label", WRONG)
def test_check_tells_right_from_wrong(label):
    assert_tells(CHAPTER, label, WRONG[label])


@pytest.mark.parametrize(("label", "answer"), [(label, answer) for label in ALSO_RIGHT for answer in ALSO_RIGHT[label]])
def test_check_takes_other_right_answers(label, answer):
    assert reply(CHAPTER, label, answer).startswith("Yes. ")
