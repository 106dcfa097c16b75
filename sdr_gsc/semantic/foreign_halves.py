"""A user's encoder and decoder in the roles of SemanticEncoder and SemanticDecoder.

A foreign encoder maps pictures [B, 3, H, W] in [0, 1] to latents [B, ...] of any shape; its decoder maps latents of
that shape and the variance of each to pictures. All latents of a picture count as one block: there is one rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import PictureError, WeightsError
from .decoder import Estimate, LinearEstimate
from .rate import BLOCK_PX, Rate

__all__ = ["ForeignDecoder", "ForeignEncoder", "PictureFrame"]

#: What a foreign decoder is told of an erased latent, whose variance has no number.
_ERASED = 1e6
#: Trial decodes behind the predicted error, and the side of the square of pixels that it is averaged over.
_TRIALS, _SMOOTHING_PX = 2, 17
#: Standard deviation of photographs in [0, 1]: the error of knowing nothing.
_IGNORANCE = 0.25


class PictureFrame:
    """The sizes that a foreign codec works at.

    Args:
        stride_px: sides must be multiples of it; pictures are padded.
        size_px: height and width where the codec knows no other.
    """

    def __init__(self, stride_px: int = 1, size_px: tuple[int, int] | None = None) -> None:
        if stride_px < 1:
            raise WeightsError(f"stride_px is {stride_px}; needed at least 1")
        if size_px is not None and any(side % math.lcm(stride_px, BLOCK_PX) for side in size_px):
            raise WeightsError(
                f"size_px is {list(size_px)}; needed multiples of {BLOCK_PX} and of the stride: pad and crop in the "
                "encoder and the decoder"
            )
        # Also of our own blocks, which priors of this package and the descriptor's arithmetic work in.
        self._multiple = math.lcm(stride_px, BLOCK_PX)
        self._size_px = size_px

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """The size at which a picture is encoded.

        Raises:
            PictureError: the codec knows one size, and this is another.
        """
        if self._size_px is not None:
            if (height, width) != self._size_px:
                known = f"{self._size_px[1]}x{self._size_px[0]}"
                raise PictureError(f"picture has {width}x{height} pixels; this codec knows {known} alone: scale it")
            return self._size_px
        multiple = self._multiple
        return -(-height // multiple) * multiple, -(-width // multiple) * multiple

    def pad(self, pictures: Tensor) -> Tensor:
        """Repeat the last row and column."""
        height, width = pictures.shape[2:]
        down, across = self.padded(height, width)
        return functional.pad(pictures, (0, across - width, 0, down - height), mode="replicate")


class ForeignEncoder(nn.Module):
    """Flattens what a user's encoder says; an odd number of latents gets a zero, since two make a symbol."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._shapes: dict[tuple[int, int], tuple[int, ...]] = {}

    def latent_shape(self, height: int, width: int) -> tuple[int, ...]:
        """Shape of the latents of a picture of this size, found by encoding a black one.

        Raises:
            WeightsError: the encoder does not take such pictures, or answers with something else.
        """
        known = self._shapes.get((height, width))
        if known is not None:
            return known
        values = next((value for value in self.network.parameters()), torch.zeros(()))
        black = torch.zeros(1, 3, height, width, device=values.device)
        try:
            with torch.no_grad():
                latents = self.network(black)
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
            raise WeightsError(f"the encoder fails on a picture of {width}x{height} pixels: {error}") from error
        if not isinstance(latents, Tensor) or latents.ndim < 2 or latents.shape[0] != 1 or not latents.numel():
            found = list(latents.shape) if isinstance(latents, Tensor) else type(latents).__name__
            raise WeightsError(f"the encoder answers [1, 3, {height}, {width}] with {found}; needed latents [1, …]")
        if not latents.is_floating_point() or not bool(latents.isfinite().all()):
            raise WeightsError("the encoder answers a black picture with values that are not finite; correct it")
        shape = tuple(latents.shape[1:])
        self._shapes[height, width] = shape
        return shape

    def rate(self, height: int, width: int) -> Rate:
        """The one rate, for pictures of this padded size: all latents as channels of one block."""
        count = math.prod(self.latent_shape(height, width))
        return Rate(0, count + count % 2)

    def forward(self, pictures: Tensor, rate: Rate) -> Tensor:
        """See SemanticEncoder; float [B, 1, c]."""
        # Solvers push directions forward through the encoder, which fused attention kernels have no rule for.
        with sdpa_kernel(SDPBackend.MATH):
            latents = self.network(pictures).flatten(1)
        return functional.pad(latents, (0, rate.channels - latents.shape[1]))[:, None]


