"""One tree of seeds: what a trial draws depends on (run seed, trial id, purpose) alone, not on order or worker."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

__all__ = ["TrialSeeds"]


@dataclass(frozen=True, slots=True)
class TrialSeeds:
    """The random streams of one trial.

    >>> a, b = TrialSeeds(7, "t0").generator("channel"), TrialSeeds(7, "t0").generator("channel")
    >>> bool(a.standard_normal() == b.standard_normal())
    True
    """

    run_seed: int
    trial_id: str

    def sequence(self, purpose: str) -> np.random.SeedSequence:
        """Seed sequence of one purpose, for example ``"channel"`` or ``"decoder"``."""
        key = (zlib.crc32(self.trial_id.encode()), zlib.crc32(purpose.encode()))
        return np.random.SeedSequence(self.run_seed, spawn_key=key)

    def generator(self, purpose: str) -> np.random.Generator:
        """Numpy generator of one purpose."""
        return np.random.Generator(np.random.PCG64(self.sequence(purpose)))

    def integer(self, purpose: str) -> int:
        """63-bit integer of one purpose, for libraries that are seeded with an integer (torch)."""
        return int(self.sequence(purpose).generate_state(2, np.uint64)[0] >> np.uint64(1))
