"""The figures of a run, drawn from what its directory holds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sdr_gsc.capture import Capture
from sdr_gsc.phy.coding.mcs import mcs
from sdr_gsc.phy.constellation import Qam
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.report import FrameReport
from sdr_gsc.plot.constellation import plot_constellation
from sdr_gsc.plot.curves import Curve, plot_curves
from sdr_gsc.plot.pictures import plot_picture_row, plot_uncertainty
from sdr_gsc.plot.spectrum import plot_spectrum
from sdr_gsc.plot.style import save_figure
from sdr_gsc.plot.subcarriers import plot_channel, plot_evm
from sdr_gsc.plot.timeline import plot_timeline
from sdr_gsc.semantic.descriptor import Mapping as PayloadMapping
from sdr_gsc.semantic.mapping import points_of
from sdr_gsc.semantic.values import Reception

__all__ = ["METRICS", "Drawn", "collect", "curve_name", "draw_curves", "draw_link", "draw_pictures", "draw_uncertainty"]

#: Key in the trials, label of the axis, and which way is better.
METRICS = (
    ("psnr_db", "PSNR (dB)", "higher"),
    ("ms_ssim", "MS-SSIM", "higher"),
    ("perceptual", "perceptual distance", "lower"),
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure on disk.

    Attributes:
        path: its PNG; an SVG of the same name stands beside it.
        caption: one line.
    """

    path: Path
    caption: str


def _save(figure: Figure, folder: Path, name: str, caption: str) -> Drawn:
    for suffix in (".png", ".svg"):
        save_figure(figure, folder / f"{name}{suffix}")
    return Drawn(folder / f"{name}.png", caption)


def draw_link(
    folder: Path,
    name: str,
    capture: Capture,
    reception: Reception,
    reports: Sequence[FrameReport],
    receiver: Receiver,
    *,
    everything: bool = True,
) -> list[Drawn]:
    """Frames, constellation, EVM, and with `everything` also spectrum and channel of one capture."""
    grid = receiver.numerology
    drawn = [_save(plot_timeline(capture, reports), folder, f"{name}.frames", "Where each frame stood, and its fate")]
    symbols, variance, ideal = _points(reception, capture, receiver)
    if symbols.size:
        figure = plot_constellation(symbols, variance, ideal)
        drawn.append(_save(figure, folder, f"{name}.constellation", "Equalized symbols, coloured by their own SNR"))
    if any(report.evm_per_subcarrier_db is not None for report in reports):
        figure = plot_evm(reports, grid.data, grid.fft_size)
        drawn.append(_save(figure, folder, f"{name}.evm", "Error vector magnitude of each data subcarrier"))
    if everything:
        occupied_hz = capture.sample_rate_hz * grid.occupied_fraction
        figure = plot_spectrum(capture, occupied_hz=occupied_hz, title="Received spectrum")
        drawn.append(_save(figure, folder, f"{name}.spectrum", "Received spectrum; the band marks the signal"))
        drawn += _draw_channel(folder, name, reports, grid)
    return drawn


def _draw_channel(folder: Path, name: str, reports: Sequence[FrameReport], grid: Numerology) -> list[Drawn]:
    good = [report for report in reports if report.header_ok]
    if not good:
        return []
    figure = plot_channel(good[0], grid.active, grid.fft_size, title=f"Channel of frame {good[0].sequence}")
    return [_save(figure, folder, f"{name}.channel", "Estimated channel of the first frame")]


