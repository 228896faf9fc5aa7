"""The sweep over models in a browser, against PyTorch."""

import copy
import hashlib
import math
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
import traitlets
from playwright.sync_api import expect
from torch.distributions import Normal, kl_divergence
from widget_examples import digits, model
from widget_pages import control, inks, number, press, wait_for_frame, write_widget_page

import vae_core as vc
from vae_widgets import Sweep
from vae_widgets.modules import joined

PIXEL = 0.5 / 255 + 1e-3  # a picture's ink comes in steps of 1/255
BETAS = {
    "0.1": "vae-beta0.1",
    "0.25": "vae-beta0.25",
    "0.5": "vae-beta0.5",
    "1": "vae-z10",
    "2": "vae-beta2",
    "4": "vae-beta4",
    "8": "vae-beta8",
}
SIZES = {"1": "vae-z1", "2": "vae-z2", "3": "vae-z3", "5": "vae-z5", "10": "vae-z10", "20": "vae-z20", "50": "vae-z50"}
TRAINED_WITH = {"1": "burda-elbo-50", "5": "burda-iwae-5", "50": "burda-iwae-50"}
MIXED = {"round": "vae", "mixture": "gmvae"}


def make(names, n=200, **options):
    return Sweep({label: model(name) for label, name in names.items()}, *digits(n), **options)


def rounded(net):
    """The decoder with its weights as int8 has them."""
    net = copy.deepcopy(net)
    with torch.no_grad():
        for layer in (net.first, *(layer for layer in net.rest if isinstance(layer, torch.nn.Linear))):
            scale = layer.weight.abs().amax(1, keepdim=True) / 127
            layer.weight.copy_((layer.weight / scale).round() * scale)
    return net


def noise(page, seed, z_dim):
    """The engine's draws: (23, z_dim) normals, and after them 16 uniforms."""
    call = """async ([source, seed, n]) => {
        const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
        const draws = (await import(url)).normals(seed);
        return [[...draws.fill(new Float32Array(n))], Array.from({ length: 16 }, draws.uniform)];
    }"""
    eps, u = page.evaluate(call, [joined("engine.js"), seed, 23 * z_dim])
    return torch.tensor(eps).reshape(23, z_dim), u


@torch.no_grad()
def expected(page, vae, x, seed, longest):
    """What a model draws: sixteen times from the prior, seven times the digit rebuilt."""
    eps, u = noise(page, seed, longest)
    eps = eps[:, : vae.z_dim]  # every model takes the first of the same numbers
    prior = eps[:16]
    if isinstance(vae, vc.GMVAE):
        m, v = (t[0][[math.floor(part * vae.k) for part in u]] for t in vae.z_prior)
        prior = m + v.sqrt() * prior
    m, v = vae.enc(x)
    return rounded(vae.dec)(torch.cat([prior, m + v.sqrt() * eps[16:]])).sigmoid().numpy()


def pictures(page):
    return inks(page, ".vw-sweep-draws canvas")


def assert_shows(page, names, index, digit=0, seed=0):
    """Everything that is to be seen at a stop."""
    label, vae = list(names)[index], model(list(names.values())[index])
    x, labels = digits(200)
    x = x[labels == digit][0]
    expect(page.locator(".vw-sweep-waiting")).to_be_hidden()
    wanted = expected(page, vae, x, seed, max(model(name).z_dim for name in names.values()))
    shown = pictures(page)
    assert np.array_equal(shown[16], x.numpy())
    assert np.abs(np.delete(shown, 16, 0) - wanted).max() <= PIXEL
    assert control(page, "index").get_attribute("aria-valuetext") == label
    assert page.locator(".vw-stops .chosen").all_text_contents() == [label]
    results = vae.description["results"]
    test = results["test"]
    for key, stored in (
        ("rate", test["kl"]),
        ("distortion", test["rec"]),
        ("nelbo", test["nelbo"]),
        ("tight", results["niwae"]["5000"]),
    ):
        assert number(page, key) == stored
    assert number(page, "active") == vc.active_units(vae, digits(200)[0]).sum()
    assert page.get_by_text(f"latents in use, of {vae.z_dim}", exact=True).count() == 1


def nats(page):
    """The bars: what each latent carries, and whether it is in use; their heights are in proportion."""
    read = """(all) => all.filter((e) => e.dataset.nats).map((e) =>
        [+e.dataset.nats, e.getAttribute("fill") === "var(--vae-kl)", +e.getAttribute("height")])"""
    found = page.locator("rect[data-nats]").evaluate_all(read)
    return ([part[i] for part in found] for i in range(3))


