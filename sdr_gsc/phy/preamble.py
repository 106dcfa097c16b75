"""The preamble: one known OFDM symbol, sent several times in a row behind a long prefix.

Four copies serve every purpose at once. Lag-N correlation finds them whatever the channel and the carrier offset;
the phase between copies gives the carrier offset modulo one subcarrier spacing, the known content resolves the rest;
their mean is the channel, their scatter the noise. A prefix of two CP lengths leaves room for coarse timing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.fft

from ..errors import SettingsError
from ._sequences import qpsk_points
from .numerology import Numerology

__all__ = ["Preamble"]

#: Seeds with the lowest peaks, those between samples included, among the first 20000 for the default grids.
_TRAINING_SEEDS = {64: 3124, 128: 14184, 256: 15744, 512: 18184, 1024: 15290}


@dataclass(frozen=True, slots=True)
class Preamble:
    """Training symbols of a grid.

    Attributes:
        numerology: the grid.
        repetitions: copies R of the training symbol, at least 3 (fewer leave no noise estimate worth having).
        tones: complex64 [Na], unit-modulus training values on `numerology.active`.
        samples: complex64 [2·CP + R·N], mean power Na/N (every tone has unit power after a unitary FFT).

    Raises:
        SettingsError: too few repetitions.
    """

    numerology: Numerology = field(default_factory=Numerology)
    repetitions: int = 4
    tones: np.ndarray = field(init=False, repr=False)
    samples: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.repetitions < 3:
            raise SettingsError(f"repetitions is {self.repetitions}; at least 3 copies are needed")
        n = self.numerology.fft_size
        # Random phases, not a chirp: a chirp shifted in frequency is a chirp shifted in time, and the integer
        # carrier offset could not be told from timing.
        tones = qpsk_points(_TRAINING_SEEDS[n], self.numerology.active.size)
        grid = np.zeros(n, np.complex64)
        grid[self.numerology.active] = tones
        symbol = scipy.fft.ifft(grid, norm="ortho")
        samples = np.concatenate([symbol[n - self.prefix_length :], np.tile(symbol, self.repetitions)])
        for array in (tones, samples):
            array.setflags(write=False)
        object.__setattr__(self, "tones", tones)
        object.__setattr__(self, "samples", samples)

    @property
    def prefix_length(self) -> int:
        """Samples before the first copy: twice the cyclic prefix."""
        return 2 * self.numerology.cp_length

    @property
    def length(self) -> int:
        """Samples of the whole preamble."""
        return self.prefix_length + self.repetitions * self.numerology.fft_size
