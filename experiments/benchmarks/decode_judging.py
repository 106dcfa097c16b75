"""How targets of the decoders are judged: rows, the figures of a sample, and what follows from many of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from .decode_points import CHANNELS, Sample, Samples
from .rows import Row

__all__ = ["Judged", "agrees", "average", "beats", "least", "perceptual", "psnr", "second", "steepest"]


class Judged:
    """Rows of targets, and why some have no figure.

    Attributes:
        rows: in the order of the targets.
        reasons: of rows without a figure, by metric.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.reasons: dict[str, str] = {}

    def add(self, item: Row, reason: str = "it was not measured in this run") -> None:
        """A row; one without a figure has missed its target, for the reason given, and is left out if it has none."""
        if item.target is not None and (item.value is None or not math.isfinite(item.value)):
            self.reasons[item.metric] = reason
            item = replace(item, value=float("nan"), met=False)
        if item.value is not None and (item.target is not None or math.isfinite(item.value)):
            self.rows.append(item)


def psnr(sample: Sample) -> float:
    """In dB."""
    return sample.quality.psnr_db


def perceptual(sample: Sample) -> float:
    """Distance, 0 for equal pictures."""
    return sample.quality.perceptual


def second(sample: Sample) -> float:
    """Distance as another network sees it; NaN where it was not asked."""
    return sample.quality.second


def agrees(sample: Sample) -> float:
    """1 where the classifier says the same of picture and original, else 0."""
    return sample.quality.agrees


def beats(seen: tuple[float, float, float], gained: tuple[float, float, float], *, clearly: bool) -> bool:
    """Whether one decoder beats another, from differences of `perceptual` and of PSNR with their bands."""
    if not clearly:
        return seen[0] < 0 or gained[0] > 0
    nearer, truer = seen[2] < 0, gained[1] > 0
    further, falser = seen[1] > 0, gained[2] < 0
    return (nearer and not falser) or (truer and not further)


def steepest(samples: Samples, name: str, cbr: int) -> float:
    """The largest loss of PSNR per decibel of Es/N0 between neighbouring points, in dB/dB; NaN without any."""
    falls = []
    points = [point for point in samples.points(name) if point.cbr == cbr]
    for low, high in zip(points[:-1], points[1:], strict=True):
        if low.channel == high.channel and not CHANNELS[low.channel].erased:
            fall = samples.mean(name, high, psnr) - samples.mean(name, low, psnr)
            falls.append(fall / (high.esn0_db - low.esn0_db))
    return max(falls, default=math.nan)


def average(values: Iterable[float]) -> float:
    """Mean; NaN of nothing."""
    kept = list(values)
    return float(np.mean(kept)) if kept else math.nan


def least(values: Iterable[float]) -> float:
    """Minimum; NaN of nothing."""
    return min(values, default=math.nan)
