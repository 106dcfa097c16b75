"""A folder of photographs in memory, and random crops of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sdr_gsc.errors import PictureError

__all__ = ["PictureSet", "held_out_photographs"]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff"}
#: Smaller sides of the versions kept of each picture; photographs look different at different distances.
_SIDES_PX = (1024, 512, 256)
_HELD_OUT = ("astronaut", "coffee", "chelsea", "rocket")


@dataclass(frozen=True, slots=True)
class PictureSet:
    """Pictures, each uint8 [3, H, W], with the probability of drawing a crop from each."""

    pictures: tuple[np.ndarray, ...]
    weights: np.ndarray

    @classmethod
    def load(cls, folder: Path, progress: Callable[[int, int], None] | None = None) -> PictureSet:
        """Read every picture below a folder, at up to three sizes.

        Raises:
            PictureError: the folder holds no picture.
        """
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
        versions: list[np.ndarray] = []
        for count, path in enumerate(paths):
            with Image.open(path) as opened:
                picture = opened.convert("RGB")
            for side in _SIDES_PX:
                shrink = side / min(picture.size)
                if shrink <= 1.001:
                    size = (round(picture.width * shrink), round(picture.height * shrink))
                    version = picture.resize(size, Image.Resampling.LANCZOS)
                    versions.append(np.ascontiguousarray(np.asarray(version).transpose(2, 0, 1)))
            if progress is not None:
                progress(count + 1, len(paths))
        if not versions:
            raise PictureError(
                f"{folder} holds no picture of at least {_SIDES_PX[-1]} pixels a side; "
                "gather some with: sdr-gsc train corpus"
            )
        # Between one share per picture and one per pixel: large pictures hold more, but not proportionally more.
        area = np.array([version.shape[1] * version.shape[2] for version in versions], np.float64)
        return cls(tuple(versions), np.sqrt(area) / np.sqrt(area).sum())

    def crops(self, count: int, side_px: int, generator: np.random.Generator) -> Tensor:
        """Random crops, mirrored at random: float32 [count, 3, side, side] in [0, 1]."""
        out = np.empty((count, 3, side_px, side_px), np.uint8)
        for index, chosen in enumerate(generator.choice(len(self.pictures), count, p=self.weights)):
            picture = self.pictures[chosen]
            top = generator.integers(picture.shape[1] - side_px + 1)
            left = generator.integers(picture.shape[2] - side_px + 1)
            crop = picture[:, top : top + side_px, left : left + side_px]
            out[index] = crop[:, :, ::-1] if generator.random() < 0.5 else crop
        return torch.from_numpy(out).float() / 255


def held_out_photographs(side_px: int = 256) -> Tensor:
    """Four photographs that no training may see, from scikit-image: float32 [4, 3, side, side] in [0, 1].

    Centre-cropped to a square and resized with Lanczos.
    """
    import skimage.data  # only where the photographs are wanted

    out = []
    for name in _HELD_OUT:
        picture = Image.fromarray(getattr(skimage.data, name)())
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side))
        out.append(np.asarray(square.resize((side_px, side_px), Image.Resampling.LANCZOS)))
    return torch.from_numpy(np.stack(out)).permute(0, 3, 1, 2).float() / 255
