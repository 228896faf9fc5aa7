"""vae_widgets/engine.js against PyTorch: the same weights, z and x in a browser give the same numbers."""

import base64
import functools
import itertools
import math

import numpy as np
import pytest
import torch
from playwright.sync_api import Error

import vae_core as vc
from vae_widgets.base import Mixture, Network
from vae_widgets.modules import joined

SOURCE = joined("engine.js")
LOGITS, NATS = 1e-4, 0.01  # what the book promises
MOST = 12  # models in a page at a time; Chromium gives all its memories of WebAssembly together some hundred places

# In the page: `engine`, the text it came from, and `models`, which fills as tests ask for them.
SETUP = """async (source) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  Object.assign(globalThis, { engine: await import(url), source, models: {} });
  globalThis.bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  globalThis.text = async (floats) => {
    const reader = new FileReader();
    reader.readAsDataURL(new Blob([floats]));
    await new Promise((resolve) => { reader.onload = resolve; });
    return reader.result.split(",")[1];
  };
  globalThis.addModel = (name, parts) => {
    models[name] = {};
    for (const [part, spec] of Object.entries(parts)) {
      const weights = new DataView(bytes(spec.weights).buffer);
      const make = part === "prior" ? engine.mixture : engine.network;
      models[name][part] = make({ ...spec, weights });
    }
  };
  globalThis.lists = (o) => Object.fromEntries(Object.entries(o).map(([k, a]) => [k, a?.length ? [...a] : a]));
  globalThis.runJob = (count, options = {}, name = "vae", from = source) => new Promise((resolve, reject) => {
    const logW = [], done = [];
    engine.boundJob(from, models[name], x, count, 5, (chunk) => { logW.push(...chunk.logW); done.push(chunk.done); },
      (error) => error ? reject(error) : resolve({ logW, done }), options);
  });
}"""


