"""What `fit` takes, keeps, asks and stops at; models under torch.compile, torch.func and two processes."""

import copy
import math
import socket

import numpy as np
import pytest
import torch
import torch.distributed as dist
from tiny_training import X_DIM, Interrupted, bars, fit, model, same, weights
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, DistributedSampler, IterableDataset, TensorDataset

import vae_core as vc
from vae_machinery.batches import batches_of
from vae_machinery.fitting import device_for, one_cycle, optimizers_for


class Pictures(Dataset):
    """As torchvision gives them: (1, 4, 4), with a label."""

    def __init__(self, images=None):
        self.images = bars() if images is None else images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.images[i].float().reshape(1, 4, 4) / 255, i


# ------------------------------------------------------------------------------------
# Data
# ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "images",
    [
        bars().numpy(),
        (bars(),),
        TensorDataset(bars()),
        bars().reshape(-1, 4, 4),
        (bars().numpy() / 255).astype("f4"),
    ],
    ids=["array", "tuple", "TensorDataset", "h x w", "floats"],
)
def test_images_train_alike_however_they_are_kept(images):
    plain, other = model(), model()
    fit(plain)
    fit(other, images)
    assert same(weights(plain), weights(other))


@pytest.mark.parametrize(
    "data",
    [
        (torch.eye(X_DIM), torch.arange(X_DIM)),
        (np.eye(X_DIM), np.arange(X_DIM)),
        TensorDataset(torch.eye(X_DIM), torch.arange(X_DIM)),
        Pictures(255 * torch.eye(X_DIM)),
        DataLoader(Pictures(255 * torch.eye(X_DIM)), 5, shuffle=True),
    ],
    ids=["tensors", "arrays", "TensorDataset", "Dataset", "DataLoader"],
)
def test_what_comes_with_the_images_goes_to_the_loss(data):
    net, seen = model(), []

    def loss(x, which):
        assert x.argmax(1).equal(which) and x.shape[1:] == (X_DIM,)
        seen.append(which)
        return net.negative_elbo_bound(x)[0]

    fit(net, data, epochs=2, batch_size=5, loss=loss)
    assert [len(which) for which in seen] == [5, 5, 5, 1] * 2
    orders = [torch.cat(seen[i : i + 4]).tolist() for i in (0, 4)]
    assert orders[0] != orders[1] and all(sorted(order) == list(range(X_DIM)) for order in orders)


def test_a_loader_takes_tensors_to_the_device_and_leaves_the_rest_as_it_is():
    batches = batches_of(DataLoader([(torch.ones(2, 2), "name")] * 3, 2), 1, torch.device("meta"))
    for images, names in batches:
        assert images.is_meta and images.shape == (len(names), 4) and set(names) == {"name"}
    assert batches.fingerprint() == "2 batches of list"


def test_every_tensor_has_its_share_in_the_fingerprint():
    images, labels = bars(), torch.arange(len(bars()))
    data = [(images, labels), (images.flip(0), labels), (images, labels.flip(0)), (images, labels, labels)]
    assert len({batches_of(each, 8, torch.device("cpu")).fingerprint() for each in data}) == 4


def test_the_models_own_bound_takes_the_images_of_a_dataset_and_leaves_the_labels():
    nets = [model() for _ in range(3)]
    for net, seed in zip(nets, (0, 0, 1), strict=True):
        history = fit(net, Pictures(), epochs=30, learning_rate=3e-2, seed=seed)
    assert history[-1].loss < history[0].loss - 1
    assert same(weights(nets[0]), weights(nets[1])) and not same(weights(nets[0]), weights(nets[2]))


def test_a_loader_keeps_its_own_batches_and_the_epochs_mean_is_over_what_it_gave():
    net, sizes = model(), []

    def loss(x, _):
        sizes.append(len(x))
        return 0 * net.enc.first.weight.sum() + len(x)

    history = fit(net, DataLoader(Pictures(), 20), loss=loss, epochs=1, batch_size=3)
    assert sizes == [20, 20, 20, 20, 16]
    assert history[0].loss == pytest.approx((4 * 20 * 20 + 16 * 16) / 96)


