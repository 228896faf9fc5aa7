"""Train the models in book/trained/ and measure them: python train.py [--measure] [NAME ...]

Without names, all of them. A model is shipped as soon as it is trained, with its ELBO, rate
and distortion; the IWAE bounds, which take longest, follow. After an interruption the same
command goes on where it stopped. Everything is measured on all 10,000 test images, binarised with a fixed seed,
under the weights exactly as they are shipped. --measure takes the shipped models as they are.
"""

import argparse
import copy
import hashlib
import json
import platform
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor

import vae_core as vc
from vae_machinery import model_files
from vae_machinery.files import hash_tensors, write_atomically

WORK = Path(__file__).resolve().parent / "_train"  # what is not finished yet
EVALUATION_SEED = 2024
SAMPLES = [1, 10, 100, 1000, 5000]  # of the IWAE bounds; the last estimates log p(x)
# SSVAE: how many labels there are, how often each number is drawn anew for a short training, and how many the
# shipped model has
LABELS, DRAWS, SHORT = (50, 100, 600, 1000, 3000), 10, dict(epochs=3)
SHIPPED_LABELS = 100
LIKELIEST = 2  # over how many labels of an unlabelled image its bound sums in training
NEIGHBOURS_IN = "vae-z50"  # the model in whose latent space labels spread
GUESS_WEIGHT = 100  # of the cross-entropy with these guesses; class_weight is that with the known labels
# M2, the notes' own model: the class weights that are tried, and the steps after which a training is looked at
CLASS_WEIGHTS = (100.0, 10.0, 1.0, 0.1)
LOOKS = (20, 50, 100, 200, 500, 1000, 2000, 4000, 6000, 8000, 10_000)
# NamedGMVAE: the components of a class and for how many epochs; the classes that it then names place more of them.
GROWTH = {1: 2, 5: 2, 20: 3}
VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "one Gaussian a class": dict(growth={1: 7}),
    "twenty from the start": dict(growth={20: 7}),
    "the KL counted twice": dict(beta=2.0),
    "known labels a hundredfold": dict(class_weight=100.0),
    "no cross-entropy": dict(class_weight=0.0),
}
BY_ACCURACY = ("m2", "named-gmvae")  # what they are for: their IWAE bounds are not measured
FEWER_DRAWS = 3  # where the number of labels is not that of the shipped model


class Recipe(NamedTuple):
    """A model class, its arguments and those of vae_core.fit; the bound that is climbed: its name
    in BOUNDS and iw, how many samples of z it draws for an image; the trained model to go on from,
    if it does not start afresh; and how often it is trained, with another seed each time. The first
    is shipped, the others show how far a result is luck."""

    model: Any
    arguments: dict
    fit: dict
    bound: str = "elbo"
    iw: int = 1
    start: str | None = None
    seeds: int = 1


Loss = Callable[[Any, Tensor], Tensor]  # of a model and a batch
BOUNDS: dict[str, Callable[[vc.VAE, Tensor, int], Tensor]] = {
    "elbo": lambda model, x, iw: model.negative_elbo_bound(x)[0] if iw == 1 else -model.log_weight(x, iw)[0].mean(),
    "iwae": lambda model, x, iw: model.negative_iwae_bound(x, iw)[0],
    "iwae-dreg": lambda model, x, iw: model.negative_iwae_bound(x, iw, dreg=True)[0],
}


SWEEP = dict(epochs=20, batch_size=400, optimizer="muon", learning_rate=0.04)
BURDA = vc.VAE, dict(z_dim=50, hidden=(200, 200), activation="tanh")
AFRESH = dict(epochs=300, batch_size=200, optimizer="muon", learning_rate=0.015)
FURTHER = AFRESH | dict(epochs=24, learning_rate=0.007)
SLOWER = AFRESH | dict(learning_rate=0.005)