def open_page(browser, folder, before="", head=""):
    file = folder / "page.html"
    file.write_text(f"<!DOCTYPE html><meta charset=utf-8>{head}<title>engine</title>", encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    page.evaluate(SETUP, before + SOURCE)
    page.evaluate("(data) => { globalThis.x = Float32Array.from(data); }", digit().tolist())
    page.added, page.in_wasm = [], not before
    return page


@functools.cache
def digits():
    return vc.load_mnist().test_images[:12]


@functools.cache
def digit():
    return vc.binarize(digits()[:1], torch.Generator().manual_seed(0))[0]


@functools.cache
def trained(name):
    return vc.load_trained(name)


def spec(widget):
    names = ("sizes", "activation", "y_dim", "precision") if isinstance(widget, Network) else ("k", "z_dim")
    values = {name: getattr(widget, name) for name in names}
    return {**values, "weights": base64.b64encode(widget.weights).decode()}


def add(page, name, precision="float16"):
    """Puts a trained model in the page, under its name, and returns it."""
    model, key = trained(name), name if precision == "float16" else f"{name} {precision}"
    if key in page.added:
        page.added.remove(key)
    else:
        if len(page.added) == MOST:
            page.evaluate("(name) => delete models[name]", page.added.pop(0))  # that was used longest ago
        parts = {
            part: spec(Network.of(net, precision)) for part, net in model.named_children() if isinstance(net, vc.MLP)
        }
        if isinstance(model, vc.GMVAE):
            parts["prior"] = spec(Mixture.of(model))
        page.evaluate("([name, parts]) => addModel(name, parts)", [key, parts])
    page.added.append(key)
    return model


def tensor(values, rows=None):
    return torch.tensor(values) if rows is None else torch.tensor(values).reshape(rows, -1)


def floats(page, call, data=None):
    """What an expression or a function in the page returns, a Float32Array, without a detour through JSON."""
    found = page.evaluate(f"async (data) => {{ const f = {call}; return text(f.call ? f(data) : f); }}", data)
    return torch.from_numpy(np.frombuffer(base64.b64decode(found), np.float32).copy())


def largest_error(a, b):
    return (torch.as_tensor(a).double() - torch.as_tensor(b).double()).abs().max().item()


# One trained model of each class and shape: the others have nothing but other numbers.
SHAPE = ("x_dim", "z_dim", "hidden", "activation", "k", "each")
CLASSES, seen = {}, []
for name, description in vc.trained_models().items():
    shape = [description["class"], *(description["arguments"].get(part) for part in SHAPE)]
    if shape not in seen:
        seen.append(shape)
        CLASSES[name] = description["class"]
every_model = pytest.mark.parametrize("name", CLASSES)
# Of priors the engine knows mixtures of Gaussians with equal weights, and the widgets refuse the others.
PRIORS = {kind: getattr(getattr(vc, kind)(hidden=(4,)), "prior", None) for kind in set(CLASSES.values())}
every_bound = pytest.mark.parametrize(
    "name", [name for name, kind in CLASSES.items() if hasattr(PRIORS[kind], "components")]
)


@every_model
@pytest.mark.parametrize("rows", [1, 70])
@torch.no_grad()
def test_decoder(either_page, name, rows):
    model = add(either_page, name)
    z = 1.5 * torch.randn(rows, model.z_dim, generator=torch.Generator().manual_seed(1))
    y = torch.arange(rows) % 10
    call = "([name, z, y]) => engine.forward(models[name].dec, z, y.length, y)"
    logits = floats(either_page, call, [name, z.flatten().tolist(), y.tolist()])
    labels = [torch.nn.functional.one_hot(y, 10).float()] if isinstance(model, vc.SSVAE) else []
    assert largest_error(logits.reshape(rows, -1), model.dec(z, *labels)) < LOGITS
    in_wasm = either_page.evaluate("(name) => String(models[name].dec.product).includes('native code')", name)
    assert in_wasm == either_page.in_wasm


@every_model
@torch.no_grad()
def test_encoder(either_page, name):
    model = add(either_page, name)
    x = vc.binarize(digits()[:5])
    data = [name, x.flatten().tolist(), [3, 1, 4, 1, 5]]
    if isinstance(model, vc.Autoencoder):
        z = either_page.evaluate("([name, x]) => [...engine.forward(models[name].enc, x, 5)]", data)
        assert largest_error(tensor(z, 5), model.enc(x)) < LOGITS
        return
    labels = [torch.nn.functional.one_hot(tensor(data[2]), 10).float()] if isinstance(model, vc.SSVAE) else []
    m, v = model.enc(x, *labels)
    q = either_page.evaluate("([name, x, y]) => lists(engine.encode(models[name].enc, x, 5, y))", data)
    assert largest_error(tensor(q["m"], 5), m) < LOGITS
    assert largest_error(tensor(q["v"], 5).log(), v.log()) < 1e-3
    if isinstance(model, vc.SSVAE):
        logits = either_page.evaluate("([name, x]) => [...engine.forward(models[name].cls, x, 5)]", data)
        assert largest_error(tensor(logits, 5), model.cls(x)) < LOGITS


def log_weight(model, x, z, m, v, y=None):
    """log p(x, y, z) - log q(z|x, y) at a given z, as vae_core has it."""
    labels = [] if y is None else [torch.nn.functional.one_hot(y, 10).float()]
    kl = vc.log_normal(z, m, v) - model.log_prior(z) + (0 if y is None else math.log(10))
    rec = -vc.log_bernoulli_with_logits(x, model.dec(z, *labels))
    return -(kl + rec), kl, rec


@every_bound
@torch.no_grad()
def test_log_weights(page, name):
    model, x, count = add(page, name), digit(), 150
    call = "([name, count]) => lists(engine.logWeights(models[name], x, count, engine.normals(7)))"
    found = page.evaluate(call, [name, count])
    z, y, share = tensor(found["z"], count), None, 0
    if isinstance(model, vc.SSVAE):
        y = tensor(found["y"])
        m, v = model.enc(x.unsqueeze(0), torch.nn.functional.one_hot(y, 10).float())
        share = model.cls(x.unsqueeze(0)).log_softmax(-1)[0, y]
    else:
        m, v = model.enc(x.unsqueeze(0))
    log_w, kl, rec = log_weight(model, x, z, m, v, y)
    assert largest_error(found["rec"], rec) < NATS
    assert largest_error(found["kl"], kl + share) < NATS
    assert largest_error(found["logW"], log_w - share) < NATS
    bound = page.evaluate("(w) => engine.logMeanExp(w)", found["logW"])
    assert bound == pytest.approx(vc.log_mean_exp(log_w - share, 0).item(), abs=NATS)
    assert largest_error((z - m).div(v.sqrt()).mean(), 0) < 4 / math.sqrt(z.numel())


@torch.no_grad()
def test_log_weights_from_a_given_posterior(page):
    model, x = add(page, "vae-2d"), digit()
    m, v = [0.5, -1.0], [0.25, 2.0]
    call = """([m, v]) => lists(engine.logWeights(models["vae-2d"], x, 60, engine.normals(1), { q: { m, v } }))"""
    found = page.evaluate(call, [m, v])
    assert largest_error(found["logW"], log_weight(model, x, tensor(found["z"], 60), tensor(m), tensor(v))[0]) < NATS


@torch.no_grad()
def test_log_weights_of_a_label(page):
    model, x = add(page, "ssvae"), digit()
    found = page.evaluate("lists(engine.logWeights(models.ssvae, x, 60, engine.normals(1), { y: 4 }))")
    y = tensor([4] * 60)
    m, v = model.enc(x.unsqueeze(0), torch.nn.functional.one_hot(y, 10).float())
    assert found["y"] == y.tolist()
    assert largest_error(found["logW"], log_weight(model, x, tensor(found["z"], 60), m, v, y)[0]) < NATS
    noise = tensor(page.evaluate("[...engine.normals(1).fill(new Float32Array(60 * 64))]"), 60)
    assert largest_error(found["z"], (m + v.sqrt() * noise).flatten()) < LOGITS  # a label that is known takes no draw
    again = """() => lists(engine.logWeights(models.ssvae, x, 60, engine.normals(1),
      { y: 4, known: engine.proposal(models.ssvae, x) }))"""
    assert page.evaluate(again) == found  # where the encoder has told already, of every label


def test_what_rounding_leaves_of_a_probability_is_the_last_labels(page):
    add(page, "ssvae")
    call = """() => {
      const [m, v] = [new Float32Array(128), new Float32Array(128).fill(1)];
      const known = { m, v, labels: [3, 5], log_q: [-30, -30] };
      return [...engine.logWeights(models.ssvae, x, 50, engine.normals(1), { known }).y];
    }"""
    assert page.evaluate(call) == [5] * 50


def test_weights_do_not_depend_on_how_they_are_cut(page):
    add(page, "ssvae")
    cut, whole = page.evaluate("""() => {
      const weights = (n, normals) => [...engine.logWeights(models.ssvae, x, n, normals).logW];
      const draw = (normals, ...counts) => counts.flatMap((n) => weights(n, normals));
      return [draw(engine.normals(5), 1, 3, 4), draw(engine.normals(5), 8)];
    }""")
    assert cut == whole


@torch.no_grad()
def test_a_label_is_drawn_as_often_as_it_is_probable(page):
    model = add(page, "ssvae")
    # Halfway between two digits the classifier is in doubt.
    images = digits() / 255
    mixed = torch.cat([(images[i] + images[j]).clamp(max=1).unsqueeze(0) for i in range(12) for j in range(i)])
    probability, row = model.cls(mixed).softmax(-1).max(1).values.min(0)
    assert probability < 0.8
    call = "(x) => [...engine.logWeights(models.ssvae, Float32Array.from(x), 2000, engine.normals(2)).y]"
    drawn = torch.bincount(tensor(page.evaluate(call, mixed[row].tolist())), minlength=10) / 2000
    assert largest_error(drawn, model.cls(mixed[row]).softmax(-1)) < 4 * math.sqrt(0.25 / 2000)


@torch.no_grad()
def test_a_draw_from_the_mixture(page):
    m, v = (t[0] for t in add(page, "gmvae").z_prior)
    call = "([noise, u]) => [...engine.mixtureSample(models.gmvae.prior, noise, u)]"
    noise = torch.linspace(-2, 2, 10)
    for component, u in ((0, 0.0), (250, 0.501), (499, 0.9999)):
        found = page.evaluate(call, [noise.tolist(), u])
        assert largest_error(found, m[component] + v[component].sqrt() * noise) < 1e-6


def test_densities(page):
    generator = torch.Generator().manual_seed(0)
    z, m, logits = (torch.randn(6, 5, generator=generator) * 3 for _ in range(3))
    v = torch.rand(6, 5, generator=generator) + 0.01
    x = vc.binarize(torch.rand(6, 5, generator=generator))
    data = {"z": z, "m": m, "v": v, "x": x, "a": logits}
    found = page.evaluate(
        """({ z, m, v, x, a }) => ({
      normal: [...engine.logNormal(z, m, v, 5, 6)],
      oneRow: [...engine.logNormal(z, m.slice(0, 5), v.slice(0, 5), 5, 6)],
      bernoulli: [...engine.logBernoulli(x, a, 5, 6)],
      oneImage: [...engine.logBernoulli(x.slice(0, 5), a, 5, 6)],
      kl: engine.klNormal(m, v),
      general: engine.klNormal(m.slice(0, 5), v.slice(0, 5), z.slice(0, 5), v.slice(5, 10)),
      sigmoid: [...engine.sigmoid(a)], number: engine.sigmoid(0),
      means: [...engine.ink({ grey: "identity" }, [-0.5, 0.25, 2])],
      continuous: [...engine.ink({ grey: "continuous" }, [...a, 0, 1e-4, -0.01, 20])],
    })""",
        {name: t.flatten().tolist() for name, t in data.items()},
    )
    assert largest_error(found["normal"], vc.log_normal(z, m, v)) < 1e-3
    assert largest_error(found["oneRow"], vc.log_normal(z, m[0], v[0])) < 1e-3
    assert largest_error(found["bernoulli"], vc.log_bernoulli_with_logits(x, logits)) < 1e-4
    assert largest_error(found["oneImage"], vc.log_bernoulli_with_logits(x[0], logits)) < 1e-4
    assert found["kl"] == pytest.approx(vc.kl_normal(m, v, torch.zeros(5), torch.ones(5)).sum().item(), rel=1e-5)
    assert found["general"] == pytest.approx(vc.kl_normal(m[0], v[0], z[0], v[1]).item(), rel=1e-5)
    assert largest_error(found["sigmoid"], logits.flatten().sigmoid()) < 1e-6
    assert found["number"] == 0.5 and found["means"] == [0, 0.25, 1]
    numbers = torch.cat([logits.flatten(), torch.tensor([0, 1e-4, -0.01, 20])]).double()
    grey = torch.distributions.ContinuousBernoulli(logits=numbers).mean
    assert largest_error(found["continuous"], grey) < 1e-6


def test_gaussians_with_all_of_their_covariance(page):
    generator = torch.Generator().manual_seed(5)
    z, m, root = (torch.randn(*shape, generator=generator, dtype=torch.double) for shape in ((6, 25), (25,), (25, 30)))
    found = page.evaluate(
        """({ z, m, covariance }) => {
      const gaussian = engine.gaussian(m, covariance);
      return z.map((_, row) => row).filter((i) => i % 25 === 0).map((at) => engine.logGaussian(z, at, gaussian));
    }""",
        {"z": z.flatten().tolist(), "m": m.tolist(), "covariance": (root @ root.T).flatten().tolist()},
    )
    wanted = torch.distributions.MultivariateNormal(m, root @ root.T).log_prob(z)
    assert found == pytest.approx(wanted.tolist(), rel=1e-9)


def test_densities_far_out(page):
    """Saturated pixels and thousands of them: no overflow, and no logarithm of an underflow."""
    found = page.evaluate("""() => {
      const n = 5000, a = Float32Array.from({ length: n }, (_, i) => [1e4, -1e4, 0, 80, -80][i % 5]);
      return [engine.logBernoulli(new Float32Array(n).fill(1), a, n)[0], ...engine.sigmoid([-1e4, 1e4])];
    }""")
    assert found[0] == pytest.approx(1000 * (-1e4 - math.log(2) - 80), rel=1e-9)
    assert found[1:] == [0, 1]


def test_log_mean_exp(page):
    call = "(a) => String(engine.logMeanExp(a.map(Number)))"
    cases = {
        ("0",): 0,
        ("-Infinity", "-Infinity"): -math.inf,
        ("-Infinity", "0"): -math.log(2),
        ("1000", "1000"): 1000,
        ("1000", "0"): 1000 - math.log(2),
        ("-2000", "-2001"): -2000 + math.log((1 + math.exp(-1)) / 2),
        ("Infinity", "0"): math.inf,
    }
    for values, expected in cases.items():
        assert float(page.evaluate(call, list(values)).replace("Infinity", "inf")) == pytest.approx(expected, abs=1e-12)
    for values in (["NaN", "0"], ["0", "NaN"], ["NaN", "-Infinity"], ["Infinity", "NaN"]):
        assert page.evaluate(call, values) == "NaN"
    with pytest.raises(Error, match="nothing to average"):
        page.evaluate(call, [])


def test_normals(page):
    n = 200_000
    draws = floats(page, "(n) => engine.normals(11).fill(new Float32Array(n))", n).double()
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert draws.pow(power).mean().item() == pytest.approx(moment, abs=4 * math.sqrt(spread / n))
    for lag in (1, 2, 10, 64):
        assert (draws[lag:] * draws[:-lag]).mean().abs() < 4 / math.sqrt(n)
    below = torch.tensor([(draws < t).double().mean() for t in (-3, -1, 0.5, 2)])
    assert largest_error(below, torch.special.ndtr(torch.tensor([-3.0, -1, 0.5, 2]))) < 4 * 0.5 / math.sqrt(n)
    uniform = floats(page, "(n) => Float32Array.from({ length: n }, engine.normals(3).uniform)", n)
    assert uniform.min() >= 0 and uniform.max() <= 1  # float32 rounds to the ends
    assert uniform.double().mean().item() == pytest.approx(0.5, abs=4 * math.sqrt(1 / 12 / n))


def test_a_seed_is_a_sequence(page):
    call = "([seed, n]) => [...engine.normals(seed).fill(new Float32Array(n))]"
    first = page.evaluate(call, [0, 100])
    assert first == page.evaluate(call, [0, 100])
    firsts = page.evaluate("Array.from({ length: 1000 }, (_, seed) => engine.normals(seed).next())")
    assert len(set(firsts)) == 1000
    assert abs(np.mean(firsts)) < 4 / math.sqrt(1000)  # neighbouring seeds are unrelated
    assert abs(np.corrcoef(firsts[1:], firsts[:-1])[0, 1]) < 4 / math.sqrt(1000)


def xoshiro(seed):
    """xoshiro128** (Blackman and Vigna), seeded by splitmix32: numbers of 32 bits."""

    def split():
        nonlocal seed
        seed = (seed + 0x9E3779B9) % 2**32
        t = (seed ^ seed >> 16) * 0x21F0AAAD % 2**32
        t = (t ^ t >> 15) * 0x735A2D97 % 2**32
        return t ^ t >> 15

    def rotated(n, by):
        return (n << by | n >> 32 - by) % 2**32

    a, b, c, d = (split() for _ in range(4))
    while True:
        yield rotated(b * 5 % 2**32, 7) * 9 % 2**32
        shifted = b << 9 & 0xFFFFFFFF
        c, d = c ^ a, d ^ b
        b, a = b ^ c, a ^ d
        c, d = c ^ shifted, rotated(d, 11)


@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1])
def test_draws_are_those_of_the_published_generators(page, seed):
    uniforms = [(n + 0.5) / 2**32 for n in itertools.islice(xoshiro(seed), 1000)]
    call = "(seed) => { const { uniform } = engine.normals(seed); return Array.from({ length: 1000 }, uniform); }"
    assert page.evaluate(call, seed) == uniforms
    pairs = ((2 * u - 1, 2 * v - 1) for u, v in zip(uniforms[::2], uniforms[1::2], strict=True))
    scaled = ((u, v, u * u + v * v) for u, v in pairs)  # Marsaglia's polar method
    wanted = [a * math.sqrt(-2 * math.log(s) / s) for u, v, s in scaled if 0 < s < 1 for a in (u, v)]
    filled = """(seed) => {
      const normals = engine.normals(seed);
      return [...normals.fill(new Float64Array(301)), ...normals.fill(new Float64Array(300))];
    }"""
    assert page.evaluate(filled, seed) == pytest.approx(wanted[:601], rel=1e-12)


