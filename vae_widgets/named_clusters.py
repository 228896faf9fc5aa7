from typing import Any

import numpy as np
import torch
import traitlets

import vae_core as vc

from .base import (
    FollowingWidget,
    Labels,
    check_labels,
    check_model,
    check_posterior,
    is_bernoulli,
    pack_images,
    pack_labels,
    raster_of,
)

CLASSES = 10
SEEDS = (1, 1_000_000)
STEPS = 30  # of EM, at most
CODES, TEST = (500, 10_000), (10, 1000)  # training and test digits, at least and at most
FINE = 16  # steps of a code's rounding to a standard deviation of its latent: it travels as one byte


class NamedClusters(FollowingWidget, script="named_clusters.js"):
    """Name digits from a few labels: a Gaussian a class in a model's latent space, fitted to all codes by EM.

    p(y) p(z|y), with p(y) uniform over ten classes and p(z|y) a Gaussian, starts from the labelled codes' means and
    half the covariance of all codes. Each step of EM then improves log p(z) of all the codes and log p(y, z) of the
    labelled ones, and Bayes' rule names test digits.
    model: a VAE or GMVAE, of whose latents the active ones count. x, labels: training images (500 to 10,000, x_dim) in
    [0, 1] and their class ids, of which EM is told `known`; x_test, labels_test: up to 1,000 test images that
    EM does not see. Training codes are draws from q(z|x), test codes its means.
    Traits: known, how many labels are, equally many a class; seed, which ones; steps of EM, 0 to 30; diagonal, whether
    covariances are; digit, the test digit that is looked at. `labelled` are the indices of the labelled images, and
    `codes` and `codes_test` the codes as the browser has them. Raises ValueError for another model, or if images and
    labels do not fit each other or lack a class.
    """

    known = traitlets.Int(100, help="labels that are known").tag(sync=True)
    seed = traitlets.Int(1, help="of the draw of labelled images").tag(sync=True)
    steps = traitlets.Int(0, help="steps of EM").tag(sync=True)
    diagonal = traitlets.Bool(False, help="covariances are diagonal").tag(sync=True)
    digit = traitlets.Int(0, help="the test digit that is looked at").tag(sync=True)
    state = ("known", "seed", "steps", "diagonal", "digit")

    labelled = traitlets.List(traitlets.Int(), help="the labelled images, from the front end").tag(sync=True)
    scale = traitlets.List(traitlets.Float(), help="what a unit of each packed latent is").tag(sync=True)
    axes = traitlets.List(traitlets.Float(), help="the two directions (2, dim) of the plane").tag(sync=True)
    train = traitlets.Bytes().tag(sync=True)
    train_labels = traitlets.Bytes().tag(sync=True)
    test = traitlets.Bytes().tag(sync=True)
    test_labels = traitlets.Bytes().tag(sync=True)
    test_digits = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        model: vc.VAE,
        x: torch.Tensor,
        labels: Labels,
        x_test: torch.Tensor,
        labels_test: Labels,
        *,
        name: str = "clusters",
        **traits: Any,
    ):
        if not hasattr(model, "log_weight") or model.takes_label:
            raise ValueError(f"wanted a VAE or GMVAE, whose encoder gives q(z|x); given {type(model).__name__}")
        check_model(model)
        check_posterior(model)
        for images, ids, (least, most), what in ((x, labels, CODES, "training"), (x_test, labels_test, TEST, "test")):
            check_labels(images, ids)
            if not least <= len(images) <= most:
                raise ValueError(f"wanted {least} to {most} {what} images; given {len(images)}")
        labels, labels_test = torch.as_tensor(labels), torch.as_tensor(labels_test)
        packed, packed_test = pack_labels(labels), pack_labels(labels_test)
        if sorted(set(packed)) != list(range(CLASSES)) or not set(packed_test) <= set(packed):
            raise ValueError(
                f"wanted labels 0 to {CLASSES - 1}, each of them among the training images; "
                f"given {sorted(set(packed))} and, of test images, {sorted(set(packed_test))}"
            )
        self._model, self._labels = model, labels
        self._x, self._x_test = torch.as_tensor(x), torch.as_tensor(x_test)
        most = CLASSES * int(labels.bincount().min())
        shown = (self._x_test > 0.5).float() if is_bernoulli(model) else self._x_test
        super().__init__(
            name=name,
            train_labels=packed,
            test_labels=packed_test,
            raster=raster_of(model),
            test_digits=b"".join(pack_images(model, part) for part in shown.split(100)),
            limits={"known": (CLASSES, most), "seed": SEEDS, "steps": (0, STEPS), "digit": (0, len(x_test) - 1)},
            **self._packed(),
            **traits,
        )

    @torch.no_grad()
    def _packed(self) -> dict[str, Any]:
        active = vc.active_units(self._model, self._x)
        if active.sum() < 2:
            raise ValueError(f"wanted a model with 2 active latents or more; given {active.sum()}")
        (m, v), (m_test, _) = self._model.encode(self._x), self._model.encode(self._x_test)
        noise = torch.randn(m.shape, generator=torch.Generator().manual_seed(0))
        z, z_test = (m + v.sqrt() * noise)[:, active], m_test[:, active]
        scale = z.std(0) / FINE
        train, test = ((part / scale).round().clamp(-127, 127).numpy().astype(np.int8) for part in (z, z_test))
        return dict(
            scale=scale.tolist(),
            axes=plane_of(z, self._labels).flatten().tolist(),
            train=train.tobytes(),
            test=test.tobytes(),
        )

    def inside(self, proposal: traitlets.Bunch) -> Any:
        value = super().inside(proposal)
        if proposal["trait"].name == "known" and value % CLASSES:
            wanted = f"a multiple of {CLASSES}, for as many of each class"
            raise traitlets.TraitError(f"known must be {wanted}; given {value}")
        return value

    @property
    def codes(self) -> torch.Tensor:
        """The training digits' codes (n, dim), rounded as they travel."""
        return self._unpacked(self.train)

    @property
    def codes_test(self) -> torch.Tensor:
        """The same of the test digits."""
        return self._unpacked(self.test)

    def _unpacked(self, packed: bytes) -> torch.Tensor:
        whole = torch.frombuffer(bytearray(packed), dtype=torch.int8).view(-1, len(self.scale))
        return whole.double() * torch.tensor(self.scale, dtype=torch.double)


def plane_of(z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Two directions (2, dim) in which the classes stand apart, scaled to the codes' spread.

    Of many planes in the space of the first five linear discriminants, where classes are round and of size 1, the one
    that keeps the closest two of the classes' means the furthest apart.
    """
    means = torch.stack([z[labels == c].mean(0) for c in range(CLASSES)])
    root = torch.linalg.cholesky((z - means[labels]).T.cov())
    away = torch.linalg.solve_triangular(root, (means - z.mean(0)).T, upper=False)
    discriminants = torch.linalg.eigh(away @ away.T).eigenvectors[:, -5:]
    some = torch.randn(20_000, discriminants.shape[1], 2, generator=torch.Generator().manual_seed(0))
    planes = torch.linalg.qr(some).Q
    spots = (away.T @ discriminants) @ planes  # (20000, classes, 2)
    near = torch.cdist(spots, spots) + 1e3 * torch.eye(CLASSES)
    plane = discriminants @ planes[near.amin((1, 2)).argmax()]
    plane = torch.linalg.solve_triangular(root.T, plane, upper=True).T
    return plane / ((z - z.mean(0)) @ plane.T).abs().quantile(0.995, dim=0).unsqueeze(1)
