"""Byte payloads: bytes → blocks with CRC-32 → LDPC 1944 and mixing over the frame, or neither → QAM, and back."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from ..errors import SettingsError
from ._block_bits import coded_bits, decide_uncoded, decode_coded, modulate, uncoded_symbols
from ._sequences import permutation, random_bits
from .coding._quasi_cyclic import CodeTables
from .coding.crc import CRC_BYTES
from .coding.ldpc import LdpcCode
from .coding.mcs import CODE_BITS, mcs
from .constellation import Qam

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

_MIXING_SEED = 0xB17
_WHITENING_SEED = 0x3A5


_ITERATIONS = 50


@functools.cache
def _code(rate: Fraction) -> CodeTables:
    return LdpcCode.ieee80211n(CODE_BITS, rate).tables


@functools.cache
def _sizes(scheme: int) -> tuple[int, int, bool]:
    """Bits of a block on the air, bytes of a block with its checksum, whether it is coded."""
    chosen = mcs(scheme)
    return chosen.block_bits, chosen.information_bits // 8, chosen.is_coded


@functools.lru_cache(maxsize=32)
def _mixing(n_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Which bit is sent at each place, and the place of each bit; uint32 [n_bits], inverted bits marked at the top."""
    order = permutation(_MIXING_SEED, n_bits)
    inverted = random_bits(_WHITENING_SEED, n_bits).astype(np.uint32) << np.uint32(31)
    sent = order.astype(np.uint32) | inverted[order]
    received = np.empty(n_bits, np.uint32)
    received[order] = np.arange(n_bits, dtype=np.uint32)
    received |= inverted
    sent.setflags(write=False)
    received.setflags(write=False)
    return sent, received


@functools.lru_cache(maxsize=32)
def _whitening(n_bytes: int) -> np.ndarray:
    """Bits that are inverted, uint8 [n_bytes], the most significant first."""
    whitening = np.packbits(random_bits(_WHITENING_SEED, 8 * n_bytes))
    whitening.setflags(write=False)
    return whitening


def block_bytes(scheme: int) -> int:
    """Payload bytes of one block: floor(k / 8) - 4 of k information bits."""
    return mcs(scheme).information_bits // 8 - CRC_BYTES


@functools.lru_cache(maxsize=1024)
def block_symbols(n_blocks: int, scheme: int) -> int:
    """QAM symbols that carry `n_blocks` blocks."""
    return -(-n_blocks * mcs(scheme).block_bits // mcs(scheme).coded_bits_per_symbol)


def blocks_per_frame(frame_symbols: int, scheme: int) -> int:
    """Whole blocks that fit `frame_symbols` symbols; may be 0."""
    return frame_symbols * mcs(scheme).coded_bits_per_symbol // mcs(scheme).block_bits


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

    Code bits are whitened and permuted over the whole frame, uncoded ones whitened; what fills the last symbol comes
    from `seed`.

    Args:
        blocks: at least one, each of `block_bytes`.
        scheme: MCS index.
        seed: any integer.

    Raises:
        SettingsError: no blocks, or a block of another length.
    """
    chosen, size = mcs(scheme), block_bytes(scheme)
    if not blocks or any(len(block) != size for block in blocks):
        raise SettingsError(
            f"blocks of {sorted({len(block) for block in blocks})} bytes: needed at least one, all of {size} bytes for "
            f"MCS {scheme}; use split_payload."
        )
    payload = np.frombuffer(b"".join(blocks), np.uint8).reshape(len(blocks), size)
    n_bits, n_symbols = len(blocks) * chosen.block_bits, block_symbols(len(blocks), scheme)
    symbols = np.empty(n_symbols, np.complex64)
    if not chosen.is_coded:
        uncoded_symbols(payload, _whitening(n_bits // 8), np.float32(Qam(chosen.order).half_spacing), symbols)
        return symbols
    bits = np.empty(n_symbols * chosen.coded_bits_per_symbol, np.uint8)
    coded_bits(payload, _code(chosen.rate), bits)
    if bits.size > n_bits:
        bits[n_bits:] = random_bits(seed, bits.size - n_bits)
    modulate(bits, _mixing(n_bits)[0], Qam(chosen.order).points, symbols)
    return symbols


def decode_blocks(
    symbols: np.ndarray, noise_variance: np.ndarray, n_blocks: int, scheme: int
) -> tuple[bytes | None, ...]:
    """Blocks of one frame; None where the checksum is wrong.

    Args:
        symbols: complex64 [n], unbiased, n at least `block_symbols`.
        noise_variance: float32 [n]; inf where nothing was received.
        n_blocks: from the header.
        scheme: MCS index.

    Raises:
        SettingsError: fewer symbols than the blocks take, or not one variance for each.
    """
    needed = block_symbols(n_blocks, scheme)
    if symbols.ndim != 1 or symbols.size < needed or noise_variance.shape != symbols.shape:
        raise SettingsError(
            f"symbols of shape {symbols.shape} with variances of shape {noise_variance.shape}: needed one dimension, "
            f"at least {needed} symbols for {n_blocks} blocks of MCS {scheme}, and one variance for each."
        )
    axes = np.ascontiguousarray(symbols[:needed], np.complex64).view(np.float32)
    n_bits, size, coded = _sizes(scheme)
    blocks = np.empty((n_blocks, size), np.uint8)
    good = np.empty(n_blocks, np.bool_)
    if coded:
        chosen = mcs(scheme)
        mixing = _mixing(n_blocks * n_bits)[1]
        variance = np.ascontiguousarray(noise_variance[:needed], np.float32)
        spacing, width = np.float32(Qam(chosen.order).half_spacing), chosen.coded_bits_per_symbol // 2
        n_good = decode_coded(axes, variance, spacing, width, mixing, _code(chosen.rate), _ITERATIONS, blocks, good)
    else:
        n_good = decide_uncoded(axes, _whitening(n_blocks * size), blocks, good)
    data = blocks.tobytes()
    payloads: list[bytes | None] = [data[at : at + size - CRC_BYTES] for at in range(0, n_blocks * size, size)]
    if n_good < n_blocks:
        for index in np.flatnonzero(~good).tolist():
            payloads[index] = None
    return tuple(payloads)
