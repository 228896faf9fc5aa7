"""vae_widgets/trainer.js against PyTorch: the same weights, images and noise give the same losses and gradients."""

import base64
import json

import numpy as np
import pytest
import torch
from playwright.sync_api import Error
from widget_pages import PATIENCE

import vae_core as vc
from vae_widgets.modules import joined
from vae_widgets.train_vae import TrainVAE, packed_digits, shown_digits

SOURCE = joined("trainer.js")

# In the page: `trainer`, `source`; `images` and `test`, training digits in grey and binary test digits.
SETUP = """async ([source, grey, binary]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  Object.assign(globalThis, { trainer: await import(url), source, images: bytes(grey), test: bytes(binary) });
  globalThis.lists = trainer.listsOf(test);
  globalThis.gradients = (t) => {
    const { f } = t, { enc, dec } = t.layers, all = [];
    for (const { inputs, outputs, outs, gw, gb } of [...enc, ...dec]) {
      for (let o = 0; o < outputs; o++) for (let i = 0; i < inputs; i++) all.push(f[gw + i * outs + o]);
      all.push(...f.subarray(gb, gb + outputs));
    }
    return Float32Array.from(all);
  };
  globalThis.text = async (floats) => {
    const reader = new FileReader();
    reader.readAsDataURL(new Blob([floats]));
    await new Promise((resolve) => { reader.onload = resolve; });
    return reader.result.split(",")[1];
  };
}"""


def digits(n, name="train"):
    data = vc.load_mnist()
    if name == "test":
        return (data.test_images[:n] >= 128).to(torch.uint8)
    return (torch.round(data.train_images[:n] / 17) * 17).to(torch.uint8)  # sixteen levels, as pages have them


def encoded(images):
    return base64.b64encode(images.numpy().tobytes()).decode()


def open_page(browser, folder, before="", n=320):
    file = folder / "page.html"
    file.write_text("<!DOCTYPE html><meta charset=utf-8><title>trainer</title>", encoding="utf-8")
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(file.as_uri())
    page.evaluate(SETUP, [before + SOURCE, encoded(digits(n)), encoded(digits(128, "test"))])
    return page


def floats(found):
    return torch.from_numpy(np.frombuffer(base64.b64decode(found), np.float32).copy())


def model_of(weights, hidden, z_dim, activation="elu", beta=1.0):
    """The vae_core model with weights from the page, in double precision."""
    model = vc.VAE(z_dim=z_dim, hidden=hidden, activation=activation, beta=beta).double()
    torch.nn.utils.vector_to_parameters(weights.double(), list(model.enc.parameters()) + list(model.dec.parameters()))
    return model


def with_noise(monkeypatch, noise):
    monkeypatch.setattr(vc.torch, "randn_like", lambda t: noise.reshape(t.shape).to(t.dtype))


# ----------------------------------------------------------------------------------------------------------------
# One step
# ----------------------------------------------------------------------------------------------------------------

# hidden, z_dim, activation, what pass() is told
CASES = [
    ([128], 2, "elu", dict(beta=1)),
    ([300, 300], 10, "elu", dict(beta=4)),
    ([200, 200], 50, "tanh", dict(beta=0.5)),
    ([40], 3, "relu", dict(beta=0)),
    ([50, 30], 10, "elu", dict(m=5)),
    ([128], 2, "relu", dict(m=8, dreg=True)),
    ([9, 13], 2, "tanh", dict(m=20, dreg=True)),
    ([4], 5, "tanh", dict(m=3)),
]