@torch.no_grad()
def test_precisions(page):
    """float16 is what the file has; int8 is for pictures, not for numbers."""
    for precision in ("float16", "float32", "int8"):
        add(page, "vae", precision)
    call = """(name) => {
      const z = engine.normals(0).fill(new Float32Array(640));
      return engine.sigmoid(engine.forward(models[name].dec, z, 64));
    }"""
    half, full, int8 = (floats(page, call, name) for name in ("vae", "vae float32", "vae int8"))
    assert largest_error(half, full) == 0
    errors = 255 * (int8 - half).abs()
    assert errors.mean() < 1 and errors.quantile(0.99) < 8 and errors.max() < 25  # of 255 grey levels, in 64 digits


def test_half_floats_of_every_size(page):
    """All finite ones, the subnormal among them, come through a layer of one input exactly."""
    half = np.arange(65536, dtype=np.uint16).view(np.float16)
    half = half[np.isfinite(half)]
    planes = half.view(np.uint8).reshape(-1, 2).T.tobytes()  # all low bytes, all high bytes
    weights = base64.b64encode(planes + bytes(2 * len(half))).decode()
    packed = {"sizes": [1, len(half)], "activation": "elu", "precision": "float16", "weights": weights}
    call = "(spec) => engine.forward(engine.network({ ...spec, weights: bytes(spec.weights) }), [1])"
    assert largest_error(floats(page, call, packed), half.astype(np.float32)) == 0


