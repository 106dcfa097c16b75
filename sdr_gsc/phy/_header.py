"""Bits of a frame header on the air: CRC-32, LDPC 648 at rate 1/2, QPSK, repeated until the OFDM symbols are full."""

from __future__ import annotations

import functools
import zlib

import numpy as np

from ._sequences import permutation, random_bits
from .coding.ldpc import LdpcCode
from .constellation import Qam
from .demapping import soft_demap

__all__ = ["HEADER_BYTES", "HEADER_REPETITIONS", "decode_header", "encode_header", "encode_information", "header_cells"]

#: Payload of a header before its checksum, in bits: 4 version + 5 MCS + 12 sequence + 15 count + 256 descriptor.
_FIELD_BITS = 292
HEADER_BYTES = 37  # the fields, padded to whole bytes
HEADER_REPETITIONS = 2
_CODE_BITS = 648
_WHITENING_SEED = 0x5D6
_SCATTER_SEED = 0x4EAD


def header_cells(data_subcarriers: int) -> int:
    """Cells (QPSK symbols) of a header: two copies of the code word, rounded up to whole OFDM symbols."""
    per_copy = _CODE_BITS // 2
    return -(-HEADER_REPETITIONS * per_copy // data_subcarriers) * data_subcarriers


@functools.cache
def _code() -> LdpcCode:
    return LdpcCode.ieee80211n(_CODE_BITS, "1/2")


@functools.cache
def _parity() -> np.ndarray:
    """float32 [324, 324]: parity bits of each information bit; one product is faster than the structured encoder."""
    code = _code()
    return code.encode(np.eye(code.k, dtype=np.uint8))[:, code.k :].astype(np.float32)


@functools.cache
def _scatter(cells: int) -> np.ndarray:
    """Code bit of each transmitted bit. Every round of 648 is permuted anew: copies meet different subcarriers."""
    rounds = -(-2 * cells // _CODE_BITS)
    order = np.concatenate([permutation(_SCATTER_SEED + turn, _CODE_BITS) for turn in range(rounds)])[: 2 * cells]
    order.setflags(write=False)
    return order


@functools.cache
def _whitening(cells: int) -> np.ndarray:
    bits = random_bits(_WHITENING_SEED, 2 * cells)
    bits.setflags(write=False)
    return bits


def encode_header(fields: bytes, cells: int) -> np.ndarray:
    """Points of a header.

    Args:
        fields: HEADER_BYTES bytes; the last 4 bits are unused and zero.
        cells: how many points to make, from `header_cells`.

    Returns:
        complex64 [cells], unit modulus.
    """
    bits = np.unpackbits(np.frombuffer(fields, np.uint8))[:_FIELD_BITS]
    checksum = np.unpackbits(np.frombuffer(zlib.crc32(fields).to_bytes(4, "big"), np.uint8))
    return encode_information(np.concatenate([bits, checksum]), cells)


def encode_information(information: np.ndarray, cells: int) -> np.ndarray:
    """Points of 324 information bits (uint8), checksum included: complex64 [cells]."""
    # Sums stay below 2^24, so float32 counts them exactly.
    word = np.concatenate([information, (information.astype(np.float32) @ _parity()).astype(np.int64) & 1])
    # Whitening keeps a descriptor of zeros from becoming a line spectrum.
    return Qam(4).modulate(word[_scatter(cells)].astype(np.uint8) ^ _whitening(cells))


def decode_header(symbols: np.ndarray, noise_variance: np.ndarray) -> bytes | None:
    """Fields of a header; None when the checksum is wrong.

    Args:
        symbols: complex64 [cells], unbiased.
        noise_variance: float32 [cells], E|n|² per complex symbol.
    """
    llr = soft_demap(symbols, noise_variance, 4).reshape(-1)
    llr *= 1.0 - 2.0 * _whitening(symbols.size).astype(np.float32)
    combined = np.bincount(_scatter(symbols.size), weights=llr, minlength=_CODE_BITS).astype(np.float32)
    bits = _code().decode(combined[None, :], iterations=50).bits[0]
    fields = np.packbits(bits[:_FIELD_BITS]).tobytes()
    checksum = np.packbits(bits[_FIELD_BITS:]).tobytes()
    return fields if zlib.crc32(fields).to_bytes(4, "big") == checksum else None
