"""Walking the bridge from the estimate to a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..semantic.decoder import Estimate
from .bridge import Bridge, BridgeCondition
from .decoding import repeated
from .ode import Ddim, EarlyExit, OdeSampler
from .sampler import OnStep, SamplerStep, quietly
from .schedule import BridgeSchedule

__all__ = ["BridgeDraw", "condition_of", "sample_bridge"]


@dataclass(frozen=True, slots=True)
class BridgeDraw:
    """What a walk gave; pictures in [0, 1] units, not clamped.

    Attributes:
        drawn: where the walk ended, float [B, 3, H, W]; after one step the bridge's first estimate.
        estimates: estimates of the bridge that it took.
    """

    drawn: Tensor
    estimates: int


def condition_of(estimate: Estimate, samples: int) -> BridgeCondition:
    """The codec's estimate of one picture as the condition of so many draws."""
    return BridgeCondition(
        repeated(estimate.picture, samples),
        repeated(estimate.deviation, samples),
        repeated(estimate.linear.picture, samples),
        repeated(estimate.linear.latent, samples),
    )


@torch.no_grad()
def sample_bridge(
    bridge: Bridge,
    condition: BridgeCondition,
    schedule: BridgeSchedule,
    kappa: float,
    generator: torch.Generator,
    on_step: OnStep = quietly,
    sampler: OdeSampler | None = None,
    early_exit: float | None = None,
    noise: float | Sequence[float] = 1.0,
) -> BridgeDraw:
    """Walk the bridge from estimate plus noise to a picture.

    With all of its noise, the first step's estimate is the bridge's own conditional mean, and the more steps, the
    closer the last state comes to a draw from the posterior. Without noise every step corrects the estimate a little
    further: inversion by direct iteration (Delbracio and Milanfar 2023, arXiv:2303.11435, algorithm 1).

    Args:
        bridge: the trained bridge.
        condition: what was received.
        schedule: times.
        kappa: strength of the bridge: its noise relative to the estimate's predicted error, 0.1…1.
        generator: of the starting noise.
        on_step: called after each step.
        sampler: how to walk; None takes `Ddim`, which is Euler's step here.
        early_exit: see EarlyExit; None walks to the end. The first of the batch decides for all.
        noise: size of the starting noise relative to κτ, 0…1: one for all, or one for each of the batch.
    """
    batch, device = condition.estimate.shape[0], condition.estimate.device
    drawn = torch.randn(condition.estimate.shape, generator=generator, device=device)
    scale = torch.as_tensor(noise, dtype=torch.float32, device=device).reshape(-1, 1, 1, 1)
    ones = torch.ones(batch, device=device)
    rested = None if early_exit is None else EarlyExit(early_exit, condition.deviation[:1])

    def predict(state: Tensor, t: float) -> Tensor:
        return bridge(state, condition, t * ones, kappa * ones)

    def on_evaluation(step: int, steps: int, clean: Tensor, t: float) -> bool:
        on_step(SamplerStep(step, steps, clean))
        return rested is not None and rested(step, steps, clean[:1], t)

    start = condition.estimate + kappa * condition.deviation * (scale * drawn)
    walk = (sampler or Ddim()).walk(predict, start, schedule.times().tolist(), on_evaluation)
    return BridgeDraw(walk.state, walk.evaluations)
