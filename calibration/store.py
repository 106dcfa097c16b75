"""Records in a folder: written once, found by what they are for, never silently used when they have expired."""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .errors import CalibrationError, MissingRecordError, StaleRecordError, StorageError
from .record import Conditions, Quantity, Record, Subject
from .record_file import record_from_text, record_to_text

__all__ = ["Store", "default_folder", "nearest_record"]

#: How far settings may lie from those of a record: beyond it, what was measured says nothing.
_FREQUENCY_SPAN = 0.02
_GAIN_SPAN_DB = 15.0
#: Distances that count alike: 1 % of frequency, 10 dB of gain.
_FREQUENCY_UNIT, _GAIN_UNIT_DB = 0.01, 10.0


def default_folder() -> Path:
    """Where records are kept where nobody says otherwise: the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "sdr-gsc" / "calibration"


@dataclass(frozen=True, slots=True)
class Store:
    """Records below a folder, as SERIAL/QUANTITY-DIRECTION-CHANNEL-DATE-HASH.toml.

    Attributes:
        folder: need not exist yet.
    """

    folder: Path

    def add(self, record: Record) -> Path:
        """Write a record; the file appears whole or not at all, and no other file is touched.

        Raises:
            StorageError: the disk is full, or the folder cannot be written.
        """
        text = record_to_text(record)
        subject = record.subject
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        made = record.made.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        target = (
            self.folder
            / subject.serial
            / (f"{record.quantity}-{subject.direction}-{subject.channel}-{made}-{digest}.toml")
        )
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, partial = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
        except OSError as error:
            raise StorageError(
                f"{target.parent} cannot be written ({error.strerror or error}); choose another folder, or allow it"
            ) from error
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, target)
        except BaseException as error:
            Path(partial).unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise StorageError(
                    f"{target} could not be written ({error.strerror or error}); all records before are untouched: "
                    "make room on the disk, or allow writing there, and calibrate again"
                ) from error
            raise
        return target

    def records(self, serial: str | None = None) -> Iterator[Record]:
        """All records, or those of one radio, the oldest first.

        Raises:
            CalibrationError: a file is damaged.
        """
        pattern = f"{serial or '*'}/*.toml"
        found = [self._read(path) for path in self.folder.glob(pattern)]
        yield from sorted(found, key=lambda record: record.made)

    def find(
        self,
        quantity: Quantity,
        subject: Subject,
        conditions: Conditions,
        *,
        now: datetime | None = None,
        expired_too: bool = False,
    ) -> Record:
        """The nearest record in frequency and gain of that radio, direction, channel and rate; of equals the newest.

        Args:
            quantity: what is wanted.
            subject: of which radio; its model does not matter.
            conditions: under which it is to be used.
            now: moment of use; None is the present.
            expired_too: take one whose time is over where no valid one fits.

        Raises:
            MissingRecordError: nothing fits.
            StaleRecordError: all that fits has expired.
            CalibrationError: a file of this radio is damaged.
        """
        return nearest_record(
            self.records(subject.serial), quantity, subject, conditions, now=now, expired_too=expired_too
        )

    def _read(self, path: Path) -> Record:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CalibrationError(f"{path} cannot be read ({error}); delete it and calibrate again") from error
        record = record_from_text(text, str(path))
        if record.subject.serial != path.parent.name:
            raise CalibrationError(
                f"{path} belongs to {record.subject.serial}, not to {path.parent.name}; put it into its own folder"
            )
        return record


def nearest_record(
    records: Iterable[Record],
    quantity: Quantity,
    subject: Subject,
    conditions: Conditions,
    *,
    now: datetime | None = None,
    expired_too: bool = False,
) -> Record:
    """The nearest of some records; see `Store.find`.

    Raises:
        MissingRecordError: nothing fits.
        StaleRecordError: all that fits has expired.
    """
    fitting = [
        record
        for record in records
        if record.quantity is quantity
        and (record.subject.serial, record.subject.direction, record.subject.channel)
        == (subject.serial, subject.direction, subject.channel)
        and math.isfinite(_distance(record.conditions, conditions))
    ]
    wanted = f"{quantity} of {subject.serial} {subject.direction} {subject.channel}"
    place = f"{conditions.center_frequency_hz / 1e6:g} MHz, {conditions.sample_rate_hz / 1e6:g} Msps"
    remedy = f"run: sdr-gsc calibrate URI --what {quantity}"
    if not fitting:
        raise MissingRecordError(f"no record for the {wanted} near {place}; {remedy}")
    valid = [record for record in fitting if record.is_valid(now)]
    if not valid and not expired_too:
        newest = max(record.expires for record in fitting)
        raise StaleRecordError(f"the record for the {wanted} near {place} expired on {newest:%Y-%m-%d %H:%M}; {remedy}")
    candidates = valid or fitting
    nearest = min(_distance(record.conditions, conditions) for record in candidates)
    equals = [record for record in candidates if _distance(record.conditions, conditions) <= nearest + 1e-9]
    return max(equals, key=lambda record: record.made)


def _distance(made: Conditions, used: Conditions) -> float:
    """How far settings are from those of a record; inf where the record says nothing about them."""
    if not math.isclose(made.sample_rate_hz, used.sample_rate_hz, rel_tol=1e-3):
        return math.inf
    scale = max(abs(used.center_frequency_hz), 1.0)
    frequency = abs(made.center_frequency_hz - used.center_frequency_hz) / scale
    gain_db = abs(made.gain_db - used.gain_db)
    if frequency > _FREQUENCY_SPAN or gain_db > _GAIN_SPAN_DB:
        return math.inf
    return frequency / _FREQUENCY_UNIT + gain_db / _GAIN_UNIT_DB
