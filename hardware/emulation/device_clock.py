"""The time by which an emulated radio's converters run: real, or as fast as its host can read."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Protocol

__all__ = ["DeviceClock", "RealClock", "VirtualClock", "next_sample"]

# A clock that a test moves by hand must be asked again and again.
_LONGEST_NAP_S = 0.05


class DeviceClock(Protocol):
    """Time on the radio's own clock."""

    @property
    def lead_s(self) -> float:
        """Between an order and what it does to the transmitter."""

    def now_s(self) -> float:
        """Present time."""

    def wait_until(self, time_s: float, interrupted: threading.Event) -> None:
        """Return at that time, or as soon as the event is set."""

    def comes_within(self, time_s: float, span_s: float) -> bool:
        """Whether waiting for that time takes no longer than that."""


class RealClock:
    """Follows an antenna's clock.

    Args:
        now_s: that clock.
    """

    # Longer than the threads of transmitter and receiver are apart: what is received was transmitted before.
    lead_s = 1e-3

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.now_s = now_s

    def wait_until(self, time_s: float, interrupted: threading.Event) -> None:
        """Sleep."""
        while (left_s := time_s - self.now_s()) > 0 and not interrupted.wait(min(left_s, _LONGEST_NAP_S)):
            pass

    def comes_within(self, time_s: float, span_s: float) -> bool:
        """Whether that time is so close."""
        return time_s <= self.now_s() + span_s


class VirtualClock:
    """Stands still until somebody waits, and then moves on at once."""

    lead_s = 0.0

    def __init__(self) -> None:
        self._time_s = 0.0
        self._lock = threading.Lock()

    def now_s(self) -> float:
        """Latest time that anybody waited for."""
        return self._time_s

    def wait_until(self, time_s: float, interrupted: threading.Event) -> None:
        """Move to that time."""
        with self._lock:
            self._time_s = max(self._time_s, time_s)

    def comes_within(self, time_s: float, span_s: float) -> bool:
        """Always: waiting takes no time."""
        return True


def next_sample(time_s: float, rate_hz: float) -> int:
    """Number of the first sample that is not before a time. Sample 0 of every rate lies at time 0."""
    # A time that was computed from a sample's number is that sample, in spite of rounding.
    return math.ceil(time_s * rate_hz - 1e-3)
