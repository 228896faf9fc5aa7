"""A reader commits to an answer before the true one is uncovered: as a prediction, and as an exercise."""

import json
import math
import re
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import traitlets
from bs4 import BeautifulSoup
from docutils import nodes
from docutils.utils import new_document
from offline import mark_widgets
from playwright.sync_api import expect
from widget_pages import drag, ink, press

from vae_widgets import Predict, Quiz, Try

REASONS = {"larger": "A larger β costs rate.", "smaller": "`beta` weighs the KL.", "the same": "It was trained anew."}
X = np.array([1, 10, 100, 1000.0])
Y = np.array([-300, -200.5, -150, -120.0])


def choice(**more):
    return Predict(
        "Is the KL with β = 4 larger?",
        choices=REASONS,
        right="smaller",
        values=[30, 7.25, 20],
        unit="nats",
        told="The code is shorter.",
        **more,
    )


def number(**more):
    return Predict(
        "How far is it?",
        number=205.8,
        between=(0, 500),
        unit="nats",
        told="It was never trained on this.",
        replies={(0, 100): "Further.", (100, 300): "Near."},
        **more,
    )


def curve(at=(10, 100), **more):
    return Predict(
        "How high is the bound?",
        curve=(X, Y),
        at=at,
        between=(-400, 0),
        log="x",
        unit="nats",
        labels=("samples", "bound"),
        told="It rises.",
        **more,
    )


def line_of_code():
    lines = {
        "`m + v * e`": "`v` is a variance.",
        "`m + v.sqrt() * e`": "√v is the standard deviation.",
        "`e`": "Where is m?",
    }
    return Try("Which line draws z?", choices=lines, right="`m + v.sqrt() * e`", told="It is reparameterised.")


SUM = dict(
    prompt="Which line adds up?",
    choices={"`x.sum()`": "It adds.", "`x.mean()`": "It divides, too."},
    right="`x.sum()`",
    section="Sums of logs",
)
KL = dict(
    prompt="How small is a KL?",
    choices={"above −1": "Higher.", "at least 0": "By Jensen.", "any": "No."},
    right="at least 0",
    section="A bound?",
)


def quiz():
    return Quiz(SUM, KL, {**KL, "prompt": "And how small may it be?"})


def commit(page):
    press(page.get_by_role("button", name=re.compile("Commit|Check")), "Enter")


def reply(page):
    return page.locator(".vw-predict-reply")


def everything(page):
    """All that a page says, to the eye and to the ear."""
    names = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    said = [node.get(part, {}).get("value", "") for node in names for part in ("name", "value", "description")]
    return page.locator("body").inner_text() + " ".join(map(str, said))


# --- in the page ---


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_choice_by_keys(show_widgets, theme):
    page, trouble = show_widgets([choice()], theme=theme)
    for hidden in ("7.25", "costs rate", "weighs", "shorter", "it is this"):
        assert hidden not in everything(page)
    group = page.get_by_role("group", name="Is the KL with β = 4 larger?", exact=True)
    press(group.get_by_role("radio", name="larger"), "Space", "ArrowDown")
    press(group.get_by_role("radio", name="smaller"), "ArrowUp")
    assert "costs rate" not in everything(page)
    commit(page)
    expect(reply(page)).to_have_text("You said “larger”; it is “smaller”. A larger β costs rate. The code is shorter.")
    expect(page.locator("p[aria-live]")).to_have_text(reply(page).text_content())
    shown = page.locator(".vw-predict-option").evaluate_all("(all) => all.map((e) => e.innerText.split(/\\s*\\n\\s*/))")
    assert shown == [
        ["larger", "you said", "30 nats"],
        ["smaller", "✓ it is this", "7.25 nats"],
        ["the same", "20 nats"],
    ]
    widths = page.locator(".vw-predict-bar > span > span").evaluate_all("(all) => all.map((e) => e.offsetWidth)")
    assert widths[1] / widths[0] == pytest.approx(7.25 / 30, abs=0.01)
    assert page.get_by_role("radio").evaluate_all("(all) => all.every((e) => e.disabled)")  # it stands
    assert page.evaluate("document.activeElement.textContent") == "Committed"
    assert trouble == []


