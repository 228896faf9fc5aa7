"""Training and checkpoints of vae_core."""

import io
import itertools
import math
import pickle
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_training import X_DIM, Interrupted, Payload, SameArguments, bars, fit, flipped, hashed, model, same, weights

import vae_core as vc
from vae_machinery import muon
from vae_machinery import precision as its_precision
from vae_machinery.fitting import optimizers_for
from vae_machinery.precision import autocast, is_faster

# ------------------------------------------------------------------------------------
# fit
# ------------------------------------------------------------------------------------


def test_the_progress_bar_counts_every_step(capfd, tmp_path):
    def bar():
        return capfd.readouterr().err.rpartition("\r")[2]  # its last state

    fit(model(), epochs=2, progress=True)
    steps = 2 * math.ceil(len(bars()) / 32)
    assert re.search(rf" {steps}/{steps} .*\d(step/s|s/step), \d+\.\d nats", bar())
    vc.fit(model(), bars().repeat(9, 1)[:129], epochs=1)  # as it is by default: seen, and 128 at a time
    assert "2/2" in bar()
    interrupted(model(), tmp_path / "run", steps - 1, epochs=2)
    fit(model(), epochs=2, progress=True, checkpoint=tmp_path / "run")  # an epoch is done
    assert f"{steps}/{steps}" in bar()
    fit(model(), progress=False)
    assert bar() == ""


def test_the_first_epoch_is_timed_from_the_start(monkeypatch):
    monkeypatch.setattr("time.perf_counter", lambda: 7.0)
    assert fit(model(), epochs=1)[0].seconds == 0


@pytest.mark.parametrize("optimizer, rate", [("adam", 3e-2), ("muon", 6e-2)])
@pytest.mark.parametrize("kind", [vc.VAE, vc.GMVAE, vc.SSVAE])
def test_training_lowers_the_bound_well_below_that_of_independent_pixels(kind, optimizer, rate):
    net = model(kind)
    before = weights(net)
    history = fit(net, epochs=80, optimizer=optimizer, learning_rate=rate)
    assert not any(s.equal(t) for s, t in zip(before, weights(net), strict=True))
    p = bars().float().mean(0) / 255
    independent = -(p * p.log() + (1 - p) * (1 - p).log()).sum().item()  # what pixels cost without a latent
    assert len(history) == 80 and history[0].loss > independent
    after = vc.evaluate(net, bars().repeat(20, 1))["nelbo"]
    assert after < independent - 2
    assert sum(e.loss for e in history[-5:]) / 5 == pytest.approx(after, abs=0.5)
    seconds = [epoch.seconds for epoch in history]
    assert seconds == sorted(seconds) and seconds[0] > 0


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_model_in_double_precision_is_trained_in_it(optimizer):
    net, seen = model().double(), []

    def loss(x):
        seen.append(x.dtype)
        return net.negative_elbo_bound(x)[0]

    before = vc.evaluate(net, bars())["nelbo"]
    fit(net, loss=loss, optimizer=optimizer, learning_rate=3e-2)
    assert vc.evaluate(net, bars())["nelbo"] < before - 1
    assert {*seen, *(p.dtype for p in net.parameters())} == {torch.float64}


def test_the_same_seed_gives_the_same_model_and_another_another():
    nets = [model() for _ in range(3)]
    histories = [fit(net, seed=seed) for net, seed in zip(nets, (5, 5, 6), strict=True)]
    assert same(weights(nets[0]), weights(nets[1]))
    assert [e.loss for e in histories[0]] == [e.loss for e in histories[1]]
    assert not same(weights(nets[0]), weights(nets[2]))


def test_training_leaves_the_callers_random_state_alone():
    net = model()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit(net, epochs=1)
    assert torch.rand(3).equal(expected)


def test_bytes_and_floats_train_alike():
    from_bytes, from_floats = model(), model()
    fit(from_bytes)
    fit(from_floats, bars() / 255)
    assert same(weights(from_bytes), weights(from_floats))


def test_training_leaves_no_gradients_behind():
    net = model()
    fit(net)
    assert all(p.grad is None for p in net.parameters())


