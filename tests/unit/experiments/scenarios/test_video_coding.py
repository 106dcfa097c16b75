"""Coded video keeps to its bytes, comes back, and survives what happens to bytes on the air."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from experiments.scenarios.video import coding
from experiments.scenarios.video.coding import decode_video, decode_with_losses, encode_video
from sdr_gsc.errors import PictureError, SettingsError

av = pytest.importorskip("av")


def moving(count: int = 4, height: int = 64, width: int = 96) -> np.ndarray:
    """A soft spot that moves over a gradient: float32 [T, H, W, 3]."""
    y, x = np.mgrid[:height, :width]
    frames = []
    for index in range(count):
        spot = np.exp(-((x - 20 - 6 * index) ** 2 + (y - 30) ** 2) / 200)
        frames.append(np.stack([0.2 + 0.5 * spot, x / width * 0.8 + 0.1, 0.3 + 0.4 * y / height], -1))
    return np.stack(frames).astype(np.float32)


def psnr_db(first: np.ndarray, second: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((first - second) ** 2)))


def packet_starts(data: bytes, count: int) -> list[int]:
    """Where each frame's packet begins: behind one byte and `count` lengths of seven bits a byte."""
    lengths, at = [], 1
    while len(lengths) < count:
        value, shift = 0, 0
        while data[at] >= 128:
            value, shift, at = value | (data[at] & 127) << shift, shift + 7, at + 1
        lengths.append(value | data[at] << shift)
        at += 1
    assert at + sum(lengths) == len(data)
    return [at + sum(lengths[:index]) for index in range(count)]


@pytest.fixture(scope="module", params=["h264", "av1"])
def codec(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("max_bytes", [400, 900, 4000])
def test_never_more_bytes_than_allowed(codec: str, max_bytes: int) -> None:
    frames = moving()
    assert 0 < len(encode_video(frames, 25.0, codec=codec, max_bytes=max_bytes)) <= max_bytes


def test_enough_bytes_give_the_frames_back(codec: str) -> None:
    frames = moving()
    data = encode_video(frames, 25.0, codec=codec, max_bytes=100_000)
    assert psnr_db(decode_video(data, 4, 64, 96), frames) > 35


def test_more_bytes_are_no_worse() -> None:
    frames = moving()
    errors = [
        np.mean((decode_video(encode_video(frames, 25.0, max_bytes=size), 4, 64, 96) - frames) ** 2)
        for size in (400, 1500, 6000)
    ]
    assert errors[0] > errors[1] > errors[2]


def test_the_same_frames_give_the_same_bytes(codec: str) -> None:
    frames = moving()
    first, second = (encode_video(frames, 25.0, codec=codec, max_bytes=2000) for _ in range(2))
    assert first == second


def test_odd_sides_and_a_single_frame() -> None:
    frames = moving(1, 51, 77)
    found = decode_video(encode_video(frames, 30000 / 1001, max_bytes=20_000), 1, 51, 77)
    assert found.shape == frames.shape
    assert psnr_db(found, frames) > 30


def test_nothing_fits() -> None:
    with pytest.raises(PictureError, match=r"30 are there; use a higher MCS"):
        encode_video(moving(), 25.0, max_bytes=30)


def test_an_unknown_codec_is_named() -> None:
    with pytest.raises(SettingsError, match="needed one of h264, av1"):
        encode_video(moving(1), 25.0, codec="h263", max_bytes=1000)  # type: ignore[arg-type]


def test_a_missing_encoder_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, mode: str) -> None:
        raise ValueError(f"unknown codec {name}")

    class Library:
        CodecContext = SimpleNamespace(create=refuse)
        VideoFrame = av.VideoFrame
        error = av.error

    monkeypatch.setattr(coding, "video_library", Library)
    with pytest.raises(SettingsError, match=r"no libx264 .*pip install"):
        encode_video(moving(1), 25.0, max_bytes=1000)


def test_damage_and_cuts_never_raise_and_keep_the_shape(codec: str) -> None:
    data = encode_video(moving(), 25.0, codec=codec, max_bytes=3000)
    generator = np.random.default_rng(3)
    for trial in range(40):
        damaged = bytearray(data)
        for at in generator.integers(0, len(data), 1 + trial % 7):
            damaged[at] = int(generator.integers(256))
        cut = bytes(damaged[: int(generator.integers(0, len(data) + 1))])
        for received in (bytes(damaged), cut, generator.bytes(trial)):
            found = decode_video(received, 4, 64, 96)
            assert found.shape == (4, 64, 96, 3)
            assert found.dtype == np.float32
            assert np.isfinite(found).all()
            assert 0 <= found.min() <= found.max() <= 1


def test_nothing_received_is_mid_grey() -> None:
    found = decode_with_losses(b"", 3, 32, 48)
    assert (found.frames == 0.5).all()
    assert found.shown == (False, False, False)


def test_a_lost_packet_freezes_the_last_good_frame(codec: str) -> None:
    frames = moving()
    data = encode_video(frames, 25.0, codec=codec, max_bytes=3000)
    whole = decode_with_losses(data, 4, 64, 96)
    third = packet_starts(data, 4)[2]
    hit = decode_with_losses(data, 4, 64, 96, [(third, third + 1)])
    assert whole.shown == (True,) * 4
    assert hit.shown == (True, True, False, False)
    np.testing.assert_array_equal(hit.frames[:2], whole.frames[:2])
    np.testing.assert_array_equal(hit.frames[3], whole.frames[1])


def test_an_intra_frame_ends_the_freeze() -> None:
    frames = moving(4)
    data = encode_video(frames, 25.0, max_bytes=6000, gop=2)
    second = packet_starts(data, 4)[1]
    assert decode_with_losses(data, 4, 64, 96, [(second, second + 1)]).shown == (True, False, True, True)


def test_a_lost_beginning_loses_everything() -> None:
    data = encode_video(moving(), 25.0, max_bytes=3000)
    assert decode_with_losses(data, 4, 64, 96, [(0, 1)]).shown == (False,) * 4
