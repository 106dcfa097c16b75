"""All metrics of one transmission in one value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .agreement import judges_agree, top1_agrees
from .distortion import ms_ssim, psnr_db, ssim
from .lpips import Lpips
from .perceptual import perceptual_distance

__all__ = ["Metrics", "measure"]


@dataclass(frozen=True, slots=True)
class Metrics:
    """How close a received picture is to the sent one.

    Attributes:
        psnr_db: peak signal-to-noise ratio; inf for equal pictures.
        ssim: structural similarity, 1 is best; None where a side is below 11 px.
        ms_ssim: multi-scale structural similarity, 1 is best; None where a side is below 176 px.
        perceptual: feature distance, 0 is best (see `perceptual.perceptual_distance`).
        top1_agrees: whether a classifier sees the same class in both.
        lpips: LPIPS, 0 is best; None without the user's weights.
    """

    psnr_db: float
    ssim: float | None
    ms_ssim: float | None
    perceptual: float
    top1_agrees: bool
    lpips: float | None = None


def measure(
    sent: np.ndarray,
    received: np.ndarray,
    *,
    device: str = "cpu",
    lpips: Lpips | None = None,
    by_judge: bool = False,
) -> Metrics:
    """Measure a received picture against the sent one.

    Args:
        sent: float32 [H, W, 3] in [0, 1].
        received: the same shape and range.
        device: torch device of the network behind `perceptual` and `top1_agrees`.
        lpips: the real metric, opened with the user's weights.
        by_judge: let EfficientNet-Lite2 look instead of Lite0, for pictures made with features of Lite0.

    Raises:
        PictureError: the pictures differ in shape, or are not what they should be.
        WeightsError: the network's weight file is missing or is not the known one.
    """
    return Metrics(
        psnr_db=psnr_db(sent, received),
        ssim=ssim(sent, received),
        ms_ssim=ms_ssim(sent, received),
        perceptual=perceptual_distance(sent, received, device=device, by_judge=by_judge),
        top1_agrees=(judges_agree if by_judge else top1_agrees)(sent, received, device=device),
        lpips=None if lpips is None else lpips.distance(sent, received),
    )
