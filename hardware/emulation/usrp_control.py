"""Control messages to an emulated USRP: registers of its blocks, at once or at a device time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .chdr import ControlMessage, ControlOperation
from .radio_block import RadioBlock
from .rfnoc_topology import RADIO_PORT
from .sample_clock import SampleClock

__all__ = ["ControlPort"]

_FIFO_MESSAGES = 32


class ControlPort:
    """Executes control messages and acknowledges them.

    Args:
        clock: for messages that are to be executed later.
        radio: the radio block's registers.
        topology: read-only registers of what is inside.
        send: sends a control message to an endpoint id.
    """

    def __init__(
        self,
        clock: SampleClock,
        radio: RadioBlock,
        topology: dict[int, int],
        send: Callable[[int, ControlMessage], None],
    ) -> None:
        self._clock = clock
        self._radio = radio
        self._topology = topology
        self._send = send
        self._timers: set[threading.Timer] = set()
        self._lock = threading.Lock()

    def handle(self, message: ControlMessage, own_id: int) -> None:
        """Execute a message for endpoint `own_id`; a timed one is executed, and acknowledged, at its time."""
        if message.acknowledges:
            return  # of a report that was sent
        wait_s = 0.0
        if message.time_ticks is not None:
            wait_s = self._clock.seconds_until(self._clock.sample(message.time_ticks))
        if wait_s <= 0:
            self._execute(message, own_id)
            return
        with self._lock:
            self._timers = {each for each in self._timers if each.is_alive()}
            if len(self._timers) >= _FIFO_MESSAGES or wait_s > threading.TIMEOUT_MAX:
                return  # no room: the host gets no acknowledgement
            timer = threading.Timer(wait_s, self._execute, (message, own_id))
            timer.daemon = True
            timer.start()
            self._timers.add(timer)

    def stop(self) -> None:
        """Forget what is to be executed later."""
        with self._lock:
            timers, self._timers = self._timers, set()
        for timer in timers:
            timer.cancel()
            timer.join()

    def _execute(self, message: ControlMessage, own_id: int) -> None:
        data = message.data
        addresses = [message.address + 4 * k for k in range(len(data))]
        for_radio = message.destination_port == RADIO_PORT
        if message.operation in (ControlOperation.WRITE, ControlOperation.BLOCK_WRITE) and for_radio:
            for address, value in zip(addresses, data, strict=True):
                self._radio.write(address, value)
        elif message.operation in (ControlOperation.READ, ControlOperation.BLOCK_READ):
            data = tuple(self._radio.read(each) if for_radio else self._topology.get(each, 0) for each in addresses)
        self._send(message.source, message.acknowledgement(own_id, data))
