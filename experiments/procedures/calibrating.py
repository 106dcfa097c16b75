"""Calibration of a radio: every procedure that it supports in the right order, each kept as soon as it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from calibration.outcome import Outcome, Plan, radio_serial
from calibration.procedures.catalogue import Procedure, ordered
from calibration.record import Record
from calibration.running import Step, run
from calibration.standing import Standing, standing_of
from calibration.store import Store
from hardware.pair import RadioPair
from hardware.radio import Radio
from hardware.registry import open_radio
from sdr_gsc.errors import SdrGscError, SettingsError

__all__ = ["Calibrated", "Done", "Request", "calibrate", "check_records", "opened"]

#: A simulated radio without a frequency gets that of a bench, for parts per million relate to it.
_CENTER_FREQUENCY_HZ = 2.45e9
#: What `snr` reaches where nobody says otherwise.
_ESN0_DB = (0.0, 10.0, 20.0, 30.0)

#: Told the procedure and its stage, and the share done, 0 ... 1.
OnStage = Callable[[str, float], None]


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
        esn0_db: what `snr` is to reach; none takes 0, 10, 20 and 30 dB.
        keep_captures: keep what the records came from, as SigMF beside them.
        reference_hz: radio frequency of an external tone that `frequency` listens to; None takes the own transmitter.
    """

    uri: str | None
    store: Path
    tx: str | None = None
    rx: str | None = None
    what: tuple[str, ...] = ()
    bench: Path | None = None
    esn0_db: tuple[float, ...] = ()
    keep_captures: bool = True
    reference_hz: float | None = None

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
        skipped: procedure -> why it was left out.
        failed: procedure -> why it says nothing.
    """

    address: str
    model: str
    serial: str
    done: tuple[Done, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, SdrGscError] = field(default_factory=dict)


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


def calibrate(request: Request, on_stage: OnStage, on_step: Callable[[Step], None] = lambda step: None) -> Calibrated:
    """Run the procedures.

    A procedure that ends leaves its records, whole; one that is interrupted, or fails, leaves none. Those of other
    procedures, and all older ones, stay as they are.

    Args:
        request: what.
        on_stage: progress.
        on_step: told of each procedure when its records are stored, or why there are none.

    Raises:
        CalibrationError: a damaged record, another radio, or a procedure that was asked for by name is not possible.
        RadioError: the radio failed, or may not transmit.
        StorageError: records cannot be written.
    """
    store = Store(request.store)
    skipped: dict[str, str] = {}
    failed: dict[str, SdrGscError] = {}
    finished: list[Done] = []
    ordered(request.what)  # a name that is none is told before a radio is opened
    with opened(request) as radio:
        serial = radio_serial(radio)
        plan = Plan(
            settings=radio.settings,
            progress=on_stage,
            wanted_esn0_db=request.esn0_db or _ESN0_DB,
            reference_hz=request.reference_hz,
        )
        for step in run(radio, request.what, plan, store, with_captures=request.keep_captures):
            if step.outcome is not None:
                finished.append(Done(step.procedure, step.outcome, step.outcome.records, step.seconds))
            elif step.failure is not None:
                failed[step.procedure.name] = step.failure
            else:
                skipped[step.procedure.name] = str(step.skipped)
            on_step(step)
        return Calibrated(request.address, radio.capabilities.model, serial, tuple(finished), skipped, failed)


def check_records(request: Request) -> tuple[Standing, ...]:
    """Which records there are for a radio as it is set, which have expired, and which were never made.

    The radio is opened, for its serial number and settings, and transmits nothing.

    Raises:
        CalibrationError: a record is damaged.
        RadioError: the radio does not answer.
    """
    ordered(request.what)
    with opened(request) as radio:
        return standing_of(radio, request.what, Store(request.store))
