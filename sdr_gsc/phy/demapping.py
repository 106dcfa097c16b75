"""Soft demapping: exact max-log likelihood ratios of QAM label bits.

For y = s + n with E|n|^2 = v and equiprobable labels, per axis and label bit b (log P(0)/P(1)),

    LLR_b = (min_{a: b(a)=1} (y - a)^2 - min_{a: b(a)=0} (y - a)^2) / v .

Gray labels fold: with p bits and levels +-A, +-3A, …, b_0 asks for the sign of u_0 = y, and b_k, k >= 1, whether
u_k = |u_{k-1}| - 2^{p-k} A is negative. Seen from u_k, the levels of either answer are A, 3A, … (2^{p-k} - 1) A on
their side of zero; the nearest one of the wrong answer is the first. With m A the nearest one of the right answer,

    |LLR_k| = ((|u_k| + A)^2 - (|u_k| - m A)^2) / v = A (1 + m) (2 |u_k| + A (1 - m)) / v .
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ..errors import SettingsError
from .constellation import Qam

__all__ = ["LLR_LIMIT", "max_log", "soft_demap"]

LLR_LIMIT = 1e4
"""Largest magnitude of a likelihood ratio; reached when the noise variance is (nearly) zero."""

_Floats = npt.NDArray[np.float32]

_LIMIT = np.float32(LLR_LIMIT)
_INFINITE = np.float32(np.inf)
_LEAST_VARIANCE = np.float32(1e-30)
_FAR = np.float32(1e15)  # symbols farther out count as this far; their squares would overflow
_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
_PARTS = np.uint64(2)
_CHUNK = np.uint64(128)  # symbols that stay in the first-level cache from one bit to the next


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
    qam = Qam(order)
    if variance.shape != symbols.shape:
        variance = np.full(symbols.shape, variance)
    axes = np.ascontiguousarray(symbols, np.complex64).view(np.float32)
    llr = np.empty((symbols.size, qam.bits_per_symbol), np.float32)
    bits_per_axis = qam.bits_per_symbol // 2
    max_log(axes, np.ascontiguousarray(variance), np.float32(qam.half_spacing), bits_per_axis, llr.reshape(-1))
    return llr


@njit(cache=True, nogil=True)
def max_log(axes: _Floats, variance: _Floats, half_spacing: np.float32, bits_per_axis: int, llr: _Floats) -> None:
    """`soft_demap` for compiled code.

    Args:
        axes: float32 [2 n], in-phase and quadrature parts in turn.
        variance: float32 [n].
        half_spacing: A, half the distance between levels.
        bits_per_axis: p.
        llr: float32 [>= 2 n p], output in order of transmission.
    """
    if bits_per_axis == 1:
        _two_levels(axes, variance, half_spacing, llr)
    else:
        _levels(axes, variance, half_spacing, np.uint64(bits_per_axis), llr)


@njit(cache=True, nogil=True, inline="always")
def _gain(noise: np.float32) -> np.float32:
    """Inverse 1 / v, or 0 where there is no evidence."""
    return _ONE / max(noise, _LEAST_VARIANCE) if noise >= _ZERO and noise < _INFINITE else _ZERO


@njit(cache=True, nogil=True)
def _two_levels(axes: _Floats, variance: _Floats, half_spacing: np.float32, llr: _Floats) -> None:
    factor = np.float32(4) * half_spacing
    for symbol in range(np.uint64(variance.shape[0])):
        gain = factor * _gain(variance[symbol])
        for part in range(_PARTS):
            y = axes[_PARTS * symbol + part]
            ratio = y * gain if abs(y) < _INFINITE else _ZERO
            llr[_PARTS * symbol + part] = min(max(ratio, -_LIMIT), _LIMIT)


@njit(cache=True, nogil=True)
def _levels(axes: _Floats, variance: _Floats, half_spacing: np.float32, bits_per_axis: np.uint64, llr: _Floats) -> None:
    folded, gain = np.empty(_PARTS * _CHUNK, np.float32), np.empty(_PARTS * _CHUNK, np.float32)
    ratio = np.empty(_PARTS * _CHUNK, np.float32)
    scale = _HALF / half_spacing
    n_symbols = np.uint64(variance.shape[0])
    for chunk in range((n_symbols + _CHUNK - np.uint64(1)) // _CHUNK):
        first = chunk * _CHUNK
        count = min(n_symbols - first, _CHUNK)
        for symbol in range(count):
            inverse = _gain(variance[first + symbol])
            for part in range(_PARTS):
                y = axes[_PARTS * (first + symbol) + part]
                usable = abs(y) < _INFINITE
                folded[_PARTS * symbol + part] = min(max(y, -_FAR), _FAR) if usable else _ZERO
                gain[_PARTS * symbol + part] = inverse if usable else _ZERO
        for bit in range(bits_per_axis):
            last = np.float32((np.uint64(1) << (bits_per_axis - bit)) - np.uint64(1))
            fold = _HALF * (last + _ONE) * half_spacing
            sign = _ONE if bit == np.uint64(0) else -_ONE
            for axis in range(_PARTS * count):
                size = abs(folded[axis])
                level = min(_TWO * np.floor(size * scale) + _ONE, last)
                distance = half_spacing * (_ONE + level) * (_TWO * size + half_spacing * (_ONE - level))
                value = min(distance * gain[axis], _LIMIT) * sign
                ratio[axis] = value if folded[axis] >= _ZERO else -value
                folded[axis] = size - fold
            for symbol in range(count):
                at = _PARTS * ((first + symbol) * bits_per_axis + bit)
                llr[at] = ratio[_PARTS * symbol]
                llr[at + np.uint64(1)] = ratio[_PARTS * symbol + np.uint64(1)]
