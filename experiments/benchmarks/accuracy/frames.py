"""Frames as benchmarks send them, and what a receiver may know of them beforehand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_gsc.phy.framing import FrameLayout, interleave
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.transmitter import Transmitter

__all__ = ["KnownSymbols", "SoftFrame", "known_symbols", "soft_frame"]


@dataclass(frozen=True, slots=True)
class SoftFrame:
    """An uncoded frame.

    Attributes:
        samples: complex64 [n], without gaps.
        symbols: complex64 [n_symbols], as they stand in the frame: mixed and turned.
        power: mean of |x|² over the samples.
    """

    samples: np.ndarray
    symbols: np.ndarray
    power: float


def soft_frame(transmitter: Transmitter, n_symbols: int, generator: np.random.Generator) -> SoftFrame:
    """One frame of complex Gaussian symbols, scaled to a mean power of exactly 1."""
    parts = generator.standard_normal((2, n_symbols))
    symbols = (parts[0] + 1j * parts[1]) / np.sqrt(np.mean(parts**2) * 2)
    seed = int(generator.integers(1 << 31))
    sent = transmitter.transmit_symbols(symbols.astype(np.complex64), b"accuracy", seed)
    gap = transmitter.gap_samples
    samples = sent.samples[gap : gap + sent.n_air_samples]
    return SoftFrame(samples, interleave(symbols.astype(np.complex64), seed, 1)[0], sent.mean_power)


@dataclass(frozen=True, slots=True)
class KnownSymbols:
    """Every tone of a frame that its receiver knows once the header is decoded.

    Attributes:
        times: float64 [K], middle of each known symbol's useful part, samples behind the start of the preamble.
        tones: bool [K, Na], which of the active subcarriers are known in it.
    """

    times: np.ndarray
    tones: np.ndarray

    @property
    def per_subcarrier(self) -> np.ndarray:
        """float64 [Na], known symbols on each active subcarrier."""
        return self.tones.sum(axis=0).astype(np.float64)


def known_symbols(grid: Numerology, n_symbols: int | None) -> KnownSymbols:
    """The preamble's copies, the header, the training symbols and the pilots of a frame.

    Args:
        grid: numerology.
        n_symbols: payload symbols; None for the preamble alone.
    """
    preamble = Preamble(grid)
    copies = preamble.prefix_length + grid.fft_size * (np.arange(preamble.repetitions) + 0.5)
    whole = np.ones((preamble.repetitions, grid.active.size), bool)
    if n_symbols is None:
        return KnownSymbols(copies, whole)
    layout = FrameLayout.of(n_symbols, grid)
    behind = (Transmitter(grid, n_symbols).air_samples(n_symbols) - preamble.length) // grid.symbol_length
    times = preamble.length + grid.symbol_length * np.arange(behind) + grid.cp_length + grid.fft_size / 2
    tones = np.zeros((behind, grid.active.size), bool)
    tones[:, grid.positions(grid.pilots)] = True
    tones[: behind - layout.length] = True
    tones[behind - layout.length :][layout.is_training] = True
    return KnownSymbols(np.concatenate([copies, times]), np.concatenate([whole, tones]))
