"""Received symbols in the complex plane."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from .style import INK, PALETTE, SEQUENTIAL, annotate, new_figure, style_colorbar

__all__ = ["plot_constellation"]

_MOST_POINTS = 20_000


def plot_constellation(
    symbols: np.ndarray,
    noise_variance: np.ndarray | None = None,
    reference: np.ndarray | None = None,
    *,
    title: str = "Equalized symbols",
) -> Figure:
    """Scatter of equalized symbols, coloured by how far each can be trusted.

    Args:
        symbols: complex64 [n], in units of mean symbol power 1.
        noise_variance: float32 [n], E|n|^2 per symbol; colours the points by the SNR of each in dB. Lost symbols (inf)
            are left out and counted in the title.
        reference: complex64 [m], ideal points, drawn as crosses.
        title: heading.
    """
    figure, (ax,) = new_figure(5.2 if noise_variance is not None else 4.4, 4.4)
    kept = np.isfinite(symbols)
    if noise_variance is not None:
        kept &= np.isfinite(noise_variance)
    lost = symbols.size - int(kept.sum())
    shown = np.flatnonzero(kept)
    shown = shown[:: max(1, -(-shown.size // _MOST_POINTS))]
    points = symbols[shown]
    size = float(np.clip(6000 / max(shown.size, 1), 1.0, 14.0))
    if noise_variance is None:
        ax.scatter(points.real, points.imag, s=size, color=PALETTE[0], alpha=0.5, linewidths=0)
    else:
        snr_db = -10 * np.log10(np.maximum(noise_variance[shown], 1e-6))
        dots = ax.scatter(points.real, points.imag, s=size, c=snr_db, cmap=SEQUENTIAL, alpha=0.7, linewidths=0)
        style_colorbar(figure.colorbar(dots, ax=ax, pad=0.02), "SNR of the symbol (dB)")
    if reference is not None:
        ax.scatter(reference.real, reference.imag, s=28, marker="+", color=INK, linewidths=0.9)
    limit = 1.08 * max(1.2, float(np.percentile(np.abs(points), 99.5)) if points.size else 0.0)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    note = f", {lost} lost" if lost else ""
    annotate(ax, title=f"{title} ({symbols.size}{note})", x="in-phase", y="quadrature")
    return figure
