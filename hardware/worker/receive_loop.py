"""Endless reception in a thread; samples pass through slots of shared memory."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections import deque

import numpy as np
from backend import Backend
from faults import FaultError
from sending import Sender, drain

__all__ = ["ReceiveLoop"]

#: A slot of received blocks: its number, that of its first sample, samples lost before it. Slot -1: the stream ended.
_RECEIVED = struct.Struct("<3q")
#: Without any sample for so long, the radio counts as gone.
_SILENCE_S = 1.0


class ReceiveLoop:
    """Receives without end into slots, tells of every one, and counts what was lost.

    Args:
        backend: the device.
        slots: complex64 [slots, n] in shared memory.
        n_channels: of the device's stream; the first one is kept.
        rate_hz: sample rate.
        leads_s: from the order to the first sample; the next one is tried when the radio finds one too short.
        link: the blocks go out and the slots come back, one byte each, through it.
    """

    def __init__(
        self,
        backend: Backend,
        slots: np.ndarray,
        n_channels: int,
        rate_hz: float,
        leads_s: tuple[float, ...],
        link: socket.socket,
    ) -> None:
        self._backend = backend
        self._slots = slots
        self._n_channels = n_channels
        self._rate_hz = rate_hz
        self._leads_s = leads_s
        self._link = link
        drain(link)
        self._free = list(range(slots.shape[0]))
        self._taken: deque[int] = deque()
        self._stop = threading.Event()
        self._origin: int | None = None
        self._due = self._silent_since = 0.0
        self._position = 0  # of the next sample, counted from the start of the stream
        self._slot: int | None = None
        self._filled = self._lost = 0  # samples in the slot, and lost since the block before it
        # Where no slot is free, samples go here and count as lost; rows of two channels also pass through it.
        self._spare = np.empty((n_channels, slots.shape[1]), np.complex64)
        self._sender = Sender(self._run)

    def stop(self) -> None:
        """End the reception; raises what went wrong in it."""
        self._stop.set()
        self._sender.wait()

    def _run(self) -> None:
        try:
            self._receive()
        finally:
            with contextlib.suppress(OSError):
                self._link.sendall(_RECEIVED.pack(-1, 0, 0))
            self._backend.stop_receiving()

    def _order(self, lead_s: float) -> None:
        """Ask for samples from a time on."""
        now = self._backend.now()
        self._origin = None if now is None else now + int(lead_s * self._rate_hz)
        self._due = self._silent_since = time.monotonic() + lead_s
        self._backend.start_receiving(None, self._origin)

    def _receive(self) -> None:
        leads = iter(self._leads_s)
        self._order(next(leads))
        self._slot = self._take()
        while not self._stop.is_set():
            target = self._target()
            got = self._backend.receive(target, 0.1)
            if got.count:
                self._silent_since = time.monotonic()
                self._account(self._missing_before(got.first), target, got.count)
            elif got.fault == "late" and self._position == 0 and (lead_s := next(leads, None)) is not None:
                self._order(lead_s)
            elif got.fault in ("overflow", "lost") and self._origin is None:
                # Without the radio's clock the computer's says how many are missing.
                self._skip(max(1, int((time.monotonic() - self._due) * self._rate_hz) - self._position))
            elif got.fault not in (None, "timeout", "overflow", "lost"):
                raise FaultError(got.fault, f"the stream broke after {self._position} samples")
            elif time.monotonic() - self._silent_since > _SILENCE_S:
                raise FaultError("timeout", f"no sample for {_SILENCE_S:g} s")

    def _missing_before(self, first: int | None) -> int:
        """Samples between what came before and a piece that begins at a time of the radio."""
        if first is None or self._origin is None:
            return 0
        missing = first - self._origin - self._position
        if missing < 0:
            raise FaultError("lost", f"sample {self._position} of the stream was due and {first - self._origin} came")
        return missing

    def _skip(self, missing: int) -> None:
        """Count a gap. Blocks are whole: what came of this one before the gap is lost with it."""
        self._lost += missing + self._filled
        self._position += missing
        self._filled = 0

    def _account(self, missing: int, target: np.ndarray, count: int) -> None:
        """Put samples that were received into a target in their place."""
        if missing:
            samples = target[:, :count].copy()
            self._skip(missing)
            target = self._target()
            target[:, :count] = samples
        self._position += count
        if self._slot is None:
            self._lost += count
            self._slot = self._take()
            return
        if self._n_channels > 1:
            self._slots[self._slot, self._filled : self._filled + count] = target[0, :count]
        self._filled += count
        if self._filled == self._slots.shape[1]:
            self._taken.append(self._slot)
            self._link.sendall(_RECEIVED.pack(self._slot, self._position - self._filled, self._lost))
            self._filled = self._lost = 0
            self._slot = self._take()

    def _target(self) -> np.ndarray:
        """Where the next samples go: [channels, n], C-contiguous."""
        if self._slot is not None and self._n_channels == 1:
            return self._slots[self._slot : self._slot + 1, self._filled :]
        count = self._slots.shape[1] - self._filled
        return self._spare.reshape(-1)[: self._n_channels * count].reshape(self._n_channels, count)

    def _take(self) -> int | None:
        """A free slot, the one that came back last for it is in the cache; None while the program holds all of them."""
        while select.select([self._link], [], [], 0.0)[0]:
            given_back = len(self._link.recv(4096))
            if given_back == 0:
                break
            self._free.extend(self._taken.popleft() for _ in range(given_back))
        return self._free.pop() if self._free else None
