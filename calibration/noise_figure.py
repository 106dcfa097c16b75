"""Noise figure by the Y factor."""

from __future__ import annotations

import math

from .errors import CalibrationError

__all__ = ["noise_figure_db", "noise_figure_deviation_db"]

_STANDARD_K = 290.0


def noise_figure_db(hot_power: float, cold_power: float, enr_db: float, cold_k: float = _STANDARD_K) -> float:
    """NF = 10 log10(1 + T_e / 290 K), T_e = (T_hot - Y T_cold) / (Y - 1), Y = hot / cold.

    Args:
        hot_power: mean |noise|² with the source hot.
        cold_power: the same with the source cold, in the same units.
        enr_db: 10 log10((T_hot - 290 K) / 290 K).
        cold_k: T_cold.

    Raises:
        CalibrationError: the two states do not differ as they must.

    >>> round(noise_figure_db(10 ** 1.5 + 2, 2.0, 15.0), 2)
    3.01
    """
    ratio = hot_power / cold_power if cold_power > 0 else math.inf
    hot_k = _STANDARD_K * (1 + 10 ** (enr_db / 10))
    if not 1.01 < ratio < hot_k / cold_k:
        raise CalibrationError(
            f"hot and cold differ by {10 * math.log10(max(ratio, 1e-30)):.2f} dB; check that the source is switched, "
            "and that no gain control is on"
        )
    receiver_k = (hot_k - ratio * cold_k) / (ratio - 1)
    return 10 * math.log10(1 + receiver_k / _STANDARD_K)


def noise_figure_deviation_db(
    hot_power: float, cold_power: float, n_samples: int, enr_db: float, cold_k: float = _STANDARD_K
) -> float:
    """Standard deviation of `noise_figure_db`, to first order: powers of N samples have relative variance 1/N each."""
    step = 1e-4
    at = noise_figure_db(hot_power, cold_power, enr_db, cold_k)
    slope = (noise_figure_db(hot_power * (1 + step), cold_power, enr_db, cold_k) - at) / step
    return abs(slope) * math.sqrt(2 / n_samples)
