"""The report of pictures for machines: agreement over bandwidth and over Es/N0, and what bandwidth it takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from sdr_gsc.plot.style import INK, MARKERS, PALETTE, annotate, new_figure, save_figure

from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line
from ...reports.page import Image, Section
from ..points.planning import where
from .classifying import CLASSIFIER, JUDGE
from .settings import MachineSettings
from .tables import (
    MARK,
    bandwidth,
    ceiling,
    label_of,
    method_names,
    methods_table,
    pictures_table,
    share_of,
    wanted_table,
)

__all__ = ["machine_sections", "plot_agreement"]

_TEXT = (
    f"Right is the class that {JUDGE} names in the sent picture. {CLASSIFIER} answers at the receiver; no answer is a "
    f"wrong one. {MARK} read from the task vector, which holds features of {CLASSIFIER}: the judge is another network, "
    "with which it shares no weight. Bars are Wilson's 95 % intervals over pictures and repetitions; parts of the same "
    "photograph and repetitions of it are no independent pictures, so the true uncertainty is larger. The dashed line "
    "is the classifier on the sent pictures themselves. Curves are moved apart a little along the abscissa. At the "
    "least bandwidth a vector leaves no room for a picture beside it; a baseline that does not fit gives no answer."
)
_PANEL_IN, _LEGEND_PT = 3.6, 8.5


def machine_sections(out: RunDirectory, settings: MachineSettings, trials: Sequence[Line]) -> list[Section]:
    """See `Study.sections`."""
    if not trials:
        return []
    folder = out.folder("figures")
    images = [_saved(plot_agreement(settings, trials, "cbr"), folder / "bandwidth.png", "Agreement over bandwidth")]
    levels = {esn0_db for _, esn0_db in where(trials) if esn0_db is not None}
    if len(levels) > 1:
        figure = plot_agreement(settings, trials, "esn0_db")
        images.append(_saved(figure, folder / "esn0.png", "Agreement over Es/N0"))
    needed = (
        f"The least effective CBR of the plan at which {settings.wanted:g} of the answers are right; – where none is."
    )
    return [
        Section("Effectiveness", tuple(images), _TEXT),
        Section("Bandwidth needed", (wanted_table(settings, trials),), needed),
        Section("By picture", (pictures_table(settings, trials),)),
        Section("All figures", (methods_table(settings, trials),), folded=True),
    ]


def plot_agreement(settings: MachineSettings, trials: Sequence[Line], axis: str) -> Figure:
    """Top-1 agreement of every method, over bandwidth with a panel for each Es/N0, or the other way round.

    Args:
        settings: of the run.
        trials: lines of points.
        axis: ``cbr`` or ``esn0_db``.
    """
    points = where(trials)
    over_bandwidth = axis == "cbr"
    keys = list(dict.fromkeys(key[over_bandwidth] for key in points))
    columns = min(len(keys), 3)
    rows = -(-len(keys) // columns)
    figure, axes = new_figure(1.8 + _PANEL_IN * columns, 1.0 + 3.0 * rows, rows, columns)
    for ax in axes[len(keys) :]:
        ax.set_visible(False)
    for ax, key in zip(axes, keys, strict=False):
        chosen = [(cbr, level, lines) for (cbr, level), lines in points.items() if (cbr, level)[over_bandwidth] == key]
        _draw(ax, settings, chosen, over_bandwidth=over_bandwidth)
        top = ceiling([line for _, _, lines in chosen for line in lines])
        ax.axhline(top.value, color=INK, linewidth=1, linestyle="--", label="classifier on the sent pictures")
        ax.set_ylim(-0.04, 1.06)
        title = ("radio's own Es/N0" if key is None else f"Es/N0 {key:g} dB") if over_bandwidth else f"CBR 1/{key}"
        x = "effective bandwidth (air samples / picture value)" if over_bandwidth else "Es/N0 (dB)"
        annotate(ax, title=title, x=x, y="top-1 agreement  ↑" if ax in axes[::columns] else "")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=1 + columns, frameon=False, fontsize=_LEGEND_PT,
        labelcolor=INK,
    )  # fmt: skip
    return figure


def _draw(
    ax: Axes,
    settings: MachineSettings,
    chosen: Sequence[tuple[int, float | None, Sequence[Line]]],
    *,
    over_bandwidth: bool,
) -> None:
    names = method_names(settings)
    for index, method in enumerate(names):
        apart = index - (len(names) - 1) / 2
        placed = []
        for _, level, lines in chosen:
            if not over_bandwidth and level is None:
                continue
            x = bandwidth(lines, method) * 1.035**apart if over_bandwidth else float(level or 0.0) + 0.12 * apart
            placed.append((x, share_of(lines, method)))
        placed.sort(key=lambda item: item[0])
        bars = [[share.value - share.low for _, share in placed], [share.high - share.value for _, share in placed]]
        ax.errorbar(
            [x for x, _ in placed], [share.value for _, share in placed], yerr=bars, label=label_of(settings, method),
            color=PALETTE[index % len(PALETTE)], marker=MARKERS[index % len(MARKERS)], markersize=4.5, linewidth=1.5,
            elinewidth=0.8, capsize=2,
        )  # fmt: skip
    if over_bandwidth:
        ax.set_xscale("log")
        means = [float(bandwidth(lines, names[0])) for _, _, lines in chosen]
        ax.set_xticks(means, [f"{value:.2g}" for value in means])
        ax.xaxis.set_minor_locator(NullLocator())


def _saved(figure: Figure, path: Path, title: str) -> Image:
    save_figure(figure, path)
    save_figure(figure, path.with_suffix(".svg"))
    return Image(title, path, (), wide=True)
