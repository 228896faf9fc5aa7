"""Widgets of models of other parts: pictures of any height and width, other likelihoods, other networks."""

import base64

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn
from widget_pages import control, ink, number, press, wait_for_frame

import vae_core as vc
import vae_widgets as w
from vae_widgets import plots
from vae_widgets.base import Network

PIXEL = 0.5 / 255 + 1e-3  # a picture's ink comes in steps of 1/255, and weights in half floats
NATS = 0.01
SHAPES = [(8, 8), (6, 10)]
HIDDEN = (12,)


def images(pixels, n=10, grey=False):
    """Blots, and their class ids."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(n, pixels, generator=generator)
    return (x if grey else (x > 0.6).float()), torch.arange(n) % 10


def make(kind, shape, seed=0, **parts):
    """A model of that shape whose pictures differ."""
    torch.manual_seed(seed)
    return kind(shape[0] * shape[1], parts.pop("z_dim", 2), HIDDEN, shape=shape, **parts)


def assert_picture(place, image, selector="canvas.vw-digit", within=PIXEL):
    assert place.locator(selector).first.evaluate("(c) => [c.height, c.width]") == list(image.shape)
    assert np.abs(ink(place, selector) - image.numpy().ravel()).max() <= within


# --- any height and width ---


@pytest.mark.parametrize("shape", SHAPES)
def test_traversal_and_bound_of_other_shapes_agree_with_pytorch(show_widgets, shape):
    model = make(vc.VAE, shape)
    x, labels = images(model.x_dim)
    traversal, bound = w.LatentTraversal(model, x, labels), w.IwaeBound(model, x, labels)
    plane = w.LatentPlane(model, x, labels, z=[1.0, -0.5])
    page, trouble = show_widgets([traversal, bound, plane])
    one, two, three = page.locator(".vw").all()
    assert_picture(one, traversal.image)
    assert_picture(one, x[0].reshape(shape), ".vw-pair figure:nth-child(2) canvas")
    assert number(one, "rec") == pytest.approx(traversal.rec, abs=NATS)
    assert number(one, "log_p") == pytest.approx(traversal.log_p, abs=NATS)
    press(control(one, "digit").nth(0), "ArrowRight")
    traversal.digit = 1
    assert_picture(one, traversal.image)
    assert number(one, "rec") == pytest.approx(traversal.rec, abs=NATS)
    page.wait_for_function("() => document.querySelectorAll('[data-key=drawn]')[0].dataset.value === '5000'")
    assert number(two, "exact") == pytest.approx(bound.exact, abs=NATS)
    assert number(two, "bound") == pytest.approx(bound.bound, abs=0.1)
    assert number(two, "elbo") == pytest.approx(bound.elbo, abs=0.1)
    assert bound.elbo < bound.bound < bound.exact + 0.05
    assert_picture(three, plane.image)
    assert number(three, "log_p") == pytest.approx(plane.log_p, abs=NATS)
    assert trouble == []


@pytest.mark.parametrize("shape", SHAPES)
def test_the_other_widgets_of_other_shapes_agree_with_pytorch(show_widgets, shape):
    model, mixture, labelled = make(vc.VAE, shape), make(vc.GMVAE, shape, k=5), make(vc.SSVAE, shape, z_dim=3)
    x, labels = images(model.x_dim)
    many, classes = images(model.x_dim, 600)
    grid = vc.log_marginal_grid(model, x[:2], n=161, limit=8)
    widgets = [
        w.Components(mixture, x, labels),
        w.StyleContent(labelled, x, labels, y=3),
        w.PosteriorEllipse(model, x[:2], labels[:2], grid),
        w.Integral(model, x[:2], labels[:2], n=51),
        w.Sweep({"one": model, "two": make(vc.VAE, shape, 1)}, x, labels),
        w.SampledKl({"plain": model}, x, labels),
        w.NamedClusters(make(vc.VAE, shape, z_dim=4), many, classes, many[:20], classes[:20]),
    ]
    page, trouble = show_widgets(widgets)
    components, style, ellipse, integral, sweep, kl, clusters = page.locator(".vw").all()
    assert_picture(components, widgets[0].image)
    assert_picture(style, widgets[1].image, ".vw-pair canvas")
    assert number(style, "rec") == pytest.approx(widgets[1].rec, abs=NATS)
    with torch.no_grad():
        mean = model.encode(x[:1])[0][0]
    assert_picture(
        ellipse,
        model.likelihood.mean(model.decode(mean)).detach().reshape(shape),
        ".vw-pair figure:nth-child(2) canvas",
        3 / 255,
    )  # of a decoder in int8
    page.wait_for_function("() => [...document.querySelectorAll('[data-key=grid]')].every((e) => +e.dataset.value < 0)")
    assert number(integral, "grid") == pytest.approx(widgets[3].estimate, abs=NATS)
    assert_picture(sweep, x[0].reshape(shape), ".vw-sweep-draws:has(canvas:nth-child(8):last-child) canvas")
    assert number(kl, "exact") == pytest.approx(widgets[5].exact, abs=NATS)
    assert_picture(clusters, many[0].reshape(shape))
    assert (
        page.locator("canvas.vw-digit").evaluate_all(
            "(all, [h, w]) => all.filter((c) => c.height !== c.width && (c.height !== h || c.width !== w)).length",
            list(shape),
        )
        == 0
    )
    assert trouble == []


def test_a_drawing_wants_28_x_28():
    model = make(vc.VAE, (8, 8))
    with pytest.raises(ValueError, match=r"drawn on 28 x 28 pixels; given a model of \(8, 8\)"):
        w.DrawDigit(model, *images(64))
    with pytest.raises(ValueError, match=r"trains on MNIST's 28 x 28 pixels; given a model of \(8, 8\)"):
        w.TrainVAE(model)


# --- likelihoods ---


class Square(vc.Gaussian):
    """A reader's own: the picture is the square of the decoder's numbers."""

    def moments(self, parameters):
        m, v = super().moments(parameters)
        return m**2, v


GREY = {
    "fixed": lambda: vc.Gaussian(0.1),
    "predicted": lambda: vc.Gaussian("predicted"),
    "learned": lambda: vc.Gaussian("learned"),
    "continuous": vc.ContinuousBernoulli,
}


@pytest.mark.parametrize("name", GREY)
def test_grey_pictures_are_pytorch_s(show_widgets, name):
    shape = (8, 8)
    model = make(vc.VAE, shape, likelihood=GREY[name]())
    labelled = make(vc.SSVAE, shape, likelihood=GREY[name]())
    x, labels = images(64, grey=True)
    traversal, style = w.LatentTraversal(model, x, labels), w.StyleContent(labelled, x, labels)
    plane = w.LatentPlane(model, x, labels, z=[2.0, 1.0])
    sweep = w.Sweep({"one": model, "two": make(vc.VAE, shape, 1, likelihood=GREY[name]())}, x, labels)
    page, trouble = show_widgets([traversal, style, plane, sweep])
    one, two, three, _ = page.locator(".vw").all()
    assert_picture(one, traversal.image)
    assert_picture(one, x[0].reshape(shape), ".vw-pair figure:nth-child(2) canvas")
    assert_picture(two, style.image, ".vw-pair canvas")
    assert_picture(three, plane.image)
    assert page.locator("[data-key=rec]").count() == 0
    assert number(one, "log_p") == pytest.approx(traversal.log_p, abs=NATS)
    assert trouble == []


@pytest.mark.parametrize("likelihood", [vc.Gaussian(0.1), vc.Gaussian("predicted"), vc.ContinuousBernoulli()])
def test_nats_of_another_likelihood_are_refused(likelihood):
    model = make(vc.VAE, (28, 28), likelihood=likelihood)
    x, labels = images(784, 3, grey=True)
    for kind in (w.DrawDigit, w.IwaeBound, w.Integral):
        with pytest.raises(ValueError, match=f"knows a Bernoulli for each pixel; given {type(likelihood).__name__}"):
            kind(model, x, labels)
    with pytest.raises(ValueError, match="knows a Bernoulli"):
        w.TrainVAE(model)


# --- networks and bounds of a reader's own ---


class Doubled(vc.MLP):
    def forward(self, x, y=None):
        return 2 * super().forward(x, y)


class Louder(vc.VAE):
    def decode(self, z, y=None):
        return super().decode(z, y) + 1


class Heavier(vc.VAE):
    def log_weight(self, x, iw, dreg=False):
        log_w, kl, rec = super().log_weight(x, iw, dreg)
        return log_w - 5, kl + 5, rec


class Convolution(nn.Module):
    """8 x 8 pixels from two latents."""

    def __init__(self):
        super().__init__()
        self.first_map = nn.Linear(2, 4 * 4 * 4)
        self.up = nn.ConvTranspose2d(4, 1, 4, stride=2, padding=1)

    def forward(self, z):
        return self.up(self.first_map(z).reshape(-1, 4, 4, 4).relu()).flatten(1)


class Shift(nn.Module):
    def forward(self, z):
        return z + 1, torch.zeros(z.shape[:-1])


class Vamp(vc.Mixture):
    """A reader's own prior: the mean of q(z|u) over pseudo-inputs u."""

    def __init__(self, k, x_dim):
        super().__init__()
        self.inputs = nn.Parameter(torch.randn(k, x_dim))

    def attach(self, model):
        self.of = (model,)

    def components(self):
        m, v = self.of[0].encode(self.inputs.sigmoid())
        return m[None], v[None]


