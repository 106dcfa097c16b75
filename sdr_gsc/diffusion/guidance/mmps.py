"""Moment-matching posterior sampling (Rozet et al. 2024, "Learning diffusion priors from observations by EM").

As ΠGDM, with the covariance of the picture given x_σ not guessed but read from the denoiser: V = σ² ∂x̂/∂x_σ (Tweedie's
second formula). The system (Σ + HVHᵀ) u = y - s(x̂) is solved in the space of symbols by conjugate gradients; every
iteration costs one backward pass of the denoiser. Then x̂ + V Hᵀu is the guided mean. Exact for any Gaussian prior and a
linear encoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..denoiser import Denoiser
from ..likelihood import Likelihood
from .gauss_newton import conjugate_gradients
from .steps import ancestral, denoised

__all__ = ["MmpsGuidance"]


@dataclass(frozen=True, slots=True)
class MmpsGuidance:
    """The solver behind `posterior:mmps`.

    Attributes:
        iterations: of conjugate gradients; few suffice, and few regularize a network whose Jacobian is no covariance.
    """

    iterations: int = 3

    @property
    def evaluations(self) -> int:
        """See Guidance; each has `iterations` + 1 backward passes."""
        return 1

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
        noisy = noisy.detach().requires_grad_()
        clean = denoised(denoiser, noisy, sigma)
        at = clean.detach()
        residual, pull = torch.func.vjp(likelihood.residual, at)[:2]

        def spread(symbols: Tensor) -> Tensor:
            """V Hᵀ u; the residual falls as what is sent rises, hence the sign."""
            (pulled,) = torch.autograd.grad(clean, noisy, -pull(symbols)[0], retain_graph=True)
            return sigma**2 * pulled

        def covariance(symbols: Tensor) -> Tensor:
            pushed: Tensor = torch.func.jvp(likelihood.residual, (at,), (spread(symbols),))[1]
            return symbols - pushed

        solved = conjugate_gradients(covariance, residual.detach(), self.iterations)
        guided = at + spread(solved)
        with torch.no_grad():
            return ancestral(noisy, guided, sigma, next_sigma, generator).detach(), guided.detach()
