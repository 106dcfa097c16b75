"""Modulation and coding schemes of coded payloads, in ascending spectral efficiency."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ...errors import SettingsError

__all__ = ["MCS_TABLE", "Mcs", "mcs"]


@dataclass(frozen=True, slots=True)
class Mcs:
    """One scheme.

    Attributes:
        index: position in `MCS_TABLE`, sent in the frame header.
        order: QAM order.
        rate: code rate of the LDPC code.
    """

    index: int
    order: int
    rate: Fraction

    @property
    def coded_bits_per_symbol(self) -> int:
        """Code bits per complex symbol, log2(order)."""
        return self.order.bit_length() - 1

    @property
    def bits_per_symbol(self) -> float:
        """Information bits per complex symbol, rate * log2(order), before the CRC."""
        return float(self.rate * self.coded_bits_per_symbol)

    @property
    def name(self) -> str:
        """Readable name, for example ``QPSK 1/2``."""
        return f"{'QPSK' if self.order == 4 else f'{self.order}-QAM'} {self.rate}"


MCS_TABLE: tuple[Mcs, ...] = tuple(
    Mcs(index, order, Fraction(rate))
    for index, (order, rate) in enumerate(
        (
            (4, "1/2"),
            (4, "3/4"),
            (16, "1/2"),
            (16, "3/4"),
            (64, "2/3"),
            (64, "3/4"),
            (64, "5/6"),
            (256, "3/4"),
            (256, "5/6"),
            (1024, "3/4"),
            (1024, "5/6"),
        )
    )
)
"""The QPSK … 1024-QAM schemes of IEEE 802.11ax clause 27.5 (there: HE-MCS 1 … 11); 0 is the default."""


def mcs(index: int) -> Mcs:
    """The scheme of an index.

    Raises:
        SettingsError: no such index.

    >>> mcs(0).name
    'QPSK 1/2'
    """
    if not 0 <= index < len(MCS_TABLE):
        raise SettingsError(f"MCS {index}: expected 0 to {len(MCS_TABLE) - 1}.")
    return MCS_TABLE[index]
