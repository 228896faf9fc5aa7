import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import traitlets

from .base import BookWidget

MOST_IMAGES = 20  # each is 784 bytes of its page
MOST_POINTS = 1000  # of a curve
MOST_MARKS = 6  # that a reader draws


class Predict(BookWidget, script="predict.js"):
    """Ask the reader to commit to a prediction, and only then uncover the answer, beside theirs.

    prompt: the question. This and every other text is plain, with formulas in Unicode (x̂, log p(x), β, z₁); what
    stands in `backticks` is set as code. The answer is one of three kinds:

    choices: two or more texts, one of which is chosen; as a dict, each has the reply that its reader gets. right: the
        choice that is right, if one is. values: a number for each choice, shown as bars.
    number: what is asked for, within between = (lowest, highest), which the reader sets on a slider or types. step: of
        the slider.
    curve: (x, y), arrays of one length. at: one or a few x at which the reader drags the curve's value to where it will
        be; without it, one point that is dragged both ways. between: lowest and highest y of the empty axes.

    replies: of a number, a dict from (lowest, highest) to what a reader is told whose number lies there; the first that
    holds it counts. told: what everyone is told then. unit: of the number, the values or y. log: the axes that are
    logarithmic, "x", "y" or "xy"; a number has an x-axis. With the answer come a figure of matplotlib, which needs
    figure_text, its picture in words, and is closed, so that the cell does not show it; and images, up to twenty
    digits (n, 784) or (n, 28, 28), ink from 0 to 1, with captions for each.

    `prediction` is what the reader has committed to, None before. It stays in the page: no link carries it. Raises
    ValueError or TraitError for anything else.
    """

    prompt = traitlets.Unicode().tag(sync=True)
    kind = traitlets.Enum(["choice", "number", "curve"]).tag(sync=True)
    choices = traitlets.List(traitlets.Unicode()).tag(sync=True)
    replies: traitlets.List = traitlets.List(help="a text for each choice; or [lowest, highest, text] of a number").tag(
        sync=True
    )
    truth: traitlets.List = traitlets.List(
        help="the index of the right choice or the number; empty where there is none"
    ).tag(sync=True)
    values = traitlets.List(traitlets.Float()).tag(sync=True)
    between = traitlets.List(traitlets.Float()).tag(sync=True)
    step = traitlets.Float(help="of the slider; 0: a hundredth or so").tag(sync=True)
    x = traitlets.List(traitlets.Float(), help="of the curve").tag(sync=True)
    y = traitlets.List(traitlets.Float()).tag(sync=True)
    at = traitlets.List(traitlets.Float()).tag(sync=True)
    labels = traitlets.List(traitlets.Unicode(), help="of the curve's axes").tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    log = traitlets.Enum(["", "x", "y", "xy"], "").tag(sync=True)
    told = traitlets.Unicode().tag(sync=True)
    figure = traitlets.Bytes(help="SVG").tag(sync=True)
    figure_text = traitlets.Unicode().tag(sync=True)
    images = traitlets.Bytes(help="a byte for each pixel").tag(sync=True)
    captions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    tolerance = traitlets.Float(
        None, allow_none=True, help="how far off a right number may be; None: it is a prediction"
    ).tag(sync=True)

    mark = traitlets.List(traitlets.Float(), help="the mark: an index, a number, or y; [] for none").tag(sync=True)
    given = traitlets.List(traitlets.List(traitlets.Float()), help="what was committed, in order").tag(sync=True)
    unshared = ("mark", "given")

    def __init__(
        self,
        prompt: str,
        *,
        choices: Mapping[str, str] | Sequence[str] = (),
        right: str | None = None,
        values: Sequence[float] = (),
        number: float | None = None,
        curve: tuple | None = None,
        between: tuple[float, float] | None = None,
        at: float | Sequence[float] = (),
        step: float = 0,
        replies: Mapping[tuple[float, float], str] | None = None,
        labels: tuple[str, str] = ("x", "y"),
        figure: Any = None,
        figure_text: str = "",
        images: Any = None,
        captions: Sequence[str] = (),
        name: str = "predict",
        **traits: Any,
    ):
        kinds = dict(choice=len(choices) > 0, number=number is not None, curve=curve is not None)
        if sum(kinds.values()) != 1:
            asked = ", ".join(kind for kind, given in kinds.items() if given) or "none"
            raise ValueError(f"wanted one of choices, number and curve; given {asked}")
        kind = next(kind for kind, given in kinds.items() if given)
        _text("prompt", prompt)
        for what, given, of in (
            ("right", right is not None, "choice"),
            ("values", len(values) > 0, "choice"),
            ("replies", bool(replies), "number"),
            ("step", step != 0, "number"),
            ("at", np.size(at) > 0, "curve"),
        ):
            if given and kind != of:
                raise ValueError(f"{what} goes with a {of}; given a {kind}")
        if kind == "choice":
            if between is not None:
                raise ValueError("between goes with a number or a curve; given choices")
            traits |= _choices(choices, right, values)
        else:
            traits["between"] = _between(between, traits.get("log", ""), "x" if kind == "number" else "y")
        if kind == "number":
            traits |= _number(number, traits["between"], step, replies or {})
        if kind == "curve":
            traits |= _curve(curve, at, labels, "x" in traits.get("log", ""))
        if (figure is None) != (not figure_text.strip()):
            raise ValueError(
                f"a figure needs figure_text, what it shows in words; given figure={figure!r}, "
                f"figure_text={figure_text!r}"
            )
        if figure is not None:
            traits |= dict(figure=_svg(figure), figure_text=figure_text)
        if images is not None:
            traits |= _images(images, captions)
        super().__init__(name=name, limits={}, prompt=prompt, kind=kind, **traits)

    @traitlets.validate("mark")
    def _valid_mark(self, proposal: traitlets.Bunch) -> list[float]:
        return self._checked(proposal["value"]) if proposal["value"] else []

    @traitlets.validate("given")
    def _valid_given(self, proposal: traitlets.Bunch) -> list[list[float]]:
        return [self._checked(mark) for mark in proposal["value"]]

    def _checked(self, mark: list[float]) -> list[float]:
        low, high = [0, len(self.choices) - 1] if self.kind == "choice" else self.between
        size = {"choice": 1, "number": 1, "curve": len(self.at) or 2}[self.kind]
        y = mark if self.at or self.kind != "curve" else mark[1:]
        if len(mark) != size or not all(low <= value <= high for value in y):
            raise traitlets.TraitError(f"wanted {size} numbers from {low:g} to {high:g}; given {mark}")
        return mark

    @property
    def prediction(self) -> str | float | tuple[float, ...] | None:
        """What the reader has committed to last: the choice, the number, the y of each `at`, or (x, y); or None."""
        if not self.given:
            return None
        answer = self.given[-1]
        if self.kind == "choice":
            return self.choices[int(answer[0])]
        return answer[0] if len(answer) == 1 else tuple(answer)


