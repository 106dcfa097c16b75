"""Management packets: how libuhd walks over a device's network of transport, crossbar and stream endpoints."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from .chdr import Header, PacketKind, packet

__all__ = ["Addressee", "ManagementAnswer", "ManagementGraph"]


class _Operation(IntEnum):
    ADVERTISE = 1
    SELECT_DESTINATION = 2
    RETURN = 3
    REQUEST_INFO = 4
    INFO = 5
    WRITE = 6
    READ = 7
    READ_ANSWER = 8


class _NodeKind(IntEnum):
    CROSSBAR = 1
    ENDPOINT = 2
    TRANSPORT = 3


class Addressee(Protocol):
    """Stream endpoint as management sees it: registers."""

    def read(self, address: int) -> int:
        """Value of a register."""

    def write(self, address: int, value: int) -> None:
        """Set a register."""


class ManagementAnswer(NamedTuple):
    """What comes of a management packet.

    Attributes:
        source: endpoint id that sent it; it lives where the packet came from.
        reply: datagram to send back; None where the packet ended inside the device.
    """

    source: int
    reply: bytes | None


class _Step(NamedTuple):
    operation: int
    argument: int


class ManagementGraph:
    """Transport 0 - crossbar port 0; crossbar port 1 + i - endpoint i.

    Every node executes and removes one hop of a packet; the hop that returns it carries the answers back.

    Args:
        endpoints: the stream endpoints. The first one also carries control.
    """

    def __init__(self, endpoints: Sequence[Addressee]) -> None:
        self.device_id = 0
        self._endpoints = tuple(endpoints)

    def handle(self, header: Header, data: bytes) -> ManagementAnswer | None:
        """Execute a packet; None where it is malformed."""
        payload = data[header.payload_start : header.length]
        if len(payload) < 8 or len(payload) % 8:
            return None
        first, *words = struct.unpack(f"<{len(payload) // 8}Q", payload)
        source, hops = first & 0xFFFF, _split_hops(words)
        node: tuple[_NodeKind, int] | None = (_NodeKind.TRANSPORT, 0)
        answers: list[_Step] = []
        while hops and node is not None:
            hop, destination, returns = hops.pop(0), None, False
            for step in hop:
                if step.operation == _Operation.SELECT_DESTINATION:
                    destination = step.argument & 0xFFFF
                elif step.operation == _Operation.RETURN:
                    returns = True
                else:
                    answers += self._execute(node, step)
            if returns:
                return ManagementAnswer(source, self._reply(source, header.sequence, first, hops, answers))
            node = self._next(node, destination)
        return ManagementAnswer(source, None)

    def _execute(self, node: tuple[_NodeKind, int], step: _Step) -> list[_Step]:
        kind, instance = node
        if step.operation == _Operation.REQUEST_INFO:
            argument = self.device_id | kind << 16 | instance << 20 | self._extended_info(kind, instance) << 30
            return [_Step(_Operation.INFO, argument)]
        if kind == _NodeKind.ENDPOINT:
            address = step.argument & 0xFFFF
            if step.operation == _Operation.WRITE:
                self._endpoints[instance].write(address, step.argument >> 16 & 0xFFFFFFFF)
            elif step.operation == _Operation.READ:
                value = self._endpoints[instance].read(address)
                return [_Step(_Operation.READ_ANSWER, address | value << 16)]
        return []

    def _extended_info(self, kind: _NodeKind, instance: int) -> int:
        if kind == _NodeKind.CROSSBAR:
            return 1 + len(self._endpoints) | 1 << 8  # ports, of which transports
        if kind == _NodeKind.ENDPOINT:
            return int(instance == 0) | 1 << 1 | 1 << 2 | 1 << 8  # control, data, one input, one output
        return 0

    def _next(self, node: tuple[_NodeKind, int], destination: int | None) -> tuple[_NodeKind, int] | None:
        if node[0] == _NodeKind.TRANSPORT:
            return _NodeKind.CROSSBAR, 0
        if node[0] == _NodeKind.CROSSBAR and destination and destination <= len(self._endpoints):
            return _NodeKind.ENDPOINT, destination - 1
        return None  # nothing is connected there, and what is not there stays silent

    @staticmethod
    def _reply(
        destination: int, sequence: int, first: int, hops: list[list[_Step]], answers: list[_Step]
    ) -> bytes | None:
        if not hops:
            return None
        hops[0] = hops[0] + answers
        words = [
            step.argument << 16 | step.operation << 8 | len(hop) - 1 - k for hop in hops for k, step in enumerate(hop)
        ]
        # Protocol version and width stay; the source becomes 0, the device's own management.
        first = first & ~(0x3FF << 16 | 0xFFFF) | len(hops) << 16
        payload = struct.pack(f"<{1 + len(words)}Q", first, *words)
        return packet(PacketKind.MANAGEMENT, destination, payload, sequence)


def _split_hops(words: Sequence[int]) -> list[list[_Step]]:
    hops: list[list[_Step]] = []
    hop: list[_Step] = []
    for word in words:
        hop.append(_Step(word >> 8 & 0xFF, word >> 16))
        if word & 0xFF == 0:  # operations left in this hop
            hops.append(hop)
            hop = []
    return hops