def test_a_mixture_of_a_reader_s_own_is_computed(show_widgets):
    model = make(vc.VAE, (8, 8), prior=Vamp(5, 64))
    x, labels = images(64)
    traversal, components = w.LatentTraversal(model, x, labels), w.Components(model, x, labels)
    page, trouble = show_widgets([traversal, components])
    one, two = page.locator(".vw").all()
    assert number(one, "log_p") == pytest.approx(traversal.log_p, abs=NATS)
    assert_picture(two, components.image)
    share = components.responsibilities[components.component].item()
    assert number(two, "chosen") == pytest.approx(100 * share, abs=0.1)
    with pytest.raises(ValueError, match="given VAE, whose prior is another"):
        w.LatentPlane(model)
    assert trouble == []


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (lambda: make(vc.VAE, (8, 8), decoder=Doubled((2, 12, 64))), "this Doubled has a forward of its own"),
        (lambda: make(Louder, (8, 8)), "Louder.decode says something else"),
        (lambda: make(vc.VAE, (8, 8), decoder=Convolution()), "runs MLPs of vae_core, .* given Convolution"),
        (lambda: make(Heavier, (8, 8), z_dim=3), "that of Heavier.log_weight is another"),
        (lambda: make(vc.VAE, (8, 8), flow=Shift()), r"q\(z\|x\) is a Gaussian; after this one's flow it is none"),
    ],
)
def test_what_a_browser_cannot_compute_is_refused(model, why):
    with pytest.raises(ValueError, match=why):
        w.IwaeBound(model(), *images(64))