def test_a_gaussians_images_stay_as_they_are():
    torch.manual_seed(0)
    net, images, seen = vc.VAE(X_DIM, 2, (12,), likelihood=vc.Gaussian("learned")), 3 * torch.randn(40, X_DIM), []

    def loss(x):
        seen.append(x)
        return net.negative_elbo_bound(x)[0]

    fit(net, images, epochs=1, loss=loss)
    assert torch.cat(seen).sum(1).sort()[0].equal(images.sum(1).sort()[0])
    fit(net, images)  # by its own bound, too


class Stream(IterableDataset):
    def __iter__(self):
        yield from bars()


@pytest.mark.parametrize(
    "data, message",
    [
        ((bars(), torch.arange(95)), r"as many of each as there are images; given \[96, 95\]"),
        ((bars(), [0] * 96), "as a tensor; given list"),
        (Stream(), "need a length; given those of Stream"),
        ([{"image": image} for image in bars()], "given list"),
        (DataLoader([{"image": image} for image in bars()], 8), "given a dict of image"),
        (DataLoader(bars()[:, :5].contiguous(), 8), r"\(batch, 16\); given \(8, 5\)"),
        (DataLoader(torch.cat((torch.zeros(9, X_DIM), torch.full((9, X_DIM), 2.0))), 8), "given 0 to 2"),
    ],
)
def test_other_data_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        fit(model(), data)


def test_images_that_a_loss_makes_itself_are_looked_at_at_every_step():
    net, steps = model(), []

    def loss(x):
        steps.append(1)
        return net.negative_elbo_bound(x + (len(steps) == 3))[0]

    with pytest.raises(ValueError, match=r"given [01] to 2"):
        fit(net, loss=loss)


