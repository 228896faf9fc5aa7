import torch
import traitlets

import vae_core as vc

from .base import BookWidget, Network, binary_digits, check_model, pack_labels, pack_prior, reference

POINTS = 2000  # of the test digits' codes, 20 bytes each in the page


class LatentPlane(BookWidget, script="latent_plane.js"):
    """Drag over the plane of a model with two latents; the digit that z decodes to follows.

    model: a VAE or Autoencoder with z_dim = 2. x, labels: binary images (n, 784) and their class ids, whose
    codes are shown as coloured digits (at most 2,000), with contours of all codes' density, or none.
    Traits: z, two numbers within ±extent; points, codes, prior and digits, what is shown. `image` is the decoded
    picture. densities=False leaves the prior and the density of all codes out, for readers who have not met them.
    precision: of the decoder in the page; "int8" takes half the room. Raises ValueError for another
    model or number of latents, or if x is not binary or does not fit the labels.
    """

    z = traitlets.List(traitlets.Float(), [0.0, 0.0]).tag(sync=True)
    points = traitlets.Bool(True, help="show the codes of test digits").tag(sync=True)
    codes = traitlets.Bool(False, help="show contours of q(z), the density of all codes").tag(sync=True)
    prior = traitlets.Bool(True, help="show contours of p(z)").tag(sync=True)
    digits = traitlets.Bool(False, help="show what each z draws").tag(sync=True)
    state = ("z", "points", "codes", "prior", "digits")

    densities = traitlets.Bool(True, help="whether the prior and the density of all codes are there").tag(sync=True)
    extent = traitlets.Float().tag(sync=True)
    decoder = reference(Network)
    labels = traitlets.Bytes().tag(sync=True)
    codes_m = traitlets.Bytes().tag(sync=True)
    codes_v = traitlets.Bytes().tag(sync=True)

    def __init__(self, model, x=None, labels=None, *, extent=3.5, precision="float16", name="plane", **traits):
        if not isinstance(model, (vc.VAE, vc.Autoencoder)) or isinstance(model, (vc.GMVAE, vc.SSVAE)):
            given = type(model).__name__
            raise ValueError(f"a plane needs a VAE, whose prior is N(0, I), or an Autoencoder; given {given}")
        if isinstance(model, vc.VAE):
            pack_prior(model)  # which is drawn as N(0, I)
        if model.z_dim != 2:
            raise ValueError(f"a plane needs a model with two latents; given z_dim={model.z_dim}")
        check_model(model)
        if (x is None) != (labels is None) or (x is not None and len(x) != len(labels)):
            given = [f"no {what}" if t is None else len(t) for what, t in (("images", x), ("labels", labels))]
            raise ValueError(f"x and labels come together, one label for each image; given {given[0]} and {given[1]}")
        if x is not None:
            with torch.no_grad():
                code = model.enc(binary_digits(x[:POINTS], POINTS).float())
            m, v = code if isinstance(code, tuple) else (code, torch.zeros_like(code))
            traits |= dict(labels=pack_labels(labels[:POINTS]),
                           codes_m=m.numpy().astype("<f4").tobytes(), codes_v=v.numpy().astype("<f4").tobytes())
        self._model = model
        super().__init__(name=name, extent=extent, decoder=Network.of(model.dec, precision),
                         limits={"z": (-extent, extent, 2)}, **traits)

    @traitlets.validate("z")
    def _valid(self, proposal):
        return self.inside(proposal)

    @property
    def image(self):
        """What z decodes to: (28, 28) probabilities of ink, from PyTorch."""
        with torch.no_grad():
            return self._model.dec(torch.tensor(self.z)).sigmoid().reshape(28, 28)
