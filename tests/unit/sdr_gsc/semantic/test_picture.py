from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdr_gsc.errors import PictureError
from sdr_gsc.semantic.picture import as_tensor, load_picture, save_picture


def _gradient(mode: str = "RGB") -> Image.Image:
    ramp = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (32, 1))
    return Image.fromarray(ramp).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "CMYK", "1", "RGBA", "LA"])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "picture.tiff"
    _gradient("L" if mode == "LA" else mode).convert(mode).save(path)
    picture = load_picture(path)
    assert picture.shape == (32, 40, 3)
    assert picture.dtype == np.float32
    assert 0 <= picture.min() < picture.max() <= 1


def test_sixteen_bits_keep_their_range(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.linspace(0, 65535, 32 * 32).astype(np.uint16).reshape(32, 32)).save(path)
    picture = load_picture(path)
    assert picture.max() == pytest.approx(1.0)
    assert picture[16, 0, 0] == pytest.approx(0.5, abs=0.01)


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    path = tmp_path / "clear.png"
    Image.new("RGBA", (32, 32), (255, 0, 0, 0)).save(path)
    assert (load_picture(path) == 1).all()


def test_the_cameras_orientation_is_applied(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    _gradient().save(path, exif=exif)
    assert load_picture(path).shape == (40, 32, 3)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _huge_png(path: Path) -> None:
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(64))))


def test_unusable_files_are_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("not a picture")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    frames = [_gradient("L"), _gradient("L").rotate(90)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    _huge_png(tmp_path / "huge.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "dot.png").read_bytes()[:30])
    for name, words in {
        "missing.png": "not a file",
        "empty.png": "empty",
        "text.jpg": "cannot be read",
        "dot.png": "at least 16",
        "moving.gif": "animated",
        "huge.png": "scale it down|too large",
        "half.png": "cannot be read|at least",
    }.items():
        with pytest.raises(PictureError, match=words):
            load_picture(tmp_path / name)


def test_saving_and_loading_lose_at_most_half_a_step(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).random((20, 24, 3)).astype(np.float32)
    save_picture(tmp_path / "a.png", picture)
    assert np.abs(load_picture(tmp_path / "a.png") - picture).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(
    "bad", [np.full((20, 20, 3), 2.0), np.full((20, 20, 3), np.nan), np.zeros((20, 20)), np.zeros((4, 20, 3))]
)
def test_arrays_that_are_no_pictures_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(PictureError):
        as_tensor(bad)
