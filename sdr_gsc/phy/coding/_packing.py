"""Bytes to bits and back in compiled code, the most significant bit first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["pack_bits", "unpack_bits"]

_EIGHT = np.uint64(8)
#: Eight bytes 0 or 1, the first the lowest one of a word, times this number: their bits side by side in the top byte.
_GATHER = np.uint64(0x8040201008040201)


@njit(cache=True, nogil=True)
def pack_bits(bits: npt.NDArray[np.uint8], packed: npt.NDArray[np.uint8]) -> None:
    """Fill `packed`, uint8 [n], from the first 8 n of `bits`, uint8, 0 or 1."""
    for byte in range(np.uint64(packed.shape[0])):
        word = np.uint64(0)
        for bit in range(_EIGHT):
            word |= np.uint64(bits[byte * _EIGHT + bit]) << (bit * _EIGHT)
        packed[byte] = np.uint8(word * _GATHER >> np.uint64(56))


@njit(cache=True, nogil=True)
def unpack_bits(packed: npt.NDArray[np.uint8], bits: npt.NDArray[np.uint8]) -> None:
    """Write the 8 n bits of `packed`, uint8 [n], into `bits`, uint8 [>= 8 n]."""
    for byte in range(np.uint64(packed.shape[0])):
        value = np.uint64(packed[byte])
        for bit in range(_EIGHT):
            bits[byte * _EIGHT + bit] = np.uint8(value >> (np.uint64(7) - bit) & np.uint64(1))
