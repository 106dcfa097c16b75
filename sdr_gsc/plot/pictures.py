"""Pictures side by side, and how sure a decoder is of each pixel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import INK, SEQUENTIAL, new_figure, style_colorbar

__all__ = ["plot_picture_row", "plot_uncertainty"]

_HEIGHT_IN = 2.6


def plot_picture_row(pictures: Mapping[str, np.ndarray], *, columns: int = 5) -> Figure:
    """Pictures with captions, in rows.

    Args:
        pictures: caption to float32 [H, W, 3] in [0, 1]. The caption's first line stands above its picture, further
            lines below it.
        columns: pictures per row.

    Raises:
        ValueError: there is no picture.
    """
    if not pictures:
        raise ValueError("a row of pictures needs at least one picture")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    aspect = max(picture.shape[1] / picture.shape[0] for picture in pictures.values())
    lines = max(caption.count("\n") + 1 for caption in pictures)
    figure, axes = new_figure(_HEIGHT_IN * aspect * columns, (_HEIGHT_IN + 0.15 + 0.17 * lines) * rows, rows, columns)
    for ax in axes[len(pictures) :]:
        ax.set_visible(False)
    for ax, (caption, picture) in zip(axes, pictures.items(), strict=False):
        _bare(ax)
        ax.imshow(np.clip(picture, 0, 1), interpolation="antialiased")
        name, _, figures = caption.partition("\n")
        ax.set_title(name, fontsize=10, color=INK, fontweight="bold")
        ax.set_xlabel(figures, fontsize=8.5, color=INK)
    return figure


def plot_uncertainty(
    standard_deviation: np.ndarray,
    picture: np.ndarray | None = None,
    sent: np.ndarray | None = None,
    *,
    title: str = "Standard deviation",
) -> Figure:
    """Posterior standard deviation of each pixel, beside the picture and, where the sent one is known, its true error.

    Args:
        standard_deviation: float32 [H, W] in units of full scale.
        picture: float32 [H, W, 3] in [0, 1], the reconstruction.
        sent: float32 [H, W, 3] in [0, 1]; with `picture`, the root mean square error over RGB is drawn on the same
            scale of colours.
        title: caption of the map.
    """
    maps = {title: standard_deviation}
    if picture is not None and sent is not None:
        maps["True error"] = np.sqrt(np.mean((picture - sent) ** 2, axis=2))
    panels = len(maps) + (picture is not None)
    aspect = standard_deviation.shape[1] / standard_deviation.shape[0]
    figure, axes = new_figure(_HEIGHT_IN * aspect * panels + 0.8, _HEIGHT_IN + 0.4, columns=panels)
    for ax in axes:
        _bare(ax)
    if picture is not None:
        axes[0].imshow(np.clip(picture, 0, 1), interpolation="antialiased")
        axes[0].set_title("Reconstruction", fontsize=10, color=INK, fontweight="bold")
    highest = max(float(np.percentile(standard_deviation, 99.5)), 1e-6)
    shown = axes[panels - len(maps) :]
    for ax, (caption, values) in zip(shown, maps.items(), strict=True):
        image = ax.imshow(values, cmap=SEQUENTIAL, vmin=0, vmax=highest, interpolation="antialiased")
        ax.set_title(caption, fontsize=10, color=INK, fontweight="bold")
    style_colorbar(figure.colorbar(image, ax=shown, pad=0.01, shrink=0.9), "full scale")
    return figure


def _bare(ax: Axes) -> None:
    ax.grid(visible=False)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
