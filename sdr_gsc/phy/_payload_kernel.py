"""Compiled demodulation of a payload: known symbols to the channel estimator, everything else to the equalizer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ._equalizer_kernel import Noise, equalize_symbols, known_tones, noise_level
from ._grid_tables import GridTables
from ._header_kernel import Base
from ._phase_kernel import PhaseGuess, fit_phase
from ._pilot_kernel import DelayFit, Pilots, pilot_sums, turn_pilots
from ._struck_kernel import Struck, add_clipping, spared_symbols, weigh_struck
from ._symbol_kernel import follow_symbols, symbol_times

__all__ = ["Middle", "Payload", "finish_payload", "observe_payload"]

#: The line of the phase is searched this many standard deviations around the one that the training symbols left.
_SEARCH = 6.0


class Middle(NamedTuple):
    """A frame, demodulated with the channel of its training symbols.

    Attributes:
        values: complex64 [S, N], FFTs of all symbols behind the preamble.
        times: float64 [S].
        shift: int64 [S].
        usable: bool [S].
        fit: delay.
        slope: of the phase, rad per symbol.
        seen_at: float64 [J], when the channel was observed, samples.
        seen_symbols: float64 [J], symbols that each observation is the mean of.
        seen: complex64 [J, Na], the observations.
        tones: complex64 [K, Na], channel as each known symbol saw it, common phase not removed.
        pilots: of all symbols.
    """

    values: np.ndarray
    times: np.ndarray
    shift: np.ndarray
    usable: np.ndarray
    fit: DelayFit
    slope: float
    seen_at: np.ndarray
    seen_symbols: np.ndarray
    seen: np.ndarray
    tones: np.ndarray
    pilots: Pilots


class Payload(NamedTuple):
    """What is left to say of a frame's symbols.

    Attributes:
        noise: level.
        fit: delay.
        slope: of the phase, rad per symbol.
    """

    noise: Noise
    fit: DelayFit
    slope: float


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def observe_payload(
    samples: np.ndarray,
    lost_before: np.ndarray,
    cfo: float,
    base: Base,
    drift: DelayFit,
    pilot_tones: np.ndarray,
    known: np.ndarray,
    reference: np.ndarray,
    strikes: np.ndarray,
    grid: GridTables,
) -> Middle:
    """Demodulate all symbols and collect what the known ones say of the channel.

    Observations are the mean of the training symbols, the header in two halves, and each later training symbol.

    Args:
        samples: complex64 [n].
        lost_before: int64 [n + 1] or empty.
        cfo: subcarrier spacings.
        base: what the training symbols said.
        drift: delay that the header's pilots showed.
        pilot_tones: complex64 [S, Np], conjugate transmitted pilots of all symbols.
        known: int64 [K], indices of the header's symbols and of the training symbols behind it.
        reference: complex64 [K, Na], what they carried.
        strikes: int64 [S + 1], samples at the converter's limit, or empty; struck symbols may be left out.
        grid: tables.
    """
    total, header = pilot_tones.shape[0], grid.header_symbols
    spared = spared_symbols(strikes, total, known)
    values = np.empty((total, grid.fft_size), np.complex64)
    shift, usable = np.empty(total, np.int64), np.empty(total, np.bool_)
    fit = follow_symbols(
        samples, lost_before, base.start, cfo, (drift.offset, drift.rate), base.response[0], base.scatter,
        pilot_tones, spared[:total], grid, values, shift, usable,
    )  # fmt: skip
    times = symbol_times(total, grid)
    phase = np.empty(total)
    deviation = base.slope_deviation
    pilots = turn_pilots(values, pilot_tones, grid.pilots, _ramp(grid), times, shift, usable, fit)
    tones = known_tones(values, known, reference, times, shift, fit, grid)
    sums, gain = pilot_sums(pilots, _at_pilots(base.response, grid), usable)
    _add_known(tones, known, base.response, usable, sums, gain)
    guess = PhaseGuess(0.0, _SEARCH * deviation, deviation, True)
    _, slope = fit_phase(sums, gain, times, base.scatter, guess, phase)
    half = max(header // 2, 1)
    seen = np.zeros((1 + 2 + known.size - header, grid.active.size), np.complex64)
    seen_at = np.zeros(seen.shape[0])
    seen_symbols = np.zeros(seen.shape[0])
    heard = usable[known] & spared[known]
    count = 0
    if spared[total] or not heard.any():
        for row in base.training:
            seen[0] += row / np.float32(base.training.shape[0])
        seen_symbols[0] = base.training.shape[0]
        count = 1
    for group in range(2 + known.size - header):
        first = 0 if group == 0 else (half if group == 1 else header + group - 2)
        end = half if group == 0 else (header if group == 1 else first + 1)
        for row in range(first, end):
            if heard[row]:
                turn = np.complex64(np.exp(-1j * phase[known[row]]))
                for j in range(seen.shape[1]):
                    seen[count, j] += tones[row, j] * turn
                seen_at[count] += times[known[row]]
                seen_symbols[count] += 1
        if seen_symbols[count] > 0:
            seen[count] /= np.float32(seen_symbols[count])
            seen_at[count] /= seen_symbols[count]
            count += 1
    return Middle(
        values, times, shift, usable, fit, slope, seen_at[:count], seen_symbols[:count], seen[:count], tones, pilots
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def finish_payload(
    middle: Middle,
    base: Base,
    response: np.ndarray,
    error_variance: np.ndarray,
    known: np.ndarray,
    data: np.ndarray,
    strikes: np.ndarray,
    grid: GridTables,
    symbols: np.ndarray,
    variance: np.ndarray,
) -> Payload:
    """Equalize with the channel estimated from everything known.

    Args:
        middle: from `observe_payload`.
        base: what the training symbols said.
        response: complex64 [S or 1, Na].
        error_variance: float32 [S or 1, Na].
        known: int64 [K].
        data: int64 [P], indices of the payload's symbols.
        strikes: int64 [S + 1], samples at the converter's limit; empty to heed none.
        grid: tables.
        symbols: complex64 [n], filled: the payload's first n symbols, unbiased, 0 where lost.
        variance: float32 [n], filled: inf where lost.
    """
    times, shift, usable = middle.times, middle.shift, middle.usable
    phase = np.empty(times.size)
    guess = PhaseGuess(middle.slope, 2 * np.pi / times.size, 0.0, True)
    # The delay stays: what an imperfect channel at the pilots made it miss, the channel estimated with it took up.
    fit = middle.fit
    sums, gain = pilot_sums(middle.pilots, _at_pilots(response, grid), usable)
    _add_known(middle.tones, known, response, usable, sums, gain)
    phase_variance, slope = fit_phase(sums, gain, times, base.scatter, guess, phase)
    before, struck, more = variance[:0], Struck(usable[:0], phase[:0], phase[:0], phase[:0], 0.0), 0.0
    if strikes.size > 0:
        before = variance.copy()
        struck = weigh_struck(middle.pilots, _at_pilots(response, grid), usable, strikes, base.scatter)
        phase_variance, slope, more = _phase_apart(sums, gain, times, base.scatter, guess, struck, phase)
    residual = 0.0
    power = 0.0
    rows = 0
    for row in range(known.size):
        at = known[row] if response.shape[0] > 1 else 0
        turn = np.complex64(np.exp(-1j * phase[known[row]]))
        heard = usable[known[row]] and not (strikes.size > 0 and struck.apart[known[row]])
        for j in range(grid.active.size):
            h = response[at, j]
            power += h.real**2 + h.imag**2
            if heard:
                error = middle.tones[row, j] * turn - h
                residual += error.real**2 + error.imag**2 + error_variance[at, j]
        rows += heard
    power /= known.size * grid.active.size
    noise = Noise(base.scatter, 0.0)
    if rows:
        residual = max(residual / (rows * grid.active.size), 1e-12 * power)
        noise = noise_level(base.scatter, (base.training.shape[0] - 1) * grid.active.size, residual, power)
    equalize_symbols(
        middle.values, data, times, shift, usable, phase, phase_variance, fit, response, error_variance, noise, grid,
        symbols, variance,
    )  # fmt: skip
    if strikes.size > 0:
        add_clipping(struck, strikes, more, data, usable, response, before, grid, symbols, variance)
    return Payload(noise, fit, slope)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _phase_apart(
    sums: np.ndarray,
    gain: np.ndarray,
    times: np.ndarray,
    scatter: float,
    guess: PhaseGuess,
    struck: Struck,
    phase: np.ndarray,
) -> tuple[float, float, float]:
    """Phase of the symbols that are alike as if the others were lost; that of the others from all together.

    Args:
        sums: as for `fit_phase`; so are the next four.
        gain: float64 [S].
        times: float64 [S].
        scatter: noise variance of a tone.
        guess: of the phase.
        struck: gain and noise of each symbol.
        phase: float64 [S], filled.

    Returns:
        Error variance of the phase and its slope, and what symbols that are apart have more of the variance.
    """
    alike = np.where(struck.apart, 0.0, gain)
    certain = struck.quiet / np.maximum(struck.quiet + struck.excess, 1e-300)
    together = np.empty_like(phase)
    loose, slope = fit_phase(sums, gain * certain * struck.gain**2, times, scatter, guess, together)
    if alike.max() == 0.0:
        phase[:] = together
        return loose, slope, 0.0
    tight, slope = fit_phase(sums, alike, times, scatter, guess, phase)
    for s in range(gain.size):
        if struck.apart[s]:
            phase[s] = together[s]
    return tight, slope, max(loose - tight, 0.0)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _add_known(
    tones: np.ndarray,
    known: np.ndarray,
    response: np.ndarray,
    usable: np.ndarray,
    sums: np.ndarray,
    gain: np.ndarray,
) -> None:
    """A known symbol shows the common phase on all its tones, not on its pilots alone."""
    for row in range(known.size):
        s = known[row]
        if not usable[s]:
            continue
        at = s if response.shape[0] > 1 else 0
        total, weight = 0j, 0.0
        for j in range(tones.shape[1]):
            h = response[at, j]
            total += tones[row, j] * np.conj(h)
            weight += h.real * h.real + h.imag * h.imag
        sums[s] = total
        gain[s] = weight


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _at_pilots(response: np.ndarray, grid: GridTables) -> np.ndarray:
    out = np.empty((response.shape[0], grid.pilots.size), np.complex64)
    for s in range(response.shape[0]):
        for k in range(grid.pilots.size):
            out[s, k] = response[s, grid.pilots_at[k]]
    return out


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _ramp(grid: GridTables) -> np.ndarray:
    return 2 * np.pi * grid.signed[grid.pilots_at] / grid.fft_size
