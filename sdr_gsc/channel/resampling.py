"""Band-limited interpolation: fractional delays, and a receiver's clock that runs at another rate."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numba import njit

from ._moving_filter import moving_filter, ramp

__all__ = ["HALF_LENGTH", "interpolation_kernel", "lead_in_place", "resample"]

#: Taps on each side of the interpolated instant.
HALF_LENGTH = 12
_PHASES = 512
#: Rows before and after the whole samples, for the end of a tile whose instants drift past one.
_GUARD = 8
_KAISER_BETA = 7.0
#: Drift of the instants, in samples, over which weights move on straight lines: errors of (2 pi 0.4 D)^2 / 8, -86 dB.
_DRIFT = 1 / 128
_LONGEST_TILE, _SHORTEST_TILE = 256, 4


def interpolation_kernel(offset_samples: np.ndarray) -> np.ndarray:
    """Kaiser-windowed sinc, the low-pass interpolator of unit passband up to 0.41 of the sampling rate.

    h(t) = sinc(t) I0(beta sqrt(1 - (t/T)^2)) / I0(beta) for |t| < T = 12, else 0. With beta = 7 the error for tones up
    to 26/64 of the rate is -74 dB at the worst instant. Length and beta are a compromise: a longer kernel interpolates
    tones better, but rings further into the neighbouring OFDM symbol, whose edges are sharp. At a delay of half a
    sample, 52-of-64 OFDM has an error of -60 dB in an FFT window placed 8 samples inside the cyclic prefix.

    Args:
        offset_samples: float [...] distance t between instant and sample, in samples.

    Returns:
        float64 [...].
    """
    t = np.asarray(offset_samples, np.float64)
    inside = np.maximum(0.0, 1 - (t / HALF_LENGTH) ** 2)
    window = np.i0(_KAISER_BETA * np.sqrt(inside)) / np.i0(_KAISER_BETA)
    return np.where(np.abs(t) < HALF_LENGTH, np.sinc(t) * window, 0.0)


@cache
def _phase_table() -> np.ndarray:
    """float32 [_PHASES + 1 + 2 _GUARD, 2 HALF_LENGTH]: row p serves instants (p - _GUARD)/_PHASES after a sample."""
    fraction = np.arange(-_GUARD, _PHASES + 1 + _GUARD)[:, None] / _PHASES
    taps = np.arange(2 * HALF_LENGTH)[None, :] - (HALF_LENGTH - 1)
    table = interpolation_kernel(fraction - taps)
    # Unit gain at zero frequency for every phase, or the phases would modulate the signal's level.
    return np.ascontiguousarray(table / table.sum(axis=1, keepdims=True), np.float32)


@njit(cache=True, nogil=True, fastmath=True)
def _weights(table: np.ndarray, fraction: float, gain: float, weights: np.ndarray) -> None:
    position = fraction * _PHASES + _GUARD
    row = max(0, min(int(math.floor(position)), table.shape[0] - 2))
    blend = position - row
    for k in range(weights.size):
        weights[k] = gain * (table[row, k] + blend * (table[row + 1, k] - table[row, k]))


@njit(cache=True, nogil=True, fastmath=True)
def _interpolate(rails: np.ndarray, out: np.ndarray, table: np.ndarray, first: float, step: float, gain: float) -> None:
    n = rails.size // 2
    length = table.shape[1]
    # Within a tile the instants drift by at most _DRIFT of a sample; the weights follow on straight lines.
    drift = abs(step - 1)
    tile = _LONGEST_TILE if drift * _LONGEST_TILE <= _DRIFT else max(_SHORTEST_TILE, int(_DRIFT / drift))
    numbers = ramp(tile)
    begin = np.empty(length, np.float32)
    end = np.empty(length, np.float32)
    edge = np.empty(2 * (tile + length - 1), np.float32)
    for at in range(0, out.size // 2, tile):
        count = min(tile, out.size // 2 - at)
        target = out[2 * at : 2 * (at + count)]
        target[:] = np.float32(0)
        instant = first + at * step
        whole = math.floor(instant)
        start = int(whole) - (length // 2 - 1)
        needed = count + length - 1
        if start + needed <= 0 or start >= n:
            continue
        fraction = instant - whole
        _weights(table, fraction, gain, begin)
        _weights(table, fraction + tile * (step - 1), gain, end)
        for k in range(length):
            end[k] = (end[k] - begin[k]) / np.float32(tile)
        if start >= 0 and start + needed <= n:
            moving_filter(target, rails[2 * start : 2 * (start + needed)], begin, end, numbers)
        else:
            edge[:] = np.float32(0)
            low = max(0, -start)
            high = min(needed, n - start)
            edge[2 * low : 2 * high] = rails[2 * (start + low) : 2 * (start + high)]
            moving_filter(target, edge, begin, end, numbers)


def lead_in_place(first_position: float, step: float, n_out: int) -> int:
    """How many samples behind its outputs the input of `resample` must begin if both lie in one array.

    Outputs are then written only over inputs that no later output needs: at every output m, the end of its tile lies
    before the first sample that the kernel reads for it, m + lead + first_position + m (step - 1) - HALF_LENGTH.
    """
    return max(0, math.ceil(_LONGEST_TILE + HALF_LENGTH + 1 - first_position + max(0.0, (1 - step) * n_out)))


def resample(
    samples: np.ndarray,
    first_position: float,
    step: float,
    n_out: int,
    *,
    gain: float = 1.0,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Read a band-limited signal at the instants first_position + m step, m = 0 ... n_out - 1.

    Outside the input the signal is zero. Steps stay near 1: there is no anti-aliasing filter beyond the kernel's.

    Args:
        samples: complex64 [n].
        first_position: instant of the first output, in input samples; may be negative or fractional.
        step: input samples per output sample, close to 1 (clock offsets of some 1000 ppm at most).
        n_out: outputs, >= 0.
        gain: factor on the outputs.
        out: complex64 [n_out] to write to; None makes a new array. It may lie in one array with the samples: see
            `lead_in_place`.

    Returns:
        complex64 [n_out].
    """
    if out is None:
        out = np.empty(n_out, np.complex64)
    whole = round(first_position)
    if step == 1.0 and whole == first_position:
        source = samples[max(whole, 0) : max(whole + n_out, 0)]
        begin = min(max(-whole, 0), n_out)
        end = min(begin + source.size, n_out)
        np.multiply(source[: end - begin], np.float32(gain), out=out[begin:end])
        out[:begin] = 0
        out[end:] = 0
        return out
    table = _phase_table()
    _interpolate(samples.view(np.float32), out.view(np.float32), table, float(first_position), float(step), float(gain))
    return out
