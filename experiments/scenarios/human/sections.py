"""The report of the trade-off: the plane, what the knob changes, pictures, means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from sdr_gsc.plot.style import save_figure

from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line
from ...reports.page import Facts, Image, Section, Table
from ..points.planning import where
from .figures import plot_changes, plot_plane, plot_strip
from .frechet import frechet_table
from .settings import HumanSettings
from .tables import METRICS, headline, means_table, place, verdict

__all__ = ["human_sections"]

_PLANE = (
    "Each curve is one reception through the settings of a knob; numbers stand at its ends. Right and low is better. "
    "Means over the pictures; bars hold them over repetitions with 95 % confidence. A lost picture counts as mid-grey."
)
_CHANGES = (
    "The same points as differences from mmse at the same picture, channel and noise; the dotted line is the tolerated "
    "loss. Bars hold the mean over pictures and repetitions with 95 % confidence (bootstrap)."
)
_STRIP = (
    "Pictures as they were sent, through every setting of the knob, and as the baseline delivered them, at the middle "
    "Es/N0. The feature Fréchet distance asks whether patches of all of them together are distributed as those of the "
    "sent photographs; from so few pictures it orders settings, and is no absolute figure."
)


def human_sections(out: RunDirectory, settings: HumanSettings, trials: Sequence[Line]) -> list[Section]:
    """See `Study.sections`."""
    folder = out.folder("figures")
    by_rate: dict[int, dict[float | None, list[Line]]] = {}
    for (cbr, esn0_db), lines in where(trials).items():
        by_rate.setdefault(cbr, {})[esn0_db] = lines
    planes: list[Image] = []
    changes: list[Image] = []
    outside: list[str] = []
    for cbr, levels in by_rate.items():
        for metric, label, _ in METRICS[:2]:
            if all(line["decoders"]["mmse"].get(metric) is None for lines in levels.values() for line in lines):
                continue
            figure, away = plot_plane(settings, levels, metric, label, f"{settings.name}, CBR 1/{cbr}")
            planes.append(_saved(figure, folder / f"plane.cbr{cbr}.{metric}.png", f"Perception over {label}"))
            outside += away if metric == "psnr_db" else []
        figure = plot_changes(settings, levels, f"CBR 1/{cbr}")
        changes.append(_saved(figure, folder / f"changes.cbr{cbr}.png", f"Against mmse at CBR 1/{cbr}"))
    told = tuple((verdict(point, settings.tolerated_db),) for point in headline(settings, trials))
    plane = _PLANE + "".join(f" {sentence}." for sentence in outside)
    sections = [
        Section("Distortion and perception", tuple(planes), plane),
        Section("What the knob changes", tuple(changes), _CHANGES),
        Section("In words", (Table(("what the knob does",), told),)),
    ]
    blocks = _pictures(out, folder, settings, trials)
    if blocks:
        sections.append(Section("Pictures", tuple(blocks), _STRIP))
    sections.append(Section("Means", (means_table(settings, trials),), folded=True))
    return sections


def _pictures(
    out: RunDirectory, folder: Path, settings: HumanSettings, trials: Sequence[Line]
) -> list[Image | Table | Facts]:
    """At the middle Es/N0 of each bandwidth, the first repetition of every picture, and their Fréchet distances."""
    blocks: list[Image | Table | Facts] = []
    points = where(trials)
    for cbr in dict.fromkeys(cbr for cbr, _ in points):
        levels = [esn0_db for rate, esn0_db in points if rate == cbr]
        esn0_db = levels[len(levels) // 2]
        first = [line for line in points[cbr, esn0_db] if line["repetition"] == 0]
        for line in first:
            stem = Path(str(line["picture"])).stem
            figure = plot_strip(out, settings, line)
            if figure is not None:
                title = f"{stem}, {place(cbr, esn0_db)}"
                blocks.append(_saved(figure, folder / f"strip.cbr{cbr}.{stem}.png", title))
        table = frechet_table(out, settings, first, place(cbr, esn0_db))
        if table is not None:
            blocks.append(table)
    return blocks


def _saved(figure: Figure, path: Path, title: str) -> Image:
    save_figure(figure, path)
    save_figure(figure, path.with_suffix(".svg"))
    return Image(title, path, (), wide=True)
