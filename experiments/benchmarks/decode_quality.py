"""How good a received picture is, with everything that concerns the sent one worked out once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from sdr_gsc.metrics.distortion import ms_ssim, psnr_db
from sdr_gsc.metrics.features import judge_is_installed, load_eye
from sdr_gsc.metrics.frechet import patch_features
from sdr_gsc.metrics.perceptual import feature_distance, perceptual_distance
from sdr_gsc.metrics.picture_pair import as_tensor_pair

__all__ = ["Quality", "Reference"]


@dataclass(frozen=True, slots=True)
class Quality:
    """One received picture against the sent one.

    Attributes:
        psnr_db: peak signal-to-noise ratio.
        ms_ssim: multi-scale structural similarity; NaN where a side is below 176 px.
        perceptual: feature distance, see `sdr_gsc.metrics.perceptual`.
        agrees: 1 where a classifier sees the same class in both, otherwise 0.
        patches: float32 [n, d], features of its patches, for the Fréchet distance.
        second: perceptual, seen by EfficientNet-Lite2; NaN where it was not asked, or is not installed.
    """

    psnr_db: float
    ms_ssim: float
    perceptual: float
    agrees: float
    patches: np.ndarray
    second: float = math.nan


@dataclass(frozen=True, slots=True)
class Reference:
    """A photograph that is sent.

    Attributes:
        name: of the photograph.
        picture: float32 [H, W, 3] in [0, 1], sides of at most 256.
        features: of the network's stages.
        top1: most likely class.
        patches: float32 [n, d], features of its patches.
        device: of the network.
    """

    name: str
    picture: np.ndarray
    features: tuple[torch.Tensor, ...]
    top1: int
    patches: np.ndarray
    device: str

    @classmethod
    def of(cls, name: str, picture: np.ndarray, device: str = "cpu") -> Reference:
        """Look at a photograph."""
        features, top1 = _seen(picture, device)
        return cls(name, picture, features, top1, patch_features(picture, device=device), device)

    def judge(self, received: np.ndarray, *, ask_second: bool = False) -> Quality:
        """Measure a received picture, float32 [H, W, 3] in [0, 1]; the second network takes as long as all the rest."""
        features, top1 = _seen(received, self.device)
        similarity = ms_ssim(self.picture, received)
        return Quality(
            psnr_db=psnr_db(self.picture, received),
            ms_ssim=float("nan") if similarity is None else similarity,
            perceptual=float(feature_distance(list(self.features), list(features))[0]),
            agrees=float(top1 == self.top1),
            patches=patch_features(received, device=self.device),
            second=self._second(received) if ask_second else math.nan,
        )

    def _second(self, received: np.ndarray) -> float:
        if not judge_is_installed():
            return math.nan
        return perceptual_distance(self.picture, received, device=self.device, by_judge=True)

    def judge_nothing(self) -> Quality:
        """What a receiver shows that has received nothing: mid-grey."""
        return self.judge(np.full_like(self.picture, 0.5))


@torch.inference_mode()
def _seen(picture: np.ndarray, device: str) -> tuple[tuple[torch.Tensor, ...], int]:
    eye = load_eye(device)
    tensor, _ = as_tensor_pair(picture, picture)
    features = eye.features(tensor.to(device))
    return tuple(features), int(eye.logits_of(features[-1]).argmax())
