"""Working tables of quasi-cyclic codes, and their compiled encoder; `_layered` decodes with the same tables.

The Z lanes of a block column are one row of vectors. A row is kept periodically extended: lane i holds bit i mod Z,
in the padding to whole vectors too, so that computing on the padding repeats what is done elsewhere. Written twice, Z
lanes apart, a row can be read from any shift s < Z on as a plain run of lanes.

The decoder leaves a block column turned as the last check that used it wanted it: then a row is read with the shift
*between* two checks, and written without any. After the last check of an iteration the columns stand as at its start.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from ._lanes import LANES, exclusive_or, filled, load, store, store_bits

__all__ = ["CodeTables", "code_tables", "encode_word", "word_buffer"]

_ONE = np.uint64(1)


class CodeTables(NamedTuple):
    """What compiled code must know of a code.

    Attributes:
        starts: uint64 [rows + 1] first edge of each block row; an edge is a block that is not zero.
        edges: uint64 [edges, 4]; where the decoder reads a column, where it writes it, where a syndrome check reads it
            between two iterations, and where the encoder reads it.
        turns: uint64 [columns, 2] shifts that turn a column before the first iteration and back after the last.
        n_information: uint64, block columns of information bits.
        size: uint64, bits Z of a block.
        stride: uint64, lanes from one column to the next.
        limit: largest magnitude of a ratio or a message that cannot overflow the sum of a column.
        lanes: a tuple as long as a row has vectors.
    """

    starts: npt.NDArray[np.uint64]
    edges: npt.NDArray[np.uint64]
    turns: npt.NDArray[np.uint64]
    n_information: np.uint64
    size: np.uint64
    stride: np.uint64
    limit: int
    lanes: tuple[int, ...]


def code_tables(shifts: npt.NDArray[np.int16], size: int) -> CodeTables:
    """Tables of the code with shift table `shifts` [rows, columns] (-1: zero block) and blocks of `size` bits."""
    rows, columns = shifts.shape
    vectors = -(-size // LANES)
    stride = -(-(size + vectors * LANES) // LANES) * LANES
    weight = np.count_nonzero(shifts >= 0, axis=0)
    last = [int(shifts[np.flatnonzero(shifts[:, column] >= 0)[-1], column]) for column in range(columns)]
    standing = list(last)
    starts, edges = [0], []
    for row in range(rows):
        used = np.flatnonzero(shifts[row] >= 0)
        # Columns that many checks use come last: they are the ones the check before has just written.
        for column in used[np.argsort(weight[used], kind="stable")]:
            base, shift = int(column) * stride, int(shifts[row, column])
            edges.append(
                (base + (shift - standing[column]) % size, base, base + (shift - last[column]) % size, base + shift)
            )
            standing[column] = shift
        starts.append(len(edges))
    turns = [(shift, -shift % size) for shift in last]
    return CodeTables(
        _frozen(starts),
        _frozen(edges),
        _frozen(turns),
        np.uint64(columns - rows),
        np.uint64(size),
        np.uint64(stride),
        # A column sums the channel's ratio and one message of each of its checks.
        int(np.iinfo(np.int16).max // (1 + weight.max())),
        (0,) * vectors,
    )


def _frozen(values: object) -> npt.NDArray[np.uint64]:
    table = np.array(values, np.uint64)
    table.setflags(write=False)
    return table


@njit(cache=True, nogil=True)
def word_buffer(code: CodeTables) -> npt.NDArray[np.uint8]:
    """Room for the bits of one code word, uint8; what lies behind the word is scratch."""
    padded = np.uint64(len(code.lanes) * LANES)
    return np.zeros(np.uint64(code.turns.shape[0]) * code.size + padded, np.uint8)


@njit(cache=True, nogil=True)
def encode_word(word: npt.NDArray[np.uint8], code: CodeTables) -> None:
    """Append the parity bits to the information bits, values 0 and 1, in a `word_buffer`.

    The checks of block row i sum the information to s_i. Adding all block rows leaves p_0 = sum_i s_i, because the
    double diagonal and the two equal shifts of the first parity column cancel; the other parity blocks follow by
    substitution along the diagonal.
    """
    size, stride, lanes = code.size, code.stride, code.lanes
    n_rows = np.uint64(code.starts.shape[0]) - _ONE
    padded = np.uint64(len(lanes) * LANES)
    plain = np.empty(code.n_information * size + padded, np.int16)
    extended = np.empty((code.n_information + _ONE) * stride + padded, np.int16)
    sums = np.empty(n_rows * padded, np.int16)
    for bit in range(code.n_information * size):
        plain[bit] = word[bit]
    for column in range(code.n_information):
        # The second copy overwrites the padding of the first, the third that of the second.
        at = column * stride
        row = load(plain, column * size, lanes)
        store(extended, at, row)
        store(extended, at + size, row)
        store(extended, at + size + size, row)
    parity = code.n_information * stride
    first = filled(np.int16(0), lanes)
    for check in range(n_rows):
        total = filled(np.int16(0), lanes)
        for edge in range(code.starts[check], code.starts[check + _ONE]):
            if code.edges[edge, 1] < parity:
                total = exclusive_or(total, load(extended, code.edges[edge, 3], lanes))
        store(sums, check * padded, total)
        first = exclusive_or(first, total)
    store(extended, parity, first)
    store(extended, parity + size, first)
    store_bits(word, code.n_information * size, first)
    previous = filled(np.int16(0), lanes)
    for check in range(n_rows - _ONE):
        previous = exclusive_or(previous, load(sums, check * padded, lanes))
        for edge in range(code.starts[check], code.starts[check + _ONE]):
            if code.edges[edge, 1] == parity:
                previous = exclusive_or(previous, load(extended, code.edges[edge, 3], lanes))
        store_bits(word, (code.n_information + _ONE + check) * size, previous)
