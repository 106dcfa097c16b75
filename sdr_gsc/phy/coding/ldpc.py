"""Quasi-cyclic LDPC codes of IEEE 802.11: systematic encoder and layered decoder for batches of blocks."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import scipy.sparse
from numba import njit

from ...errors import SettingsError
from ._layered import decode_word, workspace
from ._quasi_cyclic import CodeTables, code_tables, encode_word, word_buffer
from .ldpc_tables import shift_table

__all__ = ["Decoded", "LdpcCode"]


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
        tables: what compiled encoders and decoders of the code need.
    """

    n: int
    k: int
    shifts: npt.NDArray[np.int16] = field(repr=False, compare=False)
    tables: CodeTables = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derive the tables."""
        object.__setattr__(self, "tables", code_tables(self.shifts, self.block_size))

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
        words = np.empty((bits.shape[0], self.n), np.uint8)
        _encode_batch(np.ascontiguousarray(bits, np.uint8), self.tables, words)
        return words

    def decode(self, llr: npt.NDArray[np.float32], iterations: int = 20) -> Decoded:
        """Layered belief propagation (Hocevar, SiPS 2004) with the check node of A-Min*, see `_layered`.

        Each block stops as soon as its parity checks hold. Ratios count as they are, rounded to 1/16; a block whose
        ratios are all too small to be true (a mean below 4 k/n) is scaled up.

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
        n_blocks = llr.shape[0]
        bits = np.empty((n_blocks, self.k), np.uint8)
        ok = np.empty(n_blocks, np.bool_)
        used = np.empty(n_blocks, np.int32)
        _decode_batch(np.ascontiguousarray(llr, np.float32), self.tables, iterations, bits, ok, used)
        return Decoded(bits, ok, used)


@functools.cache
def _ieee80211n(n: int, rate: Fraction) -> LdpcCode:
    shifts = shift_table(n, rate)
    shifts.setflags(write=False)
    return LdpcCode(n, n - n // shifts.shape[1] * shifts.shape[0], shifts)


@njit(cache=True, nogil=True)
def _encode_batch(bits: npt.NDArray[np.uint8], code: CodeTables, words: npt.NDArray[np.uint8]) -> None:
    word = word_buffer(code)
    for block in range(bits.shape[0]):
        word[: bits.shape[1]] = bits[block]
        encode_word(word, code)
        words[block] = word[: words.shape[1]]


@njit(cache=True, nogil=True)
def _decode_batch(
    llr: npt.NDArray[np.float32],
    code: CodeTables,
    iterations: int,
    bits: npt.NDArray[np.uint8],
    ok: npt.NDArray[np.bool_],
    used: npt.NDArray[np.int32],
) -> None:
    word, scratch = word_buffer(code), workspace(code)
    for block in range(llr.shape[0]):
        ok[block], used[block] = decode_word(llr[block], code, iterations, scratch, word)
        bits[block] = word[: bits.shape[1]]
