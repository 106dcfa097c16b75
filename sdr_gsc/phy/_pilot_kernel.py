"""Compiled use of a frame's pilots: a straight line of delay, and the sums that show the common phase."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

__all__ = ["DelayFit", "Pilots", "add_delay_information", "pilot_sums", "solve_delay", "turn_pilots"]

#: Standard deviation of the sampling-clock offset before anything is measured.
_CLOCK_PRIOR = 40e-6
#: Symbols after which a running phasor is computed afresh.
_FRESH = 64


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
        real: float32 [S·Np]; 0 where nothing was received.
        imaginary: float32 [S·Np].
    """

    real: np.ndarray
    imaginary: np.ndarray


@njit(cache=True, nogil=True, error_model="numpy")
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
    real, imaginary = np.zeros(count * n_pilots, np.float32), np.zeros(count * n_pilots, np.float32)
    # Real and imaginary part of: running phasor exp(j·ramp·delay), its step per symbol, exp(-j·ramp·shift).
    run_i, run_q = np.empty(n_pilots), np.empty(n_pilots)
    step_i, step_q = np.empty(n_pilots), np.empty(n_pilots)
    window_i, window_q = np.empty(n_pilots), np.empty(n_pilots)
    at = np.empty(n_pilots, np.uint64)
    spacing = times[1] - times[0] if count > 1 else 0.0
    for k in range(n_pilots):
        at[k] = bins[k]
        step_i[k] = np.cos(ramp[k] * fit.rate * spacing)
        step_q[k] = np.sin(ramp[k] * fit.rate * spacing)
    spectra, sent = values.reshape(-1), pilot_tones.reshape(-1)
    for s in range(count):
        if s % np.uint64(_FRESH) == 0:
            delay = fit.offset + fit.rate * times[s]
            for k in range(n_pilots):
                run_i[k], run_q[k] = np.cos(ramp[k] * delay), np.sin(ramp[k] * delay)
        if s == 0 or shift[s] != shift[s - np.uint64(1)]:
            for k in range(n_pilots):
                window_i[k], window_q[k] = np.cos(ramp[k] * shift[s]), -np.sin(ramp[k] * shift[s])
        for k in range(n_pilots):
            i, q = run_i[k], run_q[k]
            run_i[k] = i * step_i[k] - q * step_q[k]
            run_q[k] = i * step_q[k] + q * step_i[k]
            if usable[s]:
                known, seen = sent[s * n_pilots + k], spectra[s * n + at[k]]
                # seen · known · running phasor · window's phasor, in real numbers
                c = seen.real * known.real - seen.imag * known.imag
                d = seen.real * known.imag + seen.imag * known.real
                p = i * window_i[k] - q * window_q[k]
                r = i * window_q[k] + q * window_i[k]
                real[s * n_pilots + k] = c * p - d * r
                imaginary[s * n_pilots + k] = c * r + d * p
    return Pilots(real, imaginary)


@njit(cache=True, nogil=True, error_model="numpy")
def pilot_sums(pilots: Pilots, response: np.ndarray, usable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pilots of each symbol times the conjugate channel, added up, and what they would add up to.

    Args:
        pilots: of S symbols.
        response: complex64 [S or 1, Np].
        usable: bool [S].

    Returns:
        complex128 [S] and float64 [S].
    """
    count, n_pilots = np.uint64(usable.size), np.uint64(response.shape[1])
    expected = response.reshape(-1)
    follow = n_pilots if response.shape[0] > 1 else np.uint64(0)
    total = np.empty(count, np.complex128)
    gain = np.zeros(count)
    for s in range(count):
        real, imaginary, weight = 0.0, 0.0, 0.0
        for k in range(n_pilots):
            h = expected[s * follow + k]
            c, d = pilots.real[s * n_pilots + k], pilots.imaginary[s * n_pilots + k]
            real += c * h.real + d * h.imag
            imaginary += d * h.real - c * h.imag
            weight += h.real * h.real + h.imag * h.imag
        total[s] = complex(real, imaginary)
        if usable[s]:
            gain[s] = weight
    return total, gain


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy")
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
    n_pilots = np.uint64(ramp.size)
    weight, arm = np.empty(n_pilots), np.empty(n_pilots)
    gain, centre, information = 0.0, 0.0, 0.0
    for k in range(n_pilots):
        h = response[0, k]
        weight[k] = h.real * h.real + h.imag * h.imag
        gain += weight[k]
        centre += weight[k] * ramp[k]
    if gain <= 0.0:
        return
    for k in range(n_pilots):
        arm[k] = ramp[k] - centre / gain
        information += weight[k] * arm[k] * arm[k]
    if information <= 0.0:
        return
    precision = 2.0 * information / noise_variance
    turned_i, turned_q = np.empty(n_pilots), np.empty(n_pilots)
    for s in range(np.uint64(times.size)):
        if not usable[s]:
            continue
        real, imaginary = 0.0, 0.0
        for k in range(n_pilots):
            h = response[0, k]
            c, d = pilots.real[s * n_pilots + k], pilots.imaginary[s * n_pilots + k]
            turned_i[k], turned_q[k] = c * h.real + d * h.imag, d * h.real - c * h.imag
            real += turned_i[k]
            imaginary += turned_q[k]
        magnitude = np.sqrt(real * real + imaginary * imaginary)
        if magnitude == 0.0:
            continue
        # Im(turned) = weight · (phase error - ramp · delay error); centring drops the former.
        slope = 0.0
        for k in range(n_pilots):
            slope += arm[k] * (turned_q[k] * real - turned_i[k] * imaginary)
        observed = fit.offset + fit.rate * times[s] - slope / (magnitude * information)
        sums[0] += precision
        sums[1] += precision * times[s]
        sums[2] += precision * times[s] * times[s]
        sums[3] += precision * observed
        sums[4] += precision * observed * times[s]
