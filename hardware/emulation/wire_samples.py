"""The 12-bit converters of an AD9361, and their samples as 16-bit pairs in CHDR packets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

__all__ = ["BYTES_PER_SAMPLE", "HEADER_BYTES", "from_wire", "packets", "prepare"]

BYTES_PER_SAMPLE = 4
HEADER_BYTES = 16
"""Header word and time of a data packet."""

_HALF_CODES = 2048  # of 12 bits


@njit(cache=True, nogil=True)
def _receive(samples: np.ndarray, out: np.ndarray) -> int:
    # samples: complex64 [n]; out: int16 [packets, 2 * samples_per_packet], the 12 bits on top of each word.
    half = np.float32(_HALF_CODES)
    n_packets, width = out.shape
    per_packet = width // 2
    clipped = 0
    k = 0
    for row in range(n_packets):
        for column in range(per_packet):
            value = samples[k]
            i = np.floor(value.real * half + np.float32(0.5))
            q = np.floor(value.imag * half + np.float32(0.5))
            clipped += int(max(abs(value.real), abs(value.imag)) > np.float32(1))
            out[row, 2 * column] = np.int16(16 * np.int32(min(max(i, -half), half - np.float32(1))))
            out[row, 2 * column + 1] = np.int16(16 * np.int32(min(max(q, -half), half - np.float32(1))))
            k += 1
    return clipped


@njit(cache=True, nogil=True)
def _transmit(words: np.ndarray, rails: np.ndarray) -> None:
    # words: int16 [n]; rails: float32 [n]. The converter rounds to its 12 bits.
    step = np.float32(1 / _HALF_CODES)
    for k in range(words.size):
        code = (np.int32(words[k]) + 8) >> 4
        rails[k] = np.float32(code if code < _HALF_CODES else _HALF_CODES - 1) * step


def packets(
    samples: np.ndarray, header: int, sequence: int, ticks: int, samples_per_packet: int
) -> tuple[np.ndarray, int]:
    """Convert received samples and cut them into data packets with times.

    Args:
        samples: complex64 [n_packets * samples_per_packet], full scale 1.0.
        header: header word of all packets, without their sequence numbers.
        sequence: number of the first packet.
        ticks: device time of the first sample.
        samples_per_packet: 1 or more.

    Returns:
        uint8 [n_packets, 16 + 4 * samples_per_packet], and the number of samples that the converter clipped.
    """
    n_packets = samples.size // samples_per_packet
    length = HEADER_BYTES + BYTES_PER_SAMPLE * samples_per_packet
    # Rows are whole words, so that headers can be written as such.
    frames = np.zeros((n_packets, -(-length // 8)), "<u8")
    order = np.arange(n_packets, dtype=np.uint64)
    frames[:, 0] = np.uint64(header) | (np.uint64(sequence) + order & np.uint64(0xFFFF)) << np.uint64(32)
    frames[:, 1] = np.uint64(ticks) + order * np.uint64(samples_per_packet)
    clipped = _receive(samples, frames.view("<i2")[:, HEADER_BYTES // 2 : length // 2])
    return frames.view(np.uint8)[:, :length], clipped


def from_wire(payloads: Sequence[bytes | memoryview]) -> np.ndarray:
    """What the transmit converter makes of payloads, one after another: complex64 [n], full scale 1.0."""
    words = np.frombuffer(b"".join(payloads), "<i2")
    rails = np.empty(words.size, np.float32)
    _transmit(words, rails)
    return rails[: words.size // 2 * 2].view(np.complex64)


def prepare() -> None:
    """Compile the conversions, which would otherwise stall the first burst."""
    packets(np.zeros(8, np.complex64), 0, 0, 0, 4)
    from_wire([bytes(8)])
