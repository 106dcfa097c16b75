"""Proximal guidance: a denoised picture is moved to where prior and evidence balance, then noised again.

DiffPIR (Zhu et al. 2023, "Denoising diffusion models for plug-and-play image restoration") with the variance of ΠGDM
(Song et al. 2023): the prior says x0 ~ N(x̂, r²I) given x_σ, with r² = ηs²σ²/(σ² + s²); the data step is the mean of
that times the likelihood, found by Gauss–Newton with conjugate gradients through the encoder. No gradient passes the
denoiser, so a step costs one evaluation. For a Gaussian prior and a linear encoder (η = 1) the data step is the exact
conditional mean.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..denoiser import DATA_DEVIATION, Denoiser
from ..likelihood import Likelihood

__all__ = ["ProximalGuidance", "conditional_mean"]


def conditional_mean(
    likelihood: Likelihood, expected: Tensor, variance: float, iterations: int, linearizations: int = 1
) -> Tensor:
    """Mean of N(expected, variance·I) times the likelihood, its encoder linearized at the current estimate.

    Solves (JᵀJ + I/variance) δ = Jᵀ r + (expected - x)/variance with conjugate gradients, J the Jacobian of -residual.

    Args:
        likelihood: the evidence.
        expected: prior mean, float [B, 3, H, W].
        variance: prior variance per pixel value.
        iterations: of conjugate gradients.
        linearizations: Gauss–Newton steps.
    """
    estimate = expected
    for _ in range(linearizations):
        residual, pull = torch.func.vjp(likelihood.residual, estimate)[:2]
        curvature = functools.partial(_curvature, likelihood, estimate, pull, variance)
        right = -pull(residual)[0] + (expected - estimate) / variance
        estimate = estimate + _conjugate_gradients(curvature, right, iterations)
    return estimate.detach()


def _curvature(
    likelihood: Likelihood, at: Tensor, pull: Callable[[Tensor], tuple[Tensor, ...]], variance: float, direction: Tensor
) -> Tensor:
    """(JᵀJ + I/variance) times a direction."""
    pushed: Tensor = torch.func.jvp(likelihood.residual, (at,), (direction,))[1]
    return pull(pushed)[0] + direction / variance


def _conjugate_gradients(curvature: Callable[[Tensor], Tensor], right: Tensor, iterations: int) -> Tensor:
    """Solve curvature(δ) = right for each picture of the batch; curvature is symmetric positive definite."""
    solution = torch.zeros_like(right)
    rest, direction = right, right
    power = rest.square().sum((1, 2, 3), keepdim=True)
    floor = power * 1e-10 + 1e-20
    for _ in range(iterations):
        image = curvature(direction)
        step = power / (direction * image).sum((1, 2, 3), keepdim=True).clamp(min=1e-30)
        step = torch.where(power > floor, step, 0.0)
        solution = solution + step * direction
        rest = rest - step * image
        previous, power = power, rest.square().sum((1, 2, 3), keepdim=True)
        direction = rest + power / previous.clamp(min=1e-30) * direction
    return solution


@dataclass(frozen=True, slots=True)
class ProximalGuidance:
    """The solver behind `posterior:diffpir`.

    Attributes:
        trust: η, the denoiser's squared error relative to that of the best linear one; 1 for a Gaussian prior.
        churn: fresh noise in each step relative to an ancestral one, 0 (deterministic) … 1.
        iterations: conjugate-gradient iterations per data step.
    """

    trust: float = 0.3
    churn: float = 0.5
    iterations: int = 4

    def step(
        self,
        noisy: Tensor,
        sigma: float,
        next_sigma: float,
        denoiser: Denoiser,
        likelihood: Likelihood,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """One step from σ to the next.

        Returns:
            The picture at `next_sigma` and the clean estimate behind it, both float [B, 3, H, W].
        """
        with torch.no_grad():
            expected = denoiser(noisy, torch.full((noisy.shape[0],), sigma, device=noisy.device))
        variance = self.trust * sigma**2 * DATA_DEVIATION**2 / (sigma**2 + DATA_DEVIATION**2)
        clean = conditional_mean(likelihood, expected, variance, self.iterations)
        direction = (noisy - clean) / sigma
        fresh = torch.randn(noisy.shape, generator=generator, device=noisy.device)
        renewed = self.churn * next_sigma * (1 - next_sigma**2 / sigma**2) ** 0.5
        return clean + (next_sigma**2 - renewed**2) ** 0.5 * direction + renewed * fresh, clean
