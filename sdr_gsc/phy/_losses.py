"""Which samples of a capture are no evidence, and a copy of the capture that is safe to compute with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..capture import Gap
from ._rails_kernel import LIMIT

__all__ = ["Losses", "usable_samples"]

#: No receiver delivers more at full scale 1; beyond it, products of energies would leave the range of float32.
_LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class Losses:
    """Samples that the radio lost, or that are not finite.

    Attributes:
        before: int64 [n + 1], lost samples before each sample; empty where nothing was lost.
        at_limit: whether one of the others has a rail at the converter's limit, or beyond it.
    """

    before: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    at_limit: bool = False

    def within(self, starts: np.ndarray, length: int) -> np.ndarray:
        """Lost samples in each window of `length` samples, int64 like `starts`; beyond the capture nothing is lost."""
        if self.before.size == 0:
            return np.zeros(starts.shape, np.int64)
        last = self.before.size - 1
        lost: np.ndarray = self.before[np.clip(starts + length, 0, last)] - self.before[np.clip(starts, 0, last)]
        return lost


def usable_samples(samples: np.ndarray, gaps: Sequence[Gap] = ()) -> tuple[np.ndarray, Losses]:
    """Finite samples, complex64 [n], with zeros where they were lost.

    Whatever a driver left in a gap must not be mistaken for a signal; neither must numbers that are no samples: NaN,
    infinities, and magnitudes above a million times full scale.

    Args:
        samples: complex64 [n].
        gaps: runs of lost samples.
    """
    # Writable and aligned: to compiled code other arrays are other types, for which all of it would be compiled again.
    samples = np.require(samples, np.complex64, ["C", "A", "W"])
    rails = samples.view(np.float32)
    # The extremes settle the usual case, nothing lost and nothing clipped. NaN compares as false.
    largest = max(float(rails.max()), -float(rails.min())) if rails.size else 0.0
    absurd, at_limit = not largest < _LARGEST, not largest < LIMIT
    if not gaps and not absurd:
        return samples, Losses(at_limit=at_limit)
    lost = np.zeros(samples.size, bool)
    for gap in gaps:
        lost[max(gap.start_sample, 0) : max(gap.start_sample + gap.sample_count, 0)] = True
    if absurd:
        lost |= ~((np.abs(samples.real) < _LARGEST) & (np.abs(samples.imag) < _LARGEST))
    if not lost.any():
        return samples, Losses(at_limit=at_limit)
    before = np.concatenate([[0], np.cumsum(lost, dtype=np.int64)])
    return np.where(lost, np.complex64(0), samples), Losses(before, at_limit)
