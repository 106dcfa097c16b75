"""What is known of a frame of some length before it is received, behind one handle for compiled code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit, types
from numba.experimental import structref

__all__ = ["FrameTables", "frame_tables"]


@structref.register
class _FrameTablesType(types.StructRef):
    """Type of the handle."""


class FrameTables(structref.StructRefProxy):
    """Handle of a frame's known content, readable from compiled code only.

    Attributes:
        pilot_tones: complex64 [S, Np], conjugate transmitted pilots of all symbols.
        known: int64 [K], indices of the header's symbols and of the training symbols behind it.
        reference: complex64 [K, Na], their tones; the header's data tones are still missing.
        data: int64 [P], indices of the payload's symbols.
    """

    if TYPE_CHECKING:
        pilot_tones: np.ndarray
        known: np.ndarray
        reference: np.ndarray
        data: np.ndarray


structref.define_proxy(FrameTables, _FrameTablesType, ["pilot_tones", "known", "reference", "data"])


# The constructor that the proxy brings along would be compiled anew in every process.
@njit(cache=True)
def frame_tables(pilot_tones: np.ndarray, known: np.ndarray, reference: np.ndarray, data: np.ndarray) -> FrameTables:
    """The handle."""
    return FrameTables(pilot_tones, known, reference, data)
