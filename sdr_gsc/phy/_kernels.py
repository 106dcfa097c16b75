"""Compiled gathering of FFT windows, and energy. Interleaved float32 views: complex arithmetic does not vectorize."""

from __future__ import annotations

import numpy as np
from numba import njit

from ._trigonometry import sine_cosine

__all__ = ["energy_of", "gather_symbols"]


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
    size, one, two = np.uint64(out.shape[1] // 2), np.uint64(1), np.uint64(2)
    table_i, table_q = np.empty(size, np.float32), np.empty(size, np.float32)
    for k in range(size):
        sine, cosine = sine_cosine(np.float32(radians_per_sample * np.float64(k)))
        table_i[k], table_q[k] = cosine, -sine
    count = np.uint64(starts.size)
    turn_i, turn_q = np.empty(count, np.float32), np.empty(count, np.float32)
    for s in range(count):
        angle = radians_per_sample * (starts[s] - origin)
        # Whole turns go in double precision; a long capture has many.
        sine, cosine = sine_cosine(np.float32(angle - 2 * np.pi * np.rint(angle * (0.5 / np.pi))))
        turn_i[s], turn_q[s] = cosine, -sine
    flat = out.reshape(-1)
    for s in range(count):
        c, d = turn_i[s], turn_q[s]
        first, to = two * np.uint64(starts[s]), two * s * size
        for k in range(size):
            a, b = rails[first + two * k], rails[first + two * k + one]
            i, q = table_i[k] * c - table_q[k] * d, table_i[k] * d + table_q[k] * c
            flat[to + two * k] = a * i - b * q
            flat[to + two * k + one] = a * q + b * i


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
def energy_of(values: np.ndarray) -> float:
    """Sum of squared magnitudes of a complex64 array."""
    rails = values.reshape(-1).view(np.float32)
    total = 0.0
    for at in range(np.uint64(rails.size)):
        total += np.float64(rails[at]) * np.float64(rails[at])
    return total
