"""Which radio, or which two, carry a transmission, and what is done when they fail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import numpy as np

from hardware.radio import Radio
from hardware.registry import open_radio
from hardware.retrying import FailedAttempt, exchange_with_retry
from sdr_gsc.capture import Capture
from sdr_gsc.errors import SettingsError
from sdr_gsc.link import Ready

from ..air_settings import AirSettings

if TYPE_CHECKING:
    from .tape import Tape

__all__ = ["Airing", "exchange_over", "used_records"]


@dataclass(frozen=True, slots=True)
class Airing:
    """Where a transmission goes.

    Attributes:
        radio: address of the radio that sends and listens.
        tx: address of the sender where two radios share the work; `rx` goes with it, and `radio` is not used.
        rx: address of the listener.
        esn0_db: Es/N0 of a simulated channel; None keeps the radio's own. A radio with its own noise is driven to it,
            with the gain and snr records of `calibration`.
        bench: what may be transmitted (bench.toml); None looks in the usual places.
        attempts: exchanges that are tried when the radio fails.
        digital_loopback: stay inside the radio's chip, where it has such a path; nothing is radiated.
        calibration: folder of records to apply; None applies none.
        tx_power_db: transmit power relative to that at the largest gain setting that was measured, with the gain record
            of `calibration`; None keeps the radio's transmit gain.
        tape: of a trial whose exchanges are kept, or played; None for neither.
    """

    radio: str = "loopback:office"
    tx: str | None = None
    rx: str | None = None
    esn0_db: float | None = None
    bench: str | None = None
    attempts: int = 3
    digital_loopback: bool = False
    calibration: str | None = None
    tx_power_db: float | None = None
    tape: Tape | None = None

    @classmethod
    def of(cls, settings: AirSettings, radio: str, esn0_db: float | None, tape: Tape | None = None) -> Airing:
        """As a campaign's settings say, at one Es/N0."""
        return cls(
            radio, settings.tx, settings.rx, esn0_db, settings.bench,
            calibration=settings.calibration, tx_power_db=settings.tx_power_db, tape=tape,
        )  # fmt: skip

    @property
    def address(self) -> str:
        """For reports."""
        if self.tape is not None and self.tape.played is not None:
            return f"replay:{self.tape.played.path.name}"
        return self.radio if self.tx is None else f"{self.tx} -> {self.rx}"

    def open(self, generator: np.random.Generator) -> Radio:
        """Open the radio for one trial, calibrated; a simulated one draws from the trial's own generator.

        Raises:
            SettingsError: see `open_plain`.
            RadioError: see `open_radio`.
            CalibrationError: the folder has no records of this radio, all have expired, or one is damaged; power or
                Es/N0 is outside what was measured.
        """
        if self.tx_power_db is not None and (self.calibration is None or self._drives):
            raise SettingsError(
                "a transmit power is found by gain records, and decides about Es/N0: give --calibration, and leave out "
                "--esn0-db"
            )
        radio = self.open_plain(generator)
        if self.calibration is None:
            return radio
        from calibration.applying import CalibratedRadio
        from calibration.errors import MissingRecordError
        from calibration.outcome import radio_serial
        from calibration.store import Store

        try:
            records = tuple(Store(Path(self.calibration)).records(radio_serial(radio)))
            if not records:
                raise MissingRecordError(
                    f"{self.calibration} has no records of {radio_serial(radio)}; run: sdr-gsc calibrate {radio.uri} "
                    f"--store {self.calibration}"
                )
            calibrated = CalibratedRadio(radio, records)
            if self.tx_power_db is not None:
                self._drive(calibrated, calibrated.tx_gain_for(calibrated.largest_tx_gain_db + self.tx_power_db))
            elif self.esn0_db is not None and self._drives:
                self._drive(calibrated, calibrated.tx_gain_for_esn0(self.esn0_db))
            return calibrated
        except BaseException:
            radio.close()
            raise

    @staticmethod
    def _drive(radio: Radio, tx_gain_db: float) -> None:
        radio.configure(replace(radio.settings, tx_gain_db=tx_gain_db))

    @property
    def _drives(self) -> bool:
        """Whether Es/N0 is a matter of the transmit gain: the noise is the radio's own, and records tell how strong."""
        simulated = self.tx is None and self.radio.startswith("loopback:") and "noise_dbfs=" not in self.radio
        return self.calibration is not None and self.esn0_db is not None and not simulated

    def open_plain(self, generator: np.random.Generator) -> Radio:
        """Open the radio without calibration.

        Raises:
            SettingsError: an Es/N0 for a radio that has its own noise, a seed in the address, or a radio that cannot
                send.
            RadioError: see `open_radio`.
        """
        if self.tx is not None and self.rx is not None:
            self._require_own_noise(self.address)
            from hardware.pair import RadioPair

            sender = self._open(self.tx)
            try:
                return RadioPair(sender, open_radio(self.rx, bench=self._bench))
            except BaseException:
                sender.close()
                raise
        if self.radio.startswith("loopback:"):
            if "seed" in dict(parse_qsl(self.radio.partition("?")[2], keep_blank_values=True)):
                raise SettingsError(
                    f"{self.radio!r} holds a seed, but the run's seed decides about the channel; use --seed"
                )
            overrides: dict[str, Any] = {} if self.esn0_db is None or self._drives else {"esn0_db": self.esn0_db}
            return open_radio(self.radio, generator=generator, **overrides)
        self._require_own_noise(self.radio)
        return self._open(self.radio)

    @property
    def _bench(self) -> Path | None:
        return None if self.bench is None else Path(self.bench)

    def _require_own_noise(self, address: str) -> None:
        if self.esn0_db is not None and not self._drives:
            raise SettingsError(
                f"--esn0-db sets the noise of simulated radios; {address!r} has its own: leave it out, or give the "
                "records that tell how to reach it (--calibration)"
            )

    def _open(self, uri: str) -> Radio:
        radio = open_radio(uri, bench=self._bench)
        if not radio.capabilities.transmits:
            radio.close()
            raise SettingsError(f"{uri!r} cannot transmit; to decode a recording, use: sdr-gsc replay RECORDING")
        return radio


