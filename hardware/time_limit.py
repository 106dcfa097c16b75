"""A transmission whose end is not known: counted while it goes on, and ended when its time is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .errors import ForbiddenError, RadioError
from .limits import Permission

__all__ = ["SHORTEST_S", "TimeLimit"]

#: What a transmission needs to be started and ended at all; less than that left is nothing left.
SHORTEST_S = 0.05
# A program that is killed has been counted but for this much.
_COUNT_EVERY_S = 1.0


class TimeLimit:
    """Counts one transmission against its permission, from now until `end`.

    Args:
        permission: which allows it.
        longest_s: what it allows; may be infinite.
        mute: ends the transmission; called by another thread, again and again until it succeeds.

    Attributes:
        over: set before `mute` is called, because the time is up or cannot be counted any more.
    """

    def __init__(self, permission: Permission, longest_s: float, mute: Callable[[], None]) -> None:
        self.over = threading.Event()
        self._permission = permission
        self._longest_s = longest_s
        self._mute = mute
        self._ended = threading.Event()
        self._begun_s = time.monotonic()
        self._counted_s = 0.0
        self._thread = threading.Thread(target=self._watch, name="time limit of a transmission", daemon=True)
        if not permission.is_exempt:
            self._thread.start()

    def require_left(self) -> None:
        """Raise ForbiddenError once the time is over."""
        if self.over.is_set():
            raise ForbiddenError(
                f"the transmission was cut short after {self._longest_s:.3g} s, which is all that max_duration_s and "
                "max_duty of bench.toml leave"
            )

    def end(self) -> None:
        """Stop watching and count the rest; nothing mutes the radio afterwards.

        Raises:
            ForbiddenError: it cannot be counted.
        """
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._count()

    def _watch(self) -> None:
        while not self._ended.wait(min(_COUNT_EVERY_S, max(0.0, self._longest_s - self._lasted_s()))):
            try:
                if self._lasted_s() < self._longest_s:
                    self._count()
                    continue
            except ForbiddenError:
                pass  # `end` meets it again, and tells; what cannot be counted must not go on
            self.over.set()
            self._mute_at_last()
            return

    def _mute_at_last(self) -> None:
        while True:
            try:
                self._mute()
            except RadioError:
                # Whoever ends the transmission mutes too, and tells; until then it is tried again.
                if self._ended.wait(_COUNT_EVERY_S):
                    return
            else:
                return

    def _lasted_s(self) -> float:
        return time.monotonic() - self._begun_s

    def _count(self) -> None:
        lasted_s = min(self._lasted_s(), self._longest_s)
        self._permission.account(lasted_s - self._counted_s)
        self._counted_s = lasted_s
