"""The distortion-perception plane, and pictures along the knob."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sdr_gsc.plot.pictures import plot_picture_row
from sdr_gsc.plot.style import FAINT, INK, MARKERS, PALETTE, annotate, new_figure

from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line
from ..points.planning import baseline_label
from .frechet import kept_by_setting, sent_picture
from .knobs import ANCHOR, Knob, knobs
from .settings import HumanSettings
from .tables import Band, change, level

__all__ = ["plot_changes", "plot_plane", "plot_strip"]

Point = tuple[Band, Band, Knob]
Baseline = tuple[Band, Band, str, str, str]
Levels = Mapping[float | None, Sequence[Line]]
_LABEL_PT = 8.0
_BASELINE_MARKERS = ("*", "h", "p", "8")
#: Points of a curve that are nearer to each other than this share one name.
_APART_PX = 24.0
#: Where names stand beside their points, curve by curve, so that those of two curves do not meet.
_BESIDE = (((7, 7), "left"), ((7, 7), "left"), ((-7, -9), "right"), ((7, -9), "left"), ((-7, 9), "right"))
#: Baselines farther away than this share of the plane's own width or height are named, not drawn.
_MARGIN = 0.6


def _curves(settings: HumanSettings) -> dict[str, list[Knob]]:
    found: dict[str, list[Knob]] = {}
    for knob in knobs(settings):
        found.setdefault(knob.curve, []).append(knob)
    return found


def _level_name(esn0_db: float | None) -> str:
    return "radio's own" if esn0_db is None else f"{esn0_db:g} dB"


def plot_plane(
    settings: HumanSettings, levels: Levels, metric: str, label: str, title: str
) -> tuple[Figure, list[str]]:
    """Perception over distortion, one curve per Es/N0 and kind of knob, the baseline as single points.

    Args:
        settings: of the run.
        levels: lines of one bandwidth by Es/N0.
        metric: of distortion, larger is better.
        label: of the abscissa, with unit.
        title: heading.

    Returns:
        The figure, and a sentence for each baseline that lies outside of it.
    """
    figure, (ax,) = new_figure(7.6, 5.0)
    curves = _curves(settings)
    outside: list[str] = []
    drawn: list[tuple[list[Point], str]] = []
    baselines: list[Baseline] = []
    for index, (esn0_db, lines) in enumerate(levels.items()):
        color = PALETTE[index % len(PALETTE)]
        for shape, chosen in zip(itertools.cycle(MARKERS), curves.values(), strict=False):
            points = _points(lines, chosen, partial(level, lines), metric)
            _draw_curve(ax, points, color, shape)
            drawn.append((points, color))
        for series, shape in zip(settings.classical(), itertools.cycle(_BASELINE_MARKERS), strict=False):
            place = level(lines, series.name, metric), level(lines, series.name, "perceptual")
            if place[0].known and place[1].known:
                baselines.append((*place, f"{baseline_label(series)} at {_level_name(esn0_db)}", color, shape))
    for x, y, _, color, shape in _near(ax, baselines, outside):
        _cross(ax, x, y, color)
        ax.plot(x.mean, y.mean, shape, color=color, markersize=11, markerfacecolor="white", markeredgewidth=1.4)
    for index, (points, color) in enumerate(drawn):
        _name_points(ax, points, color, index % len(curves))
    _plane_legend(ax, settings, curves, levels)
    annotate(ax, title=title, x=f"{label}  →", y="perceptual distance  ↓")
    return figure, outside


def _points(
    lines: Sequence[Line], chosen: Sequence[Knob], figure: Callable[[str, str], Band], metric: str
) -> list[Point]:
    points = [(figure(knob.label, metric), figure(knob.label, "perceptual"), knob) for knob in chosen]
    return [point for point in points if point[0].known and point[1].known]


def _draw_curve(ax: Axes, points: Sequence[Point], color: str, shape: str, name: str = "") -> None:
    """A curve of one knob; the anchor, on which others begin, is a ring that hides none of them."""
    xs, ys = [x.mean for x, _, _ in points], [y.mean for _, y, _ in points]
    ax.plot(xs, ys, "-", color=color, linewidth=1.2, alpha=0.8)
    for x, y, _ in points:
        _cross(ax, x, y, color)
    if all(knob.label == ANCHOR for _, _, knob in points):
        ax.plot(xs, ys, shape, color=color, markersize=11, markerfacecolor="none", markeredgewidth=1.4, label=name)
    else:
        ax.plot(xs, ys, shape, color=color, markersize=5, label=name)


def _name_points(ax: Axes, points: Sequence[Point], color: str, index: int) -> None:
    """Settings of the knob beside their points; those of points that lie upon each other as one, such as 0…1."""
    ax.get_xlim(), ax.get_ylim()  # limits follow the data only when they are asked for
    groups: list[list[Point]] = []
    for point in points:
        if point[2].value is None:
            continue
        if groups and _distance_px(ax, groups[-1][0], point) < _APART_PX:
            groups[-1].append(point)
        else:
            groups.append([point])
    offset, side = _BESIDE[index % len(_BESIDE)]
    for group in groups:
        first, last = group[0][2].mark, group[-1][2].mark
        text = first if len(group) == 1 else f"{first}…{last}"
        at = group[0][0].mean, group[0][1].mean
        ax.annotate(text, at, offset, textcoords="offset points", ha=side, va="center", fontsize=_LABEL_PT, color=color)


def _distance_px(ax: Axes, first: Point, second: Point) -> float:
    ends = [ax.transData.transform((x.mean, y.mean)) for x, y, _ in (first, second)]
    return float(np.hypot(*(ends[1] - ends[0])))


def _cross(ax: Axes, x: Band, y: Band, color: str) -> None:
    left, below = x.bar, y.bar
    ax.errorbar(
        x.mean, y.mean, xerr=[[left[0]], [left[1]]], yerr=[[below[0]], [below[1]]], color=color, alpha=0.35, linewidth=1
    )


def _near(ax: Axes, baselines: Sequence[Baseline], outside: list[str]) -> list[Baseline]:
    """Baselines that leave the curves readable; the others, such as mid-grey pictures, are told in words."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    width, height = _MARGIN * (right - left), _MARGIN * (high - low)
    near = []
    for item in baselines:
        x, y, name = item[0].mean, item[1].mean, item[2]
        if left - width <= x <= right + width and low - height <= y <= high + height:
            near.append(item)
        else:
            outside.append(f"{name} lies outside, at {x:.2f} and perceptual {y:.2f}")
    return near


