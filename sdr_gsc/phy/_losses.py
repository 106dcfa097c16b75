"""Which samples of a capture are no evidence, and a copy of the capture that is safe to compute with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..capture import Capture

__all__ = ["Losses", "usable_samples"]

_SMALLEST, _LARGEST = 1e-5, 1e3


@dataclass(frozen=True, slots=True)
class Losses:
    """Samples that the radio lost, or that are not finite.

    Attributes:
        before: int64 [n + 1], lost samples before each sample; None where nothing was lost.
    """

    before: np.ndarray | None = None

    def within(self, starts: np.ndarray, length: int) -> np.ndarray:
        """Lost samples in each window of `length` samples, int64 like `starts`; beyond the capture nothing is lost."""
        if self.before is None:
            return np.zeros(starts.shape, np.int64)
        last = self.before.size - 1
        lost: np.ndarray = self.before[np.clip(starts + length, 0, last)] - self.before[np.clip(starts, 0, last)]
        return lost


def usable_samples(capture: Capture) -> tuple[np.ndarray, Losses]:
    """Finite samples, complex64 [n], at a level that float32 can square, with zeros where they were lost."""
    samples = np.ascontiguousarray(capture.samples)
    lost: np.ndarray | None = None
    if capture.gaps:
        lost = np.zeros(samples.size, bool)
        for gap in capture.gaps:
            lost[max(gap.start_sample, 0) : max(gap.start_sample + gap.sample_count, 0)] = True
    peak = _peak(samples)
    if not math.isfinite(peak):
        lost = ~np.isfinite(samples) if lost is None else lost | ~np.isfinite(samples)
    if lost is not None:
        # Whatever a driver left there must not be mistaken for a signal.
        samples = np.where(lost, np.complex64(0), samples)
        peak = _peak(samples)
    if peak > 0 and not _SMALLEST < peak < _LARGEST:
        # Products of energies would leave the range of float32; such samples never were at full scale 1.
        samples = (samples.view(np.float32) * np.float64(1 / peak)).astype(np.float32).view(np.complex64)
    if lost is None:
        return samples, Losses()
    return samples, Losses(np.concatenate([[0], np.cumsum(lost, dtype=np.int64)]))


def _peak(samples: np.ndarray) -> float:
    """Largest rail; not finite if any sample is not."""
    rails = samples.view(np.float32)
    return float(max(rails.max(), -rails.min())) if rails.size else 0.0