def test_weights_at_any_byte_and_decoded_once(page):
    add(page, "vae-2d")
    found = page.evaluate("""() => {
      const { spec } = models["vae-2d"].dec, bytes = new Uint8Array(spec.weights.buffer);
      const run = (weights) => engine.forward(engine.network({ ...spec, weights }), [1, -1]).join();
      const views = [0, 1, 2, 3, 5].map((offset) => {
        const buffer = new ArrayBuffer(bytes.length + offset + 3);
        new Uint8Array(buffer, offset, bytes.length).set(bytes);
        return run(new DataView(buffer, offset, bytes.length));
      });
      const wanted = run(spec.weights);
      return [views.map((v) => v === wanted), run(bytes.buffer) === wanted, run(bytes) === wanted,
        engine.network(spec) === engine.network({ ...spec }), engine.network(spec) === models["vae-2d"].dec];
    }""")
    assert found == [[True] * 5, True, True, True, True]


@torch.no_grad()
def test_a_mixture_is_built_once_of_a_copy(page):
    model = add(page, "gmvae")
    found = page.evaluate("""() => {
      const { prior } = models.gmvae, numbers = [1, -1, 0.5, 2], weights = Float32Array.from(numbers).buffer;
      const one = engine.mixture({ k: 1, z_dim: 2, weights });
      let refused = false;
      try { engine.mixture({ k: 1, z_dim: 3, weights }); } catch { refused = true; }
      const two = engine.mixture({ k: 2, z_dim: 1, weights });
      new Float32Array(weights).fill(9);
      return [engine.mixture(prior.spec) === prior, [...two.m, ...two.v, ...one.m, ...one.v], prior.m.length,
        engine.logMixture([0], two)[0], engine.logMixture([0, 0], one)[0], refused];
    }""")
    assert found[:3] == [True, [1, -1, 0.5, 2] * 2, model.prior.k * model.z_dim]
    m, v = tensor([1.0, -1]), tensor([0.5, 2])
    assert found[3] == pytest.approx(vc.log_mean_exp(vc.log_normal(tensor([[0.0], [0]]), m[:, None], v[:, None]), 0))
    assert found[4] == pytest.approx(vc.log_normal(torch.zeros(2), m, v))
    assert found[5]  # though of these weights one is known


