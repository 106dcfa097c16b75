"""Modulation and coding schemes of byte payloads: eleven coded ones in ascending spectral efficiency, one uncoded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ...errors import SettingsError

__all__ = ["CODE_BITS", "MCS_TABLE", "Mcs", "mcs"]

CODE_BITS = 1944
"""Bits of a code word on the air, LDPC schemes."""

_UNCODED_BITS = 8 * (64 + 4)  # 64 payload bytes and their CRC-32


@dataclass(frozen=True, slots=True)
class Mcs:
    """One scheme.

    Attributes:
        index: position in `MCS_TABLE`, sent in the frame header.
        order: QAM order.
        rate: code rate of the LDPC code; 1 where there is none.
    """

    index: int
    order: int
    rate: Fraction

    @property
    def is_coded(self) -> bool:
        """Whether an LDPC code protects the bits."""
        return self.rate.denominator > 1

    @property
    def coded_bits_per_symbol(self) -> int:
        """Bits on the air per complex symbol, log2(order)."""
        return self.order.bit_length() - 1

    @property
    def bits_per_symbol(self) -> float:
        """Information bits per complex symbol, rate * log2(order), before the CRC."""
        return float(self.rate * self.coded_bits_per_symbol)

    @property
    def block_bits(self) -> int:
        """Bits of one block on the air: a code word, or 64 bytes and their CRC-32."""
        return CODE_BITS if self.is_coded else _UNCODED_BITS

    @property
    def information_bits(self) -> int:
        """Bits of one block before the code: payload, CRC-32 and, where whole bytes do not fill it, zeros."""
        return self.block_bits * self.rate.numerator // self.rate.denominator

    @property
    def name(self) -> str:
        """Readable name, for example ``QPSK 1/2``."""
        return f"{'QPSK' if self.order == 4 else f'{self.order}-QAM'} {self.rate if self.is_coded else 'uncoded'}"


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
            (4, "1"),
        )
    )
)
"""0 … 10: the QPSK … 1024-QAM schemes of IEEE 802.11ax clause 27.5 (there: HE-MCS 1 … 11), in ascending efficiency;
0 is the default. 11: QPSK decided symbol by symbol, with a CRC per block and no code, to compare with links that have
no coding gain; its index says nothing about its efficiency."""


def mcs(index: int) -> Mcs:
    """The scheme of an index.

    Raises:
        SettingsError: no such index.

    >>> mcs(0).name, mcs(11).name
    ('QPSK 1/2', 'QPSK uncoded')
    """
    if not 0 <= index < len(MCS_TABLE):
        raise SettingsError(f"MCS {index}: expected 0 to {len(MCS_TABLE) - 1}.")
    return MCS_TABLE[index]
