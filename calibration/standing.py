"""Which records of a radio there are for a use: valid, expired, or never made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hardware.radio import Radio

from .errors import MissingRecordError, StaleRecordError
from .outcome import conditions_of, radio_serial, subject_of
from .procedures.catalogue import PROCEDURES, ordered
from .record import Record
from .store import Store, nearest_record

__all__ = ["Standing", "standing_of", "usable_records"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a record is there for a use.

    Attributes:
        procedure: that makes it.
        direction: half of the radio.
        state: what is there.
        record: the nearest one, whether its time is over or not; None where it is missing.
    """

    procedure: str
    direction: str
    state: Literal["valid", "stale", "missing"]
    record: Record | None


def standing_of(radio: Radio, names: Sequence[str], store: Store, now: datetime | None = None) -> tuple[Standing, ...]:
    """What `calibrate --check` reports about the radio as it is set, of the procedures that it supports.

    Args:
        radio: open; nothing is transmitted.
        names: of procedures; empty means all.
        store: where records are.
        now: moment of use; None is the present.

    Raises:
        CalibrationError: an unknown name, or a damaged file.
    """
    wanted = [each for each in ordered(names) if each.missing(radio) is None]
    records = list(store.records(radio_serial(radio)))
    found = []
    for procedure in wanted:
        for direction in procedure.directions:
            arguments = (records, procedure.quantity, subject_of(radio, direction), conditions_of(radio, direction))
            try:
                standing = Standing(procedure.name, direction, "valid", nearest_record(*arguments, now=now))
            except MissingRecordError:
                standing = Standing(procedure.name, direction, "missing", None)
            except StaleRecordError:
                record = nearest_record(*arguments, now=now, expired_too=True)
                standing = Standing(procedure.name, direction, "stale", record)
            found.append(standing)
    return tuple(found)


def usable_records(radio: Radio, store: Store, now: datetime | None = None) -> list[Record]:
    """Valid records of the store that fit the radio as it is set.

    Raises:
        CalibrationError: a file is damaged.
    """
    found = standing_of(radio, tuple(PROCEDURES), store, now)
    return [one.record for one in found if one.record is not None and one.state == "valid"]
