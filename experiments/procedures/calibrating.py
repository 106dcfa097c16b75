"""Calibration of a radio: every procedure that it supports in the right order, each kept as soon as it is done."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from calibration.errors import MissingRecordError, StaleRecordError, UnsupportedError
from calibration.outcome import Outcome, Plan, conditions_of, radio_serial, subject_of
from calibration.procedures.catalogue import Procedure, ordered
from calibration.record import Direction, Record
from calibration.store import Store
from hardware.errors import LateBurstError, SampleOverflowError, SampleUnderflowError
from hardware.pair import RadioPair
from hardware.radio import Radio
from hardware.registry import open_radio
from sdr_gsc.capture import Capture
from sdr_gsc.errors import SettingsError
from sdr_gsc.recording.sigmf_writer import write_capture

__all__ = ["Calibrated", "Done", "Request", "Standing", "calibrate", "check_records", "opened"]

#: A simulated radio without a frequency gets that of a bench, for parts per million relate to it.
_CENTER_FREQUENCY_HZ = 2.45e9
#: What another program writes now is younger than this.
_LEFT_OVER_S = 3600.0
_PARTIAL = ".partial-"
#: What a busy computer may do to a radio in real time.
_PASSING = (LateBurstError, SampleOverflowError, SampleUnderflowError)
_ATTEMPTS = 5

#: Told the procedure, its stage, and the share done, 0 ... 1.
OnStage = Callable[[str, str, float], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What to calibrate, and where to keep it.

    Attributes:
        uri: address of the radio; None where two radios are given.
        tx: address of the sender, for two.
        rx: address of the listener.
        what: names of procedures; none for all that the radio supports.
        store: folder of records.
        bench: what may be transmitted; None looks in the usual places.
        esn0_db: what `snr` is to reach; none leaves it the procedure's own.
        keep_captures: keep what the records came from, as SigMF beside them.
    """

    uri: str | None
    store: Path
    tx: str | None = None
    rx: str | None = None
    what: tuple[str, ...] = ()
    bench: Path | None = None
    esn0_db: tuple[float, ...] = ()
    keep_captures: bool = True

    def __post_init__(self) -> None:
        if (self.tx is None) != (self.rx is None):
            raise SettingsError("--tx and --rx go together; for one radio that does both, write its address alone")
        if (self.uri is None) == (self.tx is None):
            raise SettingsError("write the address of one radio, or --tx and --rx for two")

    @property
    def address(self) -> str:
        """For reports."""
        return self.uri if self.uri is not None else f"{self.tx} -> {self.rx}"


