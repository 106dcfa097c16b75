"""Rates: how many latent channels of each 16x16 block cross the air."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SettingsError

__all__ = ["BLOCK_PX", "MAX_CHANNELS", "RATES", "Rate", "rate_by_cbr", "symbols_per_picture"]

#: Side of the square of pixels behind one latent column.
BLOCK_PX = 16


@dataclass(frozen=True, slots=True)
class Rate:
    """A nested rate: the first `channels` real latents of every block.

    Attributes:
        index: position in RATES, as in the descriptor.
        channels: real latent values per 16x16 block; two of them make one complex symbol.
    """

    index: int
    channels: int

    @property
    def inverse_cbr(self) -> int:
        """3·H·W over complex payload symbols, for pictures whose sides are multiples of 16."""
        return 2 * 3 * BLOCK_PX**2 // self.channels


RATES = tuple(Rate(index, channels) for index, channels in enumerate((4, 8, 16, 32, 64, 128)))
MAX_CHANNELS = RATES[-1].channels


def rate_by_cbr(inverse_cbr: int) -> Rate:
    """The rate of payload CBR 1/inverse_cbr.

    >>> rate_by_cbr(48).channels
    32

    Raises:
        SettingsError: no such rate.
    """
    for rate in RATES:
        if rate.inverse_cbr == inverse_cbr:
            return rate
    known = ", ".join(f"1/{rate.inverse_cbr}" for rate in RATES)
    raise SettingsError(f"CBR 1/{inverse_cbr} is not a rate of this codec; needed one of {known}")


def symbols_per_picture(height: int, width: int, rate: Rate) -> int:
    """Complex symbols of a picture of `height` x `width` pixels, padded to whole blocks."""
    return -(-height // BLOCK_PX) * -(-width // BLOCK_PX) * rate.channels // 2
