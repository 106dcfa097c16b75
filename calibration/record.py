"""What was found out about a radio: what, of which one, when, under which settings, and from which captures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from .errors import CalibrationError

__all__ = ["Conditions", "Direction", "Plane", "Quantity", "Record", "Subject"]


class Quantity(StrEnum):
    """What a record is about."""

    FREQUENCY = "frequency"
    DC_OFFSET = "dc_offset"
    IQ_BALANCE = "iq_balance"
    GAIN = "gain"
    RESPONSE = "response"
    NOISE = "noise"
    DELAY = "delay"
    CLIP = "clip"
    SNR = "snr"


class Direction(StrEnum):
    """Which half of a radio."""

    TRANSMIT = "tx"
    RECEIVE = "rx"
    LOOP = "loop"


class Plane(StrEnum):
    """Where the figures hold."""

    DIGITAL = "digital"
    CONNECTOR = "connector"
    ANTENNA = "antenna"


@dataclass(frozen=True, slots=True)
class Subject:
    """The half of a radio's channel that was measured.

    Attributes:
        serial: of the radio; records of another one never apply.
        model: for people.
        direction: half of the radio.
        channel: 0 for the first.
    """

    serial: str
    model: str
    direction: Direction
    channel: int = 0

    def __post_init__(self) -> None:
        if not self.serial or any(letter in self.serial for letter in "/\\\0") or self.serial.startswith("."):
            raise CalibrationError(f"serial number {self.serial!r} cannot name a folder; give the radio a plain one")
        if self.channel < 0:
            raise CalibrationError(f"channel is {self.channel}; needed 0 or more")


@dataclass(frozen=True, slots=True)
class Conditions:
    """Settings under which something was measured, or is to be used.

    Attributes:
        center_frequency_hz: local oscillator.
        sample_rate_hz: rate.
        gain_db: in the radio's own scale.
        temperature_c: where the radio tells it.
    """

    center_frequency_hz: float
    sample_rate_hz: float
    gain_db: float
    temperature_c: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One calibration; never changed, only superseded.

    Attributes:
        quantity: what it is about.
        subject: of which radio.
        conditions: under which settings.
        made: when, with its time zone.
        valid_for: how long it may be used.
        plane: where the figures hold.
        procedure_version: of the procedure that made it; figures of different versions are not compared.
        values: what was found; names carry their units. Sequences are curves.
        residuals: what was left after applying it, or the errors of the fit.
        captures: SigMF recordings it came from, relative to the record's file.
    """

    quantity: Quantity
    subject: Subject
    conditions: Conditions
    made: datetime
    valid_for: timedelta
    plane: Plane = Plane.DIGITAL
    procedure_version: int = 1
    values: Mapping[str, float | tuple[float, ...]]
    residuals: Mapping[str, float] = field(default_factory=dict)
    captures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.made.tzinfo is None:
            raise CalibrationError(f"{self.made.isoformat()} has no time zone; use datetime.now(UTC)")
        if self.valid_for <= timedelta(0):
            raise CalibrationError(f"valid_for is {self.valid_for}; needed a positive time")
        if not self.values:
            raise CalibrationError(f"a {self.quantity} record without values says nothing; give at least one")
        for name, value in [*self.values.items(), *self.residuals.items()]:
            figures = value if isinstance(value, tuple) else (value,)
            if not figures or not all(math.isfinite(figure) for figure in figures):
                raise CalibrationError(f"{name} of a {self.quantity} record is {value}; needed finite figures")
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))
        object.__setattr__(self, "residuals", MappingProxyType(dict(self.residuals)))

    @property
    def expires(self) -> datetime:
        """End of its validity."""
        return self.made + self.valid_for

    def is_valid(self, now: datetime | None = None) -> bool:
        """Whether it may be used now. One that was made in the future is not: a clock has jumped."""
        moment = datetime.now(UTC) if now is None else now
        return self.made <= moment < self.expires

    def figure(self, name: str) -> float:
        """One figure.

        Raises:
            CalibrationError: the record has no such figure.
        """
        value = self.values.get(name)
        if not isinstance(value, float | int):
            raise CalibrationError(f"the {self.quantity} record has no figure {name}; measure it again")
        return float(value)

    def curve(self, name: str) -> tuple[float, ...]:
        """One curve.

        Raises:
            CalibrationError: the record has no such curve.
        """
        value = self.values.get(name)
        if not isinstance(value, tuple):
            raise CalibrationError(f"the {self.quantity} record has no curve {name}; measure it again")
        return value