@pytest.mark.parametrize("hidden, z_dim, activation, how", CASES)
def test_gradients(either_page, monkeypatch, hidden, z_dim, activation, how):
    """Of each layer's weights and biases, beside autograd's in double precision."""
    batch, m = 48, how.get("m", 1)
    noise = torch.randn(m, batch, z_dim, generator=torch.Generator().manual_seed(1))
    found = either_page.evaluate(
        """async ([shape, how, noise, batch]) => {
      const t = trainer.create({ images, ...shape, seed: 3 });
      t.makeRoom(batch, how.m ?? 1);
      t.put(lists.slice(0, batch));
      const result = t.pass(batch, { ...how, noise: Float32Array.from(noise) });
      return { ...result, weights: await text(t.write()), gradients: await text(gradients(t)) };
    }""",
        [dict(hidden=hidden, z_dim=z_dim, activation=activation), how, noise.flatten().tolist(), batch],
    )
    model = model_of(floats(found["weights"]), hidden, z_dim, activation, how.get("beta", 1))
    with_noise(monkeypatch, noise)
    x = digits(batch, "test").double()
    bound = model.negative_elbo_bound(x) if m == 1 else model.negative_iwae_bound(x, m, how.get("dreg", False))
    bound[0].backward()
    for name, value in zip(("loss", "kl", "rec"), bound, strict=True):
        assert found[name] == pytest.approx(value.item(), abs=5e-5), name
    at, mine = 0, floats(found["gradients"])
    for name, parameter in [*model.enc.named_parameters("enc"), *model.dec.named_parameters("dec")]:
        own = mine[at : at + parameter.numel()].reshape(parameter.shape).double()
        at += parameter.numel()
        assert (own - parameter.grad).norm() < 1e-5 * parameter.grad.norm(), name
    assert at == len(mine)


def test_adam(either_page):
    """Three steps, beside torch.optim.Adam with the same gradients."""
    found = either_page.evaluate("""async () => {
      const t = trainer.create({ images, hidden: [40], activation: "relu", seed: 1 }), steps = [await text(t.write())];
      for (let i = 0; i < 3; i++) {
        t.put(lists.slice(32 * i, 32 * i + 32));
        t.pass(32, {});
        t.update(0.01);
        steps.push(await text(gradients(t)), await text(t.write()));
      }
      return steps;
    }""")
    weights = torch.nn.Parameter(floats(found[0]).double())
    optimizer = torch.optim.Adam([weights], lr=0.01)
    for gradient, after in zip(found[1::2], found[2::2], strict=True):
        weights.grad = floats(gradient).double()
        before = weights.detach().clone()
        optimizer.step()
        moved = floats(after).double() - before
        assert (moved - (weights.detach() - before)).abs().max() < 1e-6  # of 0.01; a float32 near 1 has steps of 6e-8
        assert moved.abs().max() > 0.009
        with torch.no_grad():
            weights.copy_(floats(after))


def test_trace(either_page, monkeypatch):
    noise = torch.tensor([0.7, -1.2])
    found = either_page.evaluate(
        """async ([noise]) => {
      const t = trainer.create({ images, hidden: [40], seed: 2 });
      for (let i = 0; i < 30; i++) t.step({ batch: 32 });
      const all = Object.entries(t.trace(lists[5], Float32Array.from(noise), 3));
      return [await text(t.write()), Object.fromEntries(all.map(([k, a]) => [k, a.length ? [...a] : a]))];
    }""",
        [noise.tolist()],
    )
    model = model_of(floats(found[0]), [40], 2)
    x = digits(6, "test")[5:].double()
    m, v = model.enc(x)
    z = m + v.sqrt() * noise
    logits = model.dec(z)
    for t in (m, v, z):
        t.retain_grad()
    rec, kl = -vc.log_bernoulli_with_logits(x, logits), model.kl(z, m, v)
    (rec + 3 * kl).backward()
    wanted = dict(m=m, v=v, z=z, ink=logits.sigmoid(), grad_z=z.grad, grad_m=m.grad, grad_v=v.grad)
    for name, value in wanted.items():
        assert torch.tensor(found[1][name]) == pytest.approx(value[0].detach().numpy(), rel=1e-4, abs=1e-4), name
    assert found[1]["rec"] == pytest.approx(rec.item(), abs=1e-3)
    assert found[1]["kl"] == pytest.approx(kl.item(), abs=1e-5)


