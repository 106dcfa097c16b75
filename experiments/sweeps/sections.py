"""The part of a report that sums up a grid of transmissions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..campaign.run_directory import RunDirectory
from ..campaign.study import Line
from ..procedures.keeping import picture_file
from ..reports.figures import METRICS, collect, curve_name, draw_curves
from ..reports.page import Image, Section, Table
from ..reports.wording import decimal, metric_lines
from .headers import header_totals, shortfalls
from .settings import SweepSettings

__all__ = ["sweep_sections"]


def sweep_sections(directory: RunDirectory, settings: SweepSettings, trials: Sequence[Line]) -> list[Section]:
    """Curves, a table of means, and what became of the headers."""
    sections = []
    drawn = draw_curves(directory.folder("figures"), trials, settings.name)
    if drawn:
        text = "Means over the pictures; several repetitions give a 95 % band. A lost picture counts as mid-grey."
        images = tuple(Image(item.caption, item.path, (item.caption,), wide=True) for item in drawn)
        sections.append(Section("Curves", images, text))
        sections.append(Section("Means", (_means(trials),)))
    pictures = _pictures(directory, settings, trials)
    if pictures:
        sections.append(
            Section("Pictures", pictures, "The first picture and repetition, at low, middle and high Es/N0.")
        )
    sections.append(Section("The link", (_link_table(trials),)))
    missed = shortfalls(trials, settings.expect)
    if settings.expect is not None:
        verdict = "; ".join(missed) or "Everything that the configuration expects is shown."
        sections.append(Section("Verdict", (), verdict))
    return sections


def _pictures(directory: RunDirectory, settings: SweepSettings, trials: Sequence[Line]) -> tuple[Image, ...]:
    """Received pictures side by side, for people to look at what the curves average."""
    first = [
        trial
        for trial in trials
        if trial.get("picture") == settings.grid.pictures[0] and trial.get("repetition") == 0
        and trial.get("values", {}).get("cbr") == settings.grid.cbr[0]
    ]  # fmt: skip
    levels = sorted({trial["requested_esn0_db"] for trial in first if trial["requested_esn0_db"] is not None})
    shown = {levels[0], levels[len(levels) // 2], levels[-1]} if levels else {None}
    images = []
    for trial in first:
        for decoder, figures in trial["decoders"].items():
            path = picture_file(directory, trial["trial"], decoder)
            if trial["requested_esn0_db"] in shown and (path is not None or not trial["received"]):
                level = "" if trial["requested_esn0_db"] is None else f", {trial['requested_esn0_db']:g} dB"
                images.append(Image(f"{curve_name(trial, decoder)}{level}", path, metric_lines(figures)))
    # Where nothing was kept at all, the lost ones alone would be a strange gallery.
    return tuple(images) if any(image.path for image in images) else ()


def _means(trials: Sequence[Line]) -> Table:
    related = tuple(trial for trial in trials if trial.get("requested_esn0_db") is not None)
    by_metric = {metric: collect(related, metric) for metric, _, _ in METRICS}
    rows = []
    for curve, levels in by_metric["psnr_db"].items():
        for level in levels:
            cells = []
            for metric, _, _ in METRICS:
                values = by_metric[metric][curve][level]
                known = values[~np.isnan(values)]
                cells.append(decimal(float(known.mean()) if known.size else None, 2 if metric != "ms_ssim" else 4))
            rows.append((curve, f"{level:g}", *cells, str(levels[level].size)))
    return Table(("curve", "Es/N0 (dB)", "PSNR (dB)", "MS-SSIM", "perceptual ↓", "repetitions"), tuple(rows))


def _link_table(trials: Sequence[Line]) -> Table:
    sent, right, wrong = header_totals(trials)
    received = sum(bool(trial["received"]) for trial in trials)
    rows: list[tuple[str, ...]] = [
        ("pictures of which anything arrived", f"{received} of {len(trials)}"),
        ("headers right", f"{right} of {sent}" + (f" ({right / sent:.2%})" if sent else "")),
        ("headers accepted that nobody sent", str(wrong)),
    ]
    for key, unit in (("cfo_hz", "Hz"), ("sfo_ppm", "ppm")):
        errors = _errors(trials, key)
        if errors.size:
            rows.append((f"error of {key}: rms / largest", f"{_rms(errors):.2f} / {np.abs(errors).max():.2f} {unit}"))
    return Table(("what", "figure"), tuple(rows))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _errors(trials: Sequence[Line], key: str) -> np.ndarray:
    found: list[float] = []
    for trial in trials:
        truth, measured = trial.get("truth"), trial.get(key)
        if isinstance(truth, dict) and key in truth and isinstance(measured, list):
            found += [value - truth[key] for value in measured]
    return np.array(found)