@torch.no_grad()
def assert_bars(page, vae):
    q = Normal(*(part if i == 0 else part.sqrt() for i, part in enumerate(vae.enc(digits(200)[0]))))
    carried, order = kl_divergence(q, Normal(0.0, 1.0)).mean(0).sort(descending=True)
    values, used, heights = nats(page)
    assert values == pytest.approx(carried.tolist(), abs=1e-4)
    assert used == vc.active_units(vae, digits(200)[0])[order].tolist()
    tall = [i for i, value in enumerate(values) if heights[i] > 2]
    assert np.ptp([heights[i] / values[i] for i in tall]) < 1e-3 * heights[0] / values[0]


@pytest.mark.parametrize("names", [BETAS, SIZES, TRAINED_WITH], ids=["beta", "size", "m"])
def test_every_stop_agrees_with_pytorch(show_widgets, names):
    page, trouble = show_widgets([make(names)])
    for index, name in enumerate(names.values()):
        if index:
            press(control(page, "index"), "ArrowRight")
        assert_shows(page, names, index)
        assert_bars(page, model(name))
    assert trouble == []


def test_collapse_is_seen():
    """In the numbers of the files, and in the bars, from all test images."""
    data = vc.load_mnist()
    x = vc.binarize(data.test_images, torch.Generator().manual_seed(1))
    for names, label, z_dim, in_use in ((BETAS, "8", 10, 6), (SIZES, "50", 50, 25)):
        sweep = Sweep({label: model(names[label]), "10": model("vae-z10")}, x, data.test_labels)
        assert sum(sweep.results["used"]) == sweep.results["active"] == in_use
        assert in_use == model(names[label]).description["results"]["active_units"]
        assert sweep.results["z_dim"] == len(sweep.results["nats"]) == z_dim
        assert max(sweep.results["nats"][in_use:]) < 0.1 < min(sweep.results["nats"][:in_use])
        assert sum(sweep.results["nats"]) == pytest.approx(sweep.results["rate"], abs=0.1)


def test_digits_noise_and_reset(show_widgets):
    page, trouble = show_widgets([make(BETAS, what="β", index=3)], width=360)
    press(control(page, "digit").nth(1), "ArrowRight")
    press(page.get_by_role("button", name="New noise"), "Enter")
    press(control(page, "index"), "End")
    assert_shows(page, BETAS, 6, digit=2, seed=1)
    press(page.get_by_role("button", name="Reset"), "Enter")
    assert_shows(page, BETAS, 3)
    page.locator(".vw-stops span").nth(1).click()
    wait_for_frame(page)
    assert_shows(page, BETAS, 1)
    assert trouble == []


def test_a_mixture_has_no_shares_and_says_so(show_widgets):
    page, trouble = show_widgets([make(MIXED, index=1)])
    assert_shows(page, MIXED, 1)
    assert page.locator("rect[data-nats]").count() == 0
    assert page.get_by_text("With a mixture for a prior, the KL is of all latents together").count() == 1
    assert trouble == []


# --- networks come when they are wanted ---


def file_of(sweep, index):
    return hashlib.sha256(sweep.decoders[index].weights).hexdigest()[:16] + ".js"


@pytest.fixture
def served(open_address, tmp_path):
    """A function that serves a page with a sweep, and returns (page, trouble, asked, hold): the names that were asked
    for, and for a file's name an event until which the server keeps it."""
    asked, hold = [], {}

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path[1:])
            if self.path[1:] in hold:
                hold[self.path[1:]].wait(30)
            super().do_GET()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def serve(sweep, above="", held=()):
        hold.update({name: threading.Event() for name in held})
        file = write_widget_page(tmp_path / "widgets.html", [sweep])
        file.write_text(file.read_text(encoding="utf-8").replace("<body>", f"<body>{above}"), encoding="utf-8")
        page, trouble = open_address(f"http://127.0.0.1:{server.server_port}/widgets.html")
        return page, trouble, asked, hold

    yield serve
    for event in hold.values():
        event.set()
    server.shutdown()


def test_networks_are_fetched_at_their_stops_and_the_neighbours_in_advance(served):
    sweep = make(BETAS, what="β", index=5)
    files = [file_of(sweep, i) for i in range(7)]
    page, trouble, asked, _ = served(sweep, above='<div style="height: 3000px"></div>')

    def assert_fetched(*wanted):
        for _ in range(1000):
            found = [files.index(name) for name in asked if name in files]
            if found == list(wanted):
                break
            page.wait_for_timeout(50)
        page.wait_for_timeout(300)
        assert [files.index(name) for name in asked if name in files] == list(wanted)  # and none more, and none twice

    assert_fetched(5)  # nobody has looked at it yet
    page.locator(".vw").scroll_into_view_if_needed()
    assert_fetched(5, 6, 4)
    press(control(page, "index"), "ArrowLeft")
    assert_fetched(5, 6, 4, 3)
    press(control(page, "index"), "Home")
    assert_fetched(5, 6, 4, 3, 0, 1)
    assert_shows(page, BETAS, 0)
    assert trouble == []


