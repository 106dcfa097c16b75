"""What a procedure is asked, and what it answers: records, a table of before and after, and curves to draw."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np

from hardware.radio import Radio, RadioSettings
from sdr_gsc.capture import Capture

from .record import Conditions, Direction, Plane, Quantity, Record, Subject

__all__ = [
    "Curve",
    "Outcome",
    "Plan",
    "Plot",
    "Row",
    "conditions_of",
    "new_record",
    "radio_serial",
    "row",
    "subject_of",
]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure before and after calibration.

    Attributes:
        metric: name.
        unit: of before, after, bound and target.
        before: as it was found; None where there is no such figure.
        after: with the new records applied.
        bound: what theory allows; None where there is no such limit.
        target: what must be reached; None where nothing is demanded.
        better: which side of the target is good.
        met: whether the target is reached; None without one.
    """

    metric: str
    unit: str
    before: float | None
    after: float
    bound: float | None
    target: float | None
    better: Literal["higher", "lower"]
    met: bool | None


def row(
    metric: str,
    unit: str,
    after: float,
    *,
    before: float | None = None,
    bound: float | None = None,
    target: float | None = None,
    better: Literal["higher", "lower"] = "lower",
) -> Row:
    """A row with its verdict; NaN reaches no target.

    >>> row("image rejection", "dB", 61.0, target=55.0, better="higher").met
    True
    """
    met = None if target is None else bool(after >= target if better == "higher" else after <= target)
    plain = None if before is None else float(before)
    return Row(metric, unit, plain, float(after), None if bound is None else float(bound), target, better, met)


@dataclass(frozen=True, slots=True)
class Curve:
    """One line, or one cloud of points, of a plot.

    Attributes:
        label: for the legend.
        x: float [n].
        y: float [n].
        points: whether to draw points rather than a line.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    points: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """What a procedure shows.

    Attributes:
        title: heading.
        x_label: with unit.
        y_label: with unit.
        curves: to draw.
    """

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a procedure found out.

    Attributes:
        records: new ones, not yet stored.
        rows: table of before and after.
        plots: curves.
        captures: name -> capture behind the records, to be kept as SigMF.
        notes: what a person should know, in sentences.
    """

    records: tuple[Record, ...]
    rows: tuple[Row, ...]
    plots: tuple[Plot, ...] = ()
    captures: Mapping[str, Capture] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _silent(_stage: str, _share: float) -> None:
    pass


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a procedure is asked for.

    Attributes:
        settings: of the radio; procedures vary gains and the transmit offset and put these back.
        records: what is known already; each procedure measures with those of earlier ones applied.
        drive_dbfs: mean power of sounding signals; peaks stay at least 2 dB below full scale at -12.
        n_samples: of one sounding.
        repetitions: of soundings, exchanges, and of every point of a curve.
        progress: told the stage and its share done, 0 ... 1.
        now: tells the time.
        seed: of payloads.
        reference_hz: radio frequency of an external tone, for `frequency`; None uses the radio's own transmitter.
        noise_source: a source of two known states at the receiver's input, for the noise figure.
        wanted_esn0_db: what `snr` is to reach.
        temperature_c: of the radio, where it is known.
    """

    settings: RadioSettings
    records: tuple[Record, ...] = ()
    drive_dbfs: float = -12.0
    n_samples: int = 1 << 17
    repetitions: int = 4
    progress: Callable[[str, float], None] = _silent
    now: Callable[[], datetime] = _now
    seed: int = 0
    reference_hz: float | None = None
    noise_source: NoiseSource | None = None
    wanted_esn0_db: tuple[float, ...] = (20.0,)
    temperature_c: float | None = None


@dataclass(frozen=True, slots=True)
class NoiseSource:
    """A noise diode, or a pair of loads, at the receiver's input.

    Attributes:
        enr_db: excess noise ratio 10 log10((T_hot - T_cold) / 290 K).
        cold_k: temperature of the cold state.
        switch: told True for hot, False for cold.
    """

    enr_db: float
    switch: Callable[[bool], None]
    cold_k: float = 290.0


def radio_serial(radio: Radio) -> str:
    """What records of a radio are kept under: its serial number, or its address where it has none."""
    return radio.capabilities.serial or re.sub(r"[^\w.=-]+", "-", radio.uri).strip("-.") or "unnamed"


def subject_of(radio: Radio, direction: Direction) -> Subject:
    """The half of the radio's first channel in use."""
    return Subject(radio_serial(radio), radio.capabilities.model, direction, radio.settings.channels[0])


def conditions_of(radio: Radio, direction: Direction, temperature_c: float | None = None) -> Conditions:
    """Settings as read back; a loop has the transmit gain."""
    settings = radio.settings
    gain_db = settings.rx_gain_db if direction is Direction.RECEIVE else settings.tx_gain_db
    return Conditions(settings.center_frequency_hz, settings.sample_rate_hz, gain_db, temperature_c)


def new_record(
    quantity: Quantity,
    direction: Direction,
    radio: Radio,
    plan: Plan,
    *,
    valid_for: timedelta,
    version: int,
    values: Mapping[str, float | tuple[float, ...]],
    residuals: Mapping[str, float] | None = None,
    plane: Plane = Plane.DIGITAL,
) -> Record:
    """A record of the radio as it is set now."""
    return Record(
        quantity=quantity,
        subject=subject_of(radio, direction),
        conditions=conditions_of(radio, direction, plan.temperature_c),
        made=plan.now(),
        valid_for=valid_for,
        plane=plane,
        procedure_version=version,
        values=values,
        residuals=residuals or {},
    )
