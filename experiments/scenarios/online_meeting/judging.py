"""Frames as they were shown against frames as they were filmed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sdr_gsc.metrics.measure import measure

from ...campaign.study import Line
from ..faces.landmarks import landmark_error, same_face
from ..faces.mtcnn import Face, FaceFinder

__all__ = ["Judge", "averages"]

_METRICS = ("psnr_db", "ssim", "ms_ssim", "perceptual")


class Judge:
    """Looks at frames; what it finds in filmed ones it remembers.

    Args:
        finder: of faces.
        device: of the network behind ``perceptual``.
    """

    def __init__(self, finder: FaceFinder, device: str = "cpu") -> None:
        self._finder = finder
        self._device = device
        self._filmed: dict[int, Face | None] = {}

    def __call__(self, number: int, filmed: np.ndarray, shown: np.ndarray) -> Line:
        """Figures of one frame.

        Args:
            number: of the frame in its clip.
            filmed: float32 [H, W, 3] in [0, 1].
            shown: the same shape and range.

        Returns:
            Metrics; ``face`` whether the most probable face of the filmed frame was found again, None where it has
            none; ``landmark_error`` of a face that was found again; ``false_faces`` that are not that face.
        """
        if number not in self._filmed:
            self._filmed[number] = next(iter(self._finder.find(filmed)), None)
        face = self._filmed[number]
        found = self._finder.find(shown)
        again = None if face is None else same_face(face, found)
        metrics = measure(filmed, shown, device=self._device)
        return {
            **{name: _finite(getattr(metrics, name)) for name in _METRICS},
            "face": None if face is None else again is not None,
            "landmark_error": None if face is None or again is None else landmark_error(face, again),
            "false_faces": len(found) - (again is not None),
        }


def averages(frames: Sequence[Line]) -> Line:
    """Means over frames, each over those that have the figure; ``faces_found`` is the share of filmed faces."""
    faces = [frame["face"] for frame in frames if frame["face"] is not None]
    return {
        **{name: _mean([frame[name] for frame in frames]) for name in _METRICS},
        "faces_sent": len(faces),
        "faces_found": float(np.mean(faces)) if faces else None,
        "landmark_error": _mean([frame["landmark_error"] for frame in frames]),
        "false_faces": _mean([frame["false_faces"] for frame in frames]),
    }


def _mean(values: Sequence[Any]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _finite(value: float | None) -> float | None:
    """JSON has no infinities."""
    return None if value is None or not math.isfinite(value) else float(value)
