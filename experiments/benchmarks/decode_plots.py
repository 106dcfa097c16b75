"""Figures of the decoders' page: rate, distortion and perception with confidence bands, calibration, pictures."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from sdr_gsc.plot.pictures import plot_picture_row
from sdr_gsc.plot.style import INK, MARKERS, PALETTE, annotate, legend, new_figure, png_bytes, save_figure

from .decode import DecodeFound
from .decode_baselines import CAPACITY, CLASSICAL_FIXED
from .decode_points import CHANNELS, Point, Sample
from .decode_rows import shown_series

__all__ = ["Drawn", "draw_all"]

_JPEG_QUALITY = 90
_DASHES = ((0, (5, 3)), (0, (1, 2)))


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure of the page.

    Attributes:
        name: of its file, without folder and suffix.
        title: its heading.
        text: what it shows.
        figure: the figure itself.
        suffix: of the file.
    """

    name: str
    title: str
    text: str
    figure: Figure
    suffix: str = ".svg"

    def save(self, folder: Path, prefix: str) -> Path:
        """Write it, and return its path."""
        path = folder / f"{prefix}-{self.name}{self.suffix}"
        if self.suffix == ".jpg":
            # Photographs as PNG would make the repository ten times as heavy.
            Image.open(io.BytesIO(png_bytes(self.figure))).convert("RGB").save(path, quality=_JPEG_QUALITY)
            return path
        with matplotlib.rc_context({"svg.fonttype": "none"}):
            save_figure(self.figure, path)
        return path


def _psnr(sample: Sample) -> float:
    return sample.quality.psnr_db


def _perceptual(sample: Sample) -> float:
    return sample.quality.perceptual


_METRICS = (("PSNR (dB)", "psnr", _psnr, "higher"), ("perceptual distance", "perceptual", _perceptual, "lower"))


def draw_all(found: DecodeFound) -> Iterator[Drawn]:
    """All figures, in the order of the page."""
    for cbr in found.plan.rates:
        for channel in _channels(found):
            yield from _over_esn0(found, cbr, channel)
    yield from _over_rate(found)
    yield from _plane(found)
    yield from _reliability(found)
    yield from _pictures(found)


def _channels(found: DecodeFound) -> list[str]:
    used = {point.channel for sample in found.samples.every for point in (sample.point,)}
    return [name for name in CHANNELS if name in used]


def _curve_series(found: DecodeFound, points: Sequence[Point]) -> list[str]:
    """Series with two points or more among these; the fixed scheme only where nothing else would tell the cliff."""
    counted = {name: sum(bool(found.samples.cell(name, point)) for point in points) for name in shown_series(found)}
    return [name for name, count in counted.items() if count >= 2]


def _over_esn0(found: DecodeFound, cbr: int, channel: str) -> Iterator[Drawn]:
    points = [
        Point(cbr, channel, level)
        for level in sorted({point.esn0_db for point in found.plan.points if point.channel == channel})
    ]
    series = _curve_series(found, points)
    if not series:
        return
    figure, axes = new_figure(9.6, 4.2, columns=2)
    for ax, (label, _, of, better) in zip(axes, _METRICS, strict=True):
        for index, name in enumerate(series):
            here = [point for point in points if found.samples.cell(name, point)]
            bands = np.array([found.samples.band(name, point, of) for point in here])
            _draw(ax, index, name, [point.esn0_db for point in here], bands)
        if channel == "awgn":
            _lines(ax, found, cbr, points, of)
        annotate(ax, title=f"CBR 1/{cbr}, {channel}", x="Es/N0 (dB)", y=f"{label}  {_arrow(better)}")
    legend(axes[0])
    described = CHANNELS[channel].text
    text = f"{described[0].upper()}{described[1:]}. Bands: 95 %, by bootstrap over photographs and realizations."
    if channel == "awgn":
        text += (
            " Dashed: the best picture file in as many bytes as the channel's capacity, the upper bound of the digital "
            "way; dotted: a Gaussian source like these photographs at capacity (OPTA), see below."
        )
    yield Drawn(f"esn0-cbr{cbr}-{channel}", f"Over Es/N0: CBR 1/{cbr}, {channel}", text, figure)


def _lines(ax: Axes, found: DecodeFound, cbr: int, points: Sequence[Point], of: Callable[[Sample], float]) -> None:
    here = [point for point in points if found.samples.cell(CAPACITY, point)]
    if here:
        values = [found.samples.mean(CAPACITY, point, of) for point in here]
        ax.plot([each.esn0_db for each in here], values, linestyle=_DASHES[0], color=INK, linewidth=1.2, label=CAPACITY)
    levels = [point.esn0_db for point in points if (cbr, point.esn0_db) in found.opta_db]
    if of is _psnr and levels:
        opta = [found.opta_db[cbr, level] for level in levels]
        ax.plot(levels, opta, linestyle=_DASHES[1], color=INK, linewidth=1.2, label="OPTA")


def _draw(ax: Axes, index: int, name: str, x: Sequence[float], bands: np.ndarray) -> None:
    color, marker = PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]
    dash = "-" if index < len(PALETTE) else "--"
    ax.fill_between(x, bands[:, 1], bands[:, 2], color=color, alpha=0.12, linewidth=0)
    ax.plot(x, bands[:, 0], dash, color=color, marker=marker, markersize=4.5, linewidth=1.6, label=name)


