"""Received symbols in the codec's own units: what every decoder starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import DescriptorError
from .decoder import grid_of
from .quantizer import Quantizer
from .rate import RATES, Rate, symbols_per_picture
from .values import Reception

__all__ = ["Evidence", "evidence_of"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Latents as received.

    Attributes:
        latents: float32 [1, h·w, c], scale undone; 0 where erased.
        variance: float32 [1, h·w, c] per real latent, noise and quantization; inf where erased.
        rate: the rate in use.
        height: picture height in pixels.
        width: picture width in pixels.
    """

    latents: Tensor
    variance: Tensor
    rate: Rate
    height: int
    width: int

    @property
    def grid(self) -> tuple[int, int]:
        """Blocks down and across."""
        return grid_of(self.height, self.width)

    def to(self, device: torch.device) -> Evidence:
        """The same on another device."""
        return Evidence(self.latents.to(device), self.variance.to(device), self.rate, self.height, self.width)


def evidence_of(reception: Reception) -> Evidence:
    """Undo gain and scale of a reception's symbols, and add the quantizer's distortion to their variance.

    A symbol is y = g·level + n with g the descriptor's gain; the latent is level·scale. Hence latent ≈ y·scale/g with
    variance (σ²/2)·(scale/g)² + D·scale² per real dimension.

    Raises:
        DescriptorError: nothing was received, or the descriptor contradicts itself.
    """
    descriptor = reception.descriptor
    if descriptor is None:
        raise DescriptorError("no good header was received, so there is nothing to decode; see the frame reports")
    if descriptor.rate_index >= len(RATES):
        raise DescriptorError(f"rate index is {descriptor.rate_index}; this codec has {len(RATES)} rates")
    rate = RATES[descriptor.rate_index]
    needed = symbols_per_picture(descriptor.height, descriptor.width, rate)
    if descriptor.n_symbols != needed or reception.symbols.size != needed:
        raise DescriptorError(
            f"{descriptor.width}x{descriptor.height} pixels at this rate need {needed} symbols; "
            f"the descriptor says {descriptor.n_symbols} and {reception.symbols.size} came"
        )
    scale, unit = descriptor.scale, descriptor.scale / descriptor.gain
    pairs = np.stack([reception.symbols.real, reception.symbols.imag], -1).astype(np.float32)
    variance = reception.noise_variance.astype(np.float32) / 2 * unit**2
    variance = variance + Quantizer.of(descriptor.levels).distortion * scale**2
    shape = (1, needed * 2 // rate.channels, rate.channels)
    return Evidence(
        latents=torch.from_numpy((pairs * unit).reshape(shape)),
        variance=torch.from_numpy(np.repeat(variance, 2).astype(np.float32).reshape(shape)),
        rate=rate,
        height=descriptor.height,
        width=descriptor.width,
    )
