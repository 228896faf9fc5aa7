"""The checks of chapter 8, against wrong answers that a student would give."""

import ast

import pytest
from exercises import Edit, assert_tells, cells_of, labels_of

CHAPTER = "8_your_own"
PICK = "return each.gather(-1, c.unsqueeze(-1)).squeeze(-1).sum(-1)"
WRONG = {
    "ex-8-variance": {
        "that is the standard deviation": Edit(".square().mean()", ".square().mean().sqrt()"),
        "it adds up the pixels": Edit(".square().mean()", ".square().sum(1).mean()"),
        "the mean absolute error": Edit(".square().mean()", ".abs().mean()"),
        "it takes the mean error away first": Edit(".square().mean()", ".var()"),
        "whatever the decoder says": Edit("(x - m).square().mean()", "x.var()"),
        "half of it": Edit(".square().mean()", ".square().mean() / 2"),
        "the precision": Edit("(x - m).square().mean()", "1 / (x - m).square().mean()"),
        "it gives 5 numbers": Edit(".square().mean()", ".square().mean(0)"),
        "can be had.": Edit(".square().mean()", ".square().median()"),
        "It stops with": Edit("x - m", "x @ m"),
    },
    "ex-8-levels": {
        "their softmax has to be taken": Edit(".log_softmax(-1)", ""),
        "the softmax is over the pixels": Edit(".log_softmax(-1)", ".log_softmax(-2)"),
        "unflatten as (P, 17)": Edit("(-1, (-1, 17))", "(-1, (17, -1)).transpose(-1, -2)"),
        "their logarithms are wanted": Edit(".log_softmax(-1)", ".softmax(-1)"),
        "it averages over pixels": Edit(".sum(-1)", ".mean(-1)"),
        "minus the log-probability": Edit(PICK, PICK.replace("return ", "return -")),
        "it takes the one below": Edit("c.unsqueeze", "((c - 1) % 17).unsqueeze"),
        "each pixel has its own": Edit(
            "numbers.unflatten(-1, (-1, 17)).log_softmax(-1)", "numbers.log_softmax(-1).unflatten(-1, (-1, 17))"
        ),
        "it gives (6, 5)": Edit(".sum(-1)", ""),
        "it is not finite": Edit(".log_softmax(-1)", ".softmax(-1).log()"),
        "and it says": Edit(PICK, PICK + " + 0.1"),
    },
    "ex-8-planar": {
        "its absolute value is wanted": Edit(".abs().log()", ".log()"),
        "the slope of tanh is 1": Edit("1 - a.tanh() ** 2", "a.tanh()"),
        "the slope of tanh is missing": Edit("1 - a.tanh() ** 2", "torch.ones_like(a)"),
        "f(z) begins with z": Edit("(1 + u @ w * slope)", "(u @ w * slope)"),
        "its logarithm is wanted": Edit(".abs().log()", ".abs()"),
        "not of its inverse": Edit("(1 + u @ w * slope).abs().log()", "-(1 + u @ w * slope).abs().log()"),
        "by their inner product": Edit("1 + u @ w", "1 + w @ w"),
        "The moved z is not": Edit("z + u * a.tanh()", "z + w * a.tanh()"),
        "in place of (20, 3) and (20,)": Edit("(1 + u @ w * slope)", "(1 + u * w * slope[:, None])"),
        "and it says": Edit("a.tanh() ** 2", "a.tanh() ** 4"),
    },
    "ex-8-bug": {
        "makes the density smaller": Edit("- log_det", "+ log_det"),
        "the flow is not used": Edit(
            "vc.log_normal(z0, m, v) - log_det\n    return log_joint(z)",
            "vc.log_normal(z0, m, v)\n    return log_joint(z0)",
        ),
        "the volume has changed": Edit(" - log_det", ""),
        "that has not been moved": Edit("log_joint(z)", "log_joint(z0)"),
        "q is no longer N(m, v)": Edit("vc.log_normal(z0, m, v) - log_det", "vc.log_normal(z, m, v)"),
        "log q is missing": Edit("log_joint(z) - log_q", "log_joint(z)"),
        "For 4,000 rows": Edit("log_joint(z) - log_q", "(log_joint(z) - log_q).mean()"),
        "every bound is −1.70; it says": Edit("log_joint(z) - log_q", "log_joint(z) - log_q + 0.3"),
    },
}


def test_every_exercise_has_a_check():
    assert set(labels_of(CHAPTER)) == WRONG.keys()


@pytest.mark.parametrize("label", WRONG)
def test_check_tells_right_from_wrong(label):
    assert_tells(CHAPTER, label, WRONG[label])


def test_each_change_is_at_most_fifteen_lines():
    """Lines of code of each class, with its decorator: neither blank nor a comment."""
    lengths = {}
    for cell in cells_of(CHAPTER):
        for node in ast.parse(cell.source).body if cell.cell_type == "code" else ():
            if isinstance(node, ast.ClassDef) and node.decorator_list:
                start = node.decorator_list[0].lineno - 1
                lines = cell.source.splitlines()[start : node.end_lineno]
                lengths[node.name] = sum(bool(line.split("#")[0].strip()) for line in lines)
    pair = lengths.pop("ConvEncoder") + lengths.pop("ConvDecoder")
    assert pair <= 15 and lengths.keys() == {"VampPrior", "Couplings", "WithContext"}
    assert max(lengths.values()) <= 15