def test_the_right_choice_is_told_so_and_reset_takes_it_back(show_widgets):
    page, trouble = show_widgets([choice()])
    press(page.get_by_role("radio", name="smaller"), "Space")
    commit(page)
    expect(reply(page)).to_have_text("You said “smaller”, and so it is. beta weighs the KL. The code is shorter.")
    assert reply(page).locator("code").text_content() == "beta"
    press(page.get_by_role("button", name="Reset"), "Enter")
    expect(page.locator("p[aria-live]")).to_have_text("Predict: not answered yet.")
    assert page.get_by_role("radio", checked=True).count() == 0
    assert "shorter" not in everything(page) and "7.25" not in everything(page)
    assert trouble == []


def test_a_choice_of_which_none_is_right(show_widgets):
    page, trouble = show_widgets([Predict("What do you expect?", choices=["rain", "sun"], told="It snowed.")])
    press(page.get_by_role("radio", name="sun"), "Space")
    commit(page)
    expect(reply(page)).to_have_text("You said “sun”. It snowed.")
    assert trouble == []


def test_nothing_is_committed_before_it_is_answered(show_widgets):
    page, trouble = show_widgets([number()])
    commit(page)
    expect(page.locator(".vw-status")).to_have_text("Give a number from 0 to 500 first.")
    assert not reply(page).is_visible() and "205.8" not in everything(page)
    page.get_by_role("spinbutton").fill("501")
    commit(page)
    assert not reply(page).is_visible()
    assert trouble == []


def test_a_number_is_typed(show_widgets):
    page, trouble = show_widgets([number()])
    field = page.get_by_role("spinbutton", name="Your number, from 0 to 500 nats")
    field.press_sequentially("40")
    expect(page.get_by_role("slider")).to_have_value("8")  # 40 of 500, in steps of 5
    expect(page.locator("p[aria-live]")).to_have_text("Marked: 40 nats.")
    assert "205.8" not in everything(page) and "never trained" not in everything(page)
    field.press("Enter")
    expect(reply(page)).to_have_text("You said 40; it is 205.8 nats. Further. It was never trained on this.")
    line = page.get_by_role("img", name="your mark at 40 nats, the answer at 205.8 nats")
    left = [line.locator(f".{flag}").bounding_box()["x"] for flag in ("yours", "real")]
    box = line.bounding_box()
    assert [(x + 1 - box["x"]) / box["width"] for x in left] == pytest.approx([0.08, 0.4116], abs=0.005)
    assert field.is_disabled()
    assert trouble == []


def test_a_number_on_a_slider_of_powers(show_widgets):
    widget = Predict("How many samples?", number=31_000, between=(1, 1e6), log="x", unit="samples")
    page, trouble = show_widgets([widget])
    slider = page.get_by_role("slider", name="Your number, on a slider")
    assert slider.get_attribute("aria-valuetext") == "not answered"
    press(slider, "ArrowRight", "ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "1,000 samples"
    commit(page)
    expect(reply(page)).to_have_text("You said 1,000; it is 31,000 samples.")
    at = page.locator(".vw-predict-flag.real").evaluate("(flag) => +flag.style.getPropertyValue('--at')")
    assert at == pytest.approx(math.log10(31_000) / 6, abs=1e-6)
    assert trouble == []


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "finger"])
def test_a_curve_is_marked_by_dragging(show_widgets, touch):
    page, trouble = show_widgets([curve()], width=360 if touch else 1280, touch=touch)
    assert "200.5" not in everything(page) and page.locator(".vw-predict-curve").get_attribute("d") == ""
    sliders = page.get_by_role("slider")
    box = page.locator(".vw-predict-handle").nth(1).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    scale = page.locator(".vw-predict-plot svg").bounding_box()["width"] / 440
    drag(page, [(x, y), (x, y - 57.5 * scale)], touch)  # a quarter of the axis, which is 230 high
    said = sliders.evaluate_all("(all) => all.map((e) => e.getAttribute('aria-valuetext'))")
    assert said == ["−200 nats", "−100 nats"]
    commit(page)
    expect(reply(page)).to_have_text("At 10 and 100 you said −200 and −100; it is −200.5 and −150 nats. It rises.")
    assert page.locator(".vw-predict-curve").get_attribute("d").count("L") == 3
    words = "your mark: −200 at 10, −100 at 100; the curve goes from −300 to −120"
    expect(page.get_by_role("img", name=words)).to_be_visible()
    drag(page, [(x, y - 57.5 * scale), (x, y)], touch)  # it stands
    assert sliders.nth(1).get_attribute("aria-valuetext") == "−100 nats"
    assert trouble == []


