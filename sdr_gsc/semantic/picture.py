"""Pictures at the edges: files to float32 [H, W, 3] in [0, 1], and the checks that keep nonsense out."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..errors import PictureError

__all__ = ["MAX_PIXELS", "MIN_SIDE_PX", "as_tensor", "load_picture", "save_picture"]

#: Smallest side that is worth sending: one block of the codec.
MIN_SIDE_PX = 16
#: Largest picture that is taken: refining ten megapixels takes some 9 GiB and minutes on two cores.
MAX_PIXELS = 4096 * 4096


def load_picture(path: Path) -> np.ndarray:
    """Read a photograph.

    Grey becomes RGB, 16-bit is scaled to its full range, transparency is laid over white, and the camera's orientation
    is applied. Animated pictures are refused: a sequence is not a photograph.

    Returns:
        float32 [H, W, 3] in [0, 1].

    Raises:
        PictureError: the file is missing, empty, not a picture, animated, or of an unusable size.
    """
    if not path.is_file():
        raise PictureError(f"{path} is not a file; needed a picture such as photo.jpg")
    if path.stat().st_size == 0:
        raise PictureError(f"{path} is empty; needed a picture such as photo.jpg")
    try:
        with warnings.catch_warnings():
            # Our own limit is stricter than Pillow's, and an error instead of a warning.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                _check_size(path, opened.width, opened.height)
                frames = getattr(opened, "n_frames", 1)
                if frames > 1:
                    raise PictureError(
                        f"{path} is animated ({frames} frames); needed one picture: extract a frame first"
                    )
                return _to_rgb(ImageOps.exif_transpose(opened))
    except Image.DecompressionBombError as error:
        raise PictureError(f"{path} is too large: {error}; scale it down to at most {MAX_PIXELS} pixels") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(
            f"{path} cannot be read as a picture ({error}); needed JPEG, PNG, WebP, TIFF or AVIF"
        ) from error


def _check_size(path: Path, width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE_PX:
        raise PictureError(f"{path} has {width}x{height} pixels; needed at least {MIN_SIDE_PX} a side")
    if width * height > MAX_PIXELS:
        raise PictureError(f"{path} has {width}x{height} pixels; scale it down to at most {MAX_PIXELS} pixels in all")


def _to_rgb(picture: Image.Image) -> np.ndarray:
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, np.float32)
        # 16-bit files have a fixed range; 32-bit ones say nothing of theirs, so their own maximum is white.
        white = 65535.0 if picture.mode.startswith("I;16") or values.max() > 255 else max(float(values.max()), 1.0)
        grey = np.clip(values / white, 0, 1)
        return np.repeat(grey[:, :, None], 3, 2)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        white_sheet = Image.new("RGBA", rgba.size, "white")
        picture = Image.alpha_composite(white_sheet, rgba)
    return np.asarray(picture.convert("RGB"), np.float32) / 255


def save_picture(path: Path, picture: np.ndarray) -> None:
    """Write float [H, W, 3] in [0, 1] as an 8-bit picture; the suffix chooses the format."""
    Image.fromarray(np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)).save(path)


def as_tensor(picture: np.ndarray) -> Tensor:
    """Picture float [H, W, 3] to a batch of one, float32 [1, 3, H, W].

    Raises:
        PictureError: wrong shape, range, or values that are not finite.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or min(picture.shape[:2]) < MIN_SIDE_PX:
        raise PictureError(
            f"picture has shape {list(picture.shape)}; needed [H, W, 3] with at least {MIN_SIDE_PX} pixels a side"
        )
    if not np.isfinite(picture).all() or picture.min() < 0 or picture.max() > 1:
        raise PictureError("picture has values outside [0, 1] or not finite; divide 8-bit values by 255")
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32))[None]
