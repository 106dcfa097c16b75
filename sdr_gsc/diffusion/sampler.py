"""Samplers: from the level a schedule starts at down to a clean picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .bridge import BridgeCondition, BridgeDenoiser
from .denoiser import Denoiser
from .likelihood import Likelihood
from .schedule import BridgeSchedule, NoiseSchedule

__all__ = ["Guidance", "OnStep", "SamplerStep", "quietly", "sample_bridge", "sample_posterior"]


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

    def step(
        self,
        noisy: Tensor,
        sigma: float,
        next_sigma: float,
        denoiser: Denoiser,
        likelihood: Likelihood,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """The picture at `next_sigma` and the clean estimate behind it."""
        ...


@torch.no_grad()
def sample_bridge(
    denoiser: BridgeDenoiser,
    condition: BridgeCondition,
    schedule: BridgeSchedule,
    kappa: float,
    generator: torch.Generator,
    on_step: OnStep = quietly,
) -> tuple[Tensor, Tensor]:
    """Walk the bridge from estimate plus noise to a picture.

    Along a line x_t = x_0 + t·(x_1 - x_0), Euler's step with the current estimate of x_0 is x_s = x̂ + (s/t)(x_t - x̂).
    The first step's estimate is the bridge's own conditional mean; the more steps, the closer the last state comes to a
    draw from the posterior.

    Args:
        denoiser: the trained bridge.
        condition: what was received.
        schedule: times.
        kappa: size of the starting noise relative to the estimate's predicted error, 0.1…1.
        generator: of the starting noise.
        on_step: called after each step.

    Returns:
        The conditional mean and the draw, both float [B, 3, H, W] in [0, 1] units, not clamped; equal for one step.
    """
    batch = condition.estimate.shape[0]
    device = condition.estimate.device
    noise = torch.randn(condition.estimate.shape, generator=generator, device=device)
    state = condition.estimate + kappa * condition.deviation * noise
    mean = state
    strength = torch.full((batch,), kappa, device=device)
    times = schedule.times()
    for index, (now, then) in enumerate(zip(times[:-1], times[1:], strict=True)):
        clean = denoiser(state, condition, torch.full((batch,), float(now), device=device), strength)
        state = clean + float(then / now) * (state - clean)
        mean = clean if index == 0 else mean
        on_step(SamplerStep(index + 1, schedule.steps, clean))
    return mean, state


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
