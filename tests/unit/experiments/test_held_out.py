"""The photographs that all figures are measured on never get into a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from experiments.training.pictures import PictureSet, held_out_photographs
from sdr_gsc.errors import SettingsError

FOUR = ("astronaut", "coffee", "chelsea", "rocket")


def _photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(skimage.data, name)())


def _square(picture: Image.Image) -> Image.Image:
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))


def _save(picture: Image.Image, path: Path, how: str) -> None:
    """One of the ways in which a copy gets into a folder."""
    if "square" in how:
        picture = _square(picture)
    if "small" in how:
        picture = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BICUBIC)
    if "large" in how:
        picture = picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.BILINEAR)
    if "stretched" in how:
        picture = picture.resize((300, 300), Image.Resampling.NEAREST)
    if "mirrored" in how:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if "grey" in how:
        picture = picture.convert("L")
    picture.save(path, quality=30)


def test_the_four_photographs_are_the_centres_of_their_originals() -> None:
    photographs = held_out_photographs(64)
    assert photographs.shape == (4, 3, 64, 64)
    for name, photograph in zip(FOUR, photographs, strict=True):
        expected = _square(_photograph(name)).resize((64, 64), Image.Resampling.LANCZOS)
        assert torch.equal((photograph * 255).round().byte(), torch.from_numpy(np.array(expected)).permute(2, 0, 1))


@pytest.mark.parametrize("how", ["png", "jpeg", "small jpeg", "large jpeg", "square png", "small square jpeg",
                                 "stretched jpeg", "mirrored jpeg", "small mirrored grey square jpeg"])  # fmt: skip
@pytest.mark.parametrize("name", FOUR)
def test_no_copy_of_them_can_be_trained_on(name: str, how: str, tmp_path: Path) -> None:
    path = tmp_path / "deeper" / f"holiday.{how.split()[-1]}"
    path.parent.mkdir()
    Image.fromarray(skimage.data.coins()).save(tmp_path / "another.png")
    _save(_photograph(name), path, how)
    with pytest.raises(SettingsError, match=f"{path} is the photograph {name} .*; take it out of the folder"):
        PictureSet.load(tmp_path)


def test_other_pictures_can_be_trained_on(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (20, 24, 3), dtype=np.uint8)
    pictures = {
        "blobs": Image.fromarray(coarse).resize((320, 270), Image.Resampling.BICUBIC),
        "flat": Image.new("RGB", (256, 256), (90, 120, 30)),
        "camera": Image.fromarray(skimage.data.camera()),
        "coins": Image.fromarray(skimage.data.coins()),
    }
    # A bright spot on a dark ground, which is what a small thumbnail makes of many photographs.
    rows, columns = np.mgrid[-1:1:300j, -1:1:400j]
    spot = np.uint8(255 * np.exp(-3 * (rows**2 + columns**2)))
    pictures["spot"] = Image.fromarray(spot)
    for name, picture in pictures.items():
        picture.save(tmp_path / f"{name}.png")
    assert len(PictureSet.load(tmp_path).pictures) >= len(pictures)
