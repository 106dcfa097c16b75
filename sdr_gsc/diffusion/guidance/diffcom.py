"""DiffCom and HiFi-DiffCom (Wang et al., IEEE JSAC 43(7), 2025): guidance by unsquared norms.

As published, x_{t-1} = x'_{t-1} - lr·∇_{x_t}(ζ L_m + γ L_c) with x' the ancestral draw, L_m = ‖y - s(x̂)‖₂ and the
confirming term L_c = ‖D(y) - D(s(x̂))‖₂: the estimate, sent and decoded once more, must look like the decode of what was
received. Neither norm is weighted by the noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import SettingsError
from ..denoiser import Denoiser
from ..likelihood import ConfirmingLikelihood, Likelihood
from .descent import guided_estimate
from .steps import ancestral, denoised

__all__ = ["DiffComGuidance", "PublishedDiffCom"]


def _terms(likelihood: Likelihood, pictures: Tensor, measurement: float, confirming: float) -> list[Tensor]:
    """The residuals whose weight is not zero, measurement first."""
    terms = [likelihood.residual(pictures)] if measurement > 0 else []
    if confirming > 0:
        if not isinstance(likelihood, ConfirmingLikelihood):
            raise SettingsError("the confirming constraint needs a likelihood that knows the deterministic decoder")
        terms.append(likelihood.confirmation(pictures))
    return terms


@dataclass(frozen=True, slots=True)
class DiffComGuidance:
    """The solvers behind `posterior:diffcom` and `posterior:hifi-diffcom`.

    Kept from the paper: the two terms, their unsquared norms, the gradient through the denoiser, the ancestral step.
    Changed: (1) residuals are whitened with what the receiver measured, so a symbol counts as much as it is worth and
    an erased one not at all; (2) a norm counts as √n·‖r‖, n the residual's size: the same gradient as that of the
    negative log-likelihood ½‖r‖² where the residual is as large as the measured noise makes it, bounded where it is
    larger, as it is while the picture is still noisy; below √n the square itself is taken, since a gradient of constant
    size there would chase the noise; (3) the length of the step is that of `guided_estimate` instead of a constant;
    (4) measurement and confirmation read the same evidence twice, so their weights add up to 1.

    For a Gaussian prior and equal curvature in all directions it draws from the posterior once the residual is of the
    size of the noise; on the way there it trusts the evidence less than DPS.

    Attributes:
        measurement: ζ, weight of the symbols.
        confirming: γ, weight of the confirming constraint; 0 for DiffCom.
    """

    measurement: float = 1.0
    confirming: float = 0.0

    @property
    def evaluations(self) -> int:
        """See Guidance; each has one backward pass, and with the constraint one of the codec's decoder."""
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
        factors = [factor for factor in (self.measurement, self.confirming) if factor > 0]
        sizes: list[int] = []

        def residuals(clean: Tensor) -> list[Tensor]:
            terms = _terms(likelihood, clean, self.measurement, self.confirming)
            # A symbol that was not heard has a residual of exactly 0 whatever the picture, and is no observation.
            sizes[:] = [int(torch.count_nonzero(term[0])) for term in terms]
            return terms

        def weigh(number: int, norm: Tensor) -> Tensor:
            usual = max(sizes[number], 1) ** 0.5
            return factors[number] * usual / norm.clamp(min=usual)

        guided = guided_estimate(noisy, sigma, denoiser, residuals, weigh)
        return ancestral(noisy, guided, sigma, next_sigma, generator), guided


@dataclass(frozen=True, slots=True)
class PublishedDiffCom:
    """The solvers behind `posterior:diffcom-paper` and `posterior:hifi-diffcom-paper`, faithful to the released code.

    Unweighted norms, of complex symbols of mean power 1 and of pictures in [0, 1], a constant step, no guidance at the
    last level. A step lr on the variance-preserving x_t = √ā x_σ is lr/√(ā ā') here, ā = 1/(1 + σ²). What differs: our
    codec and prior, and any number of levels instead of 1000. It needs the weighting ``none``, under which a residual
    is √2 times the difference of symbols.

    Attributes:
        measurement: ζ; published: 1, and 0.25 with the constraint.
        confirming: γ; published: 0, and 0.25 with the constraint.
        rate: lr.
    """

    measurement: float = 1.0
    confirming: float = 0.0
    rate: float = 1.0

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
        if next_sigma == 0:
            with torch.no_grad():
                clean = denoised(denoiser, noisy, sigma).clamp(-1, 1)
            return clean, clean
        noisy = noisy.detach().requires_grad_()
        clean = denoised(denoiser, noisy, sigma).clamp(-1, 1)
        factors = [factor for factor in (self.measurement / 2**0.5, self.confirming) if factor > 0]
        terms = _terms(likelihood, clean, self.measurement, self.confirming)
        loss = sum((factor * term.flatten(1).norm(dim=1)).sum() for factor, term in zip(factors, terms, strict=True))
        (gradient,) = torch.autograd.grad(loss, noisy)
        length = self.rate * ((1 + sigma**2) * (1 + next_sigma**2)) ** 0.5
        with torch.no_grad():
            drawn = ancestral(noisy, clean, sigma, next_sigma, generator)
            return (drawn - length * gradient).detach(), clean.detach()
