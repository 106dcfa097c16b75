"""Compiled lag search: a metric on a coarse grid over all samples, and the peaks in it."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["lag_metric", "lag_sums", "next_peak"]

#: Grid points looked at in one piece, at most: their sums stay in the cache.
_LONGEST = 2048


@njit(cache=True, nogil=True, fastmath=True)
def lag_sums(rails: np.ndarray, lag: int, stride: int, sums: np.ndarray) -> None:
    """Block sums of conj(x[n])·x[n+lag] and |x[n]|².

    Args:
        rails: float32 [2n], I and Q interleaved; n >= blocks·stride + lag.
        lag: samples.
        stride: block length in samples.
        sums: float32 [3, blocks], filled with real part, imaginary part, energy.
    """
    for block in range(sums.shape[1]):
        first = rails[2 * block * stride : 2 * (block + 1) * stride]
        second = rails[2 * (block * stride + lag) : 2 * ((block + 1) * stride + lag)]
        real = np.float32(0)
        imaginary = np.float32(0)
        energy = np.float32(0)
        for k in range(stride):
            a = first[2 * k]
            b = first[2 * k + 1]
            c = second[2 * k]
            d = second[2 * k + 1]
            real += a * c + b * d
            imaginary += a * d - b * c
            energy += a * a + b * b
        sums[0, block] = real
        sums[1, block] = imaginary
        sums[2, block] = energy


@njit(cache=True, nogil=True, error_model="numpy")
def lag_metric(rails: np.ndarray, lag: int, stride: int, span: int) -> tuple[np.ndarray, np.ndarray]:
    """Metric m = |P|²/(E₁E₂) over windows of span·stride samples, `lag` apart, at every `stride` samples.

    Window sums are made of block sums directly: a running sum would leave rounding debris of a loud burst in the
    silence behind it. Silence has metric 0.

    Args:
        rails: float32 [2n], I and Q interleaved.
        lag: samples.
        stride: samples between windows.
        span: blocks in a window.

    Returns:
        Metric float32 [points] and P complex64 [points].
    """
    blocks = max((rails.size // 2 - lag) // stride, 0)
    shift = lag // stride
    points = max(blocks - span - shift + 1, 0)
    sums = np.empty((3, blocks), np.float32)
    lag_sums(rails, lag, stride, sums)
    windows = np.zeros((3, points + shift), np.float32)
    for row in range(3):
        for offset in range(span):
            part = sums[row, offset : offset + points + shift]
            for point in range(part.size):
                windows[row, point] += part[point]
    metric = np.empty(points, np.float32)
    correlation = np.empty(points, np.complex64)
    for point in range(points):
        real, imaginary = np.float64(windows[0, point]), np.float64(windows[1, point])
        # In double precision: the product of two energies leaves the range of single precision much too early.
        both = np.float64(windows[2, point]) * np.float64(windows[2, point + shift])
        metric[point] = (real * real + imaginary * imaginary) / both if both > 0.0 else 0.0
        correlation[point] = complex(real, imaginary)
    return metric, correlation


@njit(cache=True, nogil=True, error_model="numpy")
def next_peak(
    rails: np.ndarray, lag: int, stride: int, span: int, threshold: float, first: int, reach: int, climbs: int
) -> tuple[int, int, float, float, float]:
    """First peak of the metric at or after a grid point.

    The first crossing may lie on the foot of the true peak: climb to higher values within reach, so many times.

    Args:
        rails: float32 [2n], I and Q interleaved.
        lag: samples.
        stride: samples between grid points.
        span: blocks in a window.
        threshold: of the gate.
        first: grid point from which to search.
        reach: grid points in which a higher value means that the first was but the foot of a peak.
        climbs: how often to move on to a higher value.

    Returns:
        Grid point where the gate opened, that of the peak (both -1 without one), metric, real and imaginary part of P.
    """
    points = max(rails.size // 2 // stride - 2 * (lag // stride) - span + 1, 0)
    ahead = climbs * reach
    size = 2 * reach
    while first < points:
        end = min(first + size, points)
        last = min(end + ahead, points)
        # The samples of grid points first … last-1.
        needed = (last - 1 + span) * stride + 2 * lag
        piece = rails[2 * first * stride : min(2 * needed, rails.size)]
        metric, correlation = lag_metric(piece, lag, stride, span)
        for point in range(end - first):
            if metric[point] > threshold:
                peak = point
                for _ in range(climbs):
                    best = peak
                    for other in range(peak + 1, min(peak + reach, metric.size)):
                        if metric[other] > metric[best]:
                            best = other
                    if best == peak:
                        break
                    peak = best
                value = correlation[peak]
                return first + point, first + peak, metric[peak], value.real, value.imag
        first = end
        size = min(2 * size, _LONGEST)
    return -1, -1, 0.0, 0.0, 0.0
