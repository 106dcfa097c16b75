"""Compiled estimate of the first path's exact delay."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["FIRST_PATH", "delay_probe", "first_path_delay"]

#: A path this far below the strongest one counts as the first; the side lobes of the occupied band stay below it.
FIRST_PATH = 0.08
#: Half samples to either side of the slack in which the first path's exact delay is looked for.
_PROBED = 12


def delay_probe(signed: np.ndarray, fft_size: int, slack: int) -> np.ndarray:
    """Inverse DFT at the half-sample delays `first_path_delay` looks at: complex64 [25, Na].

    Args:
        signed: int64 [Na], subcarrier indices.
        fft_size: N.
        slack: where the first path is expected, samples.
    """
    delays = slack + 0.5 * np.arange(-_PROBED, _PROBED + 1)
    return np.exp(2j * np.pi * np.outer(delays, signed) / fft_size).astype(np.complex64)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def first_path_delay(tones: np.ndarray, probe: np.ndarray) -> float:
    """Delay of the first path beyond the slack: first high maximum of the impulse response near it, by parabola.

    Args:
        tones: complex64 [Na], channel.
        probe: from `delay_probe`.
    """
    magnitude = np.empty(probe.shape[0])
    for at in range(probe.shape[0]):
        total = np.complex64(0)
        for j in range(tones.size):
            total += probe[at, j] * tones[j]
        magnitude[at] = abs(total)
    least = np.sqrt(FIRST_PATH) * magnitude.max()
    for at in range(1, magnitude.size - 1):
        a, b, c = magnitude[at - 1], magnitude[at], magnitude[at + 1]
        if b >= least and a < b and b >= c:
            return 0.5 * (at - magnitude.size // 2) + 0.25 * (a - c) / (a - 2 * b + c)
    return 0.0
