"""The two halves of a sweep's trial: to the air and back, and from there to figures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sdr_gsc.diffusion.decoders import check_used
from sdr_gsc.diffusion.decoding import Decoder
from sdr_gsc.phy.report import FrameReport
from sdr_gsc.seeding import TrialSeeds

from ..campaign.run_directory import RunDirectory
from ..campaign.staging import staged
from ..campaign.study import Line, Trial
from ..procedures.airing import Airing, used_records
from ..procedures.keeping import keep_capture, keep_pictures
from ..procedures.photographs import find_picture, is_photograph
from ..procedures.scoring import score_of_nothing, trial_json
from ..procedures.tape import played_exchange
from ..procedures.transmission import Aired, Bench, Transmitted, make_ready, put_on_air, take_in
from .headers import count_headers
from .planning import transmission_of
from .settings import SweepSettings, TrialSettings
from .sources import source_path

__all__ = ["Receiving", "Sending"]


class _Half:
    """What both halves open: they may be in different processes, on different machines."""

    def __init__(self, settings: SweepSettings, out: RunDirectory) -> None:
        self.settings = settings
        self.out = out
        # One codec at a time in memory, unless a grid alternates between several.
        self._bench = lru_cache(maxsize=2)(_open_bench)

    def bench(self, of: TrialSettings, device: str = "cpu") -> Bench:
        return self._bench(of.weights, of.codec, of.codec_code, device)

    def picture(self, trial: Trial, of: TrialSettings) -> np.ndarray:
        name = str(trial.values["picture"])
        copy = source_path(self.out, name)
        if copy.is_file():
            return find_picture(str(copy))
        return find_picture(name, of.side_px if is_photograph(name) else None)

    def seeds(self, trial: Trial) -> TrialSeeds:
        return TrialSeeds(self.settings.seed, trial.name)


class Sending(_Half):
    """A trial on its way to the air and back; or what was recorded of it in an earlier run."""

    def __call__(self, trial: Trial) -> Aired:
        """Send, or read what was kept.

        Raises:
            RadioError: the radio failed in every attempt.
            RecordingError: the earlier run did not keep this trial's capture, or sent something else in it.
        """
        of = transmission_of(self.settings, trial.values)
        # What does not fit the air is refused alike, whether it is sent or was.
        prepared = make_ready(self.picture(trial, of), of, self.bench(of), self.seeds(trial))
        if self.settings.recorded is not None:
            run = RunDirectory.open(Path(self.settings.recorded))
            capture = played_exchange(run, trial.name, prepared.transmission.samples)
            return Aired(capture, f"replay:{run.path.name}")
        return put_on_air(prepared, Airing.of(of, of.radio, of.esn0_db), self.seeds(trial))


class Receiving(_Half):
    """A trial from the capture to its line."""

    def __init__(self, settings: SweepSettings, out: RunDirectory) -> None:
        super().__init__(settings, out)
        self._decoders: dict[Any, dict[str, Decoder]] = {}

    def __call__(self, trial: Trial, aired: Aired) -> Line:
        """Receive, decode, measure, and leave what is to be kept."""
        of = transmission_of(self.settings, trial.values)
        bench, seeds, picture = self.bench(of), self.seeds(trial), self.picture(trial, of)
        prepared = make_ready(picture, of, bench, seeds)
        transmitted = take_in(aired, prepared, of, self.bench(of, of.device), self.decoders(of), seeds)
        _, line, reports = trial_json(trial.name, transmitted, picture, bench.receiver.numerology, bench.codec)
        line |= _further(trial, transmitted, picture, bench) | self.also(trial, transmitted, picture)
        if self.settings.keep:
            self._keep(trial, transmitted, picture, reports)
        return line

    def _keep(
        self, trial: Trial, transmitted: Transmitted, picture: np.ndarray, reports: Sequence[FrameReport]
    ) -> None:
        with staged(self.out) as out:
            if "captures" in self.settings.keep:
                keep_capture(out, trial.name, transmitted.capture, reports, transmitted.prepared.transmission)
            if "pictures" in self.settings.keep:
                name = f"sent.{Path(str(trial.values['picture'])).stem}.{picture.shape[1]}"
                keep_pictures(out, trial.name, picture, transmitted.reconstructions, sent_name=name)

    def also(self, trial: Trial, transmitted: Transmitted, picture: np.ndarray) -> Line:
        """What a kind that is built on sweeps measures beyond their lines; nothing here."""
        return {}

    def decoders(self, of: TrialSettings) -> dict[str, Decoder]:
        """Open decoders, or find them open."""
        options = of.decoder_options(of.task_guidance)
        key = (of.decoders, options, of.weights, of.codec, of.codec_code, of.device)
        if key not in self._decoders:
            check_used(set(of.decoders), options)
            # Few combinations are open at a time: a grid walks through its decoders one after the other.
            if len(self._decoders) >= 4:
                self._decoders.pop(next(iter(self._decoders)))
            self._decoders[key] = self.bench(of, of.device).decoders(of.decoders, options)
        return self._decoders[key]


def _open_bench(weights: str | None, codec: str | None, codec_code: str | None, device: str) -> Bench:
    return Bench.open(weights, device, codec=codec, codec_code=codec_code)


def _further(trial: Trial, transmitted: Transmitted, picture: np.ndarray, bench: Bench) -> Line:
    headers = count_headers(transmitted, bench.receiver)
    reports = transmitted.reception.reports
    truth = transmitted.capture.settings.get("truth", {})
    return {
        "series": trial.values["series"],
        "picture": trial.values["picture"],
        "repetition": trial.values["repetition"],
        "requested_esn0_db": trial.values["esn0_db"],
        "headers": {"sent": headers.sent, "right": headers.right, "wrong": headers.wrong},
        "cfo_hz": [report.cfo_hz for report in reports if report.header_ok],
        "sfo_ppm": [report.sfo_ppm for report in reports if report.header_ok],
        "if_lost": None if transmitted.received else score_of_nothing(picture),
        "truth": {key: truth[key] for key in ("cfo_hz", "sfo_ppm") if key in truth} if isinstance(truth, dict) else {},
        **used_records(transmitted.capture),
    }
