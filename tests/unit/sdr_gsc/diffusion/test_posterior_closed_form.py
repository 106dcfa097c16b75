"""Every solver against the posterior of a linear-Gaussian problem, whose mean and covariance are known."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from sdr_gsc.diffusion.denoiser import DATA_DEVIATION
from sdr_gsc.diffusion.guidance.dps import DpsGuidance
from sdr_gsc.diffusion.guidance.proximal import ProximalGuidance, conditional_mean
from sdr_gsc.diffusion.likelihood import log_likelihood
from sdr_gsc.diffusion.sampler import Guidance, sample_posterior
from sdr_gsc.diffusion.schedule import NoiseSchedule

_SHAPE = (3, 4, 4)
_SIZE = 48
_DRAWS = 1000


def _gaussian_denoiser(noisy: Tensor, sigma: Tensor) -> Tensor:
    """E[x0 | x_σ] of the prior N(0, s²)."""
    return noisy * (DATA_DEVIATION**2 / (DATA_DEVIATION**2 + sigma.reshape(-1, 1, 1, 1) ** 2))


@dataclass(frozen=True)
class _LinearLikelihood:
    matrix: Tensor
    received: Tensor
    variance: float

    def residual(self, pictures: Tensor) -> Tensor:
        return (self.received - pictures.flatten(1) @ self.matrix.T) / self.variance**0.5


def _problem(matrix: Tensor, variance: float) -> tuple[_LinearLikelihood, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    truth = DATA_DEVIATION * torch.randn(_SIZE, generator=generator)
    received = matrix @ truth + variance**0.5 * torch.randn(matrix.shape[0], generator=generator)
    precision = matrix.T @ matrix / variance + torch.eye(_SIZE) / DATA_DEVIATION**2
    covariance = torch.linalg.inv(precision)
    return _LinearLikelihood(matrix, received, variance), covariance @ matrix.T @ received / variance, covariance


def _matrix(rows: int) -> Tensor:
    return torch.randn(rows, _SIZE, generator=torch.Generator().manual_seed(1)) / rows**0.5


def test_conditional_mean_is_the_closed_form() -> None:
    likelihood, mean, _ = _problem(_matrix(20), 0.05)
    found = conditional_mean(likelihood, torch.zeros(1, *_SHAPE), DATA_DEVIATION**2, iterations=60)
    assert torch.allclose(found.flatten(), mean, atol=1e-4)


@pytest.mark.parametrize("churn", [0.0, 1.0])
@pytest.mark.parametrize("rows", [12, 40])
def test_proximal_guidance_draws_from_the_posterior(churn: float, rows: int) -> None:
    likelihood, mean, covariance = _problem(_matrix(rows), 0.05)
    draws = _draw(ProximalGuidance(trust=1.0, churn=churn, iterations=25), likelihood, steps=80)
    _assert_moments(draws, mean, covariance, deviation_ratio=0.06)


def test_dps_draws_from_the_posterior_where_its_gradient_points_at_the_mean() -> None:
    # One step along the gradient is exact only where the curvature is the same in all directions.
    likelihood, mean, covariance = _problem(2.0 * torch.eye(_SIZE), 0.3)
    draws = _draw(DpsGuidance(), likelihood, steps=100)
    _assert_moments(draws, mean, covariance, deviation_ratio=0.06)


def test_dps_moves_towards_the_evidence_of_any_encoder() -> None:
    likelihood, _, _ = _problem(_matrix(20), 0.05)
    draws = _draw(DpsGuidance(), likelihood, steps=40)
    unguided = DATA_DEVIATION * torch.randn(draws.shape, generator=torch.Generator().manual_seed(2))
    assert log_likelihood(likelihood, draws).mean() > 0.5 * log_likelihood(likelihood, unguided).mean()


def _draw(guidance: Guidance, likelihood: _LinearLikelihood, steps: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    schedule = NoiseSchedule(start=20.0, end=0.003, steps=steps)
    start = torch.zeros(_DRAWS, *_SHAPE)
    return sample_posterior(_gaussian_denoiser, likelihood, guidance, schedule, start, generator)


def _assert_moments(draws: Tensor, mean: Tensor, covariance: Tensor, deviation_ratio: float) -> None:
    flat = draws.flatten(1)
    deviation = covariance.diagonal().sqrt()
    # Five standard errors of the mean of the draws, and a discretization error of a few per cent of the deviation.
    assert ((flat.mean(0) - mean).abs() < (5 / _DRAWS**0.5 + 0.03) * deviation).all()
    ratio = flat.std(0) / deviation
    assert abs(float(ratio.mean()) - 1) < deviation_ratio
    empirical = torch.cov(flat.T)
    assert torch.linalg.matrix_norm(empirical - covariance) < 0.3 * torch.linalg.matrix_norm(covariance)
