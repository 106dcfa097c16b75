"""Compiled inner loops of `interleave` and `deinterleave`."""

from __future__ import annotations

import numpy as np
from numba import njit

from ._sequences import qpsk_point, word_at

__all__ = ["energy", "gather_turned", "scatter_back"]

#: 1, j, -1, -j.
_TURNS = np.array([1, 1j, -1, -1j], np.complex64)
_TURNS_BACK = _TURNS.conj()
#: Turns in one word, two bits each.
_PER_WORD = 32


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def energy(symbols: np.ndarray) -> float:
    """Sum of |x|² of complex64 [n], in float64; not finite exactly where a symbol is not."""
    rails = symbols.view(np.float32)
    total = 0.0
    for k in range(rails.size):
        total += np.float64(rails[k]) * np.float64(rails[k])
    return total


@njit(cache=True, nogil=True)
def gather_turned(
    symbols: np.ndarray, order: np.ndarray, turning: np.uint64, padding: np.uint64, out: np.ndarray
) -> None:
    """out[i] = padded[order[i]]·j^q_i: symbols mixed, padded and turned.

    Args:
        symbols: complex64 [n]; behind them stand the points of the stream `padding`.
        order: int32 [m], m >= n.
        turning: stream of the q_i, two bits each, the least significant ones of a word first.
        padding: stream of the points that fill up.
        out: complex64 [m], filled.
    """
    word = np.uint64(0)
    for i in range(order.size):
        if i % _PER_WORD == 0:
            word = word_at(turning, i // _PER_WORD)
        at = order[i]
        value = symbols[at] if at < symbols.size else qpsk_point(padding, at - symbols.size)
        out[i] = value * _TURNS[word & np.uint64(3)]
        word >>= np.uint64(2)


@njit(cache=True, nogil=True)
def scatter_back(
    symbols: np.ndarray,
    variance: np.ndarray,
    order: np.ndarray,
    first: int,
    turning: np.uint64,
    symbols_out: np.ndarray,
    variance_out: np.ndarray,
) -> None:
    """Put symbols first…first+m-1 of what `gather_turned` made, and their variance, where they came from.

    Args:
        symbols: complex64 [m].
        variance: float32 [m].
        order: int32 [M], of the whole transmission.
        first: place of the first symbol in it.
        turning: stream of the turns.
        symbols_out: complex64 [n], n <= M; what belongs behind its end is padding and dropped.
        variance_out: float32 [n].
    """
    word = word_at(turning, first // _PER_WORD) >> np.uint64(2 * (first % _PER_WORD))
    for k in range(symbols.size):
        i = first + k
        if i % _PER_WORD == 0:
            word = word_at(turning, i // _PER_WORD)
        at = order[i]
        if at < symbols_out.size:
            symbols_out[at] = symbols[k] * _TURNS_BACK[word & np.uint64(3)]
            variance_out[at] = variance[k]
        word >>= np.uint64(2)