class LogVariance(nn.Module):
    """A common slip: the logarithm of the variance where the variance is meant."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(X_DIM, 4)

    def forward(self, x):
        return self.net(x).chunk(2, -1)


def test_the_first_step_tells_what_a_variance_is():
    torch.manual_seed(0)
    with pytest.raises(ValueError, match=r"variances must be positive.*neither its logarithm"):
        fit(vc.VAE(X_DIM, 2, (12,), encoder=LogVariance()))


# ------------------------------------------------------------------------------------
# Validation, callback, and going on
# ------------------------------------------------------------------------------------


class Watched(nn.Module):
    """A decoder that notes in which mode it was asked, with a part that is kept out of training mode."""

    def __init__(self):
        super().__init__()
        self.net, self.frozen, self.modes = nn.Linear(2, X_DIM), nn.Dropout().eval(), []

    def forward(self, z):
        self.modes.append(self.training)
        return self.net(z)


def test_validation_is_in_evaluation_mode_and_modes_are_put_back():
    net = vc.VAE(X_DIM, 2, (12,), decoder=Watched())
    fit(net, epochs=2, batch_size=48, validation=bars(10))
    assert net.dec.modes == [True, True, False] * 2
    assert net.dec.training and not net.dec.frozen.training
    net.eval()
    fit(net, epochs=1, batch_size=96)
    assert net.dec.modes[-1] and not any(module.training for module in net.modules())


@pytest.mark.parametrize(
    "validation", [bars(20), bars(20).numpy(), bars(20).reshape(20, 4, 4)], ids=["tensor", "array", "h x w"]
)
def test_validation_is_the_bound_on_those_images_and_draws_nothing_from_the_training(validation):
    net, plain, bounds = model(), model(), []
    history = fit(
        net,
        validation=validation,
        seed=3,
        callback=lambda _: bounds.append(vc.evaluate(net, bars(20), seed=3)["nelbo"]),
    )
    assert [epoch.validation for epoch in history] == bounds and len(set(bounds)) == 4
    assert [epoch.validation for epoch in fit(plain, seed=3)] == [None] * 4
    assert same(weights(net), weights(plain))


def test_validation_images_are_looked_at_before_the_training():
    net = model()
    before = weights(net)
    with pytest.raises(ValueError, match=r"\(batch, 16\); given \(1, 5\)"):
        fit(net, validation=bars()[:, :5])
    assert same(before, weights(net))


def test_an_autoencoder_is_validated_by_its_reconstruction():
    net = model(vc.Autoencoder)
    history = fit(net, loss=net.loss, validation=bars(20))
    assert history[-1].validation == vc.evaluate(net, bars(20))["rec"]


def test_the_callback_sees_each_epoch_and_can_stop(tmp_path):
    seen = []
    history = fit(model(), epochs=10, checkpoint=tmp_path / "run", callback=lambda e: seen.append(e) or len(seen) == 3)
    assert history == seen and len(seen) == 3 and list(tmp_path.iterdir()) == []


def ascending(net):
    """A loss that makes the bound worse at each step."""
    return lambda x: -net.negative_elbo_bound(x)[0]


def test_the_best_weights_are_kept_where_they_are_asked_for():
    for keep_best in (True, False):
        net = model()
        history = fit(net, loss=ascending(net), learning_rate=1e-3, validation=bars(20), keep_best=keep_best)
        bounds = [epoch.validation for epoch in history]
        assert bounds == sorted(bounds)
        assert vc.evaluate(net, bars(20))["nelbo"] == bounds[0 if keep_best else -1]


def test_the_best_weights_survive_an_interruption(tmp_path):
    whole, net = model(), model()
    options = dict(learning_rate=1e-3, validation=bars(20), keep_best=True, checkpoint=tmp_path / "run")
    fit(whole, loss=ascending(whole), **options)
    calls = []

    def loss(x):
        calls.append(x)
        if len(calls) == 8:
            raise Interrupted
        return ascending(net)(x)

    with pytest.raises(Interrupted):
        fit(net, loss=loss, **options)
    resumed = model(seed=9)
    fit(resumed, loss=ascending(resumed), **options)
    assert same(weights(whole), weights(resumed))


def test_the_best_need_images_to_be_best_on():
    with pytest.raises(ValueError, match="keep_best needs validation"):
        fit(model(), keep_best=True)


def test_five_more_epochs_go_on_with_new_draws():
    net = model()
    first = fit(net, epochs=3)
    again, other_seed = copy.deepcopy(net), copy.deepcopy(net)
    more = fit(net, epochs=5, history=first)
    assert more[:3] == first and len(more) == 8
    assert [e.seconds for e in more] == sorted(e.seconds for e in more)
    fit(again, epochs=5)
    assert not same(weights(net), weights(again))  # without the history, the draws are those of the first call
    fit(other_seed, epochs=5, seed=3_000_009)
    assert same(weights(net), weights(other_seed))  # but for the draws, it is a training like any other


def test_more_epochs_are_gone_on_with_after_an_interruption(tmp_path):
    start = model()
    first = fit(start, epochs=2)
    whole, net = copy.deepcopy(start), copy.deepcopy(start)
    options = dict(epochs=3, history=first, checkpoint=tmp_path / "run")
    history = fit(whole, **options)

    def interrupt(epoch):
        if interrupts.pop():
            raise Interrupted

    interrupts = [True, False]
    with pytest.raises(Interrupted):
        fit(net, callback=interrupt, **options)
    again = fit(net, **options)
    assert same(weights(whole), weights(net)) and [e.loss for e in again] == [e.loss for e in history]


@pytest.mark.parametrize("data", [Pictures(), DataLoader(Pictures(), 32, shuffle=True)], ids=["Dataset", "DataLoader"])
def test_an_interrupted_run_over_a_loader_is_the_uninterrupted_one(tmp_path, data):
    whole, net = model(), model()
    fit(whole, data)
    with pytest.raises(Interrupted):
        fit(net, data, checkpoint=tmp_path / "run", callback=lambda _: (_ for _ in ()).throw(Interrupted))
    fit(net, data, checkpoint=tmp_path / "run")
    assert same(weights(whole), weights(net))


def test_a_model_of_parts_of_ones_own_is_trained_and_gone_on_with(tmp_path):
    def net():
        torch.manual_seed(0)
        return vc.VAE(X_DIM, 2, encoder=nn.Linear(X_DIM, 4), decoder=nn.Sequential(nn.Linear(2, X_DIM)))

    whole, other = net(), net()
    fit(whole)
    with pytest.raises(Interrupted):
        fit(other, checkpoint=tmp_path / "run", callback=lambda _: (_ for _ in ()).throw(Interrupted))
    with pytest.raises(ValueError, match="another run"):
        fit(vc.VAE(X_DIM, 2, encoder=nn.Linear(X_DIM, 4)), checkpoint=tmp_path / "run")
    fit(other, checkpoint=tmp_path / "run")
    assert same(weights(whole), weights(other))


def test_a_loss_that_is_no_number_stops_before_its_step(tmp_path):
    net, steps = model(), []

    def loss(x):
        steps.append(1)
        return net.negative_elbo_bound(x)[0] * (math.nan if len(steps) == 5 else 1)

    message = r"nan at step 4 \(epoch 2, learning rate 0\.00\d+\).*run has what was before epoch 2"
    with pytest.raises(FloatingPointError, match=message):
        fit(net, loss=loss, checkpoint=tmp_path / "run")
    assert all(w.isfinite().all() for w in weights(net)) and (tmp_path / "run").exists()
    fit(net, loss=lambda x: net.negative_elbo_bound(x)[0], checkpoint=tmp_path / "run")


def test_weights_that_run_away_are_noticed_by_the_models_own_bound():
    with pytest.raises(FloatingPointError, match=r"epoch .* learning rate .* train at a lower rate"):
        fit(model(), learning_rate=1e30)


# ------------------------------------------------------------------------------------
# Rate and devices
# ------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 19, 20, 21, 100])
def test_the_rate_is_torchs_one_cycle(steps):
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight], 0.03)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.03, total_steps=steps, pct_start=0.051, anneal_strategy="linear", cycle_momentum=False
    )
    for step in range(steps):
        assert one_cycle(step, steps, 0.03) == optimizer.param_groups[0]["lr"]
        optimizer.step()
        if step < steps - 1:
            schedule.step()
    assert one_cycle(steps + 3, steps, 0.03) == one_cycle(steps - 1, steps, 0.03)  # of a loader that has more


def test_auto_takes_the_gpu_that_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device_for("auto", torch.float32).type == "mps"
    assert device_for("auto", torch.float64).type == "cpu"  # which Apple's does not know
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_for("auto", torch.float64).type == "cuda"
    for device, fused in (("cpu", True), ("cuda", True), ("mps", None)):
        (adam,) = optimizers_for("adam", [nn.Parameter(torch.zeros(2))], 0.1, torch.device(device))
        assert adam.defaults["fused"] is fused


# ------------------------------------------------------------------------------------
# Two processes
# ------------------------------------------------------------------------------------

ON = (bars() > 128).byte() * 255  # not grey, so that nothing is left to chance when they are binarised

MIX = torch.randn(X_DIM, 2, generator=torch.Generator().manual_seed(1))


class GivenNoise(vc.VAE):
    """A VAE whose noise belongs to the image, so that one process and two, or a batch and each image, have the same."""

    def negative_elbo_bound(self, x):
        m, v = self.encode(x)
        z = m + v.sqrt() * torch.sin(9 * x @ MIX)
        kl, rec = self.kl(z, m, v).mean(), -self.likelihood.log_prob(x, self.decode(z)).mean()
        return rec + kl, kl, rec


def one_of_two(rank, port, found):
    """What README.md shows, with a fixed order of the images."""
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    torch.set_num_threads(1)
    net = model(GivenNoise, seed=rank)  # DistributedDataParallel sends the first one's weights to all
    both, data = DistributedDataParallel(net), TensorDataset(ON)
    loader = DataLoader(data, 16, sampler=DistributedSampler(data, shuffle=False))
    history = fit(net, loader, loss=lambda x: both(x)[0], seed=rank)
    found[rank] = [epoch.loss for epoch in history], weights(net)
    dist.destroy_process_group()


def test_two_processes_train_as_one_with_the_same_batch():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with torch.multiprocessing.Manager() as manager:
        found = manager.dict()
        torch.multiprocessing.spawn(one_of_two, (port, found), nprocs=2)
        (losses, half), (others, other_half) = found[0], found[1]
    net = model(GivenNoise)
    history = fit(net, DataLoader(TensorDataset(ON), 32))
    assert [(a + b) / 2 for a, b in zip(losses, others, strict=True)] == pytest.approx([e.loss for e in history])
    assert losses != pytest.approx(others) and same(half, other_half)
    for theirs, ours in zip(half, weights(net), strict=True):
        assert torch.allclose(theirs, ours, atol=1e-5)


# ------------------------------------------------------------------------------------
# torch.compile and torch.func
# ------------------------------------------------------------------------------------


BATCH = ON[:32] / 255


def bound_and_gradients(net, bound):
    net.zero_grad()
    torch.manual_seed(0)
    terms = bound(BATCH)
    terms[0].backward()
    return [t.item() for t in terms], [p.grad for p in net.parameters() if p.grad is not None]


@pytest.mark.parametrize("kind", [vc.VAE, vc.GMVAE, vc.SSVAE])
def test_a_compiled_bound_is_one_graph_with_the_same_numbers(kind):
    net = model(kind)
    compiled = torch.compile(net.negative_elbo_bound, backend="aot_eager", fullgraph=True)
    terms, gradients = bound_and_gradients(net, net.negative_elbo_bound)
    their_terms, their_gradients = bound_and_gradients(net, compiled)
    assert their_terms == pytest.approx(terms, rel=1e-5)
    for theirs, ours in zip(their_gradients, gradients, strict=True):
        assert torch.allclose(theirs, ours, atol=1e-5)


def test_fit_trains_by_a_compiled_loss():
    plain, net = model(), model()
    compiled = torch.compile(net.negative_elbo_bound, backend="aot_eager")
    fit(plain, epochs=2)
    fit(net, epochs=2, loss=lambda x: compiled(x)[0])
    for theirs, ours in zip(weights(net), weights(plain), strict=True):
        assert torch.allclose(theirs, ours, atol=1e-4)


def test_an_infinite_logit_is_compiled_right():
    x, logits = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([math.inf, -math.inf])
    compiled = torch.compile(vc.log_bernoulli_with_logits, backend="aot_eager")
    assert compiled(x, logits).tolist() == [0, -math.inf]


@pytest.mark.parametrize("prior", [None, vc.GaussianMixture(2, 5)], ids=["normal", "mixture"])
def test_torch_func_takes_the_gradient_of_each_images_bound(prior):
    net, x = model(GivenNoise, prior=prior), BATCH

    def bound(parameters, x):
        return torch.func.functional_call(net, parameters, (x.unsqueeze(0),))[0]

    each = torch.func.vmap(torch.func.grad(bound), (None, 0))(dict(net.named_parameters()), x)
    net.negative_elbo_bound(x)[0].backward()
    for name, p in net.named_parameters():
        assert each[name].shape == (32, *p.shape) and p.grad.any()
        assert torch.allclose(each[name].mean(0), p.grad, atol=1e-5)


def test_torch_func_has_a_bound_for_each_image_with_noise_of_its_own():
    net = model()
    each = torch.func.vmap(lambda x: net.negative_elbo_bound(x.unsqueeze(0))[0], randomness="different")(BATCH)
    assert each.shape == (32,) and len(each.unique()) == 32
    assert each.mean().item() == pytest.approx(net.negative_elbo_bound(BATCH)[0].item(), abs=1)


def test_jacrev_is_the_decoders_jacobian():
    net, z = model(), torch.randn(3, 2)
    found = torch.func.vmap(torch.func.jacrev(lambda z: net.likelihood.mean(net.decode(z))))(z)
    assert found.shape == (3, X_DIM, 2)
    step = 1e-3 * torch.eye(2)
    for j in range(2):
        slope = (net.decode(z + step[j]).sigmoid() - net.decode(z - step[j]).sigmoid()) / 2e-3
        assert torch.allclose(found[..., j], slope, atol=1e-3)
