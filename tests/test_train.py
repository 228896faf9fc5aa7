"""train.py: what is interrupted goes on, and what is done is done."""

import sys
from collections import Counter

import pytest
import torch

import train
import vae_core as vc
from vae_machinery import model_files

TINY = dict(epochs=2, batch_size=100, learning_rate=2e-3, progress=False)
NETWORK = dict(z_dim=3, hidden=(8,))  # quadrature, for two latents, would take minutes


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that runs train.py's command on a few images, in a folder of its own.

    It returns how often `fit` was called. `run.work` counts steps of training and calls of log_likelihoods, over all
    runs. Interruptions come from what a test puts in the place of a function.
    """
    data = vc.load_mnist()
    few = vc.MNIST(data.train_images[:300], data.train_labels[:300], data.test_images[:700], data.test_labels[:700])
    recipes = {
        "first": train.Recipe(vc.VAE, NETWORK, TINY, seeds=2),
        "first-1": train.Recipe(vc.VAE, NETWORK, TINY, "iwae", 3, start="first"),
    }
    work = Counter()

    def count(place, name):
        real = getattr(place, name)

        def counted(*arguments, **options):
            work[name] += 1
            return real(*arguments, **options)

        monkeypatch.setattr(place, name, counted)

    count(vc, "fit")
    count(torch.Tensor, "backward")
    count(train, "log_likelihoods")
    monkeypatch.setattr(vc, "load_mnist", lambda: few)
    monkeypatch.setattr(model_files, "TRAINED", tmp_path / "trained")
    monkeypatch.setattr(train, "WORK", tmp_path / "work")
    monkeypatch.setattr(train, "RECIPES", recipes)
    monkeypatch.setattr(train, "SAMPLES", [1, 5])

    def run(*arguments):
        work["fit"] = 0
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        train.main()
        return work["fit"]

    run.work = work
    return run


def results():
    return {name: about["results"] for name, about in vc.trained_models().items()}


def test_all_is_trained_measured_and_tidied_up(run):
    assert run() == 3  # the first model twice, with two seeds
    found = results()
    assert set(found) == {"first", "first-1"}
    for name, result in found.items():
        assert {"test", "train", "active_units", "niwae"} <= set(result)
        assert len(vc.trained_models()[name]["history"]) == TINY["epochs"]
        assert result["niwae_images"] == 700 and result["niwae"]["1"] > result["niwae"]["5"]
    assert len(found["first"]["seeds"]) == 2
    assert list(train.WORK.iterdir()) == []


def test_after_an_interruption_nothing_is_done_twice(run, monkeypatch):
    run()
    wanted = results()
    assert run.work == dict(fit=3, backward=18, log_likelihoods=6)
    run.work.clear()
    for file in model_files.TRAINED.iterdir():
        file.unlink()

    class Interrupted(Exception):
        pass

    def interrupt(place, function, after):
        real, count = getattr(place, function), [0]

        def interrupted(*arguments, **options):
            count[0] += 1
            if count[0] > after:
                raise Interrupted
            return real(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(place, function, interrupted)
            with pytest.raises(Interrupted):
                run()
        return run.work["fit"]

    # In the first epoch, in the second, between the seeds, while the bounds are measured, and in the next model.
    trained = [interrupt(torch.Tensor, "backward", after) for after in (2, 4)]
    assert trained == [1, 1]
    assert interrupt(vc, "evaluate", 4) == 1
    assert interrupt(train, "log_likelihoods", 3) == 1
    assert interrupt(torch.Tensor, "backward", 4) == 1
    assert run() == 1  # what is left of the second model
    assert results() == wanted
    # Lost: three steps' beginnings of epochs, and the bounds of seeds, which a model is shipped with.
    assert run.work == dict(fit=1, backward=18 + 2 + 1 + 1, log_likelihoods=6 + 1 + 2)
    assert run("--measure", "first", "first") == 0 and results() == wanted
    assert run.work == dict(fit=0, backward=22, log_likelihoods=9 + 2)


def test_to_measure_a_model_leaves_its_interrupted_training_alone(run, monkeypatch):
    run("first")

    class Interrupted(Exception):
        pass

    def interrupt(history, *_):
        raise Interrupted

    real = vc.Epoch
    longer = train.RECIPES["first"]._replace(fit=TINY | dict(epochs=3))
    monkeypatch.setitem(train.RECIPES, "first", longer)
    with monkeypatch.context() as patch:
        calls = Counter()

        def epoch(*values):
            calls["epochs"] += 1
            return interrupt(values) if calls["epochs"] == 3 else real(*values)

        patch.setattr(vc, "Epoch", epoch)
        with pytest.raises(Interrupted):
            run("first")
    run.work.clear()
    run("--measure", "first")
    assert run.work["backward"] == 0
    assert run("first") == 2 and run.work["backward"] == 3 + 9  # the third epoch, and the second seed


def test_another_recipe_is_another_run(run, monkeypatch):
    real = train.measure_bounds
    monkeypatch.setattr(train, "measure_bounds", lambda *_: sys.exit())
    with pytest.raises(SystemExit):
        run("first")
    monkeypatch.setattr(train, "measure_bounds", real)
    longer = train.RECIPES["first"]._replace(fit=TINY | dict(epochs=3))
    monkeypatch.setitem(train.RECIPES, "first", longer)
    assert run("first") == 2
    assert vc.trained_models()["first"]["recipe"]["epochs"] == 3


def test_what_goes_on_from_a_model_is_trained_anew_when_that_is(run, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(train.shutil, "rmtree", lambda folder, **_: None)  # as if interrupted at the very end
        run()
        before = dict(run.work)
        assert run() == 0 and run.work == before | dict(fit=0)
    monkeypatch.setitem(train.RECIPES, "first", train.RECIPES["first"]._replace(fit=TINY | dict(epochs=3)))
    assert run() == 3


def test_rounding_that_moves_a_bound_is_refused(run):
    model = vc.VAE(**NETWORK)
    train.assert_rounding_is_harmless(model, vc.load_mnist().test_images)
    for bias in (2049.4, 1e6):  # which float16 rounds to 2050, and to infinity
        torch.nn.init.constant_(model.dec.rest[-1].bias, bias)
        with pytest.raises(SystemExit, match=r"float16 moves .* nats"):
            train.assert_rounding_is_harmless(model, vc.load_mnist().test_images)


def test_an_unknown_name_is_answered_with_the_known_ones(run, capsys):
    with pytest.raises(SystemExit):
        run("nobody")
    assert "no recipe for nobody; there are first, first-1" in capsys.readouterr().err


def test_a_vae_for_each_class_judges_beside_a_classifier(tmp_path, monkeypatch):
    whole = vc.load_mnist()
    data = vc.MNIST(*(part[:500] for part in whole))
    monkeypatch.setattr(train, "WORK", tmp_path)
    small = dict(epochs=30, batch_size=20, optimizer="muon", learning_rate=0.04)
    monkeypatch.setattr(train, "OF_A_CLASS", train.Recipe(vc.VAE, dict(z_dim=3, hidden=(50,)), small | dict(epochs=5)))
    monkeypatch.setattr(train, "ROUNDS", 2 * [(small, dict(epochs=10, learning_rate=3e-3))])
    found = train.class_models_of_draw("ssvae", data, train.latent_graph(data.train_images), 0)
    by_temper = {float(weight): share for weight, share in found["by_temper"].items()}
    assert found["both"] == by_temper[train.TEMPERED] and len(set(by_temper.values())) > 1
    assert min(found["classifier"], found["bayes"], found["both_grey"]) > 0.5  # and a tenth by chance
    monkeypatch.setattr(vc, "fit", None)
    assert train.class_models_of_draw("ssvae", data, train.latent_graph(data.train_images), 0) == found  # done already
    held = train.held_out_from(whole)
    assert (len(held.train_images), len(held.test_labels)) == (50_000, 10_000)
    assert torch.equal(torch.cat([held.train_labels, held.test_labels]), whole.train_labels)


def test_a_mixture_with_names_learns_guesses_alone():
    labels = torch.arange(200) % 10
    guesses = torch.nn.functional.one_hot(labels, 10).float()
    images = 255 * guesses.repeat_interleave(78, dim=1).byte()  # a band for each class
    recipe = train.Recipe(
        vc.NamedGMVAE, dict(x_dim=780, z_dim=2, hidden=(8,), each=1), dict(batch_size=100, learning_rate=0.01)
    )
    torch.manual_seed(0)
    model = recipe.model(**recipe.arguments)
    known = torch.arange(20)
    first, *_, last = train.fit_named(recipe, model, images, known, labels[known], 20, 0, (slice(None), guesses))
    assert last.loss < first.loss - 0.5
