"""ΠGDM (Song et al. 2023, "Pseudoinverse-guided diffusion models for inverse problems").

Given x_σ the picture is taken as N(x̂, r²I), so what was received scatters around s(x̂) with r²HHᵀ + Σ, and

    ∇ log p(y | x_σ) ≈ (∂x̂/∂x_σ)ᵀ Hᵀ (r²HHᵀ + Σ)⁻¹ (y - s(x̂)),   r² = s²σ²/(σ² + s²),

with H the encoder's Jacobian at x̂. Tweedie's formula turns the score into a mean: x̂ + σ²·∇. Exact for a white Gaussian
prior and a linear encoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..denoiser import Denoiser
from ..likelihood import Likelihood
from .gauss_newton import conditional_mean
from .steps import ancestral, denoised, expected_variance

__all__ = ["PigdmGuidance"]


@dataclass(frozen=True, slots=True)
class PigdmGuidance:
    """The solver behind `posterior:pigdm`.

    Attributes:
        iterations: of conjugate gradients for the inverse, through the encoder alone.
    """

    iterations: int = 6

    @property
    def evaluations(self) -> int:
        """See Guidance; each has one backward pass."""
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
        variance = expected_variance(sigma)
        # Hᵀ(r²HHᵀ + Σ)⁻¹(y - s) = (HᵀΣ⁻¹H + I/r²)⁻¹ HᵀΣ⁻¹(y - s)/r²: the data step of Gauss–Newton over r².
        pulled = (conditional_mean(likelihood, clean.detach(), variance, self.iterations) - clean.detach()) / variance
        (score,) = torch.autograd.grad(clean, noisy, pulled)
        with torch.no_grad():
            guided = clean + sigma**2 * score
            return ancestral(noisy, guided, sigma, next_sigma, generator).detach(), guided.detach()
