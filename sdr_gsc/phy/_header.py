"""Bits of a frame header on the air: CRC-32, LDPC 648 at rate 1/2, QPSK, repeated until the OFDM symbols are full."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from ..errors import SettingsError
from ._sequences import permutation, random_bits
from .coding._layered import decode_word, workspace
from .coding._packing import pack_bits, unpack_bits
from .coding._quasi_cyclic import CodeTables, encode_word, word_buffer
from .coding.crc import CRC_BYTES, crc32
from .coding.ldpc import LdpcCode
from .constellation import Qam
from .demapping import max_log

__all__ = [
    "HEADER_BYTES",
    "HEADER_REPETITIONS",
    "HeaderTables",
    "decode_header",
    "encode_header",
    "encode_information",
    "header_cells",
    "header_tables",
    "read_header",
    "write_header",
]

#: Payload of a header before its checksum, in bits: 2 version + 4 MCS + 12 sequence + 18 count + 256 descriptor.
_FIELD_BITS = 292
HEADER_BYTES = 37  # the fields, padded to whole bytes
HEADER_REPETITIONS = 2
_CODE_BITS = 648
_INFORMATION_BITS = _CODE_BITS // 2
_ITERATIONS = 50
_WHITENING_SEED = 0x5D6
_SCATTER_SEED = 0x4EAD
_AMPLITUDE = np.float32(Qam(4).half_spacing)
_INDEX = np.uint32(0x7FFFFFFF)
_SIGN = np.uint32(0x80000000)
_LAST = np.uint32(31)


def header_cells(data_subcarriers: int) -> int:
    """Cells (QPSK symbols) of a header: two copies of the code word, rounded up to whole OFDM symbols."""
    per_copy = _CODE_BITS // 2
    return -(-HEADER_REPETITIONS * per_copy // data_subcarriers) * data_subcarriers


class HeaderTables(NamedTuple):
    """What compiled code must know to read and write headers of one length.

    In both tables the highest bit tells that whitening inverts the bit, the others where it comes from.

    Attributes:
        sent: uint32 [2 cells]; the code bit that goes on each axis.
        received: uint32 [copies, 648]; the axis of each copy of each code bit, 2 cells where the last copy ends early.
        code: tables of the code.
    """

    sent: npt.NDArray[np.uint32]
    received: npt.NDArray[np.uint32]
    code: CodeTables


@functools.lru_cache(maxsize=32)
def header_tables(cells: int) -> HeaderTables:
    """Tables for headers of `cells` points. Every copy is permuted anew: copies meet different subcarriers."""
    copies = -(-2 * cells // _CODE_BITS)
    order = np.concatenate([permutation(_SCATTER_SEED + turn, _CODE_BITS) for turn in range(copies)])[: 2 * cells]
    inverted = random_bits(_WHITENING_SEED, 2 * cells).astype(np.uint32) << np.uint32(31)
    places = np.arange(2 * cells)
    received = np.full((copies, _CODE_BITS), 2 * cells, np.uint32)
    received[places // _CODE_BITS, order] = places.astype(np.uint32) | inverted
    sent = order.astype(np.uint32) | inverted
    sent.setflags(write=False)
    received.setflags(write=False)
    return HeaderTables(sent, received, LdpcCode.ieee80211n(_CODE_BITS, "1/2").tables)


def encode_header(fields: bytes, cells: int) -> np.ndarray:
    """Points of a header.

    Args:
        fields: HEADER_BYTES bytes; the last 4 bits are unused and zero.
        cells: how many points to make, from `header_cells`.

    Returns:
        complex64 [cells], unit modulus.

    Raises:
        SettingsError: another number of bytes.
    """
    if len(fields) != HEADER_BYTES:
        raise SettingsError(f"header fields of {len(fields)} bytes: needed {HEADER_BYTES}; use FrameHeader.pack.")
    points = np.empty(cells, np.complex64)
    write_header(np.frombuffer(fields, np.uint8), header_tables(cells), points.view(np.float32))
    return points


def encode_information(information: np.ndarray, cells: int) -> np.ndarray:
    """Points of 324 information bits (uint8), checksum included: complex64 [cells]."""
    points = np.empty(cells, np.complex64)
    _write_information(np.ascontiguousarray(information, np.uint8), header_tables(cells), points.view(np.float32))
    return points


def decode_header(symbols: np.ndarray, noise_variance: np.ndarray) -> bytes | None:
    """Fields of a header; None when the checksum is wrong.

    Args:
        symbols: complex64 [cells], unbiased.
        noise_variance: float32 [cells], E|n|² per complex symbol.

    Raises:
        SettingsError: shapes that do not match.
    """
    if symbols.ndim != 1 or noise_variance.shape != symbols.shape:
        raise SettingsError(
            f"header cells of shape {symbols.shape} with variances of shape {noise_variance.shape}: needed one "
            "dimension, and one variance for each cell."
        )
    axes = np.ascontiguousarray(symbols, np.complex64).view(np.float32)
    variance = np.ascontiguousarray(noise_variance, np.float32)
    fields = np.empty(HEADER_BYTES, np.uint8)
    return fields.tobytes() if read_header(axes, variance, header_tables(symbols.size), fields) else None


@njit(cache=True, nogil=True)
def write_header(fields: npt.NDArray[np.uint8], tables: HeaderTables, axes: npt.NDArray[np.float32]) -> None:
    """`encode_header` for compiled code.

    Args:
        fields: uint8 [37].
        tables: from `header_tables`.
        axes: float32 [2 cells], output; in-phase and quadrature parts in turn.
    """
    information = np.zeros(8 * (HEADER_BYTES + CRC_BYTES), np.uint8)
    unpack_bits(fields, information)
    checksum = crc32(fields, HEADER_BYTES)
    for bit in range(8 * CRC_BYTES):
        information[_FIELD_BITS + bit] = checksum >> np.uint32(31 - bit) & np.uint32(1)
    _write_information(information[:_INFORMATION_BITS], tables, axes)


@njit(cache=True, nogil=True)
def _write_information(information: npt.NDArray[np.uint8], tables: HeaderTables, axes: npt.NDArray[np.float32]) -> None:
    word = word_buffer(tables.code)
    word[:_INFORMATION_BITS] = information
    encode_word(word, tables.code)
    axes[:] = _AMPLITUDE
    patterns = axes.view(np.uint32)
    for place in range(np.uint64(tables.sent.shape[0])):
        entry = tables.sent[place]
        patterns[place] ^= np.uint32(word[entry & _INDEX]) << _LAST ^ entry & _SIGN


@njit(cache=True, nogil=True)
def read_header(
    axes: npt.NDArray[np.float32],
    variance: npt.NDArray[np.float32],
    tables: HeaderTables,
    fields: npt.NDArray[np.uint8],
) -> bool:
    """`decode_header` for compiled code.

    Args:
        axes: float32 [2 cells], in-phase and quadrature parts in turn.
        variance: float32 [cells], E|n|² per complex symbol.
        tables: from `header_tables`.
        fields: uint8 [37], output; valid if the checksum is right.

    Returns:
        Whether the checksum is right.
    """
    evidence = np.empty(axes.shape[0] + 1, np.float32)
    evidence[axes.shape[0]] = np.float32(0)
    max_log(axes, variance, _AMPLITUDE, 1, evidence)
    patterns = evidence.view(np.uint32)
    ratios = np.zeros(_CODE_BITS, np.float32)
    copy = np.empty(_CODE_BITS, np.uint32)
    for turn in range(tables.received.shape[0]):
        for bit in range(np.uint64(_CODE_BITS)):
            entry = tables.received[turn, bit]
            copy[bit] = patterns[entry & _INDEX] ^ entry & _SIGN
        ratios += copy.view(np.float32)
    word = word_buffer(tables.code)
    decode_word(ratios, tables.code, _ITERATIONS, workspace(tables.code), word)
    checksum = np.uint32(0)
    for bit in range(_FIELD_BITS, _INFORMATION_BITS):
        checksum = checksum << np.uint32(1) | np.uint32(word[bit])
    word[_FIELD_BITS : 8 * HEADER_BYTES] = 0
    pack_bits(word, fields)
    return crc32(fields, HEADER_BYTES) == checksum
