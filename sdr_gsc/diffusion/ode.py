"""Samplers of the probability-flow equation, as values: how to walk from one level to the next.

With x_σ = x_0 + σ·n and D(x, σ) = E[x_0 | x_σ] the flow is dx/dσ = (x - D(x, σ))/σ (Karras et al. 2022, equation 3).
The bridge's line x_t has the velocity dx/dt = (x - D(x, t))/t, the same equation with t for σ (see `bridge`), so that
every sampler here serves the prior's denoiser and the bridge alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..errors import SettingsError

__all__ = [
    "SAMPLERS",
    "Ddim",
    "DpmSolver2M",
    "EarlyExit",
    "Heun",
    "OdeSampler",
    "OnEvaluation",
    "Predict",
    "Walk",
    "sampler_by_name",
    "take_all",
]

#: D(x, level), the clean estimate.
Predict = Callable[[Tensor, float], Tensor]

#: Called with 1-based step, steps in all, clean estimate, and level of the step; true stops the walk at that estimate.
OnEvaluation = Callable[[int, int, Tensor, float], bool]


def take_all(step: int, steps: int, clean: Tensor, level: float) -> bool:
    """Walks to the end."""
    return False


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a walk ended.

    Attributes:
        state: at the last level, or the clean estimate at which the walk stopped.
        evaluations: of the denoiser.
    """

    state: Tensor
    evaluations: int


class OdeSampler(Protocol):
    """One way to solve the flow."""

    def walk(
        self, predict: Predict, state: Tensor, levels: Sequence[float], on_evaluation: OnEvaluation = take_all
    ) -> Walk:
        """Walk from `levels[0]`, where `state` is, down to `levels[-1]`.

        Args:
            predict: the denoiser.
            state: float [B, ...].
            levels: falling, all above 0 but the last one, which may be 0.
            on_evaluation: see there.

        Raises:
            SettingsError: fewer than two levels, or levels that do not fall.
        """
        ...


def _checked(levels: Sequence[float]) -> list[tuple[float, float]]:
    pairs = list(zip(levels[:-1], levels[1:], strict=True))
    if not pairs or any(not now > then >= 0 for now, then in pairs):
        raise SettingsError(
            f"a sampler was given the levels {list(levels)}; needed at least two, falling, down to >= 0"
        )
    return pairs


@dataclass(frozen=True, slots=True)
class Ddim:
    """First order, one evaluation a step: x' = D + (σ'/σ)(x - D).

    Song, Meng and Ermon 2021 (DDIM, arXiv:2010.02502) without fresh noise; along the bridge it is Euler's step of flow
    matching (Lipman et al. 2023, arXiv:2210.02747) for the velocity (x - D)/t.
    """

    def walk(
        self, predict: Predict, state: Tensor, levels: Sequence[float], on_evaluation: OnEvaluation = take_all
    ) -> Walk:
        """See OdeSampler."""
        pairs = _checked(levels)
        for index, (now, then) in enumerate(pairs):
            clean = predict(state, now)
            if on_evaluation(index + 1, len(pairs), clean, now):
                return Walk(clean, index + 1)
            state = clean + (then / now) * (state - clean)
        return Walk(state, len(pairs))


@dataclass(frozen=True, slots=True)
class Heun:
    """Second order, two evaluations a step, one where a step ends at 0.

    The trapezoidal rule of Karras et al. 2022, algorithm 1, without churn.
    """

    def walk(
        self, predict: Predict, state: Tensor, levels: Sequence[float], on_evaluation: OnEvaluation = take_all
    ) -> Walk:
        """See OdeSampler."""
        pairs, evaluations = _checked(levels), 0
        for index, (now, then) in enumerate(pairs):
            clean = predict(state, now)
            evaluations += 1
            if on_evaluation(index + 1, len(pairs), clean, now):
                return Walk(clean, evaluations)
            ahead = clean + (then / now) * (state - clean)
            if then > 0:
                slope, there = (state - clean) / now, (ahead - predict(ahead, then)) / then
                evaluations += 1
                ahead = state + (then - now) * 0.5 * (slope + there)
            state = ahead
        return Walk(state, evaluations)


@dataclass(frozen=True, slots=True)
class DpmSolver2M:
    """Second order, one evaluation a step: DPM-Solver++(2M) of Lu et al. 2022 (arXiv:2211.01095, algorithm 2).

    With λ = -ln σ, h = λ' - λ and r = h_before/h, x' = (σ'/σ) x + (1 - σ'/σ)·((1 + 1/2r) D - (1/2r) D_before). The
    first step has nothing before it and a last step to σ' = 0 has h = ∞: both are DDIM's.
    """

    def walk(
        self, predict: Predict, state: Tensor, levels: Sequence[float], on_evaluation: OnEvaluation = take_all
    ) -> Walk:
        """See OdeSampler."""
        pairs = _checked(levels)
        before: tuple[Tensor, float] | None = None
        for index, (now, then) in enumerate(pairs):
            clean = predict(state, now)
            if on_evaluation(index + 1, len(pairs), clean, now):
                return Walk(clean, index + 1)
            aim = clean
            if before is not None and then > 0:
                half = 0.5 * math.log(now / then) / math.log(before[1] / now)  # 1/2r
                aim = torch.lerp(before[0], clean, 1 + half)
            state = aim + (then / now) * (state - aim)
            before = (clean, now)
        return Walk(state, len(pairs))


@dataclass(slots=True)
class EarlyExit:
    """Stops a walk whose clean estimate has come to rest.

    Attributes:
        share: the walk stops when the root mean square of the change since the last estimate, over pixels and the whole
            batch, is below this share of the predicted deviation; above 0.
        deviation: the predicted deviation, in the units of the estimates and of a shape that divides them.
    """

    share: float
    deviation: Tensor
    before: Tensor | None = None

    def __post_init__(self) -> None:
        if not self.share > 0:
            raise SettingsError(f"early_exit is {self.share}; needed a share of the predicted deviation above 0")

    def __call__(self, step: int, steps: int, clean: Tensor, level: float) -> bool:
        """See OnEvaluation."""
        before, self.before = self.before, clean
        if before is None:
            return False
        change = ((clean - before) / self.deviation).square().mean().sqrt()
        return bool(change < self.share)


#: Samplers by the name that users give.
SAMPLERS: dict[str, OdeSampler] = {"ddim": Ddim(), "heun": Heun(), "dpm-solver++": DpmSolver2M(), "euler": Ddim()}


def sampler_by_name(name: str) -> OdeSampler:
    """One of SAMPLERS.

    Raises:
        SettingsError: no such sampler.
    """
    if name not in SAMPLERS:
        raise SettingsError(f"sampler {name!r} is unknown; needed one of {', '.join(SAMPLERS)}")
    return SAMPLERS[name]