def test_a_curve_is_marked_by_keys(show_widgets):
    page, trouble = show_widgets([curve(at=30)])
    press(page.get_by_role("slider", name="Your bound at 30"), "Home")
    commit(page)
    between = -200.5 + math.log10(3) * 50.5  # along a straight line of the picture, whose x are powers
    expect(reply(page)).to_have_text(f"At 30 you said −400; it is {between:.1f} nats. It rises.".replace("-", "−"))
    assert trouble == []


def test_a_point_anywhere(show_widgets):
    x = np.linspace(-3, 3, 61)
    widget = Predict("Where?", curve=(x, np.exp(-(x**2))), between=(0, 1.5), labels=("z", "density"))
    page, trouble = show_widgets([widget])
    press(page.get_by_role("slider", name="Your point: z"), "Home")
    press(page.get_by_role("slider", name="Your point: density"), "End")
    commit(page)
    expect(reply(page)).to_have_text("At −3 you said 1.5; it is 0.0001234.")
    assert trouble == []


def test_pictures_come_with_the_answer(show_widgets):
    figure, ax = plt.subplots(figsize=(3, 2))
    ax.plot([1, 2], [3, 4])
    images = torch.rand(2, 28, 28, generator=torch.Generator().manual_seed(0))
    widget = number(figure=figure, figure_text="A line that rises.", images=images, captions=["before", "after"])
    assert not plt.fignum_exists(figure.number)  # the notebook would show it under the question
    page, trouble = show_widgets([widget])
    assert page.locator(".vw :is(canvas, img)").count() == 0
    page.get_by_role("spinbutton").fill("206")
    commit(page)
    drawn = page.get_by_role("img", name="A line that rises.")
    assert drawn.evaluate("(img) => img.decode().then(() => img.naturalWidth)") > 200
    assert np.abs(ink(page, "canvas[aria-label=after]") - images[1].flatten().numpy()).max() <= 1 / 255
    assert page.locator("figcaption").all_text_contents() == ["before", "after"]
    assert trouble == []


def test_a_line_of_code_until_it_is_right(show_widgets):
    page, trouble = show_widgets([line_of_code()])
    assert page.get_by_role("radio").count() == page.locator(".vw-predict-option code").count() == 3
    press(page.get_by_role("radio", name="m + v * e"), "Space")
    commit(page)
    expect(reply(page)).to_have_text("No. v is a variance.")
    expect(page.locator("p[aria-live]")).to_have_text("No. v is a variance.")
    assert page.locator(".vw-predict-said").all_text_contents() == ["✗ no", "", ""]
    assert "standard deviation" not in everything(page) and "reparameterised" not in everything(page)
    press(page.get_by_role("radio", name="e", exact=True), "Space")
    commit(page)
    expect(reply(page)).to_have_text("No. Where is m?")
    press(page.get_by_role("radio", name="m + v.sqrt() * e"), "Space")
    commit(page)
    expect(reply(page)).to_have_text("Yes. √v is the standard deviation. It is reparameterised.")
    assert page.locator(".vw-predict-said").all_text_contents() == ["✗ no", "✓ right", "✗ no"]
    assert page.get_by_role("radio").evaluate_all("(all) => all.every((e) => e.disabled)")
    assert trouble == []


def test_a_number_until_it_is_near_enough(show_widgets):
    widget = Try(
        "KL(q‖p)?", number=0.5, tolerance=0.01, between=(0, 2), unit="nats", replies={(0.99, 1.01): "Halve it."}
    )
    page, trouble = show_widgets([widget])
    field = page.get_by_role("spinbutton")
    for typed, said in [
        ("1", "No. Halve it."),
        ("0.2", "No. 0.2 nats is too low."),
        ("0.52", "No. 0.52 nats is too high."),
    ]:
        field.fill(typed)
        field.press("Enter")
        expect(reply(page)).to_have_text(said)
        assert not page.locator(".vw-predict-flag.real").is_visible()
    field.fill("0.505")
    field.press("Enter")
    expect(reply(page)).to_have_text("Yes.")
    expect(page.locator(".vw-predict-flag.real")).to_have_text("answer: 0.5")
    assert trouble == []


