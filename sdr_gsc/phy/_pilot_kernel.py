"""Compiled fit of a frame's pilots: phase of each symbol, and a straight line of delay."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["fit_pilots"]

#: Standard deviation of the sampling-clock offset before anything is measured.
_CLOCK_PRIOR = 40e-6
#: Symbols over which a phase walk is measured: long enough to rise above the pilots' noise.
_WALK_SPAN = 8
#: Symbols without which no walk is measured.
_WALK_MIN_SYMBOLS = 4
#: Training tones that fixed phase zero, per pilot of one symbol: they outweigh this many symbols' pilots.
_ANCHOR_WEIGHT = 50.0


@njit(cache=True, nogil=True)
def fit_pilots(
    matched: np.ndarray,
    weight: np.ndarray,
    ramp: np.ndarray,
    times: np.ndarray,
    shift: np.ndarray,
    noise_variance: float,
    symbol_length: int,
    guess: np.ndarray,
    walk: bool,
    phase: np.ndarray,
    result: np.ndarray,
) -> None:
    """Fit delay and phase, in two rounds: phase, delay with that phase, phase with that delay.

    Args:
        matched: complex64 [S, Np], received pilots times the conjugate of what was expected; 0 where not received.
        weight: float32 [S, Np], squared magnitude of what was expected; 0 where not received.
        ramp: float64 [Np], 2πk/N.
        times: float64 [S], samples since the training symbols.
        shift: int64 [S], samples by which the windows followed the delay.
        noise_variance: of each pilot.
        symbol_length: samples.
        guess: float64 [5]: delay offset, delay rate, phase slope per symbol, how far from it to search, and the
            standard deviation of the slope where phase zero at time zero is known (0: it is not).
        walk: let the phase walk around its line.
        phase: float64 [S], filled.
        result: float64 [7], filled: delay offset, delay rate, their covariance (00, 01, 11), phase variance, slope.
    """
    n_symbols, n_pilots = matched.shape
    sums = np.empty(n_symbols, np.complex128)
    gain = np.empty(n_symbols)
    for s in range(n_symbols):
        gain[s] = 0.0
        for k in range(n_pilots):
            gain[s] += weight[s, k]
    offset = guess[0]
    rate = guess[1]
    index = times / symbol_length
    for turn in range(2):
        for s in range(n_symbols):
            total = 0j
            delay = offset + rate * times[s] - shift[s]
            for k in range(n_pilots):
                total += matched[s, k] * np.exp(1j * ramp[k] * delay)
            sums[s] = total
        variance, slope = _fit_phase(sums, gain, index, noise_variance, guess[2], guess[3], guess[4], walk, phase)
        result[5] = variance
        result[6] = slope
        if turn == 1:
            return
        a00 = 0.0
        a01 = 0.0
        a11 = 0.0
        b0 = 0.0
        b1 = 0.0
        for s in range(n_symbols):
            if gain[s] <= 0.0:
                continue
            delay = offset + rate * times[s] - shift[s]
            centre = 0.0
            for k in range(n_pilots):
                centre += weight[s, k] * ramp[k]
            centre /= gain[s]
            information = 0.0
            slope_sum = 0.0
            # Im(matched e^{-j phase}) = weight · (phase error - ramp · delay error); centring drops the former.
            for k in range(n_pilots):
                arm = ramp[k] - centre
                sine = (matched[s, k] * np.exp(1j * (ramp[k] * delay - phase[s]))).imag
                information += weight[s, k] * arm * arm
                slope_sum += arm * sine
            if information <= 0.0:
                continue
            precision = 2.0 * information / noise_variance
            observed = delay + shift[s] - slope_sum / information
            a00 += precision
            a01 += precision * times[s]
            a11 += precision * times[s] * times[s]
            b0 += precision * observed
            b1 += precision * observed * times[s]
        # The training symbols fixed delay zero about as well as one symbol's pilots would.
        a00 += max(a00 / n_symbols, 1e-6)
        a11 += 1.0 / (_CLOCK_PRIOR * _CLOCK_PRIOR)
        determinant = a00 * a11 - a01 * a01
        offset = (a11 * b0 - a01 * b1) / determinant
        rate = (a00 * b1 - a01 * b0) / determinant
        result[0] = offset
        result[1] = rate
        result[2] = a11 / determinant
        result[3] = -a01 / determinant
        result[4] = a00 / determinant


@njit(cache=True, nogil=True)
def _fit_phase(
    sums: np.ndarray,
    gain: np.ndarray,
    index: np.ndarray,
    noise_variance: float,
    slope_guess: float,
    slope_limit: float,
    slope_deviation: float,
    walk: bool,
    phase: np.ndarray,
) -> tuple[float, float]:
    """Line plus random walk; returns the error variance and the slope per symbol."""
    size = sums.size
    count = 0
    mean_gain = 0.0
    for s in range(size):
        if gain[s] > 0.0:
            count += 1
            mean_gain += gain[s]
    if count == 0:
        phase[:] = 0.0
        return 1.0, slope_guess
    noise = noise_variance * count / (2.0 * mean_gain)
    slope, start = _strongest_line(sums, index, slope_guess, slope_limit)
    deviation = np.zeros(size)
    last = 0.0
    for s in range(size):
        if gain[s] > 0.0:
            value = np.angle(sums[s] * np.exp(-1j * (slope * index[s] + start)))
            if walk:  # around a line there is nothing to unwrap but noise
                value += 2 * np.pi * np.round((last - value) / (2 * np.pi))
                last = value
            deviation[s] = value
    step = _walk_step(deviation, gain, noise) if walk else 0.0
    a00 = 1e-12 / noise
    a01 = 0.0
    a11 = 1e-12 / noise
    b0 = 0.0
    b1 = 0.0
    mean = 0.0
    square = 0.0
    for s in range(size):
        mean += index[s] / size
        square += index[s] * index[s] / size
        if gain[s] > 0.0:
            a00 += 1.0 / noise
            a01 += index[s] / noise
            a11 += index[s] * index[s] / noise
            b0 += deviation[s] / noise
            b1 += deviation[s] * index[s] / noise
    if slope_deviation > 0.0:
        pull = 1.0 / (slope_deviation * slope_deviation + step)
        a11 += pull
        b1 -= pull * (slope - slope_guess)
        # With too few symbols to measure a walk, nothing tells how far it went since the training symbols.
        if not walk or size >= _WALK_MIN_SYMBOLS:
            anchor = 1.0 / (noise / _ANCHOR_WEIGHT + 4.0 * step)
            a00 += anchor
            b0 -= anchor * start
    determinant = a00 * a11 - a01 * a01
    middle = (a11 * b0 - a01 * b1) / determinant
    bend = (a00 * b1 - a01 * b0) / determinant
    error = (a11 - 2.0 * a01 * mean + a00 * square) / determinant
    for s in range(size):
        fitted = middle + bend * index[s]
        phase[s] = start + slope * index[s] + fitted
        deviation[s] -= fitted
    if step > 0.0 and size > 1:
        _add_walk(deviation, gain, noise, step, phase)
        error += 1.0 / np.sqrt(1.0 / noise**2 + 4.0 / (noise * step))
    return error, slope + bend


@njit(cache=True, nogil=True)
def _strongest_line(sums: np.ndarray, index: np.ndarray, centre: float, limit: float) -> tuple[float, float]:
    """Slope within centre ± limit that adds the sums up best, and the phase at index zero."""
    spacing = np.pi / (2.0 * sums.size)
    reach = int(limit / spacing)  # never beyond the limit: a slope too steep wraps the phase at index zero
    best = -1.0
    slope = centre
    start = 0.0
    for trial in range(-reach, reach + 1):
        candidate = centre + trial * spacing
        turn = np.exp(-1j * candidate)
        now = np.exp(-1j * candidate * index[0])
        total = 0j
        for s in range(sums.size):
            total += sums[s] * now
            now *= turn
        power = total.real**2 + total.imag**2
        if power > best:
            best = power
            slope = candidate
            start = np.angle(total)
    return slope, start


@njit(cache=True, nogil=True)
def _walk_step(deviation: np.ndarray, gain: np.ndarray, noise: float) -> float:
    """Variance per symbol of a random walk seen in white noise of variance `noise`."""
    if deviation.size < _WALK_MIN_SYMBOLS:
        return 0.0
    span = min(_WALK_SPAN, deviation.size // _WALK_MIN_SYMBOLS)
    total = 0.0
    count = 0
    for s in range(span, deviation.size):
        if gain[s] > 0.0 and gain[s - span] > 0.0:
            total += (deviation[s] - deviation[s - span]) ** 2
            count += 1
    if count == 0:
        return 0.0
    step = (total / count - 2.0 * noise) / span
    return step if step > 1e-4 * noise else 0.0


@njit(cache=True, nogil=True)
def _add_walk(deviation: np.ndarray, gain: np.ndarray, noise: float, step: float, phase: np.ndarray) -> None:
    """Add the posterior mean of the walk to `phase`: a tridiagonal system, by elimination."""
    size = deviation.size
    diagonal = np.empty(size)
    right = np.empty(size)
    link = -1.0 / step
    for s in range(size):
        heard = 1.0 / noise if gain[s] > 0.0 else 0.0
        neighbours = 1.0 if s == 0 or s == size - 1 else 2.0
        diagonal[s] = heard + neighbours / step
        right[s] = heard * deviation[s]
    for s in range(1, size):
        factor = link / diagonal[s - 1]
        diagonal[s] -= factor * link
        right[s] -= factor * right[s - 1]
    value = right[size - 1] / diagonal[size - 1]
    phase[size - 1] += value
    for s in range(size - 2, -1, -1):
        value = (right[s] - link * value) / diagonal[s]
        phase[s] += value
