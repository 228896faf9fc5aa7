from typing import Any

import numpy as np
import torch
import traitlets

import vae_core as vc

from .base import Labels, ModelWidget, drawn, has_standard_prior, mixture_of, pack_means


class Components(ModelWidget, script="components.js"):
    """The components of a learned prior: all of them on one sheet, one of them close up, and whose a test digit is.

    model: a GMVAE. x, labels: a few test digits (n, x_dim), binary ones for a Bernoulli, and their class ids, whose
    codes (the mean of q(z|x)) the components share among themselves. On the sheet each component stands beside others
    that look like it.
    Traits: component, the chosen one, from 0 (at first, the one most responsible for the chosen digit); digit, the
    index of the chosen test digit; seed, of the samples. `responsibilities` are p(component|z) of the digit's code,
    and `image` is the chosen component's mean decoded, both by PyTorch. Raises ValueError for another model, or if x
    and labels do not fit each other.
    """

    component = traitlets.Int(help="the chosen component, from 0").tag(sync=True)
    seed = traitlets.Int(0, help="of the samples of the chosen component").tag(sync=True)
    state = ("component", "digit", "seed")

    order = traitlets.List(traitlets.Int(), help="the components as they stand on the sheet").tag(sync=True)

    def __init__(
        self,
        model: vc.GMVAE,
        x: torch.Tensor,
        labels: Labels,
        *,
        name: str = "components",
        **traits: Any,
    ):
        if not hasattr(model, "log_weight") or has_standard_prior(model):
            raise ValueError(f"wanted a GMVAE, whose prior has components; given {type(model).__name__}")
        super().__init__(
            model,
            x,
            labels,
            name=name,
            **traits,
            limits={"component": (0, len(mixture_of(model)[0]) - 1), "digit": (0, len(labels) - 1)},
        )
        if "component" not in traits:
            self.component = int(self.responsibilities.argmax())
            self._defaults |= {"component": self.component}

    def _packed(self) -> dict[str, Any]:
        return super()._packed() | dict(order=tour(drawn(self._model, mixture_of(self._model)[0]).flatten(1)))

    def _pack_codes(self) -> bytes:
        return pack_means(self._model, self._x)

    @property
    def responsibilities(self) -> torch.Tensor:
        """Of each component, for the mean of the chosen digit's q(z|x): (k,) probabilities, from PyTorch."""
        with torch.no_grad():
            m, v = mixture_of(self._model)
            return vc.log_normal(self._model.encode(self._x[self.digit].unsqueeze(0))[0], m, v).softmax(0)

    @property
    def image(self) -> torch.Tensor:
        """What the mean of the chosen component decodes to: (height, width) grey levels, from PyTorch."""
        return drawn(self._model, mixture_of(self._model)[0][self.component])


def tour(points: torch.Tensor) -> list[int]:
    """The points in an order in which neighbours are close: from each to the nearest that is left, then untangled.

    Untangled: wherever to reverse a stretch of the way makes it shorter, it is reversed (2-opt).
    """
    distance = torch.cdist(points, points).double().cpu().numpy()
    left, order = set(range(1, len(points))), [0]
    while left:
        order.append(min(left, key=lambda i: distance[order[-1], i]))
        left.remove(order[-1])
    way, shorter = np.array(order), True
    while shorter:
        shorter = False
        for i in range(len(way) - 2):  # the stretch from i + 1 to some j, at the end of the way or before it
            here, ends = way[i], way[i + 1 :]
            after = np.append(distance[ends[0], ends[1:]] - distance[ends[:-1], ends[1:]], 0)
            change = distance[here, ends] - distance[here, ends[0]] + after
            j = change.argmin()
            if change[j] < -1e-9:
                way[i + 1 : i + 2 + j] = way[i + 1 : i + 2 + j][::-1].copy()
                shorter = True
    return way.tolist()
