"""The linear estimate against closed forms; an untrained encoder and decoder have the same algebra as trained ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sdr_gsc.semantic.companding import expand_gain
from sdr_gsc.semantic.decoder import LinearEstimate, SemanticDecoder
from sdr_gsc.semantic.encoder import SemanticEncoder, hadamard
from sdr_gsc.semantic.rate import RATES, Rate

_GRID = (3, 4)


def _codec() -> tuple[SemanticEncoder, SemanticDecoder]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder, decoder = SemanticEncoder().eval(), SemanticDecoder().eval()
        basis = torch.linalg.qr(torch.randn(768, 128)).Q.T.reshape(128, 3, 16, 16)
        encoder.transform.start_from(basis, torch.full((3,), 0.4))
        decoder.log_variance.data = torch.linspace(1, -6, 128)
        encoder.log_gain.data = -0.25 * torch.linspace(1, -6, 128).expand(len(RATES), 128)
    return encoder, decoder


def _estimate(latents: Tensor, variance: Tensor, rate: Rate) -> LinearEstimate:
    encoder, decoder = _codec()
    with torch.no_grad():
        return decoder.linear(encoder, latents, variance, rate, _GRID)


def _latents(rate: Rate, seed: int = 1) -> Tensor:
    return torch.randn(1, 12, rate.channels, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [4, 32, 128])
def test_the_rotation_is_orthonormal_and_spreads_power_evenly(size: int) -> None:
    rotation = hadamard(size)
    assert torch.allclose(rotation @ rotation.T, torch.eye(size), atol=1e-5)
    powers = torch.rand(size, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(rotation.square() @ powers, powers.mean().expand(size), atol=1e-6)


@pytest.mark.parametrize("rate", RATES)
def test_the_general_solution_meets_the_diagonal_one(rate: Rate) -> None:
    latents, variance = _latents(rate), torch.full((1, 12, rate.channels), 0.1)
    nearly_uniform = variance.clone()
    nearly_uniform[..., 0] *= 1 + 1e-5
    diagonal, general = _estimate(latents, variance, rate), _estimate(latents, nearly_uniform, rate)
    assert torch.allclose(diagonal.picture, general.picture, atol=1e-3)
    assert torch.allclose(diagonal.deviation, general.deviation, rtol=1e-3)


def test_it_is_the_mean_of_the_gaussian_posterior() -> None:
    rate = RATES[2]
    encoder, decoder = _codec()
    generator = torch.Generator().manual_seed(3)
    latents = _latents(rate)
    variance = 0.05 + torch.rand(latents.shape, generator=generator)
    estimate = _estimate(latents, variance, rate)
    weight = 1 / variance
    usual = decoder.log_energy[rate.index].exp()
    evidence = (weight * (latents.square() - variance)).sum(-1) + rate.channels * 0.05
    gain, energy = expand_gain((evidence / (weight.sum(-1) + rate.channels * 0.05 / usual)).clamp(min=0.02))
    block = 5
    amplitude = encoder.gain(rate)
    prior = decoder.log_variance[: rate.channels].exp()
    prior = prior * energy[0, block] / (amplitude.square() * prior).mean()
    forward = gain[0, block] * encoder.rotation(rate) @ amplitude.diag()
    precision = forward.T @ (forward / variance[0, block, :, None]) + (1 / prior).diag()
    expected = torch.linalg.solve(precision, forward.T @ (latents[0, block] / variance[0, block]))
    found = (
        estimate.latent[0, : rate.channels].flatten(1)[:, block] * (0.5 * decoder.log_variance[: rate.channels]).exp()
    )
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_an_erased_symbol_carries_no_weight_whatever_its_value() -> None:
    rate = RATES[3]
    latents, variance = _latents(rate), torch.full((1, 12, rate.channels), 0.1)
    variance[..., ::3] = torch.inf
    other = latents.clone()
    other[..., ::3] = 0.0
    first, second = _estimate(other, variance, rate), _estimate(latents * (variance < 1), variance, rate)
    assert torch.equal(first.picture, second.picture)
    assert first.deviation.mean() > _estimate(latents, torch.full_like(variance, 0.1), rate).deviation.mean()


def test_with_everything_erased_it_falls_back_on_the_prior() -> None:
    rate = RATES[3]
    silent = _estimate(torch.zeros(1, 12, rate.channels), torch.full((1, 12, rate.channels), torch.inf), rate)
    assert torch.allclose(silent.picture, torch.tensor(0.4), atol=1e-3)
    assert torch.isfinite(silent.deviation).all()
    assert torch.isfinite(silent.latent).all()


def test_more_noise_means_more_uncertainty() -> None:
    rate = RATES[4]
    deviations = [
        _estimate(_latents(rate), torch.full((1, 12, rate.channels), noise), rate).deviation.mean()
        for noise in (0.01, 0.1, 0.3)
    ]
    assert deviations[0] < deviations[1] < deviations[2]
