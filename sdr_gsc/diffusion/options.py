"""What a decoder is asked for beyond its name."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SettingsError

__all__ = ["DecoderOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderOptions:
    """Options of the decoders; each uses those that mean something to it.

    Attributes:
        steps: evaluations of the network; None takes the name's own, or the decoder's default.
        samples: pictures to draw, for the per-pixel standard deviation.
        realism: of `refine`, 0 (least squared error) ... 1 (a draw); None takes the model card's.
    """

    steps: int | None = None
    samples: int = 1
    realism: float | None = None

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise SettingsError(f"samples is {self.samples}; needed at least 1")
        if self.steps is not None and self.steps < 1:
            raise SettingsError(f"steps is {self.steps}; needed at least 1")
        if self.realism is not None and not 0 <= self.realism <= 1:
            raise SettingsError(f"realism is {self.realism}; needed a number in 0…1")
