"""Lapped linear transform: 32x32 windows every 16 pixels to latent columns, and back.

Starts as the Karhunen–Loève transform of 16x16 RGB blocks in the centre of each window (a block transform); training
frees the overlap. `analyze` is the first layer of the encoder, `synthesize` the last layer of the linear estimate.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .rate import BLOCK_PX, MAX_CHANNELS

__all__ = ["LappedTransform", "pad_to_blocks"]

_WINDOW = 2 * BLOCK_PX
_MARGIN = (_WINDOW - BLOCK_PX) // 2


def pad_to_blocks(pictures: Tensor, multiple: int = BLOCK_PX) -> Tensor:
    """Repeat the last row and column until both sides are multiples: float [B, C, H, W]."""
    down, right = -pictures.shape[-2] % multiple, -pictures.shape[-1] % multiple
    return functional.pad(pictures, (0, right, 0, down), mode="replicate") if down or right else pictures


class LappedTransform(nn.Module):
    """Analysis and synthesis filters, both float [128, 3, 32, 32], and the mean colour, float [3]."""

    def __init__(self) -> None:
        super().__init__()
        self.analysis = nn.Parameter(torch.zeros(MAX_CHANNELS, 3, _WINDOW, _WINDOW))
        self.synthesis = nn.Parameter(torch.zeros(MAX_CHANNELS, 3, _WINDOW, _WINDOW))
        self.mean = nn.Parameter(torch.full((3,), 0.5))

    def start_from(self, basis: Tensor, mean: Tensor) -> None:
        """Load an orthonormal basis of 16x16 RGB blocks, float [128, 3, 16, 16], and the mean colour, float [3]."""
        inner = slice(_MARGIN, _MARGIN + BLOCK_PX)
        with torch.no_grad():
            self.analysis[:, :, inner, inner] = basis
            self.synthesis[:, :, inner, inner] = basis
            self.mean.copy_(mean)

    def analyze(self, pictures: Tensor) -> Tensor:
        """Pictures, float [B, 3, H, W] with sides in multiples of 16, to latents, float [B, 128, H/16, W/16]."""
        centred = functional.pad(pictures - self.mean[:, None, None], (_MARGIN,) * 4, mode="replicate")
        return functional.conv2d(centred, self.analysis, stride=BLOCK_PX)

    def synthesize(self, latents: Tensor) -> Tensor:
        """Latents, float [B, 128, h, w], to pictures, float [B, 3, 16h, 16w]."""
        pictures = functional.conv_transpose2d(latents, self.synthesis, stride=BLOCK_PX, padding=_MARGIN)
        return pictures + self.mean[:, None, None]

    def spread(self, variances: Tensor) -> Tensor:
        """Variances of independent latents, float [B, 128, h, w], to RGB-averaged pixel variances, [B, 1, 16h, 16w]."""
        power = self.synthesis.square().mean(1, keepdim=True)
        return functional.conv_transpose2d(variances, power, stride=BLOCK_PX, padding=_MARGIN)
