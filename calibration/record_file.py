"""Records as TOML that a person can read and a version control can compare."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import tomlkit

from .errors import CalibrationError
from .record import Conditions, Direction, Plane, Quantity, Record, Subject

__all__ = ["record_from_text", "record_to_text"]

_FORMAT = 1


def record_to_text(record: Record) -> str:
    """TOML; the same record gives the same text."""
    conditions = {name: value for name, value in asdict(record.conditions).items() if value is not None}
    text: str = tomlkit.dumps(
        {
            "format": _FORMAT,
            "quantity": str(record.quantity),
            "made": record.made,
            "valid_for_s": record.valid_for.total_seconds(),
            "plane": str(record.plane),
            "procedure_version": record.procedure_version,
            "captures": list(record.captures),
            "subject": {**asdict(record.subject), "direction": str(record.subject.direction)},
            "conditions": {name: float(value) for name, value in conditions.items()},
            "values": {name: _plain(record.values[name]) for name in sorted(record.values)},
            "residuals": {name: float(record.residuals[name]) for name in sorted(record.residuals)},
        }
    )
    return text


def record_from_text(text: str, name: str) -> Record:
    """Inverse of `record_to_text`.

    Args:
        text: TOML.
        name: of the file, for messages.

    Raises:
        CalibrationError: no TOML, or no record.
    """
    remedy = "delete the file and calibrate again"
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CalibrationError(f"{name} is damaged ({error}); {remedy}") from error
    if found.get("format") != _FORMAT:
        raise CalibrationError(f"{name} has format {found.get('format')!r}, this version reads {_FORMAT}; {remedy}")
    try:
        return _record(found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CalibrationError(f"{name} is not a whole record ({error!r}); {remedy}") from error


def _record(found: dict[str, Any]) -> Record:
    subject, conditions = found["subject"], found["conditions"]
    if not isinstance(found["made"], datetime):
        raise TypeError("made is no date")
    return Record(
        quantity=Quantity(found["quantity"]),
        subject=Subject(subject["serial"], subject["model"], Direction(subject["direction"]), int(subject["channel"])),
        conditions=Conditions(
            float(conditions["center_frequency_hz"]), float(conditions["sample_rate_hz"]), float(conditions["gain_db"]),
            None if "temperature_c" not in conditions else float(conditions["temperature_c"]),
        ),
        made=found["made"],
        valid_for=timedelta(seconds=float(found["valid_for_s"])),
        plane=Plane(found["plane"]),
        procedure_version=int(found["procedure_version"]),
        values={
            name: tuple(map(float, value)) if isinstance(value, list) else float(value)
            for name, value in found["values"].items()
        },
        residuals={name: float(value) for name, value in found["residuals"].items()},
        captures=tuple(map(str, found["captures"])),
    )  # fmt: skip


def _plain(value: float | tuple[float, ...]) -> float | list[float]:
    return list(map(float, value)) if isinstance(value, tuple) else float(value)
