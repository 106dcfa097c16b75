"""Feature Fréchet distance over patches: whether decoded pictures are made of the same stuff as photographs.

The distance of Fréchet (1957) between Gaussians, on features of a network as by Heusel et al. 2017 (arXiv:1706.08500,
eq. 6), over patches of few pictures instead of many whole ones. It looks at no pair: a decoder that invents the wrong
leaf in the right style is not punished, one that blurs is.

Small samples: the distance between two samples of one distribution is not zero but about their number of features over
their number of patches, and a covariance from few patches is singular. Covariances are therefore shrunk as by Ledoit
and Wolf 2004, and distances compare with each other only at the same photographs and patches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ..errors import PictureError
from .features import load_eye
from .picture_pair import as_tensor_pair

__all__ = ["PATCH_PX", "GaussianFit", "frechet_distance", "patch_features", "shrinkage"]

#: Side of a patch, and the distance between patches.
PATCH_PX, _STRIDE_PX = 64, 32
#: Stage of the network whose mean over a patch describes it: 80 channels, one value per 16 pixels: texture and parts.
_STAGE = 3


@dataclass(frozen=True, slots=True)
class GaussianFit:
    """A Gaussian fitted to features.

    Attributes:
        mean: float64 [d].
        covariance: float64 [d, d].
        shrunk: share of the covariance that came from its mean variance instead of the sample, 0…1.
    """

    mean: np.ndarray
    covariance: np.ndarray
    shrunk: float

    @classmethod
    def of(cls, features: np.ndarray) -> GaussianFit:
        """Fit to features, float [n, d], with the covariance (1 - ρ) S + ρ tr(S)/d · I.

        Args:
            features: of at least two patches.

        Raises:
            ValueError: fewer than two, or a value that is not finite.
        """
        if features.ndim != 2 or features.shape[0] < 2 or not np.isfinite(features).all():
            raise ValueError(f"features are {list(features.shape)}; needed finite ones of at least two patches, [n, d]")
        values = features.astype(np.float64)
        sample = np.cov(values, rowvar=False).reshape(values.shape[1], values.shape[1])
        share = shrinkage(values)
        target = np.trace(sample) / sample.shape[0] * np.eye(sample.shape[0])
        return cls(values.mean(0), (1 - share) * sample + share * target, share)


def shrinkage(features: np.ndarray) -> float:
    """The share ρ of Ledoit and Wolf 2004 ("A well-conditioned estimator …", lemma 3.1 and section 3.3), 0…1.

    ρ = min(b̄², d²)/d² with d² = ‖S - μI‖² and b̄² = n⁻² Σ_k ‖x_k x_kᵀ - S‖², norms over d.

    Args:
        features: float64 [n, d].
    """
    centred = features - features.mean(0)
    n, d = centred.shape
    sample = centred.T @ centred / n
    distance = float(np.sum((sample - np.trace(sample) / d * np.eye(d)) ** 2))
    if distance <= 0:
        return 1.0
    # ‖x xᵀ - S‖² = (xᵀx)² - 2 xᵀSx + ‖S‖², summed over the sample.
    fourth = float(np.sum(np.sum(centred**2, 1) ** 2))
    scatter = (fourth - n * float(np.sum(sample**2))) / n**2
    return min(max(scatter, 0.0), distance) / distance


def frechet_distance(first: GaussianFit, second: GaussianFit) -> float:
    """‖μ₁ - μ₂‖² + tr(Σ₁ + Σ₂ - 2 (Σ₁^½ Σ₂ Σ₁^½)^½), never below 0.

    The root is taken of a symmetric matrix, through its eigenvalues, so nothing complex arises.

    Raises:
        ValueError: different numbers of features.
    """
    if first.mean.shape != second.mean.shape:
        raise ValueError(f"fits have {first.mean.size} and {second.mean.size} features; needed as many")
    values, vectors = np.linalg.eigh(first.covariance)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ second.covariance @ root)
    cross = float(np.sum(np.sqrt(inner.clip(min=0))))
    traces = float(np.trace(first.covariance) + np.trace(second.covariance))
    return max(float(np.sum((first.mean - second.mean) ** 2)) + traces - 2 * cross, 0.0)


@torch.inference_mode()
def patch_features(picture: np.ndarray, *, device: str = "cpu") -> np.ndarray:
    """Features of all 64x64 patches at every 32 pixels: float32 [n, 80], means of EfficientNet-Lite0's fourth stage.

    Args:
        picture: float32 [H, W, 3] in [0, 1], both sides at least 64.
        device: torch device.

    Raises:
        PictureError: smaller than a patch, or no picture.
        WeightsError: the network's weight file is missing or is not the known one.
    """
    tensor, _ = as_tensor_pair(picture, picture)
    if min(tensor.shape[2:]) < PATCH_PX:
        height, width = tensor.shape[2:]
        raise PictureError(f"picture has {width}x{height} pixels; needed at least {PATCH_PX} a side for its patches")
    columns = functional.unfold(tensor.to(device), PATCH_PX, stride=_STRIDE_PX)
    patches = columns[0].T.reshape(-1, 3, PATCH_PX, PATCH_PX)
    return np.asarray(load_eye(device).features(patches)[_STAGE].mean((2, 3)).float().cpu().numpy())
