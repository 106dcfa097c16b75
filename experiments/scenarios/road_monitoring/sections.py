"""What the report shows of street video."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sdr_gsc.phy.coding.mcs import mcs
from sdr_gsc.plot.curves import Curve, plot_curves
from sdr_gsc.plot.style import save_figure

from ...benchmarks.bootstrap import mean_band
from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line
from ...reports.page import Image, Section, Table
from ...reports.wording import decimal
from .running import picture_file
from .settings import RoadSettings

__all__ = ["road_sections"]

_NAMES = {
    "uniform": "uniform symbols",
    "regions": "more symbols for regions",
    "h264": "H.264",
    "av1": "AV1",
}
_STAGES = ("encode", "air", "receive", "decode", "latency", "frames_per_s", "pipelined_frames_per_s", "exchange")
#: Below so many objects a figure of detections says little.
_FEW_DETECTIONS = 20
_ABOUT = (
    "Truth is what the detector finds in the original frames, whether it is right about them or not: the figures say "
    "what the link keeps, not how good the detector is. Two boxes are the same object from an overlap of {iou:g} on. "
    "All methods have the same air samples at their disposal; what each used is its effective bandwidth. Bands are "
    "95 % by bootstrap over groups of frames and their repetitions."
)


def road_sections(out: RunDirectory, settings: RoadSettings, trials: Sequence[Line]) -> list[Section]:
    """Curves over bandwidth, the middle frame by each method, a table of all cells, and where the time goes."""
    if not trials:
        return []
    sections = []
    images = _curves(out.folder("figures"), settings, trials)
    if images:
        sections.append(Section("Detections kept", tuple(images), _about(settings, trials)))
    sections.append(_pictures(out, settings, trials))
    sections.append(Section("All cells", (_table(settings, trials),), folded=True))
    sections.append(
        Section(
            "Where the time goes",
            (_timings(settings, trials),),
            "Seconds per frame on this machine, means over trials. Encoding of coded video includes the search for the "
            "quality that fits, and of regions the sender's detector. Air is air samples over sample rate; exchange is "
            "the radio's own work, which for a simulated one is the cost of simulating and part of no latency. Latency "
            "is that of a group's first frame, which for coded video waits for the last.",
        )
    )
    return sections


def _about(settings: RoadSettings, trials: Sequence[Line]) -> str:
    text = _ABOUT.format(iou=settings.detector.iou)
    total = sum({line["first"]: line["detections"]["truth"] for line in trials}.values())
    if total >= _FEW_DETECTIONS:
        return text
    return (
        f"{text} The detector finds {total} objects in the originals of all groups; below {_FEW_DETECTIONS} one more "
        "or less decides: choose other frames (first, frames), a lower threshold, or another detector."
    )


def _names(settings: RoadSettings) -> dict[str, str]:
    """Curves as people read them."""
    found: dict[str, str] = {}
    for method in settings.methods:
        if method in ("h264", "av1"):
            found |= {f"{method}-mcs{each}": f"{_NAMES[method]}, {mcs(each).name}" for each in settings.mcs}
        else:
            found[method] = _NAMES[method]
    return found


def _levels(trials: Sequence[Line]) -> list[float | None]:
    found = {line["requested_esn0_db"] for line in trials}
    return sorted(found, key=lambda level: -np.inf if level is None else level)


def _curves(folder: Path, settings: RoadSettings, trials: Sequence[Line]) -> list[Image]:
    images = []
    figures: tuple[tuple[str, str, Callable[[Line], float | None]], ...] = (
        ("f1", "F1 of detections", lambda line: line["detections"]["f1"]),
        ("region_psnr", "PSNR inside detections (dB)", lambda line: line["region_psnr_db"]),
    )
    for level in _levels(trials):
        here = [line for line in trials if line["requested_esn0_db"] == level]
        where = "the radio's own Es/N0" if level is None else f"{level:g} dB Es/N0"
        stem = "own" if level is None else f"{level:+g}dB"
        for name, label, figure_of in figures:
            curves = {
                label_of: drawn
                for curve, label_of in _names(settings).items()
                if (drawn := _curve([line for line in here if line["curve"] == curve], figure_of, settings.seed))
            }
            if not curves:
                continue
            figure = plot_curves(curves, metric=label, title=where, x="effective bandwidth: 1000 air samples / (3·H·W)")
            for suffix in (".png", ".svg"):
                save_figure(figure, folder / f"{name}.{stem}{suffix}")
            title = f"{label} over effective bandwidth at {where}"
            images.append(Image(title, folder / f"{name}.{stem}.png", (), wide=True))
    return images


def _curve(trials: Sequence[Line], figure_of: Callable[[Line], float | None], seed: int) -> Curve | None:
    """Means over groups at each bandwidth; the abscissa is what was really on the air."""
    cells: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    bandwidth: dict[int, list[float]] = defaultdict(list)
    for line in trials:
        value = figure_of(line)
        if value is not None:
            cells[line["cbr"]][str(line["first"])].append(value)
            # What did not fit was not sent, and stands where it would have been.
            bandwidth[line["cbr"]].append(line["cbr_effective"] or line["air"]["allowed_cbr"])
    if not cells:
        return None
    order = sorted(cells, reverse=True)
    bands = np.array([mean_band(cells[cbr], seed=seed) for cbr in order])
    x = 1000 * np.array([np.mean(bandwidth[cbr]) for cbr in order])
    return Curve(x, bands[:, 0], bands[:, 1], bands[:, 2])


def _pictures(out: RunDirectory, settings: RoadSettings, trials: Sequence[Line]) -> Section:
    """The middle frame of the first group at the middle bandwidth and Es/N0."""
    levels = _levels(trials)
    level, cbr = levels[len(levels) // 2], settings.cbr[len(settings.cbr) // 2]
    first, folder = settings.first[0], out.folder("pictures")
    images = [Image("sent", _existing(folder / picture_file(f"sent/{first}")), ("boxes: what the detector finds",))]
    for curve in _names(settings):
        same = (curve, cbr, level, first, 0)
        for line in trials:
            if (line["curve"], line["cbr"], line["requested_esn0_db"], line["first"], line["repetition"]) == same:
                notes = (
                    f"F1 {decimal(line['detections']['f1'], 2)}",
                    f"PSNR {decimal(line['psnr_db'], 1)} dB, in detections {decimal(line['region_psnr_db'], 1)} dB",
                )
                path = _existing(folder / picture_file(str(line["trial"])))
                images.append(Image(_names(settings)[curve], path if line["received"] else None, notes))
    where = "" if level is None else f" and {level:g} dB Es/N0"
    return Section(f"The same frame by each method, CBR 1/{cbr}{where}", tuple(images))


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _cells(settings: RoadSettings, trials: Sequence[Line]) -> list[tuple[str, int, float | None, list[Line]]]:
    found: list[tuple[str, int, float | None, list[Line]]] = []
    for curve in _names(settings):
        for cbr in settings.cbr:
            for level in _levels(trials):
                same = (curve, cbr, level)
                lines = [line for line in trials if (line["curve"], line["cbr"], line["requested_esn0_db"]) == same]
                if lines:
                    found.append((curve, cbr, level, lines))
    return found


def _table(settings: RoadSettings, trials: Sequence[Line]) -> Table:
    rows = []
    for curve, cbr, level, lines in _cells(settings, trials):
        counts = {name: sum(line["detections"][name] for line in lines) for name in ("truth", "found", "kept")}
        total = counts["truth"] + counts["found"]
        rows.append(
            (
                _names(settings)[curve],
                f"1/{cbr}",
                "own" if level is None else f"{level:g}",
                decimal(_mean(lines, "cbr_effective", 1000), 2),
                str(counts["truth"]),
                str(counts["kept"]),
                str(counts["found"] - counts["kept"]),
                decimal(2 * counts["kept"] / total if total else None, 3),
                decimal(_mean(lines, "region_psnr_db"), 2),
                decimal(_mean(lines, "psnr_db"), 2),
                decimal(_mean(lines, "perceptual"), 3),
                f"{sum(bool(line['received']) for line in lines)} of {len(lines)}",
            )
        )
    head = (
        "method", "CBR", "Es/N0 (dB)", "effective CBR (1/1000)", "in originals", "kept", "false", "F1",
        "PSNR in detections (dB)", "PSNR (dB)", "perceptual ↓", "received",
    )  # fmt: skip
    return Table(head, tuple(rows))


def _mean(lines: Sequence[Line], name: str, factor: float = 1.0) -> float | None:
    known = [line[name] for line in lines if line[name] is not None]
    return factor * float(np.mean(known)) if known else None


def _timings(settings: RoadSettings, trials: Sequence[Line]) -> Table:
    rows = []
    for curve in _names(settings):
        timed = [line["timings_s"] for line in trials if line["curve"] == curve and "timings_s" in line]
        if timed:
            means = (float(np.mean([times[stage] for times in timed])) for stage in _STAGES)
            rows.append((_names(settings)[curve], *(decimal(mean, 4 if mean < 1 else 2) for mean in means)))
    head = ("encode", "air", "receive", "decode", "latency", "frames/s in turn", "frames/s side by side", "exchange")
    return Table(("method", *head), tuple(rows))
