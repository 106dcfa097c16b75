"""Multipath fading: paths at any delay, each a sum of sinusoids with the classical Doppler spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from .delay_profiles import PowerDelayProfile
from .resampling import HALF_LENGTH, interpolation_kernel

__all__ = ["FadingRealization", "apply_fading", "draw_fading", "path_gains"]

_SINUSOIDS = 32
#: TR 38.901, clause 7.7.2: the specular path arrives with this fraction of the maximum Doppler shift.
_SPECULAR_DOPPLER = 0.7
#: Largest error of a straight line drawn through a sinusoid between two block edges, relative to its amplitude.
_LINE_ERROR = 2e-4
_MAX_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class FadingRealization:
    """One drawn channel as a time-varying filter whose taps move on straight lines between block edges.

    Attributes:
        taps: complex64 [blocks + 1, length] taps at the block edges.
        block_samples: distance of the edges.
        bulk_delay_samples: delay of the filter's first path; the interpolator's left side lies before it.
    """

    taps: np.ndarray
    block_samples: int
    bulk_delay_samples: int


@njit(cache=True, nogil=True)
def _sinusoids(gains: np.ndarray, rate_rad: np.ndarray, phase_rad: np.ndarray, amplitude: np.ndarray) -> None:
    # gains: float64 [edges, 2 paths] interleaved. One phasor per sinusoid is turned from edge to edge.
    edges = gains.shape[0]
    for path in range(rate_rad.shape[0]):
        for s in range(rate_rad.shape[1]):
            c = math.cos(rate_rad[path, s])
            d = math.sin(rate_rad[path, s])
            re = amplitude[path] * math.cos(phase_rad[path, s])
            im = amplitude[path] * math.sin(phase_rad[path, s])
            for edge in range(edges):
                gains[edge, 2 * path] += re
                gains[edge, 2 * path + 1] += im
                re, im = re * c - im * d, re * d + im * c


def path_gains(
    profile: PowerDelayProfile,
    *,
    doppler_hz: float,
    edge_interval_s: float,
    n_edges: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Gains of every path at regular instants.

    g_k(t) = sqrt(p_k/S) sum_s exp(j (2 pi f_D cos(a_s) t + b_s)), with a_s and b_s uniform and S = 32: isotropic
    scattering after Clarke and Jakes, E g(t) g*(t+u) = p_k J0(2 pi f_D u). Without Doppler the gains are exactly
    complex Gaussian and constant. A specular path turns with 0.7 f_D and starts at a uniform phase, unless it is all
    there is and does not move: then it is exactly 1.

    Args:
        profile: powers and delays.
        doppler_hz: maximum Doppler shift f_D, >= 0.
        edge_interval_s: distance of the instants.
        n_edges: number of instants.
        generator: source of randomness.

    Returns:
        complex128 [n_edges, paths].
    """
    n_paths = profile.delays_s.size
    scattering = bool(np.any(profile.scattered > 0))
    gains = np.zeros((n_edges, n_paths), np.complex128)
    if scattering and doppler_hz == 0:
        normals = generator.standard_normal((2, n_paths))
        gains += np.sqrt(profile.scattered / 2) * (normals[0] + 1j * normals[1])
    elif scattering:
        angle, phase = generator.uniform(0, 2 * np.pi, (2, n_paths, _SINUSOIDS))
        rate = 2 * np.pi * doppler_hz * edge_interval_s * np.cos(angle)
        _sinusoids(gains.view(np.float64), rate, phase, np.sqrt(profile.scattered / _SINUSOIDS))
    if profile.specular > 0:
        start = generator.uniform(0, 2 * np.pi) if scattering or doppler_hz > 0 else 0.0
        turn = 2 * np.pi * _SPECULAR_DOPPLER * doppler_hz * edge_interval_s
        gains[:, 0] += math.sqrt(profile.specular) * np.exp(1j * (start + turn * np.arange(n_edges)))
    return gains