# ----------------------------------------------------------------------------------------------------------------
# A run
# ----------------------------------------------------------------------------------------------------------------


def test_log_marginal(either_page):
    """By quadrature, on a model with narrow posteriors, on the same grid as vae_core's."""
    found = either_page.evaluate("""async () => {
      const t = trainer.create({ images, seed: 4 });
      for (let i = 0; i < 60; i++) t.step({ learning_rate: 5e-3 });
      const log_px = trainer.run(t.logMarginal(lists.slice(0, 64), 41, 5));
      const wide = trainer.run(t.logMarginal(lists.slice(0, 3), 31, 4));
      return [await text(t.write()), [...log_px], [...wide]];
    }""")
    model, x = model_of(floats(found[0]), [128], 2), digits(64, "test").double()
    assert found[1] == pytest.approx(vc.log_marginal_grid(model, x, 41, 5.0).log_px.numpy(), abs=1e-3)
    assert found[2] == pytest.approx(vc.log_marginal_grid(model, x[:3], 31, 4.0).log_px.numpy(), abs=1e-3)


def test_codes_and_pictures(either_page):
    found = either_page.evaluate("""async () => {
      const t = trainer.create({ images, hidden: [60, 40], seed: 5 });
      for (let i = 0; i < 30; i++) t.step({ batch: 16 });
      const { m, v } = trainer.run(t.codes(lists));
      const pictures = trainer.run(t.pictures(Float32Array.from({ length: 140 }, (_, i) => Math.sin(i))));
      return [await text(t.write()), await text(m), await text(v), [...pictures]];
    }""")
    model = model_of(floats(found[0]), [60, 40], 2)
    with torch.no_grad():
        m, v = model.enc(digits(128, "test").double())
        z = torch.arange(140.0, dtype=torch.float64).sin().reshape(70, 2)
        ink = (255 * model.dec(z).sigmoid()).round().flatten()
    assert floats(found[1]).numpy() == pytest.approx(m.flatten().numpy(), abs=1e-4)
    assert floats(found[2]).numpy() == pytest.approx(v.flatten().numpy(), rel=1e-4)
    assert (torch.tensor(found[3]) - ink).abs().max() <= 1


def test_two_epochs_end_where_fit_ends(browser, tmp_path):
    """Ten thousand digits, the rates of vc.fit, the same first weights: within 1.5 nats on test digits."""
    page = open_page(browser, tmp_path, n=10_000)
    steps = 2 * 157
    optimizer = torch.optim.Adam([torch.zeros(1)], lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 2e-3, total_steps=steps, pct_start=0.051, anneal_strategy="linear", cycle_momentum=False
    )
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    found = []
    for seed in range(1, 6):  # a pair differs by 1.1 nats (standard deviation of twenty)
        weights = page.evaluate(
            """async ([rates, seed]) => {
          const t = trainer.create({ images, seed }), weights = [await text(t.write())];
          for (const learning_rate of rates) t.step({ learning_rate });
          return [...weights, await text(t.write())];
        }""",
            [rates, seed],
        )
        other, own = (model_of(floats(each), [128], 2).float() for each in weights)
        vc.fit(
            other,
            digits(10_000),
            epochs=2,
            batch_size=64,
            learning_rate=2e-3,
            seed=seed,
            precision="float32",
            device="cpu",
            progress=False,
        )
        found.append([vc.evaluate(model, vc.load_mnist().test_images[:4000])["nelbo"] for model in (own, other)])
    page.close()
    in_page, in_python = np.mean(found, axis=0)
    assert in_page == pytest.approx(in_python, abs=1.5)
    assert in_page < 190  # and it has learned: untrained it is above 500


HASH = """async () => {
  const t = trainer.create({ images, seed: 9 });
  for (let i = 0; i < 200; i++) t.step(i % 2 ? { m: 2, learning_rate: 5e-3, batch: 32 } : { beta: 2 });
  const words = new Uint32Array(t.write().buffer);
  return [t.steps, words.reduce((hash, word) => Math.imul(hash ^ word, 16777619) >>> 0, 2166136261)];
}"""


