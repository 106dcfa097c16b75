"""Analogue imperfections: oscillators, mixers, amplifiers, and clocks that do not agree.

Kernels work on float32 views of interleaved I and Q: numba vectorizes these and not complex arithmetic.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = [
    "add_dc_offset",
    "frequency_shift",
    "image_rejection_db",
    "iq_imbalance",
    "phase_noise",
    "rapp_amplifier",
]

_TABLE = 64


@njit(cache=True, nogil=True, fastmath=True)
def _rotate(rails: np.ndarray, out: np.ndarray, step_rad: float, start_rad: float) -> None:
    # One table of _TABLE phasors times one exact phasor per block: no drift, and no exponential per sample.
    table_re = np.empty(_TABLE, np.float32)
    table_im = np.empty(_TABLE, np.float32)
    for k in range(_TABLE):
        table_re[k] = math.cos(step_rad * k)
        table_im[k] = math.sin(step_rad * k)
    n = rails.size // 2
    for first in range(0, n, _TABLE):
        block_re = np.float32(math.cos(start_rad + step_rad * first))
        block_im = np.float32(math.sin(start_rad + step_rad * first))
        count = min(_TABLE, n - first)
        source = rails[2 * first : 2 * (first + count)]
        target = out[2 * first : 2 * (first + count)]
        for k in range(count):
            c = table_re[k] * block_re - table_im[k] * block_im
            s = table_re[k] * block_im + table_im[k] * block_re
            i = source[2 * k]
            q = source[2 * k + 1]
            target[2 * k] = i * c - q * s
            target[2 * k + 1] = i * s + q * c


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
    out = np.empty_like(samples)
    _rotate(samples.view(np.float32), out.view(np.float32), 2 * math.pi * offset_hz / sample_rate_hz, start_phase_rad)
    return out


@njit(cache=True, nogil=True, fastmath=True)
def _walk(rails: np.ndarray, out: np.ndarray, steps: np.ndarray, scale: float) -> None:
    # The phasor is turned by each increment with a short Taylor series (increments are far below 1 rad for any
    # oscillator worth simulating, checked by the caller) and pulled back to the unit circle every 16 samples.
    re = 1.0
    im = 0.0
    for k in range(steps.size):
        i = rails[2 * k]
        q = rails[2 * k + 1]
        out[2 * k] = np.float32(i * re - q * im)
        out[2 * k + 1] = np.float32(i * im + q * re)
        a = steps[k] * scale
        a2 = a * a
        c = 1.0 - a2 * (0.5 - a2 * (1.0 / 24.0))
        s = a * (1.0 - a2 * (1.0 / 6.0 - a2 * (1.0 / 120.0)))
        re, im = re * c - im * s, re * s + im * c
        if k & 15 == 15:
            correction = 1.5 - 0.5 * (re * re + im * im)
            re *= correction
            im *= correction


def phase_noise(
    samples: np.ndarray, linewidth_hz: float, sample_rate_hz: float, generator: np.random.Generator
) -> np.ndarray:
    """Free-running oscillator: Wiener phase with a Lorentzian line.

    phi[k+1] = phi[k] + w,  w ~ N(0, 2 pi beta / fs),  phi[0] = 0 (Pollet, Van Bladel, Moeneclaey, 1995).

    Args:
        samples: complex64 [n].
        linewidth_hz: two-sided 3 dB linewidth beta, 0 ... fs/400.
        sample_rate_hz: fs.
        generator: source of randomness; draws n values.

    Returns:
        complex64 [n].

    Raises:
        ValueError: linewidth outside the range where the recurrence is exact to float32.
    """
    if not 0 <= linewidth_hz <= sample_rate_hz / 400:
        raise ValueError(f"linewidth_hz is {linewidth_hz}; needed 0 ... sample_rate_hz/400 = {sample_rate_hz / 400:g}")
    out = np.empty_like(samples)
    steps = generator.standard_normal(samples.size, dtype=np.float32)
    scale = math.sqrt(2 * math.pi * linewidth_hz / sample_rate_hz)
    _walk(samples.view(np.float32), out.view(np.float32), steps, scale)
    return out


@njit(cache=True, nogil=True, fastmath=True)
def _mix(rails: np.ndarray, out: np.ndarray, crosstalk: np.float32, gain: np.float32) -> None:
    for k in range(rails.size // 2):
        q = rails[2 * k + 1]
        out[2 * k] = rails[2 * k] + crosstalk * q
        out[2 * k + 1] = gain * q


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
    g, phi = 10 ** (gain_db / 20), math.radians(phase_deg)
    out = np.empty_like(samples)
    _mix(
        samples.view(np.float32),
        out.view(np.float32),
        np.float32(-g * math.sin(phi)),
        np.float32(g * math.cos(phi)),
    )
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
    return samples + np.complex64(10 ** (level_dbfs / 20) * (1 + 1j) / math.sqrt(2))


@njit(cache=True, nogil=True, fastmath=True)
def _rapp(rails: np.ndarray, out: np.ndarray, inverse_power: np.float32, p: np.float32) -> None:
    # Above saturation the equation is turned over, so that no power of a large drive overflows single precision.
    exponent = np.float32(-0.5) / p
    one = np.float32(1)
    for k in range(rails.size // 2):
        i = rails[2 * k]
        q = rails[2 * k + 1]
        drive = (i * i + q * q) * inverse_power
        if drive <= one:
            gain = (one + drive**p) ** exponent
        else:
            gain = (one + (one / drive) ** p) ** exponent / np.sqrt(drive)
        out[2 * k] = i * gain
        out[2 * k + 1] = q * gain


def rapp_amplifier(samples: np.ndarray, smoothness: float, saturation: float) -> np.ndarray:
    """Solid-state amplifier without phase distortion (Rapp, 1991): y = x / (1 + (|x|/A)^(2p))^(1/(2p)).

    Args:
        samples: complex64 [n].
        smoothness: p, > 0; large values approach an ideal limiter.
        saturation: output amplitude A that is never exceeded, > 0; small-signal gain is 1.

    Returns:
        complex64 [n].
    """
    out = np.empty_like(samples)
    _rapp(samples.view(np.float32), out.view(np.float32), np.float32(saturation**-2), np.float32(smoothness))
    return out
