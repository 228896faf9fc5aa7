"""EM from a few labels, in a browser, against the same in PyTorch's double precision."""

import numpy as np
import pytest
import torch
import traitlets
from torch.distributions import MultivariateNormal
from widget_examples import EXAMPLES, digits, model
from widget_pages import control, drag, number, press, settled_look

import vae_core as vc
from vae_widgets import NamedClusters
from vae_widgets.modules import joined


@pytest.fixture(scope="module")
def widget():
    widget = EXAMPLES["NamedClusters"]()
    yield widget
    widget.close()


@pytest.fixture
def start(show_widgets, widget):
    """(page, trouble) of the widget as it begins, with other values for some traits."""

    def start(query="", **options):
        page, trouble = show_widgets([widget], query=query and f"?clusters.{query}", **options)
        page.locator(".vw[aria-busy=false]").wait_for()
        return page, trouble

    return start


def labelled(page, widget, known, seed):
    """Of each class the first in the order of the seed's noise."""
    labels = np.frombuffer(widget.train_labels, np.uint8)
    order = np.array(
        page.evaluate(
            """async ([source, seed, n]) => {
                const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
                return [...(await import(url)).normals(seed).fill(new Float32Array(n))];
            }""",
            [joined("engine.js"), seed, len(labels)],
        )
    )
    return torch.tensor(
        np.concatenate([sorted(np.flatnonzero(labels == c), key=order.__getitem__)[: known // 10] for c in range(10)])
    )


def em(widget, known, steps, diagonal=False):
    """After each step: the mean log-likelihood of a code, the share of right names, and p(y|z) of test codes."""
    z, z_test = widget.codes, widget.codes_test
    y, y_test = (torch.tensor(list(packed)) for packed in (widget.train_labels, widget.test_labels))
    m = torch.stack([z[known[y[known] == c]].mean(0) for c in range(10)])
    v = (0.5 * z.T.cov()).expand(10, -1, -1)
    for _ in range(steps + 1):
        v = v + 1e-6 * torch.eye(z.shape[1])
        if diagonal:
            v = v * torch.eye(z.shape[1])
        classes = [MultivariateNormal(m[c], v[c]) for c in range(10)]
        log_joint, log_test = (
            torch.stack([one.log_prob(codes) for one in classes], 1) - np.log(10) for codes in (z, z_test)
        )
        log_each = log_joint.logsumexp(1)
        log_each[known] = log_joint[known, y[known]]
        yield log_each.mean().item(), (log_test.argmax(1) == y_test).double().mean().item(), log_test.softmax(1)
        share = log_joint.softmax(1)
        share[known] = torch.eye(10, dtype=torch.double)[y[known]]
        m = (share.T @ z) / share.sum(0).unsqueeze(1)
        v = torch.stack([((z - m[c]).T * share[:, c]) @ (z - m[c]) / share[:, c].sum() for c in range(10)])


def assert_shows(page, wanted):
    loglik, right, shares = wanted
    assert number(page, "loglik") == pytest.approx(loglik, rel=1e-6)
    assert number(page, "right") == pytest.approx(100 * right, abs=1e-9)
    heights = "(all) => all.map((bar) => parseFloat(bar.style.height))"
    bars = page.locator(".vw-clusters-bars .swatch").evaluate_all(heights)
    digit = int(control(page, "digit").input_value())
    assert bars == pytest.approx((100 * shares[digit]).tolist(), abs=1e-3)


@pytest.mark.parametrize(("known", "seed", "diagonal"), [(100, 1, False), (100, 1, True), (20, 5, False)])
def test_steps_are_those_of_em(start, widget, known, seed, diagonal):
    state = {"known": known, "seed": seed, "diagonal": str(diagonal).lower(), "digit": 17}
    page, trouble = start("&clusters.".join(f"{trait}={value}" for trait, value in state.items()))
    wanted = em(widget, labelled(page, widget, known, seed), 6, diagonal)
    assert_shows(page, next(wanted))
    for now in wanted:
        press(page.get_by_role("button", name="One step"), "Enter")
        page.locator(".vw[aria-busy=false]").wait_for()
        assert_shows(page, now)
    assert trouble == []


@pytest.mark.parametrize("known", [10, 100])
def test_the_log_likelihood_never_falls(start, known):
    page, trouble = start(f"known={known}", reduced_motion="reduce")
    last = number(page, "loglik")
    for step in range(1, 31):
        press(control(page, "steps"), "ArrowRight")
        page.locator(".vw[aria-busy=false]").wait_for()
        now = number(page, "loglik")
        assert now > last - 1e-9, step
        last = now
    assert trouble == []


def test_full_covariances_name_most_digits_and_diagonal_ones_do_not(start):
    page, trouble = start("steps=30")
    full = number(page, "right")
    better, worse = number(page, "better"), number(page, "worse")
    press(control(page, "steps"), "Home")
    before = number(page, "right")
    assert better - worse == pytest.approx((full - before) / 100 * 200)
    press(control(page, "diagonal"), "Space")
    press(control(page, "steps"), "End")
    page.locator(".vw[aria-busy=false]").wait_for()
    assert before < 66 < 72 < full and number(page, "right") < full
    assert trouble == []


def test_more_labels_are_the_same_and_more(start, widget):
    """And other labels are others."""
    page, trouble = start()
    few, many, others = (set(labelled(page, widget, *draw).tolist()) for draw in ((20, 1), (100, 1), (20, 2)))
    assert len(few) == 20 and few < many and few != others
    before = number(page, "loglik")
    press(page.get_by_role("button", name="Other labels"), "Enter")
    assert_shows(page, next(em(widget, labelled(page, widget, 100, 2), 0)))
    assert number(page, "loglik") != before
    press(control(page, "known"), "Home")
    assert_shows(page, next(em(widget, labelled(page, widget, 10, 2), 0)))
    assert trouble == []


def test_play_goes_on_by_itself_until_nothing_moves(start):
    page, trouble = start("known=50")
    before = number(page, "right")
    play = page.get_by_role("button", name="Play")
    press(play, "Enter")
    page.wait_for_function("+document.querySelector('[data-trait=steps]').value >= 2")
    press(page.get_by_role("button", name="Pause"), "Enter")
    settled_look(page.locator(".vw"), pause=200)
    paused = int(control(page, "steps").input_value())
    assert 2 <= paused < 30 and number(page, "right") > before
    press(play, "Enter")
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Play").wait_for()
    assert int(control(page, "steps").input_value()) > paused
    press(page.get_by_role("button", name="Start again"), "Enter")
    assert number(page, "right") == before and control(page, "steps").input_value() == "0"
    assert trouble == []


def test_it_waits_while_it_is_out_of_view(start):
    page, trouble = start()
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<div style=height:4000px>')")
    press(page.get_by_role("button", name="Play"), "Enter")
    page.wait_for_function("+document.querySelector('[data-trait=steps]').value >= 1")
    page.evaluate("scrollTo(0, 3500)")
    page.wait_for_timeout(1000)
    there = control(page, "steps").input_value()
    page.wait_for_timeout(1500)
    assert control(page, "steps").input_value() == there
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_function("(there) => +document.querySelector('[data-trait=steps]').value > there", arg=int(there))
    assert trouble == []


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "finger"])
def test_a_touch_looks_at_the_nearest_digit(start, widget, touch):
    page, trouble = start(width=360 if touch else 1280, touch=touch)
    axes = torch.tensor(widget.axes, dtype=torch.double).view(2, -1)
    spots = (widget.codes_test @ axes.T).clamp(-1.1, 1.1)
    lonely = torch.cdist(spots, spots).fill_diagonal_(9).min(1).values.argmax().item()
    box = page.locator("canvas.vw-plane").bounding_box()
    x, y = (0.5 + 0.5 * spots[lonely] * torch.tensor([1, -1]) / 1.1).tolist()
    at = (box["x"] + x * box["width"], box["y"] + y * box["height"])
    drag(page, [at, at], touch)
    assert control(page, "digit").input_value() == str(lonely)
    page.get_by_text(f"a {widget.test_labels[lonely]}, named").wait_for()
    assert trouble == []


def test_codes_travel_as_bytes(widget):
    """Rounded to a sixteenth of each latent's deviation; test codes are means, and training codes draws."""
    x, _ = digits(1200)
    net = model("vae-z50")
    active = vc.active_units(net, x[:1000])
    with torch.no_grad():
        (m, v), (m_test, _) = net.enc(x[:1000]), net.enc(x[1000:])
    error = (widget.codes_test - m_test[:, active]).abs() / torch.tensor(widget.scale)
    assert widget.codes_test.shape == (200, int(active.sum())) and error.max() < 0.51
    noise = (widget.codes - m[:, active]) / v[:, active].sqrt()
    assert abs(noise.mean()) < 0.02 and noise.std() == pytest.approx(1, abs=0.05)
    steps = widget.codes.std(0) / torch.tensor(widget.scale)
    assert steps.tolist() == pytest.approx([16] * len(steps), abs=0.1)


def test_bad_arguments_are_refused(widget):
    x, y = digits(1200)
    net = model("vae-z50")
    train, test = (x[:1000], y[:1000]), (x[1000:], y[1000:])
    for bad, given, message in [
        ((vc.load_trained("ssvae"), *train, *test), "SSVAE", "wanted a VAE or GMVAE"),
        ((net, *(part[:400] for part in train), *test), "given 400", "wanted 500 to 10000 training"),
        ((net, x[:1000], y[:999], *test), "1000 images and 999 labels", "one label for each"),
        ((net, *train, x, y), "given 1200", "wanted 10 to 1000 test images"),
        ((net, x[:1000], y[:1000].clamp(max=8), *test), r"\[0, 1, 2, 3, 4, 5, 6, 7, 8\]", "wanted labels 0 to 9"),
        ((net, 2 * x[:1000], y[:1000], *test), "", r"\[0, 1\]"),
    ]:
        with pytest.raises(ValueError, match=f"{message}.*{given}"):
            NamedClusters(*bad)
    for trait, value, message in [
        ("known", 105, "multiple of 10, for as many of each class; given 105"),
        ("known", 0, "from 10"),
        ("known", 5000, "known must be"),
        ("steps", 31, "from 0 to 30"),
        ("digit", 200, "0 to 199"),
    ]:
        with pytest.raises(traitlets.TraitError, match=message):
            setattr(widget, trait, value)