def test_no_link_uncovers_the_answer(show_widgets):
    page, trouble = show_widgets([number()], query="?predict.given=40&predict.mark=40#predict")
    assert page.get_by_role("button", name="Copy link").count() == 0
    assert not reply(page).is_visible() and page.get_by_role("spinbutton").input_value() == ""
    address = page.url
    page.get_by_role("spinbutton").fill("41")
    commit(page)
    page.wait_for_timeout(400)  # by when a page has remembered its widgets
    assert page.url == address and "given" not in page.evaluate("JSON.stringify(history.state)")
    assert trouble == []


# Where frames come late a key is not lost, either.
LATE_FRAMES = "const frame = requestAnimationFrame; requestAnimationFrame = (f) => setTimeout(() => frame(f), 100);"


def test_a_quiz_by_keys(show_widgets):
    page, trouble = show_widgets([quiz()], before=LATE_FRAMES)
    headings = "<h2 id=sums-of-logs>Sums of logs</h2><h2 id=A-bound?>A bound?</h2>"  # as the book has it, and Jupyter
    page.evaluate("(html) => document.body.insertAdjacentHTML('beforeend', html)", headings)
    widget, main = page.get_by_role("group", name="Quiz"), page.locator(".vw-foot .primary")
    heard = page.locator("p[aria-live]")
    expect(heard).to_have_text("Question 1 of 3: not answered yet.")
    assert "How small" not in everything(page) and "divides" not in everything(page)
    press(main, "Enter")
    expect(page.locator(".vw-status")).to_have_text("Choose one first.")
    group = widget.get_by_role("group", name="Which line adds up?")
    press(group.get_by_role("radio", name="x.mean()"), "Space")
    assert "divides" not in everything(page)
    press(main, "Enter")
    expect(heard).to_have_text("No. It divides, too. It is x.sum(). It adds.")
    expect(page.locator(".vw-predict-reply:visible")).to_have_text(heard.text_content())
    assert page.locator(".vw-predict-said").all_text_contents()[:2] == ["✓ it is this", "you said"]
    page.keyboard.press("Enter")  # the same button goes on, to the first choice of the next
    expect(widget.get_by_role("radio", name="above −1")).to_be_focused()
    page.keyboard.press("ArrowDown")
    press(main, "Enter")
    expect(heard).to_have_text("Right. By Jensen.")
    assert "of 3." not in everything(page)
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    press(main, "Enter")
    expect(page.locator(".vw-quiz-result")).to_have_text("1 of 3. Read again: Sums of logs · A bound?")
    expect(heard).to_have_text(re.compile("^No. Higher. .* 1 of 3. Read again: Sums of logs · A bound\\?$"))
    links = page.locator(".vw-quiz-result a")
    assert links.evaluate_all("(all) => all.map((a) => a.getAttribute('href'))") == ["#sums-of-logs", "#A-bound?"]
    said = page.locator(".vw-quiz-steps button").evaluate_all("(all) => all.map((e) => e.ariaLabel + e.textContent)")
    assert said == ["Question 1: not right1 ✗", "Question 2: right2 ✓", "Question 3: not right3 ✗"]
    press(page.get_by_role("button", name="Question 1"), "Enter")
    expect(page.locator(".vw-predict-prompt:visible")).to_have_text("Which line adds up?")
    assert "given" not in page.evaluate("JSON.stringify([history.state, location.href])")
    press(page.get_by_role("button", name="Reset"), "Enter")
    expect(heard).to_have_text("Question 1 of 3: not answered yet.")
    assert "divides" not in everything(page) and "of 3." not in everything(page)
    assert trouble == []


@pytest.mark.parametrize("make", [choice, number, curve, line_of_code, quiz])
def test_on_paper_there_are_boxes_and_no_answer(show_widgets, make):
    page, trouble = show_widgets([make()])
    page.emulate_media(media="print")
    assert not page.get_by_role("button").first.is_visible()
    boxes = page.locator("input:is([type=radio], [type=number])").all()  # also those that no role is given to, unseen
    assert len(boxes) == len(page.get_by_role("radio").all() + page.get_by_role("spinbutton").all())
    for box in boxes:
        assert box.is_visible() and box.evaluate("(e) => getComputedStyle(e).appearance") == "none"
    words = page.locator(".vw").inner_text()
    assert not reply(page).first.is_visible()
    for prompt in page.locator(".vw-predict-prompt").all():
        assert prompt.inner_text() in words
    assert not page.get_by_role("slider").first.is_visible() and not page.locator("circle").first.is_visible()
    assert trouble == []


