"""Indices to what crosses the air: constellation points for `direct`, Gray-coded bits for `coded`."""

from __future__ import annotations

import numpy as np

from .descriptor import Descriptor
from .quantizer import Quantizer
from .values import SemanticSymbols

__all__ = ["constellation_points", "index_bits", "indices_from_bits", "points_of"]


def points_of(indices: np.ndarray, descriptor: Descriptor) -> np.ndarray:
    """Points gain·(level_I + j·level_Q), complex64 [n], of uint8 indices [n, 2]."""
    levels = Quantizer.of(descriptor.levels).values(indices)
    return ((levels[:, 0] + 1j * levels[:, 1]) * np.float32(descriptor.gain)).astype(np.complex64)


def constellation_points(symbols: SemanticSymbols) -> np.ndarray:
    """The points on the air: complex64 [n_symbols] of unit mean power."""
    return points_of(symbols.indices, symbols.descriptor)


def index_bits(symbols: SemanticSymbols) -> np.ndarray:
    """Gray-coded bits of the indices, uint8 [n_symbols · 2·log2(L)], I before Q, most significant first."""
    width = int(np.log2(symbols.descriptor.levels))
    gray = symbols.indices ^ (symbols.indices >> 1)
    shifts = np.arange(width - 1, -1, -1, dtype=np.uint8)
    return ((gray[..., None] >> shifts) & 1).reshape(-1)


def indices_from_bits(bits: np.ndarray, levels: int) -> np.ndarray:
    """Undo `index_bits`: uint8 bits to uint8 indices [n_symbols, 2]."""
    width = int(np.log2(levels))
    gray = (np.packbits(bits.reshape(-1, width), axis=1) >> (8 - width)).astype(np.uint8)
    index: np.ndarray = gray[:, 0]
    for shift in (1, 2, 4):
        index = index ^ (index >> shift)
    return index.reshape(-1, 2)
