"""Denoisers: estimates of the clean picture from a noisy one, preconditioned so that networks see unit variances.

Inside this package pictures are float [B, 3, H, W] in [-1, 1] with sides in multiples of 16.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from .nets.tiling import apply_unet
from .nets.unet import UNet, UNetShape

__all__ = ["DATA_DEVIATION", "Denoiser", "PriorDenoiser"]

#: Standard deviation of photographs in [-1, 1] around mid-grey, as in Karras et al. 2022 (EDM), section 5.
DATA_DEVIATION = 0.5


class Denoiser(Protocol):
    """E[x0 | x_σ] for x_σ = x0 + σ·n, n ~ N(0, I)."""

    def __call__(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Clean estimate, float [B, 3, H, W], of `noisy` [B, 3, H, W] at noise levels `sigma` [B]."""
        ...


class PriorDenoiser(nn.Module):
    """Unconditional denoiser with the preconditioning of Karras et al. 2022 (EDM), Table 1.

    D(x; σ) = c_skip x + c_out F(c_in x; ln σ), with c_skip = s²/(σ²+s²), c_out = σs/√(σ²+s²), c_in = 1/√(σ²+s²), s the
    deviation of the data.
    """

    def __init__(self, shape: UNetShape | None = None) -> None:
        super().__init__()
        self.unet = UNet(shape or UNetShape(inputs=3, outputs=3, conditions=1))

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """See Denoiser."""
        level = sigma.reshape(-1, 1, 1, 1).float()
        spread = (level.square() + DATA_DEVIATION**2).sqrt()
        inner = noisy / spread
        # ln σ / 8 keeps the Fourier features, whose top frequency is 64, from aliasing over the σ in use.
        correction = apply_unet(self.unet, inner, level.flatten(1).log() / 8).float()
        return noisy * (DATA_DEVIATION / spread) ** 2 + correction * level * DATA_DEVIATION / spread
