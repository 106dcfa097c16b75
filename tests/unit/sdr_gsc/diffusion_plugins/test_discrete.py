"""Any network at discrete times becomes the denoiser that its prediction stands for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from sdr_gsc.diffusion.plugins.discrete import DiscreteDenoiser, Prediction
from sdr_gsc.diffusion.plugins.levels import NoiseLevels, betas
from sdr_gsc.errors import SettingsError, WeightsError

_LEVELS = NoiseLevels.of_betas(betas("linear", 1000, 1e-4, 0.02))
_DEVIATION = 0.7


def _sigma_at(times: Tensor) -> Tensor:
    at = np.interp(times.numpy(), np.arange(1000), np.log(_LEVELS.sigmas))
    return torch.from_numpy(np.exp(at)).float().reshape(-1, 1, 1, 1)


def _gaussian_network(prediction: Prediction) -> object:
    """What the best network says of pictures ~ N(0, s²): E[ε], E[v] or E[x0] given x_t."""

    def network(scaled: Tensor, times: Tensor) -> Tensor:
        sigma = _sigma_at(times)
        kept, lost = 1 / (1 + sigma**2).sqrt(), sigma / (1 + sigma**2).sqrt()
        variance = kept**2 * _DEVIATION**2 + lost**2
        clean, noise = kept * _DEVIATION**2 / variance * scaled, lost / variance * scaled
        return {"epsilon": noise, "sample": clean, "v_prediction": kept * noise - lost * clean}[prediction]

    return network


@pytest.mark.parametrize("prediction", list(Prediction))
@pytest.mark.parametrize("sigma", [0.01, 0.0333, 0.5, 1.0, 7.77, 100.0])
def test_the_best_network_gives_the_exact_gaussian_denoiser(prediction: Prediction, sigma: float) -> None:
    denoiser = DiscreteDenoiser(_gaussian_network(prediction), _LEVELS, prediction)
    noisy = (sigma**2 + _DEVIATION**2) ** 0.5 * torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    found = denoiser(noisy, torch.tensor([sigma, sigma]))
    # The network is one of float32, and ε or v of a large picture take its digits.
    assert torch.allclose(found, noisy * _DEVIATION**2 / (_DEVIATION**2 + sigma**2), rtol=1e-3, atol=2e-4 * (1 + sigma))


def test_trained_levels_are_met_at_their_own_whole_times() -> None:
    denoiser = DiscreteDenoiser(_gaussian_network(Prediction.SAMPLE), _LEVELS, Prediction.SAMPLE)
    assert torch.equal(denoiser.times(torch.from_numpy(_LEVELS.sigmas).float()), torch.arange(1000.0))


def test_levels_between_are_interpolated_and_those_beyond_are_the_nearest() -> None:
    denoiser = DiscreteDenoiser(_gaussian_network(Prediction.SAMPLE), _LEVELS, Prediction.SAMPLE)
    between = float(np.sqrt(_LEVELS.sigmas[400] * _LEVELS.sigmas[401]))
    assert denoiser.times(torch.tensor([1e-5, between, 1e5])).tolist() == pytest.approx([0, 400.5, 999], abs=1e-3)


def test_learned_variances_are_left_aside_and_sizes_are_padded_to_the_stride() -> None:
    seen = []

    def network(scaled: Tensor, times: Tensor) -> Tensor:
        seen.append(tuple(scaled.shape))
        return torch.cat([scaled, torch.full_like(scaled, torch.nan)], 1)

    denoiser = DiscreteDenoiser(network, _LEVELS, Prediction.SAMPLE, stride=32)
    for height, width in ((48, 33), (5, 64)):
        assert denoiser(torch.ones(1, 3, height, width), torch.ones(1)).isfinite().all()
        assert seen.pop() == (1, 3, -(-height // 32) * 32, -(-width // 32) * 32)


def test_gradients_pass() -> None:
    denoiser = DiscreteDenoiser(_gaussian_network(Prediction.EPSILON), _LEVELS, Prediction.EPSILON)
    noisy = torch.randn(1, 3, 4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(denoiser(noisy, torch.ones(1)).sum(), noisy)
    assert torch.allclose(gradient, torch.full_like(gradient, _DEVIATION**2 / (_DEVIATION**2 + 1)), atol=1e-3)


def test_wrong_channels_and_shapes_are_named() -> None:
    denoiser = DiscreteDenoiser(lambda scaled, times: scaled[:, :2], _LEVELS, Prediction.SAMPLE)
    with pytest.raises(SettingsError, match="4 channels"):
        denoiser(torch.zeros(1, 4, 8, 8), torch.ones(1))
    with pytest.raises(WeightsError, match="at least 3 channels"):
        denoiser(torch.zeros(1, 3, 8, 8), torch.ones(1))


@pytest.mark.parametrize(
    ("schedule", "steps", "start", "end"), [("linear", 1, 0.1, 0.2), ("linear", 10, 0.2, 0.1), ("cosy", 10, 0.1, 0.2)]
)
def test_schedules_that_are_none_are_refused(schedule: str, steps: int, start: float, end: float) -> None:
    with pytest.raises(WeightsError):
        betas(schedule, steps, start, end)
    with pytest.raises(WeightsError):
        NoiseLevels.of_betas(np.array([0.1, 1.5]))
