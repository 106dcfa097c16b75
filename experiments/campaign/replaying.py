"""A campaign once more on the air that it recorded: receiver and decoders run again, no radio is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdr_gsc.errors import SettingsError

from ..air_settings import RecordedSettings
from ..checking import checked
from ..decoding_settings import DecodingSettings
from ..scenarios.human.settings import HumanSettings
from ..scenarios.machine.settings import MachineSettings
from ..scenarios.online_meeting.settings import MeetingSettings
from ..scenarios.road_monitoring.settings import RoadSettings
from ..sweeps.settings import SeriesSettings, SweepSettings
from .run_directory import RunDirectory
from .settings import CampaignSettings

__all__ = ["replay_settings"]


def replay_settings(
    run: Path,
    decoders: tuple[str, ...] | None = None,
    weights: str | None = None,
    options: Mapping[str, object] | None = None,
) -> CampaignSettings:
    """Settings of a campaign whose air is what a run has kept.

    Args:
        run: directory of a campaign that was run with ``keep = ["captures"]``.
        decoders: in the place of the run's own, where its kind has any: of a sweep those of its curves but for the
            classical mapping, of `human` those with the knob, of `machine` those behind its pictures, of
            `online_meeting` and `road_monitoring` the one.
        weights: folder with other weights than the run's.
        options: settings of decoders in the place of the run's; of sweeps.

    Raises:
        SettingsError: the run is no campaign, kept no captures, or its kind does not have what is asked for.
    """
    settings = RunDirectory.open(run).settings()
    if not isinstance(settings, CampaignSettings) or not isinstance(settings, SweepSettings | RecordedSettings):
        raise SettingsError(f"{run} is no campaign; to decode one recording again: sdr-gsc replay {run}/captures/NAME")
    if "captures" not in settings.keep:
        raise SettingsError(f'{run} kept no captures; record with keep = ["captures"] in its configuration')
    kept = tuple(what for what in settings.keep if what != "captures")
    update: dict[str, object] = {"recorded": str(run.resolve()), "keep": kept, **(options or {})}
    if weights is not None:
        update["weights"] = str(Path(weights).resolve())
    # Other kinds have settings of the same names that mean something else, such as steps of control.
    asked = (() if isinstance(settings, DecodingSettings) else tuple(options or ())) + (
        ("weights",) if "weights" in update and "weights" not in type(settings).model_fields else ()
    )
    if asked:
        shown = ", ".join("--" + name.replace("_", "-") for name in asked)
        raise SettingsError(f"{run} is of kind {settings.kind}, whose replay takes no {shown}: leave it out")
    if decoders is not None:
        update |= _decoded_by(settings, decoders, run)
    return checked(type(settings), settings.model_dump(exclude_none=True) | update, f"replay of {run}")


def _decoded_by(settings: CampaignSettings, decoders: tuple[str, ...], run: Path) -> dict[str, object]:
    """The settings of a kind that say who decodes."""
    if isinstance(settings, SweepSettings):
        return {"series": [_with_decoders(series, settings, decoders) for series in settings.series]}
    if isinstance(settings, HumanSettings):
        return {"decoders": decoders}
    if isinstance(settings, MachineSettings):
        # Vectors need no decoder, and what was sent stays what it was.
        return {"methods": (*decoders, *(method for method in settings.methods if method in ("vector", "both")))}
    if isinstance(settings, MeetingSettings | RoadSettings):
        if len(decoders) != 1:
            raise SettingsError(f"{run} has one decoder, and {len(decoders)} are named; name one")
        return {"decoder": decoders[0]}
    raise SettingsError(f"{run} has no decoders of pictures; leave --decoder out")


def _with_decoders(series: SeriesSettings, settings: SweepSettings, decoders: tuple[str, ...]) -> dict[str, object]:
    mapping = series.further.get("mapping", settings.mapping)
    kept = {"name": series.name, **series.further}
    return kept if mapping == "classical" else kept | {"decoders": decoders}