class Try(Predict):
    """An exercise to be tried in the page: a wrong answer gets its reason, and may be followed by another.

    With choices, such as lines of code in backticks, a dict of choice and reply, of which one is `right`; or with a
    number, which is right within `tolerance`. The rest is as in Predict, and uncovered when the answer is right.
    `prediction` is the answer that was checked last.
    """

    def __init__(self, prompt: str, *, tolerance: float | None = None, name: str = "try", **rest: Any):
        if "curve" in rest:
            raise ValueError("Try wants choices or a number; given a curve")
        choices = rest.get("choices", ())
        if (tolerance is None) != bool(choices) or (tolerance is not None and not tolerance >= 0):
            raise ValueError(f"a number needs its tolerance, 0 or more, and choices have none; given {tolerance}")
        if choices:
            _reasons(choices, rest.get("right"))
        super().__init__(prompt, name=name, tolerance=tolerance or 0.0, **rest)


class Quiz(BookWidget, script="predict.js"):
    """A few questions at the end of a chapter, one after the other, and then how many are right and what to read again.

    Each question is a dict: its `prompt`; its `choices`, a dict of choice and reply, its reason; the one that is
    `right`; and the `section` that has the answer, a heading of the page, to which a reader is sent who missed it.
    Texts are as in Predict.

    `score` is how many have been answered rightly. Answers stay in the page: no link carries them. Raises ValueError,
    TypeError or TraitError for anything else.
    """

    questions = traitlets.List(traitlets.Dict()).tag(sync=True)
    at = traitlets.Int(help="the question that is shown").tag(sync=True)
    marks = traitlets.List(traitlets.Int(), help="of each question the choice that is marked, or -1").tag(sync=True)
    given = traitlets.List(traitlets.Int(), help="of each question the answer, or -1").tag(sync=True)
    unshared = ("at", "marks", "given")

    def __init__(self, *questions: Mapping, name: str = "quiz"):
        if not questions:
            raise ValueError("a quiz wants questions; given none")
        self._asked = [_question(**question) for question in questions]
        none = [-1] * len(questions)
        super().__init__(name=name, limits={}, questions=self._asked, marks=none, given=none)

    @traitlets.validate("at")
    def _valid_at(self, proposal: traitlets.Bunch) -> int:
        if not 0 <= proposal["value"] < len(self._asked):
            raise traitlets.TraitError(f"wanted one of {len(self._asked)} questions; given {proposal['value']}")
        return proposal["value"]

    @traitlets.validate("marks", "given")
    def _valid_choices(self, proposal: traitlets.Bunch) -> list[int]:
        sizes, chosen = [len(question["choices"]) for question in self._asked], proposal["value"]
        if len(chosen) != len(sizes) or not all(-1 <= i < n for i, n in zip(chosen, sizes, strict=True)):
            raise traitlets.TraitError(f"wanted a choice, or -1, for each of questions with {sizes}; given {chosen}")
        return chosen

    @property
    def score(self) -> int:
        """How many of the questions have been answered rightly."""
        return sum([i] == question["truth"] for i, question in zip(self.given, self.questions, strict=True))