def test_biases_begin_at_zero():
    assert not any(bias.any() for name, bias in vc.MLP((3, 4, 5, 6, 7)).named_parameters() if "bias" in name)
    assert not any(p.any() for name, p in model(vc.SSVAE).named_parameters() if name.endswith("bias"))


def test_muon_multiplies_in_the_precision_of_the_run(monkeypatch):
    real, seen = muon.nearly_orthogonal, set()
    monkeypatch.setattr(muon, "nearly_orthogonal", lambda a: seen.add(torch.is_autocast_enabled("cpu")) or real(a))
    for precision in ("float32", "bfloat16"):
        seen.clear()
        fit(model(), optimizer="muon", precision=precision)
        assert seen == {precision == "bfloat16"}


def test_each_epoch_sees_every_image_once_in_a_new_order():
    images, batches = torch.eye(X_DIM), []
    net = model()

    def loss(x):
        batches.append(x)
        return net.negative_elbo_bound(x)[0]

    fit(net, images, epochs=3, batch_size=5, loss=loss)
    assert [len(x) for x in batches] == [5, 5, 5, 1] * 3
    orders = [torch.cat(batches[i : i + 4]).argmax(1).tolist() for i in (0, 4, 8)]
    assert all(sorted(order) == list(range(X_DIM)) for order in orders)
    assert orders[0] != orders[1] != orders[2]


def test_images_are_binarised_anew_at_every_step():
    batches, net = [], model()

    def loss(x):
        batches.append(x)
        return net.negative_elbo_bound(x)[0]

    fit(net, torch.full((50, X_DIM), 0.3), epochs=2, batch_size=50, loss=loss)
    assert set(torch.cat(batches).unique().tolist()) == {0.0, 1.0}
    assert not batches[0].equal(batches[1])
    assert torch.cat(batches).mean().item() == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / 1600))


def test_an_epochs_loss_is_the_mean_over_images_not_over_batches():
    net = model()
    images = torch.zeros(10, X_DIM)
    images[:3] = 1

    def loss(x):
        return x.mean() + 0 * net.enc.first.weight.sum()

    for epoch in fit(net, images, epochs=3, batch_size=4, loss=loss):
        assert epoch.loss == pytest.approx(0.3, abs=1e-6)


def test_the_rate_rises_to_learning_rate_and_falls_to_zero():
    """Adam moves a weight of constant gradient by exactly the rate."""
    net, path = model(), []

    def loss(x):
        path.append(net.enc.first.bias[0].item())
        return 1000 * net.enc.first.bias.sum()

    net = net.double()
    fit(net, loss=loss, epochs=20, batch_size=24, learning_rate=0.1)
    path.append(net.enc.first.bias[0].item())
    rates = -torch.tensor(path).diff()
    assert len(rates) == 80
    assert rates.max().item() == pytest.approx(0.1, rel=0.02)  # its peak may lie between two steps
    assert rates[0] < 0.005 and 0 <= rates[-1] < 1e-3
    peak = rates.argmax()
    assert 0 < peak < 10 and (rates[: peak + 1].diff() > 0).all() and (rates[peak:].diff() < 0).all()


@pytest.mark.parametrize("kind, beta", [(vc.VAE, 2.0), (vc.GMVAE, 1.0), (vc.SSVAE, 0.5)])
def test_the_kl_warms_up_along_a_line_to_the_models_own_beta(kind, beta):
    net, weights_of_kl = model(kind, beta=beta), []

    def loss(x):
        nelbo, *kl, rec = net.negative_elbo_bound(x)
        weights_of_kl.append(((nelbo - rec) / sum(kl)).item())
        return nelbo

    fit(net, loss=loss, epochs=10, batch_size=24, warm_up=0.25)  # 10 of 40 steps
    expected = [beta * min(1, step / 10) for step in range(40)]
    assert weights_of_kl == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert net.beta == beta


def test_an_interruption_in_the_warm_up_leaves_beta_alone(tmp_path):
    net = model(beta=2.0)
    interrupted(net, tmp_path / "run", 4, warm_up=1.0)
    assert net.beta == 2.0