def test_a_stop_whose_network_is_on_its_way_says_so_and_shows_its_numbers(served):
    sweep = make(BETAS, what="β", index=6)
    first = file_of(sweep, 0)
    page, trouble, _, hold = served(sweep, held=[first])
    press(control(page, "index"), "Home")
    note = page.locator(".vw-sweep-waiting")
    expect(note).to_have_text("The network of β = 0.1 is being loaded. Its numbers are here already.")
    assert number(page, "nelbo") == model("vae-beta0.1").description["results"]["test"]["nelbo"]
    assert_bars(page, model("vae-beta0.1"))
    shown = pictures(page)
    assert shown[16].any() and not np.delete(shown, 16, 0).any()  # none of another model's
    press(control(page, "index"), "End")
    assert_shows(page, BETAS, 6)
    hold[first].set()
    press(control(page, "index"), "Home")
    assert_shows(page, BETAS, 0)
    assert trouble == []


def test_a_network_that_does_not_come_is_named_and_tried_again(show_widgets, tmp_path):
    sweep = make(BETAS, what="β", index=6)
    file = tmp_path / file_of(sweep, 0)
    page, trouble = show_widgets([sweep])
    content = file.read_bytes()
    file.unlink()
    press(control(page, "index"), "Home")
    note = page.locator(".vw-sweep-waiting")
    expect(note).to_contain_text(f"The network of β = 0.1 could not be loaded ({file.name} is missing)")
    assert number(page, "rate") == model("vae-beta0.1").description["results"]["test"]["kl"]
    file.write_bytes(content)
    press(control(page, "index"), "End")
    press(control(page, "index"), "Home")
    assert_shows(page, BETAS, 0)
    assert [line for line in trouble if file.name not in line and "ERR_FILE_NOT_FOUND" not in line] == []


# --- the plots ---


def test_the_plot_marks_the_model(show_widgets):
    names = {"two": "vae-2d", "ten": "vae", "mixture": "gmvae"}
    sweep = make(names)
    page, trouble = show_widgets([sweep], query="?sweep.index=1&sweep.digit=4&sweep.seed=7")
    assert_shows(page, names, 1, digit=4, seed=7)
    plot = page.locator(".vw svg", has=page.locator("circle"))
    ten = sweep.measured[1]
    words = f"model = ten has rate {ten['rate']:.2f} and distortion {ten['distortion']:.2f} nats"
    assert words in plot.get_attribute("aria-label")
    places = "(all) => all.map((e) => ['cx', 'cy'].map((name) => +e.getAttribute(name)))"
    *points, ring = plot.locator("circle").evaluate_all(places)
    assert ring == points[1]
    # Places in the plot are linear in the numbers, the distortion upwards.
    tests = [model(name).description["results"]["test"] for name in names.values()]
    for axis, key in ((0, "kl"), (1, "rec")):
        a, b, c = (test[key] for test in tests)
        p, q, r = (point[axis] for point in points)
        assert (q - p) / (r - p) == pytest.approx((b - a) / (c - a), abs=1e-6)
    assert points[1][0] > points[0][0] and points[1][1] > points[0][1]
    # Along each grey line the NELBO is what is written on it.
    per_nat = [
        (points[1][axis] - points[0][axis]) / (tests[1][key] - tests[0][key]) for axis, key in ((0, "kl"), (1, "rec"))
    ]
    lines = plot.locator("g line").evaluate_all(
        "(all) => all.map((e) => ['x1', 'y1', 'x2', 'y2'].map((name) => +e.getAttribute(name)))"
    )
    totals = [
        tests[0]["kl"] + (x - points[0][0]) / per_nat[0] + tests[0]["rec"] + (y - points[0][1]) / per_nat[1]
        for x1, y1, x2, y2 in lines
        for x, y in ((x1, y1), (x2, y2))
    ]
    assert len(lines) > 3 and totals[::2] == pytest.approx(totals[1::2], abs=1e-6)
    written = plot.locator("g text[text-anchor=middle]").all_text_contents()
    assert {float(text) for text in written} <= {round(total, 6) for total in totals} and len(written) >= 3
    assert trouble == []