def test_the_same_bits_in_firefox(page, firefox, tmp_path):
    file = tmp_path / "page.html"
    file.write_text("<!DOCTYPE html><meta charset=utf-8><title>trainer</title>", encoding="utf-8")
    firefox.open(file.as_uri())
    data = [SOURCE, encoded(digits(320)), encoded(digits(128, "test"))]
    firefox.evaluate(f"({SETUP})({json.dumps(data)})")
    assert firefox.evaluate(f"({HASH})()") == page.evaluate(HASH)


def test_a_seed_is_a_run(page):
    call = """(seed) => {
      const t = trainer.create({ images, hidden: [16], seed });
      for (let i = 0; i < 20; i++) t.step({ m: i % 3 + 1, batch: i % 2 ? 16 : 64 });
      return [...t.write()].slice(0, 2000);
    }"""
    first, again, other = (page.evaluate(call, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_eight_samples_are_not_worth_their_time(browser, tmp_path):
    """TrainVAE's own network, as in its set piece: three times the steps with m = 1 make a better model.

    A step with m = 8 takes longer than three with m = 1, as benchmarks/page_training.py measures.
    """
    page = open_page(browser, tmp_path, n=10_000)
    nats = page.evaluate("""() => {
      const usual = { learning_rate: 3e-3, batch: 64 }, held = lists.slice(0, 64);
      const train = (t, steps, how) => Array.from({ length: steps }, () => t.step({ ...usual, ...how }));
      const nats = (t) => -trainer.run(t.logMarginal(held, 121, 6)).reduce((a, b) => a + b) / held.length;
      const [one, eight] = [1, 8].map((m) => {
        const t = trainer.create({ images });
        train(t, 400);
        train(t, m === 8 ? 300 : 900, { m });
        return t;
      });
      return [nats(one), nats(eight)];
    }""")
    page.close()
    assert nats[0] < nats[1] - 1


def test_no_number_is_so_small_that_it_is_slow(page):
    """Importance weights of twenty samples, pixels that are never on, and a run that overfits: none below 1e-38."""
    found = page.evaluate("""() => {
      const t = trainer.create({ images: images.slice(0, 64 * 784), hidden: [32], seed: 1 });
      for (let i = 0; i < 1500; i++) t.step({ m: i % 3 ? 20 : 1, learning_rate: 5e-3, batch: 16 });
      const { enc, dec } = t.layers, [first] = enc, isSlow = (x) => x && Math.abs(x) < 1.2e-38;
      const slow = (from, n) => t.f.subarray(from, from + n).filter(isSlow).length;
      const learned = 4 * (first.gw - first.w); // parameters, gradients, and what Adam keeps of them
      return [learned, slow(0, learned), ...enc.flatMap(({ h, d, outs }) => [slow(h, 16 * outs), slow(d, 16 * outs)]),
        ...dec.flatMap(({ h, d, outs }) => [slow(h, 320 * outs), slow(d, 320 * outs)])];
    }""")
    assert found[0] == 4 * (784 * 32 + 32 + 32 * 8 + 8 + 8 * 32 + 32 + 32 * 784 + 784)
    assert found[1:] == [0] * 9


def test_what_the_chapters_tell_of_the_widgets_run(browser, tmp_path):
    """Chapters 3, 4 and 6 say what comes of the seed that TrainVAE opens with: the same bits, the same numbers."""
    packed, opened = packed_digits(), TrainVAE()
    levels = torch.frombuffer(bytearray(packed["images"]), dtype=torch.uint8)
    grey = 17 * torch.stack([levels >> 4, levels & 15], 1)
    page = open_page(browser, tmp_path)
    page.evaluate(SETUP, [SOURCE, encoded(grey), encoded(shown_digits().to(torch.uint8))])
    setup = dict(hidden=opened.hidden, seed=opened.seed, activation=opened.activation)
    how = {name: getattr(opened, name) for name in ("beta", "learning_rate", "m", "batch")}
    page.evaluate(
        """([setup, how]) => {
      globalThis.report = (t) => {
        const some = lists.slice(0, 64), { rec, kl } = trainer.run(t.bound(some, { times: 16 }));
        const log_px = trainer.run(t.logMarginal(some, 121, 6));
        return { nelbo: rec + kl, kl, exact: -log_px.reduce((a, b) => a + b) / 64 };
      };
      globalThis.after = (...parts) => { // of [steps, changes] each: a report for every part
        const t = trainer.create({ images, ...setup });
        return parts.map(([n, changes]) => {
          for (let i = 0; i < n; i++) t.step({ ...how, ...changes });
          return report(t);
        });
      };
    }""",
        [setup, how],
    )

    def told(chapter, sentence, report, **digits):
        """That the sentence, with the report's numbers filled in, stands in the chapter."""
        text = "\n".join("".join(cell["source"]) for cell in json.loads(chapter.read_text(encoding="utf-8"))["cells"])
        assert sentence.format(**{name: f"{report[name]:.{n}f}" for name, n in digits.items()}) in text

    parts = [0, {}], [1000, {}], [500, {}], [500, {}], [3000, {}]
    at_0, at_1000, at_1500, at_2000, at_5000 = page.evaluate("(parts) => after(...parts)", parts)
    parts = [1000, {}], [300, {"beta": 40}], [400, {}]
    _, collapsed, woken = page.evaluate("(parts) => after(...parts)", parts)
    _, eight = page.evaluate("(parts) => after(...parts)", ([1000, {}], [500, {"m": 8}]))
    vae, beta, iwae = (vc.BOOK / f"{name}.ipynb" for name in ("3_vae", "4_beta", "6_iwae"))
    told(vae, "takes −ELBO from {nelbo} to", at_0, nelbo=0)
    told(vae, "to {nelbo} nats in 1,000 steps, and $-\\log p(x)$ is then {exact};", at_1000, nelbo=1, exact=1)
    told(vae, "after 5,000 steps it is {nelbo} and {exact}.", at_5000, nelbo=1, exact=1)
    told(beta, "After 1,000 steps, 300 more at $\\beta = 40$ leave a KL of {kl} nats", collapsed, kl=2)
    told(beta, "400 steps at $\\beta = 1$ later it is {kl} again.", woken, kl=1)
    told(iwae, "500 more with eight end at a −ELBO of {nelbo} nats", eight, nelbo=1)
    told(iwae, "but at a $-\\log p(x)$ of {exact},", eight, exact=1)
    told(iwae, "would have brought {nelbo};", at_1500, nelbo=1)
    told(iwae, "where it would have been {exact}.", at_1500, exact=1)
    told(iwae, "1,000 with one sample reach {exact}:", at_2000, exact=1)
    page.close()


# ----------------------------------------------------------------------------------------------------------------
# Sessions
# ----------------------------------------------------------------------------------------------------------------

START = """(setup) => new Promise((resolve, reject) => {
  globalThis.reports = [];
  const packed = (bytes, many, of) => Uint8Array.from({ length: bytes.length / many }, (_, i) =>
    bytes.subarray(many * i, many * (i + 1)).reduce((all, byte) => (all << (8 / many)) | of(byte), 0));
  const data = { images: packed(images, 2, (grey) => grey / 17), test: packed(test, 8, (bit) => bit) };
  globalThis.run = trainer.start(globalThis.place ?? source, { ...data, hidden: [32], z_dim: 2, activation: "elu",
    seed: 1, weights: null, ...setup }, (report) => { reports.push(report); resolve(reports.length); }, reject);
})"""
NEXT = """(call) => new Promise((resolve) => {
  const before = reports.length;
  Function("run", call)(run);
  const look = () => (reports.length > before ? resolve(reports.at(-1)) : setTimeout(look, 5));
  look();
})"""


def plain_numbers(report):
    return {key: report[key] for key in ("steps", "loss", "rec", "kl", "held")}


@pytest.mark.parametrize("where", ["worker", "no worker", "dead worker"])
def test_a_session(browser, tmp_path, where):
    page = open_page(browser, tmp_path)
    if where == "no worker":
        page.evaluate("delete globalThis.Worker")
    if where == "dead worker":  # which is seen only when nothing comes of it
        page.evaluate("place = 'nothing.js'")
    page.evaluate(START, {})
    first = page.evaluate("reports[0]")
    assert first["steps"] == 0 and first["held"]["exact"] < first["held"]["rec"] + first["held"]["kl"]
    one = page.evaluate(NEXT, "run.set({ beta: 2 }); run.step()")
    assert one["steps"] == 1
    assert one["loss"] == pytest.approx(one["rec"] + 2 * one["kl"])
    # it reports no more than is drawn, and trains meanwhile
    page.evaluate("run.set({ beta: 1, batch: 16 }); run.drawn(); run.play()")
    page.wait_for_function("reports.length === 3")
    page.wait_for_timeout(200)
    assert page.evaluate("reports.length") == 3
    page.evaluate("run.drawn()")
    page.wait_for_function("reports.length === 4")
    assert page.evaluate("reports[3].steps > reports[2].steps")
    last = page.evaluate(NEXT, "run.pause()")
    page.wait_for_timeout(100)
    assert page.evaluate("reports.at(-1).steps") == last["steps"]
    assert last["held"]["rec"] + last["held"]["kl"] < first["held"]["rec"] + first["held"]["kl"] - 50
    weights = floats(page.evaluate("async () => text(await run.weights())"))
    exact = vc.log_marginal_grid(model_of(weights, [32], 2), digits(64, "test").double(), 121, 6.0).log_px.mean()
    assert last["held"]["exact"] == pytest.approx(-exact.item(), abs=1e-3)
    again = page.evaluate(NEXT, "run.set({ batch: 64 }); run.restart({})")
    assert plain_numbers(again) | dict(loss=0, rec=0, kl=0) == plain_numbers(first) | dict(loss=0, rec=0, kl=0)
    gone_on = page.evaluate(NEXT, "run.weights().then((weights) => run.restart({ weights, seed: 5 }))")
    assert gone_on["held"] == first["held"]
    page.close()


def test_a_run_is_measured_as_it_was_at_one_step(page):
    """While it trains on: the numbers are those of the run that ends at that step."""
    page.evaluate(START, {"seed": 3})
    found = page.evaluate("""async () => {
      run.set({ batch: 16 });
      run.play();
      let report;
      while (!report) {
        await new Promise((done) => setTimeout(done, 5));
        run.drawn();
        report = reports.slice(1).find(({ held }) => held);
      }
      run.close();
      const t = trainer.create({ images, hidden: [32], seed: 3 }), some = lists.slice(0, 64);
      for (let i = 0; i < report.held.steps; i++) t.step({ batch: 16 });
      const { rec, kl } = trainer.run(t.bound(some, { times: 16 })), log_px = trainer.run(t.logMarginal(some, 61, 5));
      return [report, { rec, kl, exact: -log_px.reduce((a, b) => a + b) / 64 }];
    }""")
    report, alone = found
    assert 0 < report["held"]["steps"] < report["steps"]
    assert {name: report["held"][name] for name in alone} == alone


def test_a_rate_that_is_too_high_ends_the_run(page):
    page.evaluate(START, {"seed": 2})
    page.evaluate("run.set({ learning_rate: 1e30 }); run.play()")
    page.wait_for_function("reports.length > 1")
    page.evaluate("run.drawn()")
    page.wait_for_function("!reports.at(-1).finite")
    page.evaluate("run.close()")


def test_weights_of_another_model_are_refused(page):
    with pytest.raises(Error, match="a VAE of these layers has 202516 weights; given 3"):
        page.evaluate("trainer.create({ images, weights: new Float32Array(3) })")
