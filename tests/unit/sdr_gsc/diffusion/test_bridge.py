"""The bridge without training: its network starts at zero, which is exact for Gaussian errors of the predicted size."""

from __future__ import annotations

import pytest
import torch

from sdr_gsc.diffusion.bridge import BridgeCondition, BridgeDenoiser, bridge_state
from sdr_gsc.diffusion.sampler import SamplerStep, sample_bridge
from sdr_gsc.diffusion.schedule import BridgeSchedule


def _condition(batch: int = 64) -> BridgeCondition:
    generator = torch.Generator().manual_seed(0)
    estimate = torch.rand((1, 3, 16, 16), generator=generator).expand(batch, -1, -1, -1)
    deviation = (0.02 + 0.1 * torch.rand((1, 1, 16, 16), generator=generator)).expand(batch, -1, -1, -1)
    return BridgeCondition(estimate, deviation, estimate, torch.zeros(batch, 2, 1, 1))


def _bridge() -> BridgeDenoiser:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return BridgeDenoiser(latent=2).eval()


def test_it_starts_at_noise_around_the_estimate_and_ends_at_the_picture() -> None:
    condition = _condition()
    picture, noise = torch.rand_like(condition.estimate), torch.randn_like(condition.estimate)
    ends = [bridge_state(condition, picture, noise, torch.full((64,), t), torch.full((64,), 0.5)) for t in (0.0, 1.0)]
    assert torch.allclose(ends[0], picture)
    assert torch.allclose(ends[1], condition.estimate + 0.5 * condition.deviation * noise)


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9, 1.0])
def test_the_untrained_denoiser_is_the_conditional_mean_of_gaussian_errors(t: float) -> None:
    condition = _condition(512)
    generator = torch.Generator().manual_seed(1)
    error = condition.deviation * torch.randn(condition.estimate.shape, generator=generator)
    noise = torch.randn(condition.estimate.shape, generator=generator)
    times, kappa = torch.full((512,), t), torch.full((512,), 0.7)
    state = bridge_state(condition, condition.estimate + error, noise, times, kappa)
    with torch.no_grad():
        clean = _bridge()(state, condition, times, kappa)
    rest = (condition.estimate + error - clean) / condition.deviation
    offset = (state - condition.estimate) / condition.deviation
    # Orthogonality: the error of a conditional mean is uncorrelated with what it was computed from.
    assert abs(float((rest * offset).mean())) < 0.01
    variance = (1 - t) ** 2 + (0.7 * t) ** 2
    assert float(rest.square().mean()) == pytest.approx((0.7 * t) ** 2 / variance, rel=0.02)


def test_one_step_is_the_mean_and_many_steps_draw_errors_of_the_predicted_size() -> None:
    condition = _condition(256)
    mean, one = sample_bridge(_bridge(), condition, BridgeSchedule(1), 1.0, torch.Generator().manual_seed(2))
    assert torch.equal(mean, one)
    assert torch.allclose(one, condition.estimate, atol=1e-6)
    mean, many = sample_bridge(_bridge(), condition, BridgeSchedule(64), 1.0, torch.Generator().manual_seed(2))
    assert torch.allclose(mean, condition.estimate, atol=1e-6)
    drawn = ((many - condition.estimate) / condition.deviation).square().mean().sqrt()
    assert float(drawn) == pytest.approx(1.0, abs=0.03)


def test_the_generator_decides_and_steps_are_reported() -> None:
    condition, news = _condition(2), list[SamplerStep]()
    draws = [
        sample_bridge(_bridge(), condition, BridgeSchedule(3), 0.5, torch.Generator().manual_seed(seed), news.append)[1]
        for seed in (4, 4, 5)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert [(step.step, step.steps) for step in news[:3]] == [(1, 3), (2, 3), (3, 3)]
