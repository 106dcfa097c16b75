"""Units at the edges: decibels, parts per million, and signal-to-noise ratios that say which ratio they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["EsN0", "EvmSnr", "PostEqualizerSnr", "SampleSnr", "from_db", "ppm", "to_db"]


def to_db(power_ratio: float) -> float:
    """Power ratio (linear, >= 0) in dB: 10 log10(x). Zero gives -inf.

    >>> to_db(100.0)
    20.0
    """
    if power_ratio < 0:
        raise ValueError(f"a power ratio is not negative: {power_ratio}")
    return 10 * math.log10(power_ratio) if power_ratio > 0 else -math.inf


def from_db(ratio_db: float) -> float:
    """Power ratio (linear) of a value in dB: 10^(x/10).

    >>> from_db(20.0)
    100.0
    """
    return 10.0 ** (ratio_db / 10)


def ppm(offset_hz: float, reference_hz: float) -> float:
    """Frequency offset in parts per million of a reference frequency (Hz, > 0)."""
    return 1e6 * offset_hz / reference_hz


@dataclass(frozen=True, slots=True)
class _Snr:
    linear: float

    @classmethod
    def from_db(cls, ratio_db: float) -> _Snr:
        return cls(from_db(ratio_db))

    @property
    def db(self) -> float:
        return to_db(self.linear)


@dataclass(frozen=True, slots=True)
class SampleSnr(_Snr):
    """Mean signal power per sample over noise power per sample: wideband, before the FFT."""

    def to_esn0(self, active_subcarriers: int, fft_size: int) -> EsN0:
        """Es/N0 per occupied subcarrier: the signal sits in `active_subcarriers` of `fft_size` bins."""
        return EsN0(self.linear * fft_size / active_subcarriers)


@dataclass(frozen=True, slots=True)
class EsN0(_Snr):
    """Mean received energy per occupied subcarrier over noise power per subcarrier, after the unitary FFT."""

    def to_sample_snr(self, active_subcarriers: int, fft_size: int) -> SampleSnr:
        """Sample SNR of a signal that occupies `active_subcarriers` of `fft_size` bins."""
        return SampleSnr(self.linear * active_subcarriers / fft_size)


@dataclass(frozen=True, slots=True)
class PostEqualizerSnr(_Snr):
    """Inverse of the predicted noise variance of unbiased equalized symbols of unit mean power."""


@dataclass(frozen=True, slots=True)
class EvmSnr(_Snr):
    """Inverse of the measured error vector power, normalized by the mean power of the reference."""
