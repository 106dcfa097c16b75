"""What can go wrong with calibrations. Every message says what was found and ends with what mends it."""

from __future__ import annotations

from sdr_gsc.errors import SdrGscError

__all__ = [
    "CalibrationError",
    "ClippedSignalError",
    "ClockError",
    "InterferenceError",
    "MissingRecordError",
    "NoSignalError",
    "StaleRecordError",
    "StorageError",
    "TooCloseError",
    "UnreachableError",
    "UnsupportedError",
    "WeakSignalError",
    "WrongRadioError",
]


class CalibrationError(SdrGscError):
    """A record is damaged, or a measurement did not say what it should."""


class MissingRecordError(CalibrationError):
    """Nothing was measured that fits."""


class StaleRecordError(CalibrationError):
    """What was measured has expired."""


class NoSignalError(CalibrationError):
    """What was sent was not received at all."""


class WeakSignalError(CalibrationError):
    """What was sent arrived too weak to be measured as well as it must be."""


class ClippedSignalError(CalibrationError):
    """The receive converter was overdriven."""


class InterferenceError(CalibrationError):
    """Somebody else transmits in the band."""


class ClockError(CalibrationError):
    """A clock jumped, or ran unsteadily, during a measurement."""


class TooCloseError(ClockError):
    """The oscillators are so close that images and signal fall together.

    Args:
        message: with its remedy.
        offset: distance of the oscillators, cycles per sample.
    """

    def __init__(self, message: str, offset: float) -> None:
        super().__init__(message)
        self.offset = offset


class WrongRadioError(CalibrationError):
    """Another radio answers than the one that the records, or the measurement so far, are about."""


class UnsupportedError(CalibrationError):
    """The radio cannot do what a procedure needs."""


class UnreachableError(CalibrationError):
    """What was asked for lies outside what the radio reaches."""


class StorageError(CalibrationError):
    """Records could not be written; those before are untouched."""
