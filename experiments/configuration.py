"""Settings of everything that the command line runs: frozen, checked, and the same in TOML and in flags."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy.coding.mcs import MCS_TABLE
from sdr_gsc.semantic.objective import Objective, default_task_share
from sdr_gsc.semantic.rate import rate_by_cbr

from .decoding_settings import DecodingSettings, StrictSettings

__all__ = [
    "AnySettings",
    "DemoSettings",
    "ExpectSettings",
    "GridSettings",
    "LinkSettings",
    "QuickSettings",
    "SendSettings",
    "SeriesSettings",
    "SweepSettings",
    "TextSettings",
    "checked",
    "read_settings",
    "write_settings",
]

MappingName = Literal["direct", "coded", "classical"]
Levels = Literal[4, 8, 16, 32]
McsIndex = Annotated[int, Field(ge=0, lt=len(MCS_TABLE))]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
EsN0Db = Annotated[float, Field(ge=-30, le=80)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


def _known_rate(inverse_cbr: int) -> int:
    return rate_by_cbr(inverse_cbr).inverse_cbr


class LinkSettings(StrictSettings):
    """How one picture crosses the air.

    Attributes:
        mapping: what crosses the air.
        cbr: inverse payload channel bandwidth ratio: 24 stands for CBR 1/24.
        levels: quantizer levels per real dimension, for `direct`.
        mcs: modulation and coding scheme, for `coded` and `classical`.
        design_esn0_db: Es/N0 that the sender says it designed for.
        objective: whom the transmission serves; `machine` and `agent` send a task vector, by `direct` only.
        task_share: least share of the symbols for the task vector; None takes the objective's own.
    """

    mapping: MappingName = "direct"
    cbr: int = 24
    levels: Levels = 32
    mcs: McsIndex = 0
    design_esn0_db: Annotated[float, Field(ge=-100, le=100)] = 10.0
    objective: Literal["human", "machine", "agent"] = "human"
    task_share: Annotated[float, Field(ge=0, le=1)] | None = None

    _rate = field_validator("cbr")(_known_rate)

    @property
    def has_task(self) -> bool:
        """Whether a task vector is sent."""
        share = default_task_share(Objective(self.objective)) if self.task_share is None else self.task_share
        return share > 0

    @model_validator(mode="after")
    def _task(self) -> LinkSettings:
        if self.objective == "human" and self.task_share:
            raise ValueError(
                f"task_share is {self.task_share:g}, but objective human sends no task vector; choose agent or machine"
            )
        if self.has_task and self.mapping != "direct":
            raise ValueError(
                f"objective {self.objective} sends its task vector by mapping direct; mapping is {self.mapping}"
            )
        return self


class SendSettings(LinkSettings, DecodingSettings):
    """One transmission of one picture.

    Attributes:
        kind: tells configuration files apart.
        image: path of the picture, or the name of a photograph of scikit-image.
        radio: address of the radio that sends and listens.
        tx: address of the sending radio, where another one listens.
        rx: address of the listening radio; goes with `tx`.
        bench: what may be transmitted; None looks for bench.toml in the usual places.
        attempts: exchanges that are tried when the radio fails.
        digital_loopback: stay inside the radio's chip, where it has such a path; nothing is radiated.
        calibration: folder of records to apply; None applies none.
        tx_power_db: transmit power relative to the largest that was measured, by the gain record of `calibration`.
        esn0_db: Es/N0 of a simulated channel, or to be reached by a calibrated radio; None keeps the radio's own.
        decoders: names of the decoders that see the reception.
        seed: everything random follows from it.
        weights: folder with other weights than the shipped ones.
        task_guidance: of `posterior`, weight of the task vector's likelihood, 0 leaves it out; see DecoderOptions.
    """

    kind: Literal["send"] = "send"
    image: str
    radio: str = "loopback:office"
    tx: str | None = None
    rx: str | None = None
    bench: str | None = None
    attempts: Annotated[int, Field(ge=1, le=100)] = 3
    digital_loopback: bool = False
    calibration: str | None = None
    tx_power_db: Annotated[float, Field(ge=-100, le=0)] | None = None
    esn0_db: EsN0Db | None = None
    decoders: Names = ("refine",)
    seed: Seed = 0
    weights: str | None = None
    task_guidance: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _pair(self) -> SendSettings:
        if self.task_guidance > 0 and not self.has_task:
            raise ValueError("task_guidance needs a task vector; choose objective agent")
        if (self.tx is None) != (self.rx is None):
            raise ValueError("tx and rx go together; for one radio that does both, use radio")
        return self


class TextSettings(StrictSettings):
    """One transmission of one sentence.

    Attributes:
        sentence: any text with a word in it.
        radio: address of the radio that sends and listens.
        bench: what may be transmitted; None looks for bench.toml in the usual places.
        esn0_db: Es/N0 of a simulated channel; None keeps the profile's own.
        symbols: complex symbols for the sentence.
        levels: quantizer levels per real dimension.
        candidates: text file of the sentences that the receiver knows.
        model: folder of another sentence model than the default.
        judge: folder of the sentence model that judges; None: the one that sends.
        seed: everything random follows from it.
    """

    sentence: Annotated[str, Field(pattern=r"\S", max_length=100_000)]
    radio: str = "loopback:office"
    bench: str | None = None
    esn0_db: EsN0Db | None = None
    symbols: Annotated[int, Field(ge=1, le=32768)] = 192
    levels: Levels = 32
    candidates: str | None = None
    model: str | None = None
    judge: str | None = None
    seed: Seed = 0


class DemoSettings(StrictSettings):
    """One picture by every mapping, through every decoder.

    Attributes:
        kind: tells configuration files apart.
        image: path of the picture, or the name of a photograph of scikit-image.
        side_px: the picture is cropped to a square in its centre and scaled to this side.
        radio: address of the radio.
        esn0_db: Es/N0 of a simulated channel.
        cbr: inverse payload channel bandwidth ratio.
        levels: quantizer levels per real dimension, for `direct`.
        mcs: modulation and coding scheme, for `coded` and `classical`.
        decoders: names of the decoders that see the `direct` reception.
        posterior_steps: steps of `posterior`; 0 takes as many as fit `posterior_budget_s`, and at least 10.
        posterior_samples: pictures that `posterior` draws for its standard deviation.
        posterior_budget_s: time for `posterior`.
        seed: everything random follows from it.
        weights: folder with other weights than the shipped ones.
    """

    kind: Literal["demo"] = "demo"
    image: str = "astronaut"
    side_px: Annotated[int, Field(ge=64, le=1024)] = 256
    radio: str = "loopback:office"
    esn0_db: EsN0Db | None = 10.0
    cbr: int = 24
    levels: Levels = 32
    mcs: McsIndex = 2
    decoders: Names = ("mmse", "refine", "posterior")
    posterior_steps: Annotated[int, Field(ge=0, le=1000)] = 0
    posterior_samples: Annotated[int, Field(ge=1, le=64)] = 4
    posterior_budget_s: Annotated[float, Field(gt=0, le=3600)] = 18.0
    seed: Seed = 1
    weights: str | None = None

    _rate = field_validator("cbr")(_known_rate)


class SeriesSettings(StrictSettings):
    """One curve of a sweep, or several that share their transmissions.

    Attributes:
        name: for trial ids and legends.
        mapping: what crosses the air.
        levels: quantizer levels per real dimension, for `direct`.
        mcs: modulation and coding scheme, for `coded` and `classical`.
        decoders: names; empty measures the radio link alone.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]+$")]
    mapping: MappingName = "direct"
    levels: Levels = 32
    mcs: McsIndex = 0
    decoders: tuple[str, ...] = ()


