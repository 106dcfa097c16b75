"""The data step that needs no gradient of the denoiser: prior N(m, vI) times the likelihood, its encoder linearized.

With J the Jacobian of the sent symbols, whitened, and r the whitened residual at x, the balance of both is

    (JᵀJ + I/v) δ = Jᵀ r + (m - x)/v,

solved by conjugate gradients through the encoder, for δ/√v, so that pixels of unequal variance count alike. Its
solution is the mean of the product; with noise of unit variance added to r and of variance v to m it is an exact draw
from it, were the encoder linear (perturb and optimize: Papandreou and Yuille 2010; Bardsley et al. 2014).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from ..likelihood import Likelihood

__all__ = ["conditional_draw", "conditional_mean", "conjugate_gradients"]


def conditional_mean(likelihood: Likelihood, expected: Tensor, variance: float | Tensor, iterations: int) -> Tensor:
    """Mean of N(expected, variance·I) times the likelihood, by one Gauss–Newton step from the expected picture.

    Args:
        likelihood: the evidence.
        expected: prior mean, float [B, 3, H, W].
        variance: prior variance per pixel value: one, or a tensor that divides `expected`, above 0.
        iterations: of conjugate gradients.
    """
    return _balance(likelihood, expected, expected, None, variance, iterations)


def conditional_draw(
    likelihood: Likelihood,
    expected: Tensor,
    variance: float,
    iterations: int,
    generator: torch.Generator,
) -> Tensor:
    """A draw from N(expected, variance·I) times the likelihood; see conditional_mean."""
    fresh = torch.randn(expected.shape, generator=generator, device=expected.device)
    with torch.no_grad():
        shape = likelihood.residual(expected).shape
    noise = torch.randn(shape, generator=generator, device=expected.device)
    return _balance(likelihood, expected, expected + variance**0.5 * fresh, noise, variance, iterations)


def _balance(
    likelihood: Likelihood,
    start: Tensor,
    expected: Tensor,
    noise: Tensor | None,
    variance: float | Tensor,
    iterations: int,
) -> Tensor:
    deviation = variance**0.5
    residual, pull = torch.func.vjp(likelihood.residual, start)[:2]
    curvature = functools.partial(_curvature, likelihood, start, pull, deviation)
    aim = residual if noise is None else residual + noise
    right = -deviation * pull(aim)[0] + (expected - start) / deviation
    return (start + deviation * conjugate_gradients(curvature, right, iterations)).detach()


def _curvature(
    likelihood: Likelihood,
    at: Tensor,
    pull: Callable[[Tensor], tuple[Tensor, ...]],
    deviation: float | Tensor,
    direction: Tensor,
) -> Tensor:
    """(√v JᵀJ √v + I) times a direction."""
    pushed: Tensor = torch.func.jvp(likelihood.residual, (at,), (deviation * direction,))[1]
    return deviation * pull(pushed)[0] + direction


def conjugate_gradients(curvature: Callable[[Tensor], Tensor], right: Tensor, iterations: int) -> Tensor:
    """Solve curvature(δ) = right for each entry of the batch, float [B, ...]; curvature is positive definite."""
    sides = tuple(range(1, right.ndim))
    solution = torch.zeros_like(right)
    rest, direction = right, right
    power = rest.square().sum(sides, keepdim=True)
    floor = power * 1e-10 + 1e-20
    for _ in range(iterations):
        image = curvature(direction)
        step = power / (direction * image).sum(sides, keepdim=True).clamp(min=1e-30)
        step = torch.where(power > floor, step, 0.0)
        solution = solution + step * direction
        rest = rest - step * image
        previous, power = power, rest.square().sum(sides, keepdim=True)
        direction = rest + power / previous.clamp(min=1e-30) * direction
    return solution
