"""Errors counted in trials: how many trials, how certain, and where a falling curve crosses a rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.stats

__all__ = ["crossing_db", "decibels", "poisson_interval", "poisson_limit", "trials"]


def trials(number: int, effort: float, least: int = 1) -> int:
    """Trials at an effort: `number` at effort 1, never fewer than `least`."""
    return max(least, round(number * effort))


def decibels(power_ratio: float) -> float:
    """10 log10 of a ratio; NaN stays NaN, and nothing falls below -300 dB."""
    return float(10 * np.log10(np.maximum(power_ratio, 1e-30)))


def poisson_interval(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Means for which a Poisson count is not surprising (F. Garwood, Biometrika 28, 1936)."""
    tail = (1 - confidence) / 2
    low = float(scipy.stats.chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    return low, float(scipy.stats.chi2.isf(tail, 2 * count + 2)) / 2


def poisson_limit(expected: float, surprise: float = 1e-3) -> int:
    """Count that a Poisson variable of mean `expected` exceeds with a probability of at most `surprise`."""
    return int(scipy.stats.poisson.isf(surprise, expected))


def crossing_db(snr_db: Sequence[float], errors: Sequence[int], counts: Sequence[int], rate: float) -> float:
    """Signal-to-noise ratio at which an error rate falls to `rate`: a straight line in its logarithm.

    No error in n trials counts as half an error, so that a crossing can be found beyond the last point with errors.

    Args:
        snr_db: ascending.
        errors: at each ratio.
        counts: trials at each ratio.
        rate: in (0, 1).

    Returns:
        dB; NaN when the rate is not crossed between two of the points.
    """
    logs = np.log([max(wrong, 0.5) / count for wrong, count in zip(errors, counts, strict=True)])
    wanted = float(np.log(rate))
    above = np.flatnonzero(logs > wanted)
    if above.size == 0 or above[-1] == logs.size - 1:
        return float("nan")
    at = int(above[-1])
    share = (logs[at] - wanted) / (logs[at] - logs[at + 1])
    return float(snr_db[at] + share * (snr_db[at + 1] - snr_db[at]))
