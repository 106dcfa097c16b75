"""Exchanges that are tried again when a radio fails, with an exact account of what failed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sdr_gsc.capture import Capture

from .errors import (
    BadValueError,
    DisconnectedError,
    LateBurstError,
    RadioError,
    RadioNotFoundError,
    RadioTimeoutError,
    SampleOverflowError,
    SampleUnderflowError,
)
from .radio import Radio

__all__ = ["FailedAttempt", "exchange_with_retry"]

# What may go well the next time. What was asked wrongly, or is forbidden, stays so.
_PASSING = (DisconnectedError, LateBurstError, RadioTimeoutError, SampleOverflowError, SampleUnderflowError)
# A radio that has just lost its connection may take a moment until it answers again.
_REOPENING = (*_PASSING, RadioNotFoundError)
_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """One exchange that did not succeed.

    Attributes:
        number: of the attempt, from 1.
        kind: name of the error's class.
        message: what the radio reported, and what mends it.
        elapsed_s: from the beginning of the attempt to its failure.
    """

    number: int
    kind: str
    message: str
    elapsed_s: float


def exchange_with_retry(
    radio: Radio | Callable[[], Radio],
    burst: Capture | Callable[[Radio], Capture],
    *,
    listen_s: float | None = None,
    attempts: int = 3,
) -> tuple[Capture, tuple[FailedAttempt, ...]]:
    """Exchange a burst, and try again after a failure that may pass.

    Args:
        radio: opens the radio, for every attempt anew, and closes it afterwards. An open radio is used as it is and
            stays open; it cannot be opened again after its connection is lost.
        burst: to send, or what makes it for the opened radio's settings.
        listen_s: see `Radio.exchange`.
        attempts: how often to try, at least 1.

    Returns:
        The capture, and the attempts that failed before.

    Raises:
        BadValueError, ClippingError, ForbiddenError, RadioBusyError: at once; trying again would not help.
        RadioError: the last attempt's, with the others in its notes.
    """
    if attempts < 1:
        raise BadValueError(f"attempts is {attempts}", "try at least once")
    failed: list[FailedAttempt] = []
    while True:
        begun_s = time.monotonic()
        opened = isinstance(radio, Radio)
        try:
            if isinstance(radio, Radio):
                return _exchange(radio, burst, listen_s), tuple(failed)
            with radio() as fresh:
                opened = True
                return _exchange(fresh, burst, listen_s), tuple(failed)
        except RadioError as error:
            passing = isinstance(error, _PASSING if opened or not failed else _REOPENING)
            lost = isinstance(radio, Radio) and isinstance(error, DisconnectedError)
            if not passing or lost or len(failed) + 1 >= attempts:
                for one in failed:
                    error.add_note(f"attempt {one.number} failed before, after {one.elapsed_s:.2f} s: {one.message}")
                raise
            failed.append(FailedAttempt(len(failed) + 1, type(error).__name__, str(error), time.monotonic() - begun_s))
        time.sleep(_PAUSE_S * (len(failed) - 1))


def _exchange(radio: Radio, burst: Capture | Callable[[Radio], Capture], listen_s: float | None) -> Capture:
    return radio.exchange(burst if isinstance(burst, Capture) else burst(radio), listen_s=listen_s)
