"""Compiled noise of struck symbols: OFDM symbols some of whose samples a receive converter held at its limit.

A clipped sample is an error in one instant, which the FFT spreads over all tones of its own OFDM symbol alone: to first
order each tone is scaled by one gain g, the part of the error that follows the signal (Bussgang 1952), and gets white
noise. A converter reaches its limit because the level rose, so the gain may be anything. Both are seen by the pilots of
that symbol; there are few of them, so what they show is drawn towards what the struck symbols of the frame have in
common: a mean gain, and a noise power per sample at the limit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ._grid_tables import GridTables
from ._kernels import energy_of
from ._pilot_kernel import Pilots

__all__ = ["Struck", "add_clipping", "calm_scatter", "spared_symbols", "weigh_struck"]

#: Struck symbols are left out of what a frame has in common where no less than this share of it was not struck.
_SHARE = 0.25
#: Standard deviations beyond which noise was not to be expected: chance puts one symbol in ten thousand there.
_FAR = 3.7
#: What is received with less than this gain has no amplitude to be corrected.
_LEAST_GAIN = 1e-3


class Struck(NamedTuple):
    """What each OFDM symbol of a struck frame has of its own.

    Attributes:
        apart: bool [S], whether it was struck or differs from the others otherwise.
        gain: float64 [S], amplitude over that of the channel estimate.
        gain_variance: float64 [S], error variance of the gain.
        excess: float64 [S], noise variance of a tone beyond the quiet one; 0 where it is not apart.
        quiet: noise variance of a tone of the symbols that are not.
    """

    apart: np.ndarray
    gain: np.ndarray
    gain_variance: np.ndarray
    excess: np.ndarray
    quiet: float


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def spared_symbols(strikes: np.ndarray, count: int, known: np.ndarray) -> np.ndarray:
    """Symbols that may speak for the whole frame, and at last its training copies, bool [S + 1].

    All of them, but for the struck ones where the others will do.

    Args:
        strikes: int64 [S + 1], see `count_at_limit`; or empty, where no sample was at the limit.
        count: S, number of symbols.
        known: int64 [K], indices of the known ones.
    """
    everyone = np.ones(count + 1, np.bool_)
    if strikes.size == 0:
        return everyone
    spared = strikes == 0
    if spared.sum() < _SHARE * (strikes >= 0).sum() or not (spared[count] or spared[known].any()):
        return everyone
    return spared


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def calm_scatter(
    tones: np.ndarray, known: np.ndarray, strikes: np.ndarray, basis: np.ndarray, dual: np.ndarray, scatter: float
) -> float:
    """Thermal noise variance of a tone for a frame whose training copies were struck.

    Known symbols that were not struck show it outside the subspace of the channel.

    Args:
        tones: complex64 [K, Na], channel as each known symbol saw it.
        known: int64 [K].
        strikes: int64 [S + 1].
        basis: complex64 [Na, D], of the subspace, orthonormal.
        dual: complex64 [Na, D], its conjugate.
        scatter: what the copies showed; returned where nothing else is known.
    """
    energy, count = 0.0, 0
    for row in range(known.size):
        if strikes[known[row]] == 0:
            inside = np.dot(basis, np.dot(tones[row : row + 1], dual)[0])
            energy += energy_of(tones[row] - inside)
            count += 1
    if count == 0 or energy == 0.0:
        return scatter
    return energy / (count * (basis.shape[0] - basis.shape[1]))


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def weigh_struck(
    pilots: Pilots, response: np.ndarray, usable: np.ndarray, strikes: np.ndarray, scatter: float
) -> Struck:
    """Gain and noise of each OFDM symbol from its own pilots, whatever its common phase.

    With z the pilots and h the channel there, g = |Σ z h*| / Σ|h|² and r = (Σ|z|² - g² Σ|h|²) / (Np - 1); where c
    samples were at the limit, v + kc is expected of r. A symbol far beyond it keeps its own r, such as one in whose
    middle the level changed; of the others, those that were not struck share v, and the struck ones get
    v + (c·kc + (Np - 1)(r - v)) / (c + Np - 1): a sample at the limit weighs as one draw of the power.

    Args:
        pilots: of S symbols.
        response: complex64 [S or 1, Np], channel of the pilots.
        usable: bool [S].
        strikes: int64 [S + 1], see `count_at_limit`.
        scatter: noise variance of a tone, used where every symbol was struck.
    """
    count, n_pilots = usable.size, response.shape[1]
    gain, own, power = np.ones(count), np.zeros(count), np.ones(count)
    for s in range(count):
        at = s if response.shape[0] > 1 else 0
        turned, energy, weight = 0j, 0.0, 1e-300
        for k in range(n_pilots):
            z, h = complex(pilots.real[k, s], pilots.imaginary[k, s]), response[at, k]
            turned += z * np.conj(h)
            energy += z.real**2 + z.imag**2
            weight += h.real**2 + h.imag**2
        if usable[s]:
            power[s], gain[s] = weight, abs(turned) / weight
            own[s] = max(energy - gain[s] ** 2 * weight, 0.0) / (n_pilots - 1)
    counts, freedom = strikes[:count], n_pilots - 1
    # Wilson and Hilferty 1931: what a mean of so many squares exceeds by chance.
    width = 1.0 / (9.0 * freedom)
    far = (1.0 - width + _FAR * np.sqrt(width)) ** 3
    quiet, per_sample = _expected(own, counts, usable, scatter, np.inf, 0.0, 0.0)
    for _ in range(2):
        quiet, per_sample = _expected(own, counts, usable, scatter, far, quiet, per_sample)
    struck, alone, excess = usable & (counts > 0), np.zeros(count, np.bool_), np.zeros(count)
    for s in range(count):
        c = counts[s]
        if usable[s] and own[s] > far * (quiet + c * per_sample):
            alone[s], excess[s] = True, own[s] - quiet
        elif struck[s]:
            excess[s] = max((c * per_sample * c + freedom * (own[s] - quiet)) / (c + freedom), 0.0)
    spread = (quiet + excess) / (2.0 * power)
    _shrink(gain, spread, struck & ~alone, True)
    _shrink(gain, spread, usable & ~struck & ~alone, False)
    return Struck(struck | alone, gain, spread, excess, quiet)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _expected(
    own: np.ndarray,
    counts: np.ndarray,
    usable: np.ndarray,
    scatter: float,
    far: float,
    quiet: float,
    per_sample: float,
) -> tuple[float, float]:
    """Mean noise without samples at the limit, and with each of them more, of symbols not far beyond the last guess."""
    spared, silence, total, loud, struck = 0, 0.0, 0, 0.0, 0
    for s in range(own.size):
        if not usable[s] or own[s] > far * (quiet + counts[s] * per_sample):
            continue
        if counts[s] > 0:
            struck, total, loud = struck + 1, total + counts[s], loud + own[s]
        else:
            spared, silence = spared + 1, silence + own[s]
    quiet = silence / spared if spared else scatter
    return quiet, max(loud - struck * quiet, 0.0) / max(total, 1)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _shrink(gain: np.ndarray, spread: np.ndarray, which: np.ndarray, free: bool) -> None:
    """Draw gains towards their mean, or towards 1, as far as their own errors explain how they scatter around it.

    Variance between them from the method of moments (DerSimonian and Laird 1986).

    Args:
        gain: float64 [S], changed.
        spread: float64 [S], error variance of each; changed to what remains.
        which: bool [S], the gains of one kind.
        free: whether their mean is unknown; otherwise it is 1.
    """
    first, second, mean, square, count = 1e-300, 0.0, 0.0, 0.0, 0
    for s in range(gain.size):
        if which[s]:
            weight = 1.0 / max(spread[s], 1e-300)
            first, second, count = first + weight, second + weight**2, count + 1
            mean, square = mean + weight * (gain[s] - 1.0), square + weight * (gain[s] - 1.0) ** 2
    mean /= first
    lost = second / first if free else 0.0
    beyond = square - mean**2 * first - (count - 1) if free else square - count
    scatter = max(beyond, 0.0) / max(first - lost, 1e-9 * first)
    center, uncertain = (1.0 + mean, 1.0 / first) if free else (1.0, 0.0)
    for s in range(gain.size):
        if which[s]:
            share = scatter / max(scatter + spread[s], 1e-300)
            gain[s] = center + share * (gain[s] - center)
            spread[s] = share * spread[s] + (1.0 - share) ** 2 * uncertain


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def add_clipping(
    struck: Struck,
    strikes: np.ndarray,
    phase_variance: float,
    data: np.ndarray,
    usable: np.ndarray,
    response: np.ndarray,
    before: np.ndarray,
    grid: GridTables,
    symbols: np.ndarray,
    variance: np.ndarray,
) -> None:
    """Correct the gain of each symbol, and add to the variance what it has beyond the others' noise.

    y ← y/g and σ² ← σ² + ((v + x)/g² - v)/|H|² + σ_φ² + σ_g²/g², with v the quiet noise, x the excess, and no summand
    below 0.

    Args:
        struck: from `weigh_struck`.
        strikes: int64 [S + 1].
        phase_variance: what symbols that are apart have more of it, σ_φ².
        data: int64 [P], indices of the payload's symbols.
        usable: bool [S].
        response: complex64 [S or 1, Na].
        before: float32 [n], variances below which none of a struck symbol falls.
        grid: tables.
        symbols: complex64 [n], changed.
        variance: float32 [n], changed.
    """
    n_data = grid.data.size
    for row in range(data.size):
        s = data[row]
        if not usable[s]:
            continue
        at = s if response.shape[0] > 1 else 0
        gain = max(struck.gain[s], _LEAST_GAIN)
        flat = max((struck.quiet + struck.excess[s]) / gain**2 - struck.quiet, 0.0)
        more = struck.gain_variance[s] / gain**2 + (phase_variance if struck.apart[s] else 0.0)
        for j in range(min(n_data, symbols.size - row * n_data)):
            h, to = response[at, grid.data_at[j]], row * n_data + j
            symbols[to] /= np.float32(gain)
            variance[to] += flat / max(h.real**2 + h.imag**2, 1e-37) + more
            if strikes[s] > 0:
                variance[to] = max(variance[to], before[to])
