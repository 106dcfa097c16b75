"""The report of a meeting: curves, frames side by side, and where the time went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image as Pillow

from sdr_gsc.plot.curves import Curve, plot_curves
from sdr_gsc.plot.pictures import plot_picture_row
from sdr_gsc.plot.style import MARKERS, PALETTE, annotate, legend, new_figure, save_figure

from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line
from ...reports.page import Image, Section
from .settings import MeetingSettings
from .streaming import kept_frames, picture_name
from .tables import METRICS, grouped, levels_of, means_table, stages_table

__all__ = ["meeting_sections"]

_CURVES = (
    "Means over the frames of a trial; bands hold the mean over repetitions with 95 % confidence. The landmark error "
    "is that of faces that were found again, so it goes with their share: a lost face has no landmarks. The same "
    "finder looks at the filmed frames."
)
_STRIPS = "Frames of the first repetition as they were filmed and as each receiver showed them."
_STAGES = (
    "Time per frame; what the first frame waits for the last one that is coded with it is `collect`, for a video is "
    "coded as a whole. The cost of simulating a radio is left out."
)


def meeting_sections(out: RunDirectory, settings: MeetingSettings, trials: Sequence[Line]) -> list[Section]:
    """See `Study.sections`."""
    folder = out.folder("figures")
    images = []
    simulated = [line for line in trials if line["requested_esn0_db"] is not None]
    for cbr, lines in grouped(simulated, lambda line: int(line["cbr_inverse"])).items():
        images += _curves(folder, lines, f"cbr{cbr}", _esn0_db, "Es/N0 (dB)", f"CBR 1/{cbr}")
    if len(settings.cbr) > 1:
        for level, lines in grouped(trials, lambda line: line["requested_esn0_db"]).items():
            name, heading = ("by_cbr", "") if level is None else (f"by_cbr.{level:g}dB", f"{level:g} dB")
            images += _curves(folder, lines, name, _cbr, "payload CBR of the semantic stream", heading)
    sections = [Section("Curves", tuple(images), _CURVES)] if images else []
    strips = _strips(folder, out.path / "pictures", settings, trials)
    if strips:
        sections.append(Section("Frames", tuple(strips), _STRIPS))
    over_time = _over_time(folder, settings, trials)
    if over_time is not None:
        sections.append(Section("Frame by frame", (over_time,)))
    if trials:
        sections.append(Section("Stages", (stages_table(trials),), _STAGES))
        sections.append(Section("Means", (means_table(trials),), folded=True))
    return sections


def _esn0_db(line: Line) -> float:
    return float(line["requested_esn0_db"])


def _cbr(line: Line) -> float:
    return 1 / float(line["cbr_inverse"])


def _curves(
    folder: Path, lines: Sequence[Line], name: str, axis: Callable[[Line], float], label: str, heading: str
) -> list[Image]:
    images = []
    for metric, unit, better, _ in METRICS:
        values = {
            series: levels_of(own, metric, axis)
            for series, own in grouped(lines, lambda line: str(line["series"])).items()
        }
        if not any(np.isfinite(each).any() for levels in values.values() for each in levels.values()):
            continue
        most = 1.0 if metric == "faces_found" else np.inf
        curves = {series: _within(Curve.of_trials(levels), most) for series, levels in values.items()}
        figure = plot_curves(curves, metric=unit, better=better, title=heading, x=label)
        images.append(_saved(figure, folder / f"{name}.{metric}.png", f"{unit} over {label}"))
    return images


def _within(curve: Curve, most: float) -> Curve:
    """The same with a band that ends where the metric does; few repetitions have normal bands beyond that."""
    if curve.low is None or curve.high is None:
        return curve
    return replace(curve, low=np.maximum(curve.low, 0), high=np.minimum(curve.high, most))


def _saved(figure: Figure, path: Path, title: str, *, drawing: bool = True) -> Image:
    save_figure(figure, path)
    if drawing:
        save_figure(figure, path.with_suffix(".svg"))
    return Image(title, path, (), wide=True)


def _strips(folder: Path, pictures: Path, settings: MeetingSettings, trials: Sequence[Line]) -> list[Image]:
    """A row per series, the filmed frames above: the middle bandwidth, at the lowest, middle and highest Es/N0."""
    images = []
    cbr = sorted(settings.cbr)[len(settings.cbr) // 2]
    shown = [line for line in trials if line["repetition"] == 0 and line["cbr_inverse"] == cbr]
    indices = kept_frames(settings.frames)
    cells = list(grouped(shown, lambda line: line["requested_esn0_db"]).items())
    for place in sorted({0, len(cells) // 2, len(cells) - 1}) if cells else ():
        level, lines = cells[place]
        rows: dict[str, np.ndarray] = {}
        for name, owner in (("filmed", "filmed"), *((str(line["series"]), str(line["trial"])) for line in lines)):
            for index in indices:
                path = pictures / picture_name(owner, index)
                if path.is_file():
                    with Pillow.open(path) as opened:
                        rows[f"{name}\nframe {index + 1}"] = np.asarray(opened, np.float32) / 255
        if len(rows) <= len(indices):
            continue
        heading = f"CBR 1/{cbr}" if level is None else f"CBR 1/{cbr}, {level:g} dB"
        name = heading.replace("/", "-").replace(", ", ".").replace(" ", "")
        figure = plot_picture_row(rows, columns=len(indices))
        images.append(_saved(figure, folder / f"frames.{name}.png", heading, drawing=False))
    return images


def _over_time(folder: Path, settings: MeetingSettings, trials: Sequence[Line]) -> Image | None:
    """PSNR of each frame at the middle Es/N0: key frames, updates, and what a lost one costs."""
    levels = sorted({line["requested_esn0_db"] for line in trials if line["requested_esn0_db"] is not None})
    level = levels[len(levels) // 2] if levels else None
    chosen = [
        line
        for line in trials
        if line["cbr_inverse"] == settings.cbr[0] and line["requested_esn0_db"] == level and line["repetition"] == 0
    ]
    if not chosen:
        return None
    figure, (ax,) = new_figure(7.2, 3.6)
    for index, line in enumerate(chosen):
        values = [np.nan if value is None else value for value in line["by_frame"]["psnr_db"]]
        color, marker = PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]
        ax.plot(values, "-", color=color, marker=marker, markersize=3, linewidth=1.2, label=str(line["series"]))
    legend(ax, columns=2)
    heading = f"CBR 1/{settings.cbr[0]}" + ("" if level is None else f", {level:g} dB")
    annotate(ax, title=heading, x="frame", y="PSNR (dB)  ↑")
    return _saved(figure, folder / "by_frame.psnr_db.png", "PSNR frame by frame")
