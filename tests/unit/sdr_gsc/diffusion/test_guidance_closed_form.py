"""Every solver against the posterior of a linear-Gaussian problem, whose mean and covariance are known.

For a Gaussian prior and a linear encoder the guided mean of an exact solver is E[x0 | x_σ, y], linear in x_σ, so the
law of its last estimate is Gaussian and follows from a recursion over the levels along each axis of the posterior. The
draws of exact solvers are compared with that law within sampling error alone; what a finite number of levels does to
the law itself is compared with the posterior separately. Solvers that are biased by construction are held to the
exactness they have, and their bias to what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from sdr_gsc.diffusion.denoiser import DATA_DEVIATION
from sdr_gsc.diffusion.guidance.daps import DapsGuidance
from sdr_gsc.diffusion.guidance.diffcom import DiffComGuidance, PublishedDiffCom
from sdr_gsc.diffusion.guidance.dps import DpsGuidance
from sdr_gsc.diffusion.guidance.gauss_newton import conditional_draw, conditional_mean
from sdr_gsc.diffusion.guidance.mmps import MmpsGuidance
from sdr_gsc.diffusion.guidance.pigdm import PigdmGuidance
from sdr_gsc.diffusion.guidance.proximal import ProximalGuidance
from sdr_gsc.diffusion.likelihood import log_likelihood
from sdr_gsc.diffusion.sampler import Guidance, sample_posterior
from sdr_gsc.diffusion.schedule import NoiseSchedule
from sdr_gsc.errors import SettingsError

_SHAPE = (3, 2, 4)
_SIZE = 24
_DRAWS = 1000
_WHITE = torch.full((_SIZE,), DATA_DEVIATION**2)
#: Variances from twice that of photographs down to a thirtieth of it.
_COLOURED = DATA_DEVIATION**2 * torch.logspace(0.3, -1.5, _SIZE)


@dataclass(frozen=True)
class _Prior:
    """E[x0 | x_σ] of the prior N(0, diag(variance))."""

    variance: Tensor

    def __call__(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        variance = self.variance.reshape(1, *_SHAPE)
        return noisy * (variance / (variance + sigma.reshape(-1, 1, 1, 1) ** 2))


@dataclass(frozen=True)
class _LinearLikelihood:
    matrix: Tensor
    received: Tensor
    variance: float

    def residual(self, pictures: Tensor) -> Tensor:
        return (self.received - pictures.flatten(1) @ self.matrix.T) / self.variance**0.5

    def confirmation(self, pictures: Tensor) -> Tensor:
        """Behind a linear, invertible decoder whose error is white: the same residual, turned around."""
        return -self.residual(pictures).flip(1)


@dataclass(frozen=True)
class _Problem:
    prior: _Prior
    likelihood: _LinearLikelihood
    mean: Tensor
    covariance: Tensor

    @property
    def deviation(self) -> Tensor:
        return self.covariance.diagonal().sqrt()

    def draws(self, guidance: Guidance, schedule: NoiseSchedule, draws: int = _DRAWS, seed: int = 3) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        start = torch.zeros(draws, *_SHAPE)
        return sample_posterior(self.prior, self.likelihood, guidance, schedule, start, generator).flatten(1)

    def law(self, schedule: NoiseSchedule) -> tuple[Tensor, Tensor]:
        """Mean and covariance of the last estimate of an exact guided mean with ancestral steps, started at 0 + σ n.

        Along an axis of the posterior of variance c, with d the distance from its mean: d̂ = γ d with γ = c/(c + σ²),
        and the step to σ' keeps (γ + ρ(1 - γ)) d and adds the variance σ'²(1 - ρ), ρ = σ'²/σ².
        """
        values, axes = torch.linalg.eigh(self.covariance.double())
        levels = schedule.levels()
        offset = -axes.T @ self.mean.double()
        variance = torch.full_like(values, levels[0] ** 2)
        for now, then in zip(levels[:-1], levels[1:], strict=True):
            shrink, down = values / (values + now**2), then**2 / now**2
            kept = shrink + down * (1 - shrink)
            offset, variance = kept * offset, kept**2 * variance + then**2 * (1 - down)
        # The last step goes to σ = 0, where what is kept is the estimate itself.
        return self.mean + (axes @ offset).float(), (axes * variance @ axes.T).float()


def _problem(matrix: Tensor, variance: float, prior: Tensor) -> _Problem:
    generator = torch.Generator().manual_seed(5)
    truth = prior.sqrt() * torch.randn(_SIZE, generator=generator)
    received = matrix @ truth + variance**0.5 * torch.randn(matrix.shape[0], generator=generator)
    covariance = torch.linalg.inv(matrix.T @ matrix / variance + torch.diag(1 / prior))
    mean = covariance @ matrix.T @ received / variance
    return _Problem(_Prior(prior), _LinearLikelihood(matrix, received, variance), mean, covariance)


def _matrix(rows: int) -> Tensor:
    return torch.randn(rows, _SIZE, generator=torch.Generator().manual_seed(1)) / rows**0.5


#: Equal curvature in all directions; fewer symbols than pixels; and the same under a prior of unequal variances.
_EVEN = _problem(2.0 * torch.eye(_SIZE), 0.3, _WHITE)
_FEW = _problem(_matrix(9), 0.05, _WHITE)
_UNEVEN = _problem(_matrix(9), 0.05, _COLOURED)
_SCHEDULE = NoiseSchedule(start=20.0, end=0.003, steps=20)


def _assert_law(draws: Tensor, mean: Tensor, covariance: Tensor) -> None:
    """Mean and covariance within sampling error: five standard errors each, entry by entry."""
    count, deviation = draws.shape[0], covariance.diagonal().sqrt()
    assert ((draws.mean(0) - mean).abs() < 5 / count**0.5 * deviation).all()
    spread = deviation[:, None] * deviation
    error = ((spread**2 + covariance**2) / count).sqrt()
    assert ((torch.cov(draws.T) - covariance).abs() < 5 * error).all()


@pytest.mark.parametrize(
    ("guidance", "problem"),
    [
        (ProximalGuidance(trust=1.0, churn=1.0, iterations=11), _FEW),
        (PigdmGuidance(iterations=11), _FEW),
        (MmpsGuidance(iterations=11), _FEW),
        (MmpsGuidance(iterations=11), _UNEVEN),
        (DpsGuidance(), _EVEN),
        (PigdmGuidance(iterations=11), _EVEN),
    ],
    ids=["diffpir", "pigdm", "mmps", "mmps-uneven", "dps-even", "pigdm-even"],
)
def test_exact_solvers_follow_the_law_of_their_levels(guidance: Guidance, problem: _Problem) -> None:
    _assert_law(problem.draws(guidance, _SCHEDULE), *problem.law(_SCHEDULE))


@pytest.mark.parametrize("problem", [_EVEN, _FEW, _UNEVEN], ids=["even", "few", "uneven"])
def test_the_law_of_the_levels_tends_to_the_posterior(problem: _Problem) -> None:
    # Ancestral steps leave out what x̂ does not know of the picture, so the deviation is too small, by O(1/steps).
    deficits = []
    for steps in (40, 80, 160):
        mean, covariance = problem.law(NoiseSchedule(start=20.0, end=0.003, steps=steps))
        assert ((mean - problem.mean).abs() < 1e-2 * problem.deviation).all()
        deficits.append(float((1 - covariance.diagonal().sqrt() / problem.deviation).mean()))
    assert 0 < deficits[0] < 0.14
    assert deficits[1] == pytest.approx(deficits[0] / 2, rel=0.15)
    assert deficits[2] == pytest.approx(deficits[0] / 4, rel=0.2)


@pytest.mark.parametrize("problem", [_EVEN, _FEW], ids=["even", "few"])
def test_daps_draws_from_the_posterior_itself(problem: _Problem) -> None:
    # No level knows of the one before but through a picture that is an exact draw, so 20 levels leave no deficit.
    draws = problem.draws(DapsGuidance(trust=1.0, iterations=11), _SCHEDULE)
    _assert_law(draws, problem.mean, problem.covariance)


def test_langevin_draws_are_biased_by_their_step() -> None:
    # Unadjusted Langevin of step h has the variance c/(1 - h/(2c)) along an axis of variance c: here h ≤ 0.2 of the
    # smallest c, so at most 11 % too much, 5.5 % in deviation.
    guidance = DapsGuidance(trust=1.0, inner="langevin", iterations=40)
    draws = _EVEN.draws(guidance, _SCHEDULE)
    error = 5 / _DRAWS**0.5
    assert ((draws.mean(0) - _EVEN.mean).abs() < error * _EVEN.deviation).all()
    ratio = draws.std(0) / _EVEN.deviation
    assert (ratio < 1.055 * (1 + error / 2**0.5)).all()
    assert 1.0 < float(ratio.mean()) < 1.06


def test_white_guesses_of_the_covariance_are_biased_under_another_prior() -> None:
    # DiffPIR, ΠGDM and DAPS guess r² for all pixels alike, DPS one length for all directions; MMPS asks the denoiser.
    # Measured distances of the mean, in posterior deviations (rms): 0.48, 0.21, 0.32, 0.28, and 0.04, which is the
    # sampling error of 500 draws.
    bounds = {
        ProximalGuidance(trust=1.0, churn=1.0, iterations=11): (0.38, 0.58),
        PigdmGuidance(iterations=11): (0.12, 0.3),
        DapsGuidance(trust=1.0, iterations=11): (0.22, 0.42),
        DpsGuidance(): (0.18, 0.38),
        MmpsGuidance(iterations=11): (0.0, 0.07),
    }
    for guidance, (least, most) in bounds.items():
        error = (_UNEVEN.draws(guidance, _SCHEDULE, draws=500).mean(0) - _UNEVEN.mean) / _UNEVEN.deviation
        assert least < float(error.square().mean().sqrt()) < most, guidance


@pytest.mark.parametrize("guidance", [DiffComGuidance(), DiffComGuidance(0.5, 0.5)], ids=["diffcom", "hifi-diffcom"])
def test_diffcom_trusts_less_on_the_way_and_ends_near(guidance: DiffComGuidance) -> None:
    draws = _EVEN.draws(guidance, _SCHEDULE)
    error = (draws.mean(0) - _EVEN.mean) / _EVEN.deviation
    # The norm's weight is below 1 while the picture is noisy, so the mean stays towards the prior's: about 0.3 of the
    # posterior deviation here. DPS has none of it.
    assert 0.1 < float(error.square().mean().sqrt()) < 0.45
    towards_prior = (_EVEN.mean * (draws.mean(0) - _EVEN.mean)).sum()
    assert towards_prior < 0
    assert (draws.std(0) / _EVEN.deviation - 1).abs().mean() < 0.12


@pytest.mark.parametrize("guidance", [DiffComGuidance(), DiffComGuidance(0.5, 0.5)])
def test_diffcom_is_dps_where_the_residual_is_no_larger_than_the_noise(guidance: DiffComGuidance) -> None:
    noisy = _EVEN.mean.reshape(1, *_SHAPE) + 0.01
    arguments = (noisy, 0.02, 0.01, _EVEN.prior, _EVEN.likelihood)
    assert _EVEN.likelihood.residual(noisy).norm() < _SIZE**0.5
    expected = DpsGuidance().step(*arguments, torch.Generator().manual_seed(0))
    found = guidance.step(*arguments, torch.Generator().manual_seed(0))
    assert torch.allclose(found[1], expected[1], atol=1e-6)
    assert torch.allclose(found[0], expected[0], atol=1e-6)


def test_published_diffcom_is_its_formula() -> None:
    """x_{t-1} = x'_{t-1} - lr ∇(‖y - s‖ + …) on the variance-preserving chain, computed there."""
    noisy = 0.3 * torch.randn(2, *_SHAPE, generator=torch.Generator().manual_seed(0))
    sigma, then = 0.5, 0.4
    keep, next_keep = (1 / (1 + level**2) for level in (sigma, then))
    likelihood = _EVEN.likelihood
    state = (keep**0.5 * noisy).requires_grad_()
    clean = _EVEN.prior(state / keep**0.5, torch.full((2,), sigma)).clamp(-1, 1)
    norm = likelihood.residual(clean).norm(dim=1).sum()
    (gradient,) = torch.autograd.grad(0.25 * norm / 2**0.5 + 0.25 * norm, state)
    # The guidance's own ancestral draw, without any gradient.
    silent = PublishedDiffCom(0.25, 0.25, rate=0.0)
    arguments = (noisy, sigma, then, _EVEN.prior, likelihood)
    unguided = silent.step(*arguments, torch.Generator().manual_seed(0))[0]
    found = PublishedDiffCom(0.25, 0.25).step(*arguments, torch.Generator().manual_seed(0))[0]
    assert torch.allclose(found * next_keep**0.5, unguided * next_keep**0.5 - gradient, atol=1e-5)
    last = PublishedDiffCom().step(noisy, sigma, 0.0, _EVEN.prior, likelihood, torch.Generator())
    assert torch.equal(last[0], _EVEN.prior(noisy, torch.full((2,), sigma)).clamp(-1, 1))


