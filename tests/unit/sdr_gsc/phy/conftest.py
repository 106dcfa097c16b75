"""A link of a few lines: everything a test does to samples is visible here."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from sdr_gsc.capture import Capture
from sdr_gsc.phy.numerology import Numerology

RATE_HZ = 4e6


@dataclass(frozen=True)
class Impaired:
    capture: Capture
    noise_variance: float  # per subcarrier; the transmitted subcarriers have unit power times `signal_power`
    signal_power: float


def add_impairments(
    samples: np.ndarray,
    generator: np.random.Generator,
    *,
    esn0_db: float | None = None,
    taps: np.ndarray | None = None,
    cfo: float = 0.0,
    sfo_ppm: float = 0.0,
    numerology: Numerology | None = None,
) -> Impaired:
    """Channel, clock, carrier and noise. `cfo` in subcarrier spacings; Es/N0 relative to what the taps let through."""
    grid = Numerology() if numerology is None else numerology
    on = samples != 0
    if taps is not None:
        samples = np.convolve(samples, taps)
    power = float(np.sum(np.abs(samples) ** 2)) / np.count_nonzero(on)
    if sfo_ppm:
        # Band-limited interpolation: transform, and read the trigonometric polynomial at stretched times.
        samples = _stretch(samples, 1 + 1e-6 * sfo_ppm)
    samples = samples * np.exp(2j * np.pi * cfo / grid.fft_size * np.arange(samples.size))
    subcarrier_power = power / grid.occupied_fraction
    variance = 0.0
    if esn0_db is not None:
        variance = subcarrier_power * 10 ** (-esn0_db / 10)
        noise = generator.standard_normal((2, samples.size))
        samples = samples + np.sqrt(variance / 2) * (noise[0] + 1j * noise[1])
    return Impaired(Capture(samples.astype(np.complex64), RATE_HZ), variance, subcarrier_power)


def _stretch(samples: np.ndarray, step: float) -> np.ndarray:
    """samples(t) at t = 0, step, 2·step, … with a windowed sinc of 32 samples."""
    half = 16
    times = np.arange(int((samples.size - 1) / step)) * step
    first = np.floor(times).astype(np.int64)
    padded = np.pad(samples, half)
    out = np.zeros(times.size, np.complex128)
    for offset in range(-half + 1, half + 1):
        distance = times - (first + offset)
        out += padded[first + offset + half] * np.sinc(distance) * np.cos(np.pi * distance / (2 * half)) ** 2
    return out


def rayleigh_taps(generator: np.random.Generator, n_taps: int = 8, rms: float = 2.0) -> np.ndarray:
    """One draw of an exponential profile with mean energy 1."""
    profile = np.exp(-np.arange(n_taps) / rms)
    profile /= profile.sum()
    parts = generator.standard_normal((2, n_taps))
    return (parts[0] + 1j * parts[1]) * np.sqrt(profile / 2)


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture
def impair() -> Callable[..., Impaired]:
    return add_impairments


@pytest.fixture
def draw_taps() -> Callable[..., np.ndarray]:
    return rayleigh_taps
