"""From an error to the account of it that a run keeps."""

from __future__ import annotations

from calibration.errors import MissingRecordError, StaleRecordError
from hardware.errors import BadValueError, DriverMissingError, ForbiddenError
from sdr_gsc.errors import SettingsError, WeightsError

from .engine import Failure

__all__ = ["failure_of", "sentence"]

_FATAL = (
    SettingsError, WeightsError, ImportError, BadValueError, DriverMissingError, ForbiddenError, MissingRecordError,
    StaleRecordError,
)  # fmt: skip


def failure_of(error: Exception) -> Failure:
    """One line without a traceback. Wrong settings and missing models are fatal: they hit all trials alike."""
    text = " ".join(str(error).split()) or type(error).__name__
    return Failure(type(error).__name__, text, isinstance(error, _FATAL))


def sentence(cause: str) -> str:
    """A cause with a full stop, so that another sentence can follow.

    >>> sentence("the radio vanished"), sentence("Gone.")
    ('the radio vanished.', 'Gone.')
    """
    return cause if cause.endswith((".", "!", "?")) else f"{cause}."
