"""The checks of chapter 3, against wrong answers that a student would give."""

import pytest
from exercises import Edit, assert_tells, labels_of, reply

CHAPTER = "3_vae"
WRONG = {
    "ex-3-samples": {
        "the KL is divided by the number of draws": Edit("model.kl(z, m, v)", "model.kl(z, m, v) / k"),
        "the KL is counted once for each draw": Edit("model.kl(z, m, v)", "k * model.kl(z, m, v)"),
        "the draws are added up, not averaged.": Edit(".mean(0)", ".sum(0)"),
        "and the KL with them": Edit("return ", "return k * "),
        "the KL is gone": Edit(" + model.kl(z, m, v)", ""),
        "the KL has the wrong sign": Edit("+ model.kl", "- model.kl"),
        "the images are added up": Edit("v)).mean()", "v)).sum()"),
        "it decodes the mean of the draws": Edit(
            "model.dec(z).reshape(k, *x.shape)", "model.dec(z.reshape(k, *m.shape).mean(0))[None]"
        ),
        "it averages the logits": Edit("(k, *x.shape)", "(k, *x.shape).mean(0, keepdim=True)"),
        "it averages the pixels' probabilities": Edit(
            "(k, *x.shape)", "(k, *x.shape).sigmoid().mean(0, keepdim=True).logit()"
        ),
        "the bound of chapter 6": "def nelbo_k(model, x, k): return model.negative_iwae_bound(x, k)[0]",
        "take it for a standard deviation": Edit("vc.duplicate(v, k)", "vc.duplicate(v, k)**2"),
        "nothing is drawn": Edit("vc.sample_gaussian(vc.duplicate(m, k), vc.duplicate(v, k))", "vc.duplicate(m, k)"),
        "Copies are rep-major": Edit("logits).mean(0)", "logits.reshape(-1, k, 784).transpose(0, 1)).mean(0)"),
        "does each draw have its own noise": Edit(
            "vc.sample_gaussian(vc.duplicate(m, k), vc.duplicate(v, k))", "vc.duplicate(vc.sample_gaussian(m, v), k)"
        ),
        "it is no more with k = 1": Edit("m, v = model.enc(x)", "k = 16; m, v = model.enc(x)"),
        "the shape (20,)": Edit("v)).mean()", "v))"),
        "that is another expectation": Edit("return ", "return 0.9 * "),
    },
    "ex-3-score": {
        "the baseline has the draw itself in it": Edit("(value.sum() - value) / (n - 1)", "value.mean()"),
        "For z² +10 its variance is 4": Edit("- of_the_others", ""),
        "it does not follow f": Edit("value - of_the_others", "value - 10 * (f(m) > 5)"),
        "the others are n − 1": Edit("(n - 1)", "n"),
        "the sign": Edit("z - m", "m - z"),
        "d log q / dm is": Edit(" / v", ""),
        "no root is taken": Edit("/ v", "/ v.sqrt()"),
        "divided by v twice": Edit("/ v", "/ v**2"),
        "have v for their standard deviation": Edit("v.expand(n)", "(v**2).expand(n)"),
        "with respect to v": Edit("(z - m) / v", "((z - m) ** 2 / v - 1) / (2 * v)"),
        "the score is gone": Edit(" * (z - m) / v", ""),
        "each estimate has the weight 1/n": Edit("return ", "return 1 / n * "),
        "four copies of one estimate": Edit(
            "return (value - of_the_others) * (z - m) / v",
            "return ((value - of_the_others) * (z - m) / v).mean().expand(n)",
        ),
        "Is the step differentiated": "def score_gradient(f, m, v, n): return torch.zeros(n)",
        "no finite numbers": Edit("(value - of_the_others)", "value / value.mean()"),
        "With n = 4 it is biased": Edit("(value.sum() - value) / (n - 1)", "value.median()"),
        "it gives the shape (4, 4)": Edit("(z - m)", "(z - m)[:, None]"),
    },
    "ex-3-bug": {
        "closer to m than the KL": Edit("vc.sample_gaussian(m, v)", "m + v * torch.randn_like(m)"),
        "rec and KL agree again": Edit("z = vc.sample_gaussian(m, v)", "v = v ** 2; z = vc.sample_gaussian(m, v)"),
        "not its root": Edit("kl_normal(m, v", "kl_normal(m, v.sqrt()"),
        "wants v as it is": Edit("kl_normal(m, v", "kl_normal(m, v**2"),
        "one root too many": Edit("gaussian(m, v)", "gaussian(m, v.sqrt())"),
        "not its logarithm": Edit("gaussian(m, v)", "gaussian(m, v.exp())"),
        "the KL is gone": Edit("(rec + kl)", "rec"),
        "the KL has the wrong sign": Edit("rec + kl", "rec - kl"),
        "the images are added up": Edit("(rec + kl).mean()", "(rec + kl).sum()"),
        "rec is to be a sum over pixels": Edit("model.dec(z))", "model.dec(z)) / 784"),
        "It gives 89.": Edit("(rec + kl).mean()", "model.negative_iwae_bound(x, 10)[0]"),
        "that of the ELBO": Edit("(rec + kl).mean()", "-(rec + kl).mean()"),
        "nothing is drawn": Edit("vc.sample_gaussian(m, v)", "m"),
        "times the noise": Edit("vc.sample_gaussian(m, v)", "m + v.sqrt() * torch.randn(10)"),
        "the shape (200,)": Edit("(rec + kl).mean()", "(rec + kl)"),
        "which single q": Edit("was_bound = False", "was_bound = True"),
        "True or False": Edit("was_bound = False", "was_bound = 'no'"),
    },
}
ALSO_RIGHT = {
    "ex-3-samples": [
        "def nelbo_k(model, x, k): return sum(model.negative_elbo_bound(x)[0] for _ in range(k)) / k",
        "def nelbo_k(model, x, k): return model.negative_elbo_bound(vc.duplicate(x, k))[0].item()",
    ],
    "ex-3-score": [
        "def score_gradient(f, m, v, n):\n"  # a baseline from draws of its own
        "    z, others = vc.sample_gaussian(m.expand(2, n), v.expand(2, n))\n"
        "    return (f(z) - f(others).mean()) * (z - m) / v",
    ],
    "ex-3-bug": [
        "was_bound = False\ndef proud_nelbo(model, x): return model.negative_elbo_bound(x)[0]",
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
