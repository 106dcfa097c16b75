"""Every figure of the decoders' benchmark as a row, and the tables of the page that show them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .decode import DecodeFound
from .decode_ablation import WEIGHTINGS, ablation_name
from .decode_baselines import CAPACITY
from .decode_plan import solver_name
from .decode_points import Point, Sample, Samples
from .rows import Row, row

__all__ = ["ablation_series", "figure_rows", "figures_of", "points_table", "shown_series", "solver_series"]

_Figure = Callable[[Sample], float]
#: Name, unit and figure of everything that is averaged over photographs and realizations.
_FIGURES: tuple[tuple[str, str, _Figure], ...] = (
    ("PSNR", "dB", lambda sample: sample.quality.psnr_db),
    ("MS-SSIM", "index", lambda sample: sample.quality.ms_ssim),
    ("perceptual", "distance", lambda sample: sample.quality.perceptual),
    ("classifier agreement", "share", lambda sample: sample.quality.agrees),
    ("received", "share", lambda sample: float(sample.received)),
    ("NFE", "evaluations", lambda sample: float(sample.nfe)),
    ("seconds", "s", lambda sample: sample.seconds),
    ("90 % intervals cover", "share", lambda sample: sample.coverage),
)
#: Figures that only decoders have.
_DECODERS_ONLY = ("NFE", "seconds", "90 % intervals cover")


def figures_of(samples: Samples, series: str, point: Point) -> dict[str, tuple[float, str]]:
    """Mean figures of a series at a point with their units, the Fréchet distance included; NaN where there is none."""
    found = {name: (samples.mean(series, point, of), unit) for name, unit, of in _FIGURES}
    found["Fréchet distance"] = (samples.frechet(series, point), "distance")
    return found


def figure_rows(found: DecodeFound) -> list[Row]:
    """Rows of all series at all points, with lines and costs."""
    rows = []
    for series in found.samples.series:
        decodes = any(
            sample.nfe or sample.seconds == sample.seconds for sample in found.samples.every if sample.series == series
        )
        for point in found.samples.points(series):
            for name, (value, unit) in figures_of(found.samples, series, point).items():
                if name in _DECODERS_ONLY and not decodes:
                    continue
                # What has no figure here, such as MS-SSIM of a small picture, gets no row.
                if math.isfinite(value):
                    rows.append(row(f"{series}, {point.name}: {name}", value, unit))
    for (cbr, esn0_db), value in found.opta_db.items():
        rows.append(row(f"OPTA, CBR 1/{cbr}, awgn, {esn0_db:g} dB: PSNR", value, "dB"))
    for name, cost in found.costs.items():
        rows.append(row(f"{name}: peak memory", cost.memory_mebibytes, "MiB"))
    for name, bins in found.reliability.items():
        rows.append(row(f"{name}: error of the predicted deviation, mean over tenths", bins.expected_error, "share"))
    return rows


def ablation_series(found: DecodeFound) -> tuple[str, ...]:
    """Series that belong to the ablation alone."""
    return tuple(ablation_name(name, weighting) for name in found.plan.ablation for weighting in WEIGHTINGS)


def solver_series(found: DecodeFound) -> tuple[str, ...]:
    """Series that belong to the comparison of solvers alone."""
    return tuple(solver_name(name) for name in found.plan.solvers)


def shown_series(found: DecodeFound) -> tuple[str, ...]:
    """Series in the order of tables and legends: decoders, then other ways; without those of other tables."""
    hidden = (*ablation_series(found), *solver_series(found))
    return tuple(name for name in found.samples.series if name not in hidden and name != CAPACITY)


def points_table(
    found: DecodeFound, series: Sequence[str], points: Sequence[Point]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and cells: what each series reaches at each point, with 95 % bands of PSNR and perceptual distance."""
    samples = found.samples
    cells: list[tuple[str, ...]] = []
    for point in points:
        for name in series:
            if not samples.cell(name, point):
                continue
            figures = figures_of(samples, name, point)
            bands = {
                title: samples.band(name, point, of) for title, _, of in _FIGURES if title in ("PSNR", "perceptual")
            }
            cells.append(
                (
                    f"1/{point.cbr}", point.channel, f"{point.esn0_db:g}", name,
                    str(len({sample.picture for sample in samples.cell(name, point)})),
                    _banded(bands["PSNR"], 1), _short(figures["MS-SSIM"][0], 3), _banded(bands["perceptual"], 2),
                    _short(figures["classifier agreement"][0], 2), _short(figures["Fréchet distance"][0], 0),
                    _short(figures["90 % intervals cover"][0], 2), _evaluations(samples.cell(name, point)),
                    _short(figures["seconds"][0], 2), _choices(samples.cell(name, point)),
                )
            )  # fmt: skip
    head = (
        "CBR", "channel", "Es/N0 (dB)", "by", "photographs", "PSNR (dB)", "MS-SSIM", "perceptual", "agreement",
        "Fréchet", "cover", "NFE", "s", "choice",
    )  # fmt: skip
    return head, cells


def _banded(band: tuple[float, float, float], digits: int) -> str:
    mean, low, high = band
    if not math.isfinite(mean):
        return ""
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ({low:.{digits}f}…{high:.{digits}f})"


def _short(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


def _evaluations(cell: Sequence[Sample]) -> str:
    """Evaluations of decoders; what only opens a file has none."""
    decodes = any(sample.seconds == sample.seconds for sample in cell)
    return f"{sum(sample.nfe for sample in cell) / len(cell):.0f}" if decodes else ""


def _choices(cell: Sequence[Sample]) -> str:
    """What the oracle chose, each once, with how often."""
    counts: dict[str, int] = {}
    for sample in cell:
        if sample.choice:
            counts[sample.choice] = counts.get(sample.choice, 0) + 1
    return ", ".join(f"{count} × {choice}" for choice, count in counts.items())
