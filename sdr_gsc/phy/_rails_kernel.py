"""Compiled search for samples at the limit of a receive converter, full scale 1.0 on each rail."""

from __future__ import annotations

import numpy as np
from numba import njit

from ._grid_tables import GridTables

__all__ = ["LIMIT", "count_at_limit"]

#: A rail from here on is at the converter's limit, whichever way its codes are scaled: the top code of ten bits and
#: more lies above.
LIMIT = 0.999
#: No converter delivers more; what does was scaled some other way, and its full scale is not known.
_BEYOND = 1.001
#: Count of a window that holds such a sample.
_FOREIGN = 1 << 40


@njit(cache=True, nogil=True, error_model="numpy")
def count_at_limit(
    samples: np.ndarray, start: int, shift: np.ndarray, usable: np.ndarray, grid: GridTables, strikes: np.ndarray
) -> None:
    """Count the samples at the limit in each FFT window of a frame.

    Args:
        samples: complex64 [n].
        start: first sample of the FFT window of the first training copy.
        shift: int64 [S], samples by which each window behind the preamble followed the delay.
        usable: bool [S].
        grid: tables.
        strikes: int64 [S + 1], filled; -1 where a symbol is not usable, and the last entry counts those of all training
            copies. Zero throughout where a sample lies beyond full scale: no converter with that full scale made it.
    """
    n, count = grid.fft_size, shift.size
    origin = start + grid.copies * n + grid.cp_length
    for s in range(count):
        at = origin + s * (n + grid.cp_length) + shift[s]
        strikes[s] = _at_limit(samples, at, n) if usable[s] else -1
    strikes[count] = _at_limit(samples, start, grid.copies * n)
    if strikes.max() == _FOREIGN:
        strikes[:] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def _at_limit(samples: np.ndarray, start: int, length: int) -> int:
    """Samples at the limit in a window; `_FOREIGN` where one lies beyond it."""
    count, largest = 0, np.float32(0)
    for k in range(max(start, 0), min(start + length, samples.size)):
        rail = max(abs(samples[k].real), abs(samples[k].imag))
        largest = max(largest, rail)
        count += int(rail >= np.float32(LIMIT))
    return _FOREIGN if largest > np.float32(_BEYOND) else count
