"""The radio block of the FPGA: registers that libuhd reads and writes, and the messages it sends on its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from .chdr import ControlMessage, ControlOperation
from .rfnoc_topology import RADIO_PORT
from .sample_clock import SampleClock
from .wire_samples import BYTES_PER_SAMPLE, HEADER_BYTES

__all__ = ["CaptureCommand", "CaptureMode", "RadioBlock", "RxEvent", "TxEvent"]

_CHANNELS_START, _CHANNEL_SPAN = 0x1000, 0x80
_COMPATIBILITY, _TIME_LOW, _TIME_HIGH = 0x00, 0x04, 0x08
_SAMPLE_FORMAT = 0x1004
_RX_COMMAND, _RX_COUNT, _RX_TIME = 0x14, 0x18, 0x20
_RX_SAMPLES_PER_PACKET, _RX_REPORT, _RX_DATA, _TX_IDLE, _TX_REPORT = 0x28, 0x2C, 0x3C, 0x40, 0x48
_DEFAULT_SAMPLES_PER_PACKET = 364
_LARGEST_SAMPLES_PER_PACKET = (8192 - HEADER_BYTES) // BYTES_PER_SAMPLE


class CaptureMode(IntEnum):
    """What a receive command asks for."""

    STOP = 0
    FINITE = 1
    CONTINUOUS = 2


class RxEvent(IntEnum):
    """What the receiver reports on its own."""

    LATE_COMMAND = 1
    OVERRUN = 2


class TxEvent(IntEnum):
    """What the transmitter reports on its own."""

    UNDERRUN = 1
    LATE_DATA = 2
    BURST_DONE = 3


class CaptureCommand(NamedTuple):
    """A receive command.

    Attributes:
        mode: what to do.
        n_samples: length of a finite capture.
        start: number of the first sample; None for at once.
        arrival: number of the sample on the air when the command came.
    """

    mode: CaptureMode
    n_samples: int
    start: int | None
    arrival: int


class RadioBlock:
    """Registers of all channels.

    Args:
        clock: the device's time.
        n_channels: 1 or more.
        own_id: tells the endpoint id that control messages come from.
        send: sends a control message to an endpoint id.
        on_command: takes (channel, command) of a receive command.
    """

    def __init__(
        self,
        clock: SampleClock,
        n_channels: int,
        own_id: Callable[[], int],
        send: Callable[[int, ControlMessage], None],
        on_command: Callable[[int, CaptureCommand], None],
    ) -> None:
        self._clock = clock
        self._n_channels = n_channels
        self._own_id = own_id
        self._send = send
        self._on_command = on_command
        self._registers: dict[int, int] = {}
        self._latched_ticks = 0
        self._sequence = 0
        self._lock = threading.Lock()

    def read(self, address: int) -> int:
        """Value of a register."""
        if address == _COMPATIBILITY:
            return 1
        if address == _TIME_LOW:  # latches the upper half
            self._latched_ticks = self._clock.ticks(self._clock.now())
            return self._latched_ticks & 0xFFFFFFFF
        if address == _TIME_HIGH:
            return self._latched_ticks >> 32
        if address == _SAMPLE_FORMAT:
            return 32 << 16 | 1  # 16 bits a rail, one sample a clock
        if address >= _CHANNELS_START and (address - _CHANNELS_START) % _CHANNEL_SPAN == _RX_DATA:
            # libuhd checks the wires to the converter: what the transmitter idles with comes back.
            return self._registers.get(address - _RX_DATA + _TX_IDLE, 0)
        return self._registers.get(address, 0)

    def write(self, address: int, value: int) -> None:
        """Set a register; the command register starts or stops a capture."""
        self._registers[address] = value
        channel, offset = divmod(address - _CHANNELS_START, _CHANNEL_SPAN)
        if 0 <= channel < self._n_channels and offset == _RX_COMMAND and value & 3 in tuple(CaptureMode):
            start = self._clock.sample(self._wide(channel, _RX_TIME)) if value >> 31 else None
            mode = CaptureMode(value & 3)
            command = CaptureCommand(mode, self._wide(channel, _RX_COUNT), start, self._clock.now())
            self._on_command(channel, command)

    def samples_per_packet(self, channel: int) -> int:
        """Samples in a full received packet."""
        asked = self._register(channel, _RX_SAMPLES_PER_PACKET) or _DEFAULT_SAMPLES_PER_PACKET
        return min(asked, _LARGEST_SAMPLES_PER_PACKET)

    def report_rx(self, channel: int, event: RxEvent) -> None:
        """Tell the host what happened to a capture, just now."""
        self._report(channel, _RX_REPORT, event, self._clock.ticks(self._clock.now()))

    def report_tx(self, channel: int, event: TxEvent, sample: int) -> None:
        """Tell the host what happened to a burst, and at which sample."""
        self._report(channel, _TX_REPORT, event, self._clock.ticks(sample))

    def _report(self, channel: int, base: int, code: int, ticks: int) -> None:
        # Four registers say where to: our port (fixed), the host's port, its endpoint, and the address it listens at.
        port, endpoint, address = (self._register(channel, base + 4 * k) for k in (1, 2, 3))
        with self._lock:
            self._sequence = sequence = self._sequence + 1 & 0x3F
        message = ControlMessage(
            port, RADIO_PORT, self._own_id(), sequence, ControlOperation.WRITE, address, (code,), time_ticks=ticks
        )
        self._send(endpoint, message)

    def _register(self, channel: int, offset: int) -> int:
        return self._registers.get(_CHANNELS_START + _CHANNEL_SPAN * channel + offset, 0)

    def _wide(self, channel: int, offset: int) -> int:
        return self._register(channel, offset) | self._register(channel, offset + 4) << 32