def test_the_first_step_of_a_warm_up_counts_no_kl():
    with_kl, without = model(), model(beta=0.0)
    for net, warm_up in ((with_kl, 1.0), (without, 0.0)):
        fit(net, epochs=1, batch_size=96, warm_up=warm_up)  # one step
    assert same(weights(with_kl), weights(without))


@pytest.mark.parametrize("shape", [(40, 12), (12, 40), (30, 8), (1, 7)])
def test_a_step_of_muon_is_torchs_andnearly_orthogonal(shape):
    generator = torch.Generator().manual_seed(0)
    start, *gradients = (torch.randn(shape, generator=generator) for _ in range(4))
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    optimizers = [vc.Muon([ours], 0.1)]
    if hasattr(torch.optim, "Muon"):
        optimizers.append(torch.optim.Muon([theirs], 0.1, weight_decay=0, ns_steps=3))
    for gradient in gradients:
        before = ours.detach().clone()
        for optimizer, weight in zip(optimizers, (ours, theirs), strict=False):
            weight.grad = gradient.clone()
            optimizer.step()
        sizes = torch.linalg.svdvals(ours.detach() - before) / 0.1 / max(1, shape[0] / shape[1]) ** 0.5
        assert sizes.min() > 0.6 and sizes.max() < 1.25
    if len(optimizers) == 2:
        assert torch.allclose(ours, theirs, atol=0.1 * 0.03)  # they multiply in bfloat16
    stays = torch.zeros(shape, requires_grad=True)
    stays.grad = torch.zeros(shape)
    moves = start.clone().requires_grad_()
    moves.grad = gradients[0]
    vc.Muon([stays, torch.zeros(shape, requires_grad=True), moves], 0.1).step()  # the second has no gradient at all
    assert not stays.any() and not moves.equal(start)


def test_layers_keep_the_size_of_what_passes_through():
    torch.manual_seed(0)
    out = vc.MLP((500, 500, 500, 500), "relu").first(torch.randn(200, 500))
    assert out.std().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("steps", [1, 2, 19, 20, 21, 40])
def test_a_run_may_have_any_number_of_steps(steps):
    net = model()
    before = weights(net)
    assert len(fit(net, bars(32), epochs=steps)) == steps
    assert not same(before, weights(net)) and all(t.isfinite().all() for t in weights(net))


def test_bfloat16_and_float32_end_alike():
    results = {}
    for precision in ("float32", "bfloat16"):
        net = model()
        history = fit(net, epochs=40, learning_rate=3e-2, precision=precision)
        results[precision] = vc.evaluate(net, bars().repeat(20, 1))["nelbo"], history[-1].loss, weights(net)
    (bound, loss, exact), (other_bound, other_loss, rounded) = results.values()
    assert abs(bound - other_bound) < 0.1 and abs(loss - other_loss) < 0.1
    assert not same(exact, rounded) and all(t.dtype == torch.float32 for t in rounded)


def test_the_faster_precision_is_measured_once_and_draws_nothing():
    is_faster.cache_clear()
    before = torch.get_rng_state()
    first = vc.bfloat16_is_faster()
    assert torch.equal(torch.get_rng_state(), before)
    assert isinstance(first, bool) and vc.bfloat16_is_faster() is first  # noise does not change it any more
    assert vc.bfloat16_is_faster("meta") is False
    with autocast("auto", torch.device("cpu")):
        assert torch.is_autocast_enabled("cpu") is first


@pytest.mark.parametrize("seconds, faster", [((2, 1), True), ((1, 2), False), ((10, 8), False)])
def test_bfloat16_has_to_be_clearly_faster(monkeypatch, seconds, faster):
    ticks = itertools.accumulate(itertools.cycle([0, seconds[0], 0, seconds[1]]))  # each step starts and ends, in turn
    real, seen = F.linear, []
    is_faster.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(vc.time, "perf_counter", lambda: next(ticks))
        patch.setattr(F, "linear", lambda *given: seen.append(torch.is_autocast_enabled("cpu")) or real(*given))
        assert vc.bfloat16_is_faster() is faster
    is_faster.cache_clear()
    assert seen == 8 * (6 * [False] + 6 * [True])


