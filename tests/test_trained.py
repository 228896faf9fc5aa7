"""The models in book/trained/: they load, they are as good as promised, and each does what
its file says it did when train.py measured it."""

import math
import subprocess
import sys
from statistics import mean

import pytest
import torch
from conftest import ROOT
from safetensors.torch import load_file

import vae_core as vc

TRAINED = vc.trained_models()
BOUNDED = [name for name, about in TRAINED.items() if "niwae" in about["results"]]


def each(names):
    return pytest.mark.parametrize("name", names)


@pytest.fixture(scope="module")
def data():
    return vc.load_mnist()


@pytest.fixture(scope="module")
def bits(data):
    """The test images as train.py binarised them, by evaluation seed."""
    seeds = {about["evaluation_seed"] for about in TRAINED.values()}
    return {seed: vc.binarize(data.test_images, torch.Generator().manual_seed(seed)) for seed in seeds}


def results(name):
    return TRAINED[name]["results"]


def test_the_catalogue_is_complete():
    assert set(TRAINED) >= {"vae", "vae-2d", "gmvae", "ssvae", "autoencoder-2d"}


def test_all_files_together_are_small():
    assert sum(file.stat().st_size for file in vc.TRAINED.iterdir()) < 40e6


@each(TRAINED)
def test_each_file_describes_its_model(name):
    model, about = vc.load_trained(name), TRAINED[name]
    assert model.description == about
    assert type(model).__name__ == about["class"] and model.arguments == about["arguments"]
    tensors = load_file(vc.TRAINED / f"{name}.safetensors")
    assert {t.dtype for t in tensors.values()} == {torch.float16}
    assert all(t.isfinite().all() for t in tensors.values())
    losses = [loss for loss, _ in about["history"]]
    assert len(losses) == about["recipe"]["epochs"] and losses[-1] < losses[0]
    assert {"python", "torch", "safetensors"} <= set(about["versions"])


def test_loading_imports_nothing_that_takes_its_time():
    """PyTorch would import some nine hundred modules to draw a number on the device "meta", or to add two."""
    code = """import sys, vae_core as vc
before = set(sys.modules)
for name in vc.trained_models():
    vc.load_trained(name)
print(*set(sys.modules) - before)"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, encoding="utf-8")
    assert len(done.stdout.split()) < 10


@each(TRAINED)
@pytest.mark.parametrize("part", ["test", "train"])
def test_the_recorded_bound_is_reproduced(name, part, data):
    images = data.test_images if part == "test" else data.train_images[:10_000]
    again = vc.evaluate(vc.load_trained(name), images, TRAINED[name]["evaluation_seed"])
    assert again == pytest.approx(results(name)[part], abs=0.05)


@each(BOUNDED)
def test_the_recorded_iwae_bounds_are_reproduced(name, bits):
    """By other draws of z. One sample gives the NELBO, up to the noise of two such measurements. What ten samples gain
    over it is about the same on every fifth image as on all; in vae-2d it differs too much from image to image."""
    model, recorded, whole = vc.load_trained(name), results(name), name == "vae-2d"
    x = bits[TRAINED[name]["evaluation_seed"]][:: 1 if whole else 5]
    torch.manual_seed(0)
    first, second = -vc.log_likelihood(model, x, [1, 10]), -vc.log_likelihood(model, x[:500], [1, 10])
    assert recorded["niwae_images"] == 10_000
    one, ten = (5 * (first[:, :500] - second).std(1) / math.sqrt(10_000)).tolist()
    bounds = {int(m): bound for m, bound in recorded["niwae"].items()}
    assert bounds[1] == pytest.approx(recorded["test"]["nelbo"], abs=min(one, 0.6))
    gain = first[0] - first[1]
    wanted = first[1].mean() if whole else bounds[1] - gain.mean()
    tolerance = ten if whole else 5 * gain.std().item() / math.sqrt(len(x))
    assert bounds[10] == pytest.approx(wanted.item(), abs=tolerance)
    assert tolerance < bounds[10] - bounds[100]  # so that no other bound would pass for it


@each(BOUNDED)
def test_the_recorded_bounds_tighten_with_m(name):
    niwae = {int(m): bound for m, bound in results(name)["niwae"].items()}
    assert sorted(niwae) == [1, 10, 100, 1000, 5000]
    assert niwae[1] > niwae[10] > niwae[100] > niwae[1000] - 0.02 > niwae[5000] - 0.04


def test_the_vae_is_well_trained():
    assert results("vae")["test"]["nelbo"] <= 95.0 and results("vae")["niwae"]["5000"] <= 91.5


def test_the_mixture_prior_gives_a_better_bound():
    assert results("gmvae")["test"]["nelbo"] <= 93.5
    assert results("gmvae")["test"]["nelbo"] < results("vae")["test"]["nelbo"]
    assert results("gmvae")["niwae"]["5000"] < results("vae")["niwae"]["5000"]


def swept(argument, prefix):
    """The sweep's models, trained alike, by the value of what is swept; `vae-z10` belongs to both sweeps."""
    names = [name for name in TRAINED if name.startswith(prefix) or name == "vae-z10"]
    assert len({str(TRAINED[name]["recipe"]) for name in names}) == 1
    return {
        TRAINED[name]["arguments"][argument]: results(name)
        for name in sorted(names, key=lambda name: TRAINED[name]["arguments"][argument])
    }


