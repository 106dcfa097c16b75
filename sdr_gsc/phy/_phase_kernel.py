"""Compiled fit of a frame's common phase: a line (carrier offset) and a random walk around it (phase noise)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ._trigonometry import sine_cosine

__all__ = ["PhaseGuess", "fit_phase"]

#: Symbols over which a phase walk is measured: long enough to rise above the pilots' noise.
_WALK_SPAN = 8
#: Symbols without which no walk is measured.
_WALK_MIN_SYMBOLS = 4
#: Training tones that fixed phase zero, per pilot of one symbol: they outweigh this many symbols' pilots.
_ANCHOR_WEIGHT = 50.0
#: Angle by which neighbouring symbols may turn apart and still be added up, rad.
_APART = 0.2


class PhaseGuess(NamedTuple):
    """What is known of the phase beforehand.

    Attributes:
        slope: rad per symbol.
        search: how far from `slope` the truth may be, rad per symbol.
        deviation: standard deviation of `slope` where the phase is known to be zero at time zero; 0: it is not.
        walk: let the phase walk around its line.
    """

    slope: float
    search: float
    deviation: float
    walk: bool


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def fit_phase(
    sums: np.ndarray, gain: np.ndarray, times: np.ndarray, noise_variance: float, guess: PhaseGuess, phase: np.ndarray
) -> tuple[float, float]:
    """Line plus random walk, smoothed by its Kalman smoother.

    Args:
        sums: complex64 [S], known tones of each symbol added up coherently.
        gain: float64 [S], what they would add up to; 0 where nothing was received. A symbol's phase has error variance
            noise_variance / (2 gain).
        times: float64 [S], samples since the training symbols, one symbol apart.
        noise_variance: of each tone, > 0.
        guess: of the phase.
        phase: float64 [S], filled.

    Returns:
        Error variance of the phase in rad², of the symbol that knows least, and its slope in rad per symbol.
    """
    size = sums.size
    length = times[1] - times[0] if size > 1 else 1.0
    index = times / length
    noise = np.empty(size)  # inverse: precision of each symbol's phase
    count = 0
    least = np.inf
    for s in range(size):
        noise[s] = 0.0
        if gain[s] > 0.0:
            noise[s] = noise_variance / (2.0 * gain[s])
            least = min(least, gain[s])
            count += 1
    if count == 0:
        phase[:] = 0.0
        return 1.0, guess.slope
    usual = noise_variance / (2.0 * least)
    slope, start = _strongest_line(sums, index, guess.slope, guess.search)
    deviation = _deviations(sums, gain, index, slope, start, guess.walk)
    step = _walk_step(deviation, gain, noise) if guess.walk else 0.0
    a00 = 1e-12 / usual
    a01 = 0.0
    a11 = 1e-12 / usual
    b0 = 0.0
    b1 = 0.0
    mean = 0.0
    square = 0.0
    for s in range(size):
        mean += index[s] / size
        square += index[s] * index[s] / size
        if gain[s] > 0.0:
            # With a walk, a symbol that is known well still says no more of the line than the walk lets it.
            weight = 1.0 / (noise[s] + step)
            a00 += weight
            a01 += index[s] * weight
            a11 += index[s] * index[s] * weight
            b0 += deviation[s] * weight
            b1 += deviation[s] * index[s] * weight
    if guess.deviation > 0.0:
        pull = 1.0 / (guess.deviation * guess.deviation + step)
        a11 += pull
        b1 -= pull * (slope - guess.slope)
        # With too few symbols to measure a walk, nothing tells how far it went since the training symbols.
        if not guess.walk or size >= _WALK_MIN_SYMBOLS:
            anchor = 1.0 / (usual / _ANCHOR_WEIGHT + 4.0 * step)
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
        error += 1.0 / np.sqrt(1.0 / usual**2 + 4.0 / (usual * step))
    return error, slope + bend


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _deviations(
    sums: np.ndarray, gain: np.ndarray, index: np.ndarray, slope: float, start: float, unwrap: bool
) -> np.ndarray:
    """Angle of each sum beyond the line; 0 where nothing was received.

    Args:
        sums: complex64 [S].
        gain: float64 [S].
        index: float64 [S].
        slope: of the line, rad per symbol.
        start: of the line, rad.
        unwrap: follow the angle beyond half a turn; around a line without a walk there is nothing to unwrap but noise.
    """
    size = np.uint64(sums.size)
    real, imaginary = np.empty(size, np.float32), np.empty(size, np.float32)
    sine, cosine = np.empty(size, np.float32), np.empty(size, np.float32)
    for s in range(size):
        whole = slope * index[s] + start
        sine[s], cosine[s] = sine_cosine(np.float32(whole - 2 * np.pi * np.rint(whole * (0.5 / np.pi))))
    rails = sums.view(np.float32)
    one, two = np.uint64(1), np.uint64(2)
    for s in range(size):
        a, b = rails[two * s], rails[two * s + one]
        real[s] = a * cosine[s] + b * sine[s]
        imaginary[s] = b * cosine[s] - a * sine[s]
    deviation = np.empty(size)
    large = np.uint64(0)
    for s in range(size):
        heard = gain[s] > 0.0
        x = np.float64(imaginary[s]) / np.float64(real[s]) if heard else 0.0
        y = x * x
        deviation[s] = x * (1.0 - y * (1 / 3 - y * (1 / 5 - y * (1 / 7 - y * (1 / 9)))))
        large += np.uint64(1) if heard and not (y < 0.01 and real[s] > np.float32(0)) else np.uint64(0)
    if large == 0:  # the short series is enough for small angles, error below 1e-9 rad
        return deviation
    last = 0.0
    for s in range(size):
        deviation[s] = 0.0
        if gain[s] > 0.0:
            value = np.arctan2(imaginary[s], real[s])
            if unwrap and abs(value - last) > np.pi:
                value += 2 * np.pi * np.round((last - value) / (2 * np.pi))
            last = value
            deviation[s] = value
    return deviation


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _strongest_line(sums: np.ndarray, index: np.ndarray, centre: float, limit: float) -> tuple[float, float]:
    """Slope within centre ± limit that adds the sums up best, and the phase at index zero."""
    spacing = np.pi / (2.0 * sums.size)
    reach = int(limit / spacing)  # never beyond the limit: a slope too steep wraps the phase at index zero
    # Neighbours that no slope within the limit turns apart are added up beforehand.
    width = max(min(int(_APART / max(limit, 1e-9)), 8), 1) if reach > 0 else 1
    count = (sums.size + width - 1) // width
    real_part, imaginary_part = np.zeros(count), np.zeros(count)
    turn_i, turn_q = np.cos(centre), -np.sin(centre)
    i, q = np.cos(centre * index[0]), -np.sin(centre * index[0])
    for group in range(count):
        for s in range(group * width, min((group + 1) * width, sums.size)):
            value = sums[s]
            real_part[group] += value.real * i - value.imag * q
            imaginary_part[group] += value.real * q + value.imag * i
            i, q = i * turn_i - q * turn_q, i * turn_q + q * turn_i
    middle = index[0] + 0.5 * (width - 1)
    best = -1.0
    slope = centre
    start = 0.0
    for trial in range(-reach, reach + 1):
        beyond = trial * spacing
        turn_i, turn_q = np.cos(beyond * width), -np.sin(beyond * width)
        i, q = np.cos(beyond * middle), -np.sin(beyond * middle)
        real, imaginary = 0.0, 0.0
        for group in range(count):
            real += real_part[group] * i - imaginary_part[group] * q
            imaginary += real_part[group] * q + imaginary_part[group] * i
            i, q = i * turn_i - q * turn_q, i * turn_q + q * turn_i
        power = real * real + imaginary * imaginary
        if power > best:
            best = power
            slope = centre + beyond
            start = np.arctan2(imaginary, real)
    return slope, start


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _walk_step(deviation: np.ndarray, gain: np.ndarray, noise: np.ndarray) -> float:
    """Variance per symbol of a random walk seen in white noise."""
    if deviation.size < _WALK_MIN_SYMBOLS:
        return 0.0
    span = min(_WALK_SPAN, deviation.size // _WALK_MIN_SYMBOLS)
    total = 0.0
    expected = 0.0
    count = 0
    for s in range(span, deviation.size):
        if gain[s] > 0.0 and gain[s - span] > 0.0:
            total += (deviation[s] - deviation[s - span]) ** 2
            expected += noise[s] + noise[s - span]
            count += 1
    if count == 0:
        return 0.0
    step = (total - expected) / (count * span)
    return step if step > 1e-4 * expected / (2 * count) else 0.0


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _add_walk(deviation: np.ndarray, gain: np.ndarray, noise: np.ndarray, step: float, phase: np.ndarray) -> None:
    """Add the posterior mean of the walk to `phase`: a tridiagonal system, by elimination from both ends.

    Each row waits for the row before; from both ends, two rows at a time do not wait for each other.
    """
    size = np.uint64(deviation.size)
    one = np.uint64(1)
    factor, right = np.empty(size), np.empty(size)
    for s in range(size):
        heard = step / noise[s] if gain[s] > 0.0 else 0.0
        factor[s] = heard + 2.0
        right[s] = heard * deviation[s]
    factor[0] -= 1.0
    factor[size - one] -= 1.0
    # Row s: factor · walk[s] - walk[s - 1] - walk[s + 1] = right; what eliminates a neighbour replaces the factor.
    half = size // np.uint64(2)
    above, below, over, under = 0.0, 0.0, 0.0, 0.0
    for s in range(half):
        t = size - one - s
        above, below = 1.0 / (factor[s] - above), 1.0 / (factor[t] - below)
        over, under = (right[s] + over) * above, (right[t] + under) * below
        factor[s], right[s], factor[t], right[t] = above, over, below, under
    if size % np.uint64(2):
        lower = upper = (right[half] + over + under) / (factor[half] - above - below)
        phase[half] += lower
    else:
        # Two rows are left that know each other alone: x = over + above·y, y = under + below·x.
        lower = (over + above * under) / (1.0 - above * below)
        upper = (under + below * over) / (1.0 - above * below)
        half -= one
        phase[half] += lower
        phase[half + one] += upper
    for s in range(half):
        down = half - one - s
        up = size - one - down
        lower, upper = right[down] + factor[down] * lower, right[up] + factor[up] * upper
        phase[down] += lower
        phase[up] += upper
