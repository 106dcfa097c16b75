"""CRC-32 of byte blocks in compiled code: IEEE 802.3 polynomial 0x04C11DB7, reflected, first and last XOR 0xFFFFFFFF.

A block ends with the checksum of what stands before it, most significant byte first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["CRC_BYTES", "crc32", "crc32_holds", "write_crc32"]

CRC_BYTES = 4

_REFLECTED = 0xEDB88320
_ONES = np.uint32(0xFFFFFFFF)
_BYTE = np.uint32(0xFF)


def _tables() -> npt.NDArray[np.uint32]:
    """Checksum of each byte followed by 0 … 7 zero bytes, uint32 [8, 256], for eight bytes at a time."""
    tables = np.zeros((8, 256), np.uint32)
    tables[0] = np.arange(256)
    for _ in range(8):
        tables[0] = np.where(tables[0] & 1, tables[0] >> 1 ^ np.uint32(_REFLECTED), tables[0] >> 1)
    for zeros in range(1, 8):
        tables[zeros] = tables[zeros - 1] >> 8 ^ tables[0][tables[zeros - 1] & 0xFF]
    return tables


_TABLES = _tables()


@njit(cache=True, nogil=True)
def crc32(data: npt.NDArray[np.uint8], count: int) -> np.uint32:
    """Checksum of the first `count` bytes of `data`, uint8 [>= count].

    >>> hex(crc32(np.frombuffer(b"123456789", np.uint8), 9))
    '0xcbf43926'
    """
    state = _ONES
    size = np.uint64(count)
    at = np.uint64(0)
    while at + np.uint64(8) <= size:
        low, high = state ^ _word(data, at), _word(data, at + np.uint64(4))
        state = (
            _TABLES[7, low & _BYTE]
            ^ _TABLES[6, low >> np.uint32(8) & _BYTE]
            ^ _TABLES[5, low >> np.uint32(16) & _BYTE]
            ^ _TABLES[4, low >> np.uint32(24)]
            ^ _TABLES[3, high & _BYTE]
            ^ _TABLES[2, high >> np.uint32(8) & _BYTE]
            ^ _TABLES[1, high >> np.uint32(16) & _BYTE]
            ^ _TABLES[0, high >> np.uint32(24)]
        )
        at += np.uint64(8)
    while at < size:
        state = state >> np.uint32(8) ^ _TABLES[0, (state ^ np.uint32(data[at])) & _BYTE]
        at += np.uint64(1)
    return state ^ _ONES


@njit(cache=True, nogil=True, inline="always")
def _word(data: npt.NDArray[np.uint8], at: np.uint64) -> np.uint32:
    """Four bytes, the first the least significant one."""
    first, second = np.uint32(data[at]), np.uint32(data[at + np.uint64(1)])
    third, fourth = np.uint32(data[at + np.uint64(2)]), np.uint32(data[at + np.uint64(3)])
    return first | second << np.uint32(8) | third << np.uint32(16) | fourth << np.uint32(24)


@njit(cache=True, nogil=True)
def write_crc32(block: npt.NDArray[np.uint8]) -> None:
    """Put the checksum of a block, uint8 [n], n > 4, into its last four bytes."""
    size = block.shape[0] - CRC_BYTES
    checksum = crc32(block, size)
    for byte in range(CRC_BYTES):
        block[size + byte] = checksum >> np.uint32(24 - 8 * byte) & _BYTE


@njit(cache=True, nogil=True)
def crc32_holds(block: npt.NDArray[np.uint8]) -> bool:
    """Whether a block, uint8 [n], ends with its checksum; never true of four bytes or less, nor of zeros alone."""
    size = block.shape[0] - CRC_BYTES
    if size <= 0:
        return False
    received = np.uint32(0)
    for byte in range(CRC_BYTES):
        received = received << np.uint32(8) | np.uint32(block[size + byte])
    return crc32(block, size) == received
