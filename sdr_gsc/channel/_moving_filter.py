"""The one convolution under fading and clock offsets: a filter whose taps move on straight lines."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["TAP_GROUP", "TILE", "moving_filter", "padded_length", "ramp"]

#: Taps are applied in groups of this size; filters are padded with zeros to a multiple of it.
TAP_GROUP = 4
#: Longest stretch of outputs, in samples: input, output and ramp stay in the first-level cache.
TILE = 512


@njit(cache=True, nogil=True)
def padded_length(taps: int) -> int:
    """Number of taps after padding to whole groups."""
    return -(-taps // TAP_GROUP) * TAP_GROUP


@njit(cache=True, nogil=True)
def ramp(n_samples: int) -> np.ndarray:
    """float32 [2 n_samples]: the number of the sample that each rail value belongs to."""
    numbers = np.empty(2 * n_samples, np.float32)
    for j in range(numbers.size):
        numbers[j] = np.float32(j // 2)
    return numbers


@njit(cache=True, nogil=True, fastmath=True)
def moving_filter(
    target: np.ndarray, source: np.ndarray, first: np.ndarray, slope: np.ndarray, numbers: np.ndarray
) -> None:
    """Add sum_k (first[k] + m slope[k]) source[m + k] to target[m], on both rails alike.

    Args:
        target: float32 [2 n] interleaved, changed in place.
        source: float32 [>= 2 (n + taps - 1)] interleaved.
        first: float32 [taps], taps a multiple of TAP_GROUP: the real taps at m = 0.
        slope: float32 [taps]: what each tap gains per sample.
        numbers: float32 [>= 2 n] of `ramp`.
    """
    n = target.size
    for k in range(0, first.size, TAP_GROUP):
        a0, a1, a2, a3 = first[k], first[k + 1], first[k + 2], first[k + 3]
        d0, d1, d2, d3 = slope[k], slope[k + 1], slope[k + 2], slope[k + 3]
        x0 = source[2 * k : 2 * k + n]
        x1 = source[2 * k + 2 : 2 * k + 2 + n]
        x2 = source[2 * k + 4 : 2 * k + 4 + n]
        x3 = source[2 * k + 6 : 2 * k + 6 + n]
        for j in range(n):
            m = numbers[j]
            target[j] += ((a0 + d0 * m) * x0[j] + (a1 + d1 * m) * x1[j]) + (
                (a2 + d2 * m) * x2[j] + (a3 + d3 * m) * x3[j]
            )
