"""One of each widget, for the tests of what all of them have in common."""

import functools
from unittest import mock

import torch

import vae_core as vc
import vae_widgets as w
from vae_widgets.base import BookWidget


@functools.cache
def model(name="vae-2d"):
    return vc.load_trained(name)


@functools.cache
def digits(n=20):
    """Test digits and their labels."""
    data = vc.load_mnist()
    return vc.binarize(data.test_images[:n], torch.Generator().manual_seed(0)), data.test_labels[:n]


@functools.cache
def ellipse_grid():
    """log p(x, z) of three digits over the plane."""
    return vc.log_marginal_grid(model(), digits(3)[0], n=241)


def of_known_grid(kind, n):
    """A widget that works out log p(x) of n digits over the plane, from the values of the last time."""

    @functools.cache
    def grid():
        return vc.log_marginal_grid(model(), digits(n)[0])

    def make(**traits):
        known = grid()
        with mock.patch.object(vc, "log_marginal_grid", lambda *_: known):
            return kind(model(), *digits(n), **traits)

    return make


def one_latent():
    z = torch.linspace(-11, 11, 1101)
    return w.OneLatent(z, vc.log_normal(torch.tensor([1.0]), z[:, None] ** 2 - 1, torch.tensor([0.25])))


def named_clusters():
    x, labels = digits(1200)
    return w.NamedClusters(model("vae-z50"), x[:1000], labels[:1000], x[1000:], labels[1000:])


WIDGETS = [name for name in w.__all__ if issubclass(getattr(w, name), BookWidget)]

# Those that are made of something are named here.
EXAMPLES = {name: getattr(w, name) for name in WIDGETS} | {
    "Components": lambda: w.Components(model("gmvae"), *digits(10)),
    "DrawDigit": lambda: w.DrawDigit(model("vae"), *digits(10)),
    "Integral": of_known_grid(w.Integral, 3),
    "IwaeBound": of_known_grid(w.IwaeBound, 10),
    "LatentPlane": lambda: w.LatentPlane(model(), *digits(200), codes=True),
    "LatentTraversal": lambda: w.LatentTraversal(model("vae"), *digits(200)),
    "Machine": lambda: w.Machine(model(), *digits(10), play=False, links={"encoder": "a_page", "elbo": "a_page#part"}),
    "NamedClusters": named_clusters,
    "OneLatent": one_latent,
    "PosteriorEllipse": lambda: w.PosteriorEllipse(model(), *digits(3), ellipse_grid()),
    "Predict": lambda: w.Predict("How far is it?", number=205.8, between=(0, 500), unit="nats", told="So far."),
    "Quiz": lambda: w.Quiz(
        dict(prompt="What is 6 times 7?", choices={"41": "One more.", "42": "Seven sixes."}, right="42", section="Sums")
    ),
    "SampledKl": lambda: w.SampledKl({"round": model("vae"), "mixture": model("gmvae")}, *digits(10)),
    "StyleContent": lambda: w.StyleContent(model("ssvae"), *digits(10)),
    "Sweep": lambda: w.Sweep({"2 latents": model(), "10 latents": model("vae")}, *digits()),
    "Try": lambda: w.Try("What is 6 times 7?", number=42, between=(0, 100), tolerance=0.5, told="Now you know."),
}
