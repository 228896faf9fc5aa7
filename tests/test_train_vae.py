"""A VAE that trains in the page, against PyTorch with the weights that the page hands over."""

import base64
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
import traitlets
from playwright.sync_api import expect
from widget_examples import model
from widget_pages import (
    control,
    drag,
    ink,
    look,
    number,
    picture,
    press,
    wait_for_look,
    wait_until_ready,
    write_widget_page,
)
from widget_state import as_script

import vae_core as vc
from vae_widgets import TrainingDigits, TrainVAE
from vae_widgets.train_vae import shown_digits

# Keeps the host's models, so that a test reads what the page tells Python.
MODELS = """const set = Map.prototype.set;
Map.prototype.set = function (key, value) {
  if (value?.widget_manager) (globalThis.models ??= []).push(value);
  return set.call(this, key, value);
};"""
STATE = """() => {
  const { state } = models.find(({ state }) => state.trained), view = state.weights;
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return [btoa(text), state.trained, state.steps];
}"""
KEYS = ("nelbo", "rec", "kl", "exact", "gap")


def ready(page):
    page.wait_for_selector(".vw output[data-key=nelbo][data-value]")


def show(show_widgets, *traits, **options):
    before = options.pop("before", "")
    page, trouble = show_widgets([TrainVAE(*traits, **options.pop("traits", {}))], before=MODELS + before, **options)
    ready(page)
    return page, trouble


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def wait_for_step(page, least):
    page.wait_for_function(f"+document.querySelector('[data-key=steps]').dataset.value >= {least}")


def settle(page):
    """Return when training has paused, and the page has handed its weights over."""
    page.wait_for_function("""() => {
        const { state } = models.find(({ state }) => state.trained);
        const shown = +document.querySelector('[data-key=steps]').dataset.value;
        return !document.querySelector(".vw[aria-busy=true]") && state.weights.byteLength && state.steps === shown;
    }""")
    page.wait_for_timeout(400)


def step_where_it_stands(page):
    """The step at which nothing trains any more: the last report comes when all in it has been measured."""
    for _ in range(20):
        at = number(page, "steps")
        page.wait_for_timeout(1000)
        if number(page, "steps") == at:
            return at
    pytest.fail("it goes on training", pytrace=False)


def taken(page, widget):
    """The widget with what the page told it."""
    settle(page)
    weights, widget.trained, widget.steps = page.evaluate(STATE)
    widget.weights = base64.b64decode(weights)
    return widget


def numbers(page):
    return [number(page, key) for key in KEYS]


def train(page, many):
    """`many` single steps."""
    for _ in range(many):
        before = number(page, "steps")
        button(page, "One step").press("Enter")
        wait_for_step(page, before + 1)
        settle(page)


def assert_agrees(page, widget):
    """What is shown is what PyTorch has of the same weights."""
    net, x = taken(page, widget).model, shown_digits()[:64]
    with torch.no_grad():
        exact = -vc.log_marginal_grid(net, x, n=241).log_px.mean().item()
        m, v = net.enc(x)
        torch.manual_seed(0)
        rec = np.mean([-vc.log_bernoulli_with_logits(x, net.dec(vc.sample_gaussian(m, v))).mean() for _ in range(200)])
        decoded = net.dec(torch.zeros(2)).sigmoid().numpy()
    assert number(page, "exact") == pytest.approx(exact, abs=1e-3)
    assert number(page, "kl") == pytest.approx(vc.kl_normal(m, v, *net.z_prior).mean().item(), abs=1e-3)
    assert number(page, "rec") == pytest.approx(rec, rel=0.01)
    assert number(page, "nelbo") == pytest.approx(number(page, "rec") + number(page, "kl"))
    assert number(page, "gap") == pytest.approx(number(page, "nelbo") - number(page, "exact"))
    assert np.abs(ink(page.locator(".vw-train-z").first) - decoded).max() < 2.1 / 255


def test_numbers_agree_with_pytorch(show_widgets):
    widget = TrainVAE()
    page, trouble = show_widgets([widget], before=MODELS)
    ready(page)
    assert_agrees(page, widget)
    assert widget.steps == 0 and widget.model.hidden == [128]
    untrained = number(page, "exact")
    button(page, "Play").press("Enter")
    wait_for_step(page, 60)
    button(page, "Pause").press("Enter")
    assert_agrees(page, widget)
    assert widget.steps >= 60 and number(page, "exact") < untrained - 100
    assert trouble == []