def test_the_precision_is_asked_for_the_models_own_layers_and_batch(monkeypatch):
    asked = []
    monkeypatch.setattr(its_precision, "is_faster", lambda *question: bool(asked.append(question)))
    fit(model(), epochs=1, precision="auto")
    vc.bfloat16_is_faster()  # which is told of nothing
    (cpu, threads), layers = (torch.device("cpu"), torch.get_num_threads()), ((12, 16), (4, 12), (12, 2), (16, 12))
    assert asked == [(cpu, layers, 32, threads), (cpu, its_precision.DEFAULT_LAYERS, 128, threads)]


def test_what_muon_forgets_becomes_zero_and_no_tiny_number():
    weight = torch.zeros(3, 4, requires_grad=True)
    optimizer = vc.Muon([weight], 0.1)
    for seen in [1.0] + 1200 * [0.0]:
        weight.grad = torch.full((3, 4), 1e-3)
        weight.grad[:, 0] *= seen  # a pixel that is on once
        optimizer.step()
    mean = optimizer.state[weight]["mean"]
    assert not mean[:, 0].any() and (mean[:, 1:] > 9e-4).all()


@pytest.mark.parametrize("kind", [vc.VAE, vc.GMVAE, vc.SSVAE])
def test_densities_are_in_full_precision_under_autocast(kind):
    net, x = model(kind), (bars() > 128).float()
    torch.manual_seed(0)
    expected = net.negative_elbo_bound(x)
    with torch.autocast("cpu", torch.bfloat16):
        torch.manual_seed(0)
        rounded = net.negative_elbo_bound(x)
        assert net.dec(torch.zeros(3, 2), *([torch.eye(10)[:3]] if kind is vc.SSVAE else [])).dtype == torch.float32
    assert [t.dtype for t in rounded] == [torch.float32] * len(rounded)
    assert [t.item() for t in rounded] == pytest.approx([t.item() for t in expected], abs=0.05)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(images=torch.zeros(8, 5)), r"\(batch, 16\); given \(8, 5\)"),
        (dict(images=torch.zeros(8, 5, dtype=torch.uint8)), r"\(batch, 16\); given \(1, 5\)"),
        (dict(images=torch.zeros(0, X_DIM, dtype=torch.uint8)), r"given \(0, 16\)"),
        (dict(images=torch.full((8, X_DIM), 2.0)), "given 2 to 2"),
        (dict(images=torch.full((8, X_DIM), math.nan)), "nan"),
        (dict(images=torch.zeros(8, X_DIM, dtype=torch.long)), "torch.int64"),
        (dict(epochs=0), "epochs must be .* given 0"),
        (dict(batch_size=1.5), "batch_size must be .* given 1.5"),
        (dict(optimizer="sgd"), "adam.*muon.*given 'sgd'"),
        (dict(warm_up=-0.1), "from 0 to 1; given -0.1"),
        (dict(warm_up=10), "from 0 to 1; given 10"),
        (dict(warm_up=math.nan), "from 0 to 1; given nan"),
        (dict(learning_rate=-1e-3), "learning_rate must be .* given -0.001"),
        (dict(learning_rate=math.inf), "learning_rate must be .* given inf"),
        (dict(images=[[0.0] * X_DIM]), "a tensor; given list"),
        (dict(precision="half"), "float32.*bfloat16.*given 'half'"),
        (dict(device="toaster"), "toaster"),
    ],
)
def test_fit_names_a_bad_argument(options, message):
    with pytest.raises(ValueError, match=message):
        fit(model(), **options)


def test_fit_asks_for_a_loss_where_there_is_no_bound():
    with pytest.raises(ValueError, match="Autoencoder has no ELBO to climb: give a loss"):
        fit(model(vc.Autoencoder))


def test_muon_leaves_the_rest_to_adam_at_a_third_of_the_rate():
    net = model()
    matrices, adam = optimizers_for("muon", list(net.parameters()), 0.03, torch.device("cpu"))
    assert matrices.defaults["lr"] == 0.03 and adam.defaults["lr"] == pytest.approx(0.01)
    assert {p.dim() for group in matrices.param_groups for p in group["params"]} == {2}
    assert sum(len(group["params"]) for each in (matrices, adam) for group in each.param_groups) == len(weights(net))


