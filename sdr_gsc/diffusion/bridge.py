"""The bridge between the codec's estimate and the picture: the process behind the `refine` decoder.

Let m be the codec's estimate and τ its predicted standard deviation, pixel by pixel. For t in [0, 1] and ε ~ N(0, I)

    x_t = m + (1 - t)·(x_0 - m) + t·κ·τ·ε,

so x_1 is estimate plus noise of the very size of the estimate's error (times κ), which the receiver can draw without
knowing the picture, and x_0 is the picture. It is a stochastic interpolant (Albergo, Boffi and Vanden-Eijnden 2023)
with a data-dependent start: flow matching along straight lines, not I2SB. Noise is drawn once, at t = 1, and shrinks
with t; the way down is the ordinary equation dx/dt = (x_t - E[x_0 | x_t])/t. I2SB (Liu et al. 2023, arXiv:2302.05872)
starts at m without noise and adds t(1 - t) of variance in between, so its way is random.

Were the error Gaussian with deviation τ, then

    E[x_0 | x_t] = m + a·(x_t - m),   a = (1 - t)/v,   v = (1 - t)² + t²κ²,

with remaining deviation τ·b, b = tκ/√v (b = 1 at t = 1). The network adds b·τ·F, and F starts at zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from .nets.tiling import apply_unet
from .nets.unet import UNet, UNetShape

__all__ = ["Bridge", "BridgeCondition", "BridgeDenoiser", "GuidedBridge", "bridge_state", "remaining_deviation"]

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

    def without_evidence(self, dropped: Tensor | None = None) -> BridgeCondition:
        """What is left when latent and linear planes say nothing more than the estimate does.

        Args:
            dropped: bool [B], for which pictures; None for all.
        """
        if dropped is None:
            return replace(self, linear=self.estimate, latent=torch.zeros_like(self.latent))
        chosen = dropped.reshape(-1, 1, 1, 1)
        return replace(
            self,
            linear=torch.where(chosen, self.estimate, self.linear),
            latent=torch.where(chosen, 0.0, self.latent),
        )


class Bridge(Protocol):
    """E[x_0 | x_t, what was received]."""

    def __call__(self, state: Tensor, condition: BridgeCondition, t: Tensor, kappa: Tensor) -> Tensor:
        """Clean estimate, float [B, 3, H, W], of x_t at times `t` [B] of a bridge of strength `kappa` [B]."""
        ...


def bridge_state(condition: BridgeCondition, picture: Tensor, noise: Tensor, t: Tensor, kappa: Tensor) -> Tensor:
    """x_t of the bridge; picture and noise float [B, 3, H, W], t and kappa float [B]."""
    t, kappa = t.reshape(-1, 1, 1, 1), kappa.reshape(-1, 1, 1, 1)
    line = condition.estimate + (1 - t) * (picture - condition.estimate)
    return line + t * kappa * condition.deviation * noise


def remaining_deviation(condition: BridgeCondition, t: Tensor, kappa: Tensor) -> Tensor:
    """b·τ, float [B, 1, H, W], at times `t` [B] of a bridge of strength `kappa` [B]: what x_t leaves open of x_0."""
    t, kappa = t.reshape(-1, 1, 1, 1), kappa.reshape(-1, 1, 1, 1).clamp(min=SMALLEST_KAPPA)
    return t * kappa / ((1 - t).square() + (t * kappa).square()).sqrt() * condition.deviation


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
        remaining = remaining_deviation(condition, t, kappa)
        return condition.estimate + (1 - times) / variance * offset + remaining * correction


@dataclass(frozen=True, slots=True)
class GuidedBridge:
    """Classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598): D_w = D_dropped + w (D - D_dropped).

    D_dropped is the same network without the evidence, see `BridgeCondition.without_evidence`; training drops it from
    one picture in ten.

    Attributes:
        bridge: the trained network.
        guidance: w >= 0; 0 ignores the evidence beyond the estimate, 1 is the network itself and costs one evaluation,
            above 1 the picture is drawn to what the evidence, and only the evidence, speaks for.
    """

    bridge: BridgeDenoiser
    guidance: float = 1.0

    @property
    def evaluations(self) -> int:
        """Evaluations of the network per estimate: 2, or 1 at the guidances 0 and 1."""
        return 1 if self.guidance in (0.0, 1.0) else 2

    def __call__(self, state: Tensor, condition: BridgeCondition, t: Tensor, kappa: Tensor) -> Tensor:
        """See Bridge."""
        if self.guidance == 1.0:
            whole: Tensor = self.bridge(state, condition, t, kappa)
            return whole
        without: Tensor = self.bridge(state, condition.without_evidence(), t, kappa)
        if self.guidance == 0.0:
            return without
        return torch.lerp(without, self.bridge(state, condition, t, kappa), self.guidance)
