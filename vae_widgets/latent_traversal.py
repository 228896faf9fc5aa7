import math

import torch
import traitlets

import vae_core as vc

from .base import BookWidget, Mixture, Network, check_model, pack_digits, pack_labels, pack_prior, reference, to_choose

IMAGES = 2000  # on which the use of each latent is measured


class LatentTraversal(BookWidget, script="latent_traversal.js"):
    """One slider for each latent, what z draws, and a film strip along one latent.

    model: a VAE, GMVAE or Autoencoder with any number of latents. x, labels: binary images (n, 784) and their class
    ids, or none. The reader may start from the code of one of them, up to ten (the first of each class, if there are
    more); and on them is measured how many nats of KL each latent carries, by which the sliders are ordered.
    Traits: z; dimension, the latent of the film strip; digit, the image whose code z started from, or -1 (when it is
    set, z becomes its code); seed, of a draw from the prior (when it is set, the front end draws z). `image` is the
    decoded picture. Raises ValueError for another model, or if x and labels do not fit each other.
    """

    z = traitlets.List(traitlets.Float()).tag(sync=True)
    dimension = traitlets.Int(0, help="the latent that the film strip runs along, from 0").tag(sync=True)
    digit = traitlets.Int(-1, help="the image that z started from; -1: none").tag(sync=True)
    seed = traitlets.Int(0, help="of the draw from the prior").tag(sync=True)
    state = ("seed", "digit", "z", "dimension")  # in this order: a seed and a digit bring their z with them

    extent = traitlets.Float().tag(sync=True)
    order = traitlets.List(traitlets.Int(), help="the latents, most used first").tag(sync=True)
    nats = traitlets.List(traitlets.Float(), help="mean KL of each latent").tag(sync=True)
    decoder = reference(Network)
    encoder = reference(Network)
    mixture = reference(Mixture)
    has_prior = traitlets.Bool().tag(sync=True)
    digits = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)

    def __init__(self, model, x=None, labels=None, *, name="traversal", **traits):
        if not isinstance(model, (vc.VAE, vc.Autoencoder)) or isinstance(model, vc.SSVAE):
            raise ValueError(f"wanted a VAE, GMVAE or Autoencoder; given {type(model).__name__}")
        check_model(model)
        if (x is None) != (labels is None) or (x is not None and len(x) != len(labels)):
            images, classes = (f"no {what}" if t is None else len(t) for what, t in (("images", x), ("labels", labels)))
            raise ValueError(f"x and labels come together, one label for each image; given {images} and {classes}")
        has_prior = isinstance(model, vc.VAE)
        self._model, self._codes = model, []
        nats, spread = [], prior_spread(model)
        if x is not None:
            x, labels = torch.as_tensor(x), torch.as_tensor(labels)
            chosen = to_choose(labels)
            traits |= dict(digits=pack_digits(x[chosen]), labels=pack_labels(labels[chosen]),
                           encoder=Network.of(model.enc))
            nats, codes = kl_of_latents(model, x[:IMAGES].float()), mean_codes(model, x[chosen].float())
            spread = codes.std().item() if not has_prior else spread
            self._codes = [[round(c, 3) for c in code] for code in codes.tolist()]  # short links; also in the front end
            traits.setdefault("digit", 0)
        farthest = max((abs(c) for code in self._codes for c in code), default=0)
        order = sorted(range(model.z_dim), key=lambda i: -nats[i]) if nats else list(range(model.z_dim))
        digit, extent = traits.get("digit", -1), float(math.ceil(max(4 * spread, farthest)))
        zero = [0.0] * model.z_dim
        traits = dict(dimension=order[0], z=self._codes[digit] if 0 <= digit < len(self._codes) else zero) | traits
        super().__init__(name=name, extent=extent, order=order, nats=nats, has_prior=has_prior,
                         decoder=Network.of(model.dec), mixture=pack_prior(model) if has_prior else None,
                         limits={"z": (-extent, extent, model.z_dim), "dimension": (0, model.z_dim - 1),
                                 "digit": (-1, len(self._codes) - 1), "seed": (0, 2**31 - 1)}, **traits)
        self.observe(self._start_from, "digit")

    @traitlets.validate("z", "dimension", "digit", "seed")
    def _valid(self, proposal):
        return self.inside(proposal)

    def _start_from(self, change):
        if change.new >= 0 and not self._property_lock:  # locked: a front end has set digit, and the z that it wants
            self.z = self._codes[change.new]

    @property
    def image(self):
        """What z decodes to: (28, 28) probabilities of ink, from PyTorch."""
        with torch.no_grad():
            return self._model.dec(torch.tensor(self.z)).sigmoid().reshape(28, 28)


@torch.no_grad()
def mean_codes(model, x):
    code = model.enc(x)
    return code[0] if isinstance(code, tuple) else code


@torch.no_grad()
def prior_spread(model):
    """The largest standard deviation of a latent under the prior."""
    if not isinstance(model, vc.GMVAE):
        return 1.0
    m, v = model.z_prior  # (1, k, z_dim)
    return (v.mean(1) + m.var(1, correction=0)).max().sqrt().item()


@torch.no_grad()
def kl_of_latents(model, x):
    """KL(q(z_i|x) || p(z_i)) of each latent, averaged over x, in nats: [] for an autoencoder.

    Under N(0, I) they add up to the KL; under a mixture, whose latents depend on each other, they do not, and one
    sample an image estimates them.
    """
    if not isinstance(model, vc.VAE):
        return []
    m, v = (t.T.unsqueeze(-1) for t in model.enc(x))  # (z_dim, n, 1): latent by latent
    if not isinstance(model, vc.GMVAE):
        return vc.kl_normal(m, v, torch.zeros(1), torch.ones(1)).mean(1).tolist()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        z = vc.sample_gaussian(m, v)
    prior = (t[0].T.unsqueeze(-1) for t in model.z_prior)  # (z_dim, k, 1)
    log_p = torch.stack([vc.log_normal_mixture(z_i, pm[None], pv[None]) for z_i, pm, pv in zip(z, *prior, strict=True)])
    return (vc.log_normal(z, m, v) - log_p).mean(1).tolist()
