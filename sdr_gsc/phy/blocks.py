"""Coded payloads: bytes → blocks with CRC-32 → LDPC 1944 → bits mixed over the frame → QAM, and back."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from ..errors import SettingsError
from ._sequences import permutation, random_bits
from .coding.crc import CRC_BYTES, append_crc32, check_crc32
from .coding.ldpc import LdpcCode
from .coding.mcs import mcs
from .constellation import Qam
from .demapping import soft_demap

__all__ = [
    "block_bytes",
    "block_symbols",
    "blocks_per_frame",
    "coded_plan",
    "decode_blocks",
    "encode_blocks",
    "join_blocks",
    "split_payload",
]

_CODE_BITS = 1944
_MIXING_SEED = 0xB17
_WHITENING_SEED = 0x3A5


@functools.cache
def _code(rate: Fraction) -> LdpcCode:
    return LdpcCode.ieee80211n(_CODE_BITS, rate)


@functools.cache
def _mixing(n_bits: int) -> np.ndarray:
    order = permutation(_MIXING_SEED, n_bits)
    order.setflags(write=False)
    return order


def block_bytes(scheme: int) -> int:
    """Payload bytes of one block: floor(k / 8) - 4."""
    return _code(mcs(scheme).rate).k // 8 - CRC_BYTES


def block_symbols(n_blocks: int, scheme: int) -> int:
    """QAM symbols that carry `n_blocks` blocks."""
    return -(-n_blocks * _CODE_BITS // mcs(scheme).coded_bits_per_symbol)


def blocks_per_frame(frame_symbols: int, scheme: int) -> int:
    """Whole blocks that fit `frame_symbols` symbols; may be 0."""
    return frame_symbols * mcs(scheme).coded_bits_per_symbol // _CODE_BITS


def coded_plan(n_blocks: int, n_frames: int) -> tuple[int, ...]:
    """Blocks of each frame: as even as possible, larger frames first."""
    share, rest = divmod(n_blocks, n_frames)
    return (share + 1,) * rest + (share,) * (n_frames - rest)


def split_payload(payload: bytes, scheme: int) -> list[bytes]:
    """Blocks of `block_bytes`, the last one padded with zeros.

    Raises:
        SettingsError: empty payload.
    """
    if not payload:
        raise SettingsError("the payload is empty; send at least one byte")
    size = block_bytes(scheme)
    return [payload[at : at + size].ljust(size, b"\0") for at in range(0, len(payload), size)]


def join_blocks(
    frames: Mapping[int, Sequence[bytes | None]], n_bytes: int, scheme: int, n_frames: int
) -> tuple[bytes | None, ...]:
    """Blocks of a whole transmission in order, None where lost, the last one cut to the payload's end.

    Args:
        frames: sequence number → blocks of that frame, as received.
        n_bytes: payload bytes of the transmission.
        scheme: MCS index.
        n_frames: frames of the transmission.

    >>> join_blocks({0: [b"a" * 117]}, 120, 0, 2)[1] is None
    True
    """
    size = block_bytes(scheme)
    blocks: list[bytes | None] = []
    for sequence, expected in enumerate(coded_plan(-(-n_bytes // size), n_frames)):
        received = frames.get(sequence, ())
        blocks.extend(received if len(received) == expected else (None,) * expected)
    last = n_bytes - size * (len(blocks) - 1)
    final = blocks[-1]
    return (*blocks[:-1], None if final is None else final[:last])


def encode_blocks(blocks: Sequence[bytes], scheme: int, seed: int) -> np.ndarray:
    """QAM symbols of one frame, complex64 [block_symbols(len(blocks))].

    Code bits are whitened and permuted over the whole frame; the bits that fill the last symbol come from `seed`.
    """
    rate, order = mcs(scheme).rate, mcs(scheme).order
    code = _code(rate)
    information = np.zeros((len(blocks), code.k), np.uint8)
    for row, block in zip(information, blocks, strict=True):
        bits = np.unpackbits(np.frombuffer(append_crc32(block), np.uint8))
        row[: bits.size] = bits
    coded = code.encode(information).reshape(-1)
    coded = (coded ^ random_bits(_WHITENING_SEED, coded.size))[_mixing(coded.size)]
    fill = -coded.size % mcs(scheme).coded_bits_per_symbol
    return Qam(order).modulate(np.concatenate([coded, random_bits(seed, fill)]))


def decode_blocks(
    symbols: np.ndarray, noise_variance: np.ndarray, n_blocks: int, scheme: int
) -> tuple[bytes | None, ...]:
    """Blocks of one frame; None where the checksum is wrong.

    Args:
        symbols: complex64 [n], unbiased.
        noise_variance: float32 [n]; inf where nothing was received.
        n_blocks: from the header.
        scheme: MCS index.
    """
    rate, order = mcs(scheme).rate, mcs(scheme).order
    code = _code(rate)
    n_bits = n_blocks * _CODE_BITS
    llr = np.empty(n_bits, np.float32)
    llr[_mixing(n_bits)] = soft_demap(symbols, noise_variance, order).reshape(-1)[:n_bits]
    llr *= 1.0 - 2.0 * random_bits(_WHITENING_SEED, n_bits).astype(np.float32)
    bits = code.decode(llr.reshape(n_blocks, _CODE_BITS)).bits
    size = code.k // 8 * 8
    return tuple(check_crc32(np.packbits(row[:size]).tobytes()) for row in bits)
