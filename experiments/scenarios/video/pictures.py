"""One frame, or a part of one, as semantic symbols over a radio, with the time that each stage takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sdr_gsc.capture import Capture
from sdr_gsc.diffusion.decoding import Decoder
from sdr_gsc.link import PictureRequest, Prepared, gather, prepare
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.values import Reception

from ...procedures.airing import Airing, exchange_over
from ...procedures.transmission import Bench, is_received, nothing_received
from .stages import StageClock

__all__ = ["SentPicture", "send_timed"]


@dataclass(frozen=True, slots=True)
class SentPicture:
    """What became of a picture.

    Attributes:
        prepared: what was sent.
        capture: what the radio received.
        reception: its descriptor is None unless it is the one that was sent.
        picture: float32 [H, W, 3] in [0, 1]; None where nothing arrived.
    """

    prepared: Prepared
    capture: Capture
    reception: Reception
    picture: np.ndarray | None


def send_timed(
    picture: np.ndarray,
    request: PictureRequest,
    *,
    bench: Bench,
    decoder: Decoder,
    airing: Airing,
    seeds: TrialSeeds,
    purpose: str,
    clock: StageClock,
) -> SentPicture:
    """Encode, exchange, receive, decode.

    Args:
        picture: float [H, W, 3] in [0, 1].
        request: how it crosses the air, by `direct` or `coded`.
        bench: codec and waveform.
        decoder: of the pictures.
        airing: the radio.
        seeds: of the trial.
        purpose: tells the pictures of a trial apart, such as ``3`` for the fourth frame; the channel is drawn for
            ``channel/3``.
        clock: takes the times.
    """
    with clock.stage("encode"):
        prepared = prepare(picture, request, bench.codec, bench.transmitter)
    with clock.stage("exchange"):
        capture, _ = exchange_over(airing, prepared, seeds.generator(f"channel/{purpose}"))
    clock.add("air", prepared.transmission.n_air_samples / capture.sample_rate_hz)
    with clock.stage("receive"):
        reception = gather(capture, bench.receiver)
    if airing.tape is not None:
        airing.tape.heard(reception.reports)
    if reception.descriptor != prepared.descriptor:
        # Somebody else's picture on the same frequency is not this one.
        reception = nothing_received(reception)
    if not is_received(reception):
        return SentPicture(prepared, capture, reception, None)
    generator = torch.Generator(bench.codec.device)
    generator.manual_seed(seeds.integer(f"decoder/{purpose}"))
    with clock.stage("decode"):
        found = decoder.decode(reception, generator=generator)
    return SentPicture(prepared, capture, reception, np.clip(found.picture, 0, 1).astype(np.float32))
