"""Diffusion posterior sampling (Chung et al. 2023): the likelihood's gradient is taken through the denoiser."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..denoiser import Denoiser
from ..likelihood import Likelihood
from .descent import guided_estimate
from .steps import ancestral

__all__ = ["DpsGuidance"]


@dataclass(frozen=True, slots=True)
class DpsGuidance:
    """The solver behind `posterior:dps`.

    The likelihood is evaluated at the denoised picture with the measured variances, and its gradient is taken with
    respect to the noisy picture. The length of the step is not the constant of the paper but that of `guided_estimate`.
    For a Gaussian prior it draws from the posterior where the evidence bends equally in all directions; elsewhere one
    step along one gradient leaves directions of little curvature behind.

    Attributes:
        strength: weight of the evidence; 1 is the likelihood itself.
    """

    strength: float = 1.0

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
        guided = guided_estimate(
            noisy,
            sigma,
            denoiser,
            lambda clean: (likelihood.residual(clean),),
            lambda _, norm: torch.full_like(norm, self.strength),
        )
        return ancestral(noisy, guided, sigma, next_sigma, generator), guided
