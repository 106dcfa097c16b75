"""Endless transmissions in threads: a burst over and over, or blocks that pass through slots of shared memory."""

from __future__ import annotations

import math
import select
import socket
import struct
import threading
import time

import numpy as np
from backend import Backend
from faults import FaultError
from sending import PROBLEMS, Sender, drain, end_burst, finish_burst, send_all

__all__ = ["RepeatLoop", "TransmitLoop"]

#: To transmit: slot and samples; samples -1: the stream ends. Back: slot and underflows so far.
_TAKEN = struct.Struct("<2q")
#: A repeated transmission is handed over in pieces of such a length.
_STEP_S = 0.02
#: So far ahead of their time samples are handed over: what the radio holds cannot be called back.
_AHEAD_S = 0.15
#: The clocks of radio and computer are compared again after so long.
_COMPARE_S = 1.0
#: A transmission that was not reported late so long after its time is on air.
_REPORT_S = 0.005


class _TransmitLoop:
    """What both endless transmissions share: a thread, a lead, a count of underflows, an end.

    A program that is stopped or stuck cannot end a transmission: the longest time it may take is kept here too.
    """

    def __init__(self, backend: Backend, n_channels: int, rate_hz: float, longest_s: float | None) -> None:
        self.underflows = 0
        self._longest_s = math.inf if longest_s is None else longest_s
        self._backend = backend
        self._n_channels = n_channels
        self._rate_hz = rate_hz
        self._stop = threading.Event()
        backend.prepare()
        backend.forget_events()
        self._first, self._due, self._ends = True, 0.0, math.inf
        self._position: int | None = None
        self._now, self._compared = 0, 0.0
        self._keeps_time = backend.now() is not None
        self._sender: Sender | None = None

    def stop(self, at_once: bool) -> int:
        """End the transmission, after what is queued or at once; returns the number of underflows."""
        if at_once:
            self._stop.set()
        if self._sender is not None:
            self._sender.wait()
        return self.underflows

    def _begin(self, lead_s: float) -> None:
        """Let the next samples be the first ones, in so many seconds."""
        self._first, self._due = True, time.monotonic() + lead_s
        self._ends = min(self._ends, self._due + self._longest_s)
        self._compare()
        self._position = self._now + int(lead_s * self._rate_hz) if self._keeps_time else None

    def _send(self, samples: np.ndarray) -> bool:
        """Hand over samples, not too far ahead of their time; False once the transmission is to end."""
        while (ahead_s := self._ahead_s()) > _AHEAD_S and not self._stop.is_set():
            time.sleep(min(ahead_s - _AHEAD_S, 0.05))
        if time.monotonic() > self._ends:
            # Gain first: what the radio still holds takes its time to leave it.
            self._backend.set_transmit_gain(False)
            self._stop.set()
            return False
        at = self._position if self._first else None
        wait_s = max(0.0, self._due - time.monotonic()) + 0.5
        try:
            send_all(
                self._backend,
                samples,
                at,
                first=self._first,
                last=False,
                wait_s=wait_s,
                rate_hz=self._rate_hz,
                stop=self._stop.is_set,
            )
        except FaultError as fault:
            if fault.kind != "aborted":
                raise
            return False
        self._first = False
        if self._position is not None:
            self._position += samples.shape[1]
        return True

    def _ahead_s(self) -> float:
        """Seconds until what was handed over last leaves the antenna; underflows make it shorter than it is."""
        if self._position is None:
            return 0.0
        # The computer's clock is near enough to the radio's for a while, and needs no answer from a busy radio.
        if time.monotonic() > self._compared + _COMPARE_S:
            self._compare()
        now = self._now + (time.monotonic() - self._compared) * self._rate_hz
        return (self._position - now) / self._rate_hz

    def _compare(self) -> None:
        """Read the radio's clock and the computer's together."""
        self._now, self._compared = self._backend.now() or 0, time.monotonic()

    def _finish(self) -> None:
        """End the burst, and wait until the radio has sent what it still holds."""
        if self._first:
            return
        end_burst(self._backend, self._n_channels)
        try:
            finish_burst(self._backend, max(0.0, self._ahead_s()), self._n_channels, lambda: False)
        except FaultError as fault:
            if fault.kind == "underflow":
                self.underflows += 1
            elif fault.kind != "timeout" or not self.underflows:
                raise  # after an underflow there is no end to report: the burst has ended already

    def _reports(self, timeout_s: float = 0.0) -> str | None:
        """Take the radio's reports; underflows are counted, the first of another kind is returned."""
        while (event := self._backend.event(timeout_s)) is not None:
            if event == "underflow":
                self.underflows += 1
            elif event != "done":
                return event
        return None


