"""A group of frames as the best video that fits a number of bytes: H.264 or AV1, without a container.

Packets stand behind each other as `packing` puts them, and all of its bytes count.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from PIL import Image

from sdr_gsc.errors import PictureError, SettingsError

from .clips import video_library
from .packing import pack, unpack

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext

__all__ = ["DecodedVideo", "VideoCodec", "decode_video", "decode_with_losses", "encode_video"]

VideoCodec = Literal["h264", "av1"]
#: Factors by which frames may be reduced first, as pictures of the classical baseline are.
_REDUCTIONS = (1, 2, 4)
_GOP = 16
_NAL_START = re.compile(rb"\x00\x00\x00?\x01")
_SEI = 6
# Coded sides are multiples of 16 or 64.
_SLACK_PX = 128


@dataclass(frozen=True, slots=True)
class _Coder:
    """An encoder and how it is asked; constant quality runs in its own steps from `finest` to `coarsest`."""

    encoder: str
    decoder: str
    finest: int
    coarsest: int
    options: Callable[[int], dict[str, str]]


def _x264(quality: int) -> dict[str, str]:
    # Without B frames every frame can be decoded as soon as it is there.
    return {"crf": str(quality / 2), "preset": "slow", "x264-params": "bframes=0:scenecut=0:aud=0:threads=1:annexb=1"}


def _svt(quality: int) -> dict[str, str]:
    # pred-struct 1 is low delay: frames are coded in their order.
    return {"crf": str(quality), "preset": "8", "svtav1-params": "pred-struct=1:lp=1:scd=0:enable-overlays=0"}


_CODERS: dict[str, _Coder] = {
    "h264": _Coder("libx264", "h264", 0, 102, _x264),
    "av1": _Coder("libsvtav1", "libdav1d", 1, 63, _svt),
}
_NAMES = tuple(_CODERS)


@dataclass(frozen=True, slots=True)
class DecodedVideo:
    """What a receiver shows.

    Attributes:
        frames: float32 [T, H, W, 3] in [0, 1]; the last good frame where one is lost, mid-grey where none came before.
        shown: for each frame, whether it was decoded itself.
    """

    frames: np.ndarray
    shown: tuple[bool, ...]


def encode_video(
    frames: np.ndarray, rate_hz: float, *, codec: VideoCodec = "h264", max_bytes: int, gop: int = _GOP
) -> bytes:
    """The video of least squared error that fits.

    At full, half and quarter size the finest constant quality that fits is found by bisection, and each is decoded; the
    one closest to the frames is taken. Chroma is 4:2:0, frames refer to earlier ones only, and there is no sound.

    Args:
        frames: float [T, H, W, 3] in [0, 1].
        rate_hz: frames per second; tells the encoder's rate control how long a frame lasts.
        codec: ``h264`` (libx264) or ``av1`` (libsvtav1).
        max_bytes: for the whole group, everything counted.
        gop: frames from one intra frame to the next, at most.

    Raises:
        PictureError: no frames, or nothing fits even at a quarter of the size and the coarsest quality.
        SettingsError: unknown codec, or PyAV without its encoder or decoder.
    """
    coder = _coder(codec)
    if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise PictureError(f"frames have shape {list(frames.shape)}; needed [T, H, W, 3], with at least one frame")
    count, height, width = frames.shape[:3]
    pixels = np.round(np.clip(frames, 0, 1) * 255).astype(np.uint8)
    found: list[tuple[float, bytes]] = []
    smallest: int | None = None
    for reduction in _REDUCTIONS:
        small_height, small_width = _reduced(height, width, reduction)
        if min(small_height, small_width) < 16 and reduction > 1:
            continue
        reduced = np.stack([_resized(frame, small_height, small_width) for frame in pixels])
        head = _NAMES.index(codec) | _REDUCTIONS.index(reduction) << 4
        low, high, best = coder.finest, coder.coarsest, None
        while low <= high:
            quality = (low + high) // 2
            data = pack(head, _packets(reduced, coder, quality, rate_hz, gop))
            if len(data) <= max_bytes:
                best, high = data, quality - 1
            else:
                low = quality + 1
                smallest = len(data) if smallest is None else min(smallest, len(data))
        if best is not None:
            error = float(np.mean((decode_video(best, count, height, width) - frames) ** 2))
            found.append((error, best))
    if found:
        return min(found, key=lambda candidate: candidate[0])[1]
    raise PictureError(
        f"{count} frames of {width}x{height} pixels take {smallest} bytes of {codec} even at a quarter of their size "
        f"and the coarsest quality, and {max_bytes} are there; use a higher MCS, more symbols or smaller frames"
    )


def decode_video(data: bytes, count: int, height: int, width: int) -> np.ndarray:
    """Frames of a video, float32 [count, height, width, 3] in [0, 1]; damaged or missing bytes never raise.

    Raises:
        SettingsError: PyAV is missing, or has no decoder.
    """
    return decode_with_losses(data, count, height, width).frames


def decode_with_losses(
    data: bytes, count: int, height: int, width: int, lost: Sequence[tuple[int, int]] = ()
) -> DecodedVideo:
    """Frames of a video of which some bytes are known to be lost.

    A packet that touches a lost range is not decoded, and the last good frame stands until the next intra frame: what
    refers to a lost frame shows pieces that never were.

    Args:
        data: the received bytes; what stands in lost ranges does not matter.
        count: frames of the group.
        height: of the frames in pixels.
        width: likewise.
        lost: ranges of bytes, first and one beyond the last.
    """
    decoded: dict[int, tuple[np.ndarray, bool]] = {}
    packed = unpack(data, count, lost)
    if packed is not None and packed.head & 15 < len(_NAMES):
        coder = _CODERS[_NAMES[packed.head & 15]]
        decoded = _decoded(packed.packets, coder, (height + _SLACK_PX) * (width + _SLACK_PX))
    last: np.ndarray = np.full((height, width, 3), 0.5, np.float32)
    frames, shown, following = [], [], False
    for index in range(count):
        found = decoded.get(index)
        following = found is not None and (following or found[1])
        if found is not None and following:
            last = _resized(found[0], height, width).astype(np.float32) / 255
        frames.append(last)
        shown.append(following)
    return DecodedVideo(np.stack(frames), tuple(shown))


def _coder(codec: str) -> _Coder:
    if codec not in _CODERS:
        raise SettingsError(f"video codec {codec!r} is unknown; needed one of {', '.join(_NAMES)}")
    return _CODERS[codec]


def _context(name: str, mode: Literal["r", "w"]) -> VideoCodecContext:
    av = video_library()
    # The only way to keep SVT-AV1 from telling its settings on stderr each time; who set it has a reason.
    os.environ.setdefault("SVT_LOG", "1")
    try:
        return cast("VideoCodecContext", av.CodecContext.create(name, mode))
    except (ValueError, av.error.FFmpegError) as error:
        raise SettingsError(
            f"this PyAV has no {name} ({error}); run: pip install --force-reinstall av, whose wheels have it"
        ) from error


def _reduced(height: int, width: int, reduction: int) -> tuple[int, int]:
    """Even sides, as 4:2:0 needs them, near a fraction of the full ones."""
    return 2 * max(1, -(-height // (2 * reduction))), 2 * max(1, -(-width // (2 * reduction)))


def _resized(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    if frame.shape[:2] == (height, width):
        return frame
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS))


def _packets(pixels: np.ndarray, coder: _Coder, quality: int, rate_hz: float, gop: int) -> list[bytes]:
    """One packet a frame, in order."""
    av = video_library()
    context = _context(coder.encoder, "w")
    context.height, context.width = pixels.shape[1:3]
    context.pix_fmt = "yuv420p"
    context.framerate = Fraction(rate_hz).limit_denominator(1001)
    context.time_base = 1 / context.framerate
    context.gop_size = gop
    context.max_b_frames = 0
    context.options = coder.options(quality)
    found: dict[int, bytes] = {}
    planes = [av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuv420p") for frame in pixels]
    for index, frame in enumerate(planes):
        frame.pts, frame.time_base = index, context.time_base
    for frame in itertools.chain(planes, (None,)):
        for packet in context.encode(frame):
            if packet.pts is not None:
                found[packet.pts] = found.get(packet.pts, b"") + bytes(packet)
    if coder.encoder == "libx264":
        return [_without_notes(found.get(index, b"")) for index in range(len(planes))]
    return [found.get(index, b"") for index in range(len(planes))]


def _without_notes(packet: bytes) -> bytes:
    """The NAL units that pictures are made of: x264 signs its first packet with 700 bytes of text."""
    starts = [*(match.start() for match in _NAL_START.finditer(packet)), len(packet)]
    units = [packet[start:end] for start, end in itertools.pairwise(starts)]
    return b"".join(unit for unit in units if unit[unit.index(b"\x01") + 1] & 31 != _SEI)


def _decoded(packets: Sequence[bytes | None], coder: _Coder, max_pixels: int) -> dict[int, tuple[np.ndarray, bool]]:
    """Pixels, uint8, of the frames that could be decoded, and whether each is an intra frame."""
    av = video_library()
    context = _context(coder.decoder, "r")
    context.thread_count = 1
    # Damaged bytes may ask for pictures of any size.
    context.options = {"max_pixels": str(max_pixels)}
    found: dict[int, tuple[np.ndarray, bool]] = {}

    def take(packet: Packet | None) -> None:
        try:
            for frame in context.decode(packet):
                if frame.pts is not None:
                    found[int(frame.pts)] = frame.to_ndarray(format="rgb24"), bool(frame.key_frame)
        except (av.error.FFmpegError, ValueError):
            # Damaged bytes; the frame counts as lost.
            return

    for index, data in enumerate(packets):
        if data:
            packet = av.Packet(data)
            packet.pts = packet.dts = index
            take(packet)
    take(None)
    return found
