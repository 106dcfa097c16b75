"""A folder of photographs in memory, and random crops of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sdr_gsc.errors import PictureError, SettingsError

from ..procedures.photographs import PHOTOGRAPHS

__all__ = ["PictureSet", "held_out_photographs"]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff"}
#: Smaller sides of the versions kept of each picture; photographs look different at different distances.
_SIDES_PX = (1024, 512, 256)
#: Side of the grey thumbnails by which pictures are compared, and the correlation from which on they are the same.
#: Copies as JPEG of quality 5, at a quarter of the size or with another gamma reach 0.98 and more; none of the 178
#: photographs of the corpus reaches more than 0.67.
_THUMBNAIL_PX = 32
_SAME = 0.9


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
            SettingsError: one of them is a held-out photograph.
        """
        held_out = {name: _fingerprint(photograph) for name, photograph in _held_out().items()}
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
        versions: list[np.ndarray] = []
        for count, path in enumerate(paths):
            with Image.open(path) as opened:
                picture = opened.convert("RGB")
            _refuse_held_out(picture, path, held_out)
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
    out = []
    for photograph in _held_out().values():
        square = _centre_square(photograph)
        out.append(np.asarray(square.resize((side_px, side_px), Image.Resampling.LANCZOS)))
    return torch.from_numpy(np.stack(out)).permute(0, 3, 1, 2).float() / 255


def _held_out() -> dict[str, Image.Image]:
    import skimage.data  # only where the photographs are wanted

    return {name: Image.fromarray(getattr(skimage.data, name)()) for name in PHOTOGRAPHS}


def _centre_square(picture: Image.Image) -> Image.Image:
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))


def _fingerprint(picture: Image.Image) -> np.ndarray:
    """Grey thumbnails of the whole picture and of its centre square, float64 [2, n], of mean 0 and norm 1."""
    thumbnails = []
    for part in (picture, _centre_square(picture)):
        # Grey comes last because it is cheaper so.
        small = part.resize((_THUMBNAIL_PX, _THUMBNAIL_PX), Image.Resampling.BOX).convert("L")
        values = np.asarray(small, np.float64).ravel()
        values = values - values.mean()
        thumbnails.append(values / max(float(np.linalg.norm(values)), 1.0))  # a flat picture is like none
    return np.stack(thumbnails)


def _refuse_held_out(picture: Image.Image, path: Path, held_out: Mapping[str, np.ndarray]) -> None:
    """Figures measured on pictures that a model was trained on say nothing."""
    # Crops are mirrored at random, so a mirrored copy is the photograph as well.
    views = [_fingerprint(view) for view in (picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))]
    for name, photograph in held_out.items():
        if max(float((view * photograph).sum(1).max()) for view in views) >= _SAME:
            raise SettingsError(
                f"{path} is the photograph {name} of scikit-image, on which all figures are measured; "
                "take it out of the folder of training pictures"
            )
