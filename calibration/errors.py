"""What can go wrong with calibrations. Every message says what was found and ends with what mends it."""

from __future__ import annotations

from sdr_gsc.errors import SdrGscError

__all__ = ["CalibrationError", "MissingRecordError", "StaleRecordError"]


class CalibrationError(SdrGscError):
    """A record is damaged, or a measurement did not say what it should."""


class MissingRecordError(CalibrationError):
    """Nothing was measured that fits."""


class StaleRecordError(CalibrationError):
    """What was measured has expired."""
