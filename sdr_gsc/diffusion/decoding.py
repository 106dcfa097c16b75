"""What all decoders share: their protocol, the estimate that they start from, and the way back to a picture."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import DescriptorError
from ..semantic.codec import Codec
from ..semantic.decoder import Estimate
from ..semantic.descriptor import Mapping
from ..semantic.evidence import Evidence
from ..semantic.values import Reception, Reconstruction
from .sampler import OnStep, quietly

__all__ = ["Decoder", "estimate_of", "reconstruction_of", "repeated"]


class Decoder(Protocol):
    """Anything that turns a reception into a picture."""

    @property
    def name(self) -> str:
        """Name under which it was opened."""
        ...

    def decode(self, reception: Reception, *, generator: torch.Generator, on_step: OnStep = quietly) -> Reconstruction:
        """Decode one picture.

        Args:
            reception: what the receiver knows.
            generator: source of everything random, on the codec's device.
            on_step: called after each step of a sampler.

        Raises:
            DescriptorError: nothing was received, or it was sent by another codec or without symbols.
        """
        ...


def estimate_of(codec: Codec, reception: Reception, weighting: str = "measured") -> tuple[Evidence, Estimate]:
    """The evidence in a reception and the deterministic decoder's estimate from it.

    Args:
        codec: the sender's codec.
        reception: what the receiver knows.
        weighting: see `Evidence.weighted`.

    Raises:
        DescriptorError: see Decoder.
    """
    if reception.descriptor is not None:
        if reception.descriptor.mapping is Mapping.CLASSICAL:
            raise DescriptorError("a classical transmission carries a picture file and no symbols: decode its payload")
        codec.check(reception.descriptor)
    evidence = codec.evidence(reception).weighted(weighting)
    return evidence, codec.estimate(evidence)


def repeated(values: Tensor, samples: int) -> Tensor:
    """One picture, float [1, C, H, W], as a batch of the same, without copying it."""
    return values.expand(samples, -1, -1, -1)


def reconstruction_of(
    name: str,
    evidence: Evidence,
    estimate: Estimate,
    picture: Tensor,
    nfe: int,
    timings: dict[str, float],
    drawn: Tensor | None = None,
) -> Reconstruction:
    """Crop the padding away and leave torch.

    With mean m and deviation τ of the picture given what was received, any p is wrong by E[(x - p)²] = τ² + (p - m)².
    The codec's estimate and its predicted deviation stand for m and τ, so that a picture that was drawn is known to be
    off by more than the mean is. The spread of draws is no measure of it: solvers explore less than the posterior.

    Args:
        name: of the decoder.
        evidence: with the size of the picture.
        estimate: the deterministic decoder's.
        picture: p, float [1, 3, H, W] or more, of which the first is the reconstruction.
        nfe: evaluations of the denoiser.
        timings: in seconds, by name.
        drawn: pictures that were drawn, float [S, 3, H, W]; a single one is the reconstruction and is not repeated.
    """

    def cropped(planes: Tensor) -> np.ndarray:
        inside = planes[:, :, : evidence.height, : evidence.width]
        return np.asarray(inside.permute(0, 2, 3, 1).float().cpu().numpy())

    shown = picture[:1].clamp(0, 1)
    moved = (shown - estimate.picture.clamp(0, 1)).square().mean(1, keepdim=True)
    deviation = (estimate.deviation.square() + moved).sqrt()
    return Reconstruction(
        picture=cropped(shown)[0],
        decoder=name,
        samples=cropped(drawn.clamp(0, 1)) if drawn is not None and drawn.shape[0] > 1 else None,
        standard_deviation=cropped(deviation)[0, :, :, 0],
        nfe=nfe,
        timings_s=timings,
    )
