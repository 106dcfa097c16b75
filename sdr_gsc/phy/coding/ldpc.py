"""Quasi-cyclic LDPC codes of IEEE 802.11: systematic encoder and layered min-sum decoder for batches of blocks."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import scipy.sparse

from ...errors import SettingsError
from ._min_sum import min_sum
from .ldpc_tables import shift_table

__all__ = ["Decoded", "LdpcCode"]

_ALPHA = 0.75  # normalization of min-sum check messages
_LLR_LIMIT = 1e6  # keeps sums of messages finite when a caller passes infinite ratios


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the decoder found, one entry per block.

    Attributes:
        bits: uint8 [B, k] information bits.
        ok: bool [B]; every parity check holds and every code bit is decided (a ratio of 0 is no decision).
        iterations: int32 [B] iterations used; 0 where the channel's hard decisions were a code word already.
    """

    bits: npt.NDArray[np.uint8]
    ok: npt.NDArray[np.bool_]
    iterations: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class LdpcCode:
    """A systematic quasi-cyclic code whose parity part is the double diagonal of IEEE 802.11.

    Made by `LdpcCode.ieee80211n`. A code word is k information bits followed by n - k parity bits.

    Attributes:
        n: block length in bits.
        k: information bits per block.
        shifts: int16 [(n - k) / Z, 24] shift table, -1 where a block is all zero.
    """

    n: int
    k: int
    shifts: npt.NDArray[np.int16] = field(repr=False, compare=False)

    @classmethod
    def ieee80211n(cls, n: int, rate: Fraction | str) -> LdpcCode:
        """The code of IEEE Std 802.11-2016, clause 19.3.11.7.

        Args:
            n: 648 or 1944.
            rate: 1/2, 2/3, 3/4 or 5/6, as a fraction or as text.

        Raises:
            SettingsError: no such code.

        >>> code = LdpcCode.ieee80211n(1944, "1/2")
        >>> code.n, code.k, code.block_size
        (1944, 972, 81)
        """
        try:
            exact = Fraction(rate)
        except (ValueError, ZeroDivisionError) as error:
            raise SettingsError(f"code rate {rate!r}: expected a fraction such as 1/2.") from error
        return _ieee80211n(n, exact)

    @property
    def rate(self) -> Fraction:
        """Code rate k / n."""
        return Fraction(self.k, self.n)

    @property
    def block_size(self) -> int:
        """Size Z of the cyclic blocks."""
        return self.n // self.shifts.shape[1]

    def parity_check_matrix(self) -> scipy.sparse.csr_array:
        """The binary matrix H with H c = 0 (mod 2) for every code word c, uint8 sparse [n - k, n]."""
        size = self.block_size
        block_rows, block_columns = np.nonzero(self.shifts >= 0)
        lane = np.arange(size)
        shift = self.shifts[block_rows, block_columns].astype(np.int64)
        rows = block_rows[:, None] * size + lane
        columns = block_columns[:, None] * size + (lane + shift[:, None]) % size
        ones = np.ones(rows.size, np.uint8)
        return scipy.sparse.csr_array((ones, (rows.ravel(), columns.ravel())), shape=(self.n - self.k, self.n))

    def encode(self, bits: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Code words of a batch.

        The checks of block row i sum the information to s_i. Adding all block rows leaves p_0 = sum_i s_i, because the
        double diagonal and the two equal shifts of the first parity column cancel; the other parity blocks follow by
        substitution along the diagonal.

        Args:
            bits: uint8 [B, k], values 0 and 1.

        Returns:
            uint8 [B, n].

        Raises:
            SettingsError: wrong shape, or a value that is not a bit.
        """
        if bits.ndim != 2 or bits.shape[1] != self.k:
            raise SettingsError(f"information bits of shape {bits.shape}: needed [blocks, {self.k}].")
        if bits.size and bits.max() > 1:
            raise SettingsError(f"bit value {bits.max()}: needed 0 or 1; unpack bytes with numpy.unpackbits first.")
        size, (n_rows, n_columns) = self.block_size, self.shifts.shape
        n_information = n_columns - n_rows
        word = np.empty((bits.shape[0], n_columns, size), np.uint8)
        word[:, :n_information] = bits.reshape(-1, n_information, size)
        # Two periods side by side turn every cyclic shift into a plain slice.
        unrolled = np.concatenate((word[:, :n_information], word[:, :n_information]), axis=2)
        sums = np.zeros((n_rows, bits.shape[0], size), np.uint8)
        for row in range(n_rows):
            for column in np.flatnonzero(self.shifts[row, :n_information] >= 0):
                shift = self.shifts[row, column]
                sums[row] ^= unrolled[:, column, shift : shift + size]
        first = np.bitwise_xor.reduce(sums, axis=0)
        word[:, n_information] = first
        previous = np.zeros_like(first)
        for row in range(n_rows - 1):
            shift = self.shifts[row, n_information]
            following = sums[row] ^ previous
            if shift >= 0:
                following ^= np.roll(first, -shift, axis=-1)
            word[:, n_information + 1 + row] = following
            previous = following
        return word.reshape(-1, self.n)

    def decode(self, llr: npt.NDArray[np.float32], iterations: int = 20) -> Decoded:
        """Layered normalized min-sum decoding (Chen et al., IEEE Trans. Commun. 53(8), 2005; Hocevar, SiPS 2004).

        Each block stops as soon as its parity checks hold.

        Args:
            llr: float32 [B, n], log P(0)/P(1); 0 is an erased bit, NaN counts as one, infinities as certainty.
            iterations: largest number of iterations, >= 1.

        Returns:
            Information bits, success and iterations of each block.

        Raises:
            SettingsError: wrong shape, or no iterations.
        """
        if llr.ndim != 2 or llr.shape[1] != self.n:
            raise SettingsError(f"likelihood ratios of shape {llr.shape}: needed [blocks, {self.n}].")
        if iterations < 1:
            raise SettingsError(f"{iterations} decoder iterations: needed at least 1.")
        block_rows, columns = np.nonzero(self.shifts >= 0)
        starts = np.searchsorted(block_rows, np.arange(self.shifts.shape[0] + 1)).astype(np.uint64)
        n_blocks = llr.shape[0]
        bits = np.empty((n_blocks, self.k), np.uint8)
        ok = np.empty(n_blocks, np.bool_)
        used = np.empty(n_blocks, np.int32)
        min_sum(
            np.ascontiguousarray(llr, np.float32),
            starts,
            columns.astype(np.uint64),
            self.shifts[block_rows, columns].astype(np.uint64),
            np.uint64(self.block_size),
            iterations,
            np.float32(_ALPHA),
            np.float32(_LLR_LIMIT),
            bits,
            ok,
            used,
        )
        return Decoded(bits, ok, used)


@functools.cache
def _ieee80211n(n: int, rate: Fraction) -> LdpcCode:
    shifts = shift_table(n, rate)
    shifts.setflags(write=False)
    return LdpcCode(n, n - n // shifts.shape[1] * shifts.shape[0], shifts)
