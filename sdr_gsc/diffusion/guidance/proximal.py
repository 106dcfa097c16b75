"""Proximal guidance: a denoised picture is moved to where prior and evidence balance, then noised again.

DiffPIR (Zhu et al. 2023, "Denoising diffusion models for plug-and-play image restoration") with the variance of ΠGDM
(Song et al. 2023): the prior says x0 ~ N(x̂, r²I) given x_σ, with r² = ηs²σ²/(σ² + s²); the data step is the mean of
that times the likelihood, found by Gauss–Newton with conjugate gradients through the encoder. No gradient passes the
denoiser, so a step costs one evaluation. For a Gaussian prior and a linear encoder (η = 1) the data step is the exact
conditional mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..denoiser import Denoiser
from ..likelihood import Likelihood
from .gauss_newton import conditional_mean
from .steps import denoised, expected_variance

__all__ = ["ProximalGuidance"]


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

    @property
    def evaluations(self) -> int:
        """See Guidance; none has a backward pass."""
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
        with torch.no_grad():
            expected = denoised(denoiser, noisy, sigma)
        variance = self.trust * expected_variance(sigma)
        clean = conditional_mean(likelihood, expected, variance, self.iterations)
        direction = (noisy - clean) / sigma
        fresh = torch.randn(noisy.shape, generator=generator, device=noisy.device)
        renewed = self.churn * next_sigma * (1 - next_sigma**2 / sigma**2) ** 0.5
        return clean + (next_sigma**2 - renewed**2) ** 0.5 * direction + renewed * fresh, clean
