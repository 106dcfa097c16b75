"""Noisy code words for every decoder alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_gsc.phy.coding.ldpc import LdpcCode

__all__ = ["EBN0_DB", "ITERATIONS", "CodeWords"]

EBN0_DB = 2.0
ITERATIONS = 10


@dataclass(frozen=True, slots=True)
class CodeWords:
    """Random words of the 802.11n code with n = 1944, R = 1/2 after white noise.

    Attributes:
        code: the code.
        information: uint8 [blocks, k].
        llr: float32 [blocks, n], log P(0)/P(1).
    """

    code: LdpcCode
    information: np.ndarray
    llr: np.ndarray

    @classmethod
    def drawn(cls, blocks: int, seed: int) -> CodeWords:
        """Antipodal points at Eb/N0 = 2 dB: sigma² = 1 / (2 R Eb/N0)."""
        generator = np.random.default_rng(seed)
        code = LdpcCode.ieee80211n(1944, "1/2")
        information = generator.integers(0, 2, (blocks, code.k), dtype=np.uint8)
        words = code.encode(information)
        sigma = np.float32(np.sqrt(1 / (2 * float(code.rate) * 10 ** (EBN0_DB / 10))))
        soft = 1 - 2 * words.astype(np.float32) + sigma * generator.standard_normal(words.shape, np.float32)
        return cls(code, information, (2 * soft / sigma**2).astype(np.float32))

    def block_errors(self, bits: np.ndarray) -> float:
        """Share of words with a wrong information bit; `bits` has k or more bits a word."""
        found = np.asarray(bits).reshape(len(self.information), -1)[:, : self.code.k]
        return float(np.any(found != self.information, axis=1).mean())
