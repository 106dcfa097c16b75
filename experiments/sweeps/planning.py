"""The trials of a sweep: every combination of its grid, for every curve."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..campaign.study import Trial
from .settings import SeriesSettings, SweepSettings, TrialSettings

__all__ = ["plan", "transmission_of"]


def plan(settings: SweepSettings) -> tuple[Trial, ...]:
    """All trials; neighbours in the list share everything but what changes fastest, the repetition."""
    grid = settings.grid
    further = [[(axis, value) for value in values] for axis, values in grid.further.items()]
    cells = itertools.product(
        settings.series, grid.cbr, grid.esn0_db or (None,), itertools.product(*further), grid.pictures
    )
    return tuple(
        trial
        for series, cbr, esn0_db, axes, picture in cells
        for trial in _repetitions(settings, series, cbr, esn0_db, dict(axes), picture)
    )


def _repetitions(
    settings: SweepSettings, series: SeriesSettings, cbr: int, esn0_db: float | None, axes: dict[str, Any], picture: str
) -> list[Trial]:
    # Ids end with what a person looks for; axes of the grid's own choice stand where they cannot be taken for those.
    level = "own" if esn0_db is None else f"{esn0_db:+g}dB"
    chosen = [f"{axis}={_plain(value)}" for axis, value in axes.items()]
    cell = "/".join((series.name, f"cbr{cbr}", level, *chosen, Path(picture).stem))
    values = {"series": series.name, "cbr": cbr, "esn0_db": esn0_db, **axes, "picture": picture}
    # What was recorded needs no radio.
    needs = () if settings.recorded is not None else _needs(transmission_of(settings, values))
    return [
        Trial(f"{cell}/{number}", cell, {**values, "repetition": number}, needs)
        for number in range(settings.grid.repetitions)
    ]


def _plain(value: object) -> str:
    text = "+".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text.replace("/", "_")


def _needs(transmission: TrialSettings) -> tuple[str, ...]:
    """A real radio has one user at a time; simulated ones are made for each trial."""
    radios = (transmission.tx, transmission.rx) if transmission.tx is not None else (transmission.radio,)
    real = {radio for radio in radios if radio is not None and not radio.startswith(("loopback:", "replay:"))}
    return tuple(f"radio:{radio}" for radio in sorted(real))


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