def test_it_goes_on_from_a_model(show_widgets):
    widget = TrainVAE(model("vae-2d"))
    assert torch.equal(widget.model.dec.rest[1].bias, model("vae-2d").dec.rest[1].bias)
    page, trouble = show_widgets([widget], before=MODELS)
    ready(page)
    assert_agrees(page, widget)
    for mine, theirs in zip(widget.model.parameters(), model("vae-2d").parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert number(page, "exact") < 160 and control(page, "hidden").count() == 0
    assert trouble == []


def test_play_pause_and_the_same_seed_again(show_widgets):
    page, trouble = show(show_widgets)
    start = numbers(page)
    page.wait_for_timeout(600)
    assert numbers(page) == start and number(page, "steps") == 0  # nothing trains by itself
    train(page, 3)
    third = numbers(page)
    assert number(page, "steps") == 3 and third != start
    button(page, "Play").press("Enter")
    wait_for_step(page, 20)
    button(page, "Pause").press("Enter")
    settle(page)
    paused = number(page, "steps")
    page.wait_for_timeout(500)
    assert number(page, "steps") == paused
    button(page, "Start again").press("Enter")
    page.wait_for_function("+document.querySelector('[data-key=steps]').dataset.value === 0")
    settle(page)
    assert numbers(page) == start
    assert "behind it the last run" in page.locator(".vw-train-chart svg").get_attribute("aria-label")
    runs, chart = page.locator(".vw-train-runs p"), page.locator(".vw-train-chart").bounding_box()
    said = "β 1 · rate 0.003 · m 1 · batch 64 · 128 units · seed 0"
    assert runs.all_text_contents() == [f"now: {said}", f"last: {said}"]
    lines = [line.bounding_box() for line in runs.all()]
    assert all(line["y"] + line["height"] <= chart["y"] for line in lines)  # and on no curve
    train(page, 3)
    assert numbers(page) == third
    button(page, "New seed").press("Enter")
    page.wait_for_function(f"+document.querySelector('[data-key=exact]').dataset.value !== {third[3]!r}")
    settle(page)
    assert number(page, "steps") == 0 and numbers(page) != start
    assert trouble == []


def test_settings_change_while_it_trains(show_widgets):
    page, trouble = show(show_widgets)
    button(page, "Play").press("Enter")
    wait_for_step(page, 100)
    control(page, "beta").press("End")
    at = number(page, "steps")
    expect(page.locator("[data-key=loss]")).to_be_visible()
    expect(page.locator("[data-key=bound]")).to_be_hidden()
    wait_for_step(page, at + 200)
    button(page, "Pause").press("Enter")
    settle(page)
    assert number(page, "kl") < 0.5  # collapsed
    assert number(page, "loss") == pytest.approx(number(page, "rec") + 100 * number(page, "kl"))
    button(page, "Play").press("Enter")
    control(page, "m").press("ArrowRight")
    page.wait_for_function("+document.querySelector('[data-key=bound]').dataset.value > 0")
    button(page, "Pause").press("Enter")
    settle(page)
    assert page.locator("[data-key=loss]").is_hidden()  # β has no place in the bound from m samples
    assert number(page, "exact") - 0.1 < number(page, "bound") < number(page, "nelbo") + 0.1
    assert trouble == []


@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1280, "light")])
def test_drag_and_keys_while_it_trains(show_widgets, width, theme):
    page, trouble = show(show_widgets, width=width, theme=theme)
    button(page, "Play").press("Enter")
    wait_for_step(page, 50)
    plane = page.locator("canvas.vw-plane").first
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    at = [(box["x"] + part * box["width"], box["y"] + 0.25 * box["height"]) for part in (0.5, 0.75)]
    drag(page, at)
    assert float(control(page, "z", 0).input_value()) == pytest.approx(2, abs=0.05)
    assert float(control(page, "z", 1).input_value()) == pytest.approx(2, abs=0.05)
    there = ink(page.locator(".vw-train-z").first)
    page.wait_for_function("""() => new Promise((done) => setTimeout(done, 600, true))""")
    assert np.abs(ink(page.locator(".vw-train-z").first) - there).max() > 0.02  # it follows the training
    press(control(page, "z", 0), "Home")
    assert control(page, "z", 0).get_attribute("aria-valuetext") == "−4.00"
    assert trouble == []


