"""One look for all figures, set on each figure itself: matplotlib's global settings are neither read nor written."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure

__all__ = [
    "ACCENT",
    "FAINT",
    "INK",
    "MARKERS",
    "PALETTE",
    "SEQUENTIAL",
    "annotate",
    "legend",
    "new_figure",
    "png_bytes",
    "save_figure",
    "style_colorbar",
]

#: Told apart with every common form of colour blindness (Okabe and Ito 2008), the loudest last.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555")
#: A second cue beside colour.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
ACCENT = PALETTE[1]
INK = "#222222"
FAINT = "#B8BEC4"
#: Perceptually uniform, and still ordered in print and for the colour-blind.
SEQUENTIAL = "cividis"

_TITLE_PT, _LABEL_PT, _TICK_PT = 11.0, 9.5, 8.5
_DPI = 144


def new_figure(
    width_in: float = 6.4,
    height_in: float = 4.0,
    rows: int = 1,
    columns: int = 1,
    *,
    share_x: bool = False,
    height_ratios: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """A figure and its axes, row by row.

    Args:
        width_in: width in inches.
        height_in: height in inches.
        rows: rows of axes.
        columns: columns of axes.
        share_x: whether the axes of a column share their abscissa.
        height_ratios: relative heights of the rows.
    """
    figure = Figure(figsize=(width_in, height_in), dpi=_DPI, layout="constrained", facecolor="white")
    grid = figure.subplots(
        rows, columns, squeeze=False, sharex="col" if share_x else False, gridspec_kw={"height_ratios": height_ratios}
    )
    axes = [ax for row in grid for ax in row]
    for ax in axes:
        _style(ax)
    return figure, axes


def _style(ax: Axes) -> None:
    ax.set_axisbelow(True)
    ax.grid(visible=True, color="#E4E7EA", linewidth=0.8)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FAINT)
    ax.tick_params(colors=INK, labelsize=_TICK_PT, color=FAINT, length=3)


def annotate(ax: Axes, *, title: str = "", x: str = "", y: str = "") -> None:
    """Title at the left, and axis labels; units belong into the labels, in parentheses."""
    if title:
        ax.set_title(title, loc="left", fontsize=_TITLE_PT, color=INK, fontweight="bold")
    ax.set_xlabel(x, fontsize=_LABEL_PT, color=INK)
    ax.set_ylabel(y, fontsize=_LABEL_PT, color=INK)


def legend(ax: Axes, *, columns: int = 1, place: Literal["best", "upper left"] = "best") -> None:
    """A legend without a box; ``"best"`` is the place where it hides least."""
    ax.legend(frameon=False, fontsize=_TICK_PT, labelcolor=INK, ncols=columns, loc=place)


def style_colorbar(bar: Colorbar, label: str) -> None:
    """The look of a colour scale."""
    bar.set_label(label, fontsize=_LABEL_PT, color=INK)
    bar.ax.tick_params(labelsize=_TICK_PT, colors=INK, color=FAINT, length=3)
    bar.outline.set_visible(False)


def png_bytes(figure: Figure) -> bytes:
    """The figure as a PNG file, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure in the format of the path's suffix (``.png``, ``.svg``, ``.pdf``); parents are made.

    The same figure gives the same bytes: no dates, no random identifiers.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    undated: dict[str, dict[str, str | None]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with matplotlib.rc_context({"svg.hashsalt": "sdr-gsc"}):
        figure.savefig(path, metadata=undated.get(path.suffix.lower(), {"Software": None}))
