"""Compiled work of the air that depends on where a sample stands, never on how the work was cut into calls."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["BLOCK", "add_scaled", "change_rate", "phasor_table", "turn"]

#: Samples that `turn` rotates with one exact phasor; calls begin at multiples of it.
BLOCK = 128

f4 = np.float32


@njit(cache=True, nogil=True)
def phasor_table(step_rad: float) -> np.ndarray:
    """float32 [2, BLOCK]: cosine and sine of k step."""
    table = np.empty((2, BLOCK), np.float32)
    for k in range(BLOCK):
        table[0, k] = math.cos(step_rad * k)
        table[1, k] = math.sin(step_rad * k)
    return table


@njit(cache=True, nogil=True, fastmath=True)
def turn(rails: np.ndarray, table: np.ndarray, step_rad: float, base_rad: float, index: int) -> None:
    """Multiply sample m by exp(j (base + (index + m) step)).

    Args:
        rails: float32 [2 n] interleaved, changed in place.
        table: of `phasor_table` for the same step.
        step_rad: phase per sample.
        base_rad: phase at index 0.
        index: of the first sample, a multiple of BLOCK: a block meets the same phasor whatever call it comes in.
    """
    n = rails.size // 2
    for first in range(0, n, BLOCK):
        angle = base_rad + step_rad * float(index + first)
        block_re = f4(math.cos(angle))
        block_im = f4(math.sin(angle))
        count = min(BLOCK, n - first)
        part = rails[2 * first : 2 * (first + count)]
        for k in range(count):
            c = table[0, k] * block_re - table[1, k] * block_im
            s = table[0, k] * block_im + table[1, k] * block_re
            i = part[2 * k]
            q = part[2 * k + 1]
            part[2 * k] = i * c - q * s
            part[2 * k + 1] = i * s + q * c


@njit(cache=True, nogil=True)
def add_scaled(target: np.ndarray, source: np.ndarray, factor: float) -> None:
    """Add factor times source, float32 [n], to target, float32 [n]; without fastmath: every sample rounds alike."""
    scale = f4(factor)
    for k in range(target.size):
        target[k] += scale * source[k]


@njit(cache=True, nogil=True, fastmath=True)
def change_rate(
    rails: np.ndarray, out: np.ndarray, kernel: np.ndarray, per_sample: int, first: float, step: float, gain: float
) -> None:
    """Band-limited reading at instants first + m step for any step: the passband is the slower rate's.

    Args:
        rails: float32 [2 n] interleaved; zero outside.
        out: float32 [2 m] interleaved, written.
        kernel: float32 [k] right half of an even interpolator, `per_sample` values per sample of the slower rate, and
            one more value at the end.
        per_sample: resolution of the kernel.
        first: instant of the first output in input samples.
        step: input samples per output.
        gain: factor on the outputs.
    """
    n = rails.size // 2
    cut = min(1.0, 1.0 / step)
    reach = (kernel.size - 2) / (per_sample * cut)
    for m in range(out.size // 2):
        instant = first + m * step
        low = max(0, int(math.ceil(instant - reach)))
        high = min(n - 1, int(math.floor(instant + reach)))
        i = 0.0
        q = 0.0
        for k in range(low, high + 1):
            place = abs(instant - k) * cut * per_sample
            row = int(place)
            weight = kernel[row] + (place - row) * (kernel[row + 1] - kernel[row])
            i += weight * rails[2 * k]
            q += weight * rails[2 * k + 1]
        out[2 * m] = gain * cut * i
        out[2 * m + 1] = gain * cut * q
