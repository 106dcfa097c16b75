"""The bridge between the codec's estimate and the picture: the process behind the `refine` decoder.

Let m be the codec's estimate and τ its predicted standard deviation, pixel by pixel. For t in [0, 1] and ε ~ N(0, I)

    x_t = m + (1 - t)·(x_0 - m) + t·κ·τ·ε,

so x_1 is estimate plus noise of the very size of the estimate's error (times κ, the user's realism knob), which the
receiver can draw without knowing the picture, and x_0 is the picture. It is a stochastic interpolant (Albergo,
Boffi and Vanden-Eijnden 2023) with a data-dependent start. Were the error Gaussian with deviation τ, then

    E[x_0 | x_t] = m + a·(x_t - m),   a = (1 - t)/v,   v = (1 - t)² + t²κ²,

with remaining deviation τ·b, b = tκ/√v (b = 1 at t = 1). The network adds b·τ·F, and F starts at zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .nets.tiling import apply_unet
from .nets.unet import UNet, UNetShape

__all__ = ["BridgeCondition", "BridgeDenoiser", "bridge_state"]

#: Smallest κ that training sees; below it the bridge is a line and b = 0 would hide the network.
SMALLEST_KAPPA = 0.1


@dataclass(frozen=True, slots=True)
class BridgeCondition:
    """What the receiver knows; pictures in [0, 1] units, sides in multiples of 16.

    Attributes:
        estimate: m, float [B, 3, H, W].
        deviation: τ, float [B, 1, H, W].
        linear: the linear estimate before the codec's network, float [B, 3, H, W].
        latent: the codec's latent planes, float [B, C, H/16, W/16].
    """

    estimate: Tensor
    deviation: Tensor
    linear: Tensor
    latent: Tensor


def bridge_state(condition: BridgeCondition, picture: Tensor, noise: Tensor, t: Tensor, kappa: Tensor) -> Tensor:
    """x_t of the bridge; picture and noise float [B, 3, H, W], t and kappa float [B]."""
    t, kappa = t.reshape(-1, 1, 1, 1), kappa.reshape(-1, 1, 1, 1)
    line = condition.estimate + (1 - t) * (picture - condition.estimate)
    return line + t * kappa * condition.deviation * noise


class BridgeDenoiser(nn.Module):
    """E[x_0 | x_t, what was received]."""

    def __init__(self, latent: int, shape: UNetShape | None = None) -> None:
        super().__init__()
        self.unet = UNet(shape or UNetShape(inputs=10, outputs=3, conditions=2, latent=latent))

    def forward(self, state: Tensor, condition: BridgeCondition, t: Tensor, kappa: Tensor) -> Tensor:
        """Clean estimate, float [B, 3, H, W], of x_t at times `t` [B] of a bridge of strength `kappa` [B]."""
        times, strengths = t.reshape(-1, 1, 1, 1), kappa.reshape(-1, 1, 1, 1).clamp(min=SMALLEST_KAPPA)
        variance = (1 - times).square() + (times * strengths).square()
        offset = state - condition.estimate
        planes = torch.cat(
            [
                offset / (condition.deviation * variance.sqrt()),
                condition.estimate - 0.5,
                condition.deviation.log() / 3 + 1,
                (condition.linear - condition.estimate) / condition.deviation,
            ],
            1,
        )
        correction = apply_unet(
            self.unet,
            planes,
            torch.stack([times.flatten(), strengths.flatten()], 1) / 8,
            condition.latent,
        ).float()
        remaining = times * strengths / variance.sqrt() * condition.deviation
        return condition.estimate + (1 - times) / variance * offset + remaining * correction
