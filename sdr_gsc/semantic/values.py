"""The values between picture and air: symbols out, evidence in, reconstruction back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..phy.report import FrameReport
from .descriptor import Descriptor

__all__ = ["Reception", "Reconstruction", "SemanticSymbols"]


@dataclass(frozen=True, slots=True)
class SemanticSymbols:
    """The constellation indices of one picture.

    Attributes:
        indices: uint8 [n_symbols, 2], level index of I and Q of each symbol, 0…L-1.
        descriptor: what the receiver needs to read them.
    """

    indices: np.ndarray
    descriptor: Descriptor


@dataclass(frozen=True, slots=True)
class Reception:
    """What the receiver knows of one picture.

    Attributes:
        descriptor: from any good header; None means that no header was good: nothing was received.
        symbols: complex64 [n_symbols], unbiased, in units of mean symbol power 1; 0 where lost. Empty for classical.
        noise_variance: float32 [n_symbols], E|n|^2 per complex symbol; inf where lost, 0 where a code proved it right.
        payload: bytes of the classical mapping; None otherwise or when lost.
        reports: one per detected frame.
    """

    descriptor: Descriptor | None
    symbols: np.ndarray
    noise_variance: np.ndarray
    payload: bytes | None
    reports: tuple[FrameReport, ...]


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """A decoded picture.

    Attributes:
        picture: float32 [H, W, 3] in [0, 1].
        decoder: name of the decoder.
        samples: float32 [S, H, W, 3] posterior samples, where the decoder draws them.
        standard_deviation: float32 [H, W] predicted error of the picture, as root mean square over the colours, where
            the decoder knows it.
        nfe: evaluations of the denoiser per picture.
        timings_s: seconds spent, by name.
        uses_task_vector: whether a task vector took part; then another network than the vector's has to judge.
    """

    picture: np.ndarray
    decoder: str
    samples: np.ndarray | None
    standard_deviation: np.ndarray | None
    nfe: int
    timings_s: Mapping[str, float]
    uses_task_vector: bool = False
