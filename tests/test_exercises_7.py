"""The checks of chapter 7, against wrong answers that a student would give."""

import pytest
from exercises import Edit, assert_tells, labels_of

CHAPTER = "7_ssvae"
ADAPTED = "adapted = q * new / old\n    return adapted / adapted.sum(1, keepdim=True)"
RETURN = "return adapted / adapted.sum(1, keepdim=True)"
WEIGH = "return (q * flat.reshape(10, len(q)).T).sum(1).mean()"
TOTAL = "unlabelled + labelled_share * labelled + model.class_weight * cross_entropy"
WRONG = {
    "ex-7-price": {
        "The smaller number comes first": Edit("(0, math.log(10))", "(math.log(10), 0)"),
        "a divergence never is": Edit("(0, math.log(10))", "(math.log(0.1), 0)"),
        "It can be less than": Edit("(0, math.log(10))", "(1, math.log(10))"),
        "10 is the number of classes": Edit("math.log(10)", "10"),
        "is log 10 in bits": Edit("math.log(10)", "math.log2(10)"),
        "1 is the probability": Edit("math.log(10)", "1"),
        "Infinite it would be": Edit("math.log(10)", "math.inf"),
        "certain of one class into the sum": Edit("math.log(10)", "math.log(9)"),
        "if the classifier had no idea": Edit("'most', 0", "'least', 0"),
        "costs log 10 and gains nothing": Edit("'most', 0", "'most', math.log(10)"),
        "with this decoder, which uses y": Edit("'most', 0", "'most', 2.22"),
        "the softmax of ten equal numbers": Edit("'most', 0", "'most', 1"),
        'is "least" or "most"': Edit("'most', 0", "2.3, 0"),
    },
    "ex-7-mix": {
        "those of the first image add up to": Edit(RETURN, "return adapted"),
        "It is normalised over the images": Edit("sum(1, keepdim=True)", "sum(0)"),
        "All numbers together": Edit("sum(1, keepdim=True)", "sum()"),
        "The old mix is still in it": Edit("q * new / old", "q * new"),
        "the new one not in": Edit("q * new / old", "q / old"),
        "upside down": Edit("q * new / old", "q * old / new"),
        "and it changes nothing": Edit("q * new / old", "q * (new > 0)"),
        "That is the mix alone": Edit(ADAPTED, "return new.expand_as(q)"),
        "It adds. By": Edit("q * new / old", "q + new"),
        "It adds the change": Edit("q * new / old", "(q + new - old).clamp(min=0)"),
        "It multiplies by e": Edit("q * new / old", "q * (new - old).exp()"),
        "A softmax takes": Edit(RETURN, "return adapted.softmax(1)"),
        "Of six images it gives (10, 6)": Edit(RETURN, "return (adapted / adapted.sum(1, keepdim=True)).T"),
        "NaN or infinity": Edit(
            ADAPTED, "adapted = q * new / old\n    return 1 / (adapted[:, None] / adapted[..., None]).sum(2)"
        ),
        "and by Bayes' rule": Edit("q * new / old", "q * (new / old) ** 0.5"),
    },
    "ex-7-bug": {
        'is "a" or "b"': Edit("suspect = 'a'", "suspect = 'both'"),
        "(b) makes 10 rows of n": Edit("suspect = 'a'", "suspect = 'b'"),
        "Entry k of flat": Edit("flat.reshape(10, len(q)).T", "flat.reshape(len(q), 10)"),
        "It stops with RuntimeError": Edit(".T)", ")"),
        "q was turned twice": Edit("(q *", "(q.T.reshape(len(q), 10) *"),
        "It averages over the labels too": Edit(".sum(1).mean()", ".mean()"),
        "It sums over the images. Sum": Edit(".sum(1).mean()", ".sum()"),
        "the other way round": Edit(".sum(1).mean()", ".sum(0).mean()"),
        "The weights have gone": Edit(WEIGH, "return flat.mean()"),
        "Only the most probable": Edit(WEIGH, "return flat.reshape(10, len(q)).T[range(len(q)), q.argmax(1)].mean()"),
        "its best label": Edit(WEIGH, "return flat.reshape(10, len(q)).amin(0).mean()"),
        "The sign is wrong": Edit("return (q", "return -(q"),
        "It gives (6,)": Edit(".sum(1).mean()", ".sum(1)"),
        "and summed one by one": Edit("return (q", "return 0.5 * (q"),
    },
    "ex-7-loss": {
        "Both are still in it": Edit(
            "negative_elbo_bound(x_labelled, y_labelled)[0]\n    logits = model.cls(x_labelled)",
            "negative_elbo_bound(x_labelled)[0]\n    logits = model.cls(x_labelled).softmax(-1)",
        ),
        "is not told their labels": Edit("(x_labelled, y_labelled)", "(x_labelled)"),
        "cross_entropy takes logits": Edit("model.cls(x_labelled)", "model.cls(x_labelled).softmax(-1)"),
        "has its logarithm": Edit("cross_entropy(logits", "nll_loss(logits.softmax(-1)"),
        "no label reaches the classifier": Edit(" + model.class_weight * cross_entropy", ""),
        "no label reaches encoder": Edit(" + labelled_share * labelled", ""),
        "The images without labels have gone": Edit("unlabelled + labelled_share", "labelled_share"),
        "count as often as all the others": Edit("labelled_share * labelled", "labelled"),
        "multiply by it": Edit("labelled_share * labelled", "labelled / labelled_share"),
        "weighed by the share as well": Edit(
            TOTAL, "unlabelled + labelled_share * (labelled + model.class_weight * cross_entropy)"
        ),
        "is missing": Edit("model.class_weight * ", ""),
        "is summed over the labelled images": Edit("(logits, y_labelled)", "(logits, y_labelled, reduction='sum')"),
        "The cross-entropy has the wrong sign": Edit("+ model.class_weight", "- model.class_weight"),
        "not the bounds": Edit(TOTAL, "model.class_weight * (unlabelled + labelled_share * labelled) + cross_entropy"),
        "J is to fall.": Edit(
            "return unlabelled + labelled_share * labelled + model.class_weight * cross_entropy", f"return -({TOTAL})"
        ),
        "and J is": Edit("labelled_share * labelled", "labelled_share ** 2 * labelled"),
        "in place of one number": Edit("(logits, y_labelled)", "(logits, y_labelled, reduction='none')"),
    },
}


def test_every_exercise_has_a_check():
    assert set(labels_of(CHAPTER)) == WRONG.keys()


@pytest.mark.parametrize("label", WRONG)
def test_check_tells_right_from_wrong(label):
    assert_tells(CHAPTER, label, WRONG[label])
