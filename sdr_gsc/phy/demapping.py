"""Soft demapping: exact max-log likelihood ratios of QAM label bits.

For y = s + n with E|n|^2 = v and equiprobable labels, per axis and label bit b (log P(0)/P(1)),

    LLR_b = (min_{a: b(a)=1} (y - a)^2 - min_{a: b(a)=0} (y - a)^2) / v .

One of the two minima is the nearest amplitude; the other is the closest amplitude with the opposite bit on its left or
on its right, both tabulated per amplitude, which makes the search exact at a cost that grows with log2(order) only.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
from numba import njit

from ..errors import SettingsError
from .constellation import Qam, axis_labels

__all__ = ["LLR_LIMIT", "soft_demap"]

LLR_LIMIT = 1e4
"""Largest magnitude of a likelihood ratio; reached when the noise variance is (nearly) zero."""

_ABSENT = 1e6  # amplitude that stands for "no such neighbour": it never wins against a real one


def soft_demap(
    symbols: npt.NDArray[np.complex64], noise_variance: npt.NDArray[np.float32] | float, order: int
) -> npt.NDArray[np.float32]:
    """Max-log LLR = log P(0)/P(1) of every label bit.

    Args:
        symbols: complex64 [n], unbiased, in units of mean symbol power 1.
        noise_variance: float32 [n] or one number, E|n|^2 per complex symbol, >= 0. Infinite: the symbol is no evidence
            and its ratios are 0. Zero: the ratios are +-`LLR_LIMIT` (0 on a decision boundary).
        order: 4, 16, 64, 256 or 1024.

    Returns:
        float32 [n, log2(order)], |LLR| <= `LLR_LIMIT`. A symbol or a variance that is NaN, an infinite symbol and a
        negative variance count as no evidence: 0.

    Raises:
        SettingsError: unknown order, or shapes that do not match.
    """
    if symbols.ndim != 1:
        raise SettingsError(f"symbols of shape {symbols.shape}: needed one dimension; use reshape(-1).")
    variance = np.asarray(noise_variance, np.float32)
    if variance.shape not in ((), symbols.shape):
        raise SettingsError(
            f"noise variance of shape {variance.shape} for {symbols.size} symbols: needed one per symbol or one number."
        )
    variance = np.ascontiguousarray(np.broadcast_to(variance, symbols.shape))
    axes = np.ascontiguousarray(symbols, np.complex64).view(np.float32)
    half_spacing = np.float32(Qam(order).half_spacing)
    signs, left, right = _neighbours(order)
    llr = np.empty((symbols.size, 2 * signs.shape[1]), np.float32)
    _max_log(axes, variance, half_spacing, signs, left, right, np.float32(LLR_LIMIT), llr)
    return llr


@functools.cache
def _neighbours(order: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """For each level and label bit: +1 or -1 for bit 0 or 1, and the closest opposite amplitudes on both sides."""
    labels = axis_labels(order)
    n_levels, n_bits = labels.shape
    amplitudes = (2 * np.arange(n_levels) - (n_levels - 1)) * Qam(order).half_spacing
    left = np.full((n_levels, n_bits), -_ABSENT, np.float32)
    right = np.full((n_levels, n_bits), _ABSENT, np.float32)
    for level in range(n_levels):
        for bit in range(n_bits):
            opposite = np.flatnonzero(labels[:, bit] != labels[level, bit])
            below, above = opposite[opposite < level], opposite[opposite > level]
            if below.size:
                left[level, bit] = amplitudes[below[-1]]
            if above.size:
                right[level, bit] = amplitudes[above[0]]
    return (1 - 2 * labels.astype(np.float32)), left, right


@njit(cache=True, nogil=True)
def _max_log(
    axes: npt.NDArray[np.float32],
    variance: npt.NDArray[np.float32],
    half_spacing: np.float32,
    signs: npt.NDArray[np.float32],
    left: npt.NDArray[np.float32],
    right: npt.NDArray[np.float32],
    limit: np.float32,
    llr: npt.NDArray[np.float32],
) -> None:
    n_levels, n_bits = signs.shape
    last = np.float32(n_levels - 1)
    scale = np.float32(0.5) / half_spacing
    for symbol in range(variance.shape[0]):
        noise = variance[symbol]
        usable = noise >= np.float32(0) and noise < np.float32(np.inf)
        inverse = np.float32(1) / max(noise, np.float32(1e-30)) if usable else np.float32(0)
        for part in range(2):
            y = axes[2 * symbol + part]
            if not (usable and abs(y) < np.float32(np.inf)):
                for bit in range(n_bits):
                    llr[symbol, 2 * bit + part] = np.float32(0)
                continue
            position = min(max(y * scale + np.float32(0.5) * last, np.float32(0)), last)
            level = int(position + np.float32(0.5))
            nearest = (np.float32(2) * np.float32(level) - last) * half_spacing
            for bit in range(n_bits):
                # (y - c)^2 - (y - a)^2 without the cancellation of two squares
                a, b = left[level, bit], right[level, bit]
                below = (nearest - a) * (np.float32(2) * y - nearest - a)
                above = (nearest - b) * (np.float32(2) * y - nearest - b)
                ratio = min(below, above) * inverse
                llr[symbol, 2 * bit + part] = signs[level, bit] * min(max(ratio, np.float32(0)), limit)
