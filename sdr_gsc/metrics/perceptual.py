"""Perceptual distance: how different two pictures look to a pretrained network."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .features import load_eye, load_judge
from .picture_pair import as_tensor_pair

__all__ = ["feature_distance", "perceptual_distance"]

_EPSILON = 1e-10


def feature_distance(first: list[Tensor], second: list[Tensor]) -> Tensor:
    """Distance between two lists of feature maps [B, C_l, H_l, W_l]: float32 [B], >= 0.

    d = sum over stages l of mean over pixels of sum over channels (u_l - v_l)^2, where u and v are the features divided
    by their norm over channels (Zhang et al. 2018, arXiv:1801.03924, eq. 1, unit weights). A stage adds at most 4.
    """
    total = torch.zeros(first[0].shape[0], device=first[0].device)
    for u, v in zip(first, second, strict=True):
        difference = u / (u.norm(dim=1, keepdim=True) + _EPSILON) - v / (v.norm(dim=1, keepdim=True) + _EPSILON)
        total = total + difference.square().sum(dim=1).mean(dim=(1, 2))
    return total


@torch.inference_mode()
def perceptual_distance(
    sent: np.ndarray, received: np.ndarray, *, device: str = "cpu", by_judge: bool = False
) -> float:
    """`feature_distance` over the seven stages of EfficientNet-Lite0; 0 for equal pictures, smaller is better.

    It has the form of LPIPS without its learned weights and with another network: compare it with itself only.

    Args:
        sent: float32 [H, W, 3] in [0, 1].
        received: the same shape and range.
        device: torch device.
        by_judge: look with EfficientNet-Lite2 instead: pictures made with features of Lite0, or a second opinion.
    """
    pair = torch.cat(as_tensor_pair(sent, received)).to(device)
    features = (load_judge if by_judge else load_eye)(device).features(pair)
    return float(feature_distance([f[:1] for f in features], [f[1:] for f in features])[0])
