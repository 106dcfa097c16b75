"""Packets of CHDR, 64 bits wide: what a networked USRP exchanges with libuhd over UDP."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple, Self

__all__ = [
    "END_OF_BURST",
    "CommandKind",
    "ControlMessage",
    "ControlOperation",
    "Header",
    "PacketKind",
    "StatusCode",
    "StreamCommand",
    "StreamStatus",
    "data_header_word",
    "packet",
]

END_OF_BURST = 1 << 57
"""Flag in the header word of a burst's last packet."""

_WORD = struct.Struct("<Q")


class PacketKind(IntEnum):
    """Type field of the header word."""

    MANAGEMENT = 0
    STREAM_STATUS = 1
    STREAM_COMMAND = 2
    CONTROL = 4
    DATA = 6
    TIMED_DATA = 7


class CommandKind(IntEnum):
    """What a stream command asks of the other end."""

    INITIALIZE = 0
    PING = 1
    RESYNCHRONIZE = 2


class StatusCode(IntEnum):
    """What a stream status reports."""

    OKAY = 0
    SEQUENCE_ERROR = 2


class ControlOperation(IntEnum):
    """What a control message does with registers."""

    WRITE = 1
    READ = 2
    BLOCK_WRITE = 4
    BLOCK_READ = 5


class Header(NamedTuple):
    """First word of a packet, and where its payload lies.

    Attributes:
        kind: one of `PacketKind`, as it is on the wire.
        destination: endpoint id.
        sequence: number of the packet in its stream, modulo 2^16.
        length: of the packet in bytes, headers included.
        end_of_burst: last packet of a burst.
        time_ticks: device time of the first sample; None without one.
        payload_start: offset of the payload in bytes.
    """

    kind: int
    destination: int
    sequence: int
    length: int
    end_of_burst: bool
    time_ticks: int | None
    payload_start: int

    @classmethod
    def parse(cls, data: bytes) -> Self | None:
        """Header of a received datagram; None where it is no whole packet."""
        if len(data) < 8:
            return None
        (word,) = _WORD.unpack_from(data)
        kind, length, start, ticks = word >> 53 & 7, word >> 16 & 0xFFFF, 8, None
        if kind == PacketKind.TIMED_DATA and len(data) >= 16:
            (ticks,) = _WORD.unpack_from(data, 8)
            start = 16
        start += 8 * (word >> 48 & 31)
        if not start <= length <= len(data):
            return None
        return cls(kind, word & 0xFFFF, word >> 32 & 0xFFFF, length, bool(word & END_OF_BURST), ticks, start)


def data_header_word(destination: int, length: int) -> int:
    """Header word of a data packet with a time, number 0 of its stream."""
    return PacketKind.TIMED_DATA << 53 | length << 16 | destination


def packet(kind: PacketKind, destination: int, payload: bytes, sequence: int = 0) -> bytes:
    """A packet without time and metadata."""
    length = 8 + len(payload)
    return _WORD.pack(kind << 53 | (sequence & 0xFFFF) << 32 | length << 16 | destination) + payload


class StreamCommand(NamedTuple):
    """Payload of a stream command: byte and packet counts, or how often to report them."""

    source: int
    kind: int
    n_packets: int
    n_bytes: int

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read a payload of at least 16 bytes."""
        first, n_bytes = struct.unpack_from("<2Q", payload)
        return cls(first & 0xFFFF, first >> 16 & 0xF, first >> 24, n_bytes)

    def pack(self) -> bytes:
        """Payload, 16 bytes."""
        return struct.pack("<2Q", self.source | self.kind << 16 | self.n_packets << 24, self.n_bytes)


class StreamStatus(NamedTuple):
    """Payload of a stream status: room at the receiving end, and what it has consumed since the stream began."""

    source: int
    status: int
    capacity_bytes: int
    capacity_packets: int
    consumed_packets: int
    consumed_bytes: int

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read a payload of at least 24 bytes."""
        first, second, n_bytes = struct.unpack_from("<3Q", payload)
        return cls(first & 0xFFFF, first >> 16 & 0xF, first >> 24, second & 0xFFFFFF, second >> 24, n_bytes)

    def pack(self) -> bytes:
        """Payload, 32 bytes."""
        return struct.pack(
            "<4Q",
            self.source | self.status << 16 | self.capacity_bytes << 24,
            self.capacity_packets | self.consumed_packets << 24,
            self.consumed_bytes,
            0,
        )


class ControlMessage(NamedTuple):
    """Payload of a control packet: an operation on consecutive 32-bit registers, or its acknowledgement.

    Attributes:
        destination_port: control port it is for.
        source_port: control port it comes from.
        source: endpoint id it comes from.
        sequence: number modulo 64.
        operation: one of `ControlOperation`, as it is on the wire.
        address: of the first register.
        data: words written, or room for words read.
        acknowledges: whether this is an answer.
        time_ticks: device time at which to execute; None for at once.
        byte_enable: which bytes of the words count.
    """

    destination_port: int
    source_port: int
    source: int
    sequence: int
    operation: int
    address: int
    data: tuple[int, ...]
    acknowledges: bool = False
    time_ticks: int | None = None
    byte_enable: int = 0xF

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read a payload; struct.error where it is too short for what it announces."""
        (first,) = _WORD.unpack_from(payload)
        start, ticks = 8, None
        if first >> 30 & 1:
            (ticks,) = _WORD.unpack_from(payload, 8)
            start = 16
        (operation,) = struct.unpack_from("<I", payload, start)
        return cls(
            destination_port=first & 0x3FF,
            source_port=first >> 10 & 0x3FF,
            source=first >> 32 & 0xFFFF,
            sequence=first >> 24 & 0x3F,
            operation=operation >> 24 & 0xF,
            address=operation & 0xFFFFF,
            data=struct.unpack_from(f"<{first >> 20 & 0xF}I", payload, start + 4),
            acknowledges=bool(first >> 31 & 1),
            time_ticks=ticks,
            byte_enable=operation >> 20 & 0xF,
        )

    def pack(self) -> bytes:
        """Payload, padded to whole words."""
        timed = self.time_ticks is not None
        payload = _WORD.pack(
            self.destination_port
            | self.source_port << 10
            | len(self.data) << 20
            | self.sequence << 24
            | timed << 30
            | self.acknowledges << 31
            | self.source << 32
        )
        if self.time_ticks is not None:
            payload += _WORD.pack(self.time_ticks)
        operation = self.address | self.byte_enable << 20 | self.operation << 24
        payload += struct.pack(f"<{1 + len(self.data)}I", operation, *self.data)
        return payload + bytes(-len(payload) % 8)

    def acknowledgement(self, source: int, data: tuple[int, ...]) -> ControlMessage:
        """The answer from endpoint `source`, ports as they came, with the words read."""
        return self._replace(acknowledges=True, source=source, data=data)