def test_every_prediction_of_a_trained_model_is_taken_as_it_is():
    """No check is so sharp that it refuses the book's own, an SSVAE's drawn labels among them."""
    for kind in (vc.VAE, vc.GMVAE, vc.SSVAE):
        w.IwaeBound(make(kind, (8, 8), z_dim=5), *images(64))


def test_the_encoder_may_be_any_network(show_widgets):
    encoder = nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 2, 3, 2, 1), nn.Flatten(), nn.Linear(32, 4))
    model = make(vc.VAE, (8, 8), encoder=encoder)
    x, labels = images(64)
    bound = w.IwaeBound(model, x, labels)
    page, trouble = show_widgets([bound, w.LatentTraversal(model, x, labels)])
    page.wait_for_function("() => document.querySelector('[data-key=drawn]').dataset.value === '5000'")
    assert number(page.locator(".vw").first, "bound") == pytest.approx(bound.bound, abs=0.1)
    assert trouble == []


# --- decoded by Python ---


def test_a_page_without_python_says_what_it_cannot_draw(show_widgets):
    model = make(vc.VAE, (8, 8), decoder=Convolution())
    x, labels = images(64)
    plane, traversal = w.LatentPlane(model, x, labels, z=[1.0, -2.0]), w.LatentTraversal(model, x, labels)
    page, trouble = show_widgets([plane, traversal], width=390)
    one, two = page.locator(".vw").all()
    assert "the nearest of 225 places" in one.inner_text()
    assert "A page cannot run this decoder" in two.inner_text()
    assert two.locator(".vw-strip").count() == 0
    width = 2 * plane.extent / plane.side
    column, row = int((1.0 + 3.5) / width), int((3.5 + 2.0) / width)
    middle = [-3.5 + width * (column + 0.5), 3.5 - width * (row + 0.5)]
    plane.z = middle
    assert_picture(one, plane.image)
    assert trouble == []


