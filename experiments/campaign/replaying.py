"""A campaign once more on the air that it recorded: receiver and decoders run again, no radio is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdr_gsc.errors import SettingsError

from ..checking import checked
from ..sweeps.settings import SeriesSettings, SweepSettings
from .run_directory import RunDirectory

__all__ = ["replay_settings"]


def replay_settings(
    run: Path,
    decoders: tuple[str, ...] | None = None,
    weights: str | None = None,
    options: Mapping[str, object] | None = None,
) -> SweepSettings:
    """Settings of a sweep whose air is what a run has kept.

    Args:
        run: directory of a sweep that was run with ``keep = ["captures"]``.
        decoders: in the place of those of its curves; curves of the classical mapping have none.
        weights: folder with other weights than the run's.
        options: settings of decoders in the place of the run's.

    Raises:
        SettingsError: the run is no sweep, or kept no captures.
    """
    settings = RunDirectory.open(run).settings()
    if not isinstance(settings, SweepSettings):
        raise SettingsError(f"{run} holds no sweep; to decode one recording again: sdr-gsc replay {run}/captures/NAME")
    if "captures" not in settings.keep:
        raise SettingsError(f'{run} kept no captures; record with keep = ["captures"] in its configuration')
    update: dict[str, object] = {"recorded": str(run.resolve()), "keep": (), **(options or {})}
    if weights is not None:
        update["weights"] = str(Path(weights).resolve())
    if decoders is not None:
        update["series"] = [_with_decoders(series, settings, decoders) for series in settings.series]
    return checked(SweepSettings, settings.model_dump(exclude_none=True) | update)


def _with_decoders(series: SeriesSettings, settings: SweepSettings, decoders: tuple[str, ...]) -> dict[str, object]:
    mapping = series.further.get("mapping", settings.mapping)
    kept = {"name": series.name, **series.further}
    return kept if mapping == "classical" else kept | {"decoders": decoders}