def test_two_questions_on_a_page_are_two(show_widgets):
    page, trouble = show_widgets([choice(), choice(name="again")])
    for place in page.locator(".vw").all():
        press(place.get_by_role("radio", name="larger"), "Space")
    assert page.get_by_role("radio", name="larger", checked=True).count() == 2
    assert trouble == []


def test_without_scripts_the_question_is_there():
    """As the book is built: the place of the widget has the prompt and the choices, and not the answer."""
    widgets = dict(a1=line_of_code(), b2=number(), d4=quiz())
    state = {name: {"state": widget.get_state()} for name, widget in widgets.items()}
    state["c3"] = {"state": {}}
    body = json.dumps({"state": state}, default=str)
    files = {"ipywidgets_state": (None, {"type": "application/vnd.jupyter.widget-state+json", "body": body})}
    app = SimpleNamespace(env=SimpleNamespace(nb_metadata={"page": {"js_files": files}}))
    page = new_document("page")
    kind = "application/vnd.jupyter.widget-view+json"
    page += [nodes.raw("", f'<script type="{kind}">{{"model_id": "{name}"}}</script>', format="html") for name in state]
    mark_widgets(app, page, "page")
    code, typed, several, other = (BeautifulSoup(place.astext(), "html.parser") for place in page.children[1::2])
    assert code.p.get_text() == "Which line draws z?" and code.find(class_="question")
    assert str(code.li) == "<li><code>m + v * e</code></li>" and len(code.find_all("li")) == 3
    assert typed.p.get_text() == "How far is it?" and not typed.find("li")
    assert [len(part.find_all("li")) for part in several.find_all("ul")] == [2, 3, 3]
    assert several.find(class_="question")
    assert not re.search("divide|Jensen", several.get_text())
    assert other.find("noscript").get_text() == "An interactive figure: it needs JavaScript."
    assert not re.search("205|trained|variance|reparam", code.get_text() + typed.get_text())
    assert len(page) == 8


# --- in Python ---


def test_the_prediction_is_read_in_the_reader_s_words():
    for widget, given, wanted in [
        (choice(), [2], "the same"),
        (number(), [40], 40.0),
        (curve(at=30), [-7], -7.0),
        (curve(), [-7, -8], (-7.0, -8.0)),
        (curve(at=()), [3, -8], (3.0, -8.0)),
    ]:
        assert widget.prediction is None
        widget.given = [given]
        assert widget.prediction == wanted
    tried = line_of_code()
    tried.given = [[0], [1]]
    assert tried.prediction == "`m + v.sqrt() * e`"


def test_a_quiz_keeps_the_score():
    widget = quiz()
    assert widget.score == 0
    widget.given = [0, 2, -1]
    assert widget.score == 1
    widget.given = [0, 1, 1]
    assert widget.score == 3


@pytest.mark.parametrize(
    ("trait", "value"), [("at", 3), ("at", -1), ("given", [0, 0]), ("given", [2, 0, 0]), ("marks", [0, 0, -2])]
)
def test_a_quiz_refuses_what_it_has_not(trait, value):
    with pytest.raises(traitlets.TraitError, match=r"wanted .* questions"):
        setattr(quiz(), trait, value)


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ([], "wants questions; given none"),
        ([{**SUM, "prompt": ""}], "prompt must be a text"),
        ([{**SUM, "section": " "}], "section must be a text"),
        ([{**SUM, "right": "x"}], "right must be one of"),
        ([{**SUM, "right": None}], "wanted the choice that is right"),
        ([{**SUM, "choices": {**SUM["choices"], "0": ""}}], "a dict with a reply to each choice"),
    ],
)
def test_bad_quizzes_are_refused(questions, message):
    with pytest.raises(ValueError, match=message):
        Quiz(*questions)


def test_an_answer_that_cannot_be_given_is_refused():
    for widget, answer, message in [
        (choice(), [3], "from 0 to 2; given"),
        (number(), [501], "1 numbers from 0 to 500"),
        (number(), [1, 2], "given"),
        (curve(), [1], "2 numbers from -400 to 0"),
        (number(), [math.nan], "given"),
    ]:
        with pytest.raises(traitlets.TraitError, match=message):
            widget.mark = answer
        with pytest.raises(traitlets.TraitError, match=message):
            widget.given = [answer]