@dataclass(frozen=True, slots=True)
class Done:
    """One procedure that was carried out.

    Attributes:
        procedure: which.
        outcome: what it found.
        records: as stored.
        seconds: that it took.
    """

    procedure: Procedure
    outcome: Outcome
    records: tuple[Record, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibrated radio.

    Attributes:
        address: of the radio.
        model: for people.
        serial: that the records are kept under.
        done: in order.
        skipped: procedure -> what the radio lacks for it.
    """

    address: str
    model: str
    serial: str
    done: tuple[Done, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def opened(request: Request) -> Iterator[Radio]:
    """The radio, or both as one; muted and closed whichever way the block is left.

    Raises:
        RadioError: see `open_radio`.
    """
    if request.tx is not None and request.rx is not None:
        sender = open_radio(request.tx, bench=request.bench)
        try:
            radio: Radio = RadioPair(sender, open_radio(request.rx, bench=request.bench))
        except BaseException:
            sender.close()
            raise
    else:
        radio = open_radio(str(request.uri), bench=request.bench)
    with radio:
        if radio.settings.center_frequency_hz == 0:
            radio.configure(replace(radio.settings, center_frequency_hz=_CENTER_FREQUENCY_HZ))
        yield radio


def calibrate(request: Request, on_stage: OnStage, on_done: Callable[[Done], None] = lambda done: None) -> Calibrated:
    """Run the procedures.

    A procedure that ends leaves its records, whole; one that is interrupted, or fails, leaves none. Those of other
    procedures, and all older ones, stay as they are.

    Args:
        request: what.
        on_stage: progress.
        on_done: told of each procedure when its records are stored.

    Raises:
        CalibrationError: a measurement failed, or a procedure that was asked for by name is not possible.
        RadioError: the radio failed, or may not transmit.
        OSError: records cannot be written.
    """
    procedures = ordered(request.what)
    store = Store(request.store)
    skipped: dict[str, str] = {}
    finished: list[Done] = []
    with opened(request) as radio:
        serial = radio_serial(radio)
        _remove_leftovers(store.folder / serial)
        known = [record for record in store.records(serial) if record.is_valid()]
        settings = radio.settings
        for procedure in procedures:
            lacking = procedure.missing(radio)
            began = time.perf_counter()
            outcome = None
            if lacking is None:
                plan = Plan(
                    settings=settings,
                    records=tuple(known),
                    progress=lambda stage, share, name=procedure.name: on_stage(name, stage, share),  # type: ignore[misc]
                    temperature_c=radio.temperature_c(),
                )
                if request.esn0_db:
                    plan = replace(plan, wanted_esn0_db=request.esn0_db)
                try:
                    outcome = _measured(procedure, radio, plan)
                except UnsupportedError as error:
                    lacking = str(error)
            if outcome is None:
                if procedure.name in request.what:
                    raise UnsupportedError(f"{procedure.name} is not possible: {lacking}")
                skipped[procedure.name] = str(lacking)
                continue
            kept = _keep(store, serial, procedure.name, outcome, with_captures=request.keep_captures)
            replaced = {(one.quantity, one.subject.direction, one.subject.channel, one.conditions) for one in kept}
            known = [
                one
                for one in known
                if (one.quantity, one.subject.direction, one.subject.channel, one.conditions) not in replaced
            ]
            known += kept
            done = Done(procedure, outcome, kept, time.perf_counter() - began)
            finished.append(done)
            on_done(done)
        return Calibrated(request.address, radio.capabilities.model, serial, tuple(finished), skipped)


def _measured(procedure: Procedure, radio: Radio, plan: Plan) -> Outcome:
    """One procedure, begun anew where the computer was too slow for the radio: nothing was kept of it by then."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return procedure.measure(radio, plan)
        except _PASSING as error:
            plan.progress(f"again, for {error}", 0.0)
    return procedure.measure(radio, plan)


def _keep(store: Store, serial: str, name: str, outcome: Outcome, *, with_captures: bool) -> tuple[Record, ...]:
    """Write captures, then the records that name them; each appears whole or not at all."""
    records = outcome.records
    if with_captures and outcome.captures and records:
        folder = store.folder / serial
        made = max(record.made for record in records).astimezone(UTC)
        target = folder / "captures" / f"{name}-{made:%Y%m%dT%H%M%S%fZ}"
        _write_captures(folder, target, outcome.captures)
        places = tuple(f"{target.relative_to(folder).as_posix()}/{each}.sigmf-meta" for each in outcome.captures)
        records = tuple(replace(record, captures=places) for record in records)
    for record in records:
        store.add(record)
    return records


def _write_captures(folder: Path, target: Path, captures: Mapping[str, Capture]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=folder))
    try:
        for name, capture in captures.items():
            write_capture(partial / name, capture)
        os.replace(partial, target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _remove_leftovers(folder: Path) -> None:
    """What a killed program has left behind: nobody reads it, but it takes place."""
    for path in folder.glob(f"{_PARTIAL}*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime < _LEFT_OVER_S:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a record is there for a use.

    Attributes:
        procedure: that makes it.
        direction: half of the radio.
        state: "valid", "stale" or "missing".
        made: when, where there is one.
        expires: when its time is over.
        remedy: command that makes one; empty where it is valid.
    """

    procedure: str
    direction: str
    state: str
    made: datetime | None
    expires: datetime | None
    remedy: str


def check_records(request: Request) -> tuple[Standing, ...]:
    """Which records there are for a radio as it is set, which have expired, and which were never made.

    The radio is opened, for its serial number and settings, and transmits nothing.

    Raises:
        CalibrationError: a record is damaged.
        RadioError: the radio does not answer.
    """
    with opened(request) as radio:
        wanted = [each for each in ordered(request.what) if each.missing(radio) is None]
        store = Store(request.store)
        return tuple(
            _standing(radio, store, request, each, direction) for each in wanted for direction in each.directions
        )


def _standing(radio: Radio, store: Store, request: Request, procedure: Procedure, direction: Direction) -> Standing:
    two = f"--tx {request.tx} --rx {request.rx}"
    remedy = f"sdr-gsc calibrate {request.uri or two} --what {procedure.name} --store {request.store}"
    subject, conditions = subject_of(radio, direction), conditions_of(radio, direction)
    try:
        record = store.find(procedure.quantity, subject, conditions)
    except MissingRecordError:
        return Standing(procedure.name, direction, "missing", None, None, remedy)
    except StaleRecordError:
        record = store.find(procedure.quantity, subject, conditions, expired_too=True)
        return Standing(procedure.name, direction, "stale", record.made, record.expires, remedy)
    return Standing(procedure.name, direction, "valid", record.made, record.expires, "")
