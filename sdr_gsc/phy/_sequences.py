"""Pseudo-random sequences both ends of a link agree on: fixed for ever, independent of library versions.

numpy promises no stable stream for permutations, and a recording must decode years later; so these come from SplitMix64
in counter mode (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014). Each kind of sequence
has streams of its own: points sorted by the very words that made them would be no random signal.
"""

from __future__ import annotations

import numpy as np

__all__ = ["permutation", "qpsk_points", "random_bits", "random_words"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def random_words(seed: int, count: int) -> np.ndarray:
    """uint64 [count], uniform; `seed` is any integer (taken modulo 2^64)."""
    state = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64((seed * 0xD1342543DE82EF95) % 2**64)) * _GOLDEN
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))


def random_bits(seed: int, count: int) -> np.ndarray:
    """uint8 [count] of 0 and 1."""
    return (random_words(3 * seed, count) >> np.uint64(63)).astype(np.uint8)


def permutation(seed: int, count: int) -> np.ndarray:
    """int64 [count], a permutation of 0…count-1."""
    return np.argsort(random_words(3 * seed + 1, count), kind="stable")


def qpsk_points(seed: int, count: int) -> np.ndarray:
    """complex64 [count], unit modulus, phases ±45° and ±135°."""
    words = random_words(3 * seed + 2, count)
    real = 1.0 - 2.0 * (words >> np.uint64(63)).astype(np.float32)
    imaginary = 1.0 - 2.0 * ((words >> np.uint64(62)) & np.uint64(1)).astype(np.float32)
    return ((real + 1j * imaginary) * np.sqrt(0.5)).astype(np.complex64)