class ForeignDecoder(nn.Module):
    """Tells a user's decoder latents and variances in the encoder's own shape.

    The decoder's own error is `deviation`; to it comes what the received error makes of the picture, found by decoding
    with that much error again. A decoder that returns a pair is taken at its word: picture and standard deviation.

    Args:
        network: (latents [B, ...], variance [B, ...]) to pictures [B, 3, H, W] in [0, 1], or to a pair of them and
            their standard deviation [B, 1, H, W].
        frame: sizes.
        deviation: root mean square error of a decode without noise.
    """

    def __init__(self, network: nn.Module, frame: PictureFrame, deviation: float) -> None:
        super().__init__()
        if not 0 < deviation < 1:
            raise WeightsError(f"deviation is {deviation}; needed the codec's own root mean square error, in (0, 1)")
        self.network = network
        self._frame = frame
        self._deviation = deviation

    def forward(
        self, encoder: ForeignEncoder, latents: Tensor, variance: Tensor, rate: Rate, grid: tuple[int, int]
    ) -> Estimate:
        """See SemanticDecoder.linear for the arguments; `grid` is in blocks of 16 pixels."""
        return self.decode(encoder, latents, variance, (grid[0] * BLOCK_PX, grid[1] * BLOCK_PX))

    def decode(self, encoder: ForeignEncoder, latents: Tensor, variance: Tensor, size: tuple[int, int]) -> Estimate:
        """Decode to pictures of the size that `size` is padded to."""
        size = self._frame.padded(*size)
        shape = encoder.latent_shape(*size)
        count = math.prod(shape)
        variance = variance.expand(latents.shape)[:, 0, :count]
        latents = latents[:, 0, :count]
        heard = variance < _ERASED
        told = variance.clamp(max=_ERASED).unflatten(1, shape)
        picture, deviation = self._said(latents.unflatten(1, shape), told, size)
        if deviation is None:
            deviation = self._predicted(latents, variance, heard, told, picture, shape)
        nothing = picture.new_zeros(picture.shape[0], 0, size[0] // BLOCK_PX, size[1] // BLOCK_PX)
        return Estimate(picture, deviation, LinearEstimate(picture, deviation, nothing))

    def _said(self, latents: Tensor, variance: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor | None]:
        try:
            said = self.network(latents, variance)
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
            raise WeightsError(f"the decoder fails on latents of shape {list(latents.shape)}: {error}") from error
        picture, deviation = said if isinstance(said, tuple) and len(said) == 2 else (said, None)
        for value, channels, what in ((picture, 3, "a picture"), (deviation, 1, "its deviation")):
            wanted = (latents.shape[0], channels, *size)
            if value is not None and not (isinstance(value, Tensor) and tuple(value.shape) == wanted):
                found = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise WeightsError(f"the decoder answers with {found} for {what}; needed {list(wanted)}")
        return picture, deviation

    @torch.no_grad()
    def _predicted(
        self,
        latents: Tensor,
        variance: Tensor,
        heard: Tensor,
        told: Tensor,
        picture: Tensor,
        shape: tuple[int, ...],
    ) -> Tensor:
        """What the received error makes of the picture, float [B, 1, H, W]; erased latents could be anything usual."""
        count = heard.sum(1, keepdim=True)
        usual = (latents.square() * heard).sum(1, keepdim=True) / count.clamp(min=1)
        spread = torch.where(heard, variance, usual).sqrt()
        # Always the same trial errors: an estimate is no draw.
        generator = torch.Generator(latents.device).manual_seed(0)
        moved = torch.zeros_like(picture)
        for _ in range(_TRIALS):
            noise = torch.randn(latents.shape, generator=generator, device=latents.device)
            again, _ = self._said((latents + spread * noise).unflatten(1, shape), told, picture.shape[2:])
            moved = moved + (again - picture).square() / _TRIALS
        margin = _SMOOTHING_PX // 2
        mean = functional.pad(moved.mean(1, keepdim=True), (margin,) * 4, mode="replicate")
        power = functional.avg_pool2d(mean, _SMOOTHING_PX, stride=1) + self._deviation**2
        power = torch.where(count.reshape(-1, 1, 1, 1) > 0, power, _IGNORANCE**2)
        return power.sqrt()