class RepeatLoop(_TransmitLoop):
    """Sends the same samples over and over.

    Args:
        backend: the device.
        samples: complex64 [channels, n].
        rate_hz: sample rate.
        leads_s: from the order to the first sample; the next one is tried when the radio finds one too short.
        longest_s: after which it ends by itself; None for no end.
    """

    def __init__(
        self,
        backend: Backend,
        samples: np.ndarray,
        rate_hz: float,
        leads_s: tuple[float, ...],
        longest_s: float | None,
    ) -> None:
        super().__init__(backend, samples.shape[0], rate_hz, longest_s)
        # One call for each period would cost more than the samples of a short one.
        self._step = max(4096, int(_STEP_S * rate_hz))
        self._samples = np.tile(samples, (1, -(-self._step // samples.shape[1])))
        self._leads_s = leads_s
        self._on_air = threading.Event()
        self._sender = Sender(self._run)

    def wait_on_air(self) -> None:
        """Return as soon as the first sample is on air; raises what went wrong before."""
        self._on_air.wait()
        if self._sender is not None and self._sender.failure is not None:
            raise self._sender.failure

    def _run(self) -> None:
        try:
            if not any(self._lasted(lead_s) for lead_s in self._leads_s):
                raise FaultError("late", PROBLEMS["late"])
        finally:
            self._on_air.set()

    def _lasted(self, lead_s: float) -> bool:
        """Transmit until the end; False when the radio says at once that it is too late."""
        self._begin(lead_s)
        place = 0
        while self._send(self._samples[:, place : place + self._step]):
            place = place + self._step if place + self._step < self._samples.shape[1] else 0
            event = self._reports()
            if event == "late" and not self._on_air.is_set():
                end_burst(self._backend, self._n_channels)
                return False
            if event is not None:
                raise FaultError(event, PROBLEMS[event])
            if time.monotonic() > self._due + _REPORT_S:
                self._on_air.set()
        self._finish()
        return True


class TransmitLoop(_TransmitLoop):
    """Sends blocks as the program delivers them, and gives their slots back.

    Args:
        backend: the device.
        slots: complex64 [slots, channels, n] in shared memory.
        rate_hz: sample rate.
        lead_s: from the first block to its first sample.
        link: the blocks arrive and the slots go back through it.
        longest_s: after which it ends by itself; None for no end.
    """

    def __init__(
        self,
        backend: Backend,
        slots: np.ndarray,
        rate_hz: float,
        lead_s: float,
        link: socket.socket,
        longest_s: float | None,
    ) -> None:
        super().__init__(backend, slots.shape[1], rate_hz, longest_s)
        self._slots = slots
        self._lead_s = lead_s
        self._link = link
        drain(link)
        self._sender = Sender(self._run)

    def _next(self) -> tuple[int, int] | None:
        """The next block's slot and length; None once the stream is to end."""
        while not self._stop.is_set():
            if select.select([self._link], [], [], 0.1)[0]:
                record = self._link.recv(_TAKEN.size, socket.MSG_WAITALL)
                if len(record) < _TAKEN.size:
                    return None
                slot, count = _TAKEN.unpack(record)
                return (slot, count) if count >= 0 else None
        return None

    def _run(self) -> None:
        begun = False
        while (block := self._next()) is not None:
            slot, count = block
            if not begun:
                self._begin(self._lead_s)
                begun = True
            samples = self._slots[slot].reshape(-1)[: self._n_channels * count].reshape(self._n_channels, count)
            if not self._send(samples):
                break
            event = self._reports()
            self._link.sendall(_TAKEN.pack(slot, self.underflows))
            if event is not None:
                raise FaultError(event, PROBLEMS[event])
        self._finish()
