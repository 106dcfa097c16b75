"""A closer look at one lag: which carrier offset, and is there a peak at all?"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["examine"]

_REFINEMENTS = 5


@njit(cache=True, nogil=True)
def _segment_sums(
    samples: np.ndarray, conjugate: np.ndarray, cycles: float, segment: int, first: int, lags: int, sums: np.ndarray
) -> None:
    """Of each lag w and segment j, Σ_k x[first+w+k]·conjugate[k]·exp(-j2π·cycles·k) over the segment's k.

    `sums` is complex64 [>= lags, J], its first rows are filled.
    """
    turned = np.empty(conjugate.size, np.complex64)
    for k in range(conjugate.size):
        turned[k] = conjugate[k] * np.exp(-2j * np.pi * cycles * k)
    for w in range(lags):
        part = samples[first + w : first + w + conjugate.size]
        for j in range(sums.shape[1]):
            re = np.float32(0)
            im = np.float32(0)
            for k in range(j * segment, min((j + 1) * segment, conjugate.size)):
                re += part[k].real * turned[k].real - part[k].imag * turned[k].imag
                im += part[k].real * turned[k].imag + part[k].imag * turned[k].real
            sums[w, j] = complex(re, im)


@njit(cache=True, nogil=True)
def _powers(sums: np.ndarray, cycles: float, lags: int, power: np.ndarray) -> float:
    """power[w] = |Σ_j sums[w, j]·exp(-j2π·cycles·j)|², by Horner's rule, for the first lags; returns their sum."""
    turn = np.exp(-2j * np.pi * cycles)
    energy = 0.0
    for w in range(lags):
        total = 0j
        for j in range(sums.shape[1] - 1, -1, -1):
            total = total * turn + sums[w, j]
        power[w] = total.real**2 + total.imag**2
        energy += power[w]
    return energy


@njit(cache=True, nogil=True)
def examine(
    samples: np.ndarray,
    conjugate: np.ndarray,
    size: int,
    segments: int,
    centres: np.ndarray,
    distances: np.ndarray,
    windows: np.ndarray,
    thresholds: np.ndarray,
) -> tuple[float, float]:
    """Carrier offset with the most energy in the window that decided, and how far the window stands out.

    The window and the nearest offset tried are those with the largest sum over its threshold; then the offset climbs to
    the maximum of the likelihood by parabolas over ever closer offsets.

    Args:
        samples: complex64 [>= N + L + longest window], finite; the window starts at N/2.
        conjugate: complex64 [L], conjugate template.
        size: N.
        segments: of N samples, within which a few subcarriers of offset do little.
        centres: float64 [C], subcarriers.
        distances: float64 [D], offsets tried about each centre, subcarriers.
        windows: int64 [I], lags.
        thresholds: float64 [I].

    Returns:
        Offset in subcarriers, and the window's mean power over that of the N lags around its start.
    """
    lag = size // 2
    segment = size // segments
    total = -(-conjugate.size // segment)
    sums = np.empty((windows[-1], total), np.complex64)
    power = np.empty(max(size, windows[-1]))
    best = -1.0
    offset = 0.0
    width = 1
    for centre in centres:
        _segment_sums(samples, conjugate, centre / size, segment, lag, windows[-1], sums)
        for distance in distances:
            _powers(sums, distance / segments, windows[-1], power)
            energy = 0.0
            done = 0
            for i in range(windows.size):
                while done < windows[i]:
                    energy += power[done]
                    done += 1
                if energy > best * thresholds[i]:
                    best = energy / thresholds[i]
                    offset = centre + distance
                    width = windows[i]
    _segment_sums(samples, conjugate, offset / size, segment, lag, width, sums)
    step = 0.25 * size / conjugate.size
    near = 0.0
    sides = np.empty(3)
    for _ in range(_REFINEMENTS if distances.size > 1 else 0):
        for side in range(3):
            sides[side] = _powers(sums, (near + (side - 1) * step) / segments, width, power)
        bend = sides[0] - 2 * sides[1] + sides[2]
        uphill = 1.0 if sides[2] > sides[0] else -1.0
        shift = 0.5 * (sides[0] - sides[2]) / bend if bend < 0 else uphill
        near += step * min(max(shift, -1.0), 1.0)
        step *= 0.5
    offset += near
    around = np.empty((size, 1), np.complex64)
    _segment_sums(samples, conjugate, offset / size, conjugate.size, 0, size, around)
    everything = _powers(around, 0.0, size, power)
    inside = 0.0
    for w in range(lag, lag + width):
        inside += power[w]
    return offset, inside / width * size / max(everything, 1e-30)
