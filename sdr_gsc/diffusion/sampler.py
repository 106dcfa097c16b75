"""Samplers: from the level a schedule starts at down to a clean picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .denoiser import Denoiser
from .likelihood import Likelihood
from .schedule import NoiseSchedule

__all__ = ["Guidance", "OnStep", "SamplerStep", "quietly", "sample_posterior"]


@dataclass(frozen=True, slots=True)
class SamplerStep:
    """One step's news, for progress bars and pictures of the way.

    Attributes:
        step: 1-based number of the step.
        steps: steps in all.
        clean: the clean estimate at this step, float [B, 3, H, W].
    """

    step: int
    steps: int
    clean: Tensor


OnStep = Callable[[SamplerStep], None]


def quietly(step: SamplerStep) -> None:
    """Default callback: nobody listens."""


class Guidance(Protocol):
    """One guided step; the solvers of `guidance` follow it."""

    @property
    def evaluations(self) -> int:
        """Evaluations of the denoiser per step, without the backward passes that some solvers take through them."""
        ...

    def step(
        self,
        noisy: Tensor,
        sigma: float,
        next_sigma: float,
        denoiser: Denoiser,
        likelihood: Likelihood,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """One step from σ to the next.

        Args:
            noisy: x_σ, float [B, 3, H, W]; each entry of the batch is a draw of its own.
            sigma: σ.
            next_sigma: σ', below σ; 0 at the last step.
            denoiser: the prior.
            likelihood: the evidence.
            generator: of all noise.

        Returns:
            The picture at `next_sigma` and the clean estimate behind it, both float [B, 3, H, W].
        """
        ...


def sample_posterior(
    denoiser: Denoiser,
    likelihood: Likelihood,
    guidance: Guidance,
    schedule: NoiseSchedule,
    start: Tensor,
    generator: torch.Generator,
    on_step: OnStep = quietly,
) -> Tensor:
    """Draw from p(picture | received symbols), float [B, 3, H, W] in [-1, 1] (not clamped).

    Args:
        denoiser: the prior.
        likelihood: the evidence.
        guidance: the solver.
        schedule: noise levels; the first should match the error of `start`.
        start: estimate to start from, float [B, 3, H, W] in [-1, 1]; noise of the first level is added to it.
        generator: of all noise.
        on_step: called after each step.
    """
    levels = schedule.levels()
    state = start + float(levels[0]) * torch.randn(start.shape, generator=generator, device=start.device)
    clean = start
    for index, (now, then) in enumerate(zip(levels[:-1], levels[1:], strict=True)):
        state, clean = guidance.step(state, float(now), float(then), denoiser, likelihood, generator)
        on_step(SamplerStep(index + 1, schedule.steps, clean))
    return clean
