"""Agreement: whether a classifier sees the same thing in both pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .efficientnet import EfficientNetLite
from .features import load_eye, load_judge
from .picture_pair import as_tensor_pair

__all__ = ["judged_class", "judges_agree", "top1_agrees", "top1_class", "viewed"]

#: The classifiers learnt from pictures of about this size; larger ones are reduced to it.
_VIEWED_SIDE_PX = 256


def viewed(pictures: Tensor) -> Tensor:
    """Pictures, float [B, 3, H, W], as the classifiers look at them: the shorter side at most 256 pixels."""
    side = min(pictures.shape[2:])
    if side <= _VIEWED_SIDE_PX:
        return pictures
    size = [round(length * _VIEWED_SIDE_PX / side) for length in pictures.shape[2:]]
    return functional.interpolate(pictures, size, mode="bilinear", antialias=True)


@torch.inference_mode()
def _classes(network: EfficientNetLite, pictures: Tensor, device: str) -> list[int]:
    return [int(index) for index in network(viewed(pictures).to(device)).argmax(dim=1)]


def top1_class(picture: np.ndarray, *, device: str = "cpu") -> int:
    """Most likely ImageNet class, 0…999, of a picture float32 [H, W, 3] in [0, 1]."""
    tensor, _ = as_tensor_pair(picture, picture)
    return _classes(load_eye(device), tensor, device)[0]


def top1_agrees(sent: np.ndarray, received: np.ndarray, *, device: str = "cpu") -> bool:
    """Whether both pictures, float32 [H, W, 3] in [0, 1], have the same most likely class: a task to be served."""
    first, second = _classes(load_eye(device), torch.cat(as_tensor_pair(sent, received)), device)
    return first == second


def judged_class(picture: np.ndarray, *, device: str = "cpu") -> int:
    """`top1_class` in the eyes of the judge.

    Raises:
        WeightsError: the judge's weight file is missing or is not the known one.
    """
    tensor, _ = as_tensor_pair(picture, picture)
    return _classes(load_judge(device), tensor, device)[0]


def judges_agree(sent: np.ndarray, received: np.ndarray, *, device: str = "cpu") -> bool:
    """`top1_agrees` in the eyes of the judge, for pictures that were decoded with the eye's own features.

    Raises:
        WeightsError: the judge's weight file is missing or is not the known one.
    """
    first, second = _classes(load_judge(device), torch.cat(as_tensor_pair(sent, received)), device)
    return first == second