@pytest.mark.parametrize("seed", range(3))
def test_beta_trades_rate_for_distortion_and_one_gives_the_best_bound(seed):
    sweep = {beta: r["seeds"][seed] for beta, r in swept("beta", "vae-beta").items()}
    assert set(sweep) == {0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0}
    rates, distortions = ([r["test"][part] for r in sweep.values()] for part in ("kl", "rec"))
    assert rates == sorted(rates, reverse=True) and distortions == sorted(distortions)
    assert min(sweep, key=lambda beta: sweep[beta]["test"]["nelbo"]) == 1


@pytest.mark.parametrize("seed", range(3))
def test_latents_help_until_the_data_need_no_more(seed):
    sweep = {z_dim: r["seeds"][seed] for z_dim, r in swept("z_dim", "vae-z").items()}
    assert set(sweep) == {1, 2, 3, 5, 10, 20, 50}
    bounds = [r["test"]["nelbo"] for z_dim, r in sweep.items() if z_dim <= 20]
    assert bounds == sorted(bounds, reverse=True)
    assert abs(sweep[50]["test"]["nelbo"] - sweep[20]["test"]["nelbo"]) < 1
    assert all(r["active_units"] == z_dim for z_dim, r in sweep.items() if z_dim <= 10)
    assert sweep[50]["active_units"] < 30


def test_the_seeds_of_a_sweep_are_runs_of_their_own_and_the_first_is_shipped():
    for r in (*swept("beta", "vae-beta").values(), *swept("z_dim", "vae-z").values()):
        assert r["seeds"][0]["test"] == r["test"]
        bounds = [run["test"]["nelbo"] for run in r["seeds"]]
        assert len(set(bounds)) == 3 and max(bounds) - min(bounds) < 1.5
        assert abs(r["seeds"][0]["niwae"] - r["niwae"]["5000"]) < 4  # the first 1,000 images, and all


def test_the_two_dimensional_vae_against_quadrature(bits):
    recorded = results("vae-2d")["quadrature"]
    assert recorded["iwae_5000"] == pytest.approx(recorded["log_px"], abs=0.1)
    assert recorded["elbo"] < recorded["iwae_5000"]
    model, x = vc.load_trained("vae-2d"), bits[TRAINED["vae-2d"]["evaluation_seed"]][: recorded["images"]]
    exact = vc.log_marginal_grid(model, x, n=201).log_px  # a quarter of the points: it makes no difference
    assert exact.mean().item() == pytest.approx(recorded["log_px"], abs=0.02)
    torch.manual_seed(0)
    gap = exact[:100] - vc.log_likelihood(model, x[:100], 1000)
    assert abs(gap.median().item()) < 0.05 and gap.mean() > -0.05  # below the truth; a rare image by far
    with torch.no_grad():
        elbo = -torch.stack([model.negative_elbo_bound(x)[0] for _ in range(20)])
    assert elbo.mean().item() == pytest.approx(recorded["elbo"], abs=5 * elbo.std().item() / math.sqrt(20) + 0.05)
    assert elbo.mean() < exact.mean() - 0.3


def test_the_semi_supervised_accuracy(data):
    assert results("ssvae")["labels"] == 100
    reached = results("ssvae")["by_labels"]["100"]
    assert len(set(reached["accuracy"])) > 5
    assert mean(reached["accuracy"]) >= 0.965
    gain = mean(reached["accuracy"]) - mean(reached["accuracy_labels_alone"])
    assert gain > 0.1  # what the unlabelled images are good for
    about = TRAINED["ssvae"]
    again = vc.accuracy(vc.load_trained("ssvae"), data.test_images, data.test_labels, about["evaluation_seed"])
    assert again == pytest.approx(results("ssvae")["accuracy"], abs=0.001)


def test_the_recorded_guesses_come_out_again(data):
    x, space = data.train_images[:10_000] / 255, vc.load_trained(results("ssvae")["neighbours_in"])
    with torch.no_grad():
        codes = space.enc(x)[0][:, vc.active_units(space, x)]
    known = vc.labelled_subset(data.train_labels[:10_000], 100)
    guesses = vc.spread_labels(vc.neighbour_graph(codes), known, data.train_labels[known])
    right = (guesses.argmax(1) == data.train_labels[:10_000]).float().mean().item()
    assert right == pytest.approx(mean(results("ssvae")["by_labels"]["100"]["guesses"]), abs=0.02)  # a sixth of them


