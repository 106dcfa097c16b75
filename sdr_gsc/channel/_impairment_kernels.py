"""Compiled work of the analogue imperfections: each changes interleaved I and Q in place.

Kernels work on float32 views of interleaved I and Q: numba vectorizes these and not complex arithmetic. They know one
array each, so that the compiler need not fear that input and output overlap.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ._float32 import exp2, half_turn_cosine_sine, log2

__all__ = ["TURN", "compress", "mix", "rotate", "walk"]

#: Steps of the phase accumulator of `walk` in one turn.
TURN = 2**32
_TABLE = 128
_STRETCH = 512

f4 = np.float32
i4 = np.int32
u4 = np.uint32


@njit(cache=True, nogil=True, fastmath=True)
def rotate(rails: np.ndarray, step_rad: float, start_rad: float) -> None:
    """Multiply sample n by exp(j (start + n step))."""
    # One table of _TABLE phasors times one exact phasor per block: no drift, and no exponential per sample.
    table_re = np.empty(_TABLE, np.float32)
    table_im = np.empty(_TABLE, np.float32)
    for k in range(_TABLE):
        table_re[k] = math.cos(step_rad * k)
        table_im[k] = math.sin(step_rad * k)
    n = rails.size // 2
    for first in range(0, n, _TABLE):
        block_re = f4(math.cos(start_rad + step_rad * first))
        block_im = f4(math.sin(start_rad + step_rad * first))
        count = min(_TABLE, n - first)
        part = rails[2 * first : 2 * (first + count)]
        for k in range(count):
            c = table_re[k] * block_re - table_im[k] * block_im
            s = table_re[k] * block_im + table_im[k] * block_re
            i = part[2 * k]
            q = part[2 * k + 1]
            part[2 * k] = i * c - q * s
            part[2 * k + 1] = i * s + q * c


@njit(cache=True, nogil=True, fastmath=True)
def walk(rails: np.ndarray, steps: np.ndarray, scale: float, phase: int) -> int:
    """Multiply by a phasor of phase `phase`, then move it by steps[n] scale, sample after sample.

    The phase is an integer of 32 bits that wraps at a full turn like an oscillator's accumulator: adding takes one
    cycle where turning a phasor takes a dozen, and nothing drifts.

    Args:
        rails: float32 [2 n].
        steps: float32 [n].
        scale: accumulator steps per unit of `steps`; no step exceeds half a turn.
        phase: accumulator before the first sample.

    Returns:
        Accumulator after the last.
    """
    phases = np.empty(_STRETCH, np.int32)
    single = f4(scale)
    now = i4(phase)
    for first in range(0, steps.size, _STRETCH):
        count = min(_STRETCH, steps.size - first)
        for k in range(count):
            phases[k] = i4(steps[first + k] * single)
        for k in range(count):
            step = phases[k]
            phases[k] = now
            now = i4(now + step)
        part = rails[2 * first : 2 * (first + count)]
        for k in range(count):
            word = i4(phases[k]).view(np.uint32)
            flip = u4(u4(word + u4(0x40000000)) & u4(0x80000000))
            c, s = half_turn_cosine_sine(f4(u4(word ^ flip).view(np.int32)) * f4(2.0**-32))
            c = u4(f4(c).view(np.uint32) ^ flip).view(np.float32)
            s = u4(f4(s).view(np.uint32) ^ flip).view(np.float32)
            i = part[2 * k]
            q = part[2 * k + 1]
            part[2 * k] = i * c - q * s
            part[2 * k + 1] = i * s + q * c
    return int(now)


@njit(cache=True, nogil=True, fastmath=True)
def mix(rails: np.ndarray, crosstalk: np.float32, gain: np.float32, offset: np.float32) -> None:
    """I + crosstalk Q + offset and gain Q + offset."""
    for k in range(rails.size // 2):
        i = rails[2 * k]
        q = rails[2 * k + 1]
        rails[2 * k] = i + crosstalk * q + offset
        rails[2 * k + 1] = gain * q + offset


@njit(cache=True, nogil=True, fastmath=True)
def compress(rails: np.ndarray, inverse_power: np.float32, p: np.float32) -> None:
    """Divide by (1 + d^p)^(1/(2p)), d = |x|^2 inverse_power.

    With L = log2 d the exponent is -max(L, 0)/2 - log2(1 + 2^(-p|L|)) / (2p): no power of a large drive overflows.
    """
    half = f4(0.5)
    for k in range(rails.size // 2):
        i = rails[2 * k]
        q = rails[2 * k + 1]
        drive = log2((i * i + q * q) * inverse_power)
        knee = log2(f4(1) + exp2(-p * abs(drive)))
        gain = exp2(-half * max(drive, f4(0)) - half / p * knee)
        rails[2 * k] = i * gain
        rails[2 * k + 1] = q * gain
