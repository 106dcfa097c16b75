"""How symbols and bytes are cut into frames, and what each frame says about itself."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import SettingsError
from ._header import HEADER_BYTES
from ._interleaving import gather_turned, scatter_back
from ._sequences import bits_state, permutation, qpsk_state
from .blocks import block_bytes, block_symbols, join_blocks
from .coding.mcs import MCS_TABLE
from .numerology import Numerology

__all__ = [
    "DESCRIPTOR_BYTES",
    "MAX_COUNT",
    "MAX_FRAMES",
    "FrameHeader",
    "FrameLayout",
    "block_bytes",
    "block_symbols",
    "deinterleave",
    "frame_plan",
    "interleave",
    "join_blocks",
]

DESCRIPTOR_BYTES = 32
_SCHEME_BITS, _SEQUENCE_BITS, _COUNT_BITS = 4, 12, 18  # behind 2 bits of version
MAX_FRAMES = 1 << _SEQUENCE_BITS
MAX_COUNT = (1 << _COUNT_BITS) - 1
_VERSION = 1
_UNCODED = (1 << _SCHEME_BITS) - 1
_PHASE_SEED = 0x5CA7
_PAD_BITS = 4
#: Payload symbols between two training symbols, at most. At 4 Msps and N = 64 that is 0.32 ms: a channel of 100 Hz
#: Doppler turns by 0.2 rad meanwhile, which interpolation follows.
_TRAINING_SPACING = 16


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What a frame says about itself.

    Attributes:
        sequence: number of the frame inside its transmission, 0…4095.
        n_symbols: payload symbols in this frame, 1…262143.
        mcs: index into MCS_TABLE; None for uncoded soft symbols.
        n_blocks: code blocks in this frame; 0 when uncoded.
        descriptor: 32 opaque bytes; shorter ones are zero-padded.

    Raises:
        SettingsError: a value out of range, or n_symbols that does not belong to n_blocks.
    """

    sequence: int
    n_symbols: int
    mcs: int | None
    n_blocks: int
    descriptor: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.sequence < MAX_FRAMES:
            raise SettingsError(f"sequence is {self.sequence}; it must lie in 0…{MAX_FRAMES - 1}: send less at a time")
        if not 1 <= self.n_symbols <= MAX_COUNT:
            raise SettingsError(f"a frame of {self.n_symbols} payload symbols; it must carry 1…{MAX_COUNT}")
        if len(self.descriptor) > DESCRIPTOR_BYTES:
            raise SettingsError(f"descriptor has {len(self.descriptor)} bytes; at most {DESCRIPTOR_BYTES} fit")
        if self.mcs is None:
            if self.n_blocks != 0:
                raise SettingsError(f"an uncoded frame with {self.n_blocks} blocks; set n_blocks to 0, or name an MCS")
        elif not 0 <= self.mcs < len(MCS_TABLE):
            raise SettingsError(f"mcs is {self.mcs}; it must lie in 0…{len(MCS_TABLE) - 1}")
        elif self.n_blocks < 1 or self.n_symbols != block_symbols(self.n_blocks, self.mcs):
            raise SettingsError(
                f"{self.n_symbols} symbols for {self.n_blocks} blocks of MCS {self.mcs}; "
                f"they need {block_symbols(self.n_blocks, self.mcs)}"
            )
        object.__setattr__(self, "descriptor", self.descriptor.ljust(DESCRIPTOR_BYTES, b"\0"))

    def pack(self) -> bytes:
        """Fields as 37 bytes, most significant bit first, in the order of the table in docs/conventions.md."""
        number = _VERSION
        for bits, value in (
            (_SCHEME_BITS, _UNCODED if self.mcs is None else self.mcs),
            (_SEQUENCE_BITS, self.sequence),
            (_COUNT_BITS, self.n_symbols if self.mcs is None else self.n_blocks),
            (8 * DESCRIPTOR_BYTES, int.from_bytes(self.descriptor, "big")),
            (_PAD_BITS, 0),
        ):
            number = number << bits | value
        return number.to_bytes(HEADER_BYTES, "big")

    @classmethod
    def unpack(cls, fields: bytes) -> FrameHeader | None:
        """Inverse of `pack`; None for another version or impossible values."""
        number = int.from_bytes(fields, "big") >> _PAD_BITS
        packed = (number & ((1 << 8 * DESCRIPTOR_BYTES) - 1)).to_bytes(DESCRIPTOR_BYTES, "big")
        number >>= 8 * DESCRIPTOR_BYTES
        count, number = number & MAX_COUNT, number >> _COUNT_BITS
        sequence, number = number & (MAX_FRAMES - 1), number >> _SEQUENCE_BITS
        scheme, version = number & _UNCODED, number >> _SCHEME_BITS
        coded = scheme != _UNCODED
        if version != _VERSION or (coded and scheme >= len(MCS_TABLE)) or count == 0:
            return None
        n_symbols = block_symbols(count, scheme) if coded else count
        if n_symbols > MAX_COUNT:
            return None
        return cls(sequence, n_symbols, scheme if coded else None, count if coded else 0, packed)


