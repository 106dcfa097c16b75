"""Distortion between two pictures: how far the pixels are apart."""

from __future__ import annotations

import math

import numpy as np
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from .picture_pair import as_tensor_pair

__all__ = ["MS_SSIM_SMALLEST_SIDE_PX", "ms_ssim", "psnr_db", "ssim"]

#: Five scales halve the side four times, and the 11 px window must fit into the smallest: 11·2^4.
MS_SSIM_SMALLEST_SIDE_PX = 176
_SSIM_SMALLEST_SIDE_PX = 11


def psnr_db(sent: np.ndarray, received: np.ndarray) -> float:
    """Peak signal-to-noise ratio, -10 log10(mean squared error) for a peak of 1, over all pixels and RGB.

    Args:
        sent: float32 [H, W, 3] in [0, 1].
        received: the same shape and range.

    Returns:
        dB; inf for equal pictures.
    """
    as_tensor_pair(sent, received)
    error = float(np.mean((sent.astype(np.float64) - received) ** 2))
    return -10 * math.log10(error) if error > 0 else math.inf


def ssim(sent: np.ndarray, received: np.ndarray) -> float | None:
    """Structural similarity, 1 for equal pictures (Wang, Bovik, Sheikh, Simoncelli 2004, eq. 13), mean over RGB.

    Gaussian window of 11 px and sigma 1.5, K = (0.01, 0.03), peak 1, over all pixels with the picture mirrored at its
    borders (implementations that leave the borders out differ by some 0.01). None where a side is below 11 px.
    """
    first, second = as_tensor_pair(sent, received)
    if min(first.shape[2:]) < _SSIM_SMALLEST_SIDE_PX:
        return None
    return _number(structural_similarity_index_measure(second, first, data_range=1.0))


def ms_ssim(sent: np.ndarray, received: np.ndarray) -> float | None:
    """Multi-scale structural similarity over five scales, 1 for equal pictures (Wang, Simoncelli, Bovik 2003, eq. 7).

    None where a side is below 176 px, for there the fifth scale is smaller than the window: the figure does not exist,
    and one over fewer scales would not be comparable. Scales with negative similarity count as zero.
    """
    first, second = as_tensor_pair(sent, received)
    if min(first.shape[2:]) < MS_SSIM_SMALLEST_SIDE_PX:
        return None
    return _number(
        multiscale_structural_similarity_index_measure(second, first, data_range=1.0, normalize="relu"),
    )


def _number(value: object) -> float:
    """First element of what torchmetrics returns, which is typed as one tensor or several."""
    first = value[0] if isinstance(value, tuple) else value
    return float(first)  # type: ignore[arg-type]