def _plane_legend(ax: Axes, settings: HumanSettings, curves: Mapping[str, Sequence[Knob]], levels: Levels) -> None:
    handles = [
        Line2D([], [], color=PALETTE[index % len(PALETTE)], linewidth=3, label=f"Es/N0 {_level_name(esn0_db)}")
        for index, esn0_db in enumerate(levels)
    ]
    handles += [
        Line2D(
            [],
            [],
            color="#555555",
            marker=shape,
            linestyle="none",
            label=name,
            markerfacecolor="none" if name == ANCHOR else "#555555",
            markersize=10 if name == ANCHOR else 6,
        )
        for shape, name in zip(itertools.cycle(MARKERS), curves, strict=False)
    ]
    handles += [
        Line2D(
            [],
            [],
            color="#555555",
            marker=shape,
            linestyle="none",
            markerfacecolor="white",
            label=baseline_label(series),
        )
        for series, shape in zip(settings.classical(), itertools.cycle(_BASELINE_MARKERS), strict=False)
    ]
    ax.legend(
        handles=handles,
        frameon=False,
        fontsize=_LABEL_PT + 0.5,
        labelcolor=INK,
        loc="upper left",
        bbox_to_anchor=(1, 1),
    )


def plot_changes(settings: HumanSettings, levels: Levels, title: str) -> Figure:
    """What the knob changes against the anchor at the same pictures and draws: one panel per Es/N0, every point named.

    Left of the vertical line PSNR is lost, below the horizontal one the pictures look more like the sent ones.
    """
    figure, axes = new_figure(0.6 + 4.0 * len(levels), 4.4, columns=len(levels))
    curves = {name: chosen for name, chosen in _curves(settings).items() if name != ANCHOR}
    for ax, (esn0_db, lines) in zip(axes, levels.items(), strict=True):
        ax.axhline(0, color=FAINT, linewidth=1)
        ax.axvline(0, color=FAINT, linewidth=1)
        ax.axvline(-settings.tolerated_db, color=FAINT, linewidth=1, linestyle=":")
        drawn = []
        for index, (name, chosen) in enumerate(curves.items()):
            color, shape = PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]
            points = _points(lines, chosen, partial(change, settings, lines), "psnr_db")
            _draw_curve(ax, points, color, shape, name)
            drawn.append((points, color))
        ax.plot(0, 0, "o", color=INK, markersize=11, markerfacecolor="none", markeredgewidth=1.4, label=ANCHOR)
        ax.margins(0.12)
        for index, (points, color) in enumerate(drawn):
            _name_points(ax, points, color, index + 1)
        annotate(
            ax,
            title=f"{title}, {_level_name(esn0_db)}",
            x="change of PSNR (dB)  →",
            y="change of perceptual distance  ↓",
        )
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=_LABEL_PT + 0.5, labelcolor=INK
    )
    return figure


def plot_strip(out: RunDirectory, settings: HumanSettings, line: Line) -> Figure | None:
    """The sent picture, every setting of the knob, and the baselines, with their figures; None without pictures."""
    sent = sent_picture(out, line)
    if sent is None:
        return None
    shown = {"sent": sent}
    said = {series.name: baseline_label(series) for series in settings.classical()}
    for name, picture in kept_by_setting(out, settings, line).items():
        if picture is None:
            shown[f"{said.get(name, name)}\nnothing received"] = np.full_like(sent, 0.5)
        else:
            figures = line["decoders"][name]
            caption = f"{figures['psnr_db']:.2f} dB, perceptual {figures['perceptual']:.2f}"
            shown[f"{said.get(name, name)}\n{caption}"] = picture
    return plot_picture_row(shown, columns=4)