def _question(*, prompt: str, choices: Mapping[str, str], right: str, section: str) -> dict[str, Any]:
    for what, given in (("prompt", prompt), ("section", section)):
        _text(what, given)
    _reasons(choices, right)
    return dict(prompt=prompt, section=section, **_choices(choices, right, ()))


def _reasons(choices: Any, right: str | None) -> None:
    if right is None:
        raise ValueError("wanted the choice that is right; given right=None")
    if not isinstance(choices, Mapping) or not all(map(str.strip, choices.values())):
        raise ValueError(f"wanted a dict with a reply to each choice, its reason; given {choices}")


def _text(what: str, given: object) -> None:
    if not isinstance(given, str) or not given.strip():
        raise ValueError(f"{what} must be a text that is not empty; given {given!r}")


def _choices(choices: Mapping[str, str] | Sequence[str], right: str | None, values: Sequence[float]) -> dict[str, Any]:
    texts = [choices] if isinstance(choices, str) else list(choices)
    for text in texts:
        _text("a choice", text)
    if len(set(texts)) != len(texts) or len(texts) < 2:
        raise ValueError(f"wanted two or more choices, no two alike; given {texts}")
    if right is not None and right not in texts:
        raise ValueError(f"right must be one of {texts}; given {right!r}")
    values = [float(value) for value in values]
    if values and (len(values) != len(texts) or not np.isfinite(values).all()):
        raise ValueError(f"wanted a finite value for each of {len(texts)} choices; given {values}")
    replies = list(choices.values()) if isinstance(choices, Mapping) else []
    if not all(isinstance(reply, str) for reply in replies):
        raise ValueError(f"a reply must be a text; given {replies}")
    return dict(choices=texts, replies=replies, values=values, truth=[] if right is None else [texts.index(right)])


