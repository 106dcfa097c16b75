"""What the receiver must know about a picture's symbols, and all it may know: 32 bytes in every frame header."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ..errors import DescriptorError

__all__ = ["DESCRIPTOR_BYTES", "NO_MCS", "Descriptor", "Mapping"]

DESCRIPTOR_BYTES = 32
_VERSION = 1
#: Value of the MCS field for uncoded payloads.
NO_MCS = 255
_LAYOUT = struct.Struct("<BHB4sHHBIIBHeeHh")
_LEVELS = (4, 8, 16, 32)


class Mapping(StrEnum):
    """What crosses the air."""

    DIRECT = "direct"
    CODED = "coded"
    CLASSICAL = "classical"


_MAPPINGS = (Mapping.DIRECT, Mapping.CODED, Mapping.CLASSICAL)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Description of one picture on the air.

    Attributes:
        picture_id: 0…65535, chosen by the sender; frames with different ids belong to different pictures.
        codec_id: 0…255, the codec family.
        weights_prefix: first 4 bytes of the SHA-256 of the codec's weight file.
        height: picture height in pixels, 1…65535.
        width: picture width in pixels, 1…65535.
        mapping: what crosses the air.
        levels: quantizer levels per real dimension, L in {4, 8, 16, 32}.
        rate_index: index into the codec's table of rates, 0…15; 15 where no picture is sent.
        n_symbols: semantic symbols (constellation points before padding); those beyond the picture's rate are its
            task vector's.
        n_bytes: payload bytes of the coded and classical mappings; for direct, 0 or the `task_identity` as a
            little-endian number.
        mcs: index of the modulation and coding scheme; NO_MCS for direct.
        n_frames: frames that carry the picture.
        scale: the picture's latent scale; a float16 value, the very value that the encoder used.
        gain: factor from quantizer levels to constellation points of unit mean power; a float16 value, likewise.
        interleaver_seed: 0…65535.
        design_esn0_db: Es/N0 that the sender designed for, -128…127.99 in steps of 1/256.
    """

    picture_id: int
    codec_id: int
    weights_prefix: bytes
    height: int
    width: int
    mapping: Mapping
    levels: int
    rate_index: int
    n_symbols: int
    n_bytes: int
    mcs: int
    n_frames: int
    scale: float
    gain: float
    interleaver_seed: int
    design_esn0_db: float

    def __post_init__(self) -> None:
        if self.levels not in _LEVELS:
            raise DescriptorError(f"levels is {self.levels}; needed one of {_LEVELS}")
        if not 0 <= self.rate_index < 16:
            raise DescriptorError(f"rate_index is {self.rate_index}; needed 0…15")
        if not (1 <= self.height <= 0xFFFF and 1 <= self.width <= 0xFFFF):
            raise DescriptorError(f"picture is {self.width}x{self.height}; needed 1…65535 pixels a side")
        if len(self.weights_prefix) != 4:
            raise DescriptorError(f"weights_prefix has {len(self.weights_prefix)} bytes; needed 4")
        for name, value in (("scale", self.scale), ("gain", self.gain)):
            if not (math.isfinite(value) and value > 0 and value == float(np.float16(value))):
                raise DescriptorError(f"{name} is {value}; needed a positive finite float16 value")
        if not -128 <= self.design_esn0_db < 128:
            raise DescriptorError(f"design_esn0_db is {self.design_esn0_db}; needed -128…127.99")

    @property
    def task_identity(self) -> bytes:
        """For `direct` with a task vector: 4 bytes that tell which model made it."""
        return self.n_bytes.to_bytes(4, "little")

    def pack(self) -> bytes:
        """Fixed-size little-endian form of DESCRIPTOR_BYTES bytes; the field table is in docs/conventions.md."""
        packed_choice = _MAPPINGS.index(self.mapping) | _LEVELS.index(self.levels) << 2 | self.rate_index << 4
        try:
            body = _LAYOUT.pack(
                _VERSION,
                self.picture_id,
                self.codec_id,
                self.weights_prefix,
                self.height,
                self.width,
                packed_choice,
                self.n_symbols,
                self.n_bytes,
                self.mcs,
                self.n_frames,
                self.scale,
                self.gain,
                self.interleaver_seed,
                round(self.design_esn0_db * 256),
            )
        except struct.error as error:
            raise DescriptorError(f"a descriptor field is out of range: {error} in {self}") from error
        return body.ljust(DESCRIPTOR_BYTES, b"\0")

    @classmethod
    def unpack(cls, data: bytes) -> Descriptor:
        """Parse `pack`'s form.

        Raises:
            DescriptorError: wrong length, version, or a field that no encoder writes.
        """
        if len(data) != DESCRIPTOR_BYTES:
            raise DescriptorError(f"descriptor has {len(data)} bytes; needed {DESCRIPTOR_BYTES}")
        version, picture_id, codec_id, prefix, height, width, choice, *rest = _LAYOUT.unpack_from(data)
        n_symbols, n_bytes, mcs, n_frames, scale, gain, seed, design = rest
        if version != _VERSION:
            raise DescriptorError(f"descriptor version is {version}; this program reads version {_VERSION}")
        if choice & 3 >= len(_MAPPINGS):
            raise DescriptorError(f"mapping code is {choice & 3}; needed 0…{len(_MAPPINGS) - 1}")
        return cls(
            picture_id=picture_id,
            codec_id=codec_id,
            weights_prefix=prefix,
            height=height,
            width=width,
            mapping=_MAPPINGS[choice & 3],
            levels=_LEVELS[choice >> 2 & 3],
            rate_index=choice >> 4,
            n_symbols=n_symbols,
            n_bytes=n_bytes,
            mcs=mcs,
            n_frames=n_frames,
            scale=scale,
            gain=gain,
            interleaver_seed=seed,
            design_esn0_db=design / 256,
        )