def _block_samples(doppler_hz: float, sample_rate_hz: float) -> int:
    """Largest power of two for which straight lines stay within _LINE_ERROR: (2 pi f_D B / fs)^2 / 8."""
    if doppler_hz == 0:
        return _MAX_BLOCK
    longest = math.sqrt(8 * _LINE_ERROR) * sample_rate_hz / (2 * math.pi * doppler_hz)
    return max(1, min(_MAX_BLOCK, 2 ** math.floor(math.log2(max(longest, 1.0)))))


def draw_fading(
    profile: PowerDelayProfile,
    *,
    n_samples: int,
    sample_rate_hz: float,
    doppler_hz: float,
    generator: np.random.Generator,
) -> FadingRealization:
    """Draw a channel that lasts `n_samples`.

    Delays that are whole samples become single taps; all others are spread by the band-limited interpolator.
    """
    block = _block_samples(doppler_hz, sample_rate_hz)
    n_edges = -(-n_samples // block) + 1
    gains = path_gains(
        profile,
        doppler_hz=doppler_hz,
        edge_interval_s=block / sample_rate_hz,
        n_edges=n_edges,
        generator=generator,
    )
    delays = profile.delays_s * sample_rate_hz
    whole = np.rint(delays)
    delays = np.where(np.abs(delays - whole) < 1e-6, whole, delays)
    bulk = 0 if np.array_equal(delays, whole) else HALF_LENGTH - 1
    length = math.ceil(delays.max()) + 1 + 2 * bulk
    spread = interpolation_kernel(np.arange(length)[None, :] - bulk - delays[:, None])
    spread[np.abs(spread) < 1e-12] = 0.0
    return FadingRealization(np.ascontiguousarray(gains @ spread, np.complex64), block, bulk)


@njit(cache=True, nogil=True, fastmath=True)
def _filter(rails: np.ndarray, out: np.ndarray, taps: np.ndarray, block: int) -> None:
    # rails has length - 1 zero samples in front of the signal, so that no tap needs a bounds check.
    length = taps.shape[1] // 2
    n = out.size // 2
    for edge in range(taps.shape[0] - 1):
        first = edge * block
        count = min(block, n - first)
        if count <= 0:
            break
        target = out[2 * first : 2 * (first + count)]
        for k in range(2 * count):
            target[k] = np.float32(0)
        for tap in range(length):
            re = taps[edge, 2 * tap]
            im = taps[edge, 2 * tap + 1]
            d_re = (taps[edge + 1, 2 * tap] - re) / np.float32(block)
            d_im = (taps[edge + 1, 2 * tap + 1] - im) / np.float32(block)
            begin = first + length - 1 - tap
            source = rails[2 * begin : 2 * (begin + count)]
            for k in range(count):
                c = re + d_re * np.float32(k)
                s = im + d_im * np.float32(k)
                i = source[2 * k]
                q = source[2 * k + 1]
                target[2 * k] += i * c - q * s
                target[2 * k + 1] += i * s + q * c


def apply_fading(samples: np.ndarray, channel: FadingRealization) -> np.ndarray:
    """Send samples through a drawn channel.

    Args:
        samples: complex64 [n].
        channel: drawn for at least n + taps - 1 samples.

    Returns:
        complex64 [n + taps - 1]: the whole response, `channel.bulk_delay_samples` late.
    """
    length = channel.taps.shape[1]
    padded = np.zeros(samples.size + 2 * (length - 1), np.complex64)
    padded[length - 1 : length - 1 + samples.size] = samples
    out = np.empty(samples.size + length - 1, np.complex64)
    if (channel.taps.shape[0] - 1) * channel.block_samples < out.size:
        raise ValueError(f"the channel was drawn for fewer than the {out.size} samples needed")
    _filter(padded.view(np.float32), out.view(np.float32), channel.taps.view(np.float32), channel.block_samples)
    return out
