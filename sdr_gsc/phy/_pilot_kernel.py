"""Compiled use of a frame's pilots: a straight line of delay, and the sums that show the common phase."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ._trigonometry import sine_cosine

__all__ = ["DelayFit", "Pilots", "add_delay_information", "pilot_sums", "solve_delay", "turn_pilots"]

#: Standard deviation of the sampling-clock offset before anything is measured.
_CLOCK_PRIOR = 40e-6


class DelayFit(NamedTuple):
    """Line of delay over time, and its covariance.

    Attributes:
        offset: delay at time zero (the middle of the training symbols), samples.
        rate: samples per sample.
        variance: of the offset.
        covariance: of offset and rate.
        rate_variance: of the rate.
    """

    offset: float
    rate: float
    variance: float
    covariance: float
    rate_variance: float


class Pilots(NamedTuple):
    """Received pilots over their known values, delay removed; the channel is still in them.

    Attributes:
        real: float32 [Np, S]; 0 where nothing was received.
        imaginary: float32 [Np, S].
    """

    real: np.ndarray
    imaginary: np.ndarray


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def turn_pilots(
    values: np.ndarray,
    pilot_tones: np.ndarray,
    bins: np.ndarray,
    ramp: np.ndarray,
    times: np.ndarray,
    shift: np.ndarray,
    usable: np.ndarray,
    fit: DelayFit,
) -> Pilots:
    """Turn the pilots of some symbols so that known values and delay are gone.

    Args:
        values: complex64 [S, N], FFTs.
        pilot_tones: complex64 [S, Np], conjugate transmitted pilots.
        bins: int64 [Np], of the pilots.
        ramp: float64 [Np], 2πk/N.
        times: float64 [S], samples since the training symbols, one symbol apart.
        shift: int64 [S], samples by which the windows followed the delay.
        usable: bool [S].
        fit: delay.
    """
    count, n_pilots, n = np.uint64(times.size), np.uint64(ramp.size), np.uint64(values.shape[1])
    real, imaginary = np.empty((n_pilots, count), np.float32), np.empty((n_pilots, count), np.float32)
    late, heard = np.empty(count, np.float32), np.empty(count, np.float32)
    for s in range(count):
        late[s] = fit.offset + fit.rate * times[s] - shift[s]
        heard[s] = usable[s]
    spectra, sent = values.reshape(-1).view(np.float32), pilot_tones.reshape(-1).view(np.float32)
    sine, cosine = np.empty(count, np.float32), np.empty(count, np.float32)
    one, two = np.uint64(1), np.uint64(2)
    for k in range(n_pilots):
        slope, at = np.float32(ramp[k]), two * np.uint64(bins[k])
        for s in range(count):
            sine[s], cosine[s] = sine_cosine(slope * late[s])
        for s in range(count):
            from_known, from_seen = two * (s * n_pilots + k), two * s * n + at
            c, d = sent[from_known], sent[from_known + one]
            p, q = spectra[from_seen], spectra[from_seen + one]
            a, b = (p * c - q * d) * heard[s], (p * d + q * c) * heard[s]
            real[k, s] = a * cosine[s] - b * sine[s]
            imaginary[k, s] = a * sine[s] + b * cosine[s]
    return Pilots(real, imaginary)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def pilot_sums(pilots: Pilots, response: np.ndarray, usable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pilots of each symbol times the conjugate channel, added up, and what they would add up to.

    Args:
        pilots: of S symbols.
        response: complex64 [S or 1, Np].
        usable: bool [S].

    Returns:
        complex64 [S] and float64 [S].
    """
    count, n_pilots = np.uint64(usable.size), np.uint64(response.shape[1])
    total_i, total_q = np.zeros(count, np.float32), np.zeros(count, np.float32)
    weight = np.zeros(count, np.float32)
    moving = response.shape[0] > 1
    expected = response.reshape(-1)
    for k in range(n_pilots):
        in_i, in_q = pilots.real[k], pilots.imaginary[k]
        h = expected[k]
        for s in range(count):
            if moving:
                h = expected[s * n_pilots + k]
            total_i[s] += in_i[s] * h.real + in_q[s] * h.imag
            total_q[s] += in_q[s] * h.real - in_i[s] * h.imag
            weight[s] += h.real * h.real + h.imag * h.imag
    total = np.empty(count, np.complex64)
    gain = np.empty(count)
    for s in range(count):
        total[s] = complex(total_i[s], total_q[s])
        gain[s] = weight[s] if usable[s] else 0.0
    return total, gain


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def solve_delay(sums: np.ndarray, count: int) -> DelayFit:
    """Line from the sums of `add_delay_information` over `count` symbols, with a Gaussian prior on the clock offset."""
    # The training symbols fixed delay zero about as well as one symbol's pilots would.
    a00 = sums[0] + max(sums[0] / count, 1e-6)
    a01 = sums[1]
    a11 = sums[2] + 1.0 / (_CLOCK_PRIOR * _CLOCK_PRIOR)
    determinant = a00 * a11 - a01 * a01
    return DelayFit(
        (a11 * sums[3] - a01 * sums[4]) / determinant,
        (a00 * sums[4] - a01 * sums[3]) / determinant,
        a11 / determinant,
        -a01 / determinant,
        a00 / determinant,
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def add_delay_information(
    pilots: Pilots,
    response: np.ndarray,
    usable: np.ndarray,
    ramp: np.ndarray,
    times: np.ndarray,
    fit: DelayFit,
    noise_variance: float,
    sums: np.ndarray,
) -> None:
    """Add what the pilots of some symbols say about delay: Σ(w, wt, wt², wd, wdt) with observed delay d of precision w.

    Each symbol's pilots are turned by their own common phase; centred subcarrier indices make the slope over frequency
    independent of it. Linearized around `fit`, the delay with which the pilots were turned.

    Args:
        pilots: of S symbols.
        response: complex64 [1, Np], channel of the pilots.
        usable: bool [S].
        ramp: float64 [Np], 2πk/N.
        times: float64 [S], samples since the training symbols.
        fit: delay.
        noise_variance: of each pilot.
        sums: float64 [5], added to.
    """
    count, n_pilots = np.uint64(times.size), np.uint64(ramp.size)
    gain, centre, information = 0.0, 0.0, 0.0
    for k in range(n_pilots):
        h = response[0, k]
        weight = h.real * h.real + h.imag * h.imag
        gain += weight
        centre += weight * ramp[k]
    centre /= max(gain, 1e-300)
    for k in range(n_pilots):
        h = response[0, k]
        information += (h.real * h.real + h.imag * h.imag) * (ramp[k] - centre) ** 2
    if information <= 0.0:
        return
    # Im(turned) = weight · (phase error - ramp · delay error); centring drops the former.
    real, imaginary = np.zeros(count, np.float32), np.zeros(count, np.float32)
    slope_i, slope_q = np.zeros(count, np.float32), np.zeros(count, np.float32)
    for k in range(n_pilots):
        in_i, in_q = pilots.real[k], pilots.imaginary[k]
        h, arm = response[0, k], np.float32(ramp[k] - centre)
        for s in range(count):
            a = in_i[s] * h.real + in_q[s] * h.imag
            b = in_q[s] * h.real - in_i[s] * h.imag
            real[s] += a
            imaginary[s] += b
            slope_i[s] += arm * a
            slope_q[s] += arm * b
    precision = 2.0 * information / noise_variance
    n_heard, first, second, observed, moment = 0.0, 0.0, 0.0, 0.0, 0.0
    for s in range(count):
        magnitude = np.sqrt(real[s] * real[s] + imaginary[s] * imaginary[s])
        heard = 1.0 if usable[s] and magnitude > np.float32(0) else 0.0
        slope = (slope_q[s] * real[s] - slope_i[s] * imaginary[s]) / max(magnitude, np.float32(1e-37))
        delay = fit.offset + fit.rate * times[s] - slope / information
        n_heard += heard
        first += heard * times[s]
        second += heard * times[s] * times[s]
        observed += heard * delay
        moment += heard * delay * times[s]
    sums[0] += precision * n_heard
    sums[1] += precision * first
    sums[2] += precision * second
    sums[3] += precision * observed
    sums[4] += precision * moment