# A front end in Jupyter, as far as a widget asks one; Python's side is `ask`.
MOUNT = """async ([source, state, bytes]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { default: { render } } = await import(url);
  const view = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  for (const name of bytes) state[name] = view(state[name]);
  const listeners = {};
  const fire = (event, ...rest) => (listeners[event] ?? []).forEach((f) => f(...rest));
  globalThis.model = {
    widget_manager: { get_model: async () => null },
    get: (name) => state[name], save_changes() {},
    set(name, value) { state[name] = value; fire(`change:${name}`); },
    on: (event, f) => (listeners[event] ??= []).push(f),
    off: (event, f) => (listeners[event] = (listeners[event] ?? []).filter((g) => g !== f)),
    async send(content, _, [buffer]) {
      const answer = await ask(content, btoa(String.fromCharCode(...new Uint8Array(buffer))));
      if (answer) fire("msg:custom", answer[0], [view(answer[1])]);
    },
  };
  const el = document.body.appendChild(document.createElement("div"));
  el.id = "kernel";
  await render({ model: globalThis.model, el });
}"""


def mount(page, widget):
    """Show a widget beside those of the page as Jupyter does."""
    answers = []
    widget.send = lambda content, buffers: answers.append([content, base64.b64encode(buffers[0]).decode()])

    def ask(content, sent):
        widget._handle_custom_msg(content, [base64.b64decode(sent)])
        return answers.pop()

    page.expose_function("ask", ask)
    state = {
        name: getattr(widget, name)
        for name in widget.trait_names(sync=True)
        if not name.startswith(("_view", "_model", "_anywidget", "_esm", "_css")) and name not in ("layout", "mixture")
    }
    packed = [name for name, value in state.items() if isinstance(value, bytes)]
    state |= {name: base64.b64encode(state[name]).decode() for name in packed}
    page.evaluate(MOUNT, [widget._esm, state, packed])
    return page.locator("#kernel .vw")


@pytest.mark.parametrize("likelihood", [vc.Bernoulli(), Square(0.1)])
@pytest.mark.parametrize("kind", [w.LatentPlane, w.LatentTraversal])
def test_in_jupyter_python_decodes(show_widgets, kind, likelihood):
    decoder = Convolution() if likelihood.outputs == 1 and isinstance(likelihood, vc.Bernoulli) else None
    model = make(vc.VAE, (8, 8), decoder=decoder, likelihood=likelihood)
    x, labels = images(64)
    widget = kind(model, x, labels)
    page, trouble = show_widgets([w.Jensen()])
    place = mount(page, widget)
    wait_for_frame(page)
    assert widget.decoder is None
    for z in (widget.z, [1.5, -0.25], [-1.0, 2.0]):
        widget.z = z
        page.evaluate("(z) => model.set('z', z)", z)
        page.wait_for_timeout(300)
        assert_picture(place, widget.image)
    if kind is w.LatentTraversal and decoder:
        assert number(place, "rec") == pytest.approx(widget.rec, abs=NATS)
    assert "Jupyter" not in place.inner_text()
    assert trouble == []


