"""What the receiver measured on each subcarrier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..phy.report import FrameReport
from .style import ACCENT, FAINT, PALETTE, annotate, legend, new_figure

__all__ = ["plot_channel", "plot_evm"]


def _signed(indices: np.ndarray, fft_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Subcarrier indices -fft/2…fft/2-1, ascending, and the order that sorts them."""
    signed = (np.asarray(indices) + fft_size // 2) % fft_size - fft_size // 2
    order = np.argsort(signed)
    return signed[order], order


def _line(ax: Axes, x: np.ndarray, y: np.ndarray, color: str, label: str | None = None, alpha: float = 1.0) -> None:
    """A line that breaks where subcarriers are unused: there is no measurement to draw."""
    breaks = np.flatnonzero(np.diff(x) > 1) + 1
    for index, (piece_x, piece_y) in enumerate(zip(np.split(x, breaks), np.split(y, breaks), strict=True)):
        ax.plot(
            piece_x, piece_y, color=color, linewidth=1.4, marker=".", markersize=3.5, alpha=alpha,
            label=label if index == 0 else None,
        )  # fmt: skip


def plot_channel(report: FrameReport, active: np.ndarray, fft_size: int, *, title: str = "Channel") -> Figure:
    """Estimated channel of one frame: magnitude and SNR above, phase below.

    Args:
        report: the frame.
        active: int [n] occupied subcarriers in the order of the report's arrays (`Numerology.active`).
        fft_size: FFT size, to tell negative frequencies.
        title: heading.
    """
    figure, (top, bottom) = new_figure(6.4, 4.6, rows=2, share_x=True, height_ratios=(3, 2))
    index, order = _signed(active, fft_size)
    channel = report.channel[order].astype(np.complex128)
    magnitude_db = 20 * np.log10(np.maximum(np.abs(channel), 1e-9))
    _line(top, index, magnitude_db, PALETTE[0], "magnitude (dB)")
    _line(top, index, report.snr_per_subcarrier_db[order], PALETTE[1], "Es/N0 (dB)")
    legend(top, columns=2)
    annotate(top, title=f"{title}: Es/N0 {report.esn0_db:.1f} dB, CFO {report.cfo_hz:+.0f} Hz", y="dB")
    _line(bottom, index, np.rad2deg(np.unwrap(np.angle(channel))), PALETTE[2])
    annotate(bottom, x="subcarrier", y="phase (°)")
    return figure


def plot_evm(
    reports: Sequence[FrameReport], data: np.ndarray, fft_size: int, *, title: str = "EVM per subcarrier"
) -> Figure:
    """Error vector magnitude of each data subcarrier: every frame faint, their power mean strong.

    Args:
        reports: frames; those without payload are passed over.
        data: int [n] data subcarriers in the order of the reports' arrays (`Numerology.data`).
        fft_size: FFT size, to tell negative frequencies.
        title: heading.
    """
    figure, (ax,) = new_figure(6.4, 3.4)
    index, order = _signed(data, fft_size)
    found = [report.evm_per_subcarrier_db[order] for report in reports if report.evm_per_subcarrier_db is not None]
    for evm_db in found[:50]:
        _line(ax, index, evm_db, FAINT, alpha=0.6)
    if found:
        errors = 10 ** (np.stack(found).astype(np.float64) / 10)
        heard = np.isfinite(errors)  # a short frame may leave subcarriers without payload
        mean = np.sum(errors, axis=0, where=heard) / np.maximum(heard.sum(axis=0), 1)
        mean_db = 10 * np.log10(np.where(mean > 0, mean, np.nan))
        _line(ax, index, mean_db, ACCENT, f"mean of {len(found)} frames")
        legend(ax)
    else:
        ax.text(0.5, 0.5, "no frame with payload", transform=ax.transAxes, ha="center", va="center")
    annotate(ax, title=title, x="subcarrier", y="EVM (dB)")
    return figure