RECIPES = {
    "vae": Recipe(vc.VAE, {}, dict(epochs=160, batch_size=128, learning_rate=4e-3)),
    # With the ELBO, a few encodings in a hundred miss the posterior by so much that no number of
    # samples finds it again; a dozen samples in training teach the encoder to cover it.
    "vae-2d": Recipe(vc.VAE, dict(z_dim=2), dict(epochs=8, batch_size=128, learning_rate=2e-3), "iwae", 12),
    "gmvae": Recipe(vc.GMVAE, {}, dict(epochs=120, batch_size=128, learning_rate=3e-3)),
    "autoencoder-2d": Recipe(vc.Autoencoder, dict(z_dim=2), SWEEP),
    # The sweeps, trained alike; vae-z10 has the beta of 1 that stands between the others.
    **{
        f"vae-beta{beta:g}": Recipe(vc.VAE, dict(beta=beta), SWEEP, seeds=3) for beta in (0.1, 0.25, 0.5, 2.0, 4.0, 8.0)
    },
    **{f"vae-z{z_dim}": Recipe(vc.VAE, dict(z_dim=z_dim), SWEEP, seeds=3) for z_dim in (1, 2, 3, 5, 10, 20, 50)},
    # The network of Burda et al. (2016), and their question: how many samples in training?
    "burda-1": Recipe(*BURDA, AFRESH | dict(warm_up=0.1)),
    "vae-cold": Recipe(*BURDA, AFRESH),  # as burda-1 would be without warm-up
    # All others go on from one sample of the ELBO, with its latents awake, and are trained alike.
    **{f"burda-{bound}-5": Recipe(*BURDA, AFRESH, bound, 5, "burda-1") for bound in BOUNDS},
    # An epoch with 50 samples takes several times as long as one with 5, so it is with 5 that most is learned.
    **{f"burda-{bound}-50": Recipe(*BURDA, FURTHER, bound, 50, f"burda-{bound}-5") for bound in BOUNDS},
    # At the rates of AFRESH a trained network forgets first; at a third of them it goes on from where it was.
    **{
        f"burda-{bound}-5-longer": Recipe(*BURDA, SLOWER, bound, 5, f"burda-{bound}-5")
        for bound in ("iwae", "iwae-dreg")
    },
    **{
        f"burda-{bound}-50-longer": Recipe(*BURDA, SLOWER | dict(epochs=30), bound, 50, f"burda-{bound}-5-longer")
        for bound in ("iwae", "iwae-dreg")
    },
    # After the model that its guesses come from, NEIGHBOURS_IN.
    "ssvae": Recipe(vc.SSVAE, dict(class_weight=1.0), dict(epochs=14, batch_size=100, learning_rate=3e-3)),
    # The notes' own model: J alone, all labels summed. Its class weight is the problem set's.
    "m2": Recipe(vc.SSVAE, dict(class_weight=100.0), dict(epochs=20, batch_size=100, learning_rate=1e-3)),
    # On the active latents of NEIGHBOURS_IN, and from its weights.
    "named-gmvae": Recipe(vc.NamedGMVAE, dict(each=20), dict(epochs=7, batch_size=200, learning_rate=1e-3)),
}

# Beside the SSVAE: a VAE for each class, and a classifier. Both learn the guesses, then guess anew together, and learn
# these guesses in a second round. The VAEs go on from one that has seen all images. So many BOUND_SAMPLES bound a
# log p(x|y), in between and in the end; TEMPERED is how much a nat of that bound counts beside log q(y|x).
OF_A_CLASS = Recipe(
    vc.VAE, dict(z_dim=8, hidden=(200, 200)), dict(epochs=8, batch_size=400, optimizer="muon", learning_rate=0.04)
)
ROUNDS: list[tuple[dict[str, Any], dict[str, Any]]] = [  # of each VAE, and of the classifier
    (dict(epochs=8, batch_size=100, optimizer="muon", learning_rate=0.03), dict(epochs=3, learning_rate=3e-3)),
    (dict(epochs=4, batch_size=100, optimizer="muon", learning_rate=0.015), dict(epochs=3, learning_rate=2e-3)),
]
BOUND_SAMPLES, TEMPERED, TEMPERS = (2, 8), 0.1, (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure the IWAE bounds again, and train nothing")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(RECIPES)}")
    arguments = parser.parse_args()
    names = list(dict.fromkeys(arguments.names)) or list(RECIPES)
    if unknown := set(names) - set(RECIPES):
        parser.error(f"no recipe for {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}")
    data = vc.load_mnist()
    for name in names:
        if arguments.measure:
            done = unfinished(name, "measured", SAMPLES, EVALUATION_SEED, weights_of(name))
        else:
            done = unfinished(name, "trained", SAMPLES, LABELS, DRAWS, settings_of(name, RECIPES[name]))
        if done.exists():
            print(f"{name}: done already, before the interruption", flush=True)
            continue
        if not arguments.measure:
            train(name, RECIPES[name], data)
        measure_bounds(name, data.test_images)
        write_atomically(done, b"")
    for name in names:  # nothing is left to go on with: the next time, they start afresh
        if arguments.measure:  # but an interrupted training is
            for part in ("measured", "bounds"):
                for file in (WORK / name).glob(f"{part}-*"):
                    file.unlink(missing_ok=True)
        else:
            shutil.rmtree(WORK / name, ignore_errors=True)  # unless another process has done so


def unfinished(name: str, part: str, *settings: object) -> Path:
    """The file that keeps a part of the work on a model until all of it is done; other settings, another file."""
    return WORK / name / f"{part}-{hashlib.sha256(repr(settings).encode()).hexdigest()[:8]}"


def settings_of(name: str, recipe: Recipe) -> tuple:
    """Whatever else decides what a recipe makes: it is trained anew when any of this has changed."""
    before = NEIGHBOURS_IN if name in TRAINERS else recipe.start
    weights = before and weights_of(before)
    ours = {"m2": (SHIPPED_LABELS, CLASS_WEIGHTS, LOOKS), "named-gmvae": (GROWTH, GUESS_WEIGHT)}.get(
        name, (SHORT, SHIPPED_LABELS, LIKELIEST, NEIGHBOURS_IN, GUESS_WEIGHT)
    )
    return recipe, *ours, EVALUATION_SEED, weights


def weights_of(name: str) -> str:
    """A hash of a shipped model's weights, whatever has been measured since."""
    return hash_tensors(vc.load_trained(name).state_dict())


