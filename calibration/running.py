"""Procedures one after the other: each with what those before it found, and stored before the next begins."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hardware.errors import LateBurstError, RadioTimeoutError, SampleOverflowError, SampleUnderflowError
from hardware.radio import Radio
from sdr_gsc.errors import SdrGscError

from .errors import CalibrationError, StorageError, UnsupportedError, WrongRadioError
from .keeping import keep, remove_leftovers
from .outcome import Outcome, Plan, radio_serial
from .procedures.catalogue import Procedure, ordered
from .record import Record
from .standing import usable_records
from .store import Store

__all__ = ["Step", "run"]

#: What a busy computer may do to a radio in real time.
_PASSING = (LateBurstError, RadioTimeoutError, SampleOverflowError, SampleUnderflowError)
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One procedure of a run; exactly one of `outcome`, `skipped` and `failure` is there.

    Attributes:
        procedure: which.
        outcome: what it found, with its records as they were stored.
        skipped: what the radio lacks for it, or which failure before makes it pointless.
        failure: why it ended without saying anything.
        files: records written.
        seconds: that it took.
    """

    procedure: Procedure
    outcome: Outcome | None = None
    skipped: str | None = None
    failure: SdrGscError | None = None
    files: tuple[Path, ...] = ()
    seconds: float = 0.0


def run(radio: Radio, names: Sequence[str], plan: Plan, store: Store, *, with_captures: bool = True) -> Iterator[Step]:
    """Measure and store, in the right order; what is valid in the store already is used where it is not measured anew.

    It may be left at any point: what was yielded is stored, nothing else is, and the transmitter is muted. A procedure
    that fails is yielded, too, and those that build on it are left out; what it would have replaced stays as it was.

    Args:
        radio: open.
        names: of procedures; empty means all that the radio supports.
        plan: what to measure under; its records come before those of the store.
        store: where records go.
        with_captures: keep what the records came from beside them.

    Raises:
        CalibrationError: an unknown name, a damaged file in the store, a procedure that was asked for by name and is
            not possible, or another radio than at the beginning.
        StorageError: records cannot be written.
        RadioError: the radio failed, or may not transmit.
    """
    wanted = ordered(names)
    serial = radio_serial(radio)
    remove_leftovers(store.folder / serial)
    radio.configure(plan.settings)
    known = [*usable_records(radio, store, plan.now()), *plan.records]
    failed: set[str] = set()
    try:
        for procedure in wanted:
            began = time.perf_counter()
            lacking = procedure.missing(radio)
            broken = [name for name in procedure.after if name in failed]
            outcome = None
            if lacking is None and broken:
                failed.add(procedure.name)
                yield Step(procedure, skipped=f"it builds on {', '.join(broken)}, which failed")
                continue
            if lacking is None:
                try:
                    outcome = _measured(procedure, radio, _plan_of(procedure, radio, plan, known))
                except UnsupportedError as error:
                    lacking = str(error)
                except (StorageError, WrongRadioError):
                    raise
                except (CalibrationError, *_PASSING) as error:
                    failed.add(procedure.name)
                    radio.configure(plan.settings)
                    yield Step(procedure, failure=error, seconds=time.perf_counter() - began)
                    continue
            if outcome is None:
                if procedure.name in names:
                    raise UnsupportedError(f"{procedure.name} is not possible: {lacking}")
                yield Step(procedure, skipped=lacking)
                continue
            if radio_serial(radio) != serial:
                raise WrongRadioError(
                    f"radio {serial} was exchanged for {radio_serial(radio)}; keep one connected, and calibrate again"
                )
            outcome, files = keep(procedure.name, outcome, store, with_captures=with_captures)
            replaced = {(one.quantity, one.subject.direction) for one in outcome.records}
            known = [one for one in known if (one.quantity, one.subject.direction) not in replaced]
            known += outcome.records
            yield Step(procedure, outcome, files=files, seconds=time.perf_counter() - began)
    finally:
        radio.mute()


def _plan_of(procedure: Procedure, radio: Radio, plan: Plan, known: Sequence[Record]) -> Plan:
    def progress(stage: str, share: float) -> None:
        plan.progress(f"{procedure.name}: {stage}", share)

    temperature_c = radio.temperature_c() if plan.temperature_c is None else plan.temperature_c
    return replace(plan, records=tuple(known), temperature_c=temperature_c, progress=progress)


def _measured(procedure: Procedure, radio: Radio, plan: Plan) -> Outcome:
    """One procedure, begun anew where the computer was too slow for the radio: nothing was kept of it by then."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return procedure.measure(radio, plan)
        except _PASSING as error:
            plan.progress(f"again, for {error}", 0.0)
    return procedure.measure(radio, plan)
