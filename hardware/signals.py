"""Signals that would end a process without unwinding its stack, turned into exceptions while a radio is open."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["EndingSignals"]

_ENDING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)
)  # Windows has no SIGHUP


class EndingSignals:
    """SIGTERM and SIGHUP become SystemExit, SIGINT KeyboardInterrupt, until `restore`.

    Handlers that the surrounding program has set itself stay. Only the main thread can change them; elsewhere all
    methods do nothing.
    """

    def __init__(self) -> None:
        self._previous: dict[int, Any] = {}
        self._told: int | None = None

    def turn_into_exceptions(self) -> None:
        """Set the handlers; a process that was started to ignore SIGINT or SIGTERM heeds them now."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._told = None
        for number in _ENDING:
            present = signal.getsignal(number)
            # What nohup ignores must not end the program; what is ignored by accident must still mute the radio.
            ignored_on_purpose = number == getattr(signal, "SIGHUP", None) and present == signal.SIG_IGN
            if not callable(present) and present is not None and not ignored_on_purpose:
                handler = signal.default_int_handler if number == signal.SIGINT else self._leave
                self._previous[number] = signal.signal(number, handler)

    def restore(self) -> None:
        """Put the handlers of before back."""
        if threading.current_thread() is not threading.main_thread():
            return
        while self._previous:
            number, handler = self._previous.popitem()
            signal.signal(number, handler)

    def end_if_told(self) -> None:
        """End the program if SIGTERM or SIGHUP came and nothing came of it.

        An exception that a handler raises is lost where Python cannot pass it on: in a finalizer, or in a call from
        compiled code. A program that was told to end must not go on for that.

        Raises:
            SystemExit: once for each such signal.
        """
        told, self._told = self._told, None
        if told is not None:
            raise SystemExit(128 + told)

    def _leave(self, signal_number: int, _frame: FrameType | None) -> None:
        self._told = signal_number
        raise SystemExit(128 + signal_number)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Let nothing interrupt the block; a signal that comes meanwhile is delivered after it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        came: list[int] = []
        handlers = {number: signal.getsignal(number) for number in _ENDING}
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, lambda got, _frame: came.append(got))
        try:
            yield
        finally:
            for number, handler in handlers.items():
                if callable(handler):
                    signal.signal(number, handler)
            for number in dict.fromkeys(came):
                signal.raise_signal(number)
