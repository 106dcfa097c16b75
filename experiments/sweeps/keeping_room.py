"""How much room the captures and pictures take that a sweep keeps."""

from __future__ import annotations

import itertools
from functools import lru_cache
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ..procedures.photographs import is_photograph
from .planning import transmission_of
from .settings import SweepSettings, TrialSettings

__all__ = ["mean_bytes"]

# Symbols on the air over payload symbols, about: pilots, guard interval, headers. Eight bytes each, twice: what was
# sent and what was received. However little is sent: a frame, the silence around it, and the annotations.
_AIR_OVERHEAD, _AIR_BYTES, _LEAST_CAPTURE_BYTES = 2.2, 8 * 2.5, 40_000
# Of each received picture, bytes per pixel, about: a PNG of a photograph, and the deviation of each pixel as float16.
_PICTURE_BYTES = 2.0 + 2.0


def mean_bytes(settings: SweepSettings) -> int:
    """Bytes that a trial leaves, without its line; the mean over the plan."""
    grid = settings.grid
    further = [[(axis, value) for value in values] for axis, values in grid.further.items()]
    sizes = [
        _bytes(
            settings,
            transmission_of(settings, {"series": series.name, "cbr": cbr, "esn0_db": None, **dict(axes)}),
            picture,
        )
        for series, cbr, axes, picture in itertools.product(
            settings.series, grid.cbr, itertools.product(*further), grid.pictures
        )
    ]
    return round(sum(sizes) / len(sizes))


def _bytes(settings: SweepSettings, of: TrialSettings, picture: str) -> float:
    pixels = _pixels(picture, of.side_px)
    capture = 3 * pixels / of.cbr * _AIR_OVERHEAD * _AIR_BYTES + _LEAST_CAPTURE_BYTES
    received = 1 if of.mapping == "classical" else len(of.decoders)
    captures = capture if "captures" in settings.keep else 0.0
    return captures + (received * pixels * _PICTURE_BYTES if "pictures" in settings.keep else 0.0)


@lru_cache(maxsize=1024)
def _pixels(picture: str, side_px: int) -> int:
    if is_photograph(picture):
        return side_px**2
    try:
        with Image.open(Path(picture)) as found:
            return int(found.width * found.height)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        # What is wrong with it is told when it is copied into the run.
        return side_px**2
