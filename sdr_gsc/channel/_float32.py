"""Elementary functions in single precision that compilers can vectorize: no call, no branch, no table.

Polynomials are minimax fits over the reduced range, made by linear programming; the stated errors are theirs, and
float32 arithmetic adds about one unit in the last place (6e-8).
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["exp2", "half_turn_cosine_sine", "log2"]

f4 = np.float32
i4 = np.int32

_HALF_SQRT = i4(0x3F3504F3)  # bits of sqrt(1/2)
_MANTISSA_BITS = i4(23)
_SMALLEST_EXPONENT = f4(-126)

# fmt: off
# log2(1 + t) / t for sqrt(1/2) <= 1 + t < sqrt(2), error 4e-8.
_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8 = (
    f4(c) for c in (1.4426950048872837, -0.7213471993141677, 0.4809102798227011, -0.3607162638527837,
                    0.2879390939643658, -0.23867567984407242, 0.21521225668866376, -0.20893382224631357,
                    0.12926429550817967)
)
# 2^x for |x| <= 1/2, error 2e-9.
_E0, _E1, _E2, _E3, _E4, _E5, _E6 = (
    f4(c) for c in (0.9999999999190703, 0.6931472067096695, 0.24022651505046122, 0.05550327215728055,
                    0.009617994514746913, 0.0013400431679445, 0.00015478022171028927)
)
# cos(2 pi x) and sin(2 pi x) / x in x^2 for |x| <= 1/4, errors 5e-8 and 3e-8.
_C0, _C1, _C2, _C3, _C4 = (
    f4(c) for c in (0.9999999534667108, -19.739171434704748, 64.93459062679229, -85.24033031818769, 56.24238039413264)
)
_S0, _S1, _S2, _S3, _S4 = (
    f4(c) for c in (6.283185280367995, -41.34168072266349, 81.60248511193853, -76.5813964244524, 39.76161708905744)
)
# fmt: on


@njit(inline="always")
def log2(x: np.float32) -> np.float32:
    """Logarithm to base 2 of a positive normal number; 0 gives about -127, so that powers of it vanish."""
    bits = f4(x).view(np.int32)
    exponent = i4(i4(bits - _HALF_SQRT) >> _MANTISSA_BITS)
    t = i4(bits - i4(exponent << _MANTISSA_BITS)).view(np.float32) - f4(1)
    p = (((((((_L8 * t + _L7) * t + _L6) * t + _L5) * t + _L4) * t + _L3) * t + _L2) * t + _L1) * t + _L0
    return f4(exponent) + p * t


@njit(inline="always")
def exp2(x: np.float32) -> np.float32:
    """2^x for x <= 127; what lies below the smallest normal number becomes that number."""
    x = max(x, _SMALLEST_EXPONENT)
    whole = np.floor(x + f4(0.5))
    t = f4(x - whole)
    p = (((((_E6 * t + _E5) * t + _E4) * t + _E3) * t + _E2) * t + _E1) * t + _E0
    scale = i4(i4(i4(whole) + i4(127)) << _MANTISSA_BITS).view(np.float32)
    return p * scale


@njit(inline="always")
def half_turn_cosine_sine(x: np.float32) -> tuple[np.float32, np.float32]:
    """Cosine and sine of 2 pi x for |x| <= 1/4; other angles follow by turning the sign of both."""
    z = x * x
    c = (((_C4 * z + _C3) * z + _C2) * z + _C1) * z + _C0
    s = ((((_S4 * z + _S3) * z + _S2) * z + _S1) * z + _S0) * x
    return c, s
