"""One step along a gradient that was taken through the denoiser, of the length that evidence and prior agree on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..denoiser import DATA_DEVIATION, Denoiser
from .steps import denoised, expected_variance

__all__ = ["guided_estimate"]


def guided_estimate(
    noisy: Tensor,
    sigma: float,
    denoiser: Denoiser,
    residuals: Callable[[Tensor], Sequence[Tensor]],
    weigh: Callable[[int, Tensor], Tensor],
) -> Tensor:
    """The denoised picture, moved along -g to the least of Σ ½ω‖r‖² + ½‖δ‖²/r².

    g is the gradient of Σ ½ω‖r‖² with respect to the *noisy* picture. Along the line the residuals are taken as linear,
    so the length is ⟨J g, ω r⟩/(⟨J g, ω J g⟩ + ‖g‖²/r²), with r² the variance of ΠGDM and J the Jacobian of the
    residuals with respect to the clean picture. (The constant step of the papers has to be tuned for every noise level
    and encoder.)

    Args:
        noisy: x_σ, float [B, 3, H, W].
        sigma: σ.
        denoiser: the prior.
        residuals: of clean pictures, each float [B, ...].
        weigh: the number of a residual and its norm, float [B], to the weight ω of its square, float [B].

    Returns:
        Float [B, 3, H, W].
    """
    noisy = noisy.detach().requires_grad_()
    clean = denoised(denoiser, noisy, sigma)
    parts = [part.flatten(1) for part in residuals(clean)]
    weights = [weigh(number, part.detach().norm(dim=1)) for number, part in enumerate(parts)]
    terms = [0.5 * weight * part.square().sum(1) for weight, part in zip(weights, parts, strict=True)]
    misfit = torch.stack(terms).sum()
    (gradient,) = torch.autograd.grad(misfit, noisy)
    with torch.no_grad():
        # J g by a finite difference: one more pass of the cheap encoder, none of the denoiser.
        probe = 1e-2 * DATA_DEVIATION / gradient.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
        moved = [part.flatten(1) for part in residuals(clean - probe * gradient)]
        slope = torch.zeros_like(probe.flatten())
        bend = gradient.square().sum((1, 2, 3)) / expected_variance(sigma)
        for weight, part, other in zip(weights, parts, moved, strict=True):
            change = (part - other) / probe.flatten(1)
            slope = slope + weight * (change * part).sum(1)
            bend = bend + weight * change.square().sum(1)
        length = slope / bend.clamp(min=1e-30)
        return (clean - length.reshape(-1, 1, 1, 1) * gradient).detach()