def train(name: str, recipe: Recipe, data: vc.MNIST) -> None:
    """Train a model and ship it with everything that is quick to measure."""
    if name in TRAINERS:
        model, results = TRAINERS[name](name, recipe, data)
    else:
        model, results = trained(name, recipe, data.train_images), {}
    results |= quick_results(model, data)
    if recipe.seeds > 1:
        results["seeds"] = [results_of_seed(name, recipe, data, seed) for seed in range(recipe.seeds)]
    versions = dict(python=platform.python_version(), torch=torch.__version__, safetensors=safetensors.__version__)
    vc.save_model(
        model_files.TRAINED / f"{name}.safetensors",
        model,
        seed=0,
        evaluation_seed=EVALUATION_SEED,
        recipe=recipe.fit | dict(bound=recipe.bound, iw=recipe.iw, start=recipe.start),
        history=model.description["history"],
        threads=torch.get_num_threads(),
        versions=versions,
        results=results,
    )
    print(f"{name}: {results}", flush=True)


def quick_results(model: Any, data: vc.MNIST) -> dict[str, Any]:
    results: dict[str, Any] = {
        "test": vc.evaluate(model, data.test_images, EVALUATION_SEED),
        "train": vc.evaluate(model, data.train_images[:10_000], EVALUATION_SEED),
    }
    if hasattr(model, "log_weight") and not model.takes_label:
        results["active_units"] = vc.active_units(model, binary_test_images(data.test_images)).sum().item()
    return results


def results_of_seed(name: str, recipe: Recipe, data: vc.MNIST, seed: int) -> dict[str, Any]:
    """What a training with this seed reaches; the IWAE bound, since it takes long, on the first 1,000 images."""
    model = trained(name, recipe, data.train_images, seed=seed)
    bound = log_likelihoods(model, binary_test_images(data.test_images)[:1000], SAMPLES[-1:])
    return quick_results(model, data) | {"niwae": -bound.mean().item(), "niwae_images": 1000}


def trained(name: str, recipe: Recipe, images: Tensor, loss: Loss | None = None, seed: int = 0) -> Any:
    """Train, unless that is done already, and return the model as it will be shipped.

    loss: function of the model and a batch, where it is not the recipe's bound.
    """
    file = unfinished(name, f"seed{seed}", settings_of(name, recipe))
    if not file.exists():
        print(f"{name}: training, {recipe.fit}, seed {seed}", flush=True)
        torch.manual_seed(seed)
        model = vc.load_trained(recipe.start) if recipe.start else recipe.model(**recipe.arguments)
        if not hasattr(model, "negative_elbo_bound"):
            loss = recipe.model.loss
        elif loss is None:
            loss = lambda model, x: BOUNDS[recipe.bound](model, x, recipe.iw)  # noqa: E731
        history = vc.fit(
            model,
            images,
            loss=lambda x: loss(model, x),
            seed=seed,
            checkpoint=file.with_suffix(".checkpoint"),
            **recipe.fit,
        )
        assert_rounding_is_harmless(model, images[:1000])
        vc.save_model(file, model, history=[(round(e.loss, 3), round(e.seconds, 1)) for e in history])
    return vc.load_model(file)


def assert_rounding_is_harmless(model: Any, images: Tensor) -> None:
    rounded = copy.deepcopy(model).half().float()
    before, after = (vc.evaluate(m, images, EVALUATION_SEED) for m in (model, rounded))
    for part in before:
        shift = abs(before[part] - after[part])
        if not shift <= 0.01:  # also refuses NaN
            raise SystemExit(f"rounding the weights to float16 moves {part} by {shift:.3f} nats; 0.01 is the limit")


def train_semi_supervised(name: str, recipe: Recipe, data: vc.MNIST) -> tuple[Any, dict[str, Any]]:
    """The model that is shipped, and accuracies for several draws of each number of labels."""
    settings, graph = settings_of(name, recipe), latent_graph(data.train_images)
    by_labels = {}
    for labels in LABELS:
        accuracies = [accuracies_of_draw(name, recipe, settings, data, graph, labels, draw) for draw in range(DRAWS)]
        by_labels[labels] = {kind: [each[kind] for each in accuracies] for kind in accuracies[0]}
    rest, _, loss = with_few_labels(data, graph, SHIPPED_LABELS, draw=0)
    model = trained(name, recipe, data.train_images[rest], loss)
    accuracy = vc.accuracy(model, data.test_images, data.test_labels, EVALUATION_SEED)
    return model, dict(
        labels=SHIPPED_LABELS,
        likeliest=LIKELIEST,
        guess_weight=GUESS_WEIGHT,
        accuracy=accuracy,
        neighbours_in=NEIGHBOURS_IN,
        short=recipe.fit | SHORT,
        by_labels=by_labels,
        one_vae_a_class=one_vae_a_class(name, data, graph),
    )


