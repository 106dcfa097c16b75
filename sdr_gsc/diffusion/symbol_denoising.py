"""The `cddm` decoder: denoise the symbols, then decode; for comparison with decoders whose prior is on pictures.

CDDM (Wu et al. 2024) runs a diffusion model over channel symbols. Of quantized symbols the law is known: levels l_i
with the probabilities p_i that a unit Gaussian gives to their cells. So the end of such a chain, E[level | y], needs no
network: with noise n per real dimension it is Σ p_i l_i N(y; l_i, n)/Σ p_i N(y; l_i, n).

What is left is the posterior variance v. The deterministic decoder expects values with independent noise, and a
posterior mean is none: its prior would count twice. Hence the mean is handed on without what the Gaussian prior of unit
variance already says (the extrinsic value): precision 1/v - 1, mean (m/v)/(1/v - 1). If levels were Gaussian that would
give back y and n, so all that can be gained is that levels are discrete.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..semantic.codec import Codec
from ..semantic.descriptor import Descriptor
from ..semantic.evidence import Evidence
from ..semantic.quantizer import Quantizer
from ..semantic.values import Reception, Reconstruction
from .clock import seconds_on
from .decoding import estimate_of, reconstruction_of
from .sampler import OnStep, quietly

__all__ = ["SymbolDenoiser", "denoised_evidence", "level_posterior"]

#: A value whose precision is less than this share of the prior's says nothing; it counts as erased.
_LEAST_PRECISION = 1e-3


def level_posterior(values: Tensor, noise: Tensor, quantizer: Quantizer) -> tuple[Tensor, Tensor]:
    """Mean and variance of a level given `values` = level + n, n ~ N(0, noise); both float, any shape.

    Args:
        values: in units of the quantizer's levels.
        noise: variance, >= 0, finite.
        quantizer: of the levels.
    """
    count = quantizer.levels
    levels = (torch.arange(count, device=values.device, dtype=torch.float64) - (count - 1) / 2) * quantizer.step
    edges = levels[:-1] + quantizer.step / 2
    cumulative = torch.cat([edges.new_zeros(1), torch.special.ndtr(edges), edges.new_ones(1)])
    distance = values.double()[..., None] - levels
    logits = cumulative.diff().log() - distance.square() / (2 * noise.double().clamp(min=1e-9)[..., None])
    probability = logits.softmax(-1)
    mean = (probability * levels).sum(-1)
    variance = (probability * (levels - mean[..., None]).square()).sum(-1)
    return mean.to(values.dtype), variance.to(values.dtype)


def denoised_evidence(evidence: Evidence, descriptor: Descriptor) -> Evidence:
    """Evidence with every latent replaced by what its noise and the quantizer's levels say of it."""
    quantizer, scale = Quantizer.of(descriptor.levels), descriptor.scale
    distortion = quantizer.distortion
    heard = torch.isfinite(evidence.variance)
    noise = torch.where(heard, evidence.variance / scale**2 - distortion, 1.0).clamp(min=0)
    mean, left = level_posterior(evidence.latents / scale, noise, quantizer)
    # Of a unit Gaussian cut into cells the levels have the variance 1 - D.
    prior = 1 - distortion
    precision = 1 / left.clamp(min=1e-9) - 1 / prior
    says = heard & (precision > _LEAST_PRECISION)
    extrinsic = torch.where(says, mean / left.clamp(min=1e-9) / precision, 0.0)
    variance = torch.where(says, (1 / precision + distortion) * scale**2, torch.inf)
    return replace(evidence, latents=extrinsic * scale, variance=variance)


@dataclass(frozen=True, slots=True)
class SymbolDenoiser:
    """The decoder behind `cddm`: `mmse` on denoised symbols; nothing here is random and no network denoises.

    Attributes:
        codec: the sender's codec.
        name: as asked for.
    """

    codec: Codec
    name: str = "cddm"

    def decode(self, reception: Reception, *, generator: torch.Generator, on_step: OnStep = quietly) -> Reconstruction:
        """See Decoder."""
        began = seconds_on(self.codec.device)
        evidence, estimate = estimate_of(self.codec, reception)
        if reception.descriptor is not None:
            estimate = self.codec.estimate(denoised_evidence(evidence, reception.descriptor))
        return reconstruction_of(
            self.name, evidence, estimate, estimate.picture, 0, {"estimate": seconds_on(self.codec.device) - began}
        )
