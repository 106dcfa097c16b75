"""The classical baseline: the best picture file that fits a number of bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import PictureError

__all__ = ["ClassicalPicture", "decode_classical", "encode_classical"]

#: Factors by which the picture may be reduced first.
_REDUCTIONS = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class ClassicalPicture:
    """A compressed picture.

    Attributes:
        data: the file's bytes.
        format: ``JPEG``, ``WEBP``, ``AVIF`` or ``JPEG2000``.
        reduction: 1, 2 or 4: the picture was scaled down by this factor first.
        mse: mean squared error after decoding and scaling up, pixel values in [0, 1].
    """

    data: bytes
    format: str
    reduction: int
    mse: float


def _save(picture: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    return _save(picture, format="JPEG", quality=quality, optimize=True, progressive=False)


def _webp(picture: Image.Image, quality: int) -> bytes:
    return _save(picture, format="WEBP", quality=quality, method=6)


def _avif(picture: Image.Image, quality: int) -> bytes:
    return _save(picture, format="AVIF", quality=quality, speed=6)


def _jpeg2000(picture: Image.Image, quality: int) -> bytes:
    # Rate control by compression ratio; 1…100 spans ratios 400…4 geometrically. A raw codestream has no file overhead.
    ratio = 400.0 * (4.0 / 400.0) ** ((quality - 1) / 99)
    return _save(
        picture, format="JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True, no_jp2=True
    )


_CODERS: dict[str, Callable[[Image.Image, int], bytes]] = {
    "AVIF": _avif,
    "WEBP": _webp,
    "JPEG2000": _jpeg2000,
    "JPEG": _jpeg,
}


def _best_quality(picture: Image.Image, coder: Callable[[Image.Image, int], bytes], limit: int) -> bytes | None:
    """Largest file of at most `limit` bytes, by bisection over quality 1…100; size grows with quality."""
    best = None
    low, high = 1, 100
    while low <= high:
        middle = (low + high) // 2
        data = coder(picture, middle)
        if len(data) <= limit:
            best, low = data, middle + 1
        else:
            high = middle - 1
    return best


def encode_classical(picture: np.ndarray, max_bytes: int) -> ClassicalPicture:
    """Compress with every coder at full, half and quarter size, and keep the least squared error that fits.

    Args:
        picture: float [H, W, 3] in [0, 1].
        max_bytes: size that the air samples allow at the MCS in use.

    Raises:
        PictureError: nothing fits, even at a quarter of the size.
    """
    full = Image.fromarray(np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8))
    found = []
    for reduction in _REDUCTIONS:
        size = (max(1, full.width // reduction), max(1, full.height // reduction))
        reduced = full if reduction == 1 else full.resize(size, Image.Resampling.LANCZOS)
        for name, coder in _CODERS.items():
            data = _best_quality(reduced, coder, max_bytes)
            if data is not None:
                decoded = decode_classical(data, picture.shape[0], picture.shape[1])
                found.append(ClassicalPicture(data, name, reduction, float(np.mean((decoded - picture) ** 2))))
    if found:
        return min(found, key=lambda candidate: candidate.mse)
    raise PictureError(
        f"no JPEG, WebP, AVIF or JPEG 2000 of this {full.width}x{full.height} picture fits {max_bytes} bytes, even at "
        "a quarter of its size; use a higher MCS or more symbols"
    )


def decode_classical(data: bytes, height: int, width: int) -> np.ndarray:
    """Decode to float32 [height, width, 3] in [0, 1], scaled up where it was reduced.

    Raises:
        PictureError: the bytes are not a picture.
    """
    try:
        with Image.open(io.BytesIO(data), formats=tuple(_CODERS)) as opened:
            picture = opened.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise PictureError(f"the {len(data)} received bytes are not a picture: {error}") from error
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.float32) / 255