def one_vae_a_class(name: str, data: vc.MNIST, graph: Any) -> dict[str, Any]:
    """How often a classifier is right that has learnt the guesses and then its own, how often Bayes' rule with a VAE
    for each class is, and how often a classifier and these VAEs are together: on the test set, for every draw of the
    labels, binarised and (grey) as it is; and for every weight of TEMPERS on images held out from training."""
    draws = [class_models_of_draw(name, data, graph, draw) for draw in range(DRAWS)]
    return dict(
        samples=BOUND_SAMPLES[-1],
        tempered=TEMPERED,
        held_out=class_models_of_draw(name, held_out_from(data), latent_graph(data.train_images[:50_000]), 0),
        **{kind: [draw[kind] for draw in draws] for kind in draws[0]},
    )


def held_out_from(data: vc.MNIST) -> vc.MNIST:
    """The training images alone: 50,000 to train on, and the other 10,000 to choose by."""
    images, labels = data.train_images, data.train_labels
    return vc.MNIST(images[:50_000], labels[:50_000], images[50_000:], labels[50_000:])


def class_models_of_draw(name: str, data: vc.MNIST, graph: Any, draw: int) -> dict[str, Any]:
    images = data.train_images
    settings = OF_A_CLASS, ROUNDS, BOUND_SAMPLES, TEMPERED, TEMPERS, weights_of(NEIGHBOURS_IN)
    done = unfinished(name, f"classes{len(images)}-draw{draw}", settings)
    if done.exists():
        return json.loads(done.read_text(encoding="utf-8"))
    known = vc.labelled_subset(data.train_labels, SHIPPED_LABELS, seed=draw)
    guesses = vc.spread_labels(graph, known, data.train_labels[known])
    models = [seen_all(name, images) for _ in range(guesses.shape[1])]
    began = time.process_time()
    torch.manual_seed(draw)
    judge: Any = vc.SSVAE(gen_weight=0)
    judge.cls = convolutional(judge.y_dim)
    first, second = ROUNDS
    learn_guesses(models, judge, images, guesses, draw, first)
    with_models, without = anew(judge, models, images, known, guesses)
    seconds, alone = time.process_time() - began, copy.deepcopy(judge)
    learn_guesses([], alone, images, without, draw, second)
    began = time.process_time()
    learn_guesses(models, judge, images, with_models, draw, second)
    results: dict[str, Any] = dict(seconds=seconds + time.process_time() - began)
    for kind, x in (("", binary_test_images(data.test_images)), ("_grey", data.test_images / 255)):
        right = lambda log_p: (log_p.argmax(1) == data.test_labels).float().mean().item()  # noqa: E731
        q, log_px = log_q_of(judge, x), log_px_of(models, x, BOUND_SAMPLES[-1])
        by_temper = {weight: right(q + weight * log_px) for weight in TEMPERS}
        found = dict(classifier=right(log_q_of(alone, x)), bayes=right(log_px), both=by_temper[TEMPERED])
        results |= {f"{what}{kind}": share for what, share in found.items()} | {f"by_temper{kind}": by_temper}
    print(f"a VAE for each class, {len(images)} images, draw {draw}: {results}", flush=True)
    write_atomically(done, json.dumps(results).encode())
    return json.loads(done.read_text(encoding="utf-8"))


def seen_all(name: str, images: Tensor) -> vc.VAE:
    """A VAE that has seen all images and no label."""
    file = unfinished(name, f"all{len(images)}", OF_A_CLASS)
    if not file.exists():
        torch.manual_seed(0)
        model = OF_A_CLASS.model(**OF_A_CLASS.arguments)
        vc.fit(model, images, progress=False, **OF_A_CLASS.fit)
        vc.save_model(file, model)
    return vc.load_model(file)


def learn_guesses(
    models: list[vc.VAE], judge: Any, images: Tensor, guesses: Tensor, seed: int, how: tuple[dict, dict]
) -> None:
    """The VAEs learn the images of their class, by these guesses (images, classes), and the classifier learns them."""
    for c, model in enumerate(models):
        vc.fit(model, images[guesses.argmax(1) == c], seed=seed, progress=False, **how[0])
    missed = lambda x, t: F.cross_entropy(judge.cls(x), t)  # noqa: E731
    vc.fit(judge, (images, guesses), loss=missed, batch_size=200, seed=seed, progress=False, **how[1])


def anew(judge: Any, models: list[vc.VAE], images: Tensor, known: Tensor, guesses: Tensor) -> tuple[Tensor, Tensor]:
    """New guesses of classifier and VAEs together, and of the classifier alone; known images keep their labels."""
    x = images / 255
    q = log_q_of(judge, x)
    both = (q + TEMPERED * log_px_of(models, x, BOUND_SAMPLES[0])).softmax(1)
    return both.index_copy(0, known, guesses[known]), q.exp().index_copy(0, known, guesses[known])


def convolutional(y_dim: int) -> torch.nn.Module:
    """A classifier of 28 x 28 pixels: two layers of convolutions that are pooled, and two more, with dropout."""
    nn = torch.nn
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        *(nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 7 * 7, 256), nn.ReLU()),
        *(nn.Dropout(0.3), nn.Linear(256, y_dim)),
    )


@torch.no_grad()
def log_q_of(judge: vc.SSVAE, x: Tensor) -> Tensor:
    """The classifier's log q(y|x), (images, classes)."""
    judge.eval()
    return torch.cat([judge.log_posterior_of_classes(batch) for batch in x.split(2000)])


