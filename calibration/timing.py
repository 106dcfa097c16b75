"""When a known wide signal arrived, to a small part of a sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft

from .errors import CalibrationError, NoSignalError

__all__ = ["Arrival", "delay_bound_samples", "find_arrival", "sounding_pair"]

_BAND = 0.4
#: Height of the correlation over its mean: noise alone exceeds it once in 10^7 captures of a million samples.
_LEAST_PEAK = 30.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """Of a known signal.

    Attributes:
        delay_samples: of its first sample.
        offset: carrier offset, cycles per sample.
        sample_snr: linear.
    """

    delay_samples: float
    offset: float
    sample_snr: float


def sounding_pair(half: int, mean_power: float, seed: int) -> np.ndarray:
    """Twice the same `half` samples of random phases over 0.8 of the rate; complex64 [2 half].

    The halves tell the carrier offset apart from the delay.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    spectrum = np.zeros(half, np.complex128)
    inside = np.abs(scipy.fft.fftfreq(half)) <= _BAND
    spectrum[inside] = np.exp(2j * np.pi * generator.random(int(inside.sum())))
    one = scipy.fft.ifft(spectrum)
    one *= math.sqrt(mean_power / np.mean(np.abs(one) ** 2))
    return np.tile(one, 2).astype(np.complex64)


def find_arrival(samples: np.ndarray, sent: np.ndarray) -> Arrival:
    """Maximum likelihood of delay and carrier offset; the channel is one path, or was equalized.

    The delay maximizes |Σ_f Y(f) X*(f) e^{j2πfτ}|²; its maximum is found on the grid of samples and then by the slope
    of the phase, weighted with the power at each frequency, which is Newton's method there.

    Args:
        samples: complex64 [n] with the whole signal in it.
        sent: complex64 [2 half] of two like halves.

    Raises:
        NoSignalError: the signal is not there.
        CalibrationError: the capture is shorter than the signal.
    """
    half = sent.size // 2
    if samples.size < sent.size:
        raise CalibrationError(f"{samples.size} samples cannot hold the signal's {sent.size}; listen longer")
    size = scipy.fft.next_fast_len(samples.size + half)
    reference = scipy.fft.fft(sent[:half].astype(np.complex128), size)
    correlation = scipy.fft.ifft(scipy.fft.fft(samples.astype(np.complex128), size) * reference.conj())
    power = np.abs(correlation[: samples.size - half + 1]) ** 2
    both = power[: samples.size - sent.size + 1] + power[half : half + samples.size - sent.size + 1]
    start = int(np.argmax(both))
    energy = np.sum(np.abs(samples[start : start + sent.size]) ** 2)
    likeness = float(both[start]) / max(float(energy) * float(np.sum(np.abs(sent[:half]) ** 2)), 1e-300)
    if likeness * half < _LEAST_PEAK:
        raise NoSignalError(
            f"the sounding was not received (likeness {likeness:.3f}); check cable, antenna, gains and frequency"
        )
    over = correlation[start + half] * np.conj(correlation[start])
    offset = math.atan2(over.imag, over.real) / (2 * np.pi * half)
    pair = scipy.fft.fft(sent.astype(np.complex128))
    frequencies = scipy.fft.fftfreq(sent.size)
    window = samples[start : start + sent.size] * np.exp(-2j * np.pi * offset * np.arange(sent.size))
    product = scipy.fft.fft(window) * pair.conj()
    weights = np.abs(pair) ** 2
    centre = np.average(frequencies, weights=weights)
    spread = np.average((frequencies - centre) ** 2, weights=weights)
    fraction = 0.0
    for _ in range(6):
        turned = product * np.exp(2j * np.pi * frequencies * fraction)
        total = turned.sum()
        # d arg / dτ of what is summed, over the curvature: both weighted with the power at each frequency.
        slope = float(np.sum((frequencies - centre) * (turned * np.conj(total)).imag)) / abs(total)
        fraction -= slope / (abs(total) * spread) / (2 * np.pi)
    signal = abs(total) ** 2 / (float(weights.sum()) * sent.size**2)
    noise = max(float(np.mean(np.abs(window) ** 2)) - signal, 1e-30)
    return Arrival(start + fraction, offset, signal / noise)


def delay_bound_samples(sample_snr: float, n_samples: int, rms_bandwidth: float) -> float:
    """Least standard deviation of a delay: 1 / (2π β sqrt(2 SNR N)), β being the rms bandwidth in cycles per sample."""
    return 1 / (2 * math.pi * rms_bandwidth * math.sqrt(2 * sample_snr * n_samples))
