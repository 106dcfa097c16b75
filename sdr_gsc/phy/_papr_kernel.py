"""Compiled inner loop of `ClipAndFilter`."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numba import njit

__all__ = ["clip_and_filter"]

#: Peaks are looked for between samples: a converter's or a radio's interpolation brings them out.
_OVERSAMPLING = 4
#: Each step goes half as far again beyond the plain one; steps below 2 converge to the same set, these in half as many.
_OVERSHOOT = np.float32(1.5)
#: A symbol whose peak power exceeds the limit by less is left alone: 0.04 dB.
_TOLERANCE = np.float32(1.01)
_BATCH_SAMPLES = 16384


@njit(cache=True, nogil=True)
def clip_and_filter(
    grid: np.ndarray, which: np.ndarray, data_bins: np.ndarray, limit: np.float32, iterations: int
) -> tuple[float, float]:
    """Lower the peaks of OFDM symbols by changing their data subcarriers, then restore the data's gain.

    Args:
        grid: complex64 [S, N], changed in place in `data_bins` of the rows `which` alone.
        which: int64 [m], rows to work on.
        data_bins: int64 [Nd].
        limit: largest power of a sample, in units in which the mean power of a symbol is Σ|X|²/N.
        iterations: most steps per symbol.

    Returns:
        Energy of the error and of the original in the data subcarriers of these rows.
    """
    size = grid.shape[1]
    before = np.empty((which.size, data_bins.size), np.complex64)
    for index in range(which.size):
        for k in range(data_bins.size):
            before[index, k] = grid[which[index], data_bins[k]]
    batch = max(1, _BATCH_SAMPLES // (_OVERSAMPLING * size))
    for first in range(0, which.size, batch):
        remaining = which[first : first + batch].copy()
        for _ in range(iterations):
            count = _step(grid, remaining, data_bins, limit)
            if count == 0:
                break
            remaining = remaining[:count]
    return _restore_gain(grid, which, data_bins, before)


@njit(cache=True, nogil=True)
def _step(grid: np.ndarray, rows: np.ndarray, data_bins: np.ndarray, limit: np.float32) -> int:
    """One step; moves the rows that exceeded the limit to the front of `rows` and returns their number."""
    size, half = grid.shape[1], grid.shape[1] // 2
    # Subcarriers spread over a longer transform interpolate; 1/N in all makes sample powers comparable with `limit`.
    wide = np.zeros((rows.size, _OVERSAMPLING * size), np.complex64)
    for index in range(rows.size):
        wide[index, :half] = grid[rows[index], :half]
        wide[index, -half:] = grid[rows[index], half:]
    waves = scipy.fft.ifft(wide, axis=1)
    scale = np.float32(_OVERSAMPLING**2 * size)
    count = 0
    for index in range(rows.size):
        if _keep_excess(waves[index], limit / scale):
            rows[count] = rows[index]
            if count != index:
                waves[count] = waves[index]
            count += 1
    excess = scipy.fft.fft(waves[:count], axis=1)
    for index in range(count):
        line = grid[rows[index]]
        for k in range(data_bins.size):
            at = data_bins[k]
            line[at] -= _OVERSHOOT * excess[index, at if at < half else at + (_OVERSAMPLING - 1) * size]
    return count


@njit(cache=True, nogil=True, fastmath=True)
def _keep_excess(wave: np.ndarray, limit: np.float32) -> bool:
    """Replace complex64 [n] by what exceeds the magnitude √limit; False, and unchanged, if that is next to nothing."""
    rails = wave.view(np.float32)
    peak = np.float32(0)
    for k in range(wave.size):
        peak = max(peak, rails[2 * k] * rails[2 * k] + rails[2 * k + 1] * rails[2 * k + 1])
    if peak <= _TOLERANCE * limit:
        return False
    for k in range(wave.size):
        power = max(rails[2 * k] * rails[2 * k] + rails[2 * k + 1] * rails[2 * k + 1], limit)
        share = np.float32(1) - np.sqrt(limit / power)
        rails[2 * k] *= share
        rails[2 * k + 1] *= share
    return True


@njit(cache=True, nogil=True)
def _restore_gain(
    grid: np.ndarray, which: np.ndarray, data_bins: np.ndarray, before: np.ndarray
) -> tuple[float, float]:
    """Divide by the gain a = Re⟨X, X'⟩/⟨X, X⟩ that clipping took; what remains is uncorrelated with the data."""
    energy, product = 0.0, 0.0
    for index in range(which.size):
        for k in range(data_bins.size):
            old, new = before[index, k], grid[which[index], data_bins[k]]
            energy += old.real * old.real + old.imag * old.imag
            product += old.real * new.real + old.imag * new.imag
    factor = np.float32(energy / product) if product > 0 else np.float32(1)
    error = 0.0
    for index in range(which.size):
        line = grid[which[index]]
        for k in range(data_bins.size):
            line[data_bins[k]] *= factor
            off = line[data_bins[k]] - before[index, k]
            error += off.real * off.real + off.imag * off.imag
    return error, energy
