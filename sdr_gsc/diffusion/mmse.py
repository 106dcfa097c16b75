"""The deterministic decoder by itself."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from ..semantic.codec import Codec
from ..semantic.values import Reception, Reconstruction
from .decoding import estimate_of, reconstruction_of
from .sampler import OnStep, quietly

__all__ = ["MmseDecoder"]


@dataclass(frozen=True, slots=True)
class MmseDecoder:
    """The codec's own deterministic decoder.

    Attributes:
        codec: the sender's codec.
        name: as asked for.
        weighting: see `Evidence.weighted`.
    """

    codec: Codec
    name: str = "mmse"
    weighting: str = "measured"

    def decode(self, reception: Reception, *, generator: torch.Generator, on_step: OnStep = quietly) -> Reconstruction:
        """See Decoder; nothing here is random."""
        began = time.perf_counter()
        evidence, estimate = estimate_of(self.codec, reception, self.weighting)
        return reconstruction_of(
            self.name, evidence, estimate.picture, estimate.deviation, 0, {"estimate": time.perf_counter() - began}
        )
