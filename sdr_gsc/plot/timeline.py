"""Where each frame stood in a capture, and how far it came."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..capture import Capture
from ..phy.report import FrameReport, Stage
from .style import FAINT, PALETTE, annotate, legend, new_figure

__all__ = ["plot_timeline"]

#: Colour and marker by what became of a frame; the order is that of the receiver.
_FATES: dict[Stage | None, tuple[str, str, str]] = {
    None: ("received", PALETTE[2], "o"),
    Stage.PAYLOAD: ("payload damaged", PALETTE[5], "s"),
    Stage.TRUNCATED: ("truncated", PALETTE[3], "D"),
    Stage.HEADER: ("header damaged", PALETTE[1], "^"),
}
_ENVELOPE_POINTS = 1200


def plot_timeline(capture: Capture, reports: Sequence[FrameReport], *, title: str = "Frames") -> Figure:
    """Envelope of the capture below, and above it each detected frame at its Es/N0, marked by its fate.

    Args:
        capture: the received samples.
        reports: detected frames; `start_sample` refers to the capture.
        title: heading.
    """
    figure, (top, bottom) = new_figure(7.2, 4.4, rows=2, share_x=True, height_ratios=(3, 2))
    per_ms = 1e3 / capture.sample_rate_hz
    for fate, (label, color, marker) in _FATES.items():
        frames = [report for report in reports if report.failed_at == fate]
        if not frames:
            continue
        times = [report.start_sample * per_ms for report in frames]
        levels = [report.esn0_db for report in frames]
        top.vlines(times, 0, levels, color=color, linewidth=1.0, alpha=0.5)
        top.scatter(times, levels, color=color, marker=marker, s=34, zorder=3, label=f"{label} ({len(frames)})")
        for report, time, level in zip(frames, times, levels, strict=True):
            if report.sequence is not None and len(reports) <= 40:
                top.annotate(
                    str(report.sequence), (time, level), (0, 6), textcoords="offset points", ha="center", fontsize=7
                )
    if reports:
        levels = [report.esn0_db for report in reports]
        low, high = min(0.0, *levels), max(5.0, *levels)
        top.set_ylim(low - 0.05 * (high - low), high + 0.45 * (high - low))  # room for the legend
        legend(top, columns=3, place="upper left")
    else:
        top.text(0.5, 0.5, "no frame detected", transform=top.transAxes, ha="center", va="center")
    annotate(top, title=f"{title}: {len(reports)} detected", y="Es/N0 (dB)")
    middle, least, greatest = _envelope(capture.samples)
    bottom.fill_between(middle * per_ms, least, greatest, color=PALETTE[0], alpha=0.35, linewidth=0, step="mid")
    bottom.plot(middle * per_ms, greatest, color=PALETTE[0], linewidth=0.7)
    for gap in capture.gaps:
        start = gap.start_sample * per_ms
        bottom.axvspan(start, start + gap.sample_count * per_ms, color=FAINT, alpha=0.5, linewidth=0)
    length_ms = max(capture.samples.size, 1) * per_ms
    bottom.set_xlim(-0.01 * length_ms, 1.01 * length_ms)
    bottom.set_ylim(bottom=0)
    annotate(bottom, x="time (ms)", y="magnitude (FS)")
    return figure


def _envelope(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sample index of the middle of each slice, and least and greatest magnitude in it."""
    if not samples.size:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    edges = np.unique(np.linspace(0, samples.size, min(_ENVELOPE_POINTS, samples.size) + 1).astype(int))
    magnitude = np.abs(samples)
    low, high = np.minimum.reduceat(magnitude, edges[:-1]), np.maximum.reduceat(magnitude, edges[:-1])
    return (edges[:-1] + edges[1:]) / 2, low, high
