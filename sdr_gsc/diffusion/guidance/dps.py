"""Diffusion posterior sampling (Chung et al. 2023): the likelihood's gradient is taken through the denoiser."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..denoiser import DATA_DEVIATION, Denoiser
from ..likelihood import Likelihood

__all__ = ["DpsGuidance"]


@dataclass(frozen=True, slots=True)
class DpsGuidance:
    """The solver behind `posterior:dps`.

    The likelihood is evaluated at the denoised picture with the measured variances, and its gradient g is taken with
    respect to the noisy picture. The step along -g minimizes misfit plus distance from the denoised picture over r²,
    were the encoder linear: ⟨J g, residual⟩/(‖J g‖² + ‖g‖²/r²), with r² = s²σ²/(σ² + s²) as in ΠGDM and J the
    Jacobian of the residual. (The constant step of the paper has to be tuned for every noise level and encoder.)

    Attributes:
        strength: multiplies the step; 1 is the balance itself.
    """

    strength: float = 1.0

    def step(
        self,
        noisy: Tensor,
        sigma: float,
        next_sigma: float,
        denoiser: Denoiser,
        likelihood: Likelihood,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """One step from σ to the next; see ProximalGuidance.step."""
        noisy = noisy.detach().requires_grad_()
        clean = denoiser(noisy, torch.full((noisy.shape[0],), sigma, device=noisy.device))
        residual = likelihood.residual(clean)
        misfit = 0.5 * residual.square().sum()
        (gradient,) = torch.autograd.grad(misfit, noisy)
        with torch.no_grad():
            # J g by a finite difference: one more pass of the cheap encoder, none of the denoiser.
            probe = 1e-2 * DATA_DEVIATION / gradient.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
            change = (residual - likelihood.residual(clean - probe * gradient)).flatten(1) / probe.flatten(1)
            slope = (change * residual.flatten(1)).sum(1).reshape(-1, 1, 1, 1)
            bend = change.square().sum(1).reshape(-1, 1, 1, 1)
            power = gradient.square().sum((1, 2, 3), keepdim=True)
            variance = sigma**2 * DATA_DEVIATION**2 / (sigma**2 + DATA_DEVIATION**2)
            length = slope / (bend + power / variance).clamp(min=1e-30)
            guided = clean - self.strength * length * gradient
            down = next_sigma**2 / sigma**2
            fresh = torch.randn(noisy.shape, generator=generator, device=noisy.device)
            ancestral = guided + down * (noisy - guided) + next_sigma * (1 - down) ** 0.5 * fresh
        return ancestral.detach(), guided.detach()
