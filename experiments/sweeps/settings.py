"""What a sweep varies, and what it keeps: any setting of a transmission over any grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from ..air_settings import AIR_PATHS, AirSettings
from ..campaign.settings import CampaignSettings, merged
from ..checking import not_a_setting, one_line
from ..configuration import LinkSettings
from ..decoding_settings import DecodingSettings, StrictSettings
from ..fields import Device, EsN0Db, InverseCbr, Name, Names
from ..procedures.photographs import PHOTOGRAPHS

__all__ = ["ExpectSettings", "GridSettings", "SeriesSettings", "SweepSettings", "TrialSettings"]


class TrialSettings(LinkSettings, DecodingSettings, AirSettings):
    """All that one transmission of a sweep depends on, but for its picture; a grid or a curve may set any of it.

    Attributes:
        radio: address of the radio that sends and listens; the profile of a simulated one.
        esn0_db: Es/N0 of a simulated channel, or to be reached by a calibrated radio; None keeps the radio's own.
        side_px: photographs of scikit-image are cropped and scaled to squares of this side.
        decoders: names; empty measures the radio link alone.
        weights: folder with other weights than the shipped ones.
        task_guidance: of `posterior`, weight of the task vector's likelihood; see DecoderOptions.
        device: where decoders run. Senders encode on the processor, so that both ends of a trial agree to the bit.
    """

    radio: str = "loopback:ideal"
    esn0_db: EsN0Db | None = None
    side_px: Annotated[int, Field(ge=16, le=4096)] = 256
    decoders: tuple[str, ...] = ()
    weights: str | None = None
    task_guidance: Annotated[float, Field(ge=0)] = 0.0
    device: Device = "cpu"


class _Varying(StrictSettings):
    """A table that may hold any setting of a transmission besides its own."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _values(cls, given: object) -> object:
        # Lists of TOML as tuples: settings are frozen, and equal to what is read back.
        return {name: _frozen(value) for name, value in given.items()} if isinstance(given, dict) else given

    @property
    def further(self) -> dict[str, Any]:
        """Settings of the transmission that this table holds beyond its own."""
        return dict(self.model_extra or {})


def _frozen(value: object) -> object:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


class SeriesSettings(_Varying):
    """One curve of a sweep, or several that share their transmissions: a name, and settings of its transmissions.

    Attributes:
        name: for trial ids and legends.
    """

    name: Name


class GridSettings(_Varying):
    """What a sweep varies; every combination is a trial. Any other setting of a transmission may stand here as a list.

    Attributes:
        esn0_db: Es/N0 of a simulated channel; empty keeps the radio's own.
        cbr: inverse payload channel bandwidth ratios.
        pictures: paths, or names of photographs of scikit-image.
        repetitions: transmissions of each combination, each with its own seeds.
    """

    esn0_db: tuple[EsN0Db, ...] = ()
    cbr: Annotated[tuple[InverseCbr, ...], Field(min_length=1)] = (24,)
    pictures: Names = ("astronaut",)
    repetitions: Annotated[int, Field(ge=1)] = 1


class ExpectSettings(StrictSettings):
    """What the measurement must show for exit status 0.

    Attributes:
        header_rate: least share of sent headers that arrive right.
        wrong_headers: most headers that are accepted although nobody sent them.
    """

    header_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    wrong_headers: Annotated[int, Field(ge=0)] | None = None


class SweepSettings(CampaignSettings, TrialSettings):
    """A grid of transmissions. Settings of TrialSettings that stand here are those of every transmission.

    Attributes:
        kind: tells configuration files apart.
        grid: what varies.
        series: the curves.
        expect: what must be shown.
        keep: what is left of every trial: ``captures`` (as SigMF, to be replayed), ``pictures``.
        recorded: folder of a run whose captures take the place of the radio; trials have the same ids there.
        quick: values that replace those of the grid with ``--quick``; without any, the first, middle and last Es/N0,
            the first picture, and one repetition.
    """

    path_fields: ClassVar[tuple[str, ...]] = ("weights", *AIR_PATHS)

    kind: Literal["sweep"] = "sweep"
    grid: GridSettings = GridSettings()
    series: Annotated[tuple[SeriesSettings, ...], Field(min_length=1)]
    expect: ExpectSettings | None = None
    keep: tuple[Literal["captures", "pictures"], ...] = ()
    recorded: str | None = None

    @model_validator(mode="after")
    def _grid_and_curves(self) -> Self:
        names = [series.name for series in self.series]
        if len(set(names)) < len(names):
            raise ValueError(f"series are named {', '.join(names)}; each needs a name of its own")
        known = tuple(TrialSettings.model_fields)
        for axis, values in self.grid.further.items():
            if axis not in known:
                raise ValueError(not_a_setting(f"grid.{axis}", axis, (*GridSettings.model_fields, *known)))
            if not isinstance(values, tuple) or not values:
                raise ValueError(f"grid.{axis} is {values!r}; needed a list of at least one value")
            if len(set(values)) < len(values):
                raise ValueError(f"grid.{axis} holds a value more than once: {values!r}")
        for index, series in enumerate(self.series):
            for setting in series.further:
                if setting not in known:
                    raise ValueError(not_a_setting(f"series.{index}.{setting}", setting, ("name", *known)))
                if setting in self.grid.further:
                    raise ValueError(f"{setting} stands in the grid and in series {series.name}; leave one out")
            # Every value by itself must be one that a transmission can have.
            self._try(f"series.{index} ({series.name})", series, {})
            for axis, values in self.grid.further.items():
                for value in values:
                    self._try("grid", series, {axis: value})
        return self

    def _try(self, place: str, series: SeriesSettings, axes: dict[str, Any]) -> None:
        try:
            self.trial(series, {"cbr": self.grid.cbr[0], **axes})
        except ValidationError as error:
            raise ValueError(f"{place}: {one_line(error, TrialSettings)}") from error

    def trial(self, series: SeriesSettings, axes: dict[str, Any]) -> TrialSettings:
        """Settings of one transmission.

        Raises:
            ValueError: a combination that no transmission can have.
        """
        base = {name: getattr(self, name) for name in TrialSettings.model_fields}
        return TrialSettings.model_validate(base | series.further | axes)

    def resolved(self, *, quick: bool) -> Self:
        """The settings that are run: with `quick`, the smaller grid."""
        if not quick:
            return self.model_copy(update={"quick": None})
        grid, changes = self.grid, self.quick
        if changes is None:
            levels = grid.esn0_db
            few = tuple(dict.fromkeys((levels[0], levels[len(levels) // 2], levels[-1]))) if levels else ()
            changes = {"esn0_db": few, "pictures": grid.pictures[:1], "repetitions": 1}
        values = self.model_dump(exclude={"quick"}, exclude_none=True)
        return type(self).model_validate(merged(values, {"grid": changes}))

    def located(self, folder: Path) -> Self:
        """The same with absolute paths; names of photographs stay names unless `folder` holds such a file."""

        def place(name: str) -> str:
            path = folder / name
            return name if name in PHOTOGRAPHS and not path.exists() else str(path.resolve())

        found = super().located(folder)
        grid = found.grid.model_copy(update={"pictures": tuple(map(place, found.grid.pictures))})
        update: dict[str, Any] = {"grid": grid, **self.relocated(folder)}
        if found.quick is not None and "pictures" in found.quick:
            update["quick"] = found.quick | {"pictures": tuple(map(place, found.quick["pictures"]))}
        return found.model_copy(update=update)