def test_bounds_by_their_number_of_samples(show_widgets):
    page, trouble = show_widgets([make(TRAINED_WITH, what="m", plot="bounds", index=2)])
    plot = page.locator(".vw svg", has=page.locator("circle"))
    bounds = [model(name).description["results"]["niwae"] for name in TRAINED_WITH.values()]
    said = ", ".join(f"{nats:.2f} with {int(m):,}" for m, nats in bounds[2].items())
    assert plot.get_attribute("aria-label").endswith(f"that of m = 50, in nats: {said}")
    heights = np.array(plot.locator("circle").evaluate_all("(all) => all.map((e) => +e.getAttribute('cy'))"))
    wanted = np.array([list(one.values()) for one in bounds]).ravel()
    assert np.corrcoef(heights, wanted)[0, 1] == pytest.approx(-1, abs=1e-9)
    widths = "(all) => all.map((e) => e.getAttribute('stroke-width'))"
    assert plot.locator("path:not(clipPath *)").evaluate_all(widths) == ["1", "1", "3"]
    assert trouble == []


# --- models of the reader's own, and Python ---


def test_models_without_results_are_measured(show_widgets):
    torch.manual_seed(0)
    x, labels = digits(200)
    models = {"a": vc.VAE(z_dim=3, hidden=[20]), "b": vc.VAE(z_dim=60, hidden=[20], beta=4.0), "vae": model("vae")}
    sweep = Sweep(models, x, labels, index=1)
    page, trouble = show_widgets([sweep])
    wanted = expected(page, models["b"], x[labels == 0][0], 0, 60)
    assert np.abs(np.delete(pictures(page), 16, 0) - wanted).max() <= PIXEL
    measured = vc.evaluate(models["b"], x)
    shown = {key: sweep.results[key] for key in ("rate", "distortion", "nelbo", "niwae", "z_dim", "active")}
    assert shown == dict(
        rate=measured["kl"],
        distortion=measured["rec"],
        nelbo=measured["nelbo"],
        niwae={},
        z_dim=60,
        active=vc.active_units(models["b"], x).sum(),
    )
    assert number(page, "nelbo") == measured["nelbo"]
    assert number(page, "nelbo") == pytest.approx(number(page, "rate") + number(page, "distortion"))
    assert page.locator("output[data-key=tight]").count() == 0
    assert page.locator(".vw").get_by_text("a mean over 200 images.").count() == 1
    # One of them had results, but others are compared on the same images.
    assert sweep.measured[2]["nelbo"] != model("vae").description["results"]["test"]["nelbo"]
    with pytest.raises(ValueError, match="for models whose bounds are stored; given 'bounds'"):
        Sweep(models, x, labels, plot="bounds")
    assert trouble == []


def test_int8_is_good_enough_for_pictures():
    torch.manual_seed(0)
    for name in {*BETAS.values(), *SIZES.values(), *TRAINED_WITH.values(), *MIXED.values()}:
        with torch.no_grad():
            z = vc.sample_gaussian(*model(name).enc(digits(200)[0]))
            difference = (rounded(model(name).dec)(z).sigmoid() - model(name).dec(z).sigmoid()).abs()
        assert difference.mean() < 2 / 255


def test_python_side():
    sweep = make({"two": "vae-2d", "ten": "vae", "mixture": "gmvae"})
    assert sweep.model is model("vae-2d")
    sweep.index = 2
    assert sweep.model is model("gmvae")
    assert sweep.results["rate"] == model("gmvae").description["results"]["test"]["kl"]
    assert sweep.results["nats"] is None
    assert list(sweep.labels) == list(range(10))
    for trait, value in [("index", 3), ("digit", 10), ("seed", -1)]:
        with pytest.raises(traitlets.TraitError, match=f"{trait} must be"):
            setattr(sweep, trait, value)
    x, labels = digits(200)
    two = {"a": model(), "b": model("vae")}
    with pytest.raises(ValueError, match="at least two models to step through; given 1"):
        Sweep({"a": model()}, x, labels)
    with pytest.raises(ValueError, match="'b' is of type Autoencoder"):
        Sweep({"a": model(), "b": model("autoencoder-2d")}, x, labels)
    with pytest.raises(ValueError, match="'b' is of type SSVAE"):
        Sweep({"a": model(), "b": vc.SSVAE(hidden=[8])}, x, labels)
    with pytest.raises(ValueError, match="given 200 images and 10 labels"):
        Sweep(two, x, labels[:10])
    with pytest.raises(ValueError, match="wanted 1 to 100 binary digits"):
        Sweep(two, x * 0.5, labels)
    with pytest.raises(ValueError, match=r"plot must be .*given 'pie'"):
        Sweep(two, x, labels, plot="pie")
