"""Discrete noise levels of variance-preserving models: betas to the σ of x_σ = x0 + σ·n.

A model of T steps was trained on x_t = √ᾱ_t·x0 + √(1-ᾱ_t)·n with ᾱ_t = Π(1 - β_i) (Ho et al. 2020, equation 4). Divided
by √ᾱ_t that is x0 + σ_t·n with σ_t = √(1/ᾱ_t - 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...errors import WeightsError

__all__ = ["NoiseLevels", "betas"]

#: Largest β of the cosine schedule (Nichol and Dhariwal 2021, section 3.2) and its offset.
_LARGEST_BETA = 0.999
_COSINE_OFFSET = 0.008
_SMALLEST_STEPS = 2


def betas(schedule: str, steps: int, start: float, end: float) -> np.ndarray:
    """Variances β, float64 [steps], of a named schedule.

    Args:
        schedule: ``linear`` (Ho et al. 2020), ``scaled_linear`` (linear in √β; latent diffusion), ``squaredcos_cap_v2``
            (cosine; Nichol and Dhariwal 2021) or ``sigmoid``.
        steps: T.
        start: first β; the cosine schedule has no use for it.
        end: last β; likewise.

    >>> betas("linear", 3, 0.1, 0.3).round(3).tolist()
    [0.1, 0.2, 0.3]

    Raises:
        WeightsError: unknown schedule, or numbers that are no variances.
    """
    if steps < _SMALLEST_STEPS or not 0 < start <= end < 1:
        raise WeightsError(
            f"noise schedule has {steps} steps with betas {start}…{end}; needed at least {_SMALLEST_STEPS} steps and "
            "0 < first <= last < 1: correct the scheduler's configuration"
        )
    if schedule == "linear":
        return np.linspace(start, end, steps)
    if schedule == "scaled_linear":
        return np.linspace(start**0.5, end**0.5, steps) ** 2
    if schedule == "squaredcos_cap_v2":
        at = np.arange(steps + 1) / steps
        kept = np.cos((at + _COSINE_OFFSET) / (1 + _COSINE_OFFSET) * math.pi / 2) ** 2
        return np.minimum(1 - kept[1:] / kept[:-1], _LARGEST_BETA)
    if schedule == "sigmoid":
        return start + (end - start) / (1 + np.exp(-np.linspace(-6, 6, steps)))
    raise WeightsError(
        f"beta schedule {schedule!r} is unknown; needed linear, scaled_linear, squaredcos_cap_v2 or sigmoid, or "
        "trained_betas in the scheduler's configuration"
    )


@dataclass(frozen=True, slots=True)
class NoiseLevels:
    """The levels a model was trained at.

    Attributes:
        sigmas: float64 [T], strictly rising, > 0.
    """

    sigmas: np.ndarray

    @classmethod
    def of_betas(cls, values: np.ndarray, *, zero_terminal_snr: bool = False) -> NoiseLevels:
        """From β, float64 [T].

        Args:
            values: in (0, 1).
            zero_terminal_snr: shift and scale √ᾱ so that the last one is 0 (Lin et al. 2024, algorithm 1); that level
                has no finite σ and is left out.

        Raises:
            WeightsError: not a list of variances.
        """
        values = np.asarray(values, np.float64)
        if values.ndim != 1 or values.size < _SMALLEST_STEPS or not ((values > 0) & (values < 1)).all():
            raise WeightsError("betas are not a list of at least two variances between 0 and 1: correct the scheduler")
        amplitude = np.sqrt(np.cumprod(1 - values))
        if zero_terminal_snr:
            amplitude = (amplitude - amplitude[-1]) * amplitude[0] / (amplitude[0] - amplitude[-1])
            amplitude = amplitude[:-1]
        return cls(np.sqrt(1 / amplitude**2 - 1))
