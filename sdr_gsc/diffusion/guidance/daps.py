"""Decoupled annealing posterior sampling (Zhang et al. 2024, "Improving diffusion inverse problem solving with DAPS").

At each level the picture is drawn given evidence and x_σ, and noised afresh to the next level; nothing else is carried
over, so an early mistake is forgotten. Given x_σ alone the picture is taken as N(m, r²I).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...errors import SettingsError
from ..denoiser import Denoiser
from ..likelihood import Likelihood
from .gauss_newton import conditional_draw
from .steps import denoised, expected_variance

__all__ = ["DapsGuidance"]


@dataclass(frozen=True, slots=True)
class DapsGuidance:
    """The solver behind `posterior:daps`.

    With one evaluation m is the denoiser's mean and r² = ηs²σ²/(σ² + s²), which for a white Gaussian prior (η = 1) is
    the law of the picture given x_σ: the draws are then exact at every level. The paper takes m from several Euler
    steps of the probability-flow equation and r = σ; more `evaluations` give that m, of which r² makes too wide a draw.

    Attributes:
        trust: η, as in ProximalGuidance.
        evaluations: of the denoiser per level, 1 or the steps of the probability flow.
        inner: how the picture is drawn. ``gauss-newton``: perturb and optimize, exact for a linear encoder.
            ``langevin``: unadjusted Langevin steps, biased by about half the step's share of the curvature.
        iterations: of conjugate gradients, or Langevin steps.
    """

    trust: float = 0.3
    evaluations: int = 1
    inner: str = "gauss-newton"
    iterations: int = 6

    def __post_init__(self) -> None:
        if self.inner not in ("gauss-newton", "langevin"):
            raise SettingsError(f"inner is {self.inner!r}; needed gauss-newton or langevin")

    @torch.no_grad()
    def step(
        self,
        noisy: Tensor,
        sigma: float,
        next_sigma: float,
        denoiser: Denoiser,
        likelihood: Likelihood,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """See Guidance."""
        expected = self._flow(noisy, sigma, denoiser)
        variance = self.trust * expected_variance(sigma)
        if self.inner == "gauss-newton":
            clean = conditional_draw(likelihood, expected, variance, self.iterations, generator)
        else:
            clean = _langevin(likelihood, expected, variance, self.iterations, generator)
        fresh = torch.randn(noisy.shape, generator=generator, device=noisy.device)
        return clean + next_sigma * fresh, clean

    def _flow(self, noisy: Tensor, sigma: float, denoiser: Denoiser) -> Tensor:
        """Euler steps of dx/dσ = (x - x̂)/σ down to 0; one of them ends at x̂."""
        levels = np.append(np.geomspace(sigma, sigma / 30, self.evaluations), 0.0)
        for now, then in zip(levels[:-1], levels[1:], strict=True):
            clean = denoised(denoiser, noisy, float(now))
            noisy = clean + float(then / now) * (noisy - clean)
        return noisy


def _langevin(
    likelihood: Likelihood, expected: Tensor, variance: float, steps: int, generator: torch.Generator
) -> Tensor:
    """Unadjusted Langevin steps from the prior's mean, of a fifth of the inverse of the largest curvature."""
    with torch.enable_grad():
        rate = 0.2 / (_largest_curvature(likelihood, expected, generator) + 1 / variance)
        picture = expected
        for _ in range(steps):
            at = picture.detach().requires_grad_()
            misfit = 0.5 * likelihood.residual(at).square().sum()
            (slope,) = torch.autograd.grad(misfit, at)
            fresh = torch.randn(at.shape, generator=generator, device=at.device)
            drift = slope + (at.detach() - expected) / variance
            picture = at.detach() - rate * drift + (2 * rate) ** 0.5 * fresh
    return picture


def _largest_curvature(likelihood: Likelihood, at: Tensor, generator: torch.Generator) -> Tensor:
    """Largest eigenvalue of JᵀJ for each picture by a few power iterations, float [B, 1, 1, 1]."""
    direction = torch.randn(at.shape, generator=generator, device=at.device)
    pull = torch.func.vjp(likelihood.residual, at)[1]
    for _ in range(6):
        direction = direction / direction.square().sum((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-30)
        direction = pull(torch.func.jvp(likelihood.residual, (at,), (direction,))[1])[0]
    # Power iteration comes from below; the factor covers what six of them leave.
    return 1.2 * direction.square().sum((1, 2, 3), keepdim=True).sqrt()
