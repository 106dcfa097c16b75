"""What all procedures do alike: set the radio, sound it, refuse what says nothing, and leave it muted as it was."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from hardware.radio import Radio
from sdr_gsc.capture import Capture

from ..applying import CalibratedRadio
from ..errors import (
    ClippedSignalError,
    ClockError,
    MissingRecordError,
    TooCloseError,
    WeakSignalError,
    WrongRadioError,
)
from ..outcome import Plan, conditions_of, radio_serial, subject_of
from ..record import Direction, Quantity, Record
from ..sounding import OFFSET_PERIODS, Comb, Sounding, measure_sounding
from ..store import nearest_record

__all__ = [
    "SKIPPED",
    "applied",
    "checked",
    "conduct",
    "flatness_db",
    "known_offset_hz",
    "listen",
    "sound",
    "sound_tx_offset_hz",
]

#: Samples at the beginning of a capture in which filters still settle.
SKIPPED = 1024
_CLIPPED_SHARE = 1e-4
#: A comb is measured well enough from here on, linear.
_LEAST_SAMPLE_SNR = 10.0
_PERIODS = 64


@contextmanager
def conduct(radio: Radio, plan: Plan) -> Iterator[None]:
    """The radio as the plan has it; muted, and set so again, at the end, however that comes.

    Raises:
        WrongRadioError: another radio answers at the end than at the beginning.
    """
    serial = radio_serial(radio)
    radio.configure(plan.settings)
    try:
        yield
    finally:
        radio.mute()
    radio.configure(plan.settings)
    if radio_serial(radio) != serial:
        raise WrongRadioError(
            f"the measurement began with radio {serial} and ended with {radio_serial(radio)}; keep one connected, and "
            "measure again"
        )


def applied(
    radio: Radio, plan: Plan, new: Sequence[Record] = (), *, without: Sequence[Quantity] = (), clock: bool = False
) -> CalibratedRadio:
    """The radio with what is known, and what was just found out; without a view on its clock unless asked for."""
    left_out = set(without) | (set() if clock else {Quantity.FREQUENCY})
    known = [record for record in plan.records if record.quantity not in left_out]
    return CalibratedRadio(radio, [*known, *new], allow_expired=True)


def known_offset_hz(radio: Radio, plan: Plan) -> float | None:
    """Carrier offset by the transmitter's clock as recorded; None where nothing is known."""
    try:
        record = nearest_record(
            plan.records, Quantity.FREQUENCY, subject_of(radio, Direction.LOOP), conditions_of(radio, Direction.LOOP),
            expired_too=True,
        )  # fmt: skip
    except MissingRecordError:
        return None
    return 1e-6 * record.figure("offset_ppm") * radio.settings.center_frequency_hz


def listen(radio: Radio, n_samples: int) -> Capture:
    """Samples after the filters have settled.

    Raises:
        ClippedSignalError: the converter was overdriven.
        ClockError: samples were lost.
    """
    heard = radio.capture(n_samples + SKIPPED)
    checked(heard)
    return replace(heard, samples=heard.samples[SKIPPED:].copy())


def checked(heard: Capture) -> Capture:
    """Refuse a capture that was clipped, or has holes.

    Raises:
        ClippedSignalError: the converter was overdriven.
        ClockError: samples were lost.
    """
    if heard.clipped > _CLIPPED_SHARE * heard.samples.size:
        raise ClippedSignalError(
            f"{heard.clipped} of {heard.samples.size} samples were clipped; lower rx_gain_db or tx_gain_db, or put an "
            "attenuator into the cable"
        )
    if heard.gaps:
        raise ClockError(f"{len(heard.gaps)} gaps in what was received; lower the sample rate and measure again")
    return heard


def sound_tx_offset_hz(radio: Radio, plan: Plan, comb: Comb) -> float:
    """Transmit offset that keeps images and constants of both directions apart, where the radio has one."""
    if not radio.capabilities.has_tx_offset:
        return 0.0
    wanted = OFFSET_PERIODS * plan.settings.sample_rate_hz / comb.period
    clock = (known_offset_hz(radio, plan) or 0.0) if radio.capabilities.has_tx_offset else 0.0
    spacing = plan.settings.sample_rate_hz / comb.period
    # Only the place between two lines matters: a clock that is off by whole spacings needs no more of an offset.
    wanted -= clock - round(clock / spacing) * spacing
    limits = radio.capabilities.tx_offset_hz
    return min(max(wanted, limits.minimum), limits.maximum)


def sound(
    radio: CalibratedRadio, plan: Plan, *, comb: Comb | None = None, drive_dbfs: float | None = None,
    n_samples: int | None = None, least_snr: float = _LEAST_SAMPLE_SNR,
) -> tuple[Sounding, Capture]:  # fmt: skip
    """Send a comb and take it apart. The gains stay as they are.

    Raises:
        NoSignalError, WeakSignalError, ClippedSignalError, InterferenceError, ClockError: what was received says
        nothing.
    """
    lines = comb or Comb()
    level_dbfs = plan.drive_dbfs if drive_dbfs is None else drive_dbfs
    offset_hz = sound_tx_offset_hz(radio, plan, lines)
    if abs(radio.settings.tx_offset_hz - offset_hz) > 0.1 * plan.settings.sample_rate_hz / lines.period:
        radio.configure(replace(radio.settings, tx_offset_hz=offset_hz))
    rate_hz = radio.settings.sample_rate_hz
    for attempt in range(2):
        power = 10 ** (level_dbfs / 10)
        with radio.repeat(Capture(lines.samples(power, _PERIODS), rate_hz)):
            power *= 10 ** (-radio.backoff_db / 10)
            heard = listen(radio, n_samples or plan.n_samples)
        expected = (radio.settings.tx_offset_hz + (known_offset_hz(radio, plan) or 0.0)) / rate_hz
        try:
            found = measure_sounding(heard.samples, lines, power, expected)
            break
        except TooCloseError as error:
            # An unknown clock can bring them together; the distance that was found says how to part them.
            if attempt or not radio.capabilities.has_tx_offset:
                raise
            nearer = (OFFSET_PERIODS / lines.period - error.offset) * rate_hz
            spacing = rate_hz / lines.period
            nearer -= round(nearer / spacing) * spacing
            radio.configure(replace(radio.settings, tx_offset_hz=radio.settings.tx_offset_hz + nearer))
    if found.sample_snr < least_snr:
        level = 10 * math.log10(found.signal_power)
        raise WeakSignalError(
            f"the signal arrives with {level:.0f} dBFS, {10 * math.log10(found.sample_snr):.1f} dB over the noise; "
            f"needed {10 * math.log10(least_snr):.0f} dB: check cable and attenuators, or raise tx_gain_db or "
            "rx_gain_db"
        )
    return found, heard


def flatness_db(response: np.ndarray) -> float:
    """Largest deviation of a response, complex [n], from its mean level, dB."""
    level = 20 * np.log10(np.abs(response))
    return float(np.abs(level - level.mean()).max())
