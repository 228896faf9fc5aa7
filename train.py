"""Train the models in book/trained/ and measure them: python train.py [NAME ...]

Without names, all of them. An interrupted run goes on where it stopped. Each result is
measured on all 10,000 test images, binarised with a fixed seed, under the weights exactly
as they are shipped.
"""

import argparse
import platform
from pathlib import Path
from typing import NamedTuple

import safetensors
import torch
import torchvision

import vae_core as vc

WORK = Path(__file__).resolve().parent / "_train"  # checkpoints, and models not yet measured
EVALUATION_SEED = 2024
SAMPLES = (1, 10, 100, 1000, 5000)  # of the IWAE bounds; the last estimates log p(x)
LABELS, DRAWS = 100, 3  # SSVAE: how many labels are known, and how often they are drawn anew


class Recipe(NamedTuple):
    """A model class, its arguments, those of vae_core.fit, and the samples of the bound it climbs."""

    model: type
    arguments: dict
    fit: dict
    iw: int = 1


RECIPES = {
    "vae": Recipe(vc.VAE, {}, dict(epochs=120, batch_size=128, learning_rate=3e-3)),
    # With the ELBO, a few encodings in a hundred miss the posterior by so much that no number of
    # samples finds it again; eight samples in training teach the encoder to cover it.
    "vae-2d": Recipe(vc.VAE, dict(z_dim=2), dict(epochs=12, batch_size=128, learning_rate=2e-3), iw=8),
    "gmvae": Recipe(vc.GMVAE, {}, dict(epochs=120, batch_size=128, learning_rate=3e-3)),
    "ssvae": Recipe(vc.SSVAE, {}, dict(epochs=40, batch_size=100, learning_rate=1.5e-3)),
    "autoencoder-2d": Recipe(vc.Autoencoder, dict(z_dim=2), dict(epochs=60, batch_size=128, learning_rate=3e-3)),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(RECIPES)}")
    names = parser.parse_args().names or list(RECIPES)
    if unknown := set(names) - set(RECIPES):
        parser.error(f"no recipe for {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}")
    data = vc.load_mnist()
    for name in names:
        recipe = RECIPES[name]
        if recipe.model is vc.SSVAE:
            model, results = train_semi_supervised(name, recipe, data)
        else:
            model, results = trained(name, recipe, data.train_images), {}
        results = measure(model, data) | results
        publish(name, recipe, model, results)
        print(f"{name}: {results}")


def trained(name, recipe, images, loss=None):
    """Train, unless that is done already, and return the model as it will be shipped.

    loss: function of the model and a batch, where it is not the model's -ELBO.
    """
    file = WORK / f"{name}.safetensors"
    if not file.exists():
        print(f"{name}: training, {recipe.fit}")
        torch.manual_seed(0)
        model = recipe.model(**recipe.arguments)
        if recipe.model is vc.Autoencoder:
            loss = vc.Autoencoder.loss
        elif recipe.iw > 1:
            loss = lambda model, x: model.negative_iwae_bound(x, recipe.iw)[0]
        history = vc.fit(model, images, loss=loss and (lambda x: loss(model, x)),
                         checkpoint=WORK / f"{name}.checkpoint", **recipe.fit)
        vc.save_model(file, model, history=[(round(e.loss, 3), round(e.seconds, 1)) for e in history])
        assert_rounding_is_harmless(model, vc.load_model(file), images[:1000])
    return vc.load_model(file)


def assert_rounding_is_harmless(model, shipped, images):
    before, after = (vc.evaluate(m, images, EVALUATION_SEED) for m in (model, shipped))
    shift = max(abs(before[part] - after[part]) for part in before)
    if shift > 0.01:
        raise SystemExit(f"rounding the weights to float16 moves a bound by {shift:.3f} nats; 0.01 is the limit")


def train_semi_supervised(name, recipe, data):
    """Draw the labels DRAWS times. The first draw's model is shipped, all are reported,
    and beside each the accuracy of the same classifier trained on its labels alone."""
    share = LABELS / (len(data.train_images) - LABELS)
    with_unlabelled, labels_alone, first = [], [], None
    for draw in range(DRAWS):
        known = vc.labelled_subset(data.train_labels, LABELS, seed=draw)
        x_known, y_known = data.train_images[known], data.train_labels[known]
        rest = torch.ones(len(data.train_images), dtype=torch.bool)
        rest[known] = False

        def loss(model, x):
            return model.loss(x, vc.binarize(x_known), y_known, share)

        model = trained(f"{name}-{draw}", recipe, data.train_images[rest], loss)
        first = first or model
        with_unlabelled.append(vc.accuracy(model, data.test_images, data.test_labels, EVALUATION_SEED))
        classifier = vc.SSVAE(**recipe.arguments | dict(gen_weight=0))
        vc.fit(classifier, x_known, loss=lambda x: loss(classifier, x), epochs=2000, batch_size=LABELS, learning_rate=1e-3)
        labels_alone.append(vc.accuracy(classifier, data.test_images, data.test_labels, EVALUATION_SEED))
    return first, dict(labels=LABELS, accuracy=with_unlabelled, accuracy_labels_alone=labels_alone)


@torch.no_grad()
def measure(model, data):
    """The model's bounds on the full test set, and its ELBO on as many training images."""
    results = {"test": vc.evaluate(model, data.test_images, EVALUATION_SEED),
               "train": vc.evaluate(model, data.train_images[:10_000], EVALUATION_SEED)}
    if isinstance(model, vc.VAE):
        torch.manual_seed(EVALUATION_SEED)
        x = vc.binarize(data.test_images)
        bounds = dict(zip(SAMPLES, vc.log_likelihood(model, x, SAMPLES)))
        results["niwae"] = {m: -bound.mean().item() for m, bound in bounds.items()}
        if model.z_dim == 2:
            results["quadrature"] = against_quadrature(model, x[:1000], bounds[5000][:1000])
    return results


def against_quadrature(model, x, estimate):
    """Exact log p(x), mean over images, beside its estimate and the ELBO of the same images."""
    exact, coarse = (torch.cat([vc.log_marginal_grid(model, batch, n).log_px for batch in x.split(250)]) for n in (801, 401))
    elbo = torch.stack([-model.negative_elbo_bound(x)[0] for _ in range(100)])
    return dict(images=len(x), log_px=exact.mean().item(), iwae_5000=estimate.mean().item(),
                elbo=elbo.mean().item(), largest_gap=(exact - estimate).abs().max().item(),
                largest_change_on_half_the_grid=(exact - coarse).abs().max().item())


def publish(name, recipe, model, results):
    versions = dict(python=platform.python_version(), torch=torch.__version__,
                    torchvision=torchvision.__version__, safetensors=safetensors.__version__)
    vc.save_model(vc.TRAINED / f"{name}.safetensors", model, recipe=recipe.fit | dict(iw=recipe.iw), seed=0, history=model.description["history"],
                  evaluation_seed=EVALUATION_SEED, threads=torch.get_num_threads(), versions=versions, results=results)
    for file in (WORK / f"{name}.safetensors", *WORK.glob(f"{name}-[0-9].safetensors")):
        file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
