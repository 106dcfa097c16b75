"""A comparison as a page and as a figure."""

from __future__ import annotations

import math
import shlex
from collections import defaultdict
from pathlib import Path

from sdr_gsc.plot.style import annotate, new_figure, save_figure

from ..campaign.run_directory import write_whole
from ..reports.page import Image, Page, Section, Table, render
from .comparing import Comparison, Difference

__all__ = ["difference_table", "write_comparison"]

#: Figures that a picture is judged by, drawn where there are any; else the first ones.
_JUDGED = ("psnr_db", "ms_ssim", "perceptual", "top1_agrees")
_MOST_DRAWN = 4


def difference_table(comparison: Comparison, *, clear_only: bool = False) -> Table:
    """One row per point and figure; figures that are the same everywhere are left out."""
    rows = tuple(
        (
            each.point or "all",
            each.metric,
            f"{each.first:.5g}",
            f"{each.second:.5g}",
            f"{each.change:+.4g}",
            f"± {each.half_width:.3g}" if math.isfinite(each.half_width) else "–",
            str(each.count),
            "yes" if each.is_clear else "no",
        )
        for each in comparison.differences
        if (each.is_clear if clear_only else each.change != 0 or each.first != each.second)
    )
    return Table(("point", "figure", "first", "second", "change", "95 %", "trials", "clear"), rows)


def write_comparison(comparison: Comparison, target: Path) -> Path:
    """Write a self-contained page, and its figure beside it; returns the page's path."""
    table = difference_table(comparison)
    figures = _draw(comparison, target)
    differing = tuple((name, str(first), str(second)) for name, (first, second) in comparison.settings.items())
    summary = (
        ("first", str(comparison.first)),
        ("second", str(comparison.second)),
        ("trials in both", str(comparison.common)),
        ("the same in both", str(comparison.equal)),
        ("only in the first / second", f"{comparison.only_first} / {comparison.only_second}"),
    )
    text = (
        "Second minus first, trial by trial, averaged over pictures and repetitions; clear where 0 is outside the 95 % "
        "interval (Student)."
    )
    sections = [Section("Changes", (*figures, table), text if table.rows else "No figure differs.")]
    if differing:
        sections.append(Section("Settings and software", (Table(("what", "first", "second"), differing),)))
    command = shlex.join(("sdr-gsc", "compare", str(comparison.first), str(comparison.second)))
    write_whole(target, render(Page("Two runs", summary, sections, "", command)).encode())
    return target


def _draw(comparison: Comparison, target: Path) -> tuple[Image, ...]:
    by_metric: dict[str, list[Difference]] = defaultdict(list)
    for each in comparison.differences:
        by_metric[each.metric].append(each)
    changed = [name for name, found in by_metric.items() if any(each.change for each in found)]
    shown = [name for name in _JUDGED if name in changed] or changed[:_MOST_DRAWN]
    if not shown:
        return ()
    rows = max(len(by_metric[name]) for name in shown)
    figure, axes = new_figure(3.2 * len(shown) + 2.5, 1.2 + 0.24 * rows, columns=len(shown))
    for column, name in enumerate(shown):
        axis, found = axes[column], by_metric[name][::-1]
        places = range(len(found))
        widths = [each.half_width if math.isfinite(each.half_width) else 0.0 for each in found]
        axis.errorbar([each.change for each in found], places, xerr=widths, fmt="o", markersize=4, capsize=3)
        axis.axvline(0.0, color="0.5", linewidth=0.8)
        axis.set_yticks(places, [each.point or "all" for each in found] if column == 0 else [""] * len(found))
        annotate(axis, x=f"change of {name}")
    path = target.with_suffix(".png")
    save_figure(figure, path)
    return (Image("Changes", path, ("Change from the first run to the second, with 95 % intervals",), wide=True),)