@torch.no_grad()
def log_px_of(models: list[vc.VAE], x: Tensor, samples: int) -> Tensor:
    """A bound on log p(x|y) from each class's own VAE, (images, classes)."""
    with vc.seeded(EVALUATION_SEED):
        found = [torch.cat([vc.log_likelihood(model, part, samples) for part in x.split(2000)]) for model in models]
    return torch.stack(found, 1)


@torch.no_grad()
def latent_graph(images: Tensor) -> Any:
    x, space = images / 255, vc.load_trained(NEIGHBOURS_IN)
    return vc.neighbour_graph(space.enc(x)[0][:, vc.active_units(space, x)])


def with_few_labels(data: vc.MNIST, graph: Any, labels: int, draw: int) -> tuple[Tensor, float, Loss]:
    """Choose the images whose labels are known. Returns a mask of all others, the share of these for
    which the guess is right, and the training loss: J' of chapter 7."""
    images = data.train_images
    known = vc.labelled_subset(data.train_labels, labels, seed=draw)
    x_known, y_known = images[known], data.train_labels[known]
    guesses = vc.spread_labels(graph, known, y_known)
    rest = torch.ones(len(images), dtype=torch.bool)
    rest[known] = False
    right = (guesses.argmax(1) == data.train_labels)[rest].float().mean().item()

    def loss(model: Any, x: Tensor) -> Tensor:
        few, some = torch.randperm(labels)[:20], torch.randint(len(images), (400,))
        x_few, y_few, x_some = vc.binarize(x_known[few]), y_known[few], vc.binarize(images[some])
        agreement = F.cross_entropy(model.cls(x_some.to(x.device)), guesses[some].to(x.device))
        bounds = model.loss(x, x_few.to(x.device), y_few.to(x.device), labels / rest.sum().item(), LIKELIEST)
        return bounds + GUESS_WEIGHT * agreement

    return rest, right, loss


def accuracies_of_draw(
    name: str, recipe: Recipe, settings: object, data: vc.MNIST, graph: Any, labels: int, draw: int
) -> dict[str, float]:
    """On the test set: of the classifier trained on the known labels alone, with the guesses but no
    generative model, and with both; and of the guesses themselves, on the images they are for."""
    done = unfinished(name, f"labels{labels}-draw{draw}", settings)
    if done.exists():
        return json.loads(done.read_text(encoding="utf-8"))
    rest, right, loss = with_few_labels(data, graph, labels, draw)
    known = data.train_images[~rest]
    y_known = data.train_labels[~rest]

    def cross_entropy(model: vc.SSVAE, x: Tensor) -> Tensor:
        few = torch.randperm(labels)[:100]
        return F.cross_entropy(model.cls(vc.binarize(known[few]).to(x.device)), y_known[few].to(x.device))

    accuracies = dict(guesses=right)
    for kind, gen_weight, images, its_loss, length in (
        ("accuracy_labels_alone", 0, known[:100], cross_entropy, dict(epochs=2000)),
        ("accuracy_guesses", 0, data.train_images[rest], loss, SHORT),
        ("accuracy", 1, data.train_images[rest], loss, SHORT),
    ):
        torch.manual_seed(draw)
        model = recipe.model(**recipe.arguments | dict(gen_weight=gen_weight))
        vc.fit(model, images, loss=lambda x: its_loss(model, x), progress=False, **recipe.fit | length)  # noqa: B023
        accuracies[kind] = vc.accuracy(model, data.test_images, data.test_labels, EVALUATION_SEED)
    print(f"{labels} labels, draw {draw}: {accuracies}", flush=True)
    write_atomically(done, json.dumps(accuracies).encode())
    return accuracies


def train_m2(name: str, recipe: Recipe, data: vc.MNIST) -> tuple[Any, dict[str, Any]]:
    """The notes' model as it stands, for every class weight, and for every draw of the labels with the recipe's."""
    runs = [(weight, 0) for weight in CLASS_WEIGHTS]
    runs += [(recipe.arguments["class_weight"], draw) for draw in range(1, DRAWS)]
    found = {(weight, draw): m2_of_draw(name, recipe, data, weight, draw) for weight, draw in runs}
    model = vc.load_model(m2_file(name, recipe, recipe.arguments["class_weight"], 0))
    accuracy = vc.accuracy(model, data.test_images, data.test_labels, EVALUATION_SEED)
    return model, dict(
        labels=SHIPPED_LABELS,
        accuracy=accuracy,
        steps=list(LOOKS),
        class_weights={weight: found[weight, 0] for weight in CLASS_WEIGHTS},
        draws=[found[recipe.arguments["class_weight"], draw] for draw in range(DRAWS)],
        accuracy_all_labels=all_labels(name, recipe, data),
    )


def m2_file(name: str, recipe: Recipe, weight: float, draw: int) -> Path:
    return unfinished(name, f"weight{weight:g}-draw{draw}", settings_of(name, recipe))


