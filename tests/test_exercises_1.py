"""The checks of chapter 1, against wrong answers that a student would give."""

import pytest
from exercises import Edit, assert_tells, labels_of

CHAPTER = "1_marginal_likelihood"
WRONG = {
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
}

PROOFS = {"ex-1-bias"}  # they have nothing that a cell could check


def test_every_exercise_has_a_check():
    assert set(labels_of(CHAPTER)) == WRONG.keys() | PROOFS


@pytest.mark.parametrize("label", WRONG)
def test_check_tells_right_from_wrong(label):
    assert_tells(CHAPTER, label, WRONG[label])
