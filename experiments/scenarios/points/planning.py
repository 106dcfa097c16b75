"""Points out of a sweep's trials: what its curves have in common."""

from __future__ import annotations

from collections.abc import Sequence

from sdr_gsc.phy.coding.mcs import mcs

from ...campaign.study import Line, Trial
from ...sweeps.planning import plan
from ...sweeps.settings import SeriesSettings
from .settings import PointSettings

__all__ = ["baseline_label", "plan_points", "point_of", "transmissions_of", "where"]


def plan_points(settings: PointSettings) -> tuple[Trial, ...]:
    """One trial for each picture, Es/N0, bandwidth and repetition; neighbours differ in the repetition first.

    Raises:
        ValueError: a combination that no transmission can have.
    """
    sweep = settings.sweep()
    main = sweep.series[0].name
    points = []
    for trial in plan(sweep):
        if trial.values["series"] != main:
            continue
        values = {name: value for name, value in trial.values.items() if name != "series"}
        points.append(Trial(_without(trial.name, main), _without(trial.cell, main), values, trial.needs))
    return tuple(points)


def transmissions_of(settings: PointSettings, point: Trial) -> tuple[Trial, ...]:
    """The trials of `PointSettings.sweep` that a point consists of, the main one first."""
    return tuple(
        Trial(
            f"{series.name}/{point.name}",
            f"{series.name}/{point.cell}",
            {**point.values, "series": series.name},
            point.needs,
        )
        for series in settings.curves()
    )


def point_of(transmission: Trial) -> str:
    """The point that a transmission belongs to: its seeds are those of all."""
    return _without(transmission.name, str(transmission.values["series"]))


def _without(name: str, series: str) -> str:
    return name.removeprefix(f"{series}/")


def where(lines: Sequence[Line]) -> dict[tuple[int, float | None], list[Line]]:
    """Lines of points by bandwidth (inverse CBR) and Es/N0 (None: the radio's own), in ascending order."""
    found: dict[tuple[int, float | None], list[Line]] = {}
    for line in lines:
        found.setdefault((int(line["cbr_inverse"]), line["requested_esn0_db"]), []).append(line)
    return dict(sorted(found.items(), key=lambda item: (item[0][0], item[0][1] is not None, item[0][1] or 0.0)))


def baseline_label(series: SeriesSettings) -> str:
    """A classical curve as people call it, such as ``classical, QPSK 1/2``."""
    return f"classical, {mcs(int(series.further['mcs'])).name}"
