"""A clock against another one: frequency and drift of a tone whose phase also wanders, and how well they can be known.

The phase of a tone, block by block, is φ_i = 2π(f t_i + ½ f' t_i²) + w_i + v_i: w a Wiener process (oscillators), v
white (noise). GLS on the differences of neighbours, whose covariance is tridiagonal, is maximum likelihood at high SNR
and meets the Cramér-Rao bound of that model; without w it is the estimator of Tretter (IEEE Trans. Inf. Theory 31(6),
1985).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded

from .errors import CalibrationError, ClockError

__all__ = [
    "ClockFit",
    "LineFit",
    "fit_clock",
    "fit_line",
    "require_no_jump",
    "track_phase",
    "white_variance",
    "wiener_variance",
]


#: Blocks taken together where the walk is weak, and the least walk believed there, in units of the noise.
_LONG, _LEAST_WALK = 8, 0.04


@dataclass(frozen=True, slots=True)
class ClockFit:
    """Frequency of a tone, and how well it is known.

    Attributes:
        frequency_hz: beyond the one that was taken out, in the middle.
        deviation_hz: its standard deviation by the Cramér-Rao bound of the model.
    """

    frequency_hz: float
    deviation_hz: float


@dataclass(frozen=True, slots=True)
class LineFit:
    """A straight line through frequencies.

    Attributes:
        value: at the last time.
        slope: per unit of time.
        value_deviation: standard deviation of `value`.
        slope_deviation: standard deviation of `slope`.
        scatter: root mean square of what is left, with the two degrees of freedom taken off.
        residuals: float64 [n].
    """

    value: float
    slope: float
    value_deviation: float
    slope_deviation: float
    scatter: float
    residuals: np.ndarray


def track_phase(samples: np.ndarray, cycles_per_sample: float, block: int) -> np.ndarray:
    """Phase of a tone block by block, without that of the frequency given; float64 [n // block], unwrapped.

    Args:
        samples: complex64 [n], n of at least three blocks.
        cycles_per_sample: of the tone, within a tenth of 1/block.
        block: samples of one block.

    Raises:
        CalibrationError: fewer than three blocks.
    """
    n_blocks = samples.size // block
    if n_blocks < 3:
        raise CalibrationError(f"{samples.size} samples are too few; capture at least {3 * block}")
    turned = samples[: n_blocks * block] * np.exp(-2j * np.pi * cycles_per_sample * np.arange(n_blocks * block))
    return np.unwrap(np.angle(turned.reshape(n_blocks, block).mean(axis=1)))


def white_variance(sample_snr: float, block: int) -> float:
    """Variance of a block's phase by noise, 1 / (2 SNR B), rad²."""
    return 1 / (2 * sample_snr * block)


def wiener_variance(phases: Sequence[np.ndarray], white: float) -> float:
    """Variance w that the oscillators add from one block to the next, rad²: what differences have beyond the noise.

    Means of a walk over blocks have steps of variance 2w/3 and covariance w/6 with their neighbours, so second
    differences, which leave out frequency and drift but for its tiny square, have the variance w + 6v.
    """
    fine = _second(phases, 1) - 6 * white
    if fine > 2 * white:
        return fine
    # A weak walk shows only over longer blocks, where noise has less to say: w m + 6v/m over m of them.
    coarse = (_second(phases, _LONG) - 6 * white / _LONG) / _LONG
    return coarse if coarse > _LEAST_WALK * white else 0.0


def _second(phases: Sequence[np.ndarray], together: int) -> float:
    """Mean square of the second differences of means over so many blocks."""
    rows = [phase[: phase.size // together * together].reshape(-1, together).mean(axis=1) for phase in phases]
    return float(np.mean([np.mean(np.diff(row, 2) ** 2) for row in rows]))


def fit_clock(phase: np.ndarray, block_s: float, white: float, wiener: float) -> ClockFit:
    """Frequency by GLS on the differences of the phase.

    Args:
        phase: float64 [n], unwrapped, n >= 3.
        block_s: length of a block.
        white: variance of a phase by noise, rad².
        wiener: variance of a step of the oscillators, rad².
    """
    steps = np.diff(phase)
    # A floor keeps the covariance of a noiseless signal regular without any weight beside real noise.
    v, w = max(white, 1e-18), max(wiener, 1e-18)
    # Means of a walk over blocks: see `wiener_variance`.
    banded = np.stack([np.full(steps.size, 2 * v + w * 2 / 3), np.full(steps.size, -v + w / 6)])
    weighted = solveh_banded(banded, np.ones(steps.size), lower=True)
    total = float(weighted.sum())
    unit = 2 * math.pi * block_s
    return ClockFit(float(weighted @ steps) / total / unit, 1 / math.sqrt(total) / unit)


def fit_line(times: np.ndarray, values: np.ndarray, deviation: float) -> LineFit:
    """Least squares; with equal deviations σ, var slope = σ² / Σ(t - t̄)² and var value = σ² (1/n + (t_n - t̄)² / Σ ...).

    Args:
        times: float64 [n], n >= 3.
        values: float64 [n].
        deviation: σ of each value; 0 takes what is left as σ.

    Raises:
        CalibrationError: fewer than three values.
    """
    if times.size < 3:
        raise CalibrationError(f"{times.size} values make no line; measure at least 3")
    centred = times - times.mean()
    spread = float(centred @ centred)
    slope = float(centred @ values) / spread
    residuals = values - values.mean() - slope * centred
    scatter = math.sqrt(float(residuals @ residuals) / (times.size - 2))
    sigma = deviation or scatter
    last = float(centred[-1])
    return LineFit(
        value=float(values.mean()) + slope * last,
        slope=slope,
        value_deviation=sigma * math.sqrt(1 / times.size + last**2 / spread),
        slope_deviation=sigma / math.sqrt(spread),
        scatter=scatter,
        residuals=residuals,
    )


def require_no_jump(fit: LineFit, deviation: float, tolerance: float) -> None:
    """Refuse frequencies of which one lies off the line by more than noise explains.

    Args:
        fit: line through them.
        deviation: standard deviation of each.
        tolerance: deviation that does not matter.

    Raises:
        ClockError: says by how much.
    """
    largest = float(np.abs(fit.residuals).max())
    if largest > max(8 * deviation, tolerance):
        raise ClockError(
            f"the frequency jumped by {largest:.1f} Hz during the measurement, noise explains {deviation:.2g} Hz; wait "
            "until the clock has settled, check the reference, and measure again"
        )