def test_a_variance_is_above_0(page):
    packed = base64.b64encode(np.float32([0, 0, 0, -60])).decode()  # no weights; biases of m and of v
    call = """(weights) => lists(engine.encode(
      engine.network({ sizes: [1, 2], activation: "elu", weights: bytes(weights) }), [1]))"""
    assert page.evaluate(call, packed)["v"] == [pytest.approx(1e-8)]


def test_rows_do_not_depend_on_one_another(either_page):
    """However many rows go through a network together, each comes out the same to the last bit."""
    add(either_page, "vae")
    assert (
        either_page.evaluate("""() => {
      const { dec } = models.vae, z = engine.normals(1).fill(new Float32Array(131 * 10));
      const all = engine.forward(dec, z, 131), kept = all.join();
      for (let r = 0; r < 131; r++) {
        const one = engine.forward(dec, z.slice(10 * r, 10 * r + 10));
        if (one.join() !== all.slice(784 * r, 784 * r + 784).join()) return `row ${r}`;
      }
      return all.join() === kept; // what was returned is the caller's
    }""")
        is True
    )


def test_other_networks(either_page):
    """Widths that fill no register, one layer, every activation, and a label."""
    generator = torch.Generator().manual_seed(4)
    cases = [((3, 5), "elu", 0), ((1, 1, 1), "tanh", 0), ((7, 13, 9, 3), "relu", 3), ((2, 200, 200, 17), "tanh", 0)]
    for sizes, activation, y_dim in cases:
        mlp = vc.MLP(sizes, activation, y_dim)
        packed = spec(Network.of(mlp, "float32"))
        x, y = torch.randn(9, sizes[0], generator=generator), torch.arange(9) % 3
        call = """([spec, x, y]) => {
          const net = engine.network({ ...spec, weights: bytes(spec.weights) });
          return [...engine.forward(net, x, 9, y)];
        }"""
        found = either_page.evaluate(call, [packed, x.flatten().tolist(), y.tolist()])
        labels = [torch.nn.functional.one_hot(y, 3).float()] if y_dim else []
        assert largest_error(tensor(found, 9), mlp(x, *labels)) < 1e-5


