"""Points of the distortion-perception plane with their bands, and what they say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...benchmarks.bootstrap import mean_band
from ...campaign.stopping import half_width
from ...campaign.study import Line
from ...reports.page import Table
from ...reports.wording import decimal
from ..points.planning import where
from .knobs import ANCHOR, knobs
from .settings import DIRECT, HumanSettings

__all__ = ["METRICS", "Band", "change", "headline", "level", "means_table", "place", "shortfalls", "verdict"]

#: Key in the trials, label with unit, digits.
METRICS = (("psnr_db", "PSNR (dB)", 2), ("ms_ssim", "MS-SSIM", 4), ("perceptual", "perceptual distance", 3))
#: Share of the perceptual distance below which a change is called small, however certain.
_VISIBLE = 0.01


@dataclass(frozen=True, slots=True)
class Band:
    """A mean with its 95 % confidence interval; NaN where there is nothing, or nothing to tell an interval from."""

    mean: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there is a mean at all."""
        return math.isfinite(self.mean)

    @property
    def bar(self) -> tuple[float, float]:
        """Lengths below and above the mean, 0 without an interval."""
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return 0.0, 0.0
        return max(self.mean - self.low, 0.0), max(self.high - self.mean, 0.0)


def figure_of(line: Line, label: str, metric: str) -> float:
    """A figure of one trial; a lost picture counts as mid-grey, for leaving it out would show the survivors alone."""
    found = line["decoders"].get(label, {}).get(metric)
    if found is None:
        transmissions: Mapping[str, Any] = line["transmissions"]
        # A baseline that did not fit was not sent; the grey picture of the other transmission is the same.
        lost = transmissions.get(label, {}).get("if_lost") or transmissions[DIRECT].get("if_lost") or {}
        found = lost.get(metric)
    return float("nan") if found is None else float(found)


def level(lines: Sequence[Line], label: str, metric: str) -> Band:
    """Mean over the pictures; the interval is that of repetitions (Student): every curve shows the same pictures."""
    by_repetition: dict[int, list[float]] = {}
    for line in lines:
        by_repetition.setdefault(int(line["repetition"]), []).append(figure_of(line, label, metric))
    means = [float(np.nanmean(values)) for values in by_repetition.values() if not np.isnan(values).all()]
    if not means:
        return Band(math.nan, math.nan, math.nan)
    mean, half = float(np.mean(means)), half_width(means)
    return Band(mean, mean - half, mean + half) if math.isfinite(half) else Band(mean, math.nan, math.nan)


def change(settings: HumanSettings, lines: Sequence[Line], label: str, metric: str) -> Band:
    """Difference from the anchor at the same picture and draws, bootstrapped over pictures and repetitions."""
    by_picture: dict[str, list[float]] = {}
    for line in lines:
        difference = figure_of(line, label, metric) - figure_of(line, ANCHOR, metric)
        by_picture.setdefault(str(line["picture"]), []).append(difference)
    mean, low, high = mean_band(by_picture, seed=settings.seed)
    return Band(mean, low, high) if len(lines) > 1 else Band(mean, math.nan, math.nan)


def place(cbr: int, esn0_db: float | None) -> str:
    """A point in words."""
    return f"CBR 1/{cbr}, " + ("the radio's own Es/N0" if esn0_db is None else f"{esn0_db:g} dB")