def m2_of_draw(name: str, recipe: Recipe, data: vc.MNIST, weight: float, draw: int) -> dict[str, Any]:
    """What M2 reaches, and what it had learnt at each of LOOKS."""
    file = m2_file(name, recipe, weight, draw)
    if file.exists():
        return vc.load_model(file).description["results"]
    known = vc.labelled_subset(data.train_labels, SHIPPED_LABELS, seed=draw)
    x_known, y_known = data.train_images[known], data.train_labels[known]
    rest = torch.ones(len(data.train_images), dtype=torch.bool)
    rest[known] = False
    torch.manual_seed(draw)
    model = recipe.model(**recipe.arguments | dict(class_weight=weight))
    looks, step = [], 0

    def loss(x: Tensor) -> Tensor:
        nonlocal step
        if step in LOOKS:
            looks.append(look_at(model, x_known, y_known, data))
        step += 1
        return model.loss(x, vc.binarize(x_known), y_known, len(known) / len(x_rest))

    x_rest = data.train_images[rest]
    history = vc.fit(model, x_rest, loss=loss, seed=draw, progress=False, **recipe.fit)
    looks.append(look_at(model, x_known, y_known, data))
    results = dict(
        looks=looks,
        accuracy=vc.accuracy(model, data.test_images, data.test_labels, EVALUATION_SEED),
        confusion=confusion_of(model, data),
    )
    print(f"class weight {weight:g}, draw {draw}: {results['accuracy']}, {looks[-1]}", flush=True)
    vc.save_model(file, model, results=results, history=[(round(e.loss, 3), round(e.seconds, 1)) for e in history])
    return results


@torch.no_grad()
def look_at(model: vc.SSVAE, x_known: Tensor, y_known: Tensor, data: vc.MNIST) -> dict[str, float]:
    """The race of classifier and bounds: the accuracy of the one on 10,000 test images and its cross-entropy on the
    known ones; how often the highest bound is the right one's, on 1,000 test images, how often the classifier's
    choice, and by how many nats the true label's bound is above the mean of the wrong ones."""
    with vc.seeded(EVALUATION_SEED):
        x, y = vc.binarize(data.test_images[:1000]), data.test_labels[:1000]
        kl, rec = model.z_bound(x, model.every_label())
        bounds = -(kl + rec).T
        is_true = F.one_hot(y, model.y_dim).bool()
        return dict(
            accuracy=vc.accuracy(model, data.test_images, data.test_labels, EVALUATION_SEED),
            known=F.cross_entropy(model.cls(vc.binarize(x_known)), y_known).item(),
            bounds_right=(bounds.argmax(1) == y).float().mean().item(),
            bounds_agree=(bounds.argmax(1) == model.cls(x).argmax(1)).float().mean().item(),
            margin=(bounds[is_true].mean() - bounds[~is_true].mean()).item(),
        )


@torch.no_grad()
def confusion_of(model: vc.SSVAE | vc.NamedGMVAE, data: vc.MNIST) -> list[list[int]]:
    """How often each class, a row, is called which, a column, on the test images."""
    said = model.log_posterior_of_classes(binary_test_images(data.test_images)).argmax(1)
    return torch.bincount(10 * data.test_labels + said, minlength=100).reshape(10, 10).tolist()


def all_labels(name: str, recipe: Recipe, data: vc.MNIST) -> float:
    """The classifier of an SSVAE with every label, trained until it is done: the accuracy it reaches."""
    done = unfinished(name, "all-labels", settings_of(name, recipe))
    if not done.exists():
        torch.manual_seed(0)
        model = recipe.model(gen_weight=0)

        def loss(x: Tensor) -> Tensor:
            some = torch.randint(len(data.train_images), (200,))
            return F.cross_entropy(model.cls(vc.binarize(data.train_images[some])), data.train_labels[some])

        vc.fit(
            model, data.train_images[:100], loss=loss, epochs=9000, batch_size=100, learning_rate=2e-3, progress=False
        )
        accuracy = vc.accuracy(model, data.test_images, data.test_labels, EVALUATION_SEED)
        write_atomically(done, json.dumps(accuracy).encode())
    return json.loads(done.read_text(encoding="utf-8"))


def train_named(name: str, recipe: Recipe, data: vc.MNIST) -> tuple[Any, dict[str, Any]]:
    """The mixture with the names of classes: the one that is shipped, from 100 labels and nothing else; accuracies
    for several draws of each number of labels, from labels alone and from the guesses of a graph, each with its
    generative term and without; and those of VARIANTS, on images held out from training."""
    graph = latent_graph(data.train_images)
    by_labels = {}
    for labels in sorted(LABELS, key=lambda n: n != SHIPPED_LABELS):  # the shipped number first
        draws = DRAWS if labels == SHIPPED_LABELS else FEWER_DRAWS
        found = [named_of_draw(name, recipe, data, graph, labels, draw) for draw in range(draws)]
        by_labels[labels] = {kind: [each[kind] for each in found] for kind in found[0]}
    variants = {what: variant_of_named(name, recipe, data, what) for what in VARIANTS}
    model = vc.load_model(named_file(name, recipe, SHIPPED_LABELS, 0))
    accuracy = vc.accuracy(model, data.test_images, data.test_labels, EVALUATION_SEED)
    return model, dict(
        labels=SHIPPED_LABELS,
        accuracy=accuracy,
        growth=GROWTH,
        started_from=NEIGHBOURS_IN,
        by_labels={labels: by_labels[labels] for labels in LABELS},
        variants=variants,
    )


