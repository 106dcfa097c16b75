"""Kernel of the layered min-sum decoder: one compiled function for all codes; the Z lanes of a block are SIMD lanes.

All arrays of the hot loops are flat, and all indices are uint64: slices would cost reference counting at every edge,
and signed indices wrap-around branches that stop vectorization. A block column of posteriors is stored twice in a row,
so that a cyclic shift by s is the plain run of lanes that starts at s. Lanes are padded to whole vectors; what happens
in the padding is finite and never read back.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["min_sum"]

_Floats = npt.NDArray[np.float32]
_Indices = npt.NDArray[np.uint64]

_VECTOR = np.uint64(16)
_UNIT = np.uint64(1)
_ZERO = np.float32(0)
_ONE = np.float32(1)
_HUGE = np.float32(3e38)


@njit(cache=True, nogil=True)
def min_sum(
    llr: _Floats,
    starts: _Indices,
    columns: _Indices,
    shifts: _Indices,
    size: np.uint64,
    iterations: int,
    alpha: np.float32,
    limit: np.float32,
    bits: npt.NDArray[np.uint8],
    ok: npt.NDArray[np.bool_],
    used: npt.NDArray[np.int32],
) -> None:
    """Decode a batch into `bits`, `ok` and `used`.

    Args:
        llr: float32 [B, n] channel ratios, log P(0)/P(1).
        starts: uint64 [rows + 1] first edge of each block row; an edge is a non-zero block.
        columns: uint64 [edges] block column of each edge.
        shifts: uint64 [edges] cyclic shift of each edge.
        size: Z, lanes of a block.
        iterations: largest number of iterations.
        alpha: normalization of check messages, in (0, 1].
        limit: magnitude to which channel ratios are clipped.
        bits: uint8 [B, k], output.
        ok: bool [B], output.
        used: int32 [B], output.
    """
    n_columns = np.uint64(llr.shape[1]) // size
    padded = (size + _VECTOR - _UNIT) // _VECTOR * _VECTOR
    stride = size + size + padded
    degree = _UNIT
    for row in range(np.uint64(starts.shape[0]) - _UNIT):
        degree = max(degree, starts[row + _UNIT] - starts[row])
    posterior = np.zeros(n_columns * stride, np.float32)
    messages = np.empty(np.uint64(columns.shape[0]) * padded, np.float32)
    known = np.empty(degree * padded, np.float32)
    least, second, sign = np.empty(padded, np.float32), np.empty(padded, np.float32), np.empty(padded, np.float32)
    for block in range(llr.shape[0]):
        for column in range(n_columns):
            for lane in range(size):
                value = llr[block, column * size + lane]
                value = _ZERO if np.isnan(value) else min(max(value, -limit), limit)
                posterior[column * stride + lane] = value
                posterior[column * stride + size + lane] = value
        messages[:] = _ZERO
        done = _is_code_word(posterior, stride, starts, columns, shifts, size, sign)
        spent = 0
        while not done and spent < iterations:
            _iterate(
                posterior, stride, messages, padded, starts, columns, shifts, size, alpha, known, least, second, sign
            )
            done = _is_code_word(posterior, stride, starts, columns, shifts, size, sign)
            spent += 1
        ok[block] = done
        used[block] = spent
        for column in range(np.uint64(bits.shape[1]) // size):
            for lane in range(size):
                bits[block, column * size + lane] = posterior[column * stride + lane] < _ZERO


@njit(cache=True, nogil=True)
def _is_code_word(
    posterior: _Floats,
    stride: np.uint64,
    starts: _Indices,
    columns: _Indices,
    shifts: _Indices,
    size: np.uint64,
    sign: _Floats,
) -> bool:
    """Whether every check holds; an undecided bit (exactly 0) fails its checks."""
    for row in range(np.uint64(starts.shape[0]) - _UNIT):
        for lane in range(size):
            sign[lane] = _ONE
        for edge in range(starts[row], starts[row + _UNIT]):
            at = columns[edge] * stride + shifts[edge]
            for lane in range(size):
                value = posterior[at + lane]
                sign[lane] *= _ONE if value > _ZERO else (-_ONE if value < _ZERO else _ZERO)
        worst = _ONE
        for lane in range(size):
            worst = sign[lane] if sign[lane] < worst else worst
        if worst <= _ZERO:
            return False
    return True


@njit(cache=True, nogil=True)
def _iterate(
    posterior: _Floats,
    stride: np.uint64,
    messages: _Floats,
    padded: np.uint64,
    starts: _Indices,
    columns: _Indices,
    shifts: _Indices,
    size: np.uint64,
    alpha: np.float32,
    known: _Floats,
    least: _Floats,
    second: _Floats,
    sign: _Floats,
) -> None:
    """One pass over all block rows; each row works on the posteriors that the rows before it left."""
    for row in range(np.uint64(starts.shape[0]) - _UNIT):
        first, end = starts[row], starts[row + _UNIT]
        for lane in range(padded):
            least[lane] = _HUGE
            second[lane] = _HUGE
            sign[lane] = _ONE
        for edge in range(first, end):
            at = columns[edge] * stride + shifts[edge]
            to = edge * padded
            own = (edge - first) * padded
            for lane in range(padded):
                value = posterior[at + lane] - messages[to + lane]
                known[own + lane] = value
                magnitude = abs(value)
                old = least[lane]
                larger = magnitude if magnitude > old else old
                second[lane] = larger if larger < second[lane] else second[lane]
                least[lane] = magnitude if magnitude < old else old
                sign[lane] *= _ONE if value >= _ZERO else -_ONE
        for edge in range(first, end):
            shift = shifts[edge]
            at = columns[edge] * stride
            to = edge * padded
            own = (edge - first) * padded
            for lane in range(padded):
                value = known[own + lane]
                other = second[lane] if abs(value) == least[lane] else least[lane]
                new = alpha * sign[lane] * (other if value >= _ZERO else -other)
                messages[to + lane] = new
                known[own + lane] = value + new
            # Both copies of the column: the run that starts at the shift, then what lies before and after it.
            for lane in range(size):
                posterior[at + shift + lane] = known[own + lane]
            for lane in range(shift):
                posterior[at + lane] = known[own + size - shift + lane]
            for lane in range(size - shift):
                posterior[at + shift + size + lane] = known[own + lane]
