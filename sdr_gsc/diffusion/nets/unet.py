"""A small convolutional U-Net without normalization layers, for pictures of any size that is a multiple of 16.

It works on 2x2 pixel blocks (space to depth), has no attention and no normalization, so a picture may be cut into tiles
with enough overlap and put together again without a seam.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["STRIDE", "UNet", "UNetShape", "fourier_features"]

#: Side of the square that one bottleneck cell covers, in pixels.
STRIDE = 16


@dataclass(frozen=True, slots=True)
class UNetShape:
    """Size of a U-Net.

    Attributes:
        inputs: planes of the input picture stack.
        outputs: planes of the output picture stack.
        widths: channels at 1/2, 1/4, 1/8 and 1/16 of the picture's resolution.
        blocks: residual blocks per level, down and up alike.
        conditions: scalar conditions per picture (noise level and the like); 0 for none.
        latent: planes injected at 1/16 resolution; 0 for none.
    """

    inputs: int
    outputs: int
    widths: tuple[int, int, int, int] = (48, 80, 128, 160)
    blocks: int = 2
    conditions: int = 0
    latent: int = 0


def fourier_features(values: Tensor, count: int = 16) -> Tensor:
    """Sines and cosines of log-spaced frequencies: float [B, K] to float [B, 2·count·K]."""
    frequencies = torch.exp(torch.linspace(0, math.log(64.0), count, device=values.device, dtype=torch.float32))
    angles = values.float()[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], -1).flatten(1)


class _Residual(nn.Module):
    """x + conv(act(conv(act(x))·(1+scale)+shift)), identity at the start of training."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(embedding, 2 * width) if embedding else None
        if self.film is not None:
            nn.init.zeros_(self.film.weight)
            nn.init.zeros_(self.film.bias)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        h = self.first(functional.silu(x))
        if self.film is not None:
            scale, shift = self.film(embedding)[:, :, None, None].chunk(2, 1)
            h = h * (1 + scale) + shift
        return x + self.second(functional.silu(h))


class _Level(nn.ModuleList):
    """The residual blocks of one resolution, one after the other."""

    def __init__(self, width: int, blocks: int, embedding: int) -> None:
        super().__init__(_Residual(width, embedding) for _ in range(blocks))

    def forward(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        for block in self:
            x = block(x, embedding)
        return x


class UNet(nn.Module):
    """Maps float [B, inputs, H, W] to float [B, outputs, H, W]; the last layer starts at zero."""

    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        self.shape = shape
        w = shape.widths
        hidden = 128 if shape.conditions else 0
        self.embed = (
            nn.Sequential(nn.Linear(32 * shape.conditions, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
            if hidden
            else None
        )
        self.stem = nn.Conv2d(4 * shape.inputs, w[0], 3, padding=1)
        self.inject = nn.Conv2d(shape.latent, w[3], 1) if shape.latent else None
        self.down = nn.ModuleList(nn.Conv2d(w[i], w[i + 1], 2, stride=2) for i in range(3))
        self.up = nn.ModuleList(nn.Conv2d(w[i + 1], 4 * w[i], 1) for i in range(3))
        self.fuse = nn.ModuleList(nn.Conv2d(2 * w[i], w[i], 1) for i in range(3))
        self.encode = nn.ModuleList(_Level(w[i], shape.blocks, hidden) for i in range(4))
        self.decode = nn.ModuleList(_Level(w[i], shape.blocks, hidden) for i in range(3))
        self.head = nn.Conv2d(w[0], 4 * shape.outputs, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, conditions: Tensor | None = None, latent: Tensor | None = None) -> Tensor:
        """Run the network.

        Args:
            x: float [B, inputs, H, W]; H and W multiples of 16.
            conditions: float [B, conditions].
            latent: float [B, latent, H/16, W/16].
        """
        embedding = self.embed(fourier_features(conditions)) if self.embed is not None else None  # type: ignore[arg-type]
        # Channels last is what the convolution kernels of both CPU and GPU are fastest with.
        h = self.stem(functional.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last))
        skips = []
        for level in range(4):
            if level:
                h = self.down[level - 1](h)
            if level == 3 and self.inject is not None:
                h = h + self.inject(latent)
            h = self.encode[level](h, embedding)
            skips.append(h)
        for level in (2, 1, 0):
            h = functional.pixel_shuffle(self.up[level](h), 2)
            h = self.fuse[level](torch.cat([h, skips[level]], 1))
            h = self.decode[level](h, embedding)
        return functional.pixel_shuffle(self.head(functional.silu(h)), 2)