def named_file(name: str, recipe: Recipe, labels: int, draw: int) -> Path:
    return unfinished(name, f"labels{labels}-draw{draw}", settings_of(name, recipe))


def named_of_draw(name: str, recipe: Recipe, data: vc.MNIST, graph: Any, labels: int, draw: int) -> dict[str, float]:
    """Accuracies on the test set, binarised and (grey) as they are, and seconds."""
    file = named_file(name, recipe, labels, draw)
    if file.exists():
        return vc.load_model(file).description["results"]
    images = data.train_images
    known = vc.labelled_subset(data.train_labels, labels, seed=draw)
    y_known = data.train_labels[known]
    guesses = vc.spread_labels(graph, known, y_known)
    results = {}

    def measure(kind: str, model: vc.NamedGMVAE, began: float) -> None:
        results[kind] = vc.accuracy(model, data.test_images, data.test_labels, EVALUATION_SEED)
        grey = [model.log_posterior_of_classes(batch / 255).argmax(1) for batch in data.test_images.split(2000)]
        results[f"{kind}_grey"] = (torch.cat(grey) == data.test_labels).float().mean().item()
        results[f"{kind}_seconds"] = time.process_time() - began

    torch.manual_seed(draw)
    base, began = active_part(NEIGHBOURS_IN, images), time.process_time()
    names = vc.name_clusters(sampled_codes(base, images), known, y_known).argmax(1)
    results["em"] = (names == data.train_labels).float().mean().item()
    shipped, history = grown(recipe, base, images, known, y_known, names, draw)
    measure("labels", shipped, began)
    last = max(GROWTH)
    ways: tuple[tuple[str, Tensor, tuple[Any, Tensor] | None], ...] = (
        ("labels_no_gen", names, (known, y_known)),
        ("guesses", guesses.argmax(1), None),
        ("guesses_no_gen", guesses.argmax(1), (slice(None), guesses)),
    )
    for kind, place, targets in ways:
        began = time.process_time()
        model = placed(recipe, base, images, place, each=last)
        fit_named(recipe, model, images, known, y_known, 5, draw, targets)
        measure(kind, model, began)
    print(f"{labels} labels, draw {draw}: {results}", flush=True)
    vc.save_model(file, shipped, results=results, history=[(round(e.loss, 3), round(e.seconds, 1)) for e in history])
    return results


def grown(
    recipe: Recipe,
    base: vc.VAE,
    images: Tensor,
    known: Tensor,
    y_known: Tensor,
    names: Tensor,
    seed: int,
    growth: dict[int, int] | None = None,
    **arguments: Any,
) -> tuple[Any, list[vc.Epoch]]:
    """A NamedGMVAE that gets more components from stage to stage, placed by the classes that it has named so far."""
    model, history = base, []
    for each, epochs in (growth or GROWTH).items():
        model = placed(recipe, model, images, names, each=each, **arguments)
        history += fit_named(recipe, model, images, known, y_known, epochs, seed)
        with torch.no_grad():
            found = [model.log_posterior_of_classes(vc.binarize(batch)).argmax(1) for batch in images.split(5000)]
        names = torch.cat(found).index_copy(0, known, y_known)
    return model, history


def placed(recipe: Recipe, before: vc.VAE, images: Tensor, names: Tensor, **arguments: Any) -> Any:
    """A NamedGMVAE with the networks of another model, whose components are where the images of each name lie."""
    model = recipe.model(**recipe.arguments | dict(z_dim=before.z_dim) | arguments)
    model.enc, model.dec = copy.deepcopy(before.enc), copy.deepcopy(before.dec)
    model.prior.place(sampled_codes(model, images), names)
    return model


def fit_named(
    recipe: Recipe,
    model: vc.NamedGMVAE,
    images: Tensor,
    known: Tensor,
    y_known: Tensor,
    epochs: int,
    seed: int,
    targets: tuple[Any, Tensor] | None = None,
) -> list[vc.Epoch]:
    """With its own loss; or, given which images have which targets, with their cross-entropy under p(y|z) alone."""
    if targets is not None:
        on, y = targets

    def generative(x: Tensor) -> Tensor:
        few = torch.randperm(len(known))[:20]
        return model.loss(x, vc.binarize(images[known[few]]), y_known[few], len(known) / len(images))

    def discriminative(x: Tensor) -> Tensor:
        some = torch.randint(len(y), (len(x),))
        z = vc.sample_gaussian(*model.enc(vc.binarize(images[on][some])))
        return F.cross_entropy(model.prior.log_prob_of_classes(z), y[some])

    return vc.fit(
        model,
        images,
        loss=generative if targets is None else discriminative,
        seed=seed,
        progress=False,
        **recipe.fit | dict(epochs=epochs),
    )


