"""What the solvers share: the denoised picture, and the way down to the next level."""

from __future__ import annotations

import torch
from torch import Tensor

from ..denoiser import DATA_DEVIATION, Denoiser

__all__ = ["ancestral", "denoised", "expected_variance"]


def denoised(denoiser: Denoiser, noisy: Tensor, sigma: float) -> Tensor:
    """The denoiser's E[x0 | x_σ], all pictures of the batch at one level."""
    return denoiser(noisy, torch.full((noisy.shape[0],), sigma, device=noisy.device))


def expected_variance(sigma: float) -> float:
    """Variance s²σ²/(σ² + s²) of x0 given x_σ, were pictures white Gaussian of deviation s (ΠGDM's r²)."""
    return sigma**2 * DATA_DEVIATION**2 / (sigma**2 + DATA_DEVIATION**2)


def ancestral(noisy: Tensor, clean: Tensor, sigma: float, next_sigma: float, generator: torch.Generator) -> Tensor:
    """Draw x at `next_sigma` given x at `sigma` and the clean picture: x̂ + ρ(x - x̂) + σ'√(1-ρ)·n with ρ = σ'²/σ²."""
    down = next_sigma**2 / sigma**2
    fresh = torch.randn(noisy.shape, generator=generator, device=noisy.device)
    return clean + down * (noisy - clean) + next_sigma * (1 - down) ** 0.5 * fresh