def _points(
    reception: Reception, capture: Capture, receiver: Receiver
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Symbols, their variances and the ideal points. Coded symbols are taken before the code's corrections."""
    descriptor = reception.descriptor
    if descriptor is None:
        return np.zeros(0, np.complex64), np.zeros(0, np.float32), None
    if descriptor.mapping is PayloadMapping.DIRECT:
        axis = np.arange(descriptor.levels, dtype=np.uint8)
        pairs = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
        return reception.symbols, reception.noise_variance, points_of(pairs, descriptor)
    frames = [frame for frame in receiver.receive(capture).frames if frame.symbols.size]
    if not frames:
        return np.zeros(0, np.complex64), np.zeros(0, np.float32), None
    symbols = np.concatenate([frame.symbols for frame in frames])
    return symbols, np.concatenate([frame.noise_variance for frame in frames]), Qam(mcs(descriptor.mcs).order).points


def draw_pictures(folder: Path, pictures: Mapping[str, np.ndarray]) -> Drawn:
    """All pictures of a run side by side; caption to float32 [H, W, 3]."""
    return _save(plot_picture_row(pictures, columns=3), folder, "pictures", "Sent and received")


def draw_uncertainty(
    folder: Path, name: str, deviation: np.ndarray, picture: np.ndarray | None, sent: np.ndarray | None
) -> Drawn:
    """Standard deviation of each pixel beside the true error."""
    figure = plot_uncertainty(deviation, picture, sent)
    return _save(figure, folder, f"{name}.uncertainty", "How sure the decoder is of each pixel, and how wrong it was")


def draw_curves(folder: Path, trials: Iterable[dict[str, object]], name: str) -> list[Drawn]:
    """One figure per metric and CBR over the requested Es/N0, one curve per series and decoder.

    Several repetitions give a 95 % band. A lost picture counts as a mid-grey one: leaving it out would show the
    survivors alone.
    """
    by_rate: dict[int, list[dict[str, object]]] = defaultdict(list)
    for trial in trials:
        # What was chosen, or in runs that did not say so, what was sent.
        values, air = trial.get("values"), trial.get("air")
        cbr = (
            values.get("cbr") if isinstance(values, dict) else air.get("cbr_inverse") if isinstance(air, dict) else None
        )
        if isinstance(cbr, int) and trial.get("requested_esn0_db") is not None:
            by_rate[cbr].append(trial)
    drawn = []
    for cbr, found in sorted(by_rate.items()):
        for metric, label, better in METRICS:
            values = collect(found, metric)
            if not any(np.isfinite(v).any() for levels in values.values() for v in levels.values()):
                continue
            curves = {name: Curve.of_trials(levels) for name, levels in values.items()}
            figure = plot_curves(curves, metric=label, better=better, title=f"{name}, CBR 1/{cbr}")
            drawn.append(_save(figure, folder, f"cbr{cbr}.{metric}", f"{label} over Es/N0 at CBR 1/{cbr}"))
    return drawn


def collect(trials: Iterable[dict[str, object]], metric: str) -> dict[str, dict[float, np.ndarray]]:
    """Means over the pictures by curve and requested Es/N0, one per repetition; a lost picture counts as mid-grey.

    All curves show the same pictures, so the difference between pictures is no uncertainty of theirs.
    """
    found: dict[str, dict[float, dict[object, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for trial in trials:
        decoders = trial.get("decoders")
        if not isinstance(decoders, dict):
            continue
        for decoder, figures in decoders.items():
            curve = curve_name(trial, decoder)
            value = figures.get(metric)
            if value is None and isinstance(lost := trial.get("if_lost"), dict) and not trial["received"]:
                value = lost.get(metric)
            level = float(trial["requested_esn0_db"])  # type: ignore[arg-type]
            found[curve][level][trial.get("repetition")].append(np.nan if value is None else float(value))
    return {
        curve: {level: np.array([_mean(values) for values in by.values()]) for level, by in sorted(levels.items())}
        for curve, levels in found.items()
    }


def curve_name(trial: Mapping[str, object], decoder: str) -> str:
    """Series, decoder where there is one, and what the grid varies beyond Es/N0, rate and picture."""
    values = trial.get("values")
    known = {"series", "cbr", "esn0_db", "picture", "repetition"}
    further = (
        [f"{axis} {value}" for axis, value in values.items() if axis not in known] if isinstance(values, dict) else []
    )
    return " · ".join((str(trial["series"]), *(() if decoder == "classical" else (decoder,)), *further))


def _mean(values: list[float]) -> float:
    # A few values, very often: NumPy would take longer to begin than to add.
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