def test_it_pauses_out_of_view_and_goes_on(show_widgets):
    page, trouble = show(show_widgets)
    page.evaluate("document.body.prepend(Object.assign(document.createElement('div'), { style: 'height: 3000px' }))")
    page.evaluate("scrollTo(0, 3000)")
    button(page, "Play").press("Enter")
    wait_for_step(page, 10)
    page.evaluate("scrollTo(0, 0)")
    expect(page.get_by_text("Paused while out of view.")).to_have_count(1)
    at = step_where_it_stands(page)
    page.evaluate("scrollTo(0, 3000)")
    wait_for_step(page, at + 10)
    assert trouble == []


def test_it_pauses_in_a_hidden_tab_and_goes_on(show_widgets):
    page, trouble = show(show_widgets)
    button(page, "Play").press("Enter")
    wait_for_step(page, 10)
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    expect(page.get_by_text("Paused while out of view.")).to_have_count(1)
    at = step_where_it_stands(page)
    page.evaluate(hide, False)
    wait_for_step(page, at + 10)
    assert trouble == []


@torch.no_grad()
def test_more_latents_than_a_plane_has(show_widgets):
    """Of ten the plane has the two with the most KL, and an estimate stands where the exact log p(x) was."""
    widget = TrainVAE(z_dim=10, hidden=[32], z=[1, -1])
    page, trouble = show_widgets([widget], before=MODELS)
    ready(page)
    button(page, "Play").press("Enter")
    wait_for_step(page, 300)
    button(page, "Pause").press("Enter")
    net, x = taken(page, widget).model, shown_digits()
    m, v = net.enc(x)
    nats = 0.5 * (v + m**2 - 1 - v.log()).mean(0)
    one, other = sorted(nats.argsort(descending=True)[:2].tolist())
    names = [f"z{'₁₂₃₄₅₆₇₈₉'[i : i + 1] or '₁₀'}" for i in (one, other)]
    assert page.get_by_text(f"in {names[0]} and {names[1]}, the two of 10 latents with the most KL").count() == 1
    assert control(page, "z", 0).get_attribute("aria-label") == names[0]
    z = torch.zeros(10)
    z[one], z[other] = 1, -1
    assert np.abs(ink(page.locator(".vw-train-z").first) - net.dec(z).sigmoid().numpy()).max() < 2.1 / 255
    torch.manual_seed(0)
    iwae = net.negative_iwae_bound(x[:64].repeat(20, 1), 100)[0].item()
    assert number(page, "estimate") == pytest.approx(iwae, abs=0.3)
    assert number(page, "gap") == pytest.approx(number(page, "nelbo") - number(page, "estimate"))
    assert page.locator("output[data-key=exact]").is_hidden()
    label = page.locator(".vw-train-nats svg").get_attribute("aria-label").replace("−", "-")
    assert [float(part) for part in label.split(": ")[1].split(", ")] == pytest.approx(nats.tolist(), abs=0.006)
    assert number(page, "active") == (nats > 0.01).sum() and page.get_by_text("no grid fits 10 latents").count() == 1
    page.get_by_text("Slow motion").press("Enter")
    page.get_by_role("button", name="Next: encode").press("Enter")
    expect(page.locator(".vw-train-stages li")).to_contain_text(f"Shown are {names[0]} and {names[1]} of 10 latents.")
    control(page, "z_dim").press("Home")
    page.wait_for_function("+document.querySelector('[data-key=exact]').dataset.value > 300")
    settle(page)
    assert page.locator(".vw-train-nats").is_hidden() and number(page, "steps") == 0
    assert taken(page, widget).model.z_dim == 2 and trouble == []


def test_slow_is_a_few_steps_a_second(show_widgets):
    page, trouble = show(show_widgets, traits={"slow": True})
    button(page, "Play").press("Enter")
    wait_for_step(page, 2)
    at, start = number(page, "steps"), page.evaluate("performance.now()")
    wait_for_step(page, at + 5)
    assert page.evaluate("performance.now()") - start > 4 * 240  # ms, and no less on any machine
    assert trouble == []