# --- a model that is being trained ---


def test_refresh_takes_the_model_as_it_is_by_now():
    model = make(vc.VAE, (8, 8), seed=7)
    x, labels = images(64)
    widgets = [
        w.LatentTraversal(model, x, labels, digit=4),
        w.LatentPlane(model, x, labels),
        w.IwaeBound(model, x, labels),
        w.SampledKl({"one": model}, x, labels),
        w.Integral(model, x[:2], labels[:2]),
        w.Sweep({"one": model, "two": make(vc.VAE, (8, 8), 1)}, x, labels),
    ]
    old = widgets[0].decoder
    before = [widget.get_state() for widget in widgets]
    vc.fit(model, torch.cat([x] * 20), epochs=2, batch_size=20, progress=False)
    for widget in widgets:
        widget.refresh()
    fresh = type(widgets[0])(model, x, labels, digit=4)
    assert widgets[0].codes_m == fresh.codes_m and widgets[0].z == fresh.z and widgets[0].nats == fresh.nats
    assert widgets[0].decoder is fresh.decoder is Network.of(model.dec, outputs=64)
    assert old.comm is None  # nobody shows it any more
    for widget, was in zip(widgets, before, strict=True):
        assert widget.version == 1
        changed = {name for name, value in widget.get_state().items() if value != was[name]}
        assert changed & {"codes", "codes_m", "decoder", "exact"}, type(widget).__name__


def test_an_open_view_is_drawn_anew(show_widgets):
    model = make(vc.VAE, (8, 8), decoder=Convolution())
    widget = w.LatentTraversal(model, *images(64))
    page, trouble = show_widgets([w.Jensen()])
    place = mount(page, widget)
    with torch.no_grad():
        model.dec.up.bias += 1
        model.enc.rest[-1].bias[:2] += 0.5
    widget.refresh("an epoch")
    codes = base64.b64encode(widget.codes_m).decode()
    page.evaluate(
        """([codes, z, version]) => {
        model.get("_defaults"); model.set("z", z);
        model.set("codes_m", new DataView(Uint8Array.from(atob(codes), (letter) => letter.charCodeAt(0)).buffer));
        model.set("version", version); }""",
        [codes, widget.z, widget.version],
    )
    page.wait_for_timeout(500)
    assert place.count() == 1
    assert_picture(place, widget.image)
    assert number(place, "rec") == pytest.approx(widget.rec, abs=NATS)
    assert trouble == []


def test_numbers_may_be_arrays_and_tensors():
    plane = w.LatentPlane(make(vc.VAE, (8, 8)))
    for z in (torch.tensor([1.0, -1.0]), np.array([1.0, -1.0]), [np.float32(1), torch.tensor(-1.0)], (1, -1)):
        plane.z = [0.0, 0.0]
        plane.z = z
        assert plane.z == [1.0, -1.0]
    bound = w.IwaeBound(make(vc.VAE, (8, 8)), *images(64), m=np.int64(3), digit=torch.tensor(2))
    assert (bound.m, bound.digit) == (3, 2)


def test_figures_show_digits_of_other_shapes():
    for images, shape in [(torch.rand(4, 64), (8, 8)), (torch.rand(4, 6, 10), (6, 10)), (torch.rand(1, 784), (28, 28))]:
        axes = plots.digits(images)
        assert axes.flat[0].images[0].get_array().shape == shape
        sheet = plots.digits(images, columns=3, ax=axes.flat[0]).images[-1].get_array()
        columns = min(3, len(images))
        assert sheet.shape == (-(-len(images) // columns) * shape[0], columns * shape[1])
        assert np.array_equal(sheet[: shape[0], : shape[1]], images[0].reshape(shape))
        plt.close("all")
    for bad in (torch.rand(4, 60), torch.rand(0, 64), torch.rand(64)):
        with pytest.raises(ValueError, match="digits wants"):
            plots.digits(bad)
