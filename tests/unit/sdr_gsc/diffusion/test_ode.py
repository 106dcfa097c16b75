"""Samplers of the probability flow against its closed form for a Gaussian prior."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from sdr_gsc.diffusion.ode import (
    SAMPLERS,
    Ddim,
    DpmSolver2M,
    EarlyExit,
    Heun,
    OdeSampler,
    sampler_by_name,
)
from sdr_gsc.errors import SettingsError

_DEVIATION = 0.5
_FROM, _TO = 4.0, 0.02


def _predict(state: Tensor, level: float) -> Tensor:
    """E[x0 | x_σ] of the prior N(0, s²)."""
    return state * (_DEVIATION**2 / (_DEVIATION**2 + level**2))


def _solution(state: Tensor, start: float, end: float) -> Tensor:
    """The flow multiplies by √((s² + σ'²)/(s² + σ²)): it keeps a Gaussian of the right deviation at every σ."""
    return state * math.sqrt((_DEVIATION**2 + end**2) / (_DEVIATION**2 + start**2))


def _start() -> Tensor:
    spread = math.hypot(_DEVIATION, _FROM)
    return spread * torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _error(sampler: OdeSampler, steps: int) -> float:
    levels = np.geomspace(_FROM, _TO, steps + 1).tolist()
    found = sampler.walk(_predict, _start(), levels).state
    truth = _solution(_start(), _FROM, _TO)
    return float(((found - truth).square().mean() / truth.square().mean()).sqrt())


@pytest.mark.parametrize(("sampler", "order"), [(Ddim(), 1), (Heun(), 2), (DpmSolver2M(), 2)])
def test_errors_fall_with_the_order_of_the_sampler(sampler: OdeSampler, order: int) -> None:
    coarse, fine = _error(sampler, 80), _error(sampler, 160)
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.2)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_many_steps_reach_the_closed_form(name: str) -> None:
    assert _error(sampler_by_name(name), 3000) < 2e-3


def test_second_order_pays_at_few_steps() -> None:
    first = _error(Ddim(), 20)
    assert _error(DpmSolver2M(), 20) < 0.5 * first
    assert _error(Heun(), 20) < 0.2 * first


@pytest.mark.parametrize("name", sorted(SAMPLERS))
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_walk_to_zero_counts_its_evaluations_and_ends_at_an_estimate(name: str, steps: int) -> None:
    calls: list[float] = []

    def counted(state: Tensor, level: float) -> Tensor:
        calls.append(level)
        return _predict(state, level)

    sampler = sampler_by_name(name)
    levels = [*np.linspace(_FROM, 1.0, steps).tolist(), 0.0]
    walk = sampler.walk(counted, _start(), levels)
    assert walk.evaluations == len(calls) == (2 * steps - 1 if name == "heun" else steps)
    if steps == 1:
        assert torch.equal(walk.state, _predict(_start(), _FROM))


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_the_deterministic_flow_of_a_point_mass_is_exact_in_one_step(name: str) -> None:
    # A prior of one point: D is constant, the flow a straight line, and every sampler walks it without error.
    point = torch.full((1, 3, 4, 4), 0.25, dtype=torch.float64)
    start = point + 3.0
    for levels in ([2.0, 0.5], [2.0, 1.7, 0.5]):
        walk = sampler_by_name(name).walk(lambda state, level: point, start, levels)
        assert torch.allclose(walk.state, point + 3.0 * 0.5 / 2.0)


def test_a_walk_at_rest_stops_early() -> None:
    levels = np.geomspace(_FROM, _TO, 201).tolist()
    whole = Heun().walk(_predict, _start(), levels)
    deviation = torch.full((2, 1, 4, 4), _DEVIATION, dtype=torch.float64)
    walk = Heun().walk(_predict, _start(), levels, EarlyExit(0.003, deviation))
    assert walk.evaluations < 0.8 * whole.evaluations
    # What was left to change is small against the deviation, and the result is a clean estimate.
    assert float((walk.state - whole.state).square().mean().sqrt()) < 0.2 * _DEVIATION
    never = Heun().walk(_predict, _start(), levels, EarlyExit(1e-9, deviation))
    assert torch.equal(never.state, whole.state)


@pytest.mark.parametrize("levels", [[], [1.0], [1.0, 1.0], [0.5, 1.0], [1.0, -0.1]])
def test_levels_that_do_not_fall_are_refused(levels: list[float]) -> None:
    for sampler in (Ddim(), Heun(), DpmSolver2M()):
        with pytest.raises(SettingsError, match="falling"):
            sampler.walk(_predict, _start(), levels)


def test_bad_choices_are_refused() -> None:
    with pytest.raises(SettingsError, match="dpm-solver"):
        sampler_by_name("magic")
    with pytest.raises(SettingsError, match="above 0"):
        EarlyExit(0.0, torch.ones(1))
