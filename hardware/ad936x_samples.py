"""Between complex samples of full scale 1.0 and the 16-bit lanes of an AD936x."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["fold_power", "from_lanes", "load_kernels", "to_lanes"]


@njit(cache=True, nogil=True)
def _to_lane(rails: np.ndarray, lanes: np.ndarray, lane: int, half_codes: np.float32, spare: int) -> None:
    top = half_codes - np.float32(1)
    for k in range(lanes.shape[0]):
        for rail in range(2):
            code = np.floor(rails[2 * k + rail] * half_codes + np.float32(0.5))
            # Full scale itself is one code beyond the top: it is sent as the top code, never wrapped.
            code = min(max(code, -half_codes), top)
            lanes[k, lane + rail] = np.int16(np.int32(code) << spare)


@njit(cache=True, nogil=True)
def _from_lane(lanes: np.ndarray, lane: int, rails: np.ndarray, half_codes: int) -> int:
    step = np.float32(1.0 / half_codes)
    clipped = 0
    for k in range(lanes.shape[0]):
        i, q = lanes[k, lane], lanes[k, lane + 1]
        clipped += int(min(i, q) <= -half_codes or max(i, q) >= half_codes - 1)
        rails[2 * k] = np.float32(i) * step
        rails[2 * k + 1] = np.float32(q) * step
    return clipped


@njit(cache=True, nogil=True)
def _fold(lanes: np.ndarray, power: np.ndarray) -> None:
    period = power.size
    for k in range(lanes.shape[0]):
        total = np.float32(0)
        for lane in range(lanes.shape[1]):
            total += np.float32(lanes[k, lane]) * np.float32(lanes[k, lane])
        power[k % period] += total


def load_kernels() -> None:
    """Compile or load the functions of this module now, not while samples wait to be converted."""
    lanes = np.zeros((1, 2), np.int16)
    to_lanes(np.zeros(1, np.complex64), lanes, 0)
    from_lanes(lanes, 0)
    fold_power(lanes, 1)


def to_lanes(samples: np.ndarray, lanes: np.ndarray, channel: int, bits: int = 12) -> None:
    """Fill a channel's two lanes, rounded to the converter's codes.

    Args:
        samples: complex64 [n], full scale 1.0; the caller has checked that no rail lies beyond.
        lanes: int16 [n, lanes], filled in place; the codes are the upper bits.
        channel: first lane over two.
        bits: of the converter.
    """
    rails = np.ascontiguousarray(samples, np.complex64).view(np.float32)
    _to_lane(rails, lanes, 2 * channel, np.float32(2 ** (bits - 1)), 16 - bits)


def from_lanes(lanes: np.ndarray, channel: int, bits: int = 12) -> tuple[np.ndarray, int]:
    """A channel's samples.

    Args:
        lanes: int16 [n, lanes], codes with their sign extended.
        channel: first lane over two.
        bits: of the converter.

    Returns:
        complex64 [n], full scale 1.0, and the number of samples with a rail at the converter's limit.
    """
    samples = np.empty(len(lanes), np.complex64)
    return samples, int(_from_lane(lanes, 2 * channel, samples.view(np.float32), 2 ** (bits - 1)))


def fold_power(lanes: np.ndarray, period: int) -> np.ndarray:
    """Power of all lanes together, the periods of a repeated signal on top of each other.

    Args:
        lanes: int16 [n, lanes].
        period: in samples.

    Returns:
        float32 [period], in codes squared.
    """
    power = np.zeros(period, np.float32)
    _fold(lanes, power)
    return power
