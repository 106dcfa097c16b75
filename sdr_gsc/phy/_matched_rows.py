"""Rows of the matched search: correlations with pieces of the waveform, energies, and sums over windows of lags.

Everything is planar float32, one quantity at neighbouring lags, so that a vector register holds it at 16 of them. Each
lag sees the same operations in the same order wherever it stands in a capture.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["FLAGS", "TERMS", "correlate_two", "load", "loudest", "neighbours", "screen", "window_sums"]

#: No value that is not a number gets past `load`. Reordering sums is not allowed: equal lags would differ in last bits.
FLAGS = {"contract", "nsz", "arcp"}
#: Terms of one call of `correlate_two`.
TERMS = 8
_LARGEST = np.finfo(np.float32).max


@njit(cache=True, nogil=True)
def loudest(bits: np.ndarray) -> int:
    """Exponent e of the largest finite magnitude in float32 words seen as int32: 2^e <= magnitude < 2^(e+1)."""
    largest = np.int32(0)
    for k in range(bits.size):
        magnitude = bits[k] & np.int32(0x7FFFFFFF)
        largest = max(largest, magnitude if magnitude < np.int32(0x7F800000) else np.int32(0))
    return int(largest >> 23) - 127


@njit(cache=True, nogil=True)
def load(rails: np.ndarray, start: int, scale: np.float32, re: np.ndarray, im: np.ndarray) -> None:
    """Samples start…, scaled; zeros outside the capture and for samples that are not finite."""
    low = max(0, min(re.size, -start))
    high = max(low, min(re.size, rails.size // 2 - start))
    re[:low] = 0
    im[:low] = 0
    re[high:] = 0
    im[high:] = 0
    part = rails[2 * (start + low) : 2 * (start + high)]
    into_re = re[low:high]
    into_im = im[low:high]
    for k in range(into_re.size):
        a = part[2 * k]
        b = part[2 * k + 1]
        finite = abs(a) <= _LARGEST and abs(b) <= _LARGEST
        into_re[k] = a * scale if finite else np.float32(0)
        into_im[k] = b * scale if finite else np.float32(0)


@njit(cache=True, nogil=True, fastmath=FLAGS)
def correlate_two(
    re: np.ndarray,
    im: np.ndarray,
    s: np.ndarray,
    t: np.ndarray,
    s_re: np.ndarray,
    s_im: np.ndarray,
    t_re: np.ndarray,
    t_im: np.ndarray,
) -> None:
    """Σ_i x[k+i]·conj(s_i) and Σ_i x[k+i]·conj(t_i), i = 0…7, added to two rows.

    Eight terms are written out and two templates share the loads: then the multipliers, not the loads, are the limit.
    """
    n = s_re.size
    a0, a1, a2, a3 = re[0:n], re[1 : n + 1], re[2 : n + 2], re[3 : n + 3]
    a4, a5, a6, a7 = re[4 : n + 4], re[5 : n + 5], re[6 : n + 6], re[7 : n + 7]
    b0, b1, b2, b3 = im[0:n], im[1 : n + 1], im[2 : n + 2], im[3 : n + 3]
    b4, b5, b6, b7 = im[4 : n + 4], im[5 : n + 5], im[6 : n + 6], im[7 : n + 7]
    for k in range(n):
        c0, c1, c2, c3, c4, c5, c6, c7 = a0[k], a1[k], a2[k], a3[k], a4[k], a5[k], a6[k], a7[k]
        d0, d1, d2, d3, d4, d5, d6, d7 = b0[k], b1[k], b2[k], b3[k], b4[k], b5[k], b6[k], b7[k]
        p = s_re[k] + c0 * s[0] + d0 * s[1] + c1 * s[2] + d1 * s[3] + c2 * s[4] + d2 * s[5] + c3 * s[6] + d3 * s[7]
        p = p + c4 * s[8] + d4 * s[9] + c5 * s[10] + d5 * s[11] + c6 * s[12] + d6 * s[13] + c7 * s[14] + d7 * s[15]
        q = s_im[k] + d0 * s[0] - c0 * s[1] + d1 * s[2] - c1 * s[3] + d2 * s[4] - c2 * s[5] + d3 * s[6] - c3 * s[7]
        q = q + d4 * s[8] - c4 * s[9] + d5 * s[10] - c5 * s[11] + d6 * s[12] - c6 * s[13] + d7 * s[14] - c7 * s[15]
        u = t_re[k] + c0 * t[0] + d0 * t[1] + c1 * t[2] + d1 * t[3] + c2 * t[4] + d2 * t[5] + c3 * t[6] + d3 * t[7]
        u = u + c4 * t[8] + d4 * t[9] + c5 * t[10] + d5 * t[11] + c6 * t[12] + d6 * t[13] + c7 * t[14] + d7 * t[15]
        v = t_im[k] + d0 * t[0] - c0 * t[1] + d1 * t[2] - c1 * t[3] + d2 * t[4] - c2 * t[5] + d3 * t[6] - c3 * t[7]
        v = v + d4 * t[8] - c4 * t[9] + d5 * t[10] - c5 * t[11] + d6 * t[12] - c6 * t[13] + d7 * t[14] - c7 * t[15]
        s_re[k] = p
        s_im[k] = q
        t_re[k] = u
        t_im[k] = v


@njit(cache=True, nogil=True, fastmath=FLAGS)
def neighbours(rows: np.ndarray, at: int, energy: np.ndarray, re: np.ndarray, im: np.ndarray) -> None:
    """Of the eight segments A of a chunk, Σ|A_s|² and Σ A_s·conj(A_s+1).

    Args:
        rows: float32 [16, columns], Re A_0, Im A_0, Re A_1, …
        at: first column.
        energy: float32 [n], filled.
        re: float32 [n], filled.
        im: float32 [n], filled.
    """
    n = energy.size
    r0, r1, r2, r3 = rows[0, at : at + n], rows[2, at : at + n], rows[4, at : at + n], rows[6, at : at + n]
    r4, r5, r6, r7 = rows[8, at : at + n], rows[10, at : at + n], rows[12, at : at + n], rows[14, at : at + n]
    i0, i1, i2, i3 = rows[1, at : at + n], rows[3, at : at + n], rows[5, at : at + n], rows[7, at : at + n]
    i4, i5, i6, i7 = rows[9, at : at + n], rows[11, at : at + n], rows[13, at : at + n], rows[15, at : at + n]
    for k in range(n):
        a0, a1, a2, a3, a4, a5, a6, a7 = r0[k], r1[k], r2[k], r3[k], r4[k], r5[k], r6[k], r7[k]
        b0, b1, b2, b3, b4, b5, b6, b7 = i0[k], i1[k], i2[k], i3[k], i4[k], i5[k], i6[k], i7[k]
        e = a0 * a0 + b0 * b0 + a1 * a1 + b1 * b1 + a2 * a2 + b2 * b2 + a3 * a3 + b3 * b3
        e = e + a4 * a4 + b4 * b4 + a5 * a5 + b5 * b5 + a6 * a6 + b6 * b6 + a7 * a7 + b7 * b7
        x = a0 * a1 + b0 * b1 + a1 * a2 + b1 * b2 + a2 * a3 + b2 * b3 + a3 * a4 + b3 * b4
        x = x + a4 * a5 + b4 * b5 + a5 * a6 + b5 * b6 + a6 * a7 + b6 * b7
        y = b0 * a1 - a0 * b1 + b1 * a2 - a1 * b2 + b2 * a3 - a2 * b3 + b3 * a4 - a3 * b4
        y = y + b4 * a5 - a4 * b5 + b5 * a6 - a5 * b6 + b6 * a7 - a6 * b7
        energy[k] = e
        re[k] = x
        im[k] = y


@njit(cache=True, nogil=True, fastmath=FLAGS)
def window_sums(row: np.ndarray, span: int, spare: np.ndarray, out: np.ndarray) -> None:
    """Sums row[k] + … + row[k+span-1], by doubling: a running sum would leave rounding debris behind a loud burst.

    `spare` is [2, >= row.size]; row.size >= out.size + span - 1.
    """
    current = row
    done = 0
    width = 1
    while True:
        if span & width:
            part = current[done : done + out.size]
            for k in range(out.size):
                out[k] = part[k] if done == 0 else out[k] + part[k]
            done += width
        if done == span:
            break
        size = current.size - width
        ahead = current[width : width + size]
        doubled = spare[1 if width & 0x55555555 else 0, :size]
        for k in range(size):
            doubled[k] = current[k] + ahead[k]
        current = doubled
        width *= 2


@njit(cache=True, nogil=True, fastmath=FLAGS)
def screen(energy: np.ndarray, re: np.ndarray, im: np.ndarray, gain: np.float32, first: np.ndarray) -> None:
    """Raise `first` to gain·(E + 2|D|)."""
    for k in range(first.size):
        value = gain * (energy[k] + np.float32(2) * np.sqrt(re[k] * re[k] + im[k] * im[k]))
        first[k] = value if value > first[k] else first[k]
