"""Compiled demodulation of a frame's header: channel from the training symbols, pilots, equalizer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ._acquisition import first_path_delay
from ._channel_kernel import ChannelTables, best_profile, channel_power, likeliest_profile, static_estimate
from ._equalizer_kernel import Noise, equalize_symbols
from ._grid_tables import GridTables
from ._phase_kernel import PhaseGuess, fit_phase
from ._pilot_kernel import DelayFit, add_delay_information, pilot_sums, solve_delay, turn_pilots
from ._symbol_kernel import demodulate_symbols, symbol_times

__all__ = ["Opening", "header_cells_of", "open_frame", "settle_window"]


#: Samples to either side in which the window is settled.
_SETTLE = 3


class Opening(NamedTuple):
    """What training symbols and header say of a frame.

    Attributes:
        start: first sample of the FFT window of the first training copy, settled.
        training: complex64 [R, Na], channel observations as the acquisition's, at that window.
        delay: of the first path beyond `start` plus the slack, samples.
        response: complex64 [1, Na], channel.
        error_variance: float32 [1, Na], of the channel.
        scatter: thermal noise variance of a tone of one symbol.
        slope_deviation: standard deviation of the carrier offset that the training symbols left, rad per symbol.
        values: complex64 [H, N], FFTs of the header's symbols.
        shift: int64 [H], samples by which their windows followed the delay.
        usable: bool [H], False where the capture has a gap or has ended.
    """

    start: int
    training: np.ndarray
    delay: float
    response: np.ndarray
    error_variance: np.ndarray
    scatter: float
    slope_deviation: float
    values: np.ndarray
    shift: np.ndarray
    usable: np.ndarray


@njit(cache=True, nogil=True)
def open_frame(
    samples: np.ndarray,
    lost_before: np.ndarray,
    training_start: int,
    cfo: float,
    training: np.ndarray,
    probe: np.ndarray,
    tables: ChannelTables,
    grid: GridTables,
) -> Opening:
    """Settled timing, channel and noise from the training symbols, and the spectra of the header.

    Args:
        samples: complex64 [n].
        lost_before: int64 [n + 1] or empty.
        training_start: from the acquisition.
        cfo: subcarrier spacings.
        training: complex64 [R, Na], R >= 2 copies.
        probe: from `delay_probe`.
        tables: of the channel.
        grid: tables.
    """
    copies, n_active = training.shape
    mean = np.zeros(n_active, np.complex64)
    for row in training:
        mean += row
    mean /= np.float32(copies)
    power = 0.0
    scatter = 0.0
    for j in range(n_active):
        power += (mean[j].real ** 2 + mean[j].imag ** 2) / n_active
        for row in training:
            error = row[j] - mean[j]
            scatter += error.real**2 + error.imag**2
    scatter = max(scatter / ((copies - 1) * n_active), 1e-12 * power, 1e-37)
    conjugate = np.conj(tables.basis.T)
    moved = settle_window(mean, scatter / copies, conjugate, tables, grid)
    turned = np.empty((copies, n_active), np.complex64)
    for j in range(n_active):
        # Phase zero of the carrier moves along with the window.
        turn = np.complex64(np.exp(2j * np.pi * (grid.signed[j] + cfo) * moved / grid.fft_size))
        mean[j] *= turn
        for r in range(copies):
            turned[r, j] = training[r, j] * turn
    start = training_start + moved
    coordinates = np.dot(conjugate, mean)
    profile, level, _ = likeliest_profile(coordinates, scatter / copies, tables)
    remainder = mean - np.dot(tables.basis, coordinates)
    response, variance = static_estimate(coordinates, remainder, scatter / copies, profile, level, tables)
    # Morelli and Mengali's bound of the carrier offset: nothing better is known of it before any pilot was seen.
    span = grid.copies * grid.fft_size
    energy = 0.0
    for value in response:
        energy += value.real**2 + value.imag**2
    energy *= grid.copies / scatter
    cycles = np.sqrt(3.0 / (2.0 * np.pi**2 * max(energy, 1.0) * (1.0 - 1.0 / grid.copies**2))) / span
    count = grid.header_symbols
    values = np.empty((count, grid.fft_size), np.complex64)
    shift, usable = np.empty(count, np.int64), np.empty(count, np.bool_)
    demodulate_symbols(
        samples, lost_before, start, cfo, 0, (0.0, 0.0), grid, values, shift, usable
    )  # fmt: skip
    return Opening(
        start, turned, first_path_delay(mean, probe), response.reshape(1, -1), variance.reshape(1, -1), scatter,
        2 * np.pi * cycles * (grid.fft_size + grid.cp_length), values, shift, usable,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def settle_window(
    tones: np.ndarray, noise_variance: float, conjugate: np.ndarray, tables: ChannelTables, grid: GridTables
) -> int:
    """Samples by which to move the window so that a delay profile explains the channel best.

    The first path may have faded below the threshold of the acquisition, or leaked ahead of its place; the likelihood
    of all taps together places it better. Tones seen from a window s samples later are turned by exp(j2πks/N).

    Args:
        tones: complex64 [Na], channel observed from the acquisition's window.
        noise_variance: of each tone.
        conjugate: complex64 [D, Na], conjugate transpose of the basis.
        tables: of the channel.
        grid: tables.
    """
    score = -np.inf
    best = 0
    for moved in range(-_SETTLE, _SETTLE + 1):
        coordinates = np.dot(conjugate, turned_tones(tones, moved, grid))
        power = channel_power(coordinates, noise_variance, tones.size)
        _, trial = best_profile(coordinates, power, noise_variance, tables.front_turns, tables.front_eigenvalues)
        # What lies outside the subspace is noise: the likelihood counts it, up to a constant, by what lies inside.
        trial += _energy(coordinates) / noise_variance
        if trial > score:
            score, best = trial, moved
    return best


@njit(cache=True, nogil=True)
def turned_tones(tones: np.ndarray, moved: int, grid: GridTables) -> np.ndarray:
    """Tones as seen from a window `moved` samples later."""
    turned = np.empty_like(tones)
    roots = np.empty(grid.fft_size // 2 + 1, np.complex64)
    step = np.exp(2j * np.pi * moved / grid.fft_size)
    now = 1.0 + 0j
    for k in range(roots.size):
        roots[k] = now
        now *= step
    for j in range(tones.size):
        k = grid.signed[j]
        turned[j] = tones[j] * (roots[k] if k >= 0 else np.conj(roots[-k]))
    return turned


@njit(cache=True, nogil=True)
def _energy(values: np.ndarray) -> float:
    total = 0.0
    for value in values:
        total += value.real * value.real + value.imag * value.imag
    return total


@njit(cache=True, nogil=True)
def header_cells_of(
    opening: Opening, pilot_tones: np.ndarray, walk: bool, grid: GridTables
) -> tuple[np.ndarray, np.ndarray, DelayFit, float]:
    """Equalized header.

    Args:
        opening: from `open_frame`.
        pilot_tones: complex64 [H, Np], conjugate transmitted pilots.
        walk: let the phase walk around its line; at low SNR it would follow the noise.
        grid: tables.

    Returns:
        Symbols complex64 [H·Nd], their error variance float32 [H·Nd], delay, slope of the phase in rad per symbol.
    """
    count = grid.header_symbols
    times = symbol_times(count, grid)
    phase = np.empty(count)
    response = np.empty((1, grid.pilots.size), np.complex64)
    for k in range(grid.pilots.size):
        response[0, k] = opening.response[0, grid.pilots_at[k]]
    ramp = 2 * np.pi * grid.signed[grid.pilots_at] / grid.fft_size
    guess = PhaseGuess(0.0, 6 * opening.slope_deviation, opening.slope_deviation, walk)
    sums = np.zeros(5)
    fit = DelayFit(0.0, 0.0, 0.0, 0.0, 0.0)
    for turn in range(2):
        pilots = turn_pilots(
            opening.values, response, pilot_tones, grid.pilots, ramp, times, opening.shift, opening.usable, fit
        )
        if turn == 0:
            add_delay_information(pilots, ramp, times, fit, opening.scatter, sums)
            fit = solve_delay(sums, count)
    total, gain = pilot_sums(pilots, count)
    phase_variance, slope = fit_phase(total, gain, times, opening.scatter, guess, phase)
    symbols, variance = equalize_symbols(
        opening.values, np.arange(count), times, opening.shift, opening.usable, phase, phase_variance, fit,
        opening.response, opening.error_variance, Noise(opening.scatter, 0.0), grid,
    )  # fmt: skip
    return symbols, variance, fit, slope
