"""Square QAM constellations with unit mean power and a Gray label on each axis.

Labels follow 3GPP TS 38.211 clause 5.1: even label bits belong to the in-phase axis, odd ones to the quadrature axis,
and on each axis p bits b_0 … b_{p-1} select the amplitude

    a = A (1 - 2 b_0) (2^{p-1} - (1 - 2 b_1) (2^{p-2} - (1 - 2 b_2) (… - (1 - 2 b_{p-1}))))

so that b_0 = 0 means a positive amplitude and neighbours differ in one bit. A = sqrt(3 / (2 (M - 1))) makes the mean
power of M equiprobable points 1.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import SettingsError

__all__ = ["ORDERS", "Qam", "axis_labels"]

ORDERS = (4, 16, 64, 256, 1024)


@dataclass(frozen=True, slots=True)
class Qam:
    """Square QAM of `order` points: 4, 16, 64, 256 or 1024.

    Raises:
        SettingsError: another order.

    >>> qpsk = Qam(4)
    >>> qpsk.modulate(np.array([0, 0, 1, 0], np.uint8)).round(3)
    array([ 0.707+0.707j, -0.707+0.707j], dtype=complex64)
    """

    order: int

    def __post_init__(self) -> None:
        """Refuse an order without a table."""
        if self.order not in ORDERS:
            raise SettingsError(f"QAM order {self.order!r}: expected one of {', '.join(map(str, ORDERS))}.")

    @property
    def bits_per_symbol(self) -> int:
        """Label length m = log2(order)."""
        return self.order.bit_length() - 1

    @property
    def half_spacing(self) -> float:
        """Half the distance between neighbouring points, A = sqrt(3 / (2 (order - 1)))."""
        return math.sqrt(1.5 / (self.order - 1))

    @property
    def points(self) -> npt.NDArray[np.complex64]:
        """Points, complex64 [order], read-only: index = label read as a number, first bit most significant."""
        return _points(self.order)

    def modulate(self, bits: npt.NDArray[np.uint8]) -> npt.NDArray[np.complex64]:
        """Points of consecutive labels.

        Args:
            bits: uint8 [n * m], values 0 and 1.

        Returns:
            complex64 [n].

        Raises:
            SettingsError: the number of bits is not a multiple of m, or a value is not a bit.
        """
        width = self.bits_per_symbol
        if bits.ndim != 1 or bits.size % width:
            raise SettingsError(
                f"bits of shape {bits.shape} for {self.order}-QAM: needed one dimension, a multiple of {width}; pad it."
            )
        if bits.size and bits.max() > 1:
            raise SettingsError(f"bit value {bits.max()}: needed 0 or 1; unpack bytes with numpy.unpackbits first.")
        label = np.zeros(bits.size // width, np.uint16)
        for position in range(width):
            label <<= 1
            label |= bits[position::width]
        return _points(self.order)[label]

    def hard(self, symbols: npt.NDArray[np.complex64]) -> npt.NDArray[np.uint8]:
        """Labels of the nearest points.

        Args:
            symbols: complex64 [n], finite.

        Returns:
            uint8 [n * m].
        """
        levels = self._level_indices(symbols).astype(np.uint8)
        labels = axis_labels(self.order)[levels].reshape(symbols.size, 2, self.bits_per_symbol // 2)
        return np.ascontiguousarray(labels.swapaxes(1, 2)).reshape(-1)

    def decide(self, symbols: npt.NDArray[np.complex64]) -> npt.NDArray[np.complex64]:
        """Nearest points, complex64 [n]; a NaN part stays NaN."""
        levels = self._level_indices(symbols)
        levels *= np.float32(2 * self.half_spacing)
        levels -= np.float32((math.isqrt(self.order) - 1) * self.half_spacing)
        return levels.view(np.complex64)

    def _level_indices(self, symbols: npt.NDArray[np.complex64]) -> npt.NDArray[np.float32]:
        """Nearest level per axis as a whole float32 in [0, sqrt(order) - 1], [2 n], I and Q interleaved."""
        if symbols.ndim != 1:
            raise SettingsError(f"symbols of shape {symbols.shape}: needed one dimension; use reshape(-1).")
        last = np.float32(math.isqrt(self.order) - 1)
        axes = np.ascontiguousarray(symbols, np.complex64).view(np.float32)
        scaled = axes * np.float32(0.5 / self.half_spacing)
        scaled += last / 2
        np.rint(scaled, out=scaled)
        return np.clip(scaled, np.float32(0), last, out=scaled)


@functools.cache
def axis_labels(order: int) -> npt.NDArray[np.uint8]:
    """Label bits of the amplitude levels of one axis, ascending amplitude, uint8 [sqrt(order), m / 2], read-only."""
    n_levels = math.isqrt(order)
    n_bits = n_levels.bit_length() - 1
    values = np.arange(n_levels)
    bits = (values[:, None] >> np.arange(n_bits)[::-1]) & 1
    amplitude = np.zeros(n_levels, np.int64)
    for position in reversed(range(n_bits)):
        amplitude = (1 - 2 * bits[:, position]) * (2 ** (n_bits - 1 - position) - amplitude)
    labels = bits[np.argsort(amplitude)].astype(np.uint8)
    labels.setflags(write=False)
    return labels


@functools.cache
def _points(order: int) -> npt.NDArray[np.complex64]:
    labels = axis_labels(order)
    n_levels, n_bits = labels.shape
    weights = 1 << 2 * np.arange(n_bits)[::-1]
    axis = (2 * np.arange(n_levels) - (n_levels - 1)) * Qam(order).half_spacing
    in_phase, quadrature = 2 * labels @ weights, labels @ weights
    points = np.empty(order, np.complex64)
    points[in_phase[:, None] + quadrature[None, :]] = axis[:, None] + 1j * axis[None, :]
    points.setflags(write=False)
    return points