@pytest.mark.parametrize("guidance", [DiffComGuidance(0.5, 0.5), PublishedDiffCom(0.25, 0.25)])
def test_the_confirming_constraint_needs_a_decoder(guidance: Guidance) -> None:
    class Plain:
        def residual(self, pictures: Tensor) -> Tensor:
            return pictures.flatten(1)

    with pytest.raises(SettingsError, match="deterministic decoder"):
        guidance.step(torch.zeros(1, *_SHAPE), 0.2, 0.1, _EVEN.prior, Plain(), torch.Generator())


def test_conditional_mean_and_draws_are_the_closed_form() -> None:
    found = conditional_mean(_FEW.likelihood, torch.zeros(1, *_SHAPE), DATA_DEVIATION**2, iterations=60)
    assert torch.allclose(found.flatten(), _FEW.mean, atol=1e-4)
    expected = torch.zeros(4000, *_SHAPE)
    draws = conditional_draw(_FEW.likelihood, expected, DATA_DEVIATION**2, 60, torch.Generator().manual_seed(1))
    _assert_law(draws.flatten(1), _FEW.mean, _FEW.covariance)


_ALL: dict[str, Guidance] = {
    "diffpir": ProximalGuidance(trust=1.0, churn=1.0),
    "dps": DpsGuidance(),
    "diffcom": DiffComGuidance(),
    "hifi-diffcom": DiffComGuidance(0.5, 0.5),
    "pigdm": PigdmGuidance(),
    "mmps": MmpsGuidance(),
    "daps": DapsGuidance(trust=1.0),
    "daps-flow": DapsGuidance(trust=1.0, evaluations=3),
    "paper": PublishedDiffCom(),
}


