import torch
import traitlets

import vae_core as vc

from .base import BookWidget, Mixture, answer_trait, check_model, pack_digits, pack_labels, pack_prior, references

SAMPLES = [1, 2, 5, 10, 20, 50, 100]
ESTIMATES = 100
SEEDS = (0, 2**31 - 1)


class SampledKl(BookWidget, script="sampled_kl.js"):
    """KL(q(z|x) || p(z)) estimated from S samples of z: a hundred estimates, and how far they spread by S.

    models: name -> VAE or GMVAE, the priors to choose from. x, labels: binary test digits (n, 784) to choose from, and
    their class ids. Traits: prior, the index of the model; digit, that of the digit; samples, S, the terms that one
    estimate averages; seed, of all 10,000 terms. `exact` is the KL where it has a closed form.
    Raises ValueError for other models, or if x and labels do not fit each other.
    """

    prior = traitlets.Int(0, help="the index of the model").tag(sync=True)
    digit = traitlets.Int(0, help="the index of the chosen test digit").tag(sync=True)
    samples = traitlets.Int(1, help="S, the terms that one estimate averages").tag(sync=True)
    seed = traitlets.Int(0, help="of the terms").tag(sync=True)
    answer = answer_trait()
    state = ("prior", "digit", "samples", "seed", "answer")

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    mixtures = references(Mixture)  # of each model; None where the prior is N(0, I)
    z_dims = traitlets.List(traitlets.Int()).tag(sync=True)
    codes = traitlets.Bytes(help="of each model: m (n, z_dim) and v (n, z_dim) of q(z|x), in float32").tag(sync=True)
    digits = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)
    sizes = traitlets.List(traitlets.Int(), SAMPLES, help="the S to choose from").tag(sync=True)
    estimates = traitlets.Int(ESTIMATES).tag(sync=True)

    def __init__(self, models, x, labels, *, name="sampled-kl", **traits):
        if not models:
            raise ValueError("wanted a VAE or GMVAE, at least one; given none")
        for model in models.values():
            if not isinstance(model, vc.VAE) or isinstance(model, vc.SSVAE):
                raise ValueError(f"wanted VAEs or GMVAEs, whose KL is that of z alone; given {type(model).__name__}")
            check_model(model)
        packed = pack_digits(x)
        if len(x) != len(labels):
            raise ValueError(f"wanted one label for each image; given {len(x)} images and {len(labels)} labels")
        self._models = list(models.values())
        with torch.no_grad():
            self._codes = [model.enc(torch.as_tensor(x).float()) for model in self._models]
        super().__init__(
            name=name, names=list(models), digits=packed, labels=pack_labels(labels),
            mixtures=[pack_prior(m) for m in self._models],
            z_dims=[m.z_dim for m in self._models],
            codes=b"".join(part.numpy().astype("<f4").tobytes() for code in self._codes for part in code),
            limits={"prior": (0, len(models) - 1), "digit": (0, len(labels) - 1), "samples": (1, SAMPLES[-1]),
                    "seed": SEEDS}, **traits)

    @traitlets.validate("prior", "digit", "samples", "seed")
    def _valid(self, proposal):
        return self.inside(proposal)

    @property
    def exact(self):
        """The KL of the chosen digit in nats, in closed form; None where the prior is a mixture."""
        model, (m, v) = self._models[self.prior], self._codes[self.prior]
        if isinstance(model, vc.GMVAE):
            return None
        return vc.kl_normal(m[self.digit], v[self.digit], *model.z_prior).item()
