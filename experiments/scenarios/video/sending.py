"""The baseline: coded video behind a channel code, on the air that semantic symbols of the same frames would take.

The bytes of a group are cut into as many bursts as the semantic stream has slots, each filling its slot's air samples,
so that both meet the same channel as often and as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.errors import PictureError, SettingsError
from sdr_gsc.link import Prepared, gather_blocks
from sdr_gsc.phy.blocks import block_bytes, block_symbols, blocks_per_frame, coded_plan
from sdr_gsc.phy.report import FrameReport
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.descriptor import Descriptor, Mapping

from ...procedures.airing import Airing, exchange_over
from ...procedures.transmission import Bench
from .coding import DecodedVideo, VideoCodec, decode_with_losses, encode_video
from .stages import StageClock

__all__ = ["VIDEO_CODEC_ID", "SentVideo", "bytes_within", "prepare_bytes", "send_video"]

#: Identifies coded video in descriptors.
VIDEO_CODEC_ID = 129


@dataclass(frozen=True, slots=True)
class SentVideo:
    """What became of a group of frames.

    Attributes:
        video: what the receiver shows.
        n_bytes: of the coded video; 0 where nothing fits.
        max_bytes: that fit the air samples at the MCS in use.
        n_air_samples: on the air in all.
        n_payload_symbols: likewise.
        n_blocks: channel code blocks that were sent.
        n_lost: of these, blocks that did not arrive.
        reports: one per detected frame on the air.
        captures: what the radio received, one per burst.
        prepared: what was sent, one per burst.
        too_small: why nothing was sent; None where something was.
    """

    video: DecodedVideo
    n_bytes: int
    max_bytes: int
    n_air_samples: int
    n_payload_symbols: int
    n_blocks: int
    n_lost: int
    reports: tuple[FrameReport, ...]
    captures: tuple[Capture, ...]
    prepared: tuple[Prepared, ...]
    too_small: str | None = None

    @property
    def received(self) -> bool:
        """Whether any frame was decoded."""
        return any(self.video.shown)


def bytes_within(air_samples: int, mcs: int, transmitter: Transmitter) -> int:
    """Payload bytes, in whole blocks, of the largest coded burst that takes at most so many air samples; may be 0.

    Args:
        air_samples: samples between the gaps of a burst, as `Transmitter.air_samples` counts them.
        mcs: modulation and coding scheme.
        transmitter: the sender's waveform.

    Raises:
        SettingsError: no block fits a frame of this waveform.
    """
    per_frame = blocks_per_frame(transmitter.frame_symbols, mcs)
    if per_frame == 0:
        raise SettingsError(
            f"one block of MCS {mcs} takes {block_symbols(1, mcs)} symbols, a frame holds {transmitter.frame_symbols}; "
            "raise frame_symbols"
        )

    def air(n_blocks: int) -> int:
        counts = coded_plan(n_blocks, -(-n_blocks // per_frame))
        return sum(transmitter.air_samples(block_symbols(count, mcs)) for count in counts)

    low, high = 0, 1
    while air(high) <= air_samples:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if air(middle) <= air_samples else (low, middle)
    return low * block_bytes(mcs)


def prepare_bytes(
    payload: bytes, size: tuple[int, int], mcs: int, transmitter: Transmitter, *, number: int = 0, kind: str = "h264"
) -> Prepared:
    """Bytes that are no picture, ready for the air.

    Args:
        payload: at least one byte.
        size: height and width of the frames that they belong to, for CBR and the descriptor.
        mcs: modulation and coding scheme.
        transmitter: the sender's waveform.
        number: 0…65535, tells bursts apart.
        kind: what the bytes are; its first four letters are sent.

    Raises:
        SettingsError: no bytes.
    """
    if not payload:
        raise SettingsError("there are no bytes to send; needed at least one")
    n_blocks = -(-len(payload) // block_bytes(mcs))
    n_frames = -(-n_blocks // blocks_per_frame(transmitter.frame_symbols, mcs))
    descriptor = Descriptor(
        picture_id=number,
        codec_id=VIDEO_CODEC_ID,
        weights_prefix=kind.encode()[:4].ljust(4, b"\0"),
        height=size[0],
        width=size[1],
        mapping=Mapping.CLASSICAL,
        levels=4,
        rate_index=0,
        n_symbols=sum(block_symbols(count, mcs) for count in coded_plan(n_blocks, n_frames)),
        n_bytes=len(payload),
        mcs=mcs,
        n_frames=n_frames,
        scale=1.0,
        gain=1.0,
        interleaver_seed=number,
        design_esn0_db=0.0,
    )
    transmission = transmitter.transmit_bytes(payload, mcs, descriptor.pack(), number)
    values = 3 * size[0] * size[1]
    return Prepared(
        descriptor, transmission, transmission.n_payload_symbols / values, transmission.n_air_samples / values
    )


def send_video(
    frames: np.ndarray,
    rate_hz: float,
    *,
    codec: VideoCodec,
    mcs: int,
    air_samples: Sequence[int],
    bench: Bench,
    airing: Airing,
    seeds: TrialSeeds,
    clock: StageClock | None = None,
) -> SentVideo:
    """Code a group of frames into the air that is there, send it, and show what arrives.

    A block whose checksum is wrong is lost, with the frames whose packets it touches and those that refer to them; the
    last good frame stands in, or mid-grey. Where not even the coarsest coding at a quarter of the size fits, nothing is
    sent, and mid-grey is shown.

    Args:
        frames: float [T, H, W, 3] in [0, 1].
        rate_hz: frames per second.
        codec: of the video.
        mcs: modulation and coding scheme.
        air_samples: air samples of each slot; one burst fills each as far as whole blocks go.
        bench: waveform of both ends.
        airing: the radio.
        seeds: all randomness of this trial; slot i meets the channel of purpose ``channel/i``.
        clock: takes the times of all stages.

    Raises:
        SettingsError: see encode_video and bytes_within.
        RadioError: see exchange_over.
    """
    clock = StageClock() if clock is None else clock
    count, height, width = frames.shape[:3]
    room = [bytes_within(samples, mcs, bench.transmitter) for samples in air_samples]
    with clock.stage("encode"):
        try:
            data = encode_video(frames, rate_hz, codec=codec, max_bytes=sum(room))
        except PictureError as error:
            grey = np.full(frames.shape, 0.5, np.float32)
            nothing = DecodedVideo(grey, (False,) * count)
            return SentVideo(nothing, 0, sum(room), 0, 0, 0, 0, (), (), (), str(error))
    received, lost, blocks_sent, blocks_lost = bytearray(), [], 0, 0
    reports: list[FrameReport] = []
    captures, sent = [], []
    for number, size in enumerate(room):
        chunk = data[sum(room[:number]) : sum(room[: number + 1])]
        if not chunk:
            continue
        with clock.stage("encode"):
            prepared = prepare_bytes(chunk, (height, width), mcs, bench.transmitter, number=number, kind=codec)
        with clock.stage("exchange"):
            capture, _ = exchange_over(airing, prepared, seeds.generator(f"channel/{number}"))
        clock.add("air", prepared.transmission.n_air_samples / capture.sample_rate_hz)
        with clock.stage("receive"):
            reception, blocks = gather_blocks(bench.receiver.receive(capture).frames)
        if airing.tape is not None:
            airing.tape.heard(reception.reports)
        if reception.descriptor != prepared.descriptor:
            # Without a header the receiver knows neither blocks nor length, only how much a slot can hold.
            blocks = (None,) * -(-size // block_bytes(mcs))
        start = sum(room[:number])
        for index, block in enumerate(blocks):
            at = start + index * block_bytes(mcs)
            received.extend(bytes(at - len(received)))
            if block is None:
                lost.append((at, at + block_bytes(mcs)))
            else:
                received.extend(block)
        blocks_sent += -(-len(chunk) // block_bytes(mcs))
        blocks_lost += sum(block is None for block in blocks[: -(-len(chunk) // block_bytes(mcs))])
        reports.extend(reception.reports)
        captures.append(capture)
        sent.append(prepared)
    with clock.stage("decode"):
        video = decode_with_losses(bytes(received), count, height, width, lost)
    return SentVideo(
        video=video,
        n_bytes=len(data),
        max_bytes=sum(room),
        n_air_samples=sum(each.transmission.n_air_samples for each in sent),
        n_payload_symbols=sum(each.transmission.n_payload_symbols for each in sent),
        n_blocks=blocks_sent,
        n_lost=blocks_lost,
        reports=tuple(reports),
        captures=tuple(captures),
        prepared=tuple(sent),
    )
