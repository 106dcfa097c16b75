"""Least errors of what a receiver estimates from a frame's known samples, its channel static and unknown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.preamble import Preamble

from .bounds import deviations
from .frames import KnownSymbols

__all__ = ["DriftBound", "frame_bound", "preamble_cfo_bound"]


@dataclass(frozen=True, slots=True)
class DriftBound:
    """Least standard deviations.

    Attributes:
        cfo: carrier offset, subcarrier spacings.
        sfo_ppm: sampling-clock offset.
    """

    cfo: float
    sfo_ppm: float


def preamble_cfo_bound(preamble: Preamble, snr: float) -> float:
    """Least deviation of the carrier offset, subcarrier spacings: known copies behind an unknown channel of CP taps.

    Args:
        preamble: at unit power per subcarrier, behind a single path.
        snr: of samples.
    """
    grid = preamble.numerology
    taps = np.arange(grid.cp_length)
    columns = np.stack([np.roll(preamble.samples, tap)[preamble.prefix_length :] for tap in taps], axis=1)
    derivative = 1j * np.arange(columns.shape[0]) * columns[:, 0]
    found = deviations(derivative[:, None], columns, grid.occupied_fraction / snr)
    return float(found[0]) * grid.fft_size / (2 * np.pi)


def frame_bound(grid: Numerology, known: KnownSymbols, snr: float) -> DriftBound:
    """Least deviations of carrier and clock offset together, from all known symbols, each seen at its middle.

    Tone k of the symbol at time t is H_k exp(j(ωt - 2πkδt/N)), behind a single path that the receiver takes for an
    unknown channel of CP taps.

    Args:
        grid: numerology.
        known: which tones are known when.
        snr: of samples.
    """
    symbols, tones = np.nonzero(known.tones)
    angle = 2 * np.pi * grid.signed(grid.active)[tones] / grid.fft_size
    times = known.times[symbols]
    columns = np.exp(-1j * np.outer(angle, np.arange(grid.cp_length)))
    derivatives = np.stack([1j * times, -1j * angle * times], axis=1)
    cfo, sfo = deviations(derivatives, columns, grid.occupied_fraction / snr).tolist()
    return DriftBound(cfo * grid.fft_size / (2 * np.pi), 1e6 * sfo)
