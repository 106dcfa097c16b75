"""The receiver of a meeting: what arrives of each frame, together with what it knew before, becomes a picture."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from sdr_gsc.diffusion.consistency import ConsistencyDecoder
from sdr_gsc.diffusion.mmse import MmseDecoder
from sdr_gsc.diffusion.refine import RefineDecoder
from sdr_gsc.diffusion.sampler import OnStep, quietly
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.decoder import Estimate
from sdr_gsc.semantic.evidence import Evidence
from sdr_gsc.semantic.values import Reception, Reconstruction

from .fusion import Belief, fuse, linear_estimate, predict

__all__ = ["ConditionedCodec", "FrameDecoder", "Tracker", "conditioned"]

#: Decoders that start from the codec's estimate, and so from one that knows the past.
FrameDecoder = MmseDecoder | RefineDecoder | ConsistencyDecoder


@dataclass(frozen=True, slots=True)
class ConditionedCodec(Codec):
    """A codec whose estimate comes from a belief that the evidence is part of already.

    Attributes:
        belief: after the frame.
    """

    belief: Belief | None = None

    @torch.inference_mode()
    def estimate(self, evidence: Evidence) -> Estimate:
        """The learned correction of the belief's picture."""
        if self.belief is None:
            return Codec.estimate(self, evidence)
        return self.decoder.correct(linear_estimate(self.encoder, self.decoder, self.belief, evidence.grid))


def conditioned(decoder: FrameDecoder, belief: Belief) -> FrameDecoder:
    """The decoder as it decodes a frame about which more is known than what arrived of it."""
    codec = decoder.codec
    values = {item.name: getattr(codec, item.name) for item in fields(Codec)}
    return replace(decoder, codec=ConditionedCodec(**values, belief=belief))


class Tracker:
    """A decoder of streams: it remembers.

    Its state is the linear filter's alone. The decoder's network improves every picture that is shown, and none of it
    goes back: its errors repeat from frame to frame, and a filter that took them for news would come to trust them.
    """

    def __init__(self, decoder: FrameDecoder, change: Tensor) -> None:
        """Start with nothing known.

        Args:
            decoder: of the frames.
            change: mean squared change of every latent channel from frame to frame, float [128].
        """
        self._decoder = decoder
        self._change = change.to(decoder.codec.device)
        self._belief: Belief | None = None
        self._grid = (0, 0)

    @property
    def name(self) -> str:
        """Of the decoder of its frames."""
        return self._decoder.name

    @property
    def belief(self) -> Belief | None:
        """What is known of the last frame; None before the first one."""
        return self._belief

    def decode(self, reception: Reception, *, generator: torch.Generator, on_step: OnStep = quietly) -> Reconstruction:
        """The next frame of the stream; see Decoder."""
        codec = self._decoder.codec
        if reception.descriptor is not None:
            codec.check(reception.descriptor)
        with torch.inference_mode():
            evidence = codec.evidence(reception).to(codec.device)
            # A picture of another size begins another stream.
            before = self._belief if self._grid == evidence.grid else None
            self._belief = fuse(codec.encoder, codec.decoder, evidence, before, self._change)
            self._grid = evidence.grid
        return conditioned(self._decoder, self._belief).decode(reception, generator=generator, on_step=on_step)

    def miss(self) -> None:
        """The next frame was lost: nothing new is known, and what is known grows old."""
        if self._belief is not None:
            self._belief = predict(self._belief, self._change)
