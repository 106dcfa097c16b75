"""Compiled demodulation of a frame's header: channel from the training symbols, pilots, equalizer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ._channel_kernel import (
    ChannelTables,
    best_profile,
    channel_power,
    likeliest_profile,
    static_estimate,
)
from ._equalizer_kernel import Noise, equalize_symbols
from ._first_path import first_path_delay
from ._grid_tables import GridTables
from ._kernels import energy_of
from ._phase_kernel import PhaseGuess, fit_phase
from ._pilot_kernel import DelayFit, add_delay_information, pilot_sums, solve_delay, turn_pilots
from ._symbol_kernel import demodulate_symbols, symbol_times

__all__ = ["Base", "Opening", "header_cells_of", "open_frame", "settle_window"]


class Base(NamedTuple):
    """What the training symbols say of a frame.

    Attributes:
        start: first sample of the FFT window of the first training copy, settled.
        training: complex64 [R, Na], channel observations as the acquisition's, at that window.
        response: complex64 [1, Na], channel.
        scatter: thermal noise variance of a tone of one symbol.
        slope_deviation: standard deviation of the carrier offset that the training symbols left, rad per symbol.
    """

    start: int
    training: np.ndarray
    response: np.ndarray
    scatter: float
    slope_deviation: float


class Opening(NamedTuple):
    """Training symbols and the demodulated header.

    Attributes:
        base: of the frame.
        delay: of the first path beyond the window plus the slack, samples.
        error_variance: float32 [1, Na], of the channel.
        values: complex64 [H, N], FFTs of the header's symbols.
        usable: bool [H], False where the capture has a gap or has ended.
    """

    base: Base
    delay: float
    error_variance: np.ndarray
    values: np.ndarray
    usable: np.ndarray


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
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
    moved = settle_window(mean, scatter / copies, tables)
    turned = np.empty((copies, n_active), np.complex64)
    for j in range(n_active):
        # Phase zero of the carrier moves along with the window.
        turn = np.complex64(np.exp(2j * np.pi * (grid.signed[j] + cfo) * moved / grid.fft_size))
        mean[j] *= turn
        for r in range(copies):
            turned[r, j] = training[r, j] * turn
    start = training_start + moved
    coordinates = np.dot(mean.reshape(1, -1), tables.dual)[0]
    profile, level, _ = likeliest_profile(coordinates, scatter / copies, tables)
    remainder = mean - np.dot(tables.basis, coordinates)
    response, variance = static_estimate(coordinates, remainder, scatter / copies, profile, level, tables)
    # Morelli and Mengali's bound of the carrier offset: nothing better is known of it before any pilot was seen.
    span = grid.copies * grid.fft_size
    energy = energy_of(response) * grid.copies / scatter
    cycles = np.sqrt(3.0 / (2.0 * np.pi**2 * max(energy, 1.0) * (1.0 - 1.0 / grid.copies**2))) / span
    count = grid.header_symbols
    values = np.empty((count, grid.fft_size), np.complex64)
    shift, usable = np.empty(count, np.int64), np.empty(count, np.bool_)
    demodulate_symbols(
        samples, lost_before, start, cfo, 0, (0.0, 0.0), grid, values, shift, usable
    )  # fmt: skip
    deviation = 2 * np.pi * cycles * (grid.fft_size + grid.cp_length)
    base = Base(start, turned, response.reshape(1, -1), scatter, deviation)
    return Opening(base, first_path_delay(mean, probe), variance.reshape(1, -1), values, usable)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def settle_window(tones: np.ndarray, noise_variance: float, tables: ChannelTables) -> int:
    """Samples by which to move the window so that a delay profile explains the channel best.

    The first path may have faded below the threshold of the acquisition, or leaked ahead of its place; the likelihood
    of all taps together places it better. Tones seen from a window s samples later are turned by exp(j2πks/N).

    Args:
        tones: complex64 [Na], channel observed from the acquisition's window.
        noise_variance: of each tone.
        tables: of the channel.
    """
    places = tables.moves.shape[0]
    turned = np.empty((places, tones.size), np.complex64)
    for place in range(places):
        for j in range(tones.size):
            turned[place, j] = tones[j] * tables.moves[place, j]
    coordinates = np.dot(turned, tables.dual)
    n_fronts, taps = tables.front_eigenvalues.shape
    in_profiles = np.dot(coordinates, tables.front_turns.reshape(n_fronts * taps, taps).T)
    score = -np.inf
    best = 0
    for place in range(places):
        power = channel_power(coordinates[place], noise_variance, tones.size)
        _, trial = best_profile(in_profiles[place], power, noise_variance, tables.front_eigenvalues)
        # What lies outside the subspace is noise: the likelihood counts it, up to a constant, by what lies inside.
        trial += energy_of(coordinates[place]) / noise_variance
        if trial > score:
            score, best = trial, place - places // 2
    return best


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
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
    base, count = opening.base, grid.header_symbols
    times = symbol_times(count, grid)
    shift = np.zeros(count, np.int64)  # nothing is known of the clock yet: the windows stay
    phase = np.empty(count)
    response = np.empty((1, grid.pilots.size), np.complex64)
    for k in range(grid.pilots.size):
        response[0, k] = base.response[0, grid.pilots_at[k]]
    ramp = 2 * np.pi * grid.signed[grid.pilots_at] / grid.fft_size
    guess = PhaseGuess(0.0, 6 * base.slope_deviation, base.slope_deviation, walk)
    sums = np.zeros(5)
    fit = DelayFit(0.0, 0.0, 0.0, 0.0, 0.0)
    for turn in range(2):
        pilots = turn_pilots(opening.values, pilot_tones, grid.pilots, ramp, times, shift, opening.usable, fit)
        if turn == 0:
            add_delay_information(pilots, response, opening.usable, ramp, times, fit, base.scatter, sums)
            fit = solve_delay(sums, count)
    total, gain = pilot_sums(pilots, response, opening.usable)
    phase_variance, slope = fit_phase(total, gain, times, base.scatter, guess, phase)
    symbols = np.empty(count * grid.data.size, np.complex64)
    variance = np.empty(symbols.size, np.float32)
    equalize_symbols(
        opening.values, np.arange(count), times, shift, opening.usable, phase, phase_variance, fit,
        base.response, opening.error_variance, Noise(base.scatter, 0.0), grid, symbols, variance,
    )  # fmt: skip
    return symbols, variance, fit, slope
