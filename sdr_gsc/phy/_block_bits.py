"""Compiled way between the bytes of a frame's blocks and its symbols.

Whitening and mixing are one table: entry i of `mixing`, uint32, tells in its lower 31 bits which bit comes i-th, and in
its highest bit whether that bit is inverted. The sender reads code bits by it, the receiver what it received by the
inverse table.
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

__all__ = ["coded_bits", "decide_uncoded", "decode_coded", "modulate", "uncoded_bits"]

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
        _seal(payload[index], block, word)
        encode_word(word, code)
        bits[index * length : (index + np.uint64(1)) * length] = word[:length]


@njit(cache=True, nogil=True)
def uncoded_bits(payload: npt.NDArray[np.uint8], bits: npt.NDArray[np.uint8]) -> None:
    """Bits of blocks and their checksums, without a code: payload uint8 [B, bytes], bits uint8 [>= 8 B (bytes + 4)]."""
    block = np.empty(payload.shape[1] + CRC_BYTES, np.uint8)
    length = np.uint64(8 * block.shape[0])
    for index in range(np.uint64(payload.shape[0])):
        _seal(payload[index], block, bits[index * length :])


@njit(cache=True, nogil=True)
def _seal(payload: npt.NDArray[np.uint8], block: npt.NDArray[np.uint8], bits: npt.NDArray[np.uint8]) -> None:
    block[: payload.shape[0]] = payload
    write_crc32(block)
    unpack_bits(block, bits)


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
    mixing: npt.NDArray[np.uint32],
    blocks: npt.NDArray[np.uint8],
    good: npt.NDArray[np.bool_],
) -> None:
    """Hard decisions of QPSK.

    Args:
        axes: float32 [2 symbols], in-phase and quadrature parts in turn; only their signs count.
        mixing: uint32 [bits], inverse.
        blocks: uint8 [B, bytes], output, with checksums.
        good: bool [B], output; whether the checksum holds.
    """
    patterns = axes.view(np.uint32)
    # Bytes instead of words: the bits that mixing picks at random then stay in the first-level cache.
    decisions = np.empty(patterns.shape[0], np.uint8)
    for place in range(np.uint64(patterns.shape[0])):
        decisions[place] = patterns[place] >> _LAST
    length = np.uint64(8 * blocks.shape[1])
    bits = np.empty(length, np.uint8)
    for index in range(np.uint64(blocks.shape[0])):
        for bit in range(length):
            entry = mixing[index * length + bit]
            bits[bit] = decisions[entry & _INDEX] ^ np.uint8(entry >> _LAST)
        pack_bits(bits, blocks[index])
        good[index] = crc32_holds(blocks[index])


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
) -> None:
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
    """
    received = np.empty(axes.shape[0] * bits_per_axis, np.float32)
    max_log(axes, variance, half_spacing, bits_per_axis, received)
    evidence = received.view(np.uint32)
    length = np.uint64(code.turns.shape[0]) * code.size
    ratios = np.empty(length, np.float32)
    patterns = ratios.view(np.uint32)
    scratch, word = workspace(code), word_buffer(code)
    for index in range(np.uint64(blocks.shape[0])):
        for bit in range(length):
            entry = mixing[index * length + bit]
            patterns[bit] = evidence[entry & _INDEX] ^ entry & _SIGN
        decode_word(ratios, code, iterations, scratch, word)
        pack_bits(word, blocks[index])
        good[index] = crc32_holds(blocks[index])
