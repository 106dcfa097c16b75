"""Samples in memory that the program and its worker share."""

from __future__ import annotations

import mmap
import os

import numpy as np

__all__ = ["SharedArea"]


class SharedArea:
    """A file in memory, mapped as far as it is needed; both sides hold its descriptor.

    The side that owns the area makes it grow; the other one maps it anew when it is told of more than it has mapped.
    Old mappings stay valid for the arrays that still use them.

    Args:
        descriptor: of the file; the area closes it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._bytes = np.zeros(0, np.uint8)

    def grow(self, n_bytes: int) -> None:
        """Make the file at least so long."""
        if os.fstat(self._descriptor).st_size < n_bytes:
            os.ftruncate(self._descriptor, n_bytes)

    def close(self) -> None:
        """Give the file up: no other file that gets its number later is taken for it. A second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def samples(self, offset_bytes: int, shape: tuple[int, ...]) -> np.ndarray:
        """View of the file as complex64, C-contiguous.

        Args:
            offset_bytes: where it begins, a multiple of 8.
            shape: of the view.

        Raises:
            ValueError: the file is shorter.
            OSError: the area was closed.
        """
        n_bytes = 8 * int(np.prod(shape, dtype=np.int64))
        if offset_bytes + n_bytes > self._bytes.size:
            length = os.fstat(self._descriptor).st_size
            if offset_bytes + n_bytes > length:
                raise ValueError(f"bytes {offset_bytes} ... {offset_bytes + n_bytes} of a shared area of {length}")
            self._bytes = np.frombuffer(mmap.mmap(self._descriptor, length), np.uint8)
        return self._bytes[offset_bytes : offset_bytes + n_bytes].view(np.complex64).reshape(shape)
