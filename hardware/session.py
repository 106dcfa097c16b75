"""Life of an opened radio: the transmitter is muted whichever way the program leaves."""

from __future__ import annotations

import atexit
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from sdr_gsc.capture import Capture

from .errors import BadValueError, DisconnectedError, ForbiddenError, RadioError
from .limits import Permission
from .radio import RadioSettings
from .signals import EndingSignals
from .time_limit import SHORTEST_S, TimeLimit

__all__ = ["RadioSession"]

# Rates that differ by less than this are the same: oscillators differ by more.
_SAME_RATE = 5e-6


class RadioSession(ABC):
    """Base of the drivers: context management, permission to transmit, and the checks that every exchange shares.

    Inside the block, signals that would end the process without unwinding its stack become exceptions; only the main
    thread can do this, elsewhere the main thread's handling stays as it is. A radio that is still open when the program
    ends is closed then.

    Args:
        permission: what may be transmitted; None for a radio from which nothing leaves the computer.
    """

    settings: RadioSettings

    def __init__(self, permission: Permission | None = None) -> None:
        self._closed = False
        self._limit: TimeLimit | None = None
        self._signals = EndingSignals()
        self.permission = permission
        if permission is not None:
            # A strong reference on purpose: a forgotten radio is closed in order, not by the garbage collector.
            atexit.register(self.close)

    @abstractmethod
    def mute(self) -> None:
        """Stop transmitting, whatever is going on; safe from any thread."""

    def release(self) -> None:  # noqa: B027 - not abstract: many drivers hold nothing
        """Give the device back; called once, after `mute`, by `close`. A driver that holds something overrides it."""

    def close(self) -> None:
        """Mute and release the radio; a second call does nothing."""
        if self._closed:
            return
        try:
            self.mute()
        finally:
            self._closed = True
            atexit.unregister(self.close)
            self.release()

    def require_open(self) -> None:
        """Raise DisconnectedError once the radio is closed."""
        if self._closed:
            raise DisconnectedError(f"{type(self).__name__} is closed")

    def temperature_c(self) -> float | None:
        """None: most radios tell no temperature; see `Radio.temperature_c`."""
        self.require_open()
        return None

    def permit_transmission(self, duration_s: float) -> None:
        """Ask whether the present settings may be transmitted for so long, and count it.

        Raises:
            ForbiddenError: says which lines of bench.toml would allow it.
        """
        self._permission().check(
            center_frequency_hz=self.settings.tx_frequency_hz,
            sample_rate_hz=self.settings.sample_rate_hz,
            tx_gain_db=self.settings.tx_gain_db,
            duration_s=duration_s,
        )

    @contextmanager
    def open_ended_transmission(self, at_least_s: float = 0.0) -> Iterator[None]:
        """For a transmission whose end is not known yet; enter it before the first sample, it mutes at its end.

        Where the duration is limited, the radio is muted when it is used up, by another thread; see
        `require_time_left`. What has been used is counted every second, so that a killed program
        does not escape it.

        Args:
            at_least_s: what the transmission is certain to take.

        Raises:
            ForbiddenError: not allowed, or, at the end, that it had to be cut short.
        """
        permission, settings = self._permission(), self.settings
        longest_s = permission.longest_s(
            center_frequency_hz=settings.tx_frequency_hz,
            sample_rate_hz=settings.sample_rate_hz,
            tx_gain_db=settings.tx_gain_db,
        )
        needed_s = max(at_least_s, SHORTEST_S)
        if not longest_s >= needed_s:
            self.permit_transmission(needed_s)  # raises, and says why
        self._limit = limit = TimeLimit(permission, longest_s, self.mute)
        try:
            yield
        finally:
            try:
                self.mute()
            finally:
                self._limit = None
                limit.end()
        limit.require_left()

    def require_time_left(self) -> None:
        """Raise ForbiddenError where the open-ended transmission that is being started was cut short meanwhile.

        The time may be over before the radio transmits, and what mutes it then finds nothing to mute. A driver calls
        this before and right after its start, holding what its `mute` waits for; leaving the transmission mutes.
        """
        if self._limit is not None:
            self._limit.require_left()

    def __enter__(self) -> Self:
        self.require_open()
        self._signals.turn_into_exceptions()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._signals.held_back():
                self.close()
        except RadioError as failure:
            # What went wrong first counts; that the radio could not be closed must be said all the same.
            if error is None:
                raise
            error.add_note(f"closing the radio failed too: {failure}")
        finally:
            self._signals.restore()
        if error is None:
            self._signals.end_if_told()

    def _permission(self) -> Permission:
        if self.permission is None:
            raise ForbiddenError(f"{type(self).__name__} has no permission to transmit", "open it with open_radio")
        return self.permission

    @staticmethod
    def listen_samples(burst: Capture, sample_rate_hz: float, listen_s: float | None) -> int | None:
        """Check an exchange's arguments against the configured rate and count the samples to receive.

        Returns:
            Number of samples, or None where the radio decides.

        Raises:
            BadValueError: not a capture, empty, another rate, or a listening time that is not positive.
        """
        if not isinstance(burst, Capture):
            raise BadValueError(f"the burst is a {type(burst).__name__}", "wrap the samples in sdr_gsc.capture.Capture")
        if not abs(burst.sample_rate_hz - sample_rate_hz) <= _SAME_RATE * sample_rate_hz:
            raise BadValueError(
                f"the burst is sampled at {burst.sample_rate_hz:g} Hz and the radio at {sample_rate_hz:g} Hz",
                "configure() the radio for the burst's rate, or make the burst at the radio's",
            )
        if burst.samples.size == 0:
            raise BadValueError("the burst is empty", "send at least one sample")
        if listen_s is None:
            return None
        n_samples = round(listen_s * sample_rate_hz) if math.isfinite(listen_s) else 0
        if n_samples < 1:
            raise BadValueError(f"listen_s is {listen_s:g}", "listen for at least one sample")
        return n_samples