@pytest.mark.parametrize(
    "call, message",
    [
        (
            "engine.network({ ...spec, sizes: [2, 300, 300, 785] })",
            "sizes 2-300-300-785 take 654970 bytes; given 654368",
        ),
        ("engine.network({ ...spec, sizes: [2] })", "sizes must be"),
        ("engine.network({ ...spec, sizes: [2, 2.5] })", "sizes must be"),
        ("engine.network({ ...spec, sizes: [2, -1] })", "sizes must be"),
        ("engine.network({ ...spec, sizes: [2, 0] })", "sizes must be"),
        ("engine.network({ ...spec, grey: 'blue' })", "grey must be one of sigmoid, identity, .* given blue"),
        (
            "engine.network({ sizes: [1, 1], activation: 'elu', weights: Float32Array.of(NaN, 0) })",
            "network's weights are not all finite",
        ),
        (
            "engine.network({ sizes: [1, 1], activation: 'elu', precision: 'float16', weights: "
            "Uint8Array.of(0, 0x7c, 0, 0) })",
            "network's weights are not all finite",
        ),
        ("engine.network({ ...spec, activation: 'gelu' })", "activation must be one of elu, relu, tanh; given gelu"),
        ("engine.network({ ...spec, precision: 'float64' })", "precision must be one of .* given float64"),
        ("engine.network({ ...spec, weights: [1, 2] })", "weights must be an ArrayBuffer or a view"),
        ("engine.mixture({ k: 2, z_dim: 2, weights: new ArrayBuffer(8) })", "takes 32 bytes; given 8"),
        ("engine.forward(dec, [1, 2, 3])", "wanted 1 x 2 inputs; given 3"),
        ("engine.forward(models.ssvae.dec, new Float32Array(64))", "wanted a label for each of 1 rows; given none"),
        ("engine.forward(models.ssvae.dec, new Float32Array(64), 1, [10])", "labels are 0 to 9; given 10"),
        ("engine.forward(models.ssvae.dec, new Float32Array(64), 1, [-1])", "labels are 0 to 9; given -1"),
        ("engine.forward(models.ssvae.dec, new Float32Array(64), 1, [0.5])", "labels are 0 to 9; given 0.5"),
        ("engine.logNormal([1, 2], [1], [1, 1], 2)", "m: wanted 2 or 1 x 2 numbers; given 1"),
        ("engine.gaussian([0, 0], [1, 0, 1])", "covariance: wanted 2 x 2 numbers; given 3"),
        ("engine.gaussian([0, 0], [1, 2, 2, 1])", "wanted a positive definite matrix"),
        ("engine.gaussian([0, 0], [1, 1, 1, 1])", "wanted a positive definite matrix"),
        ("engine.logWeights(models['vae-2d'], x, 0, engine.normals(1))", "whole number of at least 1; given 0"),
        ("engine.logWeights(models['vae-2d'], [1, 0], 5, engine.normals(1))", "wanted an image of 784 pixels; given 2"),
        ("runJob(0.5, {}, 'vae-2d')", "count must be a whole number"),
        ("draw('vae-2d', { q: { m: [0], v: [1] } })", r"wanted 2 numbers in q\.m; given 1"),
        ("draw('vae-2d', { q: { m: [0, 0] } })", r"wanted 2 numbers in q\.v; given none"),
        ("draw('ssvae', { q: { m: x.slice(0, 64), v: x.slice(0, 64) } })", "a label y is wanted"),
    ],
)
def test_errors(page, call, message):
    add(page, "vae-2d")
    add(page, "ssvae")
    with pytest.raises(Error, match=message):
        given = [
            "{ dec } = models['vae-2d']",
            "{ spec } = dec",
            "draw = (name, options) => engine.logWeights(models[name], x, 5, engine.normals(1), options)",
        ]
        page.evaluate("([given, call]) => Function(...given, `return ${call}`)()", [given, call])


