"""The two ends of the link: pictures become transmissions at one, receptions become pictures at the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.decoding import Decoder
from sdr_gsc.errors import SettingsError
from sdr_gsc.link import prepare_symbols
from sdr_gsc.phy.transmitter import Transmission
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.descriptor import Descriptor
from sdr_gsc.semantic.rate import Rate
from sdr_gsc.semantic.values import Reception

from ..procedures.transmission import Bench
from .link_account import Passage

__all__ = ["Decoded", "Heard", "Outgoing", "ReceivingEnd", "SendingEnd"]

_LEVELS = 32
_DESIGN_ESN0_DB = 10.0
#: The decoder that takes several pictures at a time.
_BATCHED = "mmse"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A picture ready for the air."""

    passage: Passage
    transmission: Transmission


@dataclass(frozen=True, slots=True)
class Heard:
    """A picture after the air; the reception is None where nothing came."""

    passage: Passage
    reception: Reception | None


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture at the end of its way.

    Attributes:
        passage: its own.
        picture: float32 [H, W, 3] in [0, 1]; None where nothing came.
        total_s: from its birth to here.
    """

    passage: Passage
    picture: np.ndarray | None
    total_s: float


@dataclass(frozen=True, slots=True)
class SendingEnd:
    """Encodes and modulates, by the `direct` mapping.

    Attributes:
        bench: codec and waveform.
        pictures: float32 [H, W, 3] in [0, 1] each; they take turns.
        rate: of the codec.
    """

    bench: Bench
    pictures: Sequence[np.ndarray]
    rate: Rate

    def picture(self, passage: Passage) -> np.ndarray:
        """The picture of that passage."""
        return self.pictures[passage.serial % len(self.pictures)]

    def send(self, passage: Passage) -> Outgoing:
        """Encode and modulate one picture; it is born now unless it was before."""
        began = time.perf_counter()
        if passage.born_s is None:
            passage.born_s = began
        symbols = self.bench.codec.encode(
            self.picture(passage),
            self.rate,
            _LEVELS,
            picture_id=passage.picture_id,
            # Another permutation for each: a fade does not hit the same symbols of every picture.
            interleaver_seed=passage.picture_id,
            design_esn0_db=_DESIGN_ESN0_DB,
        )
        encoded = time.perf_counter()
        _, transmission = prepare_symbols(symbols, self.bench.transmitter)
        passage.times_s["encode"] = encoded - began
        passage.times_s["modulate"] = time.perf_counter() - encoded
        return Outgoing(passage, transmission)


class ReceivingEnd:
    """Decodes receptions, several at a time where the decoder can.

    Args:
        bench: codec and waveform.
        decoder: its name.
        seed: of what the decoder draws.
        batch: most pictures at a time.

    Raises:
        SettingsError: a batch for a decoder that takes one picture at a time, or none at all.
        WeightsError: see `open_decoder`.
    """

    def __init__(self, bench: Bench, decoder: str, *, seed: int, batch: int = 1) -> None:
        if batch < 1:
            raise SettingsError(f"batch is {batch}; needed at least 1")
        if batch > 1 and decoder != _BATCHED:
            raise SettingsError(f"decoder {decoder} takes one picture at a time; leave --batch out, or use {_BATCHED}")
        self.batch = batch
        self._codec: Codec = bench.codec
        self._decoder: Decoder = open_decoder(decoder, bench.codec, bench.weights)
        self._generator = torch.Generator(bench.codec.device).manual_seed(seed)

    def decode(self, heard: Sequence[Heard]) -> list[Decoded]:
        """Decode what came; what did not come passes through."""
        began = time.perf_counter()
        came = [each.reception for each in heard if each.reception is not None]
        pictures = iter(self._pictures(came))
        drawn = [None if each.reception is None else next(pictures) for each in heard]
        ended = time.perf_counter()
        for each in heard:
            if each.reception is not None:
                each.passage.times_s["decode"] = ended - began
        return [
            Decoded(each.passage, picture, ended - (each.passage.born_s or ended))
            for each, picture in zip(heard, drawn, strict=True)
        ]

    def _pictures(self, receptions: Sequence[Reception]) -> list[np.ndarray]:
        kinds = {_kind(each.descriptor) for each in receptions if each.descriptor is not None}
        if len(receptions) > 1 and self.batch > 1 and len(kinds) == 1:
            return self._batched(receptions)
        return [self._decoder.decode(each, generator=self._generator).picture for each in receptions]

    def _batched(self, receptions: Sequence[Reception]) -> list[np.ndarray]:
        for each in receptions:
            if each.descriptor is not None:
                self._codec.check(each.descriptor)
        evidence = [self._codec.evidence(each) for each in receptions]
        first = evidence[0]
        together = replace(
            first,
            latents=torch.cat([each.latents for each in evidence]),
            variance=torch.cat([each.variance for each in evidence]),
        )
        inside = self._codec.estimate(together).picture[:, :, : first.height, : first.width]
        return list(inside.clamp(0, 1).permute(0, 2, 3, 1).float().cpu().numpy())


def _kind(descriptor: Descriptor) -> tuple[int, int, int]:
    return descriptor.height, descriptor.width, descriptor.rate_index