def _between(between: tuple[float, float] | None, log: str, axis: str) -> list[float]:
    low, high = map(float, between) if between is not None and len(between) == 2 else (np.nan, np.nan)
    if not -np.inf < low < high < np.inf or (axis in log and low <= 0):
        wanted = "(lowest, highest), two finite numbers that rise" + (", above 0" if axis in log else "")
        raise ValueError(f"between must be {wanted}; given {between}")
    return [low, high]


def _number(
    number: Any, between: list[float], step: float, replies: Mapping[tuple[float, float], str]
) -> dict[str, Any]:
    low, high = between
    if not low <= float(number) <= high:
        raise ValueError(f"number must lie between {low:g} and {high:g}; given {number}")
    if not 0 <= step <= high - low:
        raise ValueError(f"step must be from 0 to {high - low:g}; given {step}")
    for part, reply in replies.items():
        if not isinstance(part, tuple) or len(part) != 2 or not part[0] <= part[1]:
            raise ValueError(f"replies wants (lowest, highest) for each text; given {part!r}")
        _text("a reply", reply)
    # JSON has no infinity.
    rows = [[*(None if np.isinf(end) else float(end) for end in part), reply] for part, reply in replies.items()]
    return dict(truth=[float(number)], step=float(step), replies=rows)


def _curve(curve: Any, at: float | Sequence[float], labels: tuple[str, str], log: bool) -> dict[str, Any]:
    x, y = (np.asarray(part, float) for part in curve)
    fits = x.ndim == 1 and x.shape == y.shape and 2 <= len(x) <= MOST_POINTS
    if not fits or not np.isfinite([x, y]).all():
        raise ValueError(
            f"a curve is x and y, finite, of one shape (n,) with n from 2 to {MOST_POINTS}; "
            f"given {x.shape} and {y.shape}"
        )
    if not (np.diff(x) > 0).all() or (log and x[0] <= 0):
        raise ValueError(f"x must rise{', from above 0' if log else ''}; given {x[0]:g} to {x[-1]:g}")
    marks = np.atleast_1d(np.asarray(at, float)).tolist()
    if len(marks) > MOST_MARKS or not all(x[0] <= mark <= x[-1] for mark in marks) or not (np.diff(marks) > 0).all():
        raise ValueError(
            f"at must be up to {MOST_MARKS} values of x that rise, from {x[0]:g} to {x[-1]:g}; given {marks}"
        )
    return dict(x=x.tolist(), y=y.tolist(), at=marks, labels=list(labels))


def _images(images: Any, captions: Sequence[str]) -> dict[str, Any]:
    images = torch.as_tensor(images).detach().cpu().float()
    if images.ndim not in (2, 3) or images[0:1].numel() != 784 or not 1 <= len(images) <= MOST_IMAGES:
        raise ValueError(
            f"images must be 1 to {MOST_IMAGES} digits (n, 784) or (n, 28, 28); given {tuple(images.shape)}"
        )
    if not ((images >= 0) & (images <= 1)).all():
        raise ValueError(f"images must be ink from 0 to 1; given {images.min():g} to {images.max():g}")
    if len(captions) != len(images):
        raise ValueError(f"wanted a caption for each of {len(images)} images; given {len(captions)}")
    return dict(images=(images * 255).round().byte().numpy().tobytes(), captions=list(captions))


def _svg(figure: Any) -> bytes:
    """A figure as SVG, the same bytes each time; it is closed, or the notebook would show it under the question."""
    if not hasattr(figure, "savefig"):
        raise ValueError(f"figure must be one of matplotlib; given {type(figure).__name__}")
    import matplotlib.pyplot as plt  # whoever has a figure has loaded it

    file = io.BytesIO()
    with plt.rc_context({"svg.hashsalt": "vae-book"}):
        figure.savefig(file, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return file.getvalue()
