"""Vectors over the air: any number of real values for a vector of K, and the linear estimate from what arrives.

A vector v of mean square 1 is sent as z = H v. H stacks orthonormal K x K blocks, each a cosine transform behind random
signs of its own, so that every value carries a little of everything: fewer values than K are a random projection, more
of them repeat the vector with fresh rotations (and so with fresh quantization errors), and a lost frame costs all
components alike. After `_BLOCKS` blocks the rows come again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.fft import dct

from ..errors import DescriptorError, SettingsError

__all__ = ["VectorCode", "VectorEstimate"]

_BLOCKS = 4
#: Least noise variance that is believed: keeps exact points (variance 0) finite.
_LEAST_VARIANCE = 1e-6
#: Smallest mean square of a vector that has a direction.
_LEAST_POWER = 1e-20


@dataclass(frozen=True, slots=True)
class VectorEstimate:
    """A vector as received: v ~ N(mean, covariance).

    Attributes:
        mean: float64 [K].
        covariance: float64 [K, K].
        heard: whether any value arrived; without one, this is the prior.
    """

    mean: np.ndarray
    covariance: np.ndarray
    heard: bool


@dataclass(frozen=True, slots=True, eq=False)
class VectorCode:
    """The code for vectors whose components have the prior N(0, diag(signal)).

    Attributes:
        signal: float64 [K], prior variances, > 0, of mean 1.
    """

    signal: np.ndarray

    def __post_init__(self) -> None:
        if self.signal.ndim != 1 or not self.signal.size:
            raise SettingsError(f"prior variances have shape {list(self.signal.shape)}; needed [K] with K of 1 or more")
        if not (np.isfinite(self.signal).all() and (self.signal > 0).all()):
            raise SettingsError("prior variances must be finite and above 0")

    @property
    def dimensions(self) -> int:
        """K."""
        return self.signal.size

    def rows(self, count: int) -> np.ndarray:
        """The distinct rows among the first `count` of H, float64 [min(count, blocks·K), K]."""
        return _rows(self.dimensions)[:count]

    def spread(self, vector: np.ndarray, count: int) -> np.ndarray:
        """`count` values for a vector, float [K], which is brought to mean square 1 first: float32 [count].

        A vector of zeros has no direction: zeros are sent.

        Raises:
            SettingsError: another length than K, or values that are not finite.
        """
        if vector.shape != (self.dimensions,) or not np.isfinite(vector).all():
            raise SettingsError(
                f"vector has shape {list(vector.shape)}; needed [{self.dimensions}] of finite values: the module at "
                "this end is another one than the code was made for"
            )
        power = float(np.mean(np.square(vector, dtype=np.float64)))
        unit = vector / np.sqrt(power) if power > _LEAST_POWER else np.zeros(self.dimensions)
        distinct = self.rows(count)
        values: np.ndarray = np.resize(distinct @ unit, count).astype(np.float32)
        return values

    def combine(self, values: np.ndarray, variance: np.ndarray, distortion: float) -> tuple[np.ndarray, np.ndarray]:
        """Repetitions of a row become one value: the mean weighted by 1/variance, and its variance.

        The quantizer's error is the same in all repetitions of a row: it is added behind the mean.

        Args:
            values: float [n], in units of the spread vector; anything where the variance is inf.
            variance: float [n], noise variance of each, >= 0, inf where lost.
            distortion: the quantizer's mean squared error per value.

        Returns:
            Values and variances, both float64 [rows]; 0 and inf where nothing was heard.

        Raises:
            DescriptorError: lengths differ, or a variance is negative or no number.
        """
        if values.shape != variance.shape or values.ndim != 1:
            raise DescriptorError(f"{values.size} values came with {variance.size} variances; needed as many")
        if not (variance >= 0).all():
            raise DescriptorError("a noise variance is negative or not a number; needed 0 or more, inf where lost")
        count = min(values.size, _BLOCKS * self.dimensions)
        row = np.arange(values.size) % max(count, 1)
        weight = 1 / np.maximum(variance.astype(np.float64), _LEAST_VARIANCE)
        heard = np.where(weight > 0, values, 0).astype(np.float64)
        total = np.bincount(row, weights=weight, minlength=count)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(total > 0, np.bincount(row, weights=weight * heard, minlength=count) / total, 0)
            return mean, np.where(total > 0, 1 / total + distortion, np.inf)

    def estimate(self, values: np.ndarray, variance: np.ndarray, distortion: float) -> VectorEstimate:
        """LMMSE: C = (diag(signal)⁻¹ + Hᵀ N⁻¹ H)⁻¹ and v̂ = C Hᵀ N⁻¹ y; arguments and errors as in `combine`."""
        mean, noise = self.combine(values, variance, distortion)
        weight = 1 / noise
        rows = self.rows(mean.size)
        # In units of the prior's deviation the matrix to invert has no eigenvalue below 1.
        deviation = np.sqrt(self.signal)
        scaled = rows * deviation
        precision = np.eye(self.dimensions) + (scaled.T * weight) @ scaled
        covariance = np.linalg.inv(precision) * np.outer(deviation, deviation)
        return VectorEstimate(covariance @ (rows.T @ (weight * mean)), covariance, bool((weight > 0).any()))


@cache
def _rows(dimensions: int) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(0, spawn_key=(dimensions,))))
    cosines = dct(np.eye(dimensions), norm="ortho", axis=0)
    signs = generator.integers(0, 2, (_BLOCKS, 1, dimensions)) * 2 - 1
    # The first rows of a cosine transform are smooth; a permutation makes any few of them see all components alike.
    blocks = [cosines[generator.permutation(dimensions)] * sign for sign in signs]
    rows = np.concatenate(blocks)
    rows.setflags(write=False)
    return rows
