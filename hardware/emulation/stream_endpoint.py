"""Stream endpoints: where data streams enter and leave the device, with their flow control."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .chdr import CommandKind, PacketKind, StatusCode, StreamCommand, StreamStatus, packet

__all__ = ["InputFlow", "OutputFlow", "StreamEndpoint"]

_USABLE = 0.85
"""Part of the host's buffer that is filled: its kernel's bookkeeping needs the rest, and drops what does not fit."""

_UNLIMITED = 1 << 30

_OWN_ID, _RESET, _OUTPUT_CONTROL, _DESTINATION = 0x00, 0x04, 0x08, 0x0C
_REPORT_BYTES_LOW, _REPORT_BYTES_HIGH, _REPORT_PACKETS = 0x10, 0x14, 0x18
_CAPACITY_LOW, _CAPACITY_HIGH, _CAPACITY_PACKETS = 0x20, 0x24, 0x28
_FLOW_CONTROL_ON = 1 << 31
_RESET_INPUT = 1 << 1


class OutputFlow:
    """Credit of a stream to the host: bytes sent and not yet consumed there stay within its buffer."""

    def __init__(self) -> None:
        self.capacity_bytes = 0
        self.capacity_packets = 0
        self.sent_bytes = 0
        self.sent_packets = 0
        self._consumed_bytes = 0

    def restart(self) -> None:
        """Forget what was sent."""
        self.sent_bytes = self.sent_packets = self._consumed_bytes = self.capacity_bytes = 0

    def on_status(self, status: StreamStatus) -> None:
        """The host's report."""
        self.capacity_bytes, self.capacity_packets = status.capacity_bytes, status.capacity_packets
        self._consumed_bytes = status.consumed_bytes

    def affordable(self, packet_bytes: int) -> int:
        """Packets of a size that fit into the host's buffer now."""
        if not self.capacity_bytes:
            return _UNLIMITED
        room = int(_USABLE * self.capacity_bytes) - (self.sent_bytes - self._consumed_bytes)
        return max(0, room // packet_bytes)

    def count(self, n_bytes: int, n_packets: int = 1) -> None:
        """Packets that left, also those that were lost on the way."""
        self.sent_bytes += n_bytes
        self.sent_packets += n_packets


class InputFlow:
    """Account of a stream from the host: how much of it was consumed, and when to say so.

    Args:
        capacity_bytes: room that the host may fill.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self.host = 0
        self.expected_sequence: int | None = None
        self._report_bytes = self._report_packets = 0
        self._bytes = self._packets = 0
        self._reported_bytes = self._reported_packets = 0

    def initialize(self, command: StreamCommand) -> None:
        """A new stream begins; `command` says how often to report."""
        self.host = command.source
        self._report_bytes, self._report_packets = command.n_bytes, command.n_packets
        self._bytes = self._packets = self._reported_bytes = self._reported_packets = 0
        self.expected_sequence = None

    def resynchronize(self, command: StreamCommand, packet_bytes: int) -> None:
        """Take over the host's counts, which exclude the command itself."""
        self._bytes, self._packets = command.n_bytes + packet_bytes, command.n_packets + 1

    def consume(self, n_bytes: int) -> bool:
        """Count a packet; True when a report is due. Its last word counts as whole."""
        self._bytes += n_bytes + 7 & ~7
        self._packets += 1
        due_bytes = 0 < self._report_bytes <= self._bytes - self._reported_bytes
        return due_bytes or 0 < self._report_packets <= self._packets - self._reported_packets

    def report(self, source: int, status: StatusCode = StatusCode.OKAY) -> bytes:
        """Stream status packet with the counts so far."""
        self._reported_bytes, self._reported_packets = self._bytes, self._packets
        body = StreamStatus(source, status, self.capacity_bytes, 0xFFFFFF, self._packets, self._bytes)
        return packet(PacketKind.STREAM_STATUS, self.host, body.pack())


class StreamEndpoint:
    """One data stream in each direction, and the registers that set it up.

    Args:
        instance: number in the device.
        send: sends a datagram to an endpoint id.
        input_capacity_bytes: room for samples to transmit.
    """

    def __init__(self, instance: int, send: Callable[[int, bytes], None], input_capacity_bytes: int) -> None:
        self.instance = instance
        self.own_id = 0xFFF0 + instance  # until libuhd gives it one
        self.destination = 0
        self.sequence = 0
        self.output = OutputFlow()
        self.input = InputFlow(input_capacity_bytes)
        self.on_input_reset: Callable[[], None] = lambda: None
        self._send = send
        self._registers: dict[int, int] = {}
        self._setup: bytes | None = None
        self._lock = threading.Lock()

    def read(self, address: int) -> int:
        """Value of a register."""
        known = {
            _OWN_ID: self.own_id,
            _OUTPUT_CONTROL: _FLOW_CONTROL_ON if self._reports_asked_for() else 0,
            _CAPACITY_LOW: self.output.capacity_bytes & 0xFFFFFFFF,
            _CAPACITY_HIGH: self.output.capacity_bytes >> 32,
            _CAPACITY_PACKETS: self.output.capacity_packets,
        }
        return known.get(address, self._registers.get(address, 0))

    def write(self, address: int, value: int) -> None:
        """Set a register; some start something."""
        self._registers[address] = value
        if address == _OWN_ID:
            self.own_id = value
        elif address == _DESTINATION:
            self.destination = value
        elif address == _RESET and value & _RESET_INPUT:
            self.on_input_reset()
        elif address == _OUTPUT_CONTROL and value & 1:
            self.output.restart()
            self.sequence = 0
            n_bytes = self._registers.get(_REPORT_BYTES_LOW, 0) | self._registers.get(_REPORT_BYTES_HIGH, 0) << 32
            command = StreamCommand(
                self.own_id, CommandKind.INITIALIZE, self._registers.get(_REPORT_PACKETS, 0), n_bytes
            )
            with self._lock:
                self._setup = packet(PacketKind.STREAM_COMMAND, self.destination, command.pack())

    def send_setup(self) -> None:
        """Greet the host's end of a stream that was set up; the host wants its management answer first."""
        with self._lock:
            setup, self._setup = self._setup, None
        if setup is not None:
            self._send(self.destination, setup)

    def send_resynchronization(self) -> None:
        """Tell the host the counts of what was sent, after packets were lost."""
        command = StreamCommand(
            self.own_id, CommandKind.RESYNCHRONIZE, self.output.sent_packets, self.output.sent_bytes
        )
        data = packet(PacketKind.STREAM_COMMAND, self.destination, command.pack())
        self.output.count(len(data))
        self._send(self.destination, data)

    def send_report(self, status: StatusCode = StatusCode.OKAY) -> None:
        """Tell the host what was consumed."""
        self._send(self.input.host, self.input.report(self.own_id, status))

    def _reports_asked_for(self) -> bool:
        asked = (_REPORT_BYTES_LOW, _REPORT_BYTES_HIGH, _REPORT_PACKETS)
        return any(self._registers.get(address, 0) for address in asked)
