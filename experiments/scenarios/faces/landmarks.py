"""How far the landmarks of a face moved between two pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .boxes import overlaps
from .mtcnn import Face

__all__ = ["inter_ocular_px", "landmark_error", "same_face"]

#: Share of the common area from which two boxes are one face; the usual figure in detection.
_SAME = 0.5


def inter_ocular_px(face: Face) -> float:
    """Distance between the eyes in pixels."""
    return float(np.linalg.norm(face.points[0] - face.points[1]))


def landmark_error(sent: Face, received: Face) -> float:
    """Mean distance of the five landmarks over the distance between the eyes of the sent face.

    Sampled over a face it says how far expression and pose are off; 0.1 is visible.
    """
    distance = np.linalg.norm(sent.points - received.points, axis=1).mean()
    return float(distance / max(inter_ocular_px(sent), 1e-9))


def same_face(sent: Face, found: Sequence[Face]) -> Face | None:
    """The face among those found whose box overlaps the sent one's most; None where none is the same."""
    if not found:
        return None
    boxes = torch.from_numpy(np.stack([face.box for face in found]))
    shared = overlaps(torch.from_numpy(sent.box), boxes)
    best = int(shared.argmax())
    return found[best] if float(shared[best]) >= _SAME else None
