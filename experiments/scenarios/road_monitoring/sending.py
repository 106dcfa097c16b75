"""A group of frames over a radio: whole, or with regions at a higher rate, on no more air samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.diffusion.decoding import Decoder
from sdr_gsc.errors import SettingsError
from sdr_gsc.link import PictureRequest
from sdr_gsc.phy.report import FrameReport
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.rate import BLOCK_PX, RATES, Rate, symbols_per_picture

from ...procedures.airing import Airing
from ...procedures.transmission import Bench
from ..video.pictures import SentPicture, send_timed
from ..video.sending import SentVideo
from ..video.stages import StageClock
from .regions import Region, block_weights, choose_regions, paste
from .settings import RegionSettings

__all__ = ["RegionPlan", "SentGroup", "group_of_video", "plan_regions", "send_regions", "send_uniform"]


@dataclass(slots=True)
class SentGroup:
    """What became of a group of frames, filled while they are sent.

    Attributes:
        frames: float32 [H, W, 3] in [0, 1] each, as the receiver shows them.
        shown: for each, whether any of it arrived.
        n_air_samples: on the air in all.
        n_payload_symbols: likewise.
        n_frames_sent: frames of the waveform.
        reports: one per detected frame of the waveform.
        captures: what the radio received.
        further: what else the trial's line says.
    """

    frames: list[np.ndarray] = field(default_factory=list)
    shown: list[bool] = field(default_factory=list)
    n_air_samples: int = 0
    n_payload_symbols: int = 0
    n_frames_sent: int = 0
    reports: list[FrameReport] = field(default_factory=list)
    captures: list[Capture] = field(default_factory=list)
    further: dict[str, object] = field(default_factory=dict)

    def count(self, sent: SentPicture) -> None:
        """Add what one picture took."""
        transmission = sent.prepared.transmission
        self.n_air_samples += transmission.n_air_samples
        self.n_payload_symbols += transmission.n_payload_symbols
        self.n_frames_sent += transmission.n_frames
        self.reports.extend(sent.reception.reports)
        self.captures.append(sent.capture)


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """What one frame is sent as.

    Attributes:
        base: rate of the whole frame.
        rate: of the regions.
        regions: at most as many as asked for; none where the frame is best sent whole.
    """

    base: Rate
    rate: Rate
    regions: tuple[Region, ...]


def plan_regions(
    frame: np.ndarray,
    before: np.ndarray | None,
    boxes: np.ndarray,
    uniform: Rate,
    settings: RegionSettings,
    transmitter: Transmitter,
) -> RegionPlan:
    """Rates and regions of a frame that take no more air samples than the whole frame at the uniform rate.

    Each doubling of the rate is worth about the same number of decibels, so what is made as large as possible is the
    mean rate index of the blocks, weighted by how much they matter (see block_weights). Where many detections lie all
    over the frame, that is the whole frame at the uniform rate.

    Args:
        frame: float [H, W, 3] in [0, 1]; its sides are multiples of BLOCK_PX.
        before: the frame before it; None for the first.
        boxes: what the sender's own detector finds, the surest first.
        uniform: rate that sets the budget.
        settings: number of regions, margin, and rate of the whole frame.
        transmitter: the sender's waveform.

    Raises:
        SettingsError: sides that are no multiples, or too large a frame.
    """
    height, width = frame.shape[:2]
    if height % BLOCK_PX or width % BLOCK_PX:
        raise SettingsError(
            f"frames have {width}x{height} pixels, and regions lie on a grid of {BLOCK_PX}; set height and width to "
            f"multiples, such as {max(2, height // BLOCK_PX) * BLOCK_PX} and {max(2, width // BLOCK_PX) * BLOCK_PX}"
        )
    budget = transmitter.air_samples(symbols_per_picture(height, width, uniform))
    weights = block_weights(height, width, boxes, None if before is None else frame - before)
    best, highest = RegionPlan(uniform, uniform, ()), float(uniform.index)
    for base in reversed(RATES[max(0, uniform.index - settings.steps_down) : uniform.index]):
        left = budget - transmitter.air_samples(symbols_per_picture(height, width, base))
        for rate in RATES[uniform.index + 1 :]:

            def fits(regions: Sequence[Region], rate: Rate = rate, left: int = left) -> bool:
                counts = [region.rows * region.columns * rate.channels // 2 for region in regions]
                return sum(transmitter.air_samples(count) for count in counts) <= left

            regions = choose_regions(weights, boxes, count=settings.count, margin_px=settings.margin_px, fits=fits)
            index = np.full(weights.shape, base.index)
            for region in regions:
                index[region.blocks] = rate.index
            value = float((weights * index).sum() / weights.sum())
            if value > highest + 1e-9:
                best, highest = RegionPlan(base, rate, regions), value
    return best


def _request(rate: Rate, levels: int, seeds: TrialSeeds, picture_id: int) -> PictureRequest:
    return PictureRequest(
        mapping=Mapping.DIRECT,
        rate=rate,
        levels=levels,
        picture_id=picture_id,
        interleaver_seed=seeds.integer("interleaver") % 65536,
    )


def send_uniform(
    frames: np.ndarray,
    rate: Rate,
    levels: int,
    *,
    bench: Bench,
    decoder: Decoder,
    airing: Airing,
    seeds: TrialSeeds,
    clock: StageClock,
) -> SentGroup:
    """Send every frame, float [T, H, W, 3], whole at one rate; a lost one is shown as the last that arrived."""
    group = SentGroup()
    last: np.ndarray = np.full(frames.shape[1:], 0.5, np.float32)
    for number, frame in enumerate(frames):
        sent = send_timed(
            frame, _request(rate, levels, seeds, number), bench=bench, decoder=decoder, airing=airing, seeds=seeds,
            purpose=str(number), clock=clock,
        )  # fmt: skip
        group.count(sent)
        last = last if sent.picture is None else sent.picture
        group.frames.append(last)
        group.shown.append(sent.picture is not None)
    return group


def send_regions(
    frames: np.ndarray,
    plans: Sequence[RegionPlan],
    levels: int,
    seam_px: int,
    *,
    bench: Bench,
    decoder: Decoder,
    airing: Airing,
    seeds: TrialSeeds,
    clock: StageClock,
) -> SentGroup:
    """Send every frame at its low rate, then its regions at their higher one.

    The receiver tells regions from frames by their size, puts each where its picture id says, and shows a lost region
    as it is in the frame.

    Args:
        frames: float [T, H, W, 3] in [0, 1].
        plans: one for each frame.
        levels: quantizer levels.
        seam_px: see paste.
        bench: codec and waveform.
        decoder: of whole frames and regions alike.
        airing: the radio.
        seeds: of the trial; a frame meets the channel that it meets as a whole.
        clock: takes the times.
    """
    group = SentGroup()
    last: np.ndarray = np.full(frames.shape[1:], 0.5, np.float32)
    covered, lost = [], 0
    for number, (frame, plan) in enumerate(zip(frames, plans, strict=True)):
        parts = [send_timed(
            frame, _request(plan.base, levels, seeds, number), bench=bench, decoder=decoder, airing=airing,
            seeds=seeds, purpose=str(number), clock=clock,
        )]  # fmt: skip
        for index, region in enumerate(plan.regions):
            parts.append(send_timed(
                np.ascontiguousarray(frame[region.slices(*frame.shape[:2])]),
                _request(plan.rate, levels, seeds, region.picture_id), bench=bench, decoder=decoder, airing=airing,
                seeds=seeds, purpose=f"{number}.{index}", clock=clock,
            ))  # fmt: skip
        for sent in parts:
            group.count(sent)
        with clock.stage("decode"):
            last, arrived = _assembled(last, parts, seam_px)
        group.frames.append(last)
        group.shown.append(arrived)
        lost += sum(sent.picture is None for sent in parts)
        area = sum(region.rows * region.columns for region in plan.regions) * BLOCK_PX**2
        covered.append(area / (frame.shape[0] * frame.shape[1]))
    group.further = {
        "regions": sum(len(plan.regions) for plan in plans),
        "region_share": float(np.mean(covered)),
        "frame_cbr": [plan.base.inverse_cbr for plan in plans],
        "region_cbr": [plan.rate.inverse_cbr if plan.regions else None for plan in plans],
        "parts_lost": lost,
    }
    return group


def _assembled(last: np.ndarray, parts: Sequence[SentPicture], seam_px: int) -> tuple[np.ndarray, bool]:
    """A frame from what arrived, on top of the last one, and whether anything arrived."""
    found = last
    arrived = [sent for sent in parts if sent.picture is not None]
    # A region has the frame's size only where it is all of it, and then it stands alone either way.
    for sent in sorted(arrived, key=lambda sent: sent.picture is not None and sent.picture.shape != last.shape):
        picture, descriptor = sent.picture, sent.reception.descriptor
        if picture is None or descriptor is None:
            continue
        found = picture if picture.shape == last.shape else paste(found, picture, descriptor.picture_id, seam_px)
    return found, bool(arrived)


def group_of_video(sent: SentVideo) -> SentGroup:
    """Coded video in the same form."""
    return SentGroup(
        frames=list(sent.video.frames),
        shown=list(sent.video.shown),
        n_air_samples=sent.n_air_samples,
        n_payload_symbols=sent.n_payload_symbols,
        n_frames_sent=sum(each.transmission.n_frames for each in sent.prepared),
        reports=list(sent.reports),
        captures=list(sent.captures),
        further={
            "video_bytes": sent.n_bytes,
            "max_bytes": sent.max_bytes,
            "blocks": {"sent": sent.n_blocks, "lost": sent.n_lost},
            "too_small": sent.too_small,
        },
    )
