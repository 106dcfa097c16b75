"""CRC-32 of byte blocks (IEEE 802.3 polynomial 0x04C11DB7, reflected, initial value and final XOR 0xFFFFFFFF)."""

from __future__ import annotations

import zlib

from ...errors import SettingsError

__all__ = ["CRC_BYTES", "append_crc32", "check_crc32"]

CRC_BYTES = 4


def append_crc32(payload: bytes) -> bytes:
    """The payload followed by its CRC-32, most significant byte first.

    Raises:
        SettingsError: empty payload; its checksum is 0, and an erased block would pass as good.

    >>> append_crc32(b"123456789").hex()
    '313233343536373839cbf43926'
    """
    if not payload:
        raise SettingsError("CRC-32 of an empty block: needed at least one byte; leave the block out.")
    return bytes(payload) + zlib.crc32(payload).to_bytes(CRC_BYTES, "big")


def check_crc32(block: bytes) -> bytes | None:
    """The payload of a block made by `append_crc32`; None if the checksum disagrees or nothing but a checksum is there.

    >>> check_crc32(append_crc32(b"picture"))
    b'picture'
    >>> check_crc32(b"picturesque") is None
    True
    """
    if len(block) <= CRC_BYTES:
        return None
    payload = bytes(block[:-CRC_BYTES])
    return payload if zlib.crc32(payload).to_bytes(CRC_BYTES, "big") == bytes(block[-CRC_BYTES:]) else None
