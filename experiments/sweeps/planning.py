"""The trials of a sweep: every combination of its grid, for every curve."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..air_settings import radio_needs
from ..campaign.study import Trial
from .settings import SeriesSettings, SweepSettings, TrialSettings

__all__ = ["plan", "transmission_of"]


def plan(settings: SweepSettings, check: Callable[[TrialSettings], None] = lambda of: None) -> tuple[Trial, ...]:
    """All trials; neighbours in the list share everything but what changes fastest, the repetition.

    Args:
        settings: resolved.
        check: refuses a transmission that cannot be; it sees each cell's once.
    """
    grid = settings.grid
    further = [[(axis, value) for value in values] for axis, values in grid.further.items()]
    cells = itertools.product(
        settings.series, grid.cbr, grid.esn0_db or (None,), itertools.product(*further), grid.pictures
    )
    return tuple(
        trial
        for series, cbr, esn0_db, axes, picture in cells
        for trial in _repetitions(settings, check, series, cbr, esn0_db, dict(axes), picture)
    )


def _repetitions(
    settings: SweepSettings,
    check: Callable[[TrialSettings], None],
    series: SeriesSettings,
    cbr: int,
    esn0_db: float | None,
    axes: dict[str, Any],
    picture: str,
) -> list[Trial]:
    # Ids end with what a person looks for; axes of the grid's own choice stand where they cannot be taken for those.
    level = "own" if esn0_db is None else f"{esn0_db:+g}dB"
    chosen = [f"{axis}={_plain(value)}" for axis, value in axes.items()]
    cell = "/".join((series.name, f"cbr{cbr}", level, *chosen, Path(picture).stem))
    values = {"series": series.name, "cbr": cbr, "esn0_db": esn0_db, **axes, "picture": picture}
    # What was recorded needs no radio.
    of = transmission_of(settings, values)
    check(of)
    needs = () if settings.recorded is not None else radio_needs(of.radio, of.tx, of.rx)
    return [
        Trial(f"{cell}/{number}", cell, {**values, "repetition": number}, needs)
        for number in range(settings.grid.repetitions)
    ]


def _plain(value: object) -> str:
    text = "+".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text.replace("/", "_")


def transmission_of(settings: SweepSettings, values: Mapping[str, Any]) -> TrialSettings:
    """Settings of a trial by what the plan chose for it.

    Raises:
        ValueError: a combination that no transmission can have.
    """
    series = next(series for series in settings.series if series.name == values["series"])
    axes = {name: values[name] for name in ("cbr", *settings.grid.further)}
    if values["esn0_db"] is not None:
        axes["esn0_db"] = values["esn0_db"]
    return settings.trial(series, axes)
