"""Normal deviates by the million: many small generators side by side, one per vector lane.

Each lane is a xoshiro128++ (D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators", ACM Trans. Math.
Softw. 47(4), 2021) of period 2^128 - 1 whose state is drawn from a numpy generator; that two of the lanes ever overlap
has a probability of about 2^14 n / 2^128 for n samples. Two words of a lane become one complex deviate
(G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates", Ann. Math. Statist. 29(2), 1958).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ._float32 import half_turn_cosine_sine, log2

__all__ = ["LANES", "add_normals", "seed_lanes"]

#: Samples are dealt to the lanes in turn; streams continue over calls of a multiple of LANES samples.
LANES = 128

f4 = np.float32
u4 = np.uint32


def seed_lanes(generator: np.random.Generator) -> np.ndarray:
    """State of a new stream of normal deviates.

    Args:
        generator: source of randomness; draws 4 LANES words, however long the stream will be.

    Returns:
        uint32 [4, LANES], to be handed to `add_normals` again and again.
    """
    return generator.integers(0, 2**32, (4, LANES), np.uint32)


@njit(inline="always")
def _rotated(x: np.uint32, left: np.uint32) -> np.uint32:
    return u4(u4(x << left) | u4(x >> u4(u4(32) - left)))


@njit(cache=True, nogil=True, inline="always")
def _advance(lanes: np.ndarray, words: np.ndarray) -> None:
    # The casts keep numba from widening the words to 64 bits, which would halve the number of lanes in a register.
    for k in range(LANES):
        s0 = lanes[0, k]
        s1 = lanes[1, k]
        s2 = lanes[2, k]
        s3 = lanes[3, k]
        words[k] = u4(_rotated(u4(s0 + s3), u4(7)) + s0)
        t = u4(s1 << u4(9))
        s2 = u4(s2 ^ s0)
        s3 = u4(s3 ^ s1)
        s1 = u4(s1 ^ s2)
        s0 = u4(s0 ^ s3)
        lanes[0, k] = s0
        lanes[1, k] = s1
        lanes[2, k] = u4(s2 ^ t)
        lanes[3, k] = _rotated(s3, u4(11))


@njit(cache=True, nogil=True, fastmath=True)
def add_normals(lanes: np.ndarray, rails: np.ndarray, deviation: float) -> None:
    """Add independent normal deviates to interleaved I and Q.

    Radius sqrt(-2 ln u) and angle 2 pi v come from two words: u has 40 bits, spaced evenly over (0, 1) as far as single
    precision resolves them, so that the largest deviate is 7.5 standard deviations; v has 24.

    Args:
        lanes: uint32 [4, LANES] of `seed_lanes`, moved on.
        rails: float32 [2 n], changed in place.
        deviation: standard deviation of each rail.
    """
    radius = np.empty(LANES, np.uint32)
    angle = np.empty(LANES, np.uint32)
    last = np.zeros(2 * LANES, np.float32)
    factor = f4(-2 * math.log(2.0) * deviation * deviation)
    size = rails.size
    for first in range(0, size, 2 * LANES):
        _advance(lanes, radius)
        _advance(lanes, angle)
        whole = first + 2 * LANES <= size
        target = rails[first : first + 2 * LANES] if whole else last
        for k in range(LANES):
            word = angle[k]
            # The 32 bits of one word, refined by the lowest 8 of the other, in the middle of the last step.
            u = f4(radius[k]) * f4(2.0**-32) + (f4(u4(word & u4(0xFF)).view(np.int32)) + f4(0.5)) * f4(2.0**-40)
            r = np.sqrt(factor * log2(u))
            # Half a turn is the sign of both coordinates; the rest lies within a quarter turn of zero.
            flip = u4(u4(word + u4(0x40000000)) & u4(0x80000000))
            v = f4(u4(u4(word ^ flip) & u4(0xFFFFFF00)).view(np.int32)) * f4(2.0**-32)
            r = u4(f4(r).view(np.uint32) ^ flip).view(np.float32)
            c, s = half_turn_cosine_sine(v)
            target[2 * k] += r * c
            target[2 * k + 1] += r * s
        if not whole:
            rails[first:] += last[: size - first]
