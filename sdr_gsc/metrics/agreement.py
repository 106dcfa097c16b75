"""Agreement: whether a classifier sees the same thing in both pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from .features import load_eye
from .picture_pair import as_tensor_pair

__all__ = ["top1_agrees", "top1_class"]

#: The classifier learnt from pictures of about this size; larger ones are reduced to it.
_VIEWED_SIDE_PX = 256


@torch.inference_mode()
def _classes(pictures: torch.Tensor, device: str) -> list[int]:
    side = min(pictures.shape[2:])
    if side > _VIEWED_SIDE_PX:
        size = [round(length * _VIEWED_SIDE_PX / side) for length in pictures.shape[2:]]
        pictures = functional.interpolate(pictures, size, mode="bilinear", antialias=True)
    return [int(index) for index in load_eye(device)(pictures.to(device)).argmax(dim=1)]


def top1_class(picture: np.ndarray, *, device: str = "cpu") -> int:
    """Most likely ImageNet class, 0…999, of a picture float32 [H, W, 3] in [0, 1]."""
    tensor, _ = as_tensor_pair(picture, picture)
    return _classes(tensor, device)[0]


def top1_agrees(sent: np.ndarray, received: np.ndarray, *, device: str = "cpu") -> bool:
    """Whether both pictures, float32 [H, W, 3] in [0, 1], have the same most likely class: a task to be served."""
    first, second = _classes(torch.cat(as_tensor_pair(sent, received)), device)
    return first == second
