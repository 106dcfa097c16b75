"""Two pictures of the same size, checked, as torch tensors."""

from __future__ import annotations

import numpy as np
import torch

from ..errors import PictureError

__all__ = ["as_tensor_pair"]


def as_tensor_pair(sent: np.ndarray, received: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Two pictures as float32 tensors [1, 3, H, W].

    Args:
        sent: float32 [H, W, 3] in [0, 1].
        received: the same shape and range.

    Raises:
        PictureError: a shape, a value outside [0, 1] by more than rounding, or a value that is no number.
    """
    return _tensor(sent, "sent", sent.shape), _tensor(received, "received", sent.shape)


def _tensor(picture: np.ndarray, name: str, shape: tuple[int, ...]) -> torch.Tensor:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.shape != shape:
        raise PictureError(f"{name} picture has shape {list(picture.shape)}; needed [H, W, 3], the same for both")
    if picture.dtype != np.float32:
        raise PictureError(f"{name} picture is {picture.dtype}; needed float32 in [0, 1]")
    low, high = (float(picture.min()), float(picture.max())) if picture.size else (0.0, -1.0)
    if not (low >= -1e-4 and high <= 1 + 1e-4 and high >= low):
        raise PictureError(
            f"{name} picture spans {low:.4g} to {high:.4g}; needed at least one pixel and values in [0, 1]"
        )
    return torch.from_numpy(np.ascontiguousarray(picture.clip(0, 1).transpose(2, 0, 1)))[None]