def test_where_motion_is_unwelcome_a_press_trains_fifty_steps(show_widgets):
    page, trouble = show(show_widgets, reduced_motion="reduce")
    start = number(page, "exact")
    button(page, "Train 50 steps").press("Enter")
    wait_for_step(page, 50)
    settle(page)
    assert number(page, "steps") == 50 and number(page, "exact") < start - 100
    assert control(page, "slow").count() == 0 and trouble == []


@pytest.mark.parametrize("lost", ["delete globalThis.Worker;", "delete globalThis.WebAssembly;"])
def test_without_worker_or_webassembly(show_widgets, lost):
    page, trouble = show(show_widgets, before=lost)
    start = number(page, "exact")
    train(page, 2)
    assert number(page, "steps") == 2 and number(page, "exact") < start
    button(page, "Play").press("Enter")
    wait_for_step(page, 6)
    button(page, "Pause").press("Enter")
    settle(page)
    assert trouble == []


class Policy(SimpleHTTPRequestHandler):
    """A host that allows no Worker but from its own files; eval is for what the test asks the page."""

    def end_headers(self):
        allowed = "worker-src 'self'; script-src 'self' 'unsafe-eval' 'unsafe-inline'"
        self.send_header("Content-Security-Policy", allowed)
        super().end_headers()

    def log_message(self, *_):
        pass


def test_on_a_server_the_worker_is_a_script_of_its_own(open_address, tmp_path):
    write_widget_page(tmp_path / "widgets.html", [TrainVAE()])
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Policy, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page, trouble = open_address(f"http://127.0.0.1:{server.server_port}/widgets.html", before=MODELS)
    ready(page)
    start = number(page, "exact")
    train(page, 1)
    assert [worker.url.rsplit("/", 1)[0] for worker in page.workers] == [page.url.rsplit("/", 1)[0]]
    assert number(page, "exact") < start and trouble == []
    server.shutdown()


def test_it_stops_by_itself_when_nothing_gets_better(show_widgets):
    page, trouble = show(show_widgets, traits={"learning_rate": 0.01, "beta": 100, "batch": 16, "hidden": (2,)})
    button(page, "Play").press("Enter")
    expect(page.locator(".vw-train-note")).to_contain_text("Stopped by itself at step")
    expect(button(page, "Play")).to_be_visible()
    assert trouble == []


def test_slow_motion_is_a_step_of_pytorchs(show_widgets):
    widget = TrainVAE(digit=7)
    page, trouble = show_widgets([widget], before=MODELS)
    ready(page)
    net = taken(page, widget).model
    page.get_by_text("Slow motion").press("Enter")
    stages, plane = page.locator(".vw-train-stages li"), picture(page, "canvas.vw-plane")
    for i, name in enumerate(["encode", "draw ε", "z = m + √v ε", "decode", "the loss", "the gradient"]):
        page.get_by_role("button", name=f"Next: {name}").press("Enter")
        expect(stages).to_have_count(i + 1)
        expect(stages.last).to_contain_text(name)
        before, plane = plane, picture(page, "canvas.vw-plane")
        assert (before != plane) == (name not in ("decode", "the loss"))
    x = shown_digits()[vc.load_mnist().test_labels[:1000].tolist().index(7)]
    said = stages.all_text_contents()

    def pairs(text):
        found = re.findall(r"\(([-\d.]+), ([-\d.]+)\)", text.replace("−", "-"))
        return [[float(part) for part in pair] for pair in found]

    m, v = net.enc(x)
    m.retain_grad()
    v.retain_grad()
    [eps] = pairs(said[1])
    z = m + v.sqrt() * torch.tensor(eps)
    loss = -vc.log_bernoulli_with_logits(x, net.dec(z)) + vc.kl_normal(m, v, *net.z_prior)
    loss.backward()
    assert pairs(said[0]) == [pytest.approx(m.tolist(), abs=0.006), pytest.approx(v.tolist(), abs=0.006)]
    assert pairs(said[2]) == [pytest.approx(z.tolist(), abs=0.02)]
    assert float(said[4].split("= ")[1].split()[0]) == pytest.approx(loss.item(), abs=0.5)
    assert pairs(said[5])[0] == pytest.approx(m.grad.tolist(), abs=0.2, rel=0.02)
    assert pairs(said[5])[3] == pytest.approx(v.grad.tolist(), abs=0.2, rel=0.02)
    assert "one sample" not in said[4]
    control(page, "m").press("End")
    expect(page.get_by_role("button", name="Next: encode")).to_be_visible()  # the run has begun anew
    for name in ["encode", "draw ε", "z = m + √v ε", "decode", "the loss"]:
        page.get_by_role("button", name=f"Next: {name}").press("Enter")
    expect(stages.last).to_contain_text("This is the loss of one sample: at m = 20 a step draws 20,")
    assert trouble == []