def test_a_model_without_beta_has_no_warm_up():
    net = model(vc.Autoencoder)
    with pytest.raises(ValueError, match="a bound with a beta, such as a VAE's; given Autoencoder"):
        fit(net, loss=net.loss, warm_up=0.1)


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode, lambda: torch.set_grad_enabled(False)])
def test_training_needs_no_gradients_outside(off):
    plain, net = model(), model()
    fit(plain)
    with off():
        fit(net)
        assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    assert same(weights(plain), weights(net))


def test_a_model_made_in_inference_mode_is_refused():
    with torch.inference_mode(), pytest.raises(ValueError, match=r"under torch\.inference_mode.*make or load it outs"):
        fit(model())


# ------------------------------------------------------------------------------------
# An interrupted run
# ------------------------------------------------------------------------------------


def interrupted(net, checkpoint, after, **options):
    """Train until the loss has been asked for `after` times, in the middle of an epoch."""
    calls = 0

    def loss(x):
        nonlocal calls
        calls += 1
        if calls > after:
            raise Interrupted
        return net.negative_elbo_bound(x)[0]

    with pytest.raises(Interrupted):
        fit(net, checkpoint=checkpoint, loss=loss, **options)


@pytest.mark.parametrize("options", [dict(optimizer="adam"), dict(optimizer="muon"), dict(warm_up=0.7)], ids=str)
@pytest.mark.parametrize("after", [1, 4, 8])  # in the first epoch of three batches, the second, the third
def test_a_resumed_run_is_bitwise_the_uninterrupted_one(tmp_path, after, options):
    whole = model()
    history = fit(whole, **options)
    checkpoint = tmp_path / "run.checkpoint"
    interrupted(model(), checkpoint, after, **options)
    assert checkpoint.exists() == (after >= 3)
    resumed = model(seed=0 if after < 3 else 99)  # once there is a checkpoint, it alone counts
    calls = []

    def loss(x):
        calls.append(len(x))
        return resumed.negative_elbo_bound(x)[0]

    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    again = fit(resumed, checkpoint=checkpoint, loss=loss, **options)
    assert torch.rand(3).equal(expected)
    assert same(weights(whole), weights(resumed))
    assert [e.loss for e in again] == [e.loss for e in history]
    assert [e.seconds for e in again] == sorted(e.seconds for e in again)
    assert len(calls) == 12 - after // 3 * 3  # no epoch is trained twice
    assert not checkpoint.exists()


def test_a_checkpoint_may_be_gone_by_the_end(tmp_path):
    file = tmp_path / "run"
    assert len(fit(model(), checkpoint=file, callback=lambda epoch: file.unlink())) == 4 and not file.exists()


def test_an_interruption_leaves_the_callers_random_state_alone(tmp_path):
    net = model()
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    interrupted(net, tmp_path / "run", 4)
    assert torch.rand(3).equal(expected)


def test_an_interruption_takes_the_model_back_to_its_device(tmp_path):
    net, moves = model(), []
    net.to = moves.append
    interrupted(net, tmp_path / "run", 4)
    assert len(moves) == 2  # there and back


