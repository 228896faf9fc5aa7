"""One of each widget, for the tests of what all of them have in common."""

import functools

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


def one_latent():
    z = torch.linspace(-11, 11, 1101)
    return w.OneLatent(z, vc.log_normal(torch.tensor([1.0]), z[:, None] ** 2 - 1, torch.tensor([0.25])))


EXAMPLES = {
    "Faces": lambda: w.Faces(),
    "GaussianPrior": lambda: w.GaussianPrior(),
    "GradientEstimators": lambda: w.GradientEstimators(),
    "IwaeBound": lambda: w.IwaeBound(model(), *digits(10)),
    "Jensen": lambda: w.Jensen(),
    "LatentPlane": lambda: w.LatentPlane(model(), *digits(200), codes=True),
    "LatentTraversal": lambda: w.LatentTraversal(model("vae"), *digits(200)),
    "OneLatent": one_latent,
    "Reparameterise": lambda: w.Reparameterise(),
}

WIDGETS = [name for name in w.__all__ if issubclass(getattr(w, name), BookWidget)]
