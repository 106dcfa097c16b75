"""Power over frequency."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from scipy.signal import welch

from ..capture import Capture
from .style import FAINT, PALETTE, annotate, new_figure

__all__ = ["plot_spectrum", "power_density"]


def power_density(capture: Capture, *, segment: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """Power spectral density by Welch's method (Hann window, half overlapping).

    Args:
        capture: samples, full scale 1.0.
        segment: samples per segment; shorter captures are one segment.

    Returns:
        float64 [n] frequency offset from the centre in Hz, ascending, and float64 [n] density in (full scale)^2 per Hz:
        its sum times the bin width is the mean power of the samples.

    Raises:
        ValueError: the capture is empty.
    """
    if not capture.samples.size:
        raise ValueError("a spectrum needs at least one sample; the capture is empty")
    length = min(segment, capture.samples.size)
    frequency, density = welch(
        capture.samples.astype(np.complex128),
        fs=capture.sample_rate_hz,
        nperseg=length,
        return_onesided=False,
        detrend=False,
    )
    order = np.argsort(frequency)
    return frequency[order], density[order].real


def plot_spectrum(capture: Capture, *, occupied_hz: float | None = None, title: str = "Spectrum") -> Figure:
    """Power spectral density in dB relative to full scale per Hz, over MHz.

    Args:
        capture: samples, full scale 1.0; the abscissa is absolute where it has a centre frequency.
        occupied_hz: nominal bandwidth of the signal, marked as a band.
        title: heading.
    """
    figure, (ax,) = new_figure(6.4, 3.4)
    offset_hz, density = power_density(capture)
    center_mhz = capture.center_frequency_hz / 1e6
    level_db = 10 * np.log10(np.maximum(density, 1e-20))
    frequency_mhz = offset_hz / 1e6 + center_mhz
    if occupied_hz is not None:
        half_mhz = occupied_hz / 2e6
        ax.axvspan(center_mhz - half_mhz, center_mhz + half_mhz, color=FAINT, alpha=0.25, linewidth=0)
    ax.plot(frequency_mhz, level_db, color=PALETTE[0], linewidth=1.1)
    floor_db = float(np.percentile(level_db, 1))
    ax.fill_between(frequency_mhz, level_db, floor_db - 3, color=PALETTE[0], alpha=0.12, linewidth=0)
    ax.set(xlim=(frequency_mhz[0], frequency_mhz[-1]), ylim=(floor_db - 3, float(level_db.max()) + 4))
    ax.ticklabel_format(axis="x", useOffset=False)
    x = "frequency (MHz)" if capture.center_frequency_hz else "frequency offset (MHz)"
    annotate(ax, title=title, x=x, y="density (dBFS/Hz)")
    return figure
