"""The bank of carrier offsets: for a few lags, the energy that every offset and every window of lags collects."""

from __future__ import annotations

import numpy as np
from numba import njit

from ._matched_rows import FLAGS

__all__ = ["SEGMENTS", "bank", "bank_lanes", "fold"]

#: Pieces into which a chunk of one FFT length is cut. Inside a piece the carrier offset is neglected.
SEGMENTS = 8
_LANES = 16


@njit(cache=True, nogil=True)
def bank_lanes(tile: int, taps: int) -> int:
    """Lags that the bank computes for a tile: those of the tile and of its windows, in whole registers."""
    return -(-(tile + taps - 1) // _LANES) * _LANES


@njit(cache=True, nogil=True, fastmath=FLAGS)
def fold(
    rows: np.ndarray, chunks: np.ndarray, chunk: int, at: int, lanes: int, to: int, plus: np.ndarray, minus: np.ndarray
) -> None:
    """Sums and differences of segments that mirror each other about the middle of the waveform, for one tile.

    Args:
        rows: float32 [U, 16, columns], Re A_0, Im A_0, Re A_1, … of each different chunk.
        chunks: int64 [R], which of them each chunk of the waveform is.
        chunk: samples N.
        at: first lag.
        lanes: lags.
        to: first column to fill.
        plus: float32 [J/2, 2, columns], A_j + A_-j, real and imaginary part, filled in part.
        minus: float32 [J/2, 2, columns], A_j - A_-j.
    """
    total = SEGMENTS * chunks.size
    for j in range(total // 2):
        m = total - 1 - j
        first = at + chunk * (j // SEGMENTS)
        second = at + chunk * (m // SEGMENTS)
        for rail in range(2):
            a = rows[chunks[j // SEGMENTS], 2 * (j % SEGMENTS) + rail, first : first + lanes]
            b = rows[chunks[m // SEGMENTS], 2 * (m % SEGMENTS) + rail, second : second + lanes]
            p = plus[j, rail, to : to + lanes]
            q = minus[j, rail, to : to + lanes]
            for k in range(lanes):
                p[k] = a[k] + b[k]
                q[k] = a[k] - b[k]


@njit(cache=True, nogil=True, fastmath=FLAGS)
def _add_eight(w: np.ndarray, first: int, rows: np.ndarray, re: np.ndarray, im: np.ndarray) -> None:
    """Add Σ_j w_j·rows[first + j], j = 0…7, to two rows."""
    a0, a1, a2, a3 = rows[first, 0], rows[first + 1, 0], rows[first + 2, 0], rows[first + 3, 0]
    a4, a5, a6, a7 = rows[first + 4, 0], rows[first + 5, 0], rows[first + 6, 0], rows[first + 7, 0]
    b0, b1, b2, b3 = rows[first, 1], rows[first + 1, 1], rows[first + 2, 1], rows[first + 3, 1]
    b4, b5, b6, b7 = rows[first + 4, 1], rows[first + 5, 1], rows[first + 6, 1], rows[first + 7, 1]
    for k in range(re.size):
        p = re[k] + w[0] * a0[k] + w[1] * a1[k] + w[2] * a2[k] + w[3] * a3[k]
        q = im[k] + w[0] * b0[k] + w[1] * b1[k] + w[2] * b2[k] + w[3] * b3[k]
        re[k] = p + w[4] * a4[k] + w[5] * a5[k] + w[6] * a6[k] + w[7] * a7[k]
        im[k] = q + w[4] * b4[k] + w[5] * b5[k] + w[6] * b6[k] + w[7] * b7[k]


@njit(cache=True, nogil=True, fastmath=FLAGS)
def _powers(sums: np.ndarray, above: np.ndarray, below: np.ndarray) -> None:
    """|X - jZ|² and |X + jZ|² from rows Re X, Im X, Re Z, Im Z."""
    xr, xi, zr, zi = sums[0, : above.size], sums[1, : above.size], sums[2, : above.size], sums[3, : above.size]
    for k in range(above.size):
        a = xr[k] + zi[k]
        b = xi[k] - zr[k]
        c = xr[k] - zi[k]
        d = xi[k] + zr[k]
        above[k] = a * a + b * b
        below[k] = c * c + d * d


@njit(cache=True, nogil=True, fastmath=FLAGS)
def _short_windows(power: np.ndarray, gains: np.ndarray, eights: np.ndarray, best: np.ndarray) -> None:
    """Raise `best` to gain·sum for windows of 1, 2, 4 and 8 lags; keep the sums of 8."""
    n = eights.size
    p0, p1, p2, p3 = power[0:n], power[1 : n + 1], power[2 : n + 2], power[3 : n + 3]
    p4, p5, p6, p7 = power[4 : n + 4], power[5 : n + 5], power[6 : n + 6], power[7 : n + 7]
    for k in range(n):
        two = p0[k] + p1[k]
        four = two + (p2[k] + p3[k])
        eight = four + ((p4[k] + p5[k]) + (p6[k] + p7[k]))
        a = max(p0[k] * gains[0], two * gains[1])
        b = max(four * gains[2], eight * gains[3])
        best[k] = max(best[k], max(a, b))
        eights[k] = eight


@njit(cache=True, nogil=True, fastmath=FLAGS)
def _double(sums: np.ndarray, by: int, gain: np.float32, out: np.ndarray, best: np.ndarray) -> None:
    """Add to each sum the one `by` lags ahead, and raise `best` to gain·sum."""
    ahead = sums[by:]
    for k in range(out.size):
        value = sums[k] + ahead[k]
        best[k] = max(best[k], value * gain)
        out[k] = value


@njit(cache=True, nogil=True, fastmath=FLAGS)
def bank(
    plus: np.ndarray,
    minus: np.ndarray,
    cosines: np.ndarray,
    sines: np.ndarray,
    gains: np.ndarray,
    work: np.ndarray,
    best: np.ndarray,
) -> None:
    """Largest gain_i·S_i over all offsets ±f and all windows of 2^i lags, S_i the window's energy.

    With θ_j the phase that offset f turns between the middle of the waveform and that of segment j, the correlation at
    ±f is X ∓ jZ, X = Σ cos θ_j·(A_j + A_-j), Z = Σ sin θ_j·(A_j - A_-j): a pair for the price of one.

    Args:
        plus: float32 [J/2, 2, >= lanes], A_j + A_-j, real and imaginary part, from `fold`; J/2 is a multiple of 8.
        minus: float32 [J/2, 2, >= lanes], A_j - A_-j.
        cosines: float32 [F, J/2], cos θ_j of each pair of offsets.
        sines: float32 [F, J/2], sin θ_j.
        gains: float32 [I], reciprocal threshold of each window, I >= 4.
        work: float32 [8, >= lanes + 2^(I-1)], scratch, finite.
        best: float32 [lanes], filled. Lags whose windows reach beyond their tile hold nothing of use.
    """
    lanes = best.size
    best[:] = 0
    for pair in range(cosines.shape[0]):
        work[:4, :lanes] = 0
        for j in range(0, cosines.shape[1], 8):
            _add_eight(cosines[pair, j : j + 8], j, plus, work[0, :lanes], work[1, :lanes])
            _add_eight(sines[pair, j : j + 8], j, minus, work[2, :lanes], work[3, :lanes])
        _powers(work, work[4, :lanes], work[5, :lanes])
        for side in range(4, 6):
            _short_windows(work[side], gains, work[6, :lanes], best)
            for i in range(4, gains.size):
                _double(work[6 + i % 2], 1 << (i - 1), gains[i], work[7 - i % 2, :lanes], best)