def test_a_figure_is_the_same_each_time():
    made = []
    for _ in range(2):
        figure, ax = plt.subplots()
        ax.plot([1, 2], [3, 4])
        made.append(number(figure=figure, figure_text="A line.").figure)
    assert made[0] == made[1] and b"<svg" in made[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(), "one of choices, number and curve; given none"),
        (dict(choices=["a", "b"], number=1), "given choice, number"),
        (dict(choices=["a"]), "two or more choices, no two alike; given"),
        (dict(choices="yes"), "two or more choices"),
        (dict(choices=["a", "a"]), "no two alike"),
        (dict(choices=["a", ""]), "a choice must be a text that is not empty; given ''"),
        (dict(choices=["a", 2]), "a choice must be a text that is not empty; given 2"),
        (dict(choices={"a": "x", "b": None}), "a reply must be a text"),
        (dict(choices=["a", "b"], right="c"), r"right must be one of \['a', 'b'\]; given 'c'"),
        (dict(choices=["a", "b"], values=[1]), "a finite value for each of 2 choices; given"),
        (dict(choices=["a", "b"], values=[1, math.nan]), "a finite value for each"),
        (dict(choices=["a", "b"], between=(0, 1)), "between goes with a number or a curve"),
        (dict(choices=["a", "b"], at=1), "at goes with a curve; given a choice"),
        (dict(number=1), r"between must be \(lowest, highest\).*; given None"),
        (dict(number=1, between=(2, 1)), "two finite numbers that rise; given"),
        (dict(number=1, between=(0, 10), log="x"), "above 0; given"),
        (dict(number=11, between=(0, 10)), "number must lie between 0 and 10; given 11"),
        (dict(number=math.nan, between=(0, 10)), "number must lie between"),
        (dict(number=1, between=(0, 10), step=-1), "step must be from 0 to 10; given -1"),
        (dict(number=1, between=(0, 10), replies={3: "x"}), r"\(lowest, highest\) for each text; given 3"),
        (dict(number=1, between=(0, 10), replies={(0, 1): ""}), "a reply must be a text"),
        (dict(number=1, between=(0, 10), right="a"), "right goes with a choice; given a number"),
        (dict(curve=(X, Y[1:]), between=(0, 1)), r"of one shape \(n,\).*given \(4,\) and \(3,\)"),
        (dict(curve=(X[::-1], Y), between=(0, 1)), "x must rise; given 1000 to 1"),
        (dict(curve=(X - 1, Y), between=(0, 1), log="x"), "x must rise, from above 0; given 0"),
        (
            dict(curve=(X, Y), between=(0, 1), at=2000),
            r"at must be up to 6 values of x that rise, from 1 to 1000; given",
        ),
        (dict(number=1, between=(0, 10), figure="x", figure_text="a"), "figure must be one of matplotlib; given str"),
        (dict(number=1, between=(0, 10), figure_text="a"), "a figure needs figure_text"),
        (dict(number=1, between=(0, 10), images=torch.zeros(2, 100)), r"1 to 20 digits .*; given \(2, 100\)"),
        (dict(number=1, between=(0, 10), images=torch.full((1, 784), 2.0), captions=["a"]), "ink from 0 to 1; given 2"),
        (dict(number=1, between=(0, 10), images=torch.zeros(2, 784)), "a caption for each of 2 images; given 0"),
    ],
)
def test_bad_questions_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Predict("What?", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(choices=REASONS), "wanted the choice that is right; given right=None"),
        (dict(choices=list(REASONS), right="larger"), "a dict with a reply to each choice"),
        (dict(choices={"a": "x", "b": ""}, right="a"), "a dict with a reply to each choice"),
        (dict(choices=REASONS, right="larger", tolerance=1), "choices have none; given 1"),
        (dict(number=1, between=(0, 2)), "a number needs its tolerance, 0 or more.*given None"),
        (dict(number=1, between=(0, 2), tolerance=-1), "given -1"),
        (dict(curve=(X, Y), between=(0, 2)), "Try wants choices or a number; given a curve"),
    ],
)
def test_bad_exercises_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Try("What?", **options)


def test_a_prompt_is_a_text():
    for prompt in ("", "  ", 3):
        with pytest.raises(ValueError, match="prompt must be a text that is not empty; given"):
            Predict(prompt, choices=["a", "b"])
    with pytest.raises(traitlets.TraitError, match="told"):
        Predict("What?", choices=["a", "b"], told=3)