def test_a_set_piece_asks_first_and_answers_last(show_widgets):
    page, trouble = show(show_widgets, traits={"preset": "collapse"})
    run, told = button(page, "Run it"), page.locator(".vw-train-results")
    assert run.get_attribute("aria-disabled") == "true"
    run.press("Enter")
    page.wait_for_timeout(300)
    assert number(page, "steps") == 0 and told.count() == 0
    page.get_by_label("fall to 0 and stay there").check()
    run.press("Enter")
    wait_for_step(page, 20)
    assert told.count() == 0
    told.wait_for(timeout=120_000)
    kl = [float(row.locator("td").nth(2).text_content()) for row in told.locator("tbody tr").all()]
    assert len(kl) == 3 and kl[1] < 0.5 < 2 < min(kl[0], kl[2])
    expect(page.get_by_text("You predicted: fall to 0 and stay there. It is: fall to 0 and come back.")).to_be_visible()
    assert trouble == []


def test_a_rate_is_of_use_if_it_beats_the_mean_digit(show_widgets):
    page, trouble = show(show_widgets, vc.VAE(z_dim=2, hidden=[8]), traits={"preset": "rate"})
    page.get_by_label("both", exact=True).check()
    button(page, "Run it").press("Enter")
    told = page.locator(".vw-train-results")
    told.wait_for(timeout=120_000)
    ends = [row.locator("td").first.text_content() for row in told.locator("tbody tr").all()]
    said, x = page.locator(".vw-train-results + p").text_content(), shown_digits()
    ink = (x.sum(0) + 0.5) / 1001
    mean = -vc.log_bernoulli_with_logits(x[:64], ink.logit()).mean().item()
    assert f"it is {ends[0]} nats with rate 0.003, {ends[1]} nats with rate 0.00001 and {ends[2]}" in said
    assert f"whatever z is, would have {mean:.1f}. " in said
    useful = [rate for rate, end in zip(("0.003", "0.00001", "0.3"), ends, strict=True) if float(end) < mean]
    assert said.endswith(f": {', '.join(f'rate {rate}' for rate in useful) or 'none'}.")
    assert said.startswith("As you predicted. " if not {"0.00001", "0.3"} & set(useful) else "You predicted: both. ")
    assert trouble == []


def test_what_eight_samples_cost_is_told_in_this_runs_seconds(show_widgets):
    page, trouble = show(show_widgets, vc.VAE(z_dim=2, hidden=[4]), traits={"preset": "samples"})
    page.get_by_label("both worse").check()
    button(page, "Run it").press("Enter")
    told = page.locator(".vw-train-results")
    told.wait_for(timeout=120_000)
    rows = [[float(cell.text_content()) for cell in row.locator("td").all()] for row in told.locator("tbody tr").all()]
    [_, eight, _, one, more], said = rows, page.locator(".vw-train-results + p").text_content()
    assert f"−ELBO is {eight[0]:.1f} with m = 8 and {one[0]:.1f} with m = 1, exact −log p(x) {eight[3]:.1f}" in said
    found = re.search(r"m = 8 took ([\d.]+) s for ([\d,]+) steps. In ([\d.]+) s m = 1 takes ([\d,]+), and its", said)
    eights, steps, ones, many = (float(part.replace(",", "")) for part in found.groups())
    assert 300 <= steps < many and ones == pytest.approx(eights, abs=0.5)
    assert f"exact −log p(x) is then {more[3]:.1f}: " in said
    better = more[3] <= eight[3]
    assert said.endswith("m = 8 is not worth its time." if better else "here m = 8 was worth its time.")
    assert "You predicted: both worse. " in said or "As you predicted. " in said
    assert trouble == []


def test_a_set_piece_ends_by_hand(show_widgets):
    page, trouble = show(show_widgets, traits={"preset": "units"})
    page.get_by_label("both alike").check()
    button(page, "Run it").press("Enter")
    wait_for_step(page, 20)
    button(page, "Pause").press("Enter")
    expect(page.get_by_text("Stopped before its end.")).to_be_visible()
    settle(page)
    assert page.locator(".vw-train-results").count() == 0 and trouble == []


