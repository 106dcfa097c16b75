"""Compiled way between the bytes of a frame's blocks and its symbols.

Whitening and mixing of code bits are one table: entry i of `mixing`, uint32, tells in its lower 31 bits which bit comes
i-th, and in its highest bit whether that bit is inverted. The sender reads code bits by it, the receiver what it
received by the inverse table. Without a code, mixing would only spread errors over more blocks: bytes are whitened and
go in their order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from .coding._layered import decode_word, workspace
from .coding._packing import pack_bits, unpack_bits
from .coding._quasi_cyclic import CodeTables, encode_word, word_buffer
from .coding.crc import CRC_BYTES, crc32_holds, write_crc32
from .demapping import max_log

__all__ = ["coded_bits", "decide_uncoded", "decode_coded", "modulate", "uncoded_symbols"]

_INDEX = np.uint32(0x7FFFFFFF)
_SIGN = np.uint32(0x80000000)
_LAST = np.uint32(31)


@njit(cache=True, nogil=True)
def coded_bits(payload: npt.NDArray[np.uint8], code: CodeTables, bits: npt.NDArray[np.uint8]) -> None:
    """Code words of blocks.

    Args:
        payload: uint8 [B, bytes], without checksums.
        code: tables of the code; what payload and checksum leave of its information bits is 0.
        bits: uint8 [>= B n], output.
    """
    length = np.uint64(code.turns.shape[0]) * code.size
    block = np.empty(payload.shape[1] + CRC_BYTES, np.uint8)
    word = word_buffer(code)
    for index in range(np.uint64(payload.shape[0])):
        block[: payload.shape[1]] = payload[index]
        write_crc32(block)
        unpack_bits(block, word)
        encode_word(word, code)
        bits[index * length : (index + np.uint64(1)) * length] = word[:length]


@njit(cache=True, nogil=True)
def uncoded_symbols(
    payload: npt.NDArray[np.uint8],
    whitening: npt.NDArray[np.uint8],
    amplitude: np.float32,
    symbols: npt.NDArray[np.complex64],
) -> None:
    """QPSK symbols of blocks and their checksums, without a code: a bit is the sign of an axis.

    Args:
        payload: uint8 [B, bytes], without checksums.
        whitening: uint8 [B (bytes + 4)].
        amplitude: of an axis.
        symbols: complex64 [4 B (bytes + 4)], output.
    """
    block = np.empty(payload.shape[1] + CRC_BYTES, np.uint8)
    bits = np.empty(8 * block.shape[0], np.uint8)
    axes = symbols.view(np.float32)
    axes[:] = amplitude
    patterns = axes.view(np.uint32)
    size, length = np.uint64(block.shape[0]), np.uint64(bits.shape[0])
    for index in range(np.uint64(payload.shape[0])):
        block[: payload.shape[1]] = payload[index]
        write_crc32(block)
        for byte in range(size):
            block[byte] ^= whitening[index * size + byte]
        unpack_bits(block, bits)
        for bit in range(length):
            patterns[index * length + bit] |= np.uint32(bits[bit]) << _LAST


@njit(cache=True, nogil=True)
def modulate(
    bits: npt.NDArray[np.uint8],
    mixing: npt.NDArray[np.uint32],
    points: npt.NDArray[np.complex64],
    symbols: npt.NDArray[np.complex64],
) -> None:
    """Whiten, mix and map.

    Args:
        bits: uint8 [symbols log2(order)]; those behind the first n fill the last symbol and go as they are.
        mixing: uint32 [n].
        points: complex64 [order], by label.
        symbols: complex64 [symbols], output.
    """
    if points.shape[0] == 4:
        _modulate_qpsk(bits, mixing, points[0].real, symbols)
        return
    width = np.uint64(bits.shape[0] // symbols.shape[0])
    for symbol in range(np.uint64(symbols.shape[0])):
        label = np.uint32(0)
        for place in range(symbol * width, (symbol + np.uint64(1)) * width):
            entry = mixing[place] if place < np.uint64(mixing.shape[0]) else np.uint32(place)
            label = label << np.uint32(1) | np.uint32(bits[entry & _INDEX]) ^ entry >> _LAST
        symbols[symbol] = points[label]


@njit(cache=True, nogil=True)
def _modulate_qpsk(
    bits: npt.NDArray[np.uint8],
    mixing: npt.NDArray[np.uint32],
    amplitude: np.float32,
    symbols: npt.NDArray[np.complex64],
) -> None:
    """`modulate` for points +-a +- ja: a bit is the sign of an axis. Blocks of every scheme fill QPSK symbols."""
    axes = symbols.view(np.float32)
    axes[:] = amplitude
    patterns = axes.view(np.uint32)
    for place in range(np.uint64(mixing.shape[0])):
        entry = mixing[place]
        patterns[place] ^= np.uint32(bits[entry & _INDEX]) << _LAST ^ entry & _SIGN


@njit(cache=True, nogil=True)
def decide_uncoded(
    axes: npt.NDArray[np.float32],
    whitening: npt.NDArray[np.uint8],
    blocks: npt.NDArray[np.uint8],
    good: npt.NDArray[np.bool_],
) -> int:
    """Hard decisions of QPSK.

    Args:
        axes: float32 [8 B bytes], in-phase and quadrature parts in turn; only their signs count.
        whitening: uint8 [B bytes].
        blocks: uint8 [B, bytes], output, with checksums.
        good: bool [B], output; whether the checksum holds.

    Returns:
        Number of good blocks.
    """
    patterns = axes.view(np.uint32)
    size = np.uint64(blocks.shape[1])
    length = np.uint64(8) * size
    bits = np.empty(length, np.uint8)
    count = 0
    for index in range(np.uint64(blocks.shape[0])):
        for bit in range(length):
            bits[bit] = patterns[index * length + bit] >> _LAST
        pack_bits(bits, blocks[index])
        for byte in range(size):
            blocks[index, byte] ^= whitening[index * size + byte]
        good[index] = crc32_holds(blocks[index])
        count += good[index]
    return count


@njit(cache=True, nogil=True)
def decode_coded(
    axes: npt.NDArray[np.float32],
    variance: npt.NDArray[np.float32],
    half_spacing: np.float32,
    bits_per_axis: int,
    mixing: npt.NDArray[np.uint32],
    code: CodeTables,
    iterations: int,
    blocks: npt.NDArray[np.uint8],
    good: npt.NDArray[np.bool_],
) -> int:
    """Demap and decode.

    Args:
        axes: float32 [2 symbols], in-phase and quadrature parts in turn.
        variance: float32 [symbols], E|n|² per complex symbol.
        half_spacing: half the distance between levels of the constellation.
        bits_per_axis: label bits of an axis.
        mixing: uint32 [B n], inverse.
        code: tables of the code.
        iterations: of the decoder, at most.
        blocks: uint8 [B, bytes], output, with checksums.
        good: bool [B], output; whether the checksum holds.

    Returns:
        Number of good blocks.
    """
    received = np.empty(axes.shape[0] * bits_per_axis, np.float32)
    max_log(axes, variance, half_spacing, bits_per_axis, received)
    evidence = received.view(np.uint32)
    length = np.uint64(code.turns.shape[0]) * code.size
    ratios = np.empty(length, np.float32)
    patterns = ratios.view(np.uint32)
    scratch, word = workspace(code), word_buffer(code)
    count = 0
    for index in range(np.uint64(blocks.shape[0])):
        for bit in range(length):
            entry = mixing[index * length + bit]
            patterns[bit] = evidence[entry & _INDEX] ^ entry & _SIGN
        decode_word(ratios, code, iterations, scratch, word)
        pack_bits(word, blocks[index])
        good[index] = crc32_holds(blocks[index])
        count += good[index]
    return count