def _over_rate(found: DecodeFound) -> Iterator[Drawn]:
    if len(found.plan.rates) < 2:
        return
    levels = sorted({point.esn0_db for point in found.plan.points})
    level = min(levels, key=lambda each: abs(each - 10))
    figure, axes = new_figure(9.6, 4.2, columns=2)
    points = [Point(cbr, "awgn", level) for cbr in found.plan.rates]
    series = _curve_series(found, points)
    if not series:
        return
    for ax, (label, _, of, better) in zip(axes, _METRICS, strict=True):
        for index, name in enumerate(series):
            here = [point for point in points if found.samples.cell(name, point)]
            bands = np.array([found.samples.band(name, point, of) for point in here])
            _draw(ax, index, name, [1 / point.cbr for point in here], bands)
        ax.set_xticks([1 / cbr for cbr in found.plan.rates], [f"1/{cbr}" for cbr in found.plan.rates])
        annotate(ax, title=f"awgn, {level:g} dB", x="payload CBR", y=f"{label}  {_arrow(better)}")
    legend(axes[0])
    yield Drawn("rate", "Over the rate", f"Rate, distortion and perception over white noise at {level:g} dB.", figure)


def _plane(found: DecodeFound) -> Iterator[Drawn]:
    """Perception over distortion: each decoder's way through the plane as Es/N0 rises."""
    channels = [name for name in _channels(found) if not CHANNELS[name].erased]
    cbr = found.plan.rates[0]
    if not channels:
        return
    figure, axes = new_figure(4.8 * len(channels), 4.2, columns=len(channels))
    for ax, channel in zip(axes, channels, strict=True):
        for index, name in enumerate(name for name in shown_series(found) if name != CLASSICAL_FIXED):
            here = [point for point in found.samples.points(name) if (point.cbr, point.channel) == (cbr, channel)]
            if not here:
                continue
            x, y = (np.array([found.samples.band(name, point, of) for point in here]).T for of in (_psnr, _perceptual))
            color = PALETTE[index % len(PALETTE)]
            ax.plot(
                x[0], y[0], "-" if index < len(PALETTE) else "--", color=color,
                marker=MARKERS[index % len(MARKERS)], markersize=4.5, linewidth=1.2, label=name,
            )  # fmt: skip
            ax.hlines(y[0], x[1], x[2], color=color, alpha=0.25, linewidth=1.0)
            ax.vlines(x[0], y[1], y[2], color=color, alpha=0.25, linewidth=1.0)
        annotate(ax, title=f"CBR 1/{cbr}, {channel}", x="PSNR (dB)  →", y="perceptual distance  ↓")
    legend(axes[0])
    yield Drawn(
        "plane", "Perception and distortion",
        "Each line follows one decoder through the plane as Es/N0 rises; down and to the right is better. Thin: "
        "95 %, by bootstrap over photographs.", figure,
    )  # fmt: skip


def _reliability(found: DecodeFound) -> Iterator[Drawn]:
    if not found.reliability:
        return
    figure, (ax,) = new_figure(5.2, 4.2)
    highest = 0.0
    for index, (name, bins) in enumerate(found.reliability.items()):
        ax.plot(
            bins.predicted, bins.error, color=PALETTE[index % len(PALETTE)], marker=MARKERS[index % len(MARKERS)],
            markersize=4.5, linewidth=1.4, label=name,
        )  # fmt: skip
        highest = max(highest, float(bins.predicted.max()), float(bins.error.max()))
    if math.isfinite(highest):
        ax.plot([0, highest], [0, highest], linestyle=_DASHES[0], color=INK, linewidth=1.0, label="the truth")
    legend(ax)
    annotate(ax, title="awgn, all rates and Es/N0", x="predicted deviation", y="root mean square error")
    yield Drawn(
        "uncertainty", "Uncertainty",
        "Pixels in tenths by the deviation that the decoder predicts for them; on the dashed line it tells the truth, "
        "above it the decoder is too sure of itself.", figure,
    )  # fmt: skip


def _pictures(found: DecodeFound) -> Iterator[Drawn]:
    order = ("original", *shown_series(found))
    for point, shown in found.grid.items():
        captions = {}
        for name in (each for each in order if each in shown and each != CLASSICAL_FIXED):
            cell = [
                sample for sample in found.samples.cell(name, point)
                if sample.picture == found.plan.pictures[0] and sample.repetition == 0
            ]  # fmt: skip
            figures = "" if not cell else f"\n{_psnr(cell[0]):.1f} dB, perceptual {_perceptual(cell[0]):.2f}"
            if cell and not cell[0].received:
                figures = "\nnothing arrives"
            captions[f"{name}{figures}"] = shown[name]
        figure = plot_picture_row(captions, columns=4)
        name = f"pictures-cbr{point.cbr}-{point.channel}-{point.esn0_db:g}db"
        yield Drawn(name, f"Pictures: {point.name}", "", figure, ".jpg")


def _arrow(better: str) -> str:
    return "↑" if better == "higher" else "↓"