@dataclass(frozen=True, slots=True, eq=False)
class FrameLayout:
    """Where the OFDM symbols of a frame's payload stand: groups of payload, each followed by one training symbol.

    Every data subcarrier carries one payload symbol, in ascending bins, one OFDM symbol after the other. Loading bits
    per subcarrier would enter here: a layout that knows the bits of each data subcarrier cuts a code word into labels
    of those sizes, and the header's scheme names the loading; where training, pilots and data stand does not change.

    Attributes:
        is_training: bool [S], read-only; S symbols follow the header.
    """

    is_training: np.ndarray

    @classmethod
    def of(cls, n_symbols: int, numerology: Numerology) -> FrameLayout:
        """Layout for `n_symbols` payload symbols."""
        return _layout(-(-n_symbols // numerology.data.size))

    @property
    def length(self) -> int:
        """OFDM symbols after the header."""
        return self.is_training.size


@functools.lru_cache(maxsize=256)
def _layout(payload: int) -> FrameLayout:
    """Layout of `payload` OFDM symbols that carry payload."""
    groups = -(-payload // _TRAINING_SPACING)
    is_training = np.zeros(payload + groups, bool)
    ends = np.arange(1, groups + 1) * payload // groups + np.arange(groups)
    is_training[ends] = True
    is_training.setflags(write=False)
    return FrameLayout(is_training)


def frame_plan(n_symbols: int, max_symbols_per_frame: int) -> tuple[int, ...]:
    """Payload symbols of each frame: as few frames as possible, all of one size; the last symbols are padding.

    Raises:
        SettingsError: nothing to send, or more than 4096 frames.

    >>> frame_plan(5000, 2048)
    (1667, 1667, 1667)
    """
    if n_symbols < 1 or not 1 <= max_symbols_per_frame <= MAX_COUNT:
        raise SettingsError(
            f"{n_symbols} symbols in frames of at most {max_symbols_per_frame}; needed: at least one symbol, "
            f"and 1…{MAX_COUNT} per frame"
        )
    n_frames = -(-n_symbols // max_symbols_per_frame)
    if n_frames > MAX_FRAMES:
        raise SettingsError(f"{n_symbols} symbols need {n_frames} frames; at most {MAX_FRAMES} can be numbered")
    return (math.ceil(n_symbols / n_frames),) * n_frames


def interleave(symbols: np.ndarray, seed: int, n_frames: int) -> list[np.ndarray]:
    """Spread symbols over all frames and subcarriers.

    The vector is padded with pseudo-random points of unit power to n_frames equal frames; one permutation, a function
    of `seed` and the length alone, mixes everything, and every symbol is turned by a pseudo-random phase: a picture
    with large even areas repeats one symbol, and equal symbols on all subcarriers would add up to an impulse.

    Args:
        symbols: complex64 [n].
        seed: any integer that both ends know.
        n_frames: from `frame_plan`.

    Returns:
        n_frames arrays complex64 [ceil(n / n_frames)].
    """
    per_frame = -(-symbols.size // n_frames)
    mixed = np.empty((n_frames, per_frame), np.complex64)
    gather_turned(
        np.ascontiguousarray(symbols, np.complex64),
        permutation(seed, mixed.size),
        bits_state(seed ^ _PHASE_SEED),
        qpsk_state(seed),
        mixed.reshape(-1),
    )
    return list(mixed)


def deinterleave(
    frames: Mapping[int, tuple[np.ndarray, np.ndarray]], n_symbols: int, n_frames: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of `interleave` for whatever frames arrived.

    Args:
        frames: sequence number → (symbols complex64, noise variance float32), each as long as a frame; frames of
            another length or number do not belong to this transmission and are ignored.
        n_symbols: symbols before padding.
        n_frames: frames of the transmission.
        seed: the seed of `interleave`.

    Returns:
        Symbols complex64 [n_symbols] and noise variance float32 [n_symbols]; 0 and inf where a frame is missing.
    """
    per_frame = -(-n_symbols // n_frames)
    order = permutation(seed, n_frames * per_frame)
    turning = bits_state(seed ^ _PHASE_SEED)
    symbols = np.zeros(n_symbols, np.complex64)
    variance = np.full(n_symbols, np.inf, np.float32)
    for sequence, (values, uncertainty) in frames.items():
        if 0 <= sequence < n_frames and values.size == per_frame == uncertainty.size:
            scatter_back(
                np.ascontiguousarray(values, np.complex64),
                np.ascontiguousarray(uncertainty, np.float32),
                order,
                sequence * per_frame,
                turning,
                symbols,
                variance,
            )
    return symbols, variance
