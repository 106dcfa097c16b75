"""Between levels on the air and the 16-bit samples of an AD936x: 12 bits each way."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["codes_to_levels", "levels_to_codes", "loop_codes"]

# The transmitter uses the upper 12 of 16 bits; the receiver fills 12 bits and extends their sign.
_SPARE_BITS = 4
_HALF_CODES = np.float32(2048)


@njit(cache=True, nogil=True)
def _to_codes(rails: np.ndarray, codes: np.ndarray) -> None:
    for k in range(rails.size):
        level = rails[k] * _HALF_CODES
        level = min(max(level, -_HALF_CODES), _HALF_CODES - np.float32(1))
        codes[k] = np.int16(np.floor(level + np.float32(0.5)))


@njit(cache=True, nogil=True)
def _to_lane(rails: np.ndarray, rail: int, codes: np.ndarray, lane: int) -> None:
    for k in range(codes.shape[0]):
        level = rails[2 * k + rail] * _HALF_CODES
        level = min(max(level, -_HALF_CODES), _HALF_CODES - np.float32(1))
        codes[k, lane] = np.int16(np.floor(level + np.float32(0.5)))


@njit(cache=True, nogil=True)
def _to_levels(codes: np.ndarray, port: int, rails: np.ndarray) -> None:
    step = np.float32(1) / _HALF_CODES
    for k in range(codes.shape[0]):
        rails[2 * k] = np.float32(codes[k, 2 * port] >> _SPARE_BITS) * step
        rails[2 * k + 1] = np.float32(codes[k, 2 * port + 1] >> _SPARE_BITS) * step


def levels_to_codes(levels: np.ndarray, lanes: tuple[int, ...], codes: np.ndarray) -> None:
    """The receive converters: round to 1/2048 of full scale, clip.

    Args:
        levels: complex64 [ports, n], full scale 1.0; those of the ports that `lanes` needs, in order.
        lanes: wanted ones of each port's two, such as (0, 1, 2, 3) for two whole ports.
        codes: int16 [n, len(lanes)], filled.
    """
    ports = sorted({lane // 2 for lane in lanes})
    if len(lanes) == 2 and len(ports) == 1:
        _to_codes(levels[0].view(np.float32), codes.reshape(-1))
        return
    for column, lane in enumerate(lanes):
        _to_lane(levels[ports.index(lane // 2)].view(np.float32), lane % 2, codes, column)


def codes_to_levels(codes: np.ndarray, port: int) -> np.ndarray:
    """The transmit converters: drop the lowest 4 bits.

    Args:
        codes: int16 [n, lanes], all lanes.
        port: channel.

    Returns:
        complex64 [n], full scale 1.0.
    """
    levels = np.empty(len(codes), np.complex64)
    _to_levels(codes, port, levels.view(np.float32))
    return levels


def loop_codes(codes: np.ndarray, lanes: tuple[int, ...]) -> np.ndarray:
    """What the receiver delivers of transmitted samples while the chip feeds them back.

    Args:
        codes: int16 [n, all lanes].
        lanes: wanted ones.

    Returns:
        int16 [n, len(lanes)].
    """
    wanted = codes if len(lanes) == codes.shape[1] else codes[:, list(lanes)]
    return wanted >> _SPARE_BITS
