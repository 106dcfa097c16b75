"""Which direction of a radio is in use, and by what."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import RadioBusyError

__all__ = ["Directions"]


class Directions:
    """Reception and transmission: each serves one at a time, whatever threads ask."""

    def __init__(self) -> None:
        self._users: dict[str, str] = {}
        self._lock = threading.Lock()

    @contextmanager
    def held(self, direction: str, doing: str) -> Iterator[None]:
        """Hold one direction.

        Args:
            direction: "receive" or "transmit".
            doing: what holds it, for messages.

        Raises:
            RadioBusyError: something else holds it.
        """
        with self._lock:
            if direction in self._users:
                raise RadioBusyError(
                    f"{doing} needs the radio to {direction}, but it is busy: {self._users[direction]}",
                    "end that first",
                )
            self._users[direction] = doing
        try:
            yield
        finally:
            with self._lock:
                del self._users[direction]
