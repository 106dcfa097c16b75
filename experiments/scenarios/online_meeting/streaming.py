"""One trial: some seconds of the second half of the clip, sent and shown frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from sdr_gsc.errors import SettingsError
from sdr_gsc.link import PictureRequest, prepare
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.rate import rate_by_cbr

from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line, Trial
from ...procedures.airing import Airing
from ...procedures.tape import Tape
from ...procedures.transmission import Bench
from ..faces.mtcnn import FaceFinder
from ..video.pictures import send_timed
from ..video.sending import send_video
from ..video.stages import StageClock
from .judging import Judge, averages
from .learning import Learnt, open_halves
from .settings import SEMANTIC_METHODS, MeetingSettings
from .tracking import FrameDecoder, Tracker

if TYPE_CHECKING:
    from sdr_gsc.diffusion.decoding import Decoder

__all__ = ["MeetingTrials", "kept_frames", "picture_name"]


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the receiver showed, and what it took."""

    pictures: list[np.ndarray]
    arrived: list[bool]
    air_samples: int
    payload_symbols: int
    timings_s: dict[str, float]
    payload_bytes: int | None = None


def kept_frames(count: int) -> tuple[int, ...]:
    """Which frames of a trial are kept as pictures: after a third, after two thirds, and the last."""
    return tuple(sorted({max(0, count * part // 3 - 1) for part in (1, 2, 3)}))


def picture_name(trial: str, index: int) -> str:
    """File of a frame that a trial showed; ``filmed`` stands for the frames themselves."""
    return f"{trial}.frame{index}.png"


class MeetingTrials:
    """Runs trials.

    Args:
        settings: resolved.
        out: of the run; `learn` has been there.
    """

    def __init__(self, settings: MeetingSettings, out: RunDirectory) -> None:
        self._settings = settings
        self._out = out
        self._halves = open_halves(settings)
        self._bench = Bench.open(settings.weights, settings.device)
        self._learnt = Learnt.load(out, self._bench.codec)
        self._judge = Judge(FaceFinder.load(settings.device), settings.device)

    def __call__(self, trial: Trial) -> Line:
        """The line of a trial: means over its frames, and the figures of each frame."""
        settings, values = self._settings, trial.values
        window = self._halves.window(settings.frames, int(values["repetition"]), settings.repetitions)
        filmed = self._halves.clip.frames[window.start : window.stop]
        seeds = TrialSeeds(settings.seed, trial.name)
        tape = Tape.of(settings, self._out, trial.name)
        airing = Airing.of(settings, settings.radio, values["esn0_db"], tape)
        semantic = values["method"] in SEMANTIC_METHODS
        shown = (self._by_frames if semantic else self._as_video)(filmed, trial, airing, seeds)
        judged = [
            self._judge(number, frame, picture)
            for number, frame, picture in zip(window, filmed, shown.pictures, strict=True)
        ]
        if values["repetition"] == 0:
            self._keep(trial.name, filmed, shown.pictures)
        pixels = 3 * filmed.shape[1] * filmed.shape[2] * len(filmed)
        return {
            "series": values["series"],
            "requested_esn0_db": values["esn0_db"],
            "cbr_inverse": values["cbr"],
            "repetition": values["repetition"],
            "received": any(shown.arrived),
            "frames": {"sent": len(filmed), "arrived": sum(shown.arrived), "first": window.start},
            "cbr_payload": shown.payload_symbols / pixels,
            "cbr_effective": shown.air_samples / pixels,
            "payload_bytes": shown.payload_bytes,
            **tape.line(),
            **averages(judged),
            "by_frame": {name: [frame[name] for frame in judged] for name in ("psnr_db", "face", "landmark_error")},
            "timings_s": shown.timings_s,
        }

    def _requests(self, cbr: int, method: str, count: int, seeds: TrialSeeds) -> list[PictureRequest]:
        """How each frame of a stream is sent; `keyframes` sends all of them alike."""
        schedule = self._settings.schedule(cbr)
        return [
            PictureRequest(
                mapping=Mapping.DIRECT,
                rate=rate_by_cbr(cbr if method == "keyframes" else schedule.cbr(index)),
                levels=self._settings.levels,
                picture_id=index % 65536,
                interleaver_seed=seeds.integer(f"interleaver/{index}") % 65536,
            )
            for index in range(count)
        ]

    def _decoder(self, method: str) -> Decoder:
        """A decoder at the start of a stream.

        Raises:
            SettingsError: the adapted one was not learnt.
        """
        bench = self._bench
        if method == "updates+adapted":
            if self._learnt.codec is None:
                raise SettingsError(f"{self._out.path} holds no adapted decoder; start the run again")
            bench = Bench(self._learnt.codec, bench.transmitter, bench.receiver, bench.weights)
        decoder = bench.decoders((self._settings.decoder,))[self._settings.decoder]
        if method == "keyframes":
            return decoder
        if not isinstance(decoder, FrameDecoder):
            raise SettingsError(f"decoder {decoder.name} does not start from the codec's estimate; use mmse or refine")
        return Tracker(decoder, self._learnt.change)

    def _by_frames(self, filmed: np.ndarray, trial: Trial, airing: Airing, seeds: TrialSeeds) -> _Shown:
        method, clock = str(trial.values["method"]), StageClock()
        decoder = self._decoder(method)
        shown = np.full(filmed.shape[1:], 0.5, np.float32)
        pictures, arrived, air_samples, payload_symbols = [], [], 0, 0
        requests = self._requests(int(trial.values["cbr"]), method, len(filmed), seeds)
        for index, (frame, request) in enumerate(zip(filmed, requests, strict=True)):
            sent = send_timed(
                frame, request, bench=self._bench, decoder=decoder, airing=airing, seeds=seeds, purpose=str(index),
                clock=clock,
            )  # fmt: skip
            air_samples += sent.prepared.transmission.n_air_samples
            payload_symbols += sent.prepared.transmission.n_payload_symbols
            arrived.append(sent.picture is not None)
            if sent.picture is not None:
                shown = sent.picture
            elif isinstance(decoder, Tracker):
                decoder.miss()
            pictures.append(shown)
        stages = clock.stages(frames=len(filmed), unit_frames=1, rate_hz=self._halves.clip.rate_hz)
        return _Shown(pictures, arrived, air_samples, payload_symbols, stages.timings_s())

    def _as_video(self, filmed: np.ndarray, trial: Trial, airing: Airing, seeds: TrialSeeds) -> _Shown:
        clock, rate_hz = StageClock(), self._halves.clip.rate_hz
        # The air of a key frame and its updates is one burst: short ones would hold few whole blocks.
        requests = self._requests(int(trial.values["cbr"]), "updates", len(filmed), seeds)
        air = self._air_samples(filmed[0], requests)
        period = self._settings.schedule(int(trial.values["cbr"])).period
        groups = [sum(air[start : start + period]) for start in range(0, len(air), period)]
        sent = send_video(
            filmed,
            rate_hz,
            codec=trial.values["method"],
            mcs=int(trial.values["mcs"]),
            air_samples=groups,
            bench=self._bench,
            airing=airing,
            seeds=seeds,
            clock=clock,
        )
        stages = clock.stages(frames=len(filmed), unit_frames=len(filmed), rate_hz=rate_hz)
        return _Shown(
            list(sent.video.frames),
            list(sent.video.shown),
            sent.n_air_samples,
            sent.n_payload_symbols,
            stages.timings_s(),
            sent.n_bytes,
        )

    def _air_samples(self, frame: np.ndarray, requests: Sequence[PictureRequest]) -> list[int]:
        """What each frame of a stream takes on the air; it depends on size and rate alone."""
        codec, transmitter = self._bench.codec, self._bench.transmitter
        by_rate = {
            request.rate: prepare(frame, request, codec, transmitter).transmission.n_air_samples
            for request in {request.rate: request for request in requests}.values()
        }
        return [by_rate[request.rate] for request in requests]

    def _keep(self, name: str, filmed: np.ndarray, shown: Sequence[np.ndarray]) -> None:
        folder = self._out.folder("pictures")
        for index in kept_frames(len(filmed)):
            for owner, picture in ((name, shown[index]), ("filmed", filmed[index])):
                pixels = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
                # Whole or not at all: several workers write the filmed frames.
                partial = folder / f".{name}.{picture_name(owner, index)}"
                Image.fromarray(pixels).save(partial, format="PNG")
                partial.replace(folder / picture_name(owner, index))
