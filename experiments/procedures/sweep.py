"""A grid of transmissions: every combination once, in order, each on disk as soon as it is done."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_gsc.diffusion.decoders import check_used
from sdr_gsc.errors import SettingsError
from sdr_gsc.phy.framing import FrameHeader
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.seeding import TrialSeeds

from ..configuration import ExpectSettings, LinkSettings, SeriesSettings, SweepSettings
from .airing import Airing, used_records
from .photographs import find_picture, is_photograph
from .run_directory import RunDirectory
from .scoring import score_of_nothing, trial_json
from .transmission import Bench, Transmitted, send_picture

__all__ = ["HeaderCount", "Trial", "count_headers", "header_totals", "plan", "run_sweep", "shortfalls"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One cell of the grid.

    Attributes:
        series: the curve it belongs to.
        cbr: inverse payload CBR.
        esn0_db: of a simulated channel.
        picture: path or name.
        repetition: number of the transmission, from 0.
    """

    series: SeriesSettings
    cbr: int
    esn0_db: float | None
    picture: str
    repetition: int

    @property
    def name(self) -> str:
        """The trial id; all randomness of the trial follows from it and the run's seed."""
        level = "own" if self.esn0_db is None else f"{self.esn0_db:+g}dB"
        return f"{self.series.name}/cbr{self.cbr}/{level}/{Path(self.picture).stem}/{self.repetition}"


def plan(settings: SweepSettings) -> tuple[Trial, ...]:
    """All trials; neighbours in the list share everything but what changes fastest, the repetition.

    Raises:
        SettingsError: two trials would have the same id.
    """
    grid = settings.grid
    cells = itertools.product(
        settings.series, grid.cbr, grid.esn0_db or (None,), grid.pictures, range(grid.repetitions)
    )
    trials = tuple(Trial(*cell) for cell in cells)
    twice = [name for name, count in Counter(trial.name for trial in trials).items() if count > 1]
    if twice:
        raise SettingsError(f"the grid holds {twice[0]} more than once; name each value and each picture once")
    return trials


def run_sweep(
    directory: RunDirectory, settings: SweepSettings, on_trial: Callable[[int, int], None] = lambda done, count: None
) -> None:
    """Run what is not done yet.

    Args:
        directory: of the run; trials that it holds are not repeated.
        settings: resolved.
        on_trial: told the number of finished trials and of all.
    """
    trials = plan(settings)
    done = {str(trial["trial"]) for trial in directory.trials()}
    on_trial(sum(trial.name in done for trial in trials), len(trials))
    missing = [trial for trial in trials if trial.name not in done]
    if not missing:
        return
    bench = Bench.open(settings.weights, codec=settings.codec, codec_code=settings.codec_code)
    options = settings.decoder_options()
    check_used({name for series in settings.series for name in series.decoders}, options)
    decoders = {series.name: bench.decoders(series.decoders, options) for series in settings.series}
    for count, trial in enumerate(missing, len(trials) - len(missing) + 1):
        picture = find_picture(trial.picture, settings.side_px if is_photograph(trial.picture) else None)
        link = LinkSettings(
            mapping=trial.series.mapping, cbr=trial.cbr, levels=trial.series.levels, mcs=trial.series.mcs
        )
        transmitted = send_picture(
            picture, link, bench, decoders[trial.series.name],
            airing=Airing(settings.radio, esn0_db=trial.esn0_db, calibration=settings.calibration),
            seeds=TrialSeeds(settings.seed, trial.name),
        )  # fmt: skip
        directory.append(_line(trial, transmitted, picture, bench))
        on_trial(count, len(trials))


def _line(trial: Trial, transmitted: Transmitted, picture: np.ndarray, bench: Bench) -> Mapping[str, object]:
    _, line, reports = trial_json(trial.name, transmitted, picture, bench.receiver.numerology, bench.codec)
    headers = count_headers(transmitted, bench.receiver)
    truth = transmitted.capture.settings.get("truth", {})
    cell = {
        "series": trial.series.name,
        "picture": trial.picture,
        "repetition": trial.repetition,
        "requested_esn0_db": trial.esn0_db,
        "headers": {"sent": headers.sent, "right": headers.right, "wrong": headers.wrong},
        "cfo_hz": [report.cfo_hz for report in reports if report.header_ok],
        "sfo_ppm": [report.sfo_ppm for report in reports if report.header_ok],
        "if_lost": None if transmitted.received else score_of_nothing(picture),
        "truth": {key: truth[key] for key in ("cfo_hz", "sfo_ppm") if key in truth} if isinstance(truth, dict) else {},
    }
    return {**line, **cell, **used_records(transmitted.capture)}


@dataclass(frozen=True, slots=True)
class HeaderCount:
    """Headers of one transmission.

    Attributes:
        sent: frames on the air.
        right: of these, headers that arrived as they were sent.
        wrong: headers that were accepted although nobody sent them, and repetitions of one that was sent once.
    """

    sent: int
    right: int
    wrong: int


def count_headers(transmitted: Transmitted, receiver: Receiver) -> HeaderCount:
    """Compare every accepted header, whole, with those that were sent."""
    descriptor = transmitted.prepared.descriptor
    packed, n_frames = descriptor.pack(), transmitted.prepared.transmission.n_frames
    accepted = [frame.header for frame in receiver.receive(transmitted.capture).frames if frame.header is not None]
    right = Counter(header.sequence for header in accepted if _is_right(header, packed, transmitted))
    distinct = sum(1 for sequence in right if sequence < n_frames)
    return HeaderCount(n_frames, distinct, len(accepted) - distinct)


def _is_right(header: FrameHeader, descriptor: bytes, transmitted: Transmitted) -> bool:
    sent = transmitted.prepared.descriptor
    if header.descriptor != descriptor:
        return False
    if sent.n_bytes:
        return header.mcs == sent.mcs
    return header.mcs is None and header.n_symbols == -(-sent.n_symbols // sent.n_frames)


def shortfalls(trials: tuple[dict[str, object], ...], expect: ExpectSettings | None) -> list[str]:
    """What the measurement fails to show, one sentence each."""
    if expect is None:
        return []
    sent, right, wrong = header_totals(trials)
    found = []
    if sent and right / sent < expect.header_rate:
        found.append(f"{right} of {sent} headers arrived right ({right / sent:.2%}); needed {expect.header_rate:.2%}")
    if expect.wrong_headers is not None and wrong > expect.wrong_headers:
        found.append(f"{wrong} headers were accepted that nobody sent; allowed are {expect.wrong_headers}")
    return found


def header_totals(trials: tuple[dict[str, object], ...]) -> tuple[int, int, int]:
    """Headers sent, of these right, and accepted ones that nobody sent."""
    totals = {"sent": 0, "right": 0, "wrong": 0}
    for trial in trials:
        headers = trial.get("headers")
        if isinstance(headers, dict):
            for key in totals:
                totals[key] += int(headers[key])
    return totals["sent"], totals["right"], totals["wrong"]
