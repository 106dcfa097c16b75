"""What a receiver hands on: frames, in the order of their arrival."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .framing import FrameHeader
from .report import FrameReport

__all__ = ["Received", "ReceivedFrame"]


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """One detected frame.

    Attributes:
        header: None if its checksum is wrong.
        report: where the frame stood and how well.
        symbols: complex64 [n_symbols], unbiased, in units of mean symbol power 1; 0 where lost. Empty without header.
        noise_variance: float32 [n_symbols], predicted E|n|² of each symbol; inf where lost.
        blocks: payload of each code block, None for a bad one; None for an uncoded frame or without header.
    """

    header: FrameHeader | None
    report: FrameReport
    symbols: np.ndarray
    noise_variance: np.ndarray
    blocks: tuple[bytes | None, ...] | None


@dataclass(frozen=True, slots=True)
class Received:
    """Frames of a capture in the order of their arrival."""

    frames: tuple[ReceivedFrame, ...]
