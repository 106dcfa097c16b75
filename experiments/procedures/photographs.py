"""Pictures to send: files, and the photographs of scikit-image that no training may see."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["PHOTOGRAPHS", "centre_square", "find_picture", "is_photograph"]

#: Names that stand for photographs of scikit-image.
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")


def is_photograph(name: str) -> bool:
    """Whether a name stands for a photograph of scikit-image; a file of the same name wins over it."""
    return name in PHOTOGRAPHS and not Path(name).exists()


def find_picture(name: str, side_px: int | None = None) -> np.ndarray:
    """A picture by path or by name, float32 [H, W, 3] in [0, 1].

    Args:
        name: path, or one of PHOTOGRAPHS.
        side_px: crop the centre and scale it to this side; without it files stay as they are and photographs have 256.

    Raises:
        PictureError: see load_picture.
    """
    if is_photograph(name):
        return _photographs(side_px or 256)[name]
    from sdr_gsc.semantic.picture import load_picture  # loads torch, and names are asked for without it

    picture = load_picture(Path(name))
    return picture if side_px is None else centre_square(picture, side_px)


def centre_square(picture: np.ndarray, side_px: int) -> np.ndarray:
    """The largest square in the centre, scaled with Lanczos to float32 [side, side, 3] in [0, 1]."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(np.round(picture[top : top + side, left : left + side] * 255).astype(np.uint8))
    return np.asarray(square.resize((side_px, side_px), Image.Resampling.LANCZOS), np.float32) / 255


@lru_cache(maxsize=4)
def _photographs(side_px: int) -> dict[str, np.ndarray]:
    from ..training.pictures import held_out_photographs  # loads scikit-image

    found = {}
    for name, picture in zip(PHOTOGRAPHS, held_out_photographs(side_px), strict=True):
        found[name] = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
        found[name].flags.writeable = False
    return found