def test_training_with_a_checkpoint_is_training_without(tmp_path):
    plain, kept = model(), model()
    fit(plain)
    fit(kept, checkpoint=tmp_path / "run")
    assert same(weights(plain), weights(kept))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change, named",
    [
        (dict(seed=1), "seed"),
        (dict(epochs=5), "epochs"),
        (dict(batch_size=16), "batch_size"),
        (dict(learning_rate=1e-3), "learning_rate"),
        (dict(images=bars(64)), "images"),
        (dict(warm_up=0.1), "warm_up"),
        (dict(precision="bfloat16"), "precision"),
        (dict(images=255 - bars()), "images"),
        (dict(optimizer="muon"), "optimizer"),
        (dict(validation=bars(), keep_best=True), "keep_best"),
        (dict(history=[vc.Epoch(9.0, 1.0)]), "before"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_kept(tmp_path, change, named):
    checkpoint = tmp_path / "run"
    interrupted(model(), checkpoint, 4)
    before = checkpoint.read_bytes()
    net = model()
    untouched = weights(net)
    with pytest.raises(ValueError, match=rf"another run.*\b{named}\b"):
        fit(net, checkpoint=checkpoint, **change)
    assert checkpoint.read_bytes() == before and same(weights(net), untouched)


@pytest.mark.parametrize(
    "options",
    [
        dict(learning_rate=np.float64(1e-2)),
        dict(seed=np.int64(0)),
        dict(warm_up=np.float64(0.5)),
        dict(learning_rate=torch.tensor(1e-2)),
    ],
    ids=str,
)
def test_numbers_of_numpy_and_torch_are_numbers(tmp_path, options):
    def net():
        torch.manual_seed(0)
        return vc.VAE(np.int64(X_DIM), np.int32(2), [np.int64(12)], beta=np.float64(1))

    plain, resumed = net(), net()
    fit(plain, **{name: value.item() for name, value in options.items()})
    interrupted(net(), tmp_path / "run", 4, **options)
    fit(resumed, checkpoint=tmp_path / "run", **options)
    assert same(weights(plain), weights(resumed))
    vc.save_model(tmp_path / "net", resumed)
    assert vc.load_model(tmp_path / "net").arguments == vc.VAE(X_DIM, 2, (12,)).arguments


@pytest.mark.parametrize(
    "other",
    [
        model(vc.GMVAE),
        model(SameArguments),
        model(beta=2.0),
        model(activation="tanh"),
        vc.VAE(X_DIM, 3, (12,)),
    ],
    ids=["class", "name", "beta", "activation", "z_dim"],
)
def test_a_checkpoint_of_another_model_is_refused(tmp_path, other):
    checkpoint = tmp_path / "run"
    interrupted(model(), checkpoint, 4)
    with pytest.raises(ValueError, match="another run"):
        fit(other, checkpoint=checkpoint)


@pytest.mark.parametrize(
    "damage",
    [
        "empty",
        "text",
        "truncated",
        "pickle",
        "torch pickle",
        "another torch file",
        "no run",
        "hashed pickle",
        "no state",
        "state of another",
    ],
)
def test_a_damaged_checkpoint_is_refused_and_not_executed(tmp_path, damage):
    checkpoint, proof = tmp_path / "run", tmp_path / "executed"
    interrupted(model(), checkpoint, 4)
    if damage == "pickle":
        checkpoint.write_bytes(pickle.dumps(Payload(proof), protocol=2))
    elif damage == "torch pickle":
        torch.save(Payload(proof), checkpoint)
    elif damage == "another torch file":
        torch.save({"weights": torch.ones(3)}, checkpoint)
    elif damage == "no run":
        torch.save({"run": 1}, checkpoint)
    elif damage == "hashed pickle":
        torch.save(Payload(proof), checkpoint)
        checkpoint.write_bytes(hashed(checkpoint.read_bytes()))
    elif damage in ("no state", "state of another"):
        found = torch.load(io.BytesIO(checkpoint.read_bytes()[64:]))
        net, optimizer, schedule = found["state"]
        found["state"] = [] if damage == "no state" else [optimizer, net, schedule]
        torch.save(found, checkpoint)
        checkpoint.write_bytes(hashed(checkpoint.read_bytes()))
    else:
        whole = checkpoint.read_bytes()
        checkpoint.write_bytes({"empty": b"", "text": b"hello", "truncated": whole[: len(whole) // 2]}[damage])
    net = model()
    untouched = weights(net)
    with pytest.raises(ValueError, match="checkpoint"):
        fit(net, checkpoint=checkpoint)
    assert not proof.exists() and same(weights(net), untouched)


def test_no_flipped_bit_of_a_checkpoint_goes_unnoticed(tmp_path):
    checkpoint, net = tmp_path / "run", model()
    interrupted(model(), checkpoint, 4)
    untouched = weights(net)
    for damaged in flipped(checkpoint.read_bytes(), 1000):
        checkpoint.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"run is no readable checkpoint .*: delete it to start afresh"):
            fit(net, checkpoint=checkpoint)
    assert same(weights(net), untouched)
