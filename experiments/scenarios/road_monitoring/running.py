"""One trial: a group of frames by one method, and what a detector still sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sdr_gsc.metrics.measure import measure
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.picture import save_picture
from sdr_gsc.semantic.rate import rate_by_cbr, symbols_per_picture

from ...campaign.study import Line, Trial
from ...procedures.airing import Airing
from ...procedures.scoring import link_json
from ...procedures.tape import Tape
from ...procedures.transmission import Bench
from ..video.clips import Clip, open_clip
from ..video.coding import VideoCodec
from ..video.sending import send_video
from ..video.stages import StageClock
from .detecting import Detect, PeopleDetector, load_detector, pixels_of
from .matching import Detections, compare
from .sending import SentGroup, group_of_video, plan_regions, send_regions, send_uniform
from .settings import DetectorSettings, RoadSettings

if TYPE_CHECKING:
    from ...campaign.run_directory import RunDirectory

__all__ = ["Running", "open_detector", "outlined", "picture_file"]

_OUTLINE = np.array([1.0, 0.55, 0.0], np.float32)


def open_detector(settings: DetectorSettings) -> Detect:
    """The detector that settings ask for.

    Raises:
        SettingsError: see PeopleDetector and load_detector.
    """
    if settings.code is not None:
        return load_detector(Path(settings.code))
    return PeopleDetector(settings.threshold, settings.upscale)


@dataclass(frozen=True, slots=True)
class _Group:
    clip: Clip
    truth: tuple[np.ndarray, ...]


class Running:
    """Runs trials; what they share is loaded once.

    Args:
        settings: resolved.
        out: run directory, for pictures and captures; None keeps none.
    """

    def __init__(self, settings: RoadSettings, out: RunDirectory | None) -> None:
        self._settings = settings
        self._out = out
        self._pictures = None if out is None else out.folder("pictures")
        self._detect = open_detector(settings.detector)
        self._bench = Bench.open(settings.weights)
        self._decoder = self._bench.decoders((settings.decoder,))[settings.decoder]
        self._groups: dict[int, _Group] = {}

    def __call__(self, trial: Trial) -> Line:
        """Run one trial and return its line."""
        settings, values = self._settings, trial.values
        first, method = int(values["first"]), str(values["method"])
        group = self._group(first)
        frames = group.clip.frames
        clock = StageClock()
        seeds = TrialSeeds(settings.seed, trial.name)
        tape = Tape.of(settings, self._out, trial.name)
        airing = Airing.of(settings, settings.radio, values["esn0_db"], tape)
        sent = self._send(trial, group, airing, seeds, clock)
        boxes = [self._detect(pixels_of(frame)) for frame in sent.frames]
        line = self._line(trial, sent, boxes, group, airing)
        # Coded video is encoded as a group: its first frame waits for the last.
        unit = len(frames) if method in ("h264", "av1") else 1
        stages = clock.stages(frames=len(frames), unit_frames=unit, rate_hz=group.clip.rate_hz)
        if self._pictures is not None and int(values["repetition"]) == 0:
            self._keep(trial, sent, boxes, group)
        return line | tape.line() | {"timings_s": stages.timings_s()}

    def _group(self, first: int) -> _Group:
        if first not in self._groups:
            settings = self._settings
            clip = open_clip(
                settings.clip, size=settings.size, first=first, count=settings.frames, every=settings.every
            )
            self._groups[first] = _Group(clip, tuple(self._detect(pixels_of(frame)) for frame in clip.frames))
        return self._groups[first]

    def _send(self, trial: Trial, group: _Group, airing: Airing, seeds: TrialSeeds, clock: StageClock) -> SentGroup:
        settings, bench, frames = self._settings, self._bench, group.clip.frames
        method, rate = trial.values["method"], rate_by_cbr(int(trial.values["cbr"]))
        if method == "uniform":
            return send_uniform(
                frames, rate, settings.levels, bench=bench, decoder=self._decoder, airing=airing, seeds=seeds,
                clock=clock,
            )  # fmt: skip
        if method == "regions":
            with clock.stage("encode"):
                # The sender looks for itself; its detector's time is part of its encoder's.
                plans = [
                    plan_regions(
                        frame, frames[index - 1] if index else None, self._detect(pixels_of(frame)), rate,
                        settings.regions, bench.transmitter,
                    )
                    for index, frame in enumerate(frames)
                ]  # fmt: skip
            return send_regions(
                frames, plans, settings.levels, settings.regions.seam_px, bench=bench, decoder=self._decoder,
                airing=airing, seeds=seeds, clock=clock,
            )  # fmt: skip
        slot = bench.transmitter.air_samples(symbols_per_picture(frames.shape[1], frames.shape[2], rate))
        codec: VideoCodec = "h264" if method == "h264" else "av1"
        return group_of_video(
            send_video(
                frames, group.clip.rate_hz, codec=codec, mcs=int(trial.values["mcs"]), air_samples=[slot] * len(frames),
                bench=bench, airing=airing, seeds=seeds, clock=clock,
            )
        )  # fmt: skip

    def _line(self, trial: Trial, sent: SentGroup, boxes: list[np.ndarray], group: _Group, airing: Airing) -> Line:
        settings, frames = self._settings, group.clip.frames
        count, height, width = frames.shape[:3]
        slot = self._bench.transmitter.air_samples(
            symbols_per_picture(height, width, rate_by_cbr(int(trial.values["cbr"])))
        )
        found = sum(
            (compare(truth, seen, settings.detector.iou) for truth, seen in zip(group.truth, boxes, strict=True)),
            Detections(),
        )
        values = 3 * height * width * count
        metrics = [measure(frame, shown) for frame, shown in zip(frames, sent.frames, strict=True)]
        link = link_json(
            mapping="classical" if trial.values["method"] in ("h264", "av1") else "direct",
            radio=airing.address,
            cbr_payload=sent.n_payload_symbols / values,
            cbr_effective=sent.n_air_samples / values,
            frames_sent=sent.n_frames_sent,
            reports=sent.reports,
            reconstructions={},
            metrics={},
            numerology=self._bench.receiver.numerology,
        )
        errors = [np.square(shown - frame) for frame, shown in zip(frames, sent.frames, strict=True)]
        inside = [_inside(truth, height, width) for truth in group.truth]
        within = [error[mask] for error, mask in zip(errors, inside, strict=True) if mask.any()]
        return {
            "trial": trial.name,
            **{name: value for name, value in trial.values.items() if name != "esn0_db"},
            "requested_esn0_db": trial.values["esn0_db"],
            "received": any(sent.shown),
            **{name: value for name, value in link.items() if name != "decoders"},
            "clip": group.clip.name,
            "frames_shown": sum(sent.shown),
            "air": {
                "air_samples": sent.n_air_samples,
                "allowed_air_samples": count * slot,
                "allowed_cbr": count * slot / values,
            },
            "detections": found.line(),
            "psnr_db": _psnr_db(np.stack(errors)),
            "region_psnr_db": _psnr_db(np.concatenate(within)) if within else None,
            "ms_ssim": _mean([metric.ms_ssim for metric in metrics]),
            "perceptual": _mean([metric.perceptual for metric in metrics]),
            **sent.further,
        }

    def _keep(self, trial: Trial, sent: SentGroup, boxes: list[np.ndarray], group: _Group) -> None:
        """The group's middle frame with what is detected in it."""
        if self._pictures is None:
            return
        middle = len(sent.frames) // 2
        shown, frame = sent.frames[middle], group.clip.frames[middle]
        save_picture(self._pictures / picture_file(trial.name), outlined(shown, boxes[middle]))
        source = self._pictures / picture_file(f"sent/{trial.values['first']}")
        if not source.exists():
            save_picture(source, outlined(frame, group.truth[middle]))