# ----------------------------------------------------------------------------------------------------------------
# Workers
# ----------------------------------------------------------------------------------------------------------------

DIRECT = "(name) => [...engine.logWeights(models[name], x, 700, engine.normals(5)).logW]"


@pytest.mark.parametrize("name", ["vae-2d", "vae-z50", "burda-1", "gmvae", "ssvae"])
def test_a_worker_finds_the_same(page, name):
    add(page, name)
    direct = page.evaluate(DIRECT, name)
    job = page.evaluate("(name) => runJob(700, {}, name)", name)
    assert job == {"logW": direct, "done": [200, 400, 600, 700]}
    odd = page.evaluate("(name) => runJob(700, { chunk: 101 }, name)", name)
    assert odd["logW"] == direct


def test_a_worker_is_used_again_and_networks_are_sent_once(page):
    add(page, "vae")
    found = page.evaluate("""async () => {
      let made = 0, networks = 0, answers = 0;
      const Original = Worker;
      globalThis.Worker = class extends Original {
        constructor(...args) {
          super(...args);
          made += 1;
          this.addEventListener("message", ({ data }) => { answers += "result" in data; });
        }
        postMessage(data, ...rest) { networks += data.type === "network"; super.postMessage(data, ...rest); }
      };
      const fresh = source + "\\n// one of its own";
      const runs = await Promise.all([runJob(300, {}, "vae", fresh), runJob(300, {}, "vae", fresh)]);
      runs.push(await runJob(300, {}, "vae", fresh));
      globalThis.Worker = Original;
      return [made, networks, answers > 0, runs.map((run) => run.logW.join()).every((w, _, all) => w === all[0])];
    }""")
    assert found == [1, 2, True, True]  # answered by the Worker, and not by this thread in its place


