"""Short filters fitted to a measured response, and how they are run over bursts, repeated bursts, and streams."""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import oaconvolve

from .errors import CalibrationError

__all__ = ["StreamFilter", "equalizer_taps", "filter_circular", "filter_same", "fit_taps", "taps_response"]

#: What is asked beyond the measured band, relative to what is asked inside.
_GUARD_WEIGHT = 0.03


def taps_response(taps: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """H(f) = Σ_m h_m e^{-j2πfm}, m = -(L-1)/2 ... (L-1)/2, complex128 like `frequencies` (cycles per sample)."""
    delays = np.arange(taps.size) - (taps.size - 1) // 2
    return np.asarray(np.exp(-2j * np.pi * np.outer(frequencies, delays)) @ taps)


def fit_taps(
    frequencies: np.ndarray,
    response: np.ndarray,
    n_taps: int,
    *,
    ridge: float = 1e-6,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Least squares: the taps around zero delay whose response is closest to the measured one.

    min_h Σ_k w_k |H(f_k) - R_k|² + λ |h|². With white errors of variance v on R and K frequencies spread over the whole
    band, each tap has the variance v / K: the Cramér-Rao bound of a linear model.

    Args:
        frequencies: float [K], cycles per sample.
        response: complex [K].
        n_taps: odd, at most K.
        ridge: λ relative to Σ w; it decides where nothing was measured.
        weights: float [K]; None weights all alike.

    Returns:
        complex128 [n_taps].

    Raises:
        CalibrationError: an even number of taps, or more taps than frequencies.
    """
    if n_taps % 2 == 0 or n_taps > frequencies.size:
        raise CalibrationError(f"{n_taps} taps for {frequencies.size} frequencies; use an odd number, and fewer")
    delays = np.arange(n_taps) - (n_taps - 1) // 2
    matrix = np.exp(-2j * np.pi * np.outer(frequencies, delays))
    weight = np.ones(frequencies.size) if weights is None else weights
    normal = (matrix.conj().T * weight) @ matrix + ridge * weight.sum() * np.eye(n_taps)
    return np.asarray(np.linalg.solve(normal, (matrix.conj().T * weight) @ response))


def equalizer_taps(frequencies: np.ndarray, response: np.ndarray, n_taps: int = 31) -> np.ndarray:
    """Taps g with G(f) R(f) = 1 over the measured band, and modest gain beyond.

    min_g Σ_k |G(f_k) R_k - 1|² + small Σ_guard |G(f) - G_edge|², the guard lying between the edges of the band.

    Args:
        frequencies: float [K], cycles per sample.
        response: complex [K] of mean power about 1, without delay.
        n_taps: odd.

    Returns:
        complex128 [n_taps].

    Raises:
        CalibrationError: a response with a zero in the band.
    """
    level = math.sqrt(float(np.mean(np.abs(response) ** 2)))
    if not np.abs(response).min() > 0.05 * level:
        raise CalibrationError(
            "the response has a hole of more than 26 dB in the band, which no short filter mends; check cable and "
            "bandwidth_hz, or lower the sample rate"
        )
    upper, lower = int(np.argmax(frequencies)), int(np.argmin(frequencies))
    guard = np.linspace(frequencies[upper], frequencies[lower] + 1, 18)[1:-1]
    share = np.linspace(0, 1, 18)[1:-1]
    edges = np.abs(1 / response[upper]) * (1 - share) + np.abs(1 / response[lower]) * share
    every = np.concatenate([frequencies, (guard + 0.5) % 1 - 0.5])
    wanted = np.concatenate([1 / response, edges])
    weights = np.concatenate([np.abs(response) ** 2, np.full(guard.size, _GUARD_WEIGHT * level**2)])
    return fit_taps(every, wanted, n_taps, ridge=1e-9, weights=weights)


def filter_same(samples: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Σ_m h_m x[n - m] with zeros around the samples; complex64 [n], as long as what goes in, and not delayed."""
    if taps.size == 1:
        return (samples * np.complex64(taps[0])).astype(np.complex64)
    half = (taps.size - 1) // 2
    whole = oaconvolve(samples, taps.astype(np.complex64))
    return np.ascontiguousarray(whole[half : half + samples.size], np.complex64)


def filter_circular(samples: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """The same for samples that are repeated without end."""
    half = (taps.size - 1) // 2
    if half == 0:
        return filter_same(samples, taps)
    indices = np.arange(-half, samples.size + half) % samples.size
    return filter_same(samples[indices], taps)[half : half + samples.size].copy()


class StreamFilter:
    """The same for samples that come block by block; what comes out is (L-1)/2 samples late.

    Args:
        taps: complex [L], L odd.
    """

    def __init__(self, taps: np.ndarray) -> None:
        self._taps = np.asarray(taps, np.complex64)
        self._past = np.zeros(self._taps.size - 1, np.complex64)

    @property
    def delay(self) -> int:
        """(L-1)/2."""
        return (self._taps.size - 1) // 2

    def reset(self) -> None:
        """Forget the past: samples were lost."""
        self._past[:] = 0

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Next block, complex64 [n], to complex64 [n]."""
        joined = np.concatenate([self._past, block])
        if self._taps.size > 1:
            self._past = joined[joined.size - self._past.size :].copy()
        whole = oaconvolve(joined, self._taps) if self._taps.size > 1 else joined * self._taps[0]
        return np.ascontiguousarray(whole[self._past.size : self._past.size + block.size], np.complex64)
