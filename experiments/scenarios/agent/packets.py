"""The classical baseline: an observation as a packet of bits that arrives whole or not at all, in the same symbols.

Angle and speed as 7 bits each and a CRC-16, coded by the LDPC code 648 at rate 1/2 of IEEE 802.11, shortened to these
30 bits: information first, then as many of its parity bits as fit, in a fixed random order. Belief propagation fails
where most parity is punctured; a code of 30 bits is decoded nearly optimally by ordered statistics instead (Fossorier
and Lin, IEEE Trans. Inf. Theory 1995): the 30 most reliable independent bits, and all ways in which up to two of them
are wrong.
"""

from __future__ import annotations

import binascii
import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy.coding.ldpc import LdpcCode
from sdr_gsc.phy.constellation import Qam
from sdr_gsc.phy.demapping import soft_demap

from .pendulum import MAX_SPEED, state_of

__all__ = ["INFORMATION_BITS", "PacketCode"]

_VALUE_BITS = 7
_CRC_BITS = 16
INFORMATION_BITS = 2 * _VALUE_BITS + _CRC_BITS
_ORDERS = (4, 16, 64, 256, 1024)
_ORDER_SEED = 0x0B5


@dataclass(frozen=True, slots=True)
class PacketCode:
    """Packets of `symbols` symbols.

    Attributes:
        symbols: complex symbols per packet.

    Raises:
        SettingsError: too few to hold a packet.
    """

    symbols: int

    def __post_init__(self) -> None:
        if not self.fits(self.symbols):
            raise SettingsError(
                f"{self.symbols} symbols hold no packet of {INFORMATION_BITS} bits; "
                f"needed {self.least_symbols()} or more"
            )

    @staticmethod
    def least_symbols() -> int:
        """Symbols of the shortest packet, at the highest order."""
        return -(-INFORMATION_BITS // 10)

    @classmethod
    def fits(cls, symbols: int) -> bool:
        """Whether so many symbols hold a packet."""
        return symbols >= cls.least_symbols()

    @property
    def order(self) -> int:
        """QAM order: the lowest at which no more than half of the bits are information, or the highest that helps."""
        for order in _ORDERS[:-1]:
            if 2 * INFORMATION_BITS <= self.symbols * Qam(order).bits_per_symbol:
                return order
        return next(order for order in _ORDERS if 1.2 * INFORMATION_BITS <= self._bits(order) or order == _ORDERS[-1])

    def points(self, observation: np.ndarray) -> np.ndarray:
        """Symbols, complex64 [symbols], of an observation [3] of cosine, sine and speed."""
        angle, speed = state_of(observation)
        steps = 1 << _VALUE_BITS
        shares = np.array([(angle + np.pi) / (2 * np.pi), (speed + MAX_SPEED) / (2 * MAX_SPEED)])
        values = np.clip(np.floor(shares * steps), 0, steps - 1).astype(np.int64)
        number = int(values[0]) << _VALUE_BITS | int(values[1])
        word = number << _CRC_BITS | _checksum(number)
        bits = np.array([word >> place & 1 for place in reversed(range(INFORMATION_BITS))], np.uint8)
        return Qam(self.order).modulate(bits @ self._generator() % 2)

    def state(self, received: np.ndarray, variance: np.ndarray) -> np.ndarray | None:
        """Angle in rad and speed in rad/s, float64 [2], of a packet; None where its checksum is wrong.

        Args:
            received: complex64 [symbols].
            variance: float32 [symbols], inf where lost.
        """
        ratios = soft_demap(received, variance, self.order).reshape(-1)
        if not ratios.any():
            return None
        bits = _ordered_statistics(self._generator(), ratios.astype(np.float64))
        word = int("".join(map(str, bits.tolist())), 2)
        number = word >> _CRC_BITS
        if word & 0xFFFF != _checksum(number):
            return None
        steps = 1 << _VALUE_BITS
        shares = (np.array([number >> _VALUE_BITS, number & (steps - 1)]) + 0.5) / steps
        return np.array([shares[0] * 2 * np.pi - np.pi, (2 * shares[1] - 1) * MAX_SPEED])

    def _bits(self, order: int) -> int:
        return self.symbols * Qam(order).bits_per_symbol

    def _generator(self) -> np.ndarray:
        # Beyond the code word the bits come again.
        whole = _mother()
        return whole[:, np.arange(self._bits(self.order)) % whole.shape[1]]


def _checksum(number: int) -> int:
    # Two bytes hold the values; the start value keeps a packet of zeros from looking right.
    return binascii.crc_hqx(number.to_bytes(2, "big"), 0xFFFF)


@cache
def _mother() -> np.ndarray:
    """Generator of the shortened code, uint8 [30, 30 + 324]: information, then parity in a fixed random order."""
    code = LdpcCode.ieee80211n(648, "1/2")
    words = np.zeros((INFORMATION_BITS, code.k), np.uint8)
    # Spread over the information part, because neighbours share their checks' block structure.
    places = np.arange(INFORMATION_BITS) * (code.k // INFORMATION_BITS)
    words[np.arange(INFORMATION_BITS), places] = 1
    parity = code.encode(words)[:, code.k :]
    order = np.random.Generator(np.random.PCG64(_ORDER_SEED)).permutation(parity.shape[1])
    found = np.concatenate([np.eye(INFORMATION_BITS, dtype=np.uint8), parity[:, order]], 1)
    found.setflags(write=False)
    return found


@cache
def _flips(size: int) -> np.ndarray:
    """All patterns of up to two ones among `size`, uint8 [1 + size + size (size - 1) / 2, size]."""
    chosen = [(), *((i,) for i in range(size)), *itertools.combinations(range(size), 2)]
    patterns = np.zeros((len(chosen), size), np.uint8)
    for row, places in zip(patterns, chosen, strict=True):
        row[list(places)] = 1
    return patterns


def _ordered_statistics(generator: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """Information bits, uint8 [k], of the likeliest code word among those tried.

    Args:
        generator: uint8 [k, n], of rank k.
        ratios: log P(0)/P(1) of each code bit, float64 [n].
    """
    size = generator.shape[0]
    order = np.argsort(-np.abs(ratios), kind="stable")
    # Columns from the most reliable on; beside them the unit matrix, which keeps the way back to the information.
    table = np.concatenate([generator[:, order], np.eye(size, dtype=np.uint8)], 1)
    basis: list[int] = []
    column = 0
    while len(basis) < size:
        row = len(basis)
        candidates = np.flatnonzero(table[row:, column])
        if candidates.size:
            pivot = row + int(candidates[0])
            table[[row, pivot]] = table[[pivot, row]]
            others = np.flatnonzero(table[:, column])
            table[others[others != row]] ^= table[row]
            basis.append(column)
        column += 1
    sorted_ratios = ratios[order]
    decided = (sorted_ratios[basis] < 0).astype(np.uint8)
    # Sums of up to 30 ones are exact in float32, whose products are much faster than those of integers.
    tried = (decided ^ _flips(size)).astype(np.float32)
    words = (tried @ table[:, : ratios.size].astype(np.float32)) % 2
    likelihood = (1 - 2 * words.astype(np.float64)) @ sorted_ratios
    best = tried[int(np.argmax(likelihood))].astype(np.uint8)
    return best @ table[:, ratios.size :] % 2
