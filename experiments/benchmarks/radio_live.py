"""A link in real time: pictures without end on an emulated radio's air, and a receiver that must keep up."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from hardware.registry import open_radio
from sdr_gsc.capture import Capture, Gap
from sdr_gsc.link import PictureRequest, prepare
from sdr_gsc.phy.received import ReceivedFrame
from sdr_gsc.phy.streaming import StreamingReceiver
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.rate import rate_by_cbr

from ..procedures.photographs import find_picture
from ..procedures.transmission import Bench
from .curves import OnStep
from .radio_streams import with_rate

__all__ = ["LiveLink", "measure_live_link"]

_BLOCK_S = 0.01
_SIDE_PX = 256


@dataclass(frozen=True, slots=True)
class LiveLink:
    """What became of a live link.

    Attributes:
        seconds: it was listened to.
        rate_hz: samples that the radio delivered per second of wall clock.
        lost_samples: by the radio's account.
        frames_expected: that lay whole inside what was listened to, at least.
        frames_received: with a good header.
        wrong_order: frames that did not follow their predecessor.
        pictures_per_s: whole pictures.
        cpu_share: CPU seconds of the receiving process per second.
    """

    seconds: float
    rate_hz: float
    lost_samples: int
    frames_expected: int
    frames_received: int
    wrong_order: int
    pictures_per_s: float
    cpu_share: float


def measure_live_link(
    uri: str, *, rate_hz: float, seconds: float, on_step: OnStep = lambda done, count: None
) -> LiveLink:
    """Repeat a picture's frames without a pause and receive them as a stream.

    Args:
        uri: of an emulated radio.
        rate_hz: sample rate.
        seconds: of air to listen to.
        on_step: told of the seconds that have passed.
    """
    bench = Bench.open()
    picture = find_picture("astronaut", _SIDE_PX)
    prepared = prepare(picture, PictureRequest(Mapping.DIRECT, rate_by_cbr(24)), bench.codec, bench.transmitter)
    burst = Capture(prepared.transmission.samples, rate_hz)
    n_frames, period = prepared.transmission.n_frames, burst.samples.size
    receiver = StreamingReceiver(bench.receiver, rate_hz)
    receiver.feed(burst.samples)  # compiles what a receiver needs, outside the measured time
    receiver = StreamingReceiver(bench.receiver, rate_hz)
    block_samples, n_samples, lost = round(_BLOCK_S * rate_hz), round(seconds * rate_hz), 0
    sequences: list[int] = []
    with open_radio(with_rate(uri, rate_hz)) as radio, radio.repeat(burst):
        with radio.receive_stream(block_samples) as stream:
            began = cpu = 0.0
            first = taken = 0
            for block in stream:
                if not began:
                    # The first block is for starting up on both sides.
                    began, cpu, first = time.perf_counter(), time.process_time(), block.first_sample + block_samples
                    continue
                lost += block.lost_before
                gaps = (Gap(0, 0),) if block.lost_before else ()
                sequences += _sequences(receiver.feed(block.samples, gaps))
                taken = block.first_sample + block.samples.size - first
                on_step(min(int(taken / rate_hz), int(seconds)), int(seconds))
                if taken >= n_samples:
                    break
            elapsed, cpu = time.perf_counter() - began, time.process_time() - cpu
    sequences += _sequences(receiver.finish())
    steps = Counter((after - before) % n_frames for before, after in zip(sequences, sequences[1:], strict=False))
    return LiveLink(
        seconds=elapsed,
        rate_hz=taken / elapsed,
        lost_samples=lost,
        # Frames at both ends are cut.
        frames_expected=max((taken - 2 * period) // period, 0) * n_frames,
        frames_received=len(sequences),
        wrong_order=sum(steps.values()) - steps[1 % n_frames],
        pictures_per_s=len(sequences) / n_frames / elapsed,
        cpu_share=cpu / elapsed,
    )


def _sequences(frames: tuple[ReceivedFrame, ...]) -> list[int]:
    return [frame.header.sequence for frame in frames if frame.header is not None]