def variant_of_named(name: str, recipe: Recipe, data: vc.MNIST, what: str) -> float:
    """The accuracy of a variant, trained on 50,000 of the training images, on the 10,000 that are left."""
    done = unfinished(name, f"variant-{what.replace(' ', '-')}", settings_of(name, recipe), VARIANTS[what])
    if not done.exists():
        images, held_out = data.train_images[:50_000], (data.train_images[50_000:], data.train_labels[50_000:])
        known = vc.labelled_subset(data.train_labels[:50_000], SHIPPED_LABELS, seed=0)
        y_known = data.train_labels[known]
        torch.manual_seed(0)
        base = active_part(NEIGHBOURS_IN, images)
        names = vc.name_clusters(sampled_codes(base, images), known, y_known).argmax(1)
        model, _ = grown(recipe, base, images, known, y_known, names, 0, **VARIANTS[what])
        write_atomically(done, json.dumps(vc.accuracy(model, *held_out, EVALUATION_SEED)).encode())
        print(f"{what}: {done.read_text(encoding='utf-8')}", flush=True)
    return json.loads(done.read_text(encoding="utf-8"))


@torch.no_grad()
def active_part(name: str, images: Tensor) -> vc.VAE:
    """A trained VAE without the latents that it does not use."""
    whole = vc.load_trained(name)
    active = vc.active_units(whole, images / 255)
    part = vc.VAE(z_dim=int(active.sum()), hidden=whole.hidden, activation=whole.activation)
    for mine, its in ((part.enc, whole.enc), (part.dec, whole.dec)):
        for to, of in zip(mine.state_dict().values(), its.state_dict().values(), strict=True):
            if to.shape != of.shape:  # the last layer of the encoder: means and variances; the first of the decoder
                of = of[torch.cat([active, active])] if mine is part.enc else of[:, active]
            to.copy_(of)
    return part


@torch.no_grad()
def sampled_codes(model: vc.VAE, images: Tensor) -> Tensor:
    """One sample of q(z|x) for each image."""
    return torch.cat([vc.sample_gaussian(*model.enc(vc.binarize(batch))) for batch in images.split(5000)])


def binary_test_images(test_images: Tensor) -> Tensor:
    """The test images as binary ones, always the same."""
    return vc.binarize(test_images, torch.Generator().manual_seed(EVALUATION_SEED))


def log_likelihoods(model: vc.VAE, x: Tensor, samples: list[int], seed: int = EVALUATION_SEED) -> Tensor:
    """vc.log_likelihood from seeded samples, in bfloat16 where that is faster: it moves one image's
    bound by some tenths of a nat either way, and the mean of 10,000 by less than a hundredth."""
    torch.manual_seed(seed)
    with torch.autocast("cpu", torch.bfloat16, enabled=vc.bfloat16_is_faster()):
        return vc.log_likelihood(model, x, samples)


@torch.no_grad()
def measure_bounds(name: str, test_images: Tensor) -> None:
    """Add the IWAE bounds to a shipped file; every 500 images, what is done so far is kept."""
    model = vc.load_trained(name)
    if not hasattr(model, "log_weight") or name in BY_ACCURACY:
        return
    x = binary_test_images(test_images)
    parts = unfinished(name, "bounds", SAMPLES, EVALUATION_SEED, weights_of(name))
    bounds = load_file(parts)["bounds"] if parts.exists() else torch.zeros(len(SAMPLES), 0)
    for start in range(bounds.shape[1], len(x), 500):
        more = log_likelihoods(model, x[start : start + 500], SAMPLES, EVALUATION_SEED + start)
        bounds = torch.cat([bounds, more], dim=1)
        write_atomically(parts, save({"bounds": bounds}))
    measured = {
        "niwae": dict(zip(SAMPLES, (-bounds.mean(1)).tolist(), strict=True)),
        "niwae_images": len(x),
        "niwae_precision": "bfloat16" if vc.bfloat16_is_faster() else "float32",
    }
    if not model.takes_label and model.z_dim <= 2:
        measured["quadrature"] = against_quadrature(model, x[:1000], bounds[-1, :1000])
    about = model.description
    vc.save_model(
        model_files.TRAINED / f"{name}.safetensors", model, **about | dict(results=about["results"] | measured)
    )
    print(f"{name}: {measured}", flush=True)


def against_quadrature(model: vc.VAE, x: Tensor, estimate: Tensor) -> dict[str, float]:
    """Exact log p(x), mean over images, beside its estimate and the ELBO of the same images."""
    exact, coarse = (
        torch.cat([vc.log_marginal_grid(model, batch, n).log_px for batch in x.split(250)]) for n in (801, 401)
    )
    elbo = torch.stack([-model.negative_elbo_bound(x)[0] for _ in range(100)])
    return dict(
        images=len(x),
        log_px=exact.mean().item(),
        iwae_5000=estimate.mean().item(),
        elbo=elbo.mean().item(),
        largest_gap=(exact - estimate).abs().max().item(),
        largest_change_on_half_the_grid=(exact - coarse).abs().max().item(),
    )


TRAINERS = {"ssvae": train_semi_supervised, "m2": train_m2, "named-gmvae": train_named}  # those that use labels


if __name__ == "__main__":
    main()