@pytest.mark.parametrize("name", _ALL)
def test_draws_of_one_batch_are_independent(name: str) -> None:
    # Ten draws at once, 15 times: the covariance between two draws of a batch is that of independent ones, zero.
    schedule = NoiseSchedule(start=20.0, end=0.003, steps=5)
    batches = torch.stack([_FEW.draws(_ALL[name], schedule, draws=10, seed=seed) for seed in range(15)])
    centred = batches - batches.mean((0, 1))
    between = torch.einsum("bip,bjp->ij", centred, centred) / (15 * centred.square().sum(-1).mean())
    off_diagonal = between[~torch.eye(10, dtype=torch.bool)]
    # Sampling error: each product sums over as many independent values as the covariance has effective axes.
    covariance = torch.cov(centred.flatten(0, 1).T)
    axes = float(covariance.trace() ** 2 / covariance.square().sum())
    assert off_diagonal.abs().max() < 5 / (15 * axes) ** 0.5
    assert abs(float(off_diagonal.mean())) < 5 / (15 * axes * 45) ** 0.5


@pytest.mark.parametrize("name", _ALL)
def test_the_generator_alone_decides(name: str) -> None:
    schedule = NoiseSchedule(start=2.0, end=0.01, steps=4)
    torch.manual_seed(1)
    first = _FEW.draws(_ALL[name], schedule, draws=3, seed=4)
    torch.manual_seed(2)
    assert torch.equal(first, _FEW.draws(_ALL[name], schedule, draws=3, seed=4))
    assert not torch.equal(first, _FEW.draws(_ALL[name], schedule, draws=3, seed=5))


