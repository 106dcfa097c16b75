"""Detectors: OpenCV's people detector, or one that the user brings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sdr_gsc.errors import SettingsError
from sdr_gsc.user_code import run_user_code

__all__ = ["Detect", "PeopleDetector", "load_detector", "pixels_of"]

#: Takes uint8 RGB [H, W, 3]; returns boxes, float [n, 4] as (x, y, width, height) in pixels, the surest first.
Detect = Callable[[np.ndarray], np.ndarray]


def pixels_of(picture: np.ndarray) -> np.ndarray:
    """A picture, float [H, W, 3] in [0, 1], as detectors take it: uint8."""
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class PeopleDetector:
    """Histograms of oriented gradients and a linear support vector machine (Dalal and Triggs 2005), by OpenCV.

    Attributes:
        threshold: least distance from the machine's plane, of merged windows.
        upscale: pictures are enlarged first; the detector's window is 64 by 128 pixels.

    Raises:
        SettingsError: OpenCV is missing, or one without this detector.
    """

    threshold: float = 0.3
    upscale: float = 1.0
    _machine: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            import cv2
        except ImportError as error:
            raise SettingsError(
                f"the people detector needs OpenCV, which cannot be imported ({error}); run: pip install "
                "'sdr-gsc[video]', or bring a detector"
            ) from error
        if not hasattr(cv2, "HOGDescriptor"):
            raise SettingsError(
                f"OpenCV {cv2.__version__} has no people detector any more; run: pip install 'sdr-gsc[video]', which "
                "takes a version below 5, or bring a detector"
            )
        machine = cv2.HOGDescriptor()
        machine.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32))
        object.__setattr__(self, "_machine", machine)

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Boxes of what looks like people, see Detect."""
        import cv2

        height, width = picture.shape[:2]
        blue_first = np.ascontiguousarray(picture[:, :, ::-1])
        if self.upscale != 1:
            how = cv2.INTER_CUBIC if self.upscale > 1 else cv2.INTER_AREA
            blue_first = cv2.resize(blue_first, None, fx=self.upscale, fy=self.upscale, interpolation=how)
        if blue_first.shape[0] < 128 or blue_first.shape[1] < 64:
            return np.zeros((0, 4))
        # Several threads hand over their windows in any order, and what they are merged to depends on it.
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            boxes, distances = self._machine.detectMultiScale(
                blue_first, hitThreshold=0.0, winStride=(4, 4), padding=(16, 16), scale=1.05
            )
        finally:
            cv2.setNumThreads(threads)
        if len(boxes) == 0:
            return np.zeros((0, 4))
        distances = np.ravel(distances)
        order = np.argsort(-distances, kind="stable")
        order = order[distances[order] >= self.threshold]
        return inside(np.asarray(boxes, float)[order] / self.upscale, height, width)


def inside(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Boxes cut to the picture, without those of which nothing is left."""
    left, top = np.clip(boxes[:, 0], 0, width), np.clip(boxes[:, 1], 0, height)
    right, bottom = np.clip(boxes[:, 0] + boxes[:, 2], 0, width), np.clip(boxes[:, 1] + boxes[:, 3], 0, height)
    kept = (right > left) & (bottom > top)
    return np.stack([left, top, right - left, bottom - top], 1)[kept]


def load_detector(code: Path) -> Detect:
    """The function ``detect`` of a Python file. The file is run, so it must be given by the user.

    Raises:
        SettingsError: the file is missing, fails or has no such function; the returned function raises it too, where
            ``detect`` fails or returns no boxes.
    """
    space = run_user_code(code, "a Python file with a function detect(picture)", SettingsError)
    function = getattr(space, "detect", None)
    if not callable(function):
        raise SettingsError(f"{code} has no function detect(picture); add one that returns boxes x, y, width, height")

    def detect(picture: np.ndarray) -> np.ndarray:
        try:
            found = np.asarray(function(picture), float)
        except Exception as error:  # Whatever a user's file raises, it is that file which needs mending.
            raise SettingsError(f"detect of {code} fails: {type(error).__name__}: {error}; correct it") from error
        if found.size == 0:
            return np.zeros((0, 4))
        if found.ndim != 2 or found.shape[1] != 4 or not np.isfinite(found).all():
            raise SettingsError(
                f"detect of {code} returned shape {list(found.shape)}; needed finite numbers [n, 4]: x, y, width, "
                "height in pixels"
            )
        return inside(found, *picture.shape[:2])

    return detect
