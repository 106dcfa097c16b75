"""Analogue imperfections: oscillators, mixers, amplifiers, and clocks that do not agree."""

from __future__ import annotations

import math

import numpy as np

from ._impairment_kernels import TURN, compress, mix, rotate, walk
from ._normals import add_normals, seed_lanes

__all__ = [
    "PhaseNoise",
    "add_dc_offset",
    "frequency_shift",
    "image_rejection_db",
    "iq_imbalance",
    "mixer_rails",
    "offset_rail",
    "phase_noise",
    "rapp_amplifier",
]


def frequency_shift(
    samples: np.ndarray, offset_hz: float, sample_rate_hz: float, start_phase_rad: float = 0.0
) -> np.ndarray:
    """Multiply by exp(j (2 pi f t + phase)); positive `offset_hz` moves the spectrum up.

    Args:
        samples: complex64 [n].
        offset_hz: f.
        sample_rate_hz: sampling rate, > 0; t = index / rate.
        start_phase_rad: phase of the first sample.

    Returns:
        complex64 [n].
    """
    out = samples.copy()
    rotate(out.view(np.float32), 2 * math.pi * offset_hz / sample_rate_hz, start_phase_rad)
    return out


class PhaseNoise:
    """Free-running oscillator whose signal passes piece by piece: Wiener phase with a Lorentzian line.

    phi[k+1] = phi[k] + w,  w ~ N(0, 2 pi beta / fs),  phi[0] = 0 (Pollet, Van Bladel, Moeneclaey, 1995).

    Args:
        linewidth_hz: two-sided 3 dB linewidth beta, 0 ... fs/400.
        sample_rate_hz: fs.
        generator: source of randomness.

    Raises:
        ValueError: linewidth outside the range, where a step could exceed half a turn.
    """

    def __init__(self, linewidth_hz: float, sample_rate_hz: float, generator: np.random.Generator) -> None:
        if not 0 <= linewidth_hz <= sample_rate_hz / 400:
            raise ValueError(
                f"linewidth_hz is {linewidth_hz}; needed 0 ... sample_rate_hz/400 = {sample_rate_hz / 400:g}"
            )
        self._scale = math.sqrt(2 * math.pi * linewidth_hz / sample_rate_hz) * TURN / (2 * math.pi)
        self._lanes = seed_lanes(generator)
        self._phase = 0

    def __call__(self, samples: np.ndarray) -> None:
        """Turn the next piece, complex64 [n], in place; every piece but the last holds a multiple of 256 samples."""
        steps = np.zeros(samples.size + samples.size % 2, np.float32)
        add_normals(self._lanes, steps, 1.0)
        self._phase = walk(samples.view(np.float32), steps[: samples.size], self._scale, self._phase)

    def save(self) -> tuple[np.ndarray, int]:
        """Where the oscillator stands, for `restore`."""
        return self._lanes.copy(), self._phase

    def restore(self, saved: tuple[np.ndarray, int]) -> None:
        """Forget what has passed since `save`."""
        self._lanes[:], self._phase = saved


def phase_noise(
    samples: np.ndarray, linewidth_hz: float, sample_rate_hz: float, generator: np.random.Generator
) -> np.ndarray:
    """Samples after an oscillator with `PhaseNoise`.

    Args:
        samples: complex64 [n].
        linewidth_hz: two-sided 3 dB linewidth, 0 ... fs/400.
        sample_rate_hz: fs.
        generator: source of randomness.

    Returns:
        complex64 [n].

    Raises:
        ValueError: linewidth outside the range.
    """
    out = samples.copy()
    PhaseNoise(linewidth_hz, sample_rate_hz, generator)(out)
    return out


def mixer_rails(gain_db: float, phase_deg: float) -> tuple[np.float32, np.float32]:
    """What `iq_imbalance` makes of the quadrature rail: its share in the I rail, and its gain in the Q rail."""
    g, phi = 10 ** (gain_db / 20), math.radians(phase_deg)
    return np.float32(-g * math.sin(phi)), np.float32(g * math.cos(phi))


def iq_imbalance(samples: np.ndarray, gain_db: float, phase_deg: float) -> np.ndarray:
    """Mixer whose quadrature rail has gain g and phase error phi: y = I + j g e^{j phi} Q = alpha x + beta conj(x).

    alpha = (1 + g e^{j phi}) / 2, beta = (1 - g e^{j phi}) / 2; see `image_rejection_db` for their ratio.

    Args:
        samples: complex64 [n].
        gain_db: 20 log10 g.
        phase_deg: phi in degrees.

    Returns:
        complex64 [n].
    """
    out = samples.copy()
    mix(out.view(np.float32), *mixer_rails(gain_db, phase_deg), np.float32(0))
    return out


def image_rejection_db(gain_db: float, phase_deg: float) -> float:
    """Image rejection |alpha/beta|^2 of `iq_imbalance` in dB.

    (1 + 2 g cos phi + g^2) / (1 - 2 g cos phi + g^2); infinite without imbalance.

    >>> round(image_rejection_db(0.1, 0.5), 1)
    42.8
    """
    g = 10 ** (gain_db / 20)
    cross = 2 * g * math.cos(math.radians(phase_deg))
    image = 1 - cross + g * g
    return 10 * math.log10((1 + cross + g * g) / image) if image > 0 else math.inf


def add_dc_offset(samples: np.ndarray, level_dbfs: float) -> np.ndarray:
    """Add a constant of power `level_dbfs` relative to full scale (1.0), half of it on each rail.

    Args:
        samples: complex64 [n].
        level_dbfs: 10 log10 of the constant's power |c|^2.

    Returns:
        complex64 [n].
    """
    out = samples.copy()
    mix(out.view(np.float32), np.float32(0), np.float32(1), offset_rail(level_dbfs))
    return out


def offset_rail(level_dbfs: float) -> np.float32:
    """What `add_dc_offset` adds to each rail."""
    return np.float32(10 ** (level_dbfs / 20) / math.sqrt(2))


def rapp_amplifier(samples: np.ndarray, smoothness: float, saturation: float) -> np.ndarray:
    """Solid-state amplifier without phase distortion (Rapp, 1991): y = x / (1 + (|x|/A)^(2p))^(1/(2p)).

    Args:
        samples: complex64 [n].
        smoothness: p, > 0; large values approach an ideal limiter.
        saturation: output amplitude A that is never exceeded, > 0; small-signal gain is 1.

    Returns:
        complex64 [n].
    """
    out = samples.copy()
    compress(out.view(np.float32), np.float32(saturation**-2), np.float32(smoothness))
    return out