@pytest.mark.parametrize("name", _ALL)
def test_every_solver_moves_towards_the_evidence(name: str) -> None:
    schedule = NoiseSchedule(start=20.0, end=0.003, steps=12)
    draws = _FEW.draws(_ALL[name], schedule, draws=200).reshape(-1, *_SHAPE)
    unguided = DATA_DEVIATION * torch.randn(draws.shape, generator=torch.Generator().manual_seed(2))
    guided, before = (log_likelihood(_FEW.likelihood, pictures).mean() for pictures in (draws, unguided))
    # The published step is as long as it is at any misfit and any noise, and these are few levels for it.
    assert guided > (0.8 if name == "paper" else 0.5) * before


@pytest.mark.parametrize("name", _ALL)
def test_without_evidence_every_solver_draws_from_the_prior(name: str) -> None:
    silent = _LinearLikelihood(torch.zeros(9, _SIZE), torch.zeros(9), 1.0)
    problem = _Problem(_Prior(_WHITE), silent, torch.zeros(_SIZE), torch.diag(_WHITE))
    schedule = NoiseSchedule(start=20.0, end=0.003, steps=25)
    draws = problem.draws(_ALL[name], schedule)
    if name == "daps-flow":
        return _assert_wider(draws)
    law = (problem.mean, problem.covariance) if name == "daps" else problem.law(schedule)
    if name == "paper":  # it clamps the estimate, which a Gaussian prior does not survive unharmed
        ratio = draws.std(0) / law[1].diagonal().sqrt()
        assert 0.8 < float(ratio.mean()) < 1.0
        return None
    return _assert_law(draws, *law)


def _assert_wider(draws: Tensor) -> None:
    # The probability flow already draws the picture; adding r² of the denoiser's mean makes it too wide.
    assert 1.0 < float(draws.std(0).mean() / DATA_DEVIATION) < 1.5


def test_an_inner_draw_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsError, match="gauss-newton or langevin"):
        DapsGuidance(inner="hmc")


def test_levels_of_the_law_are_those_of_the_sampler() -> None:
    seen: list[float] = []

    class Recording:
        evaluations = 1

        def step(self, noisy, sigma, next_sigma, denoiser, likelihood, generator):
            seen.extend([sigma, next_sigma])
            return noisy, noisy

    sample_posterior(_EVEN.prior, _EVEN.likelihood, Recording(), _SCHEDULE, torch.zeros(1, *_SHAPE), torch.Generator())
    levels = _SCHEDULE.levels()
    assert np.array_equal(np.array(seen).reshape(-1, 2), np.stack([levels[:-1], levels[1:]], 1))
