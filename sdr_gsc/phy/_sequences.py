"""Pseudo-random sequences both ends of a link agree on: fixed for ever, independent of library versions.

numpy promises no stable stream for permutations, and a recording must decode years later; so these come from SplitMix64
in counter mode (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014). Each kind of sequence
has streams of its own: points sorted by the very words that made them would be no random signal. Any stream can be
entered anywhere, and a longer sequence begins with the shorter one (except a permutation, which is one of its length).
"""

from __future__ import annotations

import functools

import numpy as np
from numba import njit

__all__ = [
    "bits_state",
    "fill_qpsk",
    "permutation",
    "qpsk_point",
    "qpsk_points",
    "qpsk_state",
    "random_bits",
    "random_words",
    "sequence_state",
    "word_at",
]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_BITS, _ORDER, _POINTS = range(3)
#: Indices drawn ahead of the swaps that use them: drawing vectorizes, swapping cannot.
_AHEAD = 256
#: Permutations up to this length are remembered: 8 of them take 32 MiB.
_REMEMBERED = 1 << 20


@njit(cache=True, nogil=True, inline="always")
def word_at(state: np.uint64, index: int) -> np.uint64:
    """Word `index` of the stream that begins at `state`, uint64."""
    word = (np.uint64(index) + np.uint64(1) + state) * _GOLDEN
    word = (word ^ (word >> np.uint64(30))) * _MIX_1
    word = (word ^ (word >> np.uint64(27))) * _MIX_2
    return word ^ (word >> np.uint64(31))


def sequence_state(seed: int) -> np.uint64:
    """Counter at which the stream of `seed`, any integer, begins."""
    return np.uint64((seed * 0xD1342543DE82EF95) % 2**64)


def random_words(seed: int, count: int) -> np.ndarray:
    """uint64 [count], uniform; `seed` is any integer (taken modulo 2^64)."""
    return _words(sequence_state(seed), count)


def random_bits(seed: int, count: int) -> np.ndarray:
    """uint8 [count] of 0 and 1: the bits of the words, the least significant one first."""
    words = _words(bits_state(seed), -(-count // 64)).astype("<u8", copy=False)
    return np.unpackbits(words.view(np.uint8), count=count, bitorder="little")


def bits_state(seed: int) -> np.uint64:
    """Where the stream of `random_bits` begins."""
    return sequence_state(3 * seed + _BITS)


def permutation(seed: int, count: int) -> np.ndarray:
    """int32 [count], read-only, a permutation of 0…count-1, count < 2^31.

    Fisher and Yates's shuffle from the inside out: for i = 0, 1, … let j = floor((i + 1)·u_i / 2^32), where u_i is the
    upper half of word i; then p[i] = p[j] and p[j] = i.
    """
    state = sequence_state(3 * seed + _ORDER)
    return _remembered_order(state, count) if count <= _REMEMBERED else _order(state, count)


def qpsk_points(seed: int, count: int) -> np.ndarray:
    """complex64 [count], unit modulus, phases ±45° and ±135°: signs from the two upper bits of a word each."""
    points = np.empty(count, np.complex64)
    fill_qpsk(qpsk_state(seed), points)
    return points


def qpsk_state(seed: int) -> np.uint64:
    """Where the stream of `qpsk_points` begins."""
    return sequence_state(3 * seed + _POINTS)


@njit(cache=True, nogil=True, inline="always")
def qpsk_point(state: np.uint64, index: int) -> np.complex64:
    """Point `index` of the stream that begins at `state`, complex64."""
    level = np.float32(np.sqrt(0.5))
    word = word_at(state, index)
    real = -level if word >> np.uint64(63) else level
    imaginary = -level if (word >> np.uint64(62)) & np.uint64(1) else level
    return np.complex64(complex(real, imaginary))


@njit(cache=True, nogil=True)
def fill_qpsk(state: np.uint64, points: np.ndarray) -> None:
    """Fill complex64 [n] with the points of `qpsk_points`."""
    for index in range(points.size):
        points[index] = qpsk_point(state, index)


@njit(cache=True, nogil=True)
def _words(state: np.uint64, count: int) -> np.ndarray:
    words = np.empty(count, np.uint64)
    for index in range(count):
        words[index] = word_at(state, index)
    return words


@functools.lru_cache(maxsize=8)
def _remembered_order(state: np.uint64, count: int) -> np.ndarray:
    return _order(state, count)


def _order(state: np.uint64, count: int) -> np.ndarray:
    order = _shuffled(state, count)
    order.setflags(write=False)
    return order


@njit(cache=True, nogil=True)
def _shuffled(state: np.uint64, count: int) -> np.ndarray:
    order = np.empty(count, np.int32)
    places = np.empty(_AHEAD, np.uint32)
    for first in range(0, count, _AHEAD):
        drawn = min(_AHEAD, count - first)
        for k in range(drawn):
            bound = np.uint64(first + k + 1)
            places[k] = np.uint32(((word_at(state, first + k) >> np.uint64(32)) * bound) >> np.uint64(32))
        for k in range(drawn):
            order[first + k] = order[places[k]]
            order[places[k]] = first + k
    return order
