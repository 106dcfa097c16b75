"""Uniform mid-rise quantizer whose index pairs are constellation points.

For a latent z of unit variance: index = clamp(floor(z/Δ) + L/2, 0, L-1), level = (index - (L-1)/2)·Δ, with the step
Δ(L) that minimizes the mean squared error for N(0, 1), overload included (Max 1960, Table II). Two latents are I and
Q of one point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import ndtr

from ..errors import SettingsError

__all__ = ["LEVELS", "Quantizer"]

LEVELS = (4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class Quantizer:
    """Quantizer with `levels` levels per real dimension.

    Attributes:
        levels: L in {4, 8, 16, 32}.
        step: Δ(L), for latents of unit variance.
        distortion: mean squared error per real dimension for N(0, 1), overload included.
    """

    levels: int
    step: float
    distortion: float

    @classmethod
    def of(cls, levels: int) -> Quantizer:
        """The quantizer with L levels.

        Raises:
            SettingsError: L is not supported.
        """
        if levels not in LEVELS:
            raise SettingsError(f"quantizer levels is {levels}; needed one of {LEVELS}")
        return cls(levels, *_optimal_step(levels))

    def indices(self, latents: np.ndarray) -> np.ndarray:
        """Level indices, uint8, of float latents of unit variance; any shape."""
        cells = np.floor(latents / np.float32(self.step)) + self.levels // 2
        return np.clip(cells, 0, self.levels - 1).astype(np.uint8)

    def values(self, indices: np.ndarray) -> np.ndarray:
        """Levels, float32, of indices; any shape."""
        return ((indices.astype(np.float32) - (self.levels - 1) / 2) * np.float32(self.step)).astype(np.float32)


def _gaussian_distortion(step: float, levels: int) -> float:
    """E[(z - q(z))²] for z ~ N(0, 1): sum over cells of closed-form second moments."""
    edges = (np.arange(levels + 1) - levels / 2) * step
    edges[0], edges[-1] = -np.inf, np.inf
    centres = (np.arange(levels) - (levels - 1) / 2) * step
    density = np.exp(-(edges**2) / 2) / math.sqrt(2 * math.pi)
    weighted = np.where(np.isfinite(edges), edges, 0.0) * density
    mass = np.diff(ndtr(edges))
    first = -np.diff(density)
    second = mass - np.diff(weighted)
    return float(np.sum(second - 2 * centres * first + centres**2 * mass))


@cache
def _optimal_step(levels: int) -> tuple[float, float]:
    found = minimize_scalar(
        _gaussian_distortion, bounds=(1 / levels, 8 / levels), args=(levels,), method="bounded", options={"xatol": 1e-9}
    )
    return float(found.x), float(found.fun)
