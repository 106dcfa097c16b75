"""Schedules: the levels that a sampler visits, from noisy to clean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import SettingsError

__all__ = ["BridgeSchedule", "NoiseSchedule"]


@dataclass(frozen=True, slots=True)
class NoiseSchedule:
    """Noise levels of x_σ = x0 + σ·n, spaced evenly in σ^(1/ρ) (Karras et al. 2022, equation 5).

    Attributes:
        start: first σ, > end; the posterior decoder matches it to what the received symbols leave open.
        end: last σ before the clean picture.
        steps: levels in all, >= 1.
        rho: spacing; larger spends more steps at low noise.
    """

    start: float
    end: float = 0.01
    steps: int = 20
    rho: float = 7.0

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.end < self.start:
            raise SettingsError(
                f"noise schedule from {self.start} to {self.end} in {self.steps} steps; "
                "needed start > end > 0 and at least one step"
            )

    def levels(self) -> np.ndarray:
        """float64 [steps + 1]: σ from `start` to `end`, then 0.

        >>> NoiseSchedule(start=1.0, end=0.1, steps=2, rho=1.0).levels().tolist()
        [1.0, 0.1, 0.0]
        """
        ramp = np.linspace(0, 1, self.steps)
        spaced = (
            self.start ** (1 / self.rho) + ramp * (self.end ** (1 / self.rho) - self.start ** (1 / self.rho))
        ) ** self.rho
        return np.append(spaced, 0.0)


@dataclass(frozen=True, slots=True)
class BridgeSchedule:
    """Times of the bridge, evenly from 1 (estimate plus noise) to 0 (picture).

    Attributes:
        steps: evaluations of the denoiser, 1…256.
    """

    steps: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 256:
            raise SettingsError(f"steps is {self.steps}; needed 1…256 for refine, consistency and posterior:cddb")

    def times(self) -> np.ndarray:
        """float64 [steps + 1] from 1 to 0."""
        return np.linspace(1.0, 0.0, self.steps + 1)
