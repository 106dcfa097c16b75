"""Compiled gathering of FFT windows. Interleaved float32 views, because complex arithmetic does not vectorize."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["gather_symbols"]


@njit(cache=True, nogil=True, fastmath=True)
def gather_symbols(
    rails: np.ndarray, starts: np.ndarray, radians_per_sample: float, origin: int, out: np.ndarray
) -> None:
    """Copy one FFT window per symbol, turned by exp(-j·w·(n - origin)).

    Args:
        rails: float32 [2n], I and Q interleaved.
        starts: int64 [S], first sample of each window, 0 <= start <= n - N.
        radians_per_sample: w.
        origin: sample at which the rotation is zero.
        out: float32 [S, 2N], filled.
    """
    size = out.shape[1] // 2
    table = np.empty(2 * size, np.float32)
    for k in range(size):
        table[2 * k] = np.cos(radians_per_sample * k)
        table[2 * k + 1] = -np.sin(radians_per_sample * k)
    turned = np.empty(2 * size, np.float32)
    for s in range(starts.size):
        angle = radians_per_sample * (starts[s] - origin)
        c = np.float32(np.cos(angle))
        d = np.float32(-np.sin(angle))
        for k in range(size):
            turned[2 * k] = table[2 * k] * c - table[2 * k + 1] * d
            turned[2 * k + 1] = table[2 * k] * d + table[2 * k + 1] * c
        window = rails[2 * starts[s] : 2 * (starts[s] + size)]
        row = out[s]
        for k in range(size):
            a = window[2 * k]
            b = window[2 * k + 1]
            row[2 * k] = a * turned[2 * k] - b * turned[2 * k + 1]
            row[2 * k + 1] = a * turned[2 * k + 1] + b * turned[2 * k]
