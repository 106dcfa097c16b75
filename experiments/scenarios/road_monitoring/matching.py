"""Whether detections are still there: boxes against boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

__all__ = ["Detections", "compare", "overlaps"]


@dataclass(frozen=True, slots=True)
class Detections:
    """Counts over any number of frames; sums are counts of all of them.

    Attributes:
        truth: boxes in the original frames.
        found: boxes in the received frames.
        kept: pairs of the two that overlap enough, each box in one pair at most.
    """

    truth: int = 0
    found: int = 0
    kept: int = 0

    def __add__(self, other: Detections) -> Detections:
        return Detections(self.truth + other.truth, self.found + other.found, self.kept + other.kept)

    @property
    def false(self) -> int:
        """Boxes in received frames that were not in the original."""
        return self.found - self.kept

    @property
    def recall(self) -> float | None:
        """Share of the original's boxes that are found again; None without any."""
        return self.kept / self.truth if self.truth else None

    @property
    def precision(self) -> float | None:
        """Share of the found boxes that were in the original; None where nothing is found."""
        return self.kept / self.found if self.found else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both, 2·kept / (truth + found); None where there was nothing and nothing is found."""
        total = self.truth + self.found
        return 2 * self.kept / total if total else None

    def line(self) -> dict[str, float | int | None]:
        """For a trial's line."""
        return {
            "truth": self.truth,
            "found": self.found,
            "kept": self.kept,
            "false": self.false,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
        }


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair of boxes, float [n, 4] and [m, 4] as (x, y, width, height): float [n, m].

    >>> overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 0, 2, 2], [1, 0, 2, 2], [5, 5, 1, 1]])).round(3).tolist()
    [[1.0, 0.333, 0.0]]
    """
    ends, others = first[:, None, :2] + first[:, None, 2:], second[None, :, :2] + second[None, :, 2:]
    sides = np.minimum(ends, others) - np.maximum(first[:, None, :2], second[None, :, :2])
    shared = np.clip(sides, 0, None).prod(-1)
    areas = first[:, 2:].prod(-1)[:, None] + second[:, 2:].prod(-1)[None]
    return np.divide(shared, areas - shared, out=np.zeros_like(shared), where=areas > shared)


def compare(truth: np.ndarray, found: np.ndarray, iou: float) -> Detections:
    """Pair the boxes of two pictures so that as many as possible overlap by `iou` or more."""
    if not (len(truth) and len(found)):
        return Detections(len(truth), len(found), 0)
    enough = overlaps(truth, found) >= iou
    rows, columns = linear_sum_assignment(enough, maximize=True)
    return Detections(len(truth), len(found), int(enough[rows, columns].sum()))
