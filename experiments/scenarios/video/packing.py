"""Packets of a video without a container: which bytes belong to which frame, also when some are lost.

One byte says how the packets are to be read, then stands the length of each frame's packet (LEB128: seven bits a byte,
the lowest first, the eighth set while more follow), then the packets themselves. That is two or three bytes a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Packed", "pack", "unpack"]

_LENGTH_BITS = 28


@dataclass(frozen=True, slots=True)
class Packed:
    """What is left of packets.

    Attributes:
        head: the first byte.
        packets: one for each frame; None where it is empty, cut off, or any of it is lost.
    """

    head: int
    packets: tuple[bytes | None, ...]


def pack(head: int, packets: Sequence[bytes]) -> bytes:
    r"""Packets behind each other.

    >>> pack(1, [b"abc", b"", b"de"])
    b'\x01\x03\x00\x02abcde'
    """
    return b"".join((bytes([head]), *(_leb128(len(packet)) for packet in packets), *packets))


def unpack(data: bytes, count: int, lost: Sequence[tuple[int, int]] = ()) -> Packed | None:
    """Take packets apart.

    Args:
        data: what arrived.
        count: packets in it.
        lost: ranges of bytes that did not, first and one beyond the last; what stands there does not matter.

    Returns:
        The packets; None where the lengths are lost, cut off or longer than any video's.
    """
    lengths: list[int] = []
    at = 1
    while len(lengths) < count:
        value = shift = 0
        while at < len(data) and data[at] >= 128 and shift < _LENGTH_BITS:
            value |= (data[at] & 127) << shift
            at, shift = at + 1, shift + 7
        if at >= len(data) or shift >= _LENGTH_BITS:
            return None
        lengths.append(value | data[at] << shift)
        at += 1
    if not data or _touched(0, at, lost):
        return None
    packets: list[bytes | None] = []
    for length in lengths:
        whole = length > 0 and at + length <= len(data) and not _touched(at, at + length, lost)
        packets.append(data[at : at + length] if whole else None)
        at += length
    return Packed(data[0], tuple(packets))


def _touched(first: int, beyond: int, lost: Sequence[tuple[int, int]]) -> bool:
    return any(start < beyond and end > first for start, end in lost)


def _leb128(value: int) -> bytes:
    found = bytearray()
    while value >= 128:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