class GridSettings(StrictSettings):
    """What a sweep varies; every combination is a trial.

    Attributes:
        esn0_db: Es/N0 of a simulated channel; empty keeps the radio's own.
        cbr: inverse payload channel bandwidth ratios.
        pictures: paths, or names of photographs of scikit-image.
        repetitions: transmissions of each combination, each with its own seeds.
    """

    esn0_db: tuple[EsN0Db, ...] = ()
    cbr: Annotated[tuple[int, ...], Field(min_length=1)] = (24,)
    pictures: Names = ("astronaut",)
    repetitions: Annotated[int, Field(ge=1)] = 1

    @field_validator("cbr")
    @classmethod
    def _rates(cls, rates: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(map(_known_rate, rates))


class QuickSettings(StrictSettings):
    """Values that replace those of the grid with ``--quick``."""

    esn0_db: tuple[EsN0Db, ...] | None = None
    cbr: tuple[int, ...] | None = None
    pictures: tuple[str, ...] | None = None
    repetitions: Annotated[int, Field(ge=1)] | None = None


class ExpectSettings(StrictSettings):
    """What the measurement must show for exit status 0.

    Attributes:
        header_rate: least share of sent headers that arrive right.
        wrong_headers: most headers that are accepted although nobody sent them.
    """

    header_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    wrong_headers: Annotated[int, Field(ge=0)] | None = None


class SweepSettings(DecodingSettings):
    """A grid of transmissions.

    Attributes:
        kind: tells configuration files apart.
        name: heading of the report, and folder under ``runs`` where none is named.
        radio: address of the radio.
        calibration: folder of records to apply; None applies none.
        side_px: photographs of scikit-image are cropped and scaled to squares of this side.
        seed: run seed; a trial draws from it and its own id alone.
        grid: what varies.
        series: the curves.
        quick: smaller grid for a first look.
        expect: what must be shown.
        weights: folder with other weights than the shipped ones.
    """

    kind: Literal["sweep"] = "sweep"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]+$")]
    radio: str = "loopback:ideal"
    calibration: str | None = None
    side_px: Annotated[int, Field(ge=16, le=4096)] = 256
    seed: Seed = 0
    grid: GridSettings = GridSettings()
    series: Annotated[tuple[SeriesSettings, ...], Field(min_length=1)]
    quick: QuickSettings | None = None
    expect: ExpectSettings | None = None
    weights: str | None = None

    @model_validator(mode="after")
    def _distinct(self) -> SweepSettings:
        names = [series.name for series in self.series]
        if len(set(names)) < len(names):
            raise ValueError(f"series are named {', '.join(names)}; each needs a name of its own")
        return self

    def resolved(self, *, quick: bool) -> SweepSettings:
        """The settings that are run: with `quick`, the smaller grid.

        Without a ``[quick]`` table, that is the first, middle and last Es/N0, the first picture, and one repetition.
        """
        if not quick:
            return self.model_copy(update={"quick": None})
        grid = self.grid
        levels = grid.esn0_db
        few = tuple(dict.fromkeys((levels[0], levels[len(levels) // 2], levels[-1]))) if levels else ()
        update: dict[str, object] = {"esn0_db": few, "pictures": grid.pictures[:1], "repetitions": 1}
        if self.quick is not None:
            update = self.quick.model_dump(exclude_none=True)
        smaller = GridSettings.model_validate(grid.model_dump() | update)
        return self.model_copy(update={"quick": None, "grid": smaller})


AnySettings = SendSettings | DemoSettings | SweepSettings
_KINDS: dict[str, type[StrictSettings]] = {"send": SendSettings, "demo": DemoSettings, "sweep": SweepSettings}
_TABLES: dict[str, type[StrictSettings]] = {
    "grid": GridSettings,
    "series": SeriesSettings,
    "quick": QuickSettings,
    "expect": ExpectSettings,
}
Model = TypeVar("Model", bound=StrictSettings)


def checked(model: type[Model], values: Mapping[str, object], source: str = "request") -> Model:
    """Validate values from flags or a file; None stands for what was not given. Mistakes become one SettingsError."""
    try:
        return model.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(f"{source}: {_one_line(error, model)}") from error


def _one_line(error: ValidationError, model: type[StrictSettings]) -> str:
    parts = []
    for item in error.errors(include_url=False):
        place = ".".join(map(str, item["loc"]))
        if item["type"] == "extra_forbidden":
            table = _TABLES.get(str(item["loc"][0]), model) if len(item["loc"]) > 1 else model
            parts.append(f"{place} is not a setting; needed some of {', '.join(table.model_fields)}")
        elif item["type"] == "missing":
            parts.append(f"{place} is missing")
        else:
            given = "" if isinstance(item["input"], dict | list) else f" is {item['input']!r}"
            message = item["msg"].removeprefix("Value error, ")
            if message[1:2].islower():
                message = message[0].lower() + message[1:]
            parts.append(f"{place}{given}: {message}" if place else message)
    return "; ".join(parts)


def read_settings(path: Path) -> AnySettings:
    """Read a configuration file; its ``kind`` says which settings it holds, a sweep where it says nothing.

    Raises:
        SettingsError: missing, not TOML, or not valid.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"there is no {path}; needed a configuration such as experiments/configs/*.toml") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} is not a TOML file: {error}") from error
    kind = values.get("kind", "sweep")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise SettingsError(f"{path}: kind is {kind!r}; needed one of {', '.join(_KINDS)}")
    settings: AnySettings = checked(_KINDS[kind], values, str(path))  # type: ignore[assignment]
    return settings


def write_settings(path: Path, settings: AnySettings) -> None:
    """Write settings as TOML that `read_settings` reads back to the same value."""
    import tomlkit  # only runs write settings

    path.write_text(tomlkit.dumps(settings.model_dump(mode="json", exclude_none=True)), "utf-8")
