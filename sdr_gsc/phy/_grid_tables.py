"""A grid as compiled code wants it: plain numbers and arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._header import header_cells
from .preamble import Preamble

__all__ = ["GridTables", "grid_tables"]


class GridTables(NamedTuple):
    """Grid and preamble.

    Attributes:
        fft_size: N.
        cp_length: samples.
        copies: R, training symbols of the preamble.
        header_symbols: OFDM symbols of the header.
        active: int64 [Na] bins.
        signed: int64 [Na], their signed subcarrier index.
        data: int64 [Nd] bins.
        data_at: int64 [Nd], their positions among the active ones.
        pilots: int64 [Np] bins.
        pilots_at: int64 [Np], their positions among the active ones.
        training: complex64 [Na], tones of a training symbol.
    """

    fft_size: int
    cp_length: int
    copies: int
    header_symbols: int
    active: np.ndarray
    signed: np.ndarray
    data: np.ndarray
    data_at: np.ndarray
    pilots: np.ndarray
    pilots_at: np.ndarray
    training: np.ndarray


def grid_tables(preamble: Preamble) -> GridTables:
    """Tables of a preamble's grid."""
    grid = preamble.numerology
    return GridTables(
        fft_size=grid.fft_size,
        cp_length=grid.cp_length,
        copies=preamble.repetitions,
        header_symbols=header_cells(grid.data.size) // grid.data.size,
        active=grid.active,
        signed=grid.signed(grid.active),
        data=grid.data,
        data_at=grid.positions(grid.data),
        pilots=grid.pilots,
        pilots_at=grid.positions(grid.pilots),
        training=preamble.tones,
    )
