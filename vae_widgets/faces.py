from typing import Any

import torch
import traitlets

from .base import BookWidget, answer_trait

LATENTS = ["light angle", "expression", "tilt", "intensity"]
SIZE = 24  # of a photo, in pixels a side
NOISE = 0.5  # standard deviation of a photo's pixels
REACH = 2.5  # a latent's settings run from -REACH to REACH


def face(z: torch.Tensor, size: int = SIZE) -> torch.Tensor:
    """Ink, from 0 to 1, of the faces with latents z: (n, 4) -> (n, size * size). Chapter 1; faces.js draws the same."""
    light, smile, tilt, power = z.unsqueeze(-1).unbind(1)
    side = torch.linspace(-1.2, 1.2, size)
    up, right = (t.reshape(1, -1) for t in torch.meshgrid(-side, side, indexing="ij"))
    cos, sin = (0.2 * tilt).cos(), (0.2 * tilt).sin()
    a, b = cos * right + sin * up, cos * up - sin * right  # the head's own axes
    r = (a / 0.85) ** 2 + b**2
    depth = (1 - r).clamp(min=0).sqrt()  # the head is half a ball, lit from one side
    lit = (right * (0.6 * light).sin() + depth * (0.6 * light).cos()).clamp(min=0)
    shade = 0.62 * (1 - power.sigmoid() * lit) * (12 * (1 - r)).sigmoid()
    outline = (-(((r - 1) / 0.1) ** 2)).exp()
    eyes = (-((a.abs() - 0.33) ** 2 + (b - 0.22) ** 2) / 0.012).exp()
    lips = -0.42 + 0.13 * smile * ((a / 0.4) ** 2 - 0.5)
    mouth = (-(((b - lips) / 0.06) ** 2)).exp() * (25 * (0.42 - a.abs())).sigmoid()
    return torch.maximum(shade, 0.95 * torch.maximum(outline, torch.maximum(eyes, mouth)))


class Faces(BookWidget, script="faces.js"):
    """Draw a face by its four latents, and ask which latents made a given noisy photo.

    photo: (576,) pixels, the face of `truth` with noise; one is drawn if there is none. Traits: z, the latents of your
    face; n, how many settings of each latent are compared; truth, the latents that were photographed; seed, of the
    noise (0: the photo that was given); reveal, whether the truth is shown. `image` is your face. Raises ValueError for
    a photo of another size.
    """

    z = traitlets.List(traitlets.Float(), [0.0] * 4).tag(sync=True)
    n = traitlets.Int(11).tag(sync=True)
    truth = traitlets.List(traitlets.Float(), [1.1, 1.3, -0.9, -0.6]).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    reveal = traitlets.Bool(False, help="mark the latents that were photographed").tag(sync=True)
    answer = answer_trait()
    state = ("z", "n", "truth", "seed", "reveal", "answer")

    names = traitlets.List(traitlets.Unicode(), LATENTS).tag(sync=True)
    reach = traitlets.Float(REACH).tag(sync=True)
    noise = traitlets.Float(NOISE).tag(sync=True)
    grain = traitlets.Bytes().tag(sync=True)  # the given photo's noise

    def __init__(self, photo: torch.Tensor | None = None, *, name: str = "faces", **traits: Any):
        reach = (-REACH, REACH, len(LATENTS))
        super().__init__(name=name, limits={"z": reach, "n": (2, 15), "truth": reach}, **traits)
        taken_of = face(torch.tensor([self.truth]))[0]
        if photo is None:
            photo = taken_of + NOISE * torch.randn(len(taken_of), generator=torch.Generator().manual_seed(0))
        photo = torch.as_tensor(photo).float()
        if photo.shape != taken_of.shape or not photo.isfinite().all():
            raise ValueError(f"a photo is {SIZE * SIZE} finite numbers; given shape {tuple(photo.shape)}")
        self.grain = (photo - taken_of).numpy().astype("<f4").tobytes()

    @property
    def image(self) -> torch.Tensor:
        """Your face: (96, 96) ink, from PyTorch."""
        return face(torch.tensor([self.z]), 96).reshape(96, 96)
