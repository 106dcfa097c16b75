"""Frequency, amplitude and phase of a tone in white noise, and how well they can be known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft

from .errors import CalibrationError

__all__ = ["Tone", "estimate_tone", "frequency_bound_hz", "make_tone"]

_PADDING = 2
_NEWTON_STEPS = 4
#: Peak of the periodogram over its median: white noise alone exceeds it once in 10^7 captures of a million samples.
_LEAST_PEAK = 60.0


@dataclass(frozen=True, slots=True)
class Tone:
    """A complex exponential a·exp(j(2πft + φ)) in noise.

    Attributes:
        frequency_hz: f, positive above the carrier.
        amplitude: a, full scale 1.0.
        phase_rad: φ at the first sample.
        noise_power: mean |noise|² of a sample.
    """

    frequency_hz: float
    amplitude: float
    phase_rad: float
    noise_power: float

    @property
    def sample_snr(self) -> float:
        """Power of the tone over that of the noise, linear."""
        return self.amplitude**2 / self.noise_power if self.noise_power > 0 else math.inf


def make_tone(n_samples: int, frequency_hz: float, sample_rate_hz: float, amplitude: float) -> np.ndarray:
    """complex64 [n_samples], a·exp(j2πft)."""
    turns = frequency_hz / sample_rate_hz * np.arange(n_samples)
    return (amplitude * np.exp(2j * np.pi * turns)).astype(np.complex64)


def estimate_tone(
    samples: np.ndarray, sample_rate_hz: float, near_hz: float | None = None, span_hz: float = 0.0
) -> Tone:
    """Maximum likelihood: the highest point of the periodogram, found on a grid and then by Newton's method.

    Args:
        samples: complex64 [n], n >= 16, one tone and white noise.
        sample_rate_hz: rate.
        near_hz: look around there only; None looks everywhere.
        span_hz: how far around.

    Raises:
        CalibrationError: too few samples, or no tone rises above the noise.
    """
    n = samples.size
    if n < 16:
        raise CalibrationError(f"{n} samples are too few to find a tone; give at least 16")
    size = scipy.fft.next_fast_len(_PADDING * n)
    power = np.abs(scipy.fft.fft(samples, size)) ** 2
    floor = float(np.median(power))
    if near_hz is not None:
        away = np.abs(
            (scipy.fft.fftfreq(size) * sample_rate_hz - near_hz + sample_rate_hz / 2) % sample_rate_hz
            - sample_rate_hz / 2
        )
        power = np.where(away <= max(span_hz, sample_rate_hz / n), power, 0.0)
    peak = int(np.argmax(power))
    if not power[peak] > _LEAST_PEAK * floor:
        above_db = 10 * math.log10(max(float(power[peak]), 1e-30) / max(floor, 1e-30))
        raise CalibrationError(
            f"no tone rises above the noise (peak {above_db:.1f} dB over its median); check cable, gain and frequency"
        )
    frequency = float(scipy.fft.fftfreq(size)[peak])
    values = samples.astype(np.complex128)
    # Centred times make frequency and phase independent of each other.
    times = np.arange(n) - (n - 1) / 2
    for _ in range(_NEWTON_STEPS):
        turned = values * np.exp(-2j * np.pi * frequency * times)
        total, first, second = turned.sum(), (turned * times).sum(), (turned * times**2).sum()
        slope = 2 * np.pi * 2 * (first * np.conj(total)).imag
        bend = (2 * np.pi) ** 2 * 2 * (abs(first) ** 2 - (second * np.conj(total)).real)
        if bend >= 0:
            break
        frequency -= slope / bend
    amplitude = complex((values * np.exp(-2j * np.pi * frequency * np.arange(n))).mean())
    noise = max(float(np.mean(np.abs(values) ** 2)) - abs(amplitude) ** 2, 0.0) * n / (n - 1)
    return Tone(frequency * sample_rate_hz, abs(amplitude), math.atan2(amplitude.imag, amplitude.real), noise)


def frequency_bound_hz(sample_snr: float, n_samples: int, sample_rate_hz: float) -> float:
    """Least standard deviation of a tone's frequency with unknown phase and amplitude.

    sqrt(6 / (SNR N (N² - 1))) fs / 2π: the Cramér-Rao bound of Rife and Boorstyn (IEEE Trans. Inf. Theory 20(5), 1974).
    """
    return math.sqrt(6.0 / (sample_snr * n_samples * (n_samples**2 - 1.0))) * sample_rate_hz / (2 * math.pi)
