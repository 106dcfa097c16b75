"""Converters with a finite number of bits: full scale is 1.0 on each rail."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..errors import ClippingError

__all__ = ["Converter", "quantize", "require_full_scale"]


@njit(cache=True, nogil=True)
def _quantize(rails: np.ndarray, half_codes: np.float32) -> int:
    # Codes are the odd multiples of half a step: the top one lies half a step below full scale.
    top = half_codes - np.float32(1)
    step = np.float32(1) / half_codes
    clipped = 0
    for k in range(rails.size // 2):
        i = rails[2 * k]
        q = rails[2 * k + 1]
        clipped += int(max(abs(i), abs(q)) > np.float32(1))
        code_i = min(max(np.floor(i * half_codes), -half_codes), top)
        code_q = min(max(np.floor(q * half_codes), -half_codes), top)
        rails[2 * k] = (code_i + np.float32(0.5)) * step
        rails[2 * k + 1] = (code_q + np.float32(0.5)) * step
    return clipped


@njit(cache=True, nogil=True)
def _largest(rails: np.ndarray) -> np.uint32:
    # rails: uint32, the bits of float32. Without their signs, numbers are ordered as their bits are; infinity and what
    # is not a number lie above all others.
    largest = np.uint32(0)
    for bits in rails:
        largest = max(largest, np.uint32(bits & np.uint32(0x7FFFFFFF)))
    return largest


class Converter:
    """Uniform mid-rise converter of 2^bits codes per rail over [-1, 1] that a signal passes piece by piece.

    Inside full scale the error is uniform with power step^2/12 per rail, step = 2^(1-bits); the rest is clipped.

    Args:
        bits: 1 ... 24.

    Attributes:
        clipped: number of samples so far with at least one rail beyond full scale.
    """

    def __init__(self, bits: int) -> None:
        if not 1 <= bits <= 24:
            raise ValueError(f"a converter has 1 ... 24 bits, not {bits}")
        self.clipped = 0
        self._half_codes = np.float32(2 ** (bits - 1))

    def __call__(self, samples: np.ndarray) -> None:
        """Convert complex64 [n], finite, in place."""
        self.clipped += _quantize(samples.view(np.float32), self._half_codes)


def quantize(samples: np.ndarray, bits: int) -> tuple[np.ndarray, int]:
    """Samples after a `Converter`.

    Args:
        samples: complex64 [n], finite.
        bits: 1 ... 24.

    Returns:
        complex64 [n] and the number of samples with at least one rail beyond full scale.
    """
    converter, out = Converter(bits), samples.copy()
    converter(out)
    return out, converter.clipped


def require_full_scale(samples: np.ndarray) -> None:
    """Refuse transmit samples that a converter would clip.

    Args:
        samples: complex64 [n].

    Raises:
        ClippingError: a rail beyond +-1.0, or a value that is not finite.
    """
    peak = float(np.uint32(_largest(samples.view(np.uint32))).view(np.float32))
    if not peak <= 1.0:
        raise ClippingError(
            f"the largest transmit rail is {peak:.4g}; needed at most 1.0 (full scale): "
            "scale the samples down, or let the transmitter clip its rare peaks and count them"
        )
