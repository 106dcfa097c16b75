"""Calibration of an uncertainty map: whether errors are as large as the decoder says they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from ..errors import PictureError

__all__ = ["Reliability", "coverage", "reliability"]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Errors by predicted deviation, for pixels in bins of equal number.

    Attributes:
        predicted: float64 [bins], root mean square of the predicted deviations of each bin, ascending.
        error: float64 [bins], root mean square error of its pixels over RGB.
    """

    predicted: np.ndarray
    error: np.ndarray

    @property
    def expected_error(self) -> float:
        """Mean of |error - predicted| / predicted over the bins: 0 for a map that says the truth."""
        return float(np.mean(np.abs(self.error - self.predicted) / self.predicted))


def coverage(sent: np.ndarray, received: np.ndarray, deviation: np.ndarray, probability: float = 0.9) -> float:
    """Share of values that lie within the interval received ± z·deviation, z = Φ⁻¹((1 + probability)/2).

    Args:
        sent: float32 [H, W, 3] in [0, 1].
        received: the same shape and range.
        deviation: float32 [H, W], predicted standard deviation, >= 0; the same for the three colours.
        probability: what the interval promises for errors that are normal, 0…1.

    Raises:
        PictureError: shapes that do not go together, or a deviation that is negative or no number.
        ValueError: a probability out of (0, 1).
    """
    if not 0 < probability < 1:
        raise ValueError(f"probability is {probability}; needed a number between 0 and 1")
    _check(sent, received, deviation)
    half = float(ndtri((1 + probability) / 2)) * deviation.astype(np.float64)
    return float(np.mean(np.abs(sent.astype(np.float64) - received) <= half[..., None]))


def reliability(pictures: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], *, bins: int = 10) -> Reliability:
    """Errors against predicted deviations, over all pixels of the pictures.

    Args:
        pictures: of each, what was sent, what was received, and the predicted deviation, as for `coverage`.
        bins: at most as many as there are pixels.

    Raises:
        PictureError: as for `coverage`.
        ValueError: no picture, or a number of bins that is not positive.
    """
    if not pictures or bins < 1:
        raise ValueError(f"{len(pictures)} pictures in {bins} bins; needed at least one of each")
    for each in pictures:
        _check(*each)
    squares = np.concatenate(
        [np.mean((sent.astype(np.float64) - got) ** 2, axis=2).ravel() for sent, got, _ in pictures]
    )
    predicted = np.concatenate([deviation.astype(np.float64).ravel() for _, _, deviation in pictures])
    parts = np.array_split(np.argsort(predicted, kind="stable"), bins)
    return Reliability(
        np.array([np.sqrt(np.mean(predicted[part] ** 2)) for part in parts]),
        np.array([np.sqrt(np.mean(squares[part])) for part in parts]),
    )


def _check(sent: np.ndarray, received: np.ndarray, deviation: np.ndarray) -> None:
    if sent.ndim != 3 or sent.shape != received.shape or deviation.shape != sent.shape[:2]:
        raise PictureError(
            f"pictures are {list(sent.shape)} and {list(received.shape)}, the deviation {list(deviation.shape)}; "
            "needed [H, W, 3] twice and [H, W]"
        )
    if not (np.isfinite(deviation).all() and (deviation >= 0).all()):
        raise PictureError("a predicted deviation is negative or no number; needed finite ones, at least 0")
