"""Sine and cosine that vectorize: library calls inside a loop keep it scalar."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["sine_cosine"]

# Constants in single precision: one double in an expression would make all of it double.
_PER_QUARTER = np.float32(2 / np.pi)
_QUARTER_HIGH = np.float32(1.5703125)  # π/2 in three parts, so that whole quarters are taken off without loss
_QUARTER_MIDDLE = np.float32(4.837512969970703e-4)
_QUARTER_LOW = np.float32(7.549790126404332e-8)
_S3, _S5, _S7 = np.float32(-1 / 6), np.float32(1 / 120), np.float32(-1 / 5040)
_C2, _C4, _C6, _C8 = np.float32(-1 / 2), np.float32(1 / 24), np.float32(-1 / 720), np.float32(1 / 40320)
_ONE = np.float32(1)


@njit(inline="always")
def sine_cosine(angle: np.float32) -> tuple[np.float32, np.float32]:
    """Sine and cosine of a float32 angle in rad, |angle| < 1000; error below 1e-6.

    Whole quarter turns are taken off (Cody and Waite, Software Manual for the Elementary Functions, 1980), the rest
    goes into Taylor's polynomials.
    """
    quarters = np.rint(angle * _PER_QUARTER)
    rest = ((angle - quarters * _QUARTER_HIGH) - quarters * _QUARTER_MIDDLE) - quarters * _QUARTER_LOW
    square = rest * rest
    sine = rest + rest * square * (_S3 + square * (_S5 + square * _S7))
    cosine = _ONE + square * (_C2 + square * (_C4 + square * (_C6 + square * _C8)))
    turn = np.int32(quarters)
    swapped = turn & np.int32(1)
    first = cosine if swapped else sine
    second = sine if swapped else cosine
    return (-first if turn & np.int32(2) else first), (-second if (turn + np.int32(1)) & np.int32(2) else second)
