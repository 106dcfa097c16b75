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
    """Received pilots times the conjugate of what was expected, delay removed.

    Attributes:
        real: float64 [S·Np], weight·cos(phase error) where all is well.
        imaginary: float64 [S·Np].
        weight: float64 [S·Np], squared magnitude of what was expected; 0 where nothing was received.
    """

    real: np.ndarray
    imaginary: np.ndarray
    weight: np.ndarray


@njit(cache=True, nogil=True, error_model="numpy")
def turn_pilots(
    values: np.ndarray,
    response: np.ndarray,
    pilot_tones: np.ndarray,
    bins: np.ndarray,
    ramp: np.ndarray,
    times: np.ndarray,
    shift: np.ndarray,
    usable: np.ndarray,
    fit: DelayFit,
) -> Pilots:
    """Match the pilots of some symbols to the channel and the delay.

    Args:
        values: complex64 [S, N], FFTs.
        response: complex64 [S or 1, Np], channel of the pilots.
        pilot_tones: complex64 [S, Np], conjugate transmitted pilots.
        bins: int64 [Np], of the pilots.
        ramp: float64 [Np], 2πk/N.
        times: float64 [S], samples since the training symbols, one symbol apart.
        shift: int64 [S], samples by which the windows followed the delay.
        usable: bool [S].
        fit: delay.
    """
    count, n_pilots, n = np.uint64(times.size), np.uint64(ramp.size), np.uint64(values.shape[1])
    real, imaginary = np.zeros(count * n_pilots), np.zeros(count * n_pilots)
    weight = np.zeros(count * n_pilots)
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
    expected = response.reshape(-1)
    follow = n_pilots if response.shape[0] > 1 else np.uint64(0)
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
                known, seen, h = sent[s * n_pilots + k], spectra[s * n + at[k]], expected[s * follow + k]
                # seen · known · conj(h) · running phasor · window's phasor, in real numbers
                a = seen.real * known.real - seen.imag * known.imag
                b = seen.real * known.imag + seen.imag * known.real
                c = a * h.real + b * h.imag
                d = b * h.real - a * h.imag
                p = i * window_i[k] - q * window_q[k]
                r = i * window_q[k] + q * window_i[k]
                real[s * n_pilots + k] = c * p - d * r
                imaginary[s * n_pilots + k] = c * r + d * p
                weight[s * n_pilots + k] = h.real * h.real + h.imag * h.imag
    return Pilots(real, imaginary, weight)


@njit(cache=True, nogil=True, error_model="numpy")
def pilot_sums(pilots: Pilots, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pilots of each of `count` symbols added up, complex128 [S], and what they would add up to, float64 [S]."""
    size = np.uint64(count)
    n_pilots = np.uint64(pilots.real.size) // size
    total = np.empty(size, np.complex128)
    gain = np.empty(size)
    for s in range(size):
        real, imaginary, weight = 0.0, 0.0, 0.0
        for k in range(s * n_pilots, (s + np.uint64(1)) * n_pilots):
            real += pilots.real[k]
            imaginary += pilots.imaginary[k]
            weight += pilots.weight[k]
        total[s] = complex(real, imaginary)
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
    pilots: Pilots, ramp: np.ndarray, times: np.ndarray, fit: DelayFit, noise_variance: float, sums: np.ndarray
) -> None:
    """Add what the pilots of some symbols say about delay: Σ(w, wt, wt², wd, wdt) with observed delay d of precision w.

    Each symbol's pilots are turned by their own common phase; centred subcarrier indices make the slope over frequency
    independent of it. Linearized around `fit`, the delay with which the pilots were turned.
    """
    n_pilots = np.uint64(ramp.size)
    for s in range(np.uint64(times.size)):
        first = s * n_pilots
        centre, real, imaginary, gain = 0.0, 0.0, 0.0, 0.0
        for k in range(n_pilots):
            gain += pilots.weight[first + k]
            centre += pilots.weight[first + k] * ramp[k]
            real += pilots.real[first + k]
            imaginary += pilots.imaginary[first + k]
        magnitude = np.sqrt(real * real + imaginary * imaginary)
        if gain <= 0.0 or magnitude == 0.0:
            continue
        centre /= gain
        real /= magnitude
        imaginary /= magnitude
        information, slope = 0.0, 0.0
        # Im(turned) = weight · (phase error - ramp · delay error); centring drops the former.
        for k in range(n_pilots):
            arm = ramp[k] - centre
            information += pilots.weight[first + k] * arm * arm
            slope += arm * (pilots.imaginary[first + k] * real - pilots.real[first + k] * imaginary)
        if information <= 0.0:
            continue
        precision = 2.0 * information / noise_variance
        observed = fit.offset + fit.rate * times[s] - slope / information
        sums[0] += precision
        sums[1] += precision * times[s]
        sums[2] += precision * times[s] * times[s]
        sums[3] += precision * observed
        sums[4] += precision * observed * times[s]