def test_a_worker_at_rest_is_let_go(browser, tmp_path):
    page = open_page(browser, tmp_path)
    page.evaluate(SETUP, SOURCE.replace("REST = 5000;", "REST = 50;"))
    add(page, "vae")
    found = page.evaluate("""async () => {
      const Original = Worker, seen = [];
      let made = 0, gone = 0;
      globalThis.Worker = class extends Original {
        constructor(...args) { super(...args); made += 1; }
        terminate() { gone += 1; super.terminate(); }
      };
      const draw = (replaces) => new Promise((resolve) => {
        const logW = [];
        const job = engine.boundJob(source, models.vae, x, 300, 5, (chunk) => logW.push(...chunk.logW), () => {
          seen.push([made, gone, logW.join()]);
          resolve(job);
        }, { replaces });
      });
      const first = await draw();
      while (!gone) await new Promise((resolve) => setTimeout(resolve, 10));
      for (let i = 0; i < 8; i++) { // the first was the dead Worker's, and leaves its successor alone
        await draw(first);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return seen;
    }""")
    assert found == [[1, 0, found[0][2]]] + 8 * [[2, 1, found[0][2]]]
    page.close()


def test_a_job_is_cancelled(page):
    add(page, "vae")
    found = page.evaluate("""async () => {
      const seen = [0, 0, 0];
      const job = (i, count, options) => new Promise((resolve) => {
        const handle = engine.boundJob(source, models.vae, x, count, 1, () => {
          seen[i] += 1;
          if (i === 0) { handle.cancel(); resolve(handle); }
          if (i === 1) resolve(handle);
        }, () => { seen[i] = "done"; resolve(); }, { chunk: 50, ...options });
      });
      await job(0, 1e6);                          // cancels itself
      const running = await job(1, 1e6);          // goes on ...
      await job(2, 500, { replaces: running });   // ... until this one takes its place
      const then = seen.slice();
      await job(2, 500);
      return [then, seen];
    }""")
    then, seen = found
    assert then == seen  # nothing more was reported
    assert seen[0] == 1 and seen[1] >= 1 and seen[2] == "done"


@pytest.mark.parametrize(
    "refusal",
    [
        "class { constructor() { throw new DOMException('refused', 'SecurityError'); } }",
        "undefined",
        "class extends Worker { constructor(url, o) { super('blob:null/none', o); } }",
        """class extends Worker {
      constructor(url, o) { super(url, o); setTimeout(() => this.onerror(new Event('error')), 60); }
    }""",
    ],
    ids=["throws", "absent", "does not load", "dies at work"],
)
def test_without_a_worker_the_page_does_the_work(page, refusal):
    add(page, "vae")
    found = page.evaluate(
        """async (refusal) => {
      const Original = Worker, fresh = `${source}\n/* ${refusal} */`;
      globalThis.Worker = Function(`return ${refusal}`)();
      try {
        let alive = 0;
        const timer = setInterval(() => alive += 1, 1);
        const runs = [await runJob(700, { chunk: 50 }, "vae", fresh), await runJob(700, { chunk: 50 }, "vae", fresh)];
        clearInterval(timer);
        return { runs, alive };
      } finally {
        globalThis.Worker = Original;
      }
    }""",
        refusal,
    )
    expected = {"logW": page.evaluate(DIRECT, "vae"), "done": list(range(50, 701, 50))}
    assert found["runs"] == [expected, expected]
    assert found["alive"] > 1  # the page could do other things meanwhile


def test_a_page_that_forbids_workers(browser, tmp_path):
    policy = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob: file:; worker-src 'none'"
    page = open_page(browser, tmp_path, head=f'<meta http-equiv="Content-Security-Policy" content="{policy}">')
    add(page, "vae")
    job = page.evaluate("runJob(700)")
    assert job["logW"] == page.evaluate(DIRECT, "vae")
    page.close()
