"""Bursts through radios without a clock that both sides know: sent over and over, found again by their power."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

__all__ = ["RepeatedBurst", "folded_power", "start_of_burst"]

#: Silence before and after a burst, in samples: longer than echoes and filters ring.
GUARD_SAMPLES = 512
# Transmit memory of the radios comes in units of 8 bytes; a multiple of 16 samples fills it for any number of lanes.
_UNIT_SAMPLES = 16


@dataclass(frozen=True, slots=True)
class RepeatedBurst:
    """How a burst is repeated, and which part of what is received counts.

    Attributes:
        burst_samples: length of the burst.
        period_samples: from one start to the next; the burst stands at `lead_samples` in it, the rest is silence.
        window_samples: length of the capture that is wanted around one burst.
        lead_samples: samples of that capture before the burst.
    """

    burst_samples: int
    period_samples: int
    window_samples: int
    lead_samples: int

    @classmethod
    def plan(cls, burst_samples: int, listen_samples: int | None) -> RepeatedBurst:
        """Choose a period such that every window of the wanted length holds the burst once.

        Args:
            burst_samples: length of the burst.
            listen_samples: length of the wanted capture; None takes the burst and a guard on either side.
        """
        needed = burst_samples + 2 * GUARD_SAMPLES
        window = needed if listen_samples is None else listen_samples
        period = max(needed, window)
        # A length with small factors, for the search is by Fourier transform.
        while period % _UNIT_SAMPLES or fft.next_fast_len(period, real=True) != period:
            period = fft.next_fast_len(math.ceil((period + 1) / _UNIT_SAMPLES) * _UNIT_SAMPLES, real=True)
        lead = min(GUARD_SAMPLES, max(0, (window - burst_samples) // 2))
        return cls(burst_samples, period, window, lead)

    @property
    def least_capture_samples(self) -> int:
        """Samples to receive so that they hold a whole window, wherever they begin: two periods."""
        return 2 * self.period_samples

    def padded(self, burst: np.ndarray) -> np.ndarray:
        """One period: silence, burst, silence; complex64 [period_samples]."""
        out = np.zeros(self.period_samples, np.complex64)
        out[self.lead_samples : self.lead_samples + burst.size] = burst
        return out

    def window(self, bursts: Sequence[np.ndarray], folded_power: np.ndarray) -> slice:
        """Where the wanted capture lies in what was received.

        Args:
            bursts: as transmitted, complex64 [burst_samples], one for each channel.
            folded_power: power of the first two periods received, on top of each other: float [period_samples].

        Returns:
            Indices within the first two periods.
        """
        start = start_of_burst(bursts, folded_power) - self.lead_samples
        start %= self.period_samples
        return slice(start, start + self.window_samples)


def folded_power(samples: np.ndarray, period: int) -> np.ndarray:
    """Power of a repeated signal, its periods on top of each other.

    Args:
        samples: complex64 [n], n at least one period; what is left of a last period does not count.
        period: in samples.

    Returns:
        float64 [period].
    """
    whole = samples[: samples.size // period * period].reshape(-1, period)
    return np.square(np.abs(whole), dtype=np.float64).sum(axis=0)


def start_of_burst(bursts: Sequence[np.ndarray], folded_power: np.ndarray) -> int:
    """Find a repeated burst by the course of its power, which neither phase nor frequency offset changes.

    Args:
        bursts: complex64 [n], one for each channel that transmits.
        folded_power: float [period], circular.

    Returns:
        Index 0 ... period - 1 at which the burst most likely begins.
    """
    period = folded_power.size
    course = np.zeros(period)
    for burst in bursts:
        course[: burst.size] += burst.real.astype(np.float64) ** 2 + burst.imag.astype(np.float64) ** 2
    # Without its mean, what the receiver adds evenly (noise, its own offset) does not matter.
    course -= course.mean()
    match = fft.irfft(fft.rfft(folded_power.astype(np.float64)) * np.conj(fft.rfft(course)), period)
    return int(np.argmax(match))
