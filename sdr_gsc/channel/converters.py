"""Converters with a finite number of bits: full scale is 1.0 on each rail."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..errors import ClippingError

__all__ = ["quantize", "require_full_scale"]


@njit(cache=True, nogil=True)
def _quantize(rails: np.ndarray, out: np.ndarray, half_codes: np.float32) -> int:
    # Codes are the odd multiples of half a step: the top one lies half a step below full scale.
    top = half_codes - np.float32(1)
    step = np.float32(1) / half_codes
    clipped = 0
    for k in range(rails.size // 2):
        i = rails[2 * k]
        q = rails[2 * k + 1]
        if abs(i) > np.float32(1) or abs(q) > np.float32(1):
            clipped += 1
        code_i = min(max(np.floor(i * half_codes), -half_codes), top)
        code_q = min(max(np.floor(q * half_codes), -half_codes), top)
        out[2 * k] = (code_i + np.float32(0.5)) * step
        out[2 * k + 1] = (code_q + np.float32(0.5)) * step
    return clipped


def quantize(samples: np.ndarray, bits: int) -> tuple[np.ndarray, int]:
    """Uniform mid-rise converter of 2^bits codes per rail over [-1, 1]; what lies beyond is clipped.

    Inside full scale the error is uniform with power step^2/12 per rail, step = 2^(1-bits).

    Args:
        samples: complex64 [n], finite.
        bits: 1 ... 24.

    Returns:
        complex64 [n] and the number of samples with at least one rail beyond full scale.
    """
    if not 1 <= bits <= 24:
        raise ValueError(f"a converter has 1 ... 24 bits, not {bits}")
    out = np.empty_like(samples)
    clipped = _quantize(samples.view(np.float32), out.view(np.float32), np.float32(2 ** (bits - 1)))
    return out, int(clipped)


def require_full_scale(samples: np.ndarray) -> None:
    """Refuse transmit samples that a converter would clip.

    Args:
        samples: complex64 [n].

    Raises:
        ClippingError: a rail beyond +-1.0, or a value that is not finite.
    """
    rails = samples.view(np.float32)
    peak = float(np.max(np.abs(rails), initial=0.0))
    if not peak <= 1.0:
        raise ClippingError(
            f"the largest transmit rail is {peak:.4g}; needed at most 1.0 (full scale): "
            "scale the samples down, or let the transmitter clip its rare peaks and count them"
        )