def used_records(capture: Capture) -> dict[str, object]:
    """What a report says of the calibration behind a capture; nothing where none was applied."""
    found = capture.settings.get("calibration")
    return {} if found is None else {"calibration": found}


def exchange_over(
    airing: Airing, prepared: Ready, generator: np.random.Generator
) -> tuple[Capture, tuple[FailedAttempt, ...]]:
    """Send a prepared picture and return the capture around it, with what failed on the way.

    Raises:
        RadioError: the last attempt's, where none succeeded.
        RecordingError: the exchange is played, and was not recorded, or something else was sent.
    """
    if airing.tape is not None:
        return airing.tape.exchange(prepared.transmission, lambda: _live_exchange(airing, prepared, generator))
    return _live_exchange(airing, prepared, generator)


def _live_exchange(
    airing: Airing, prepared: Ready, generator: np.random.Generator
) -> tuple[Capture, tuple[FailedAttempt, ...]]:
    samples = prepared.transmission.samples
    if airing.digital_loopback and airing.calibration is not None:
        raise SettingsError("calibration is of the way over the air; leave out --calibration, or --digital-loopback")
    if airing.digital_loopback:
        with airing.open(generator) as radio:
            inside = getattr(radio, "digital_loopback", None)
            if inside is None:
                raise SettingsError(f"{airing.address!r} has no digital loopback; leave out --digital-loopback")
            with inside():
                return radio.exchange(Capture(samples, radio.settings.sample_rate_hz)), ()
    return exchange_with_retry(
        lambda: airing.open(generator),
        lambda radio: Capture(samples, radio.settings.sample_rate_hz),
        attempts=airing.attempts,
    )
