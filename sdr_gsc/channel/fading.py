"""Multipath fading: paths at any delay, each a sum of sinusoids with the classical Doppler spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from ._moving_filter import TAP_GROUP, TILE, moving_filter, padded_length, ramp
from .delay_profiles import PowerDelayProfile
from .resampling import HALF_LENGTH, interpolation_kernel

__all__ = ["FadingFilter", "FadingRealization", "apply_fading", "draw_fading", "path_gains"]

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


@njit(cache=True, nogil=True, fastmath=True)
def _sinusoids(gains: np.ndarray, rate_rad: np.ndarray, phase_rad: np.ndarray, amplitude: np.ndarray) -> None:
    # gains: float64 [edges, 2 paths] interleaved. All phasors of a path are turned together from edge to edge.
    paths, count = rate_rad.shape
    re = np.empty(count)
    im = np.empty(count)
    c = np.empty(count)
    d = np.empty(count)
    for path in range(paths):
        for s in range(count):
            c[s] = math.cos(rate_rad[path, s])
            d[s] = math.sin(rate_rad[path, s])
            re[s] = amplitude[path] * math.cos(phase_rad[path, s])
            im[s] = amplitude[path] * math.sin(phase_rad[path, s])
        for edge in range(gains.shape[0]):
            total_re = 0.0
            total_im = 0.0
            for s in range(count):
                x = re[s]
                y = im[s]
                total_re += x
                total_im += y
                re[s] = x * c[s] - y * d[s]
                im[s] = x * d[s] + y * c[s]
            gains[edge, 2 * path] += total_re
            gains[edge, 2 * path + 1] += total_im


def path_gains(
    profile: PowerDelayProfile,
    *,
    doppler_hz: float,
    edge_interval_s: float,
    n_edges: int,
    generator: np.random.Generator,
    first_edge: int = 0,
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
        first_edge: number of the first instant: a generator in the same state continues the same gains from there.

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
        _sinusoids(gains.view(np.float64), rate, phase + first_edge * rate, np.sqrt(profile.scattered / _SINUSOIDS))
    if profile.specular > 0:
        start = generator.uniform(0, 2 * np.pi) if scattering or doppler_hz > 0 else 0.0
        turn = 2 * np.pi * _SPECULAR_DOPPLER * doppler_hz * edge_interval_s
        edges = np.arange(first_edge, first_edge + n_edges)
        gains[:, 0] += math.sqrt(profile.specular) * np.exp(1j * (start + turn * edges))
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
    first_sample: int = 0,
) -> FadingRealization:
    """Draw a channel that lasts `n_samples`.

    Delays that are whole samples become single taps; all others are spread by the band-limited interpolator. Generators
    in the same state draw the same channel: what begins at a later `first_sample`, a multiple of 4096, continues it.
    """
    block = _block_samples(doppler_hz, sample_rate_hz)
    n_edges = -(-n_samples // block) + 1
    gains = path_gains(
        profile,
        doppler_hz=doppler_hz,
        edge_interval_s=block / sample_rate_hz,
        n_edges=n_edges,
        generator=generator,
        first_edge=first_sample // block,
    )
    delays = profile.delays_s * sample_rate_hz
    whole = np.rint(delays)
    delays = np.where(np.abs(delays - whole) < 1e-6, whole, delays)
    bulk = 0 if np.array_equal(delays, whole) else HALF_LENGTH - 1
    length = math.ceil(delays.max()) + 1 + 2 * bulk
    offsets = np.arange(length)[None, :] - bulk - delays[:, None]
    spread = interpolation_kernel(offsets) if bulk else offsets == 0
    # The interpolator is real: two real products cost half of the complex one.
    single = spread.astype(np.float32)
    taps = np.empty((n_edges, length), np.complex64)
    taps.real = np.ascontiguousarray(gains.real, np.float32) @ single
    taps.imag = np.ascontiguousarray(gains.imag, np.float32) @ single
    return FadingRealization(taps, block, bulk)


@njit(cache=True, nogil=True, fastmath=True)
def _filter(rails: np.ndarray, out: np.ndarray, taps: np.ndarray, block: int, start: int) -> None:
    # rails: length - 1 samples of history, as many as there are outputs, and TAP_GROUP - 1 that meet no tap but zero;
    # start: index of the first output.
    length = taps.shape[1] // 2
    padded = padded_length(length)
    tile = min(block, TILE)
    numbers = ramp(tile)
    turned = np.zeros(2 * (tile + padded - 1), np.float32)
    weights = np.zeros((4, padded), np.float32)
    n = out.size // 2
    at = 0
    while at < n:
        edge = (start + at) // block
        offset = (start + at) - edge * block
        count = min(tile - offset % tile, n - at)
        for tap in range(length):
            # The oldest sample comes first in memory and meets the last tap.
            for rail in range(2):
                begin = taps[edge, 2 * tap + rail]
                slope = (taps[edge + 1, 2 * tap + rail] - begin) / np.float32(block)
                weights[2 * rail, length - 1 - tap] = begin + slope * np.float32(offset)
                weights[2 * rail + 1, length - 1 - tap] = slope
        # h x = Re(h) x + Im(h) (j x): two filters with real taps, which need no shuffling of I and Q.
        source = rails[2 * at : 2 * (at + count + padded - 1)]
        for k in range(count + padded - 1):
            turned[2 * k] = -source[2 * k + 1]
            turned[2 * k + 1] = source[2 * k]
        target = out[2 * at : 2 * (at + count)]
        target[:] = np.float32(0)
        moving_filter(target, source, weights[0], weights[1], numbers)
        moving_filter(target, turned, weights[2], weights[3], numbers)
        at += count


class FadingFilter:
    """A drawn channel that a burst passes piece by piece.

    Args:
        channel: drawn for at least as many samples as will pass.
        longest: largest number of samples in a piece.
        passed: samples of the channel that lie behind already, unheard.

    Attributes:
        inlet: complex64 [longest] that the next piece is to be written to.
    """

    def __init__(self, channel: FadingRealization, longest: int, passed: int = 0) -> None:
        self._channel = channel
        self._history = channel.taps.shape[1] - 1
        self._window = np.zeros(self._history + longest + TAP_GROUP - 1, np.complex64)
        self._passed = passed
        self.inlet = self._window[self._history : self._history + longest]

    def __call__(self, out: np.ndarray) -> None:
        """Filter as many samples of the inlet as `out`, complex64 [n], has place for."""
        n, channel, window = out.size, self._channel, self._window
        if self._passed + n > (channel.taps.shape[0] - 1) * channel.block_samples:
            raise ValueError(f"the channel was drawn for fewer than the {self._passed + n} samples needed")
        source = window[: self._history + n + TAP_GROUP - 1].view(np.float32)
        _filter(source, out.view(np.float32), channel.taps.view(np.float32), channel.block_samples, self._passed)
        window[: self._history] = window[n : n + self._history].copy()
        self._passed += n

    def proceed(self, channel: FadingRealization) -> None:
        """Go on with a channel of as many taps that begins where the one so far ends; echoes live on."""
        self._channel, self._passed = channel, 0

    def save(self) -> tuple[FadingRealization, int, np.ndarray]:
        """Where the signal stands, for `restore`."""
        return self._channel, self._passed, self._window[: self._history].copy()

    def restore(self, saved: tuple[FadingRealization, int, np.ndarray]) -> None:
        """Forget what has passed since `save`."""
        self._channel, self._passed, self._window[: self._history] = saved


def apply_fading(samples: np.ndarray, channel: FadingRealization) -> np.ndarray:
    """Send samples through a drawn channel.

    Args:
        samples: complex64 [n].
        channel: drawn for at least n + taps - 1 samples.

    Returns:
        complex64 [n + taps - 1]: the whole response, `channel.bulk_delay_samples` late.
    """
    out = np.empty(samples.size + channel.taps.shape[1] - 1, np.complex64)
    fade = FadingFilter(channel, out.size)
    fade.inlet[: samples.size] = samples
    fade(out)
    return out
