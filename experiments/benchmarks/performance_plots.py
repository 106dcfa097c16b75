"""Curves of a benchmark as figures: what was measured strong, what bounds it dashed."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from sdr_gsc.plot.style import INK, MARKERS, PALETTE, annotate, legend, new_figure, save_figure

from .curves import Curve, Series

__all__ = ["plot_curve", "save_curve", "slug"]

_DASHES = ((0, (5, 3)), (0, (1, 2)), (0, (6, 2, 1, 2)), (0, (2, 2)), (0, (9, 2)), (0, (6, 2, 1, 2, 1, 2)))
_MOST_TICKS = 10
#: Axes that span less have plain numbers instead of powers of ten.
_PLAIN_RANGE = 1000
#: Logarithmic ordinates reach so far below the least value measured.
_BELOW = 10


def slug(name: str) -> str:
    """A name as part of a file's name.

    >>> slug("Detection, Rayleigh (2 samples)")
    'detection-rayleigh-2-samples'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def plot_curve(curve: Curve) -> Figure:
    """The curve in the common style; bounds are dark and dashed, without marks."""
    figure, (ax,) = new_figure(6.4, 4.0)
    for index, series in enumerate(curve.bounds):
        x, y = _drawable(series, curve)
        ax.plot(x, y, linestyle=_DASHES[index % len(_DASHES)], color=INK, linewidth=1.2, label=series.name)
    for index, series in enumerate(curve.series):
        x, y = _drawable(series, curve)
        ax.plot(
            x, y, color=PALETTE[index % len(PALETTE)], marker=MARKERS[index % len(MARKERS)], markersize=4.5,
            linewidth=1.6, label=series.name,
        )  # fmt: skip
    if curve.log_x:
        ax.set_xscale("log")
        ticks = sorted({value for series in curve.series for value in series.x if value > 0})
        if len(ticks) <= _MOST_TICKS:
            # Decades would leave most of these axes with one number or two.
            ax.set_xticks(ticks, [f"{value:.0f}" if value.is_integer() else f"{value:g}" for value in ticks])
            ax.set_xticks([], minor=True)
    if curve.log_y:
        ax.set_yscale("log")
        measured = [y[np.isfinite(y)] for _, y in (_drawable(series, curve) for series in curve.series)]
        low, high = ax.get_ylim()
        # A bound that falls into the abyss must not flatten what was measured.
        low = max(low, min((y.min() for y in measured if y.size), default=low) / _BELOW)
        ax.set_ylim(low, high)
        if high / low < _PLAIN_RANGE:
            ax.yaxis.set_major_formatter(LogFormatter())
            ax.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.3, 0.5)))
            ax.tick_params(axis="y", which="minor", labelsize=ax.yaxis.get_ticklabels()[0].get_fontsize())
    if curve.series or curve.bounds:
        legend(ax)
    annotate(ax, title=curve.name, x=curve.x_label, y=curve.y_label)
    return figure


def save_curve(curve: Curve, folder: Path, prefix: str) -> Path:
    """Write ``folder/prefix-name.svg``; text stays text, which keeps the file small and its changes readable."""
    path = folder / f"{prefix}-{slug(curve.name)}.svg"
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        save_figure(plot_curve(curve), path)
    return path


def _drawable(series: Series, curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates with gaps where a logarithmic axis has no place for them."""
    x, y = np.array(series.x, float), np.array(series.y, float)
    lost = (curve.log_x & (x <= 0)) | (curve.log_y & (y <= 0)) | ~np.isfinite(y)
    y[lost] = np.nan
    return x, y