def test_digits_that_do_not_come_can_be_asked_for_again(show_widgets, tmp_path):
    page, _ = show(show_widgets)
    images = max(tmp_path.glob("*.js"), key=lambda file: file.stat().st_size)
    kept = images.rename(tmp_path / "kept")
    page.reload()
    wait_until_ready(page)
    expect(page.get_by_text("The training digits could not be loaded")).to_contain_text("is missing")
    kept.rename(images)
    button(page, "Try again").press("Enter")
    ready(page)
    assert page.get_by_text("could not be loaded").is_hidden()


def test_digits_are_unpacked_in_slices(show_widgets):
    """A browser inflates in one go what it is given at once, and the page stands still."""
    before = """const { write } = WritableStreamDefaultWriter.prototype;
    globalThis.slices = [];
    WritableStreamDefaultWriter.prototype.write = function (part) {
      slices.push(part.byteLength);
      return write.call(this, part);
    };"""
    page, trouble = show(show_widgets, before=before)
    slices = page.evaluate("slices")
    assert max(slices) <= 150_000 and sum(slices) > 900_000
    assert trouble == []


def test_a_link_has_the_setting_and_the_seed(show_widgets):
    page, trouble = show(show_widgets)
    start, first = look(page.locator(".vw")), number(page, "exact")
    page.goto(f"{page.url}?train.seed=3&train.hidden=16&train.beta=4&train.preset=rate")
    wait_until_ready(page)
    ready(page)
    assert number(page, "exact") != first and control(page, "hidden").get_attribute("aria-valuetext") == "16"
    assert page.get_by_text("Which rate is of no use").is_visible()
    press(page.get_by_role("button", name="Reset"), "Enter")
    page.get_by_text("Set pieces").press("Enter")
    wait_for_look(page.locator(".vw"), same=start)
    assert trouble == []


# --- Python ---


def test_python_side():
    widget = TrainVAE(hidden=(64, 32), activation="tanh", preset="rate", seed=5)
    assert widget.hidden == [64, 32] and widget.data is TrainVAE().data and widget.steps == 0
    with pytest.raises(RuntimeError, match="no browser has shown this widget yet"):
        _ = widget.model
    for trait, value, limits in [
        ("m", 21, "a number from 1 to 20"),
        ("beta", -1, "a number from 0 to 100"),
        ("batch", 8, "a number from 16 to 256"),
        ("learning_rate", 2, "from 1e-06 to 1"),
        ("hidden", [64], "2 numbers from 1 to 512"),
        ("z", [5, 0], "2 numbers from -4 to 4"),
    ]:
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be .*{limits}"):
            setattr(widget, trait, value)
    with pytest.raises(ValueError, match="2 to 50 latents; given z_dim=1"):
        TrainVAE(vc.VAE(z_dim=1))
    with pytest.raises(traitlets.TraitError, match=r"z_dim must be .*from 10 to 10"):
        TrainVAE(model("vae")).z_dim = 2
    with pytest.raises(ValueError, match="wanted a VAE, whose prior is N\\(0, I\\), to go on from; given GMVAE"):
        TrainVAE(model("gmvae"))
    with pytest.raises(ValueError, match="one or two hidden layers; given 3"):
        TrainVAE(hidden=(8, 8, 8))


def test_the_digits_are_mnists():
    part, data = TrainingDigits.of(), vc.load_mnist()
    packed = np.frombuffer(part.images, np.uint8).reshape(10_000, 392)
    grey = 17 * np.stack([packed >> 4, packed & 15], 2).reshape(10_000, 784)
    assert np.abs(grey.astype(int) - data.train_images[:10_000].numpy()).max() <= 8
    assert grey.mean() == pytest.approx(data.train_images[:10_000].float().mean().item(), rel=0.005)
    test = np.unpackbits(np.frombuffer(part.test, np.uint8).reshape(1000, 98), axis=1)
    assert np.array_equal(test, shown_digits().numpy()) and list(part.labels) == data.test_labels[:1000].tolist()
    assert len(as_script(part.images)) < 1_020_000  # Huffman codes alone take 1.2 MB
