"""Procedures one after the other: each with what those before it found, and stored before the next begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hardware.radio import Radio
from sdr_gsc.errors import RecordingError
from sdr_gsc.recording.sigmf_writer import write_capture

from .errors import MissingRecordError, StaleRecordError, StorageError, WrongRadioError
from .outcome import Outcome, Plan, conditions_of, radio_serial, subject_of
from .procedures.catalogue import PROCEDURES, Procedure, ordered
from .record import Record
from .store import Store, nearest_record

__all__ = ["Gap", "Step", "missing_records", "run", "usable_records"]


@dataclass(frozen=True, slots=True)
class Step:
    """One procedure of a run.

    Attributes:
        procedure: what was done.
        outcome: what it found; None where the radio cannot do it.
        skipped: why it was not done; None where it was.
        files: records written.
    """

    procedure: Procedure
    outcome: Outcome | None
    skipped: str | None = None
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A record that an experiment needs and does not have.

    Attributes:
        procedure: that would make it.
        problem: missing or expired, and the command that mends it.
        is_stale: whether there is one that has expired.
    """

    procedure: str
    problem: str
    is_stale: bool


def run(radio: Radio, names: Sequence[str], plan: Plan, store: Store) -> Iterator[Step]:
    """Measure and store, in the right order; what is valid in the store already is used where it is not measured anew.

    It may be left at any point: what was yielded is stored, nothing else is, and the transmitter is muted.

    Args:
        radio: open.
        names: of procedures; empty means all that the radio supports.
        plan: what to measure under; its records come before those of the store.
        store: where records go.

    Raises:
        CalibrationError: an unknown name, a measurement that says nothing, or another radio than at the beginning.
        StorageError: records cannot be written.
    """
    wanted = ordered(names)
    serial = radio_serial(radio)
    radio.configure(plan.settings)
    known = [*usable_records(radio, store, plan), *plan.records]
    try:
        for procedure in wanted:
            lacking = procedure.missing(radio)
            if lacking is not None:
                yield Step(procedure, None, lacking)
                continue
            measured = replace(plan, records=tuple(known), temperature_c=plan.temperature_c or radio.temperature_c())
            outcome = procedure.measure(radio, measured)
            if radio_serial(radio) != serial:
                raise WrongRadioError(
                    f"radio {serial} was exchanged for {radio_serial(radio)}; keep one connected, and calibrate again"
                )
            outcome, files = _keep(outcome, store)
            replaced = {(one.quantity, one.subject.direction) for one in outcome.records}
            known = [one for one in known if (one.quantity, one.subject.direction) not in replaced]
            known += outcome.records
            yield Step(procedure, outcome, None, files)
    finally:
        radio.mute()


def usable_records(radio: Radio, store: Store, plan: Plan) -> list[Record]:
    """Valid records of the store that fit the radio as it is set."""
    found = list(store.records(radio_serial(radio)))
    usable = []
    for procedure in PROCEDURES.values():
        for direction in procedure.directions:
            try:
                usable.append(
                    nearest_record(
                        found,
                        procedure.quantity,
                        subject_of(radio, direction),
                        conditions_of(radio, direction),
                        now=plan.now(),
                    )
                )
            except (MissingRecordError, StaleRecordError):
                continue
    return usable


def missing_records(radio: Radio, names: Sequence[str], plan: Plan, store: Store) -> list[Gap]:
    """What `calibrate --check` reports: records that the procedures of these names would make, and that are not there.

    Raises:
        CalibrationError: an unknown name, or a damaged file.
    """
    gaps = []
    for procedure in ordered(names):
        if procedure.missing(radio) is not None:
            continue
        for direction in procedure.directions:
            try:
                store.find(
                    procedure.quantity, subject_of(radio, direction), conditions_of(radio, direction), now=plan.now()
                )
            except StaleRecordError as error:
                gaps.append(Gap(procedure.name, str(error), True))
            except MissingRecordError as error:
                gaps.append(Gap(procedure.name, str(error), False))
    return gaps


def _keep(outcome: Outcome, store: Store) -> tuple[Outcome, tuple[Path, ...]]:
    """Captures first, so that no record ever names one that is not there."""
    if not outcome.records:
        return outcome, ()
    first = outcome.records[0]
    folder = store.folder / first.subject.serial / "captures"
    made = first.made.strftime("%Y%m%dT%H%M%S%fZ")
    names = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, capture in outcome.captures.items():
            base = folder / f"{first.quantity}-{name}-{made}"
            write_capture(base, capture)
            names.append(f"captures/{base.name}.sigmf-meta")
    except (OSError, RecordingError) as error:
        raise StorageError(
            f"captures could not be written to {folder} ({error}); all records before are untouched: make room on the "
            "disk, and calibrate again"
        ) from error
    kept = tuple(replace(record, captures=(*record.captures, *names)) for record in outcome.records)
    files = tuple(store.add(record) for record in kept)
    return replace(outcome, records=kept), files
