"""The deterministic decoder: evidence per symbol to a picture, and how far to trust each pixel.

First a linear estimate with the variance measured for every symbol (an erased symbol carries no weight, exactly),
then a U-Net that corrects it and predicts its own remaining error.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..diffusion.nets.tiling import apply_unet
from ..diffusion.nets.unet import UNet, UNetShape
from .companding import expand_gain
from .encoder import SemanticEncoder
from .quantizer import Quantizer
from .rate import BLOCK_PX, MAX_CHANNELS, RATES, Rate
from .wiener import wiener

__all__ = ["Estimate", "LinearEstimate", "SemanticDecoder"]

#: Stands for the variance of an erased symbol: finite, so that 1/variance and its products stay finite in float32.
_ERASED = 1e6
#: Weight per latent of the average block's energy in the estimate of a block's own, and the least energy that is
#: believed; both are part of what the shipped weights were trained with.
_USUAL_WEIGHT = 0.05
_LEAST_ENERGY = 0.02
_SHAPE = UNetShape(inputs=4, outputs=4, latent=MAX_CHANNELS + 1)
#: Least noise and quantization that training draws, relative to a latent's power: Es/N0 of 22 dB and 32 levels.
_LEAST_NOISE = 10**-2.2 + Quantizer.of(32).distortion
#: Smallest pixel standard deviation that the decoder claims; half of an 8-bit step.
_SMALLEST_DEVIATION = 0.002


@dataclass(frozen=True, slots=True)
class LinearEstimate:
    """The linear estimate of a batch.

    Attributes:
        picture: float [B, 3, H, W], not clamped.
        deviation: float [B, 1, H, W], pixel standard deviation that the linear model predicts.
        latent: float [B, 129, H/16, W/16], shrunk latents (zero beyond the rate) and the logarithm of the block's
            energy.
    """

    picture: Tensor
    deviation: Tensor
    latent: Tensor


@dataclass(frozen=True, slots=True)
class Estimate:
    """The decoder's estimate of a batch.

    Attributes:
        picture: float [B, 3, H, W], not clamped: an approximation of E[picture | received symbols].
        deviation: float [B, 1, H, W], predicted standard deviation of its error, RMS over RGB.
        linear: the linear estimate it started from.
    """

    picture: Tensor
    deviation: Tensor
    linear: LinearEstimate


class SemanticDecoder(nn.Module):
    """LMMSE through the encoder's linear part, then a learned correction."""

    def __init__(self) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(MAX_CHANNELS))
        self.log_energy = nn.Parameter(torch.zeros(len(RATES)))
        self.unet = UNet(_SHAPE)

    def linear(
        self, encoder: SemanticEncoder, latents: Tensor, variance: Tensor, rate: Rate, grid: tuple[int, int]
    ) -> LinearEstimate:
        """Linear minimum-mean-squared-error estimate with one variance per received latent.

        With companding gain a (estimated), power gains G, rotation R, prior Λ scaled to the block's energy, and noise
        Σ: x̂ = Λ G Rᵀ (R G Λ G Rᵀ + Σ/a²)⁻¹ y/a.

        Args:
            encoder: the sender's encoder.
            latents: float [B, h·w, c], received latents in the encoder's units (scale undone); 0 where erased.
            variance: float [B, h·w, c], noise and quantization variance per real latent; inf where erased.
            rate: the rate in use.
            grid: (h, w).
        """
        rotation, gain = encoder.rotation(rate), encoder.gain(rate)
        prior = self.log_variance[: rate.channels].exp()
        variance = variance.clamp(min=1e-6, max=_ERASED)
        weight = torch.where(variance < _ERASED, 1 / variance, 0.0)
        # The block's companded energy, shrunk towards the average block in proportion to the evidence.
        usual = self.log_energy[rate.index].exp()
        evidence = (weight * (latents.square() - variance)).sum(-1) + rate.channels * _USUAL_WEIGHT
        total = weight.sum(-1) + rate.channels * _USUAL_WEIGHT / usual
        companded = (evidence / total).clamp(min=_LEAST_ENERGY)
        amplitude, energy = expand_gain(companded)
        signal = gain.square() * prior
        signal = signal * (energy / signal.mean())[..., None]  # [B, hw, c], power per rotated-back channel
        noise = variance / amplitude[..., None].square()
        received = latents / amplitude[..., None]
        estimate, remaining = wiener(received, noise, signal, rotation)
        height, width = grid

        def planes(columns: Tensor) -> Tensor:
            stacked = columns.transpose(1, 2).unflatten(2, (height, width))
            return functional.pad(stacked, (0, 0, 0, 0, 0, MAX_CHANNELS - stacked.shape[1]))

        shrunk = planes(estimate / gain)
        # Channels beyond the rate were never sent: their whole prior variance remains.
        unsent = self.log_variance.exp().clone()
        unsent[: rate.channels] = 0
        scale = (energy / (gain.square() * prior).mean())[:, None, :].unflatten(2, grid)
        variances = planes(remaining / gain.square()) + unsent[:, None, None] * scale
        return LinearEstimate(
            picture=encoder.transform.synthesize(shrunk),
            deviation=encoder.transform.spread(variances).clamp(min=1e-8).sqrt(),
            latent=torch.cat([shrunk / prior_scale(self.log_variance), scale.clamp(min=1e-4).log()], 1),
        )

    def forward(
        self, encoder: SemanticEncoder, latents: Tensor, variance: Tensor, rate: Rate, grid: tuple[int, int]
    ) -> Estimate:
        """Decode; arguments as in `linear`.

        Latents that are better than training ever saw count as the best of training: beyond what it knows the network
        would trust itself too far, and lose a little.
        """
        heard = variance < _ERASED
        energy = torch.where(heard, latents.square(), 0.0).sum((1, 2), keepdim=True)
        power = energy / heard.sum((1, 2), keepdim=True).clamp(min=1)
        return self.correct(self.linear(encoder, latents, torch.maximum(variance, power * _LEAST_NOISE), rate, grid))

    def correct(self, linear: LinearEstimate) -> Estimate:
        """The learned correction of a linear estimate."""
        planes = torch.cat([linear.picture - 0.5, linear.deviation.log() / 3 + 1], 1)
        correction = apply_unet(self.unet, planes, None, linear.latent).float()
        # The head's unit is the linear model's own uncertainty, so that one network serves all rates and SNRs.
        picture = linear.picture + correction[:, :3] * linear.deviation
        deviation = linear.deviation * correction[:, 3:].clamp(-3, 3).exp()
        return Estimate(picture, deviation.clamp(min=_SMALLEST_DEVIATION), linear)


def prior_scale(log_variance: Tensor) -> Tensor:
    """Standard deviations of the latent channels, float [128, 1, 1]."""
    return (0.5 * log_variance).exp()[:, None, None]


def grid_of(height: int, width: int) -> tuple[int, int]:
    """Blocks down and across of a picture of `height` x `width` pixels."""
    return -(-height // BLOCK_PX), -(-width // BLOCK_PX)
