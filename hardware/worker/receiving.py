"""A finite reception into memory: every sample, or a fault that says what is missing."""

from __future__ import annotations

import threading
import time

import numpy as np
from backend import Backend
from faults import FaultError

__all__ = ["receive_exactly"]

#: After their time, samples may take so long to arrive.
_GRACE_S = 0.4
#: Longest wait for a packet in one call, once the first one is due.
_WAIT_S = 0.1
#: Longest piece in one call: an abort waits no longer.
_PIECE_S = 0.1


def receive_exactly(
    backend: Backend, samples: np.ndarray, start: int | None, wait_s: float, rate_hz: float, abort: threading.Event
) -> int | None:
    """Collect a reception that has been asked for.

    Args:
        backend: the device.
        samples: complex64 [channels, n] to fill, C-contiguous.
        start: number of the first sample on the device's clock; None for any.
        wait_s: time until the first sample is due.
        rate_hz: sample rate.
        abort: breaks it off.

    Returns:
        Number of the first sample; None where the device does not say.

    Raises:
        FaultError: "late", "overflow", "lost", "timeout" or "aborted".
    """
    n_channels, n_samples = samples.shape
    packet = backend.packet_samples()
    longest = packet * max(1, max(4096, int(_PIECE_S * rate_hz)) // packet)
    # Rows of a piece in the middle of an array are not contiguous, and the library would fill a copy of them.
    scratch = np.empty((n_channels, min(longest, n_samples)), np.complex64) if n_channels > 1 else None
    due = time.monotonic() + wait_s
    done, begin, expected = 0, None, start
    while done < n_samples:
        if abort.is_set():
            raise FaultError("aborted", f"the reception was broken off after {done} of {n_samples} samples")
        count = min(longest, n_samples - done)
        piece = samples[:, done : done + count] if scratch is None else scratch.reshape(-1)[: n_channels * count]
        piece = piece.reshape(n_channels, count)
        # libuhd says that an order came too late only when a call has waited in vain: the first one waits just long
        # enough, and all of them return now and then.
        until_due_s = max(0.0, due - time.monotonic()) if done == 0 else 0.0
        got = backend.receive(piece, until_due_s + _WAIT_S)
        if got.count:
            if expected is not None and got.first is not None and got.first != expected:
                raise FaultError("lost", f"sample {expected} was due and sample {got.first} came")
            if begin is None:
                begin = got.first
            if scratch is not None:
                samples[:, done : done + got.count] = piece[:, : got.count]
            done += got.count
            if got.first is not None:
                expected = got.first
            if expected is not None:
                expected += got.count
        overdue = time.monotonic() > due + (done + count) / rate_hz + _GRACE_S
        if got.fault is None or (got.fault == "timeout" and not overdue):
            continue
        raise FaultError(got.fault, f"{done} of {n_samples} samples came")
    return begin