def picture_file(trial: str) -> str:
    """Name of the picture that a trial leaves."""
    return trial.replace("/", "_") + ".png"


def outlined(picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """A picture, float [H, W, 3], with the outlines of boxes, two pixels wide."""
    found = np.array(picture, np.float32)
    height, width = found.shape[:2]
    for box in boxes:
        left, top = int(box[0]), int(box[1])
        right, bottom = min(width, int(box[0] + box[2])), min(height, int(box[1] + box[3]))
        for rows, columns in (
            (slice(top, top + 2), slice(left, right)),
            (slice(max(top, bottom - 2), bottom), slice(left, right)),
            (slice(top, bottom), slice(left, left + 2)),
            (slice(top, bottom), slice(max(left, right - 2), right)),
        ):
            found[rows, columns] = _OUTLINE
    return found


def _inside(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Which pixels lie in a box, bool [H, W]."""
    mask = np.zeros((height, width), bool)
    for box in boxes:
        left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
        mask[math.floor(top) : math.ceil(bottom), math.floor(left) : math.ceil(right)] = True
    return mask


def _psnr_db(errors: np.ndarray) -> float | None:
    """Of squared errors; None for none at all, which JSON cannot say."""
    mean = float(errors.mean(dtype=np.float64))
    return -10 * math.log10(mean) if mean > 0 else None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
