"""Photographs that come with packages in use, and parts of them: what a classifier is shown.

No model of this project has learnt from any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

__all__ = ["SETTLED", "VIEWS", "View", "view"]

#: Side of a part, relative to the shorter side of its photograph.
_PART = 0.55
_PARTS = ("upper_left", "upper_right", "middle", "lower_left", "lower_right")
_PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket", "motorcycle", "camera", "grace_hopper")


@dataclass(frozen=True, slots=True)
class View:
    """A photograph, or a part of one.

    Attributes:
        photograph: whose.
        part: one of its corners, or its middle; None is the largest square in its centre.
    """

    photograph: str
    part: str | None = None

    @property
    def name(self) -> str:
        """As in configurations."""
        return self.photograph if self.part is None else f"{self.photograph}-{self.part}"


#: By name. Two views of a photograph have pixels in common: they are no independent pictures.
VIEWS = {
    view.name: view
    for photograph in _PHOTOGRAPHS
    for view in (View(photograph), *(View(photograph, p) for p in _PARTS))
}
#: Views of which the judge and the receiver's classifier name the same class as they are, before anything is sent: of
#: the others nobody could say what the right answer is. At most two of a photograph.
SETTLED = (
    "astronaut-lower_right", "coffee", "coffee-upper_left", "chelsea", "chelsea-lower_right",
    "rocket-upper_left", "rocket-lower_right", "motorcycle", "motorcycle-lower_right", "camera", "camera-lower_right",
    "grace_hopper-upper_right", "grace_hopper-lower_right",
)  # fmt: skip


def view(name: str, side_px: int) -> np.ndarray:
    """A view, scaled with Lanczos to float32 [side, side, 3] in [0, 1]; grey photographs have three equal channels."""
    from ...procedures.photographs import centre_square

    chosen = VIEWS[name]
    picture = _photograph(chosen.photograph)
    height, width = picture.shape[:2]
    if chosen.part is None:
        return centre_square(picture, side_px)
    side = round(min(height, width) * _PART)
    middle = chosen.part == "middle"
    top = (height - side) // 2 if middle else (height - side) * ("lower" in chosen.part)
    left = (width - side) // 2 if middle else (width - side) * ("right" in chosen.part)
    return centre_square(picture[top : top + side, left : left + side], side_px)


@lru_cache(maxsize=4)
def _photograph(name: str) -> np.ndarray:
    """float32 [H, W, 3] in [0, 1]."""
    if name == "grace_hopper":
        import matplotlib.image
        from matplotlib.cbook import get_sample_data

        found = matplotlib.image.imread(str(get_sample_data("grace_hopper.jpg", asfileobj=False)))
    else:
        import skimage.data

        found = skimage.data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(skimage.data, name)()
    picture = np.asarray(found, np.float32) / 255
    return np.repeat(picture[:, :, None], 3, 2) if picture.ndim == 2 else picture[:, :, :3]
