"""The deterministic decoder by itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..semantic.codec import Codec
from ..semantic.values import Reception, Reconstruction
from .clock import seconds_on
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
        began = seconds_on(self.codec.device)
        evidence, estimate = estimate_of(self.codec, reception, self.weighting)
        return reconstruction_of(
            self.name, evidence, estimate, estimate.picture, 0, {"estimate": seconds_on(self.codec.device) - began}
        )
