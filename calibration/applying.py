"""Records at work: a radio that behaves as if it were better than it is."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Literal, Self

import numpy as np

from hardware.radio import Capabilities, Radio, RadioSettings, ReceiveStream, StreamBlock, TransmitStream
from sdr_gsc.capture import Capture

from .chains import ReceiveChain, TransmitChain
from .errors import MissingRecordError, UnreachableError, WrongRadioError
from .outcome import conditions_of, radio_serial, subject_of
from .record import Direction, Quantity, Record
from .store import nearest_record

__all__ = ["CalibratedRadio", "filter_of", "record_name"]

#: Records of one Es/N0, made at different times, differ by less.
_SAME_ESN0_DB = 1.0
#: Quantities that change samples, in the directions in which they do.
_APPLIED = (
    (Quantity.FREQUENCY, Direction.LOOP),
    (Quantity.DC_OFFSET, Direction.TRANSMIT),
    (Quantity.DC_OFFSET, Direction.RECEIVE),
    (Quantity.IQ_BALANCE, Direction.TRANSMIT),
    (Quantity.IQ_BALANCE, Direction.RECEIVE),
    (Quantity.RESPONSE, Direction.LOOP),
)


def record_name(record: Record) -> str:
    """Name for manifests: what it is about, and when it was made."""
    subject = record.subject
    return f"{subject.serial}/{record.quantity}-{subject.direction}-{subject.channel}-{record.made.isoformat()}"


def filter_of(record: Record) -> np.ndarray:
    """Its taps, complex128 [L]."""
    return np.array(record.curve("taps_re")) + 1j * np.array(record.curve("taps_im"))


class CalibratedRadio:
    """A radio with calibration applied above its driver; the same contract as `Radio`.

    What is sent is predistorted, what is received is corrected; gains stay in the radio's own scale, and
    `tx_gain_for` and `tx_gain_for_esn0` say which one to ask for. Streams come out some samples later than without:
    half the length of the filters. Only the first channel in use is calibrated.

    Attributes:
        records_used: those that are applied with the present settings.
        backoff_db: by how much the last burst was lowered so that its predistortion did not exceed full scale.

    Args:
        radio: to calibrate; closing this closes it.
        records: what was found out; of each quantity the nearest one to the settings is used.
        allow_expired: use expired ones where no valid one fits.
        response_at: where the loop's response is undone.
        now: time of use; None is the present, at every `configure`.

    Raises:
        WrongRadioError: records of another radio.
        StaleRecordError: all records that fit have expired.
    """

    def __init__(
        self,
        radio: Radio,
        records: Sequence[Record],
        *,
        allow_expired: bool = False,
        response_at: Literal["tx", "rx"] = "rx",
        now: datetime | None = None,
    ) -> None:
        self._radio = radio
        self._records = tuple(records)
        self._allow_expired = allow_expired
        self._response_at = response_at
        self._moment = now
        self.backoff_db = 0.0
        self.records_used: tuple[Record, ...] = ()
        self._asked: dict[tuple[Quantity, Direction], Record] = {}
        self._serial = radio_serial(radio)
        self._require_same()
        self._choose()

    @property
    def uri(self) -> str:
        """Address of the radio."""
        return self._radio.uri

    @property
    def capabilities(self) -> Capabilities:
        """What the radio can do."""
        return self._radio.capabilities

    @property
    def settings(self) -> RadioSettings:
        """Settings as last read back."""
        return self._radio.settings

    @property
    def muted(self) -> bool:
        """True while nothing is transmitted."""
        return self._radio.muted

    def configure(self, settings: RadioSettings) -> RadioSettings:
        """Apply settings and choose the records that fit them; see `Radio.configure`.

        Raises:
            WrongRadioError: another radio answers than before.
            StaleRecordError: all records that fit have expired.
        """
        actual = self._radio.configure(settings)
        self._require_same()
        self._choose()
        return actual

    def exchange(self, burst: Capture, *, listen_s: float | None = None) -> Capture:
        """Predistort, exchange, correct; see `Radio.exchange`."""
        return self._corrected(self._radio.exchange(self._predistorted(burst), listen_s=listen_s))

    def exchange_channels(self, bursts: Sequence[Capture], *, listen_s: float | None = None) -> tuple[Capture, ...]:
        """The same on all channels in use; only the first one is calibrated."""
        first = [self._predistorted(burst) for burst in bursts[:1]]
        heard = self._radio.exchange_channels([*first, *bursts[1:]], listen_s=listen_s)
        return (*(self._corrected(one) for one in heard[:1]), *heard[1:])

    def repeat(self, burst: Capture) -> AbstractContextManager[None]:
        """Predistort as what has no beginning and no end; see `Radio.repeat`."""
        samples, self.backoff_db = self._tx.repeated(burst.samples)
        return self._radio.repeat(replace(burst, samples=samples))

    def capture(self, n_samples: int) -> Capture:
        """Receive and correct; see `Radio.capture`."""
        return self._corrected(self._radio.capture(n_samples))

    @contextmanager
    def receive_stream(self, block_samples: int) -> Iterator[ReceiveStream]:
        """Receive and correct without end; see `Radio.receive_stream`."""
        with self._radio.receive_stream(block_samples) as stream:
            yield _Corrected(stream, self._rx)

    @contextmanager
    def transmit_stream(self) -> Iterator[TransmitStream]:
        """Predistort without end, backed off by what any signal might need; see `Radio.transmit_stream`."""
        with self._radio.transmit_stream() as stream:
            yield _Predistorted(self, stream, self._tx)

    def temperature_c(self) -> float | None:
        """Temperature of the radio."""
        return self._radio.temperature_c()

    def mute(self) -> None:
        """Stop transmitting."""
        self._radio.mute()

    def close(self) -> None:
        """Mute and release the radio."""
        self._radio.close()

    def __enter__(self) -> Self:
        self._radio.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._radio.__exit__(kind, error, trace)

    def tx_gain_for(self, true_db: float) -> float:
        """Setting of the transmit gain that has a true gain, relative to that of the record's reference setting.

        Raises:
            MissingRecordError: no gain record.
            UnreachableError: outside the curve.
        """
        return self._gain_for(Direction.TRANSMIT, true_db)

    @property
    def largest_tx_gain_db(self) -> float:
        """True transmit gain at the largest setting that was measured, relative to the record's reference setting.

        Raises:
            MissingRecordError: no gain record.
        """
        return float(max(self._record(Quantity.GAIN, Direction.TRANSMIT).curve("true_db")))

    def rx_gain_for(self, true_db: float) -> float:
        """The same for the receive gain."""
        return self._gain_for(Direction.RECEIVE, true_db)

    def tx_gain_for_esn0(self, esn0_db: float) -> float:
        """Setting of the transmit gain for an Es/N0, from the nearest one that was reached, and the gain curve.

        Distortion and compression grow with the gain, so far from what was reached the curve alone is decibels off.

        Raises:
            MissingRecordError: no such records.
            UnreachableError: outside what the gain curve covers.
        """
        reached = self._reached(esn0_db)
        self._asked[reached.quantity, reached.subject.direction] = reached
        at, drive_db = reached.figure("tx_gain_db"), reached.figure("scale_db")
        more_db = esn0_db - reached.figure("esn0_db") + drive_db
        curve = self._record(Quantity.GAIN, Direction.TRANSMIT)
        true = np.interp(at, curve.curve("nominal_db"), curve.curve("true_db"))
        return self.tx_gain_for(float(true) + more_db)

    def _gain_for(self, direction: Direction, true_db: float) -> float:
        record = self._record(Quantity.GAIN, direction)
        self._asked[record.quantity, direction] = record
        nominal, true = record.curve("nominal_db"), record.curve("true_db")
        if not true[0] <= true_db <= true[-1]:
            raise UnreachableError(
                f"a true {direction} gain of {true_db:.2f} dB was asked for and {true[0]:.2f} ... {true[-1]:.2f} dB "
                "were measured; ask for less, or run: sdr-gsc calibrate URI --what gain"
            )
        upper = min(max(bisect.bisect_left(true, true_db), 1), len(true) - 1)
        share = (true_db - true[upper - 1]) / (true[upper] - true[upper - 1])
        return nominal[upper - 1] + share * (nominal[upper] - nominal[upper - 1])

    def _require_same(self) -> None:
        serial = radio_serial(self._radio)
        others = sorted({record.subject.serial for record in self._records} - {serial})
        if others or serial != self._serial:
            known = ", ".join(others) or self._serial
            raise WrongRadioError(
                f"the radio at {self._radio.uri} is {serial}, the calibration is of {known}; connect that one, or run: "
                f"sdr-gsc calibrate {self._radio.uri}"
            )

    def _record(self, quantity: Quantity, direction: Direction) -> Record:
        return nearest_record(
            self._records,
            quantity,
            subject_of(self._radio, direction),
            conditions_of(self._radio, direction),
            now=self._moment,
            expired_too=self._allow_expired,
        )

    def _reached(self, esn0_db: float) -> Record:
        """The record of the Es/N0 nearest to one; it was made under the gain that it found, whatever is set now."""
        made = [record for record in self._records if record.quantity is Quantity.SNR]
        gaps_db = {id(record): abs(record.figure("esn0_db") - esn0_db) for record in made}
        nearest_db = min(gaps_db.values(), default=0.0)
        near = [record for record in made if gaps_db[id(record)] <= nearest_db + _SAME_ESN0_DB]
        conditions = conditions_of(self._radio, Direction.LOOP)
        if near:
            conditions = replace(conditions, gain_db=near[-1].conditions.gain_db)
        subject = subject_of(self._radio, Direction.LOOP)
        return nearest_record(
            near, Quantity.SNR, subject, conditions, now=self._moment, expired_too=self._allow_expired
        )

    def _choose(self) -> None:
        chosen: dict[tuple[Quantity, Direction], Record] = {}
        for key in _APPLIED:
            try:
                chosen[key] = self._record(*key)
            except MissingRecordError:
                continue
        # What a gain was found by is at work, too, from the configuration on that sets it.
        self.records_used = (*chosen.values(), *self._asked.values())
        settings = self._radio.settings

        def taps(quantity: Quantity, direction: Direction, otherwise: float) -> np.ndarray:
            record = chosen.get((quantity, direction))
            return np.array([otherwise], np.complex128) if record is None else filter_of(record)

        def constant(direction: Direction) -> complex:
            record = chosen.get((Quantity.DC_OFFSET, direction))
            return 0j if record is None else complex(record.figure("dc_re"), record.figure("dc_im"))

        clock = chosen.get((Quantity.FREQUENCY, Direction.LOOP))
        offset_hz = 0.0 if clock is None else 1e-6 * clock.figure("offset_ppm") * settings.tx_frequency_hz
        response = taps(Quantity.RESPONSE, Direction.LOOP, 1.0)
        at_tx = self._response_at == "tx"
        ones = np.ones(1, np.complex128)
        self._tx = TransmitChain(
            response if at_tx else ones,
            taps(Quantity.IQ_BALANCE, Direction.TRANSMIT, 0.0),
            constant(Direction.TRANSMIT),
        )
        self._rx = ReceiveChain(
            constant(Direction.RECEIVE),
            taps(Quantity.IQ_BALANCE, Direction.RECEIVE, 0.0),
            ones if at_tx else response,
            offset_hz / settings.sample_rate_hz,
        )

    def _predistorted(self, burst: Capture) -> Capture:
        samples, self.backoff_db = self._tx.burst(burst.samples)
        return replace(burst, samples=samples)

    def _corrected(self, heard: Capture) -> Capture:
        samples = self._rx.capture(heard.samples)
        if heard.gaps and samples is not heard.samples:
            for gap in heard.gaps:
                samples[gap.start_sample : gap.start_sample + gap.sample_count] = 0
        about = {"records": [record_name(record) for record in self.records_used], "tx_backoff_db": self.backoff_db}
        return replace(heard, samples=samples, settings={**heard.settings, "calibration": about})


class _Corrected:
    """Blocks of an endless reception, corrected."""

    def __init__(self, stream: ReceiveStream, chain: ReceiveChain) -> None:
        self._stream = stream
        self._chain = chain.stream()

    def __iter__(self) -> Iterator[StreamBlock]:
        for block in self._stream:
            samples = self._chain(block.samples, block.first_sample, block.lost_before > 0)
            yield replace(block, samples=samples)


class _Predistorted:
    """The sending end of an endless transmission, predistorted."""

    def __init__(self, radio: CalibratedRadio, stream: TransmitStream, chain: TransmitChain) -> None:
        self._stream = stream
        self._step, radio.backoff_db = chain.stream()

    @property
    def underflows(self) -> int:
        """See `TransmitStream`."""
        return self._stream.underflows

    def write(self, samples: np.ndarray) -> None:
        """See `TransmitStream`."""
        self._stream.write(self._step(samples))
