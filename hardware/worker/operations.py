"""What the program can ask of the worker, one operation at a time; streams run in threads meanwhile."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

import numpy as np
from areas import SharedArea
from backend import Backend
from faults import FaultError
from receive_loop import ReceiveLoop
from receiving import receive_exactly
from sending import Sender, end_burst, finish_burst, send_all
from transmit_loops import RepeatLoop, TransmitLoop

__all__ = ["Operations"]

#: From the order to the first sample. The radio drops what is late without transmitting any of it, so a longer lead
#: can be tried afterwards; the short one keeps exchanges quick on an idle computer.
_LEADS_S = (0.03, 0.3)
#: A stream's first block waits for others, so that they are there in time.
_STREAM_LEAD_S = 0.1
#: A capture that lost samples on the way is taken again so many times: nobody waits for a certain moment in it.
_CAPTURE_ATTEMPTS = 3
#: Putting the device in order after a fault may take so long.
_TIDY_S = 1.5


class Operations:
    """The operations by name; each returns JSON-compatible values or raises `FaultError`.

    Args:
        backend: the device.
        notify: tells the program what went wrong, of which kind, and how long the request still takes.
        abort: set while the running operation is to break off.
        receive_link: blocks of a receive stream.
        transmit_link: blocks of a transmit stream.
        areas: descriptors of the memory of bursts, received blocks and blocks to transmit.
    """

    def __init__(
        self,
        backend: Backend,
        notify: Callable[[str, str, float], None],
        abort: threading.Event,
        receive_link: socket.socket,
        transmit_link: socket.socket,
        areas: list[int],
    ) -> None:
        self._backend = backend
        self._notify = notify
        self._abort = abort
        self._receive_link, self._transmit_link = receive_link, transmit_link
        self._bursts, self._received, self._transmitted = (SharedArea(descriptor) for descriptor in areas)
        self._rate_hz = 1.0
        self._transmitter: RepeatLoop | TransmitLoop | None = None
        self._receiver: ReceiveLoop | None = None
        self._sender: Sender | None = None
        self._operations: dict[str, Callable[..., dict]] = {
            "open": self._open,
            "configure": self._configure,
            "exchange": self._exchange,
            "capture": self._capture,
            "repeat_start": self._repeat_start,
            "transmit_stream_start": self._transmit_stream_start,
            "transmit_stop": self._transmit_stop,
            "receive_stream_start": self._receive_stream_start,
            "receive_stream_stop": self._receive_stream_stop,
            "temperature": self._temperature,
            "mute": self._mute,
        }

    def run(self, name: str, arguments: dict) -> dict:
        """Carry out one operation."""
        return self._operations[name](**arguments)

    def leave(self) -> None:
        """End everything, mute and release the device."""
        with contextlib.suppress(FaultError):
            self._receive_stream_stop()
        with contextlib.suppress(FaultError):
            self._mute()
        self._backend.close()

    def _open(self, address: dict) -> dict:
        return self._backend.open(address)

    def _temperature(self) -> dict:
        return {"temperature_c": self._backend.temperature_c()}

    def _configure(self, settings: dict) -> dict:
        self._rate_hz = settings["sample_rate_hz"]
        actual = self._backend.configure(settings)
        self._rate_hz = actual["sample_rate_hz"][0]
        return actual

    def _exchange(self, transmit: list[int], receive: list[int], before: int) -> dict:
        samples = self._bursts.samples(transmit[0], tuple(transmit[1:]))
        received = self._bursts.samples(receive[0], tuple(receive[1:]))
        for lead_s in _LEADS_S:
            try:
                return self._exchange_once(samples, received, before, lead_s)
            except FaultError as fault:
                again = fault.kind == "late" and lead_s != _LEADS_S[-1]
                lasts_s = max(samples.shape[1], received.shape[1]) / self._rate_hz
                self._tidy(fault, remaining_s=lasts_s + _LEADS_S[-1] + _TIDY_S if again else _TIDY_S)
                if not again:
                    raise
        raise AssertionError

    def _exchange_once(self, samples: np.ndarray, received: np.ndarray, before: int, lead_s: float) -> dict:
        backend, rate_hz = self._backend, self._rate_hz
        backend.forget_events()
        backend.set_transmit_gain(True)
        start, began = self._start(lead_s)
        backend.start_receiving(received.shape[1], start)
        burst_at = None if start is None else start + before
        failed = threading.Event()

        def stop() -> bool:
            return failed.is_set() or self._abort.is_set()

        def send() -> None:
            wait_s = lead_s + before / rate_hz
            try:
                send_all(backend, samples, burst_at, first=True, last=True, wait_s=wait_s, rate_hz=rate_hz, stop=stop)
            except FaultError:
                end_burst(backend, samples.shape[0])
                finish_burst(backend, 0.0, samples.shape[0], lambda: False)
                raise
            end_s = began + lead_s + (before + samples.shape[1]) / rate_hz
            finish_burst(backend, max(0.0, end_s - time.monotonic()), samples.shape[0], stop)

        self._sender = Sender(send)
        try:
            first = receive_exactly(backend, received, start, lead_s, rate_hz, self._abort)
        except BaseException:
            failed.set()
            raise
        self._sender.wait()
        backend.set_transmit_gain(False)
        began_unix_s = time.time() - (time.monotonic() - began)
        return {"first": first, "start_unix_s": began_unix_s + lead_s}

    def _capture(self, receive: list[int]) -> dict:
        received = self._bursts.samples(receive[0], tuple(receive[1:]))
        lead_s = _LEADS_S[0]
        for attempt in range(_CAPTURE_ATTEMPTS):
            try:
                start, began = self._start(lead_s)
                self._backend.start_receiving(received.shape[1], start)
                wait_s = 0.0 if start is None else lead_s
                first = receive_exactly(self._backend, received, start, wait_s, self._rate_hz, self._abort)
            except FaultError as fault:
                again = fault.kind in ("late", "overflow", "lost") and attempt + 1 < _CAPTURE_ATTEMPTS
                lasts_s = received.shape[1] / self._rate_hz
                self._tidy_receiver(fault, lasts_s + _LEADS_S[-1] + _TIDY_S if again else _TIDY_S)
                if not again:
                    raise
                if fault.kind == "late":
                    lead_s = _LEADS_S[-1]
            else:
                began_unix_s = time.time() - (time.monotonic() - began)
                return {"first": first, "start_unix_s": began_unix_s + wait_s, "repeats": attempt}
        raise AssertionError

    def _start(self, lead_s: float) -> tuple[int | None, float]:
        """The device's time in so many seconds, and the computer's time now."""
        self._backend.prepare()
        now, began = self._backend.now(), time.monotonic()
        return (None if now is None else now + int(lead_s * self._rate_hz)), began

    def _repeat_start(self, transmit: list[int], longest_s: float | None) -> dict:
        samples = self._bursts.samples(transmit[0], tuple(transmit[1:])).copy()
        self._backend.set_transmit_gain(True)
        self._transmitter = RepeatLoop(self._backend, samples, self._rate_hz, _LEADS_S, longest_s)
        try:
            self._transmitter.wait_on_air()
        except FaultError as fault:
            self._transmitter = None
            self._tidy(fault)
            raise
        return {}

    def _transmit_stream_start(self, shape: list[int], longest_s: float | None) -> dict:
        samples = self._transmitted.samples(0, tuple(shape))
        self._backend.set_transmit_gain(True)
        self._transmitter = TransmitLoop(
            self._backend, samples, self._rate_hz, _STREAM_LEAD_S, self._transmit_link, longest_s
        )
        return {}

    def _transmit_stop(self, at_once: bool) -> dict:
        loop, self._transmitter = self._transmitter, None
        if loop is None:
            return {"underflows": 0}
        try:
            if at_once:
                self._backend.set_transmit_gain(False)
            underflows = loop.stop(at_once)
        except FaultError as fault:
            self._tidy(fault)
            raise
        self._backend.set_transmit_gain(False)
        return {"underflows": underflows}

    def _receive_stream_start(self, shape: list[int], channels: int) -> dict:
        samples = self._received.samples(0, tuple(shape))
        self._receiver = ReceiveLoop(self._backend, samples, channels, self._rate_hz, _LEADS_S, self._receive_link)
        return {}

    def _receive_stream_stop(self) -> dict:
        loop, self._receiver = self._receiver, None
        if loop is not None:
            loop.stop()
        return {}

    def _mute(self) -> dict:
        """Gain first: the antenna is silent before anything else is put in order."""
        self._backend.set_transmit_gain(False)
        loop, self._transmitter = self._transmitter, None
        if loop is not None:
            with contextlib.suppress(FaultError):
                loop.stop(at_once=True)
        if self._receiver is None:
            self._backend.drop_streams()
        return {}

    def _tidy(self, fault: FaultError, remaining_s: float = _TIDY_S) -> None:
        """Put both directions in order after a fault; one that also fails means that the device is gone."""
        self._tidy_receiver(fault, remaining_s, self._silence)

    def _silence(self) -> None:
        """Gain first: what the radio still holds of a burst takes its time to leave it."""
        self._backend.set_transmit_gain(False)
        sender, self._sender = self._sender, None
        if sender is not None:
            with contextlib.suppress(FaultError):
                sender.wait()

    def _tidy_receiver(self, fault: FaultError, remaining_s: float, first: Callable[[], None] = lambda: None) -> None:
        self._notify(fault.text, fault.kind, remaining_s)
        try:
            first()
            self._backend.stop_receiving()
            if self._transmitter is None:
                self._backend.drop_streams()
        except FaultError as another:
            raise FaultError("disconnected", f"{fault.text}; then {another.text}") from fault
