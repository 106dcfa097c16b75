"""Transmission in a thread of its own, so that reception goes on meanwhile."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable

import numpy as np
from backend import Backend
from faults import FaultError

__all__ = ["PROBLEMS", "Sender", "drain", "end_burst", "finish_burst", "send_all"]

#: Longest piece in one call: an abort waits no longer.
_PIECE_S = 0.1
#: The radio may take so long to report the end of a burst.
_REPORT_S = 1.0
#: What the transmitter's reports mean.
PROBLEMS = {
    "underflow": "the radio ran out of transmit samples",
    "late": "the burst reached the radio after its time",
    "lost": "transmit packets were lost on the way to the radio",
}


def send_all(
    backend: Backend,
    samples: np.ndarray,
    at: int | None,
    *,
    first: bool,
    last: bool,
    wait_s: float,
    rate_hz: float,
    stop: Callable[[], bool],
) -> None:
    """Hand over all samples, complex64 [channels, n], however few the library takes at a time.

    Args:
        backend: the device.
        samples: what to send.
        at: time of the first sample; None for at once.
        first: they begin a burst.
        last: they end it.
        wait_s: the radio's queue may stay full for so long, beside the samples' own length.
        rate_hz: sample rate.
        stop: asked between pieces.

    Raises:
        FaultError: "aborted", or "timeout" when the library takes nothing any more.
    """
    n_samples = samples.shape[1]
    longest = max(4096, int(_PIECE_S * rate_hz))
    done = 0
    deadline = time.monotonic() + wait_s + 0.5
    while done < n_samples or (last and n_samples == 0):
        if stop():
            raise FaultError("aborted", f"the transmission was broken off after {done} of {n_samples} samples")
        piece = np.ascontiguousarray(samples[:, done : done + longest])
        ends = last and done + piece.shape[1] == n_samples
        taken = backend.transmit(piece, at if first else None, first, ends, 0.25)
        if taken or piece.shape[1] == 0:
            done, first = done + taken, False
            deadline = time.monotonic() + wait_s + 0.5
        elif time.monotonic() > deadline:
            raise FaultError("timeout", f"the radio took {done} of {n_samples} transmit samples")
        if n_samples == 0:
            return


def end_burst(backend: Backend, n_channels: int) -> None:
    """Say that nothing follows: one sample of silence ends the burst."""
    backend.transmit(np.zeros((n_channels, 1), np.complex64), None, False, True, 0.25)


def finish_burst(backend: Backend, remaining_s: float, n_channels: int, stop: Callable[[], bool]) -> None:
    """Wait until the radio reports that the burst left the antenna.

    Args:
        backend: the device.
        remaining_s: until the burst's end.
        n_channels: most radios report the end once for each.
        stop: asked meanwhile.

    Raises:
        FaultError: "underflow", "late", "lost", "aborted", or "timeout" without any report.
    """
    deadline = time.monotonic() + remaining_s + _REPORT_S
    if not backend.reports_end():
        time.sleep(remaining_s)
        return
    reports = 0
    while time.monotonic() < deadline:
        event = backend.event(0.1 if reports == 0 else 0.02)
        if event == "done":
            reports += 1
            if reports == n_channels:
                return
        elif event is not None:
            raise FaultError(event, PROBLEMS[event])
        elif reports:
            return  # this radio reports once for all channels
        if stop():
            raise FaultError("aborted", "the transmission was broken off")
    raise FaultError("timeout", f"the radio did not report the end of the burst within {_REPORT_S:g} s")


class Sender:
    """Runs a transmission beside something else.

    Args:
        work: what to do.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for its end; raises what went wrong there."""
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # handed over to the thread that waits
            self.failure = error


def drain(link: socket.socket) -> None:
    """Throw away what an earlier stream left in a link."""
    while select.select([link], [], [], 0.0)[0] and link.recv(1 << 16):
        pass