def headline(settings: HumanSettings, trials: Sequence[Line]) -> list[Line]:
    """For every bandwidth and Es/N0, the setting of least perceptual distance within the tolerated loss of PSNR."""
    found: list[Line] = []
    for (cbr, esn0_db), lines in where(trials).items():
        changes = {
            knob.label: (
                change(settings, lines, knob.label, "psnr_db"),
                change(settings, lines, knob.label, "perceptual"),
            )
            for knob in knobs(settings)
        }
        near = {
            label: perceptual
            for label, (psnr, perceptual) in changes.items()
            if perceptual.known and psnr.mean >= -settings.tolerated_db
        }
        best = min(near, key=lambda label: near[label].mean) if near else None
        found.append(
            {
                "cbr_inverse": cbr,
                "esn0_db": esn0_db,
                "trials": len(lines),
                ANCHOR: _figures(lines, ANCHOR),
                "best": best,
                "best_perceptual": None if best is None else _number(level(lines, best, "perceptual").mean),
                "psnr_change_db": None if best is None else _number(changes[best][0].mean),
                "perceptual_change": None if best is None else _number(near[best].mean),
                "perceptual_change_95": None if best is None else [_number(near[best].low), _number(near[best].high)],
                "baselines": {
                    series.name: _figures(lines, series.name) | {"received": _received(lines, series.name)}
                    for series in settings.classical()
                },
            }
        )
    return found


def verdict(point: Line, tolerated_db: float) -> str:
    """What a point says about the knob, in one sentence."""
    at = place(point["cbr_inverse"], point["esn0_db"])
    best, change_mean = point["best"], point["perceptual_change"]
    if best is None:
        return f"At {at}, nothing could be measured."
    if best == ANCHOR:
        return f"At {at}, no setting within {tolerated_db:g} dB of mmse has a smaller perceptual distance than mmse."
    low, high = point["perceptual_change_95"]
    known = low is not None and high is not None
    interval = f" (95 %: {low:+.2g} … {high:+.2g})" if known else " (one trial: no interval)"
    remark = "" if known and high < 0 else "; this is no gain that can be told from chance"
    if not remark and abs(change_mean) < _VISIBLE * point[ANCHOR]["perceptual"]:
        remark = f"; this is less than {_VISIBLE:.0%} of it".replace("%", " %")
    return (
        f"At {at}, {best} changes the perceptual distance of mmse by {change_mean:+.2g}{interval} "
        f"at {point['psnr_change_db']:+.2f} dB{remark}."
    )


def shortfalls(settings: HumanSettings, trials: Sequence[Line]) -> list[str]:
    """Points without the gain that the configuration expects."""
    if settings.expect_gain is None:
        return []
    return [
        f"{verdict(point, settings.tolerated_db)} Expected was a gain of {settings.expect_gain:g}."
        for point in headline(settings, trials)
        if point["best"] is None or -point["perceptual_change"] < settings.expect_gain
    ]


def means_table(settings: HumanSettings, trials: Sequence[Line]) -> Table:
    """Means of every setting at every point."""
    rows = []
    for (cbr, esn0_db), lines in where(trials).items():
        names = [knob.label for knob in knobs(settings)] + [series.name for series in settings.classical()]
        for name in names:
            cells = [decimal(_number(level(lines, name, metric).mean), digits) for metric, _, digits in METRICS]
            differences = [
                decimal(_number(change(settings, lines, name, metric).mean), 2) for metric in ("psnr_db", "perceptual")
            ]
            transmission = name if name in lines[0]["transmissions"] else DIRECT
            air = np.mean([line["transmissions"][transmission]["cbr_effective"] for line in lines])
            arrived = f"{_received(lines, transmission)} of {len(lines)}"
            shown = "own" if esn0_db is None else f"{esn0_db:g}"
            rows.append((name, f"1/{cbr}", shown, *cells, *differences, f"{air:.4f}", arrived))
    head = ("setting", "CBR", "Es/N0 (dB)", *(label for _, label, _ in METRICS))
    return Table((*head, "Δ PSNR (dB)", "Δ perceptual", "effective CBR", "arrived"), tuple(rows))


def _figures(lines: Sequence[Line], label: str) -> Line:
    return {metric: _number(level(lines, label, metric).mean) for metric, _, _ in METRICS}


def _received(lines: Sequence[Line], name: str) -> int:
    return sum(bool(line["transmissions"][name]["received"]) for line in lines)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