def test_labels_are_worth_less_the_more_there_are():
    by_labels = {int(labels): reached for labels, reached in results("ssvae")["by_labels"].items()}
    assert list(by_labels) == [50, 100, 600, 1000, 3000]
    assert {len(values) for reached in by_labels.values() for values in reached.values()} == {10}
    guesses, alone, final = (
        [mean(reached[kind]) for reached in by_labels.values()]
        for kind in ("guesses", "accuracy_labels_alone", "accuracy")
    )
    gain = [after - before for before, after in zip(alone, final, strict=True)]
    assert alone == sorted(alone) and gain == sorted(gain, reverse=True) and gain[-1] > 0
    assert final[-1] > final[0] and guesses[-1] > guesses[0]


def test_more_samples_in_training_give_a_better_likelihood():
    names = [name for name in TRAINED if name.startswith("burda") and not name.endswith("longer")]
    reached = {name: results(name)["niwae"]["5000"] for name in names}
    recipes = {name: TRAINED[name]["recipe"] for name in names}
    assert {name for name, about in recipes.items() if about.get("warm_up")} == {"burda-1"}
    for k in (5, 50):  # trained alike in all but the bound: from one sample, then with five, then with fifty
        with_k = {name: about for name, about in recipes.items() if about["iw"] == k}
        assert len(with_k) == 3
        assert len({str(about | dict(bound=None, start=None)) for about in with_k.values()}) == 1
        starts = {name: "burda-1" if k == 5 else name.replace("50", "5") for name in with_k}
        assert {name: about["start"] for name, about in with_k.items()} == starts
    assert reached["burda-iwae-dreg-50"] < reached["burda-iwae-dreg-5"] < reached["burda-1"]
    assert reached["burda-iwae-5"] < min(reached["burda-1"], reached["burda-elbo-5"])
    assert reached["burda-iwae-50"] < reached["burda-iwae-5"]


def test_a_slower_descent_gives_a_better_likelihood():
    longer = [name for name in TRAINED if name.endswith("-longer")]
    assert len(longer) == 4
    for name in longer:
        shorter = name.removesuffix("-longer")
        assert TRAINED[name]["recipe"]["learning_rate"] < TRAINED[shorter]["recipe"]["learning_rate"]
        assert results(name)["niwae"]["5000"] < results(shorter)["niwae"]["5000"] - 0.1


def test_warm_up_keeps_latents_that_pay():
    cold, warm = TRAINED["vae-cold"], TRAINED["burda-1"]
    assert warm["arguments"] == cold["arguments"] and warm["recipe"] == cold["recipe"] | dict(warm_up=0.1)
    cold, warm = cold["results"], warm["results"]
    assert warm["active_units"] > cold["active_units"]
    assert warm["niwae"]["5000"] < cold["niwae"]["5000"] - 0.1  # another seed moves the NELBO by that much


def test_the_named_mixture_earns_its_generative_term(data):
    about = TRAINED["named-gmvae"]
    again = vc.accuracy(vc.load_trained("named-gmvae"), data.test_images, data.test_labels, about["evaluation_seed"])
    assert again == pytest.approx(about["results"]["accuracy"], abs=0.001)
    reached = about["results"]["by_labels"]
    assert [len(draws["labels"]) for draws in reached.values()] == [3, 10, 3, 3, 3]
    at_100 = reached["100"]
    for start in ("labels", "guesses"):
        gains = torch.tensor(at_100[start]) - torch.tensor(at_100[f"{start}_no_gen"])
        assert gains.mean() > 3 * gains.std() / math.sqrt(len(gains))
    assert mean(at_100["labels"]) > 0.965 and mean(at_100["guesses"]) > 0.975


def test_a_vae_for_each_class_adds_to_a_classifier():
    found = results("ssvae")["one_vae_a_class"]
    alone, both = (torch.tensor(found[kind]) for kind in ("classifier", "both"))
    assert len(both) == 10 and len(set(both.tolist())) > 5
    assert (both - alone).mean() > 3 * (both - alone).std() / math.sqrt(10)
    assert both.mean() >= 0.985
    assert mean(found["both_grey"]) > mean(found["both"])  # the binary pictures have lost something


def test_the_notes_own_model_learns_its_classes_from_the_classifier(data):
    about = TRAINED["m2"]
    found = about["results"]
    again = vc.accuracy(vc.load_trained("m2"), data.test_images, data.test_labels, about["evaluation_seed"])
    assert again == pytest.approx(found["accuracy"], abs=0.001)
    race = {float(weight): reached["looks"] for weight, reached in found["class_weights"].items()}
    assert set(race) == {0.1, 1, 10, 100}
    assert all(len(looks) == len(found["steps"]) + 1 for looks in race.values())
    soon = race[100][found["steps"].index(200)]
    assert soon["known"] < 0.1 and soon["bounds_right"] < 0.4  # sure, while the bounds know few classes
    assert abs(race[0.1][-1]["margin"]) < 1 < 10 < race[100][-1]["margin"]  # slow, and y is ignored
    reached = [draw["accuracy"] for draw in found["draws"]]
    assert len(reached) == 10 and reached[0] == found["accuracy"]
    assert min(reached) > 0.8 and found["accuracy_all_labels"] > 0.98
