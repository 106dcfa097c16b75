"""The bridge without training: its network starts at zero, which is exact for Gaussian errors of the predicted size."""

from __future__ import annotations

import pytest
import torch

from sdr_gsc.diffusion.bridge import BridgeCondition, BridgeDenoiser, GuidedBridge, bridge_state
from sdr_gsc.diffusion.bridge_walk import sample_bridge
from sdr_gsc.diffusion.nets.unet import UNetShape
from sdr_gsc.diffusion.ode import DpmSolver2M, Heun, OdeSampler
from sdr_gsc.diffusion.sampler import SamplerStep
from sdr_gsc.diffusion.schedule import BridgeSchedule


def _condition(batch: int = 64) -> BridgeCondition:
    generator = torch.Generator().manual_seed(0)
    estimate = torch.rand((1, 3, 16, 16), generator=generator).expand(batch, -1, -1, -1)
    deviation = (0.02 + 0.1 * torch.rand((1, 1, 16, 16), generator=generator)).expand(batch, -1, -1, -1)
    return BridgeCondition(estimate, deviation, estimate, torch.zeros(batch, 2, 1, 1))


def _bridge() -> BridgeDenoiser:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        # The algebra does not depend on the network's size.
        shape = UNetShape(inputs=10, outputs=3, widths=(4, 4, 4, 4), blocks=1, conditions=2, latent=2)
        return BridgeDenoiser(latent=2, shape=shape).eval()


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
    one = sample_bridge(_bridge(), condition, BridgeSchedule(1), 1.0, torch.Generator().manual_seed(2))
    assert torch.allclose(one.drawn, condition.estimate, atol=1e-6)
    many = sample_bridge(_bridge(), condition, BridgeSchedule(64), 1.0, torch.Generator().manual_seed(2))
    drawn = ((many.drawn - condition.estimate) / condition.deviation).square().mean().sqrt()
    assert float(drawn) == pytest.approx(1.0, abs=0.03)


def test_the_generator_decides_and_steps_are_reported() -> None:
    condition, news = _condition(2), list[SamplerStep]()
    draws = [
        sample_bridge(_bridge(), condition, BridgeSchedule(3), 0.5, torch.Generator().manual_seed(seed), news.append)
        for seed in (4, 4, 5)
    ]
    assert torch.equal(draws[0].drawn, draws[1].drawn)
    assert not torch.equal(draws[0].drawn, draws[2].drawn)
    assert [(step.step, step.steps) for step in news[:3]] == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("sampler", [None, Heun(), DpmSolver2M()])
@pytest.mark.parametrize("kappa", [0.5, 1.0])
def test_the_walk_follows_the_closed_form_of_the_flow(sampler: OdeSampler | None, kappa: float) -> None:
    # For Gaussian errors the flow multiplies x - m by √(v(s)/v(t)), v(t) = (1 - t)² + t²κ²: from κτε to τε.
    condition = _condition(4)
    noise = torch.randn(condition.estimate.shape, generator=torch.Generator().manual_seed(2))
    walked = sample_bridge(
        _bridge(), condition, BridgeSchedule(64), kappa, torch.Generator().manual_seed(2), sampler=sampler
    )
    found = (walked.drawn - condition.estimate) / condition.deviation
    assert torch.allclose(found, noise, atol=0.12 if sampler is None else 0.02)


def test_second_order_samplers_come_closer_at_four_steps() -> None:
    condition = _condition(4)
    errors = []
    for sampler in (None, Heun(), DpmSolver2M()):
        noise = torch.randn(condition.estimate.shape, generator=torch.Generator().manual_seed(2))
        walked = sample_bridge(
            _bridge(), condition, BridgeSchedule(4), 0.5, torch.Generator().manual_seed(2), sampler=sampler
        )
        found = (walked.drawn - condition.estimate) / condition.deviation
        errors.append(float((found - noise).square().mean().sqrt()))
    assert errors[1] < 0.5 * errors[0]
    assert errors[2] < errors[0]


def test_a_generous_early_exit_ends_the_walk() -> None:
    condition = _condition(2)
    news = list[SamplerStep]()
    walked = sample_bridge(
        _bridge(), condition, BridgeSchedule(20), 0.5, torch.Generator().manual_seed(1), news.append, early_exit=0.5
    )
    assert walked.estimates == len(news) == 2
    assert torch.equal(walked.drawn, news[-1].clean)


def _stirred_bridge() -> BridgeDenoiser:
    bridge = _bridge()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        torch.nn.init.normal_(bridge.unet.head.weight, std=0.2)
    return bridge.requires_grad_(requires_grad=False)


def test_guidance_runs_along_the_line_through_both_estimates() -> None:
    generator = torch.Generator().manual_seed(5)
    full = _condition(2)
    condition = BridgeCondition(
        full.estimate,
        full.deviation,
        full.estimate + 0.05 * torch.randn(full.estimate.shape, generator=generator),
        torch.randn((2, 2, 1, 1), generator=generator),
    )
    state, t, kappa = full.estimate + 0.03, torch.full((2,), 0.6), torch.full((2,), 0.5)
    bridge = _stirred_bridge()
    without, whole, between, beyond = (
        GuidedBridge(bridge, guidance)(state, condition, t, kappa) for guidance in (0.0, 1.0, 0.25, 3.0)
    )
    assert torch.equal(whole, bridge(state, condition, t, kappa))
    assert torch.equal(without, bridge(state, condition.without_evidence(), t, kappa))
    assert float((whole - without).abs().max()) > 1e-3
    assert torch.allclose(between, 0.75 * without + 0.25 * whole, atol=1e-6)
    assert torch.allclose(beyond, without + 3 * (whole - without), atol=1e-6)
    assert [GuidedBridge(bridge, guidance).evaluations for guidance in (0.0, 1.0, 0.25, 3.0)] == [1, 1, 2, 2]


def test_evidence_can_be_withheld_from_some_pictures() -> None:
    condition = _condition(3)
    told = BridgeCondition(condition.estimate, condition.deviation, condition.estimate + 1, torch.ones(3, 2, 1, 1))
    some = told.without_evidence(torch.tensor([True, False, True]))
    assert torch.equal(some.linear[0], condition.estimate[0])
    assert torch.equal(some.linear[1], told.linear[1])
    assert some.latent[:, 0, 0, 0].tolist() == [0.0, 1.0, 0.0]
    assert torch.equal(some.estimate, condition.estimate)
