"""The semantic encoder: picture to unquantized symbols, differentiable because decoders guide pictures through it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .companding import compand
from .rate import MAX_CHANNELS, RATES, Rate
from .transform import LappedTransform

__all__ = ["SemanticEncoder", "hadamard"]


def hadamard(size: int, seed: int = 0) -> Tensor:
    """Orthonormal rotation with entries ±1/√size and random column signs: all outputs have the mean input power."""
    matrix = torch.ones(1, 1)
    while matrix.shape[0] < size:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)], 0)
    signs = torch.randint(0, 2, (size,), generator=torch.Generator().manual_seed(seed)).float() * 2 - 1
    return matrix * signs / size**0.5


class SemanticEncoder(nn.Module):
    """Project, keep c channels, allocate power, rotate, compand.

    `log_gain` [rates, 128] is the natural logarithm of the amplitude that each channel gets at each rate.
    """

    def __init__(self) -> None:
        super().__init__()
        self.transform = LappedTransform()
        self.log_gain = nn.Parameter(torch.zeros(len(RATES), MAX_CHANNELS))
        for rate in RATES:
            self.register_buffer(f"rotation_{rate.channels}", hadamard(rate.channels))

    def rotation(self, rate: Rate) -> Tensor:
        """Orthonormal float [c, c]; a column vector v of latents is sent as R v."""
        matrix = getattr(self, f"rotation_{rate.channels}")
        if not isinstance(matrix, Tensor):  # narrows the type of a registered buffer
            raise TypeError("rotation buffer is not a tensor")
        return matrix

    def gain(self, rate: Rate) -> Tensor:
        """Amplitude per channel, float [c]."""
        return self.log_gain[rate.index, : rate.channels].exp()

    def forward(self, pictures: Tensor, rate: Rate) -> Tensor:
        """Encode.

        Args:
            pictures: float [B, 3, H, W] in [0, 1]; H and W multiples of 16.
            rate: how many channels to keep.

        Returns:
            Latents, float [B, (H/16)·(W/16), c], not yet divided by the picture's scale.
        """
        columns = self.transform.analyze(pictures)[:, : rate.channels].flatten(2).transpose(1, 2)
        return compand((columns * self.gain(rate)) @ self.rotation(rate).T)
