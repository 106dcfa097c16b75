"""Compiled inner loops of the receiver. Interleaved float32 views, because complex arithmetic does not vectorize."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["equalize_tones", "gather_symbols", "lag_sums"]


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


@njit(cache=True, nogil=True, fastmath=True)
def gather_symbols(
    rails: np.ndarray, starts: np.ndarray, radians_per_sample: float, origin: int, out: np.ndarray
) -> None:
    """Copy one FFT window per symbol, turned by exp(-j·w·(n - origin)).

    Args:
        rails: float32 [2n], I and Q interleaved.
        starts: int64 [S], first sample of each window, 0 <= start <= n - N.
        radians_per_sample: w.
        origin: sample at which the rotation is zero.
        out: float32 [S, 2N], filled.
    """
    size = out.shape[1] // 2
    table = np.empty(2 * size, np.float32)
    for k in range(size):
        table[2 * k] = np.cos(radians_per_sample * k)
        table[2 * k + 1] = -np.sin(radians_per_sample * k)
    turned = np.empty(2 * size, np.float32)
    for s in range(starts.size):
        angle = radians_per_sample * (starts[s] - origin)
        c = np.float32(np.cos(angle))
        d = np.float32(-np.sin(angle))
        for k in range(size):
            turned[2 * k] = table[2 * k] * c - table[2 * k + 1] * d
            turned[2 * k + 1] = table[2 * k] * d + table[2 * k + 1] * c
        window = rails[2 * starts[s] : 2 * (starts[s] + size)]
        row = out[s]
        for k in range(size):
            a = window[2 * k]
            b = window[2 * k + 1]
            row[2 * k] = a * turned[2 * k] - b * turned[2 * k + 1]
            row[2 * k + 1] = a * turned[2 * k + 1] + b * turned[2 * k]


@njit(cache=True, nogil=True, fastmath=True)
def equalize_tones(
    spectra: np.ndarray,
    bins: np.ndarray,
    signed: np.ndarray,
    inverse: np.ndarray,
    phase: np.ndarray,
    delay: np.ndarray,
    out: np.ndarray,
) -> None:
    """y[s, j] = Y[s, bin_j]·inverse[s, j]·exp(j(-phase[s] + 2π·k_j·delay[s]/N)).

    Args:
        spectra: complex64 [S, N], unitary FFTs.
        bins: int64 [n], which bins.
        signed: int64 [n], their signed index k.
        inverse: complex64 [S or 1, n], reciprocal channel.
        phase: float64 [S], common phase in rad.
        delay: float64 [S], delay in samples that the window did not follow.
        out: complex64 [S, n], filled.
    """
    size = spectra.shape[1]
    reach = 0
    for j in range(signed.size):
        reach = max(reach, abs(signed[j]))
    turns = np.empty(2 * reach + 1, np.complex64)
    for s in range(spectra.shape[0]):
        step = np.exp(1j * (2 * np.pi * delay[s] / size))
        now = np.exp(-1j * phase[s]) * np.exp(-1j * (2 * np.pi * delay[s] / size * reach))
        for k in range(2 * reach + 1):
            turns[k] = now
            now *= step
        row = spectra[s]
        gain = inverse[s if inverse.shape[0] > 1 else 0]
        for j in range(bins.size):
            out[s, j] = row[bins[j]] * gain[j] * turns[signed[j] + reach]
