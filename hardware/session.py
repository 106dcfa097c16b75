"""Life of an opened radio: the transmitter is muted whichever way the program leaves."""

from __future__ import annotations

import signal
import threading
from abc import ABC, abstractmethod
from types import FrameType, TracebackType
from typing import Any, Self

from sdr_gsc.capture import Capture

from .errors import BadValueError, DisconnectedError

__all__ = ["RadioSession"]


def _leave(signal_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal_number)


class RadioSession(ABC):
    """Base of the drivers: context management and the checks that every exchange shares.

    SIGTERM ends a process without unwinding its stack, so inside the block it is turned into SystemExit. Only the
    main thread can do this; elsewhere the main thread's handling stays as it is.
    """

    def __init__(self) -> None:
        self._closed = False
        self._previous_handler: Any = None

    @abstractmethod
    def mute(self) -> None:
        """Stop transmitting, whatever is going on."""

    def close(self) -> None:
        """Mute and release the radio; a second call does nothing."""
        self.mute()
        self._closed = True

    def require_open(self) -> None:
        """Raise DisconnectedError once the radio is closed."""
        if self._closed:
            raise DisconnectedError(f"{type(self).__name__} is closed")

    def __enter__(self) -> Self:
        self.require_open()
        if threading.current_thread() is threading.main_thread():
            self._previous_handler = signal.signal(signal.SIGTERM, _leave)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        finally:
            if self._previous_handler is not None:
                signal.signal(signal.SIGTERM, self._previous_handler)
                self._previous_handler = None

    @staticmethod
    def listen_samples(burst: Capture, sample_rate_hz: float, listen_s: float | None) -> int | None:
        """Check an exchange's arguments against the configured rate and count the samples to receive.

        Returns:
            Number of samples, or None where the radio decides.

        Raises:
            BadValueError: not a capture, another rate, or a listening time that is not positive.
        """
        if not isinstance(burst, Capture):
            raise BadValueError(f"the burst is a {type(burst).__name__}", "wrap the samples in sdr_gsc.capture.Capture")
        if burst.sample_rate_hz != sample_rate_hz:
            raise BadValueError(
                f"the burst is sampled at {burst.sample_rate_hz:g} Hz and the radio at {sample_rate_hz:g} Hz",
                "configure() the radio for the burst's rate, or make the burst at the radio's",
            )
        if listen_s is None:
            return None
        n_samples = round(listen_s * sample_rate_hz)
        if n_samples < 1:
            raise BadValueError(f"listen_s is {listen_s:g}", "listen for at least one sample")
        return n_samples
