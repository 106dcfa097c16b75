"""Lines of trials as curves, tables and headline figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np

from ...campaign.study import Line
from ...reports.page import Table
from ...reports.wording import decimal

__all__ = ["METRICS", "grouped", "levels_of", "means_table", "stages_table", "summary"]

#: Key in the trials, label with unit, which way is better, and digits.
METRICS = (
    ("landmark_error", "landmark error (eye distances)", "lower", 3),
    ("faces_found", "faces found (share)", "higher", 3),
    ("perceptual", "perceptual distance", "lower", 3),
    ("psnr_db", "PSNR (dB)", "higher", 2),
)
Key = TypeVar("Key", bound=Hashable)

_STAGES = ("encode", "air", "receive", "decode", "collect", "latency")


def grouped(trials: Sequence[Line], key: Callable[[Line], Key]) -> dict[Key, list[Line]]:
    """Trials with the same key, in the order in which keys come first."""
    found: dict[Key, list[Line]] = defaultdict(list)
    for line in trials:
        found[key(line)].append(line)
    return dict(found)


def levels_of(trials: Sequence[Line], metric: str, axis: Callable[[Line], float]) -> dict[float, np.ndarray]:
    """Values of a metric by the value on the axis, one per trial; NaN where a trial has none."""
    return {
        level: np.array([np.nan if line[metric] is None else float(line[metric]) for line in lines])
        for level, lines in sorted(grouped(trials, axis).items())
    }


def means_table(trials: Sequence[Line]) -> Table:
    """Means over repetitions."""
    rows = []
    cells = grouped(trials, lambda line: (str(line["series"]), int(line["cbr_inverse"]), line["requested_esn0_db"]))
    for (series, cbr, level), lines in cells.items():
        shown = [decimal(_mean(lines, metric), digits) for metric, _, _, digits in METRICS]
        frames = [sum(int(line["frames"][part]) for line in lines) for part in ("arrived", "sent")]
        air = decimal(_mean(lines, "cbr_effective"), 5)
        esn0 = "radio's own" if level is None else f"{level:g}"
        rows.append((series, f"1/{cbr}", esn0, *shown, f"{frames[0]} of {frames[1]}", air, str(len(lines))))
    head = ("series", "CBR", "Es/N0 (dB)", *(label for _, label, _, _ in METRICS), "frames", "effective CBR", "trials")
    return Table(head, tuple(rows))


def stages_table(trials: Sequence[Line]) -> Table:
    """Where the time goes, in milliseconds, and frames per second."""
    rows = []
    for series, lines in grouped(trials, lambda line: str(line["series"])).items():
        times = [float(np.mean([line["timings_s"][stage] for line in lines])) * 1000 for stage in _STAGES]
        rates = [
            float(np.mean([line["timings_s"][name] for line in lines]))
            for name in ("frames_per_s", "pipelined_frames_per_s")
        ]
        rows.append((series, *(f"{value:.1f}" for value in times), *(f"{value:.1f}" for value in rates)))
    return Table(("series", *(f"{stage} (ms)" for stage in _STAGES), "frames/s", "pipelined frames/s"), tuple(rows))


def summary(trials: Sequence[Line]) -> Line:
    """Means by series and bandwidth over the whole run."""
    found: Line = {}
    for (series, cbr), lines in grouped(trials, lambda line: (str(line["series"]), int(line["cbr_inverse"]))).items():
        found.setdefault(series, {})[f"cbr{cbr}"] = {metric: _mean(lines, metric) for metric, *_ in METRICS}
    return {"series": found}


def _mean(lines: Sequence[Line], metric: str) -> float | None:
    known = [float(line[metric]) for line in lines if line[metric] is not None]
    return float(np.mean(known)) if known else None
