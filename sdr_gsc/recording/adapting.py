"""A recording made to fit a waveform: moved in frequency, and at another sample rate."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import scipy.signal

from ..capture import Capture, Gap, Retune
from ..errors import SettingsError

__all__ = ["resampled", "shifted"]

_LARGEST_RATIO = 64


def shifted(capture: Capture, shift_hz: float) -> Capture:
    """Move the spectrum up by `shift_hz`: y[n] = x[n]·exp(2πj·shift·n/rate).

    What stood at -shift_hz stands at 0 Hz afterwards, and the centre frequency is lower by `shift_hz`.

    Args:
        capture: whose settings other than frequencies stay what they were.
        shift_hz: of magnitude below the sample rate.

    Raises:
        SettingsError: a shift that wraps around.
    """
    if not abs(shift_hz) < capture.sample_rate_hz:
        raise SettingsError(
            f"shift_hz is {shift_hz:g}; its magnitude must be below the sample rate, {capture.sample_rate_hz:g} Hz"
        )
    if shift_hz == 0:
        return capture
    # In turns and float64: a phase that grows without end would lose its last bits.
    turns = np.arange(capture.samples.size) * (shift_hz / capture.sample_rate_hz) % 1.0
    samples = _finite(capture.samples) * np.exp(2j * np.pi * turns)
    return replace(
        capture,
        samples=samples.astype(np.complex64),
        center_frequency_hz=capture.center_frequency_hz - shift_hz,
        retunes=tuple(
            Retune(each.start_sample, each.center_frequency_hz - shift_hz) for each in capture.retunes
        ),
    )  # fmt: skip


def resampled(capture: Capture, sample_rate_hz: float) -> Capture:
    """The same at another sample rate, through a linear-phase low-pass filter; stretches between retunes apart.

    Args:
        capture: at any rate.
        sample_rate_hz: wanted; the ratio lies in 1/64…64 and is met within 1 ppm.

    Raises:
        SettingsError: a ratio out of range.
    """
    ratio = sample_rate_hz / capture.sample_rate_hz
    if not (math.isfinite(ratio) and 1 / _LARGEST_RATIO <= ratio <= _LARGEST_RATIO):
        raise SettingsError(
            f"the recording has {capture.sample_rate_hz:g} samples/s and {sample_rate_hz:g} are asked for; needed a "
            f"ratio of 1/{_LARGEST_RATIO}…{_LARGEST_RATIO}"
        )
    if ratio == 1:
        return capture
    fraction = _fraction(ratio)
    pieces: list[np.ndarray] = []
    gaps: list[Gap] = []
    retunes: list[Retune] = []
    first = 0
    for index, (_, part) in enumerate(capture.parts()):
        samples = scipy.signal.resample_poly(_finite(part.samples), fraction.numerator, fraction.denominator)
        if index:
            retunes.append(Retune(first, part.center_frequency_hz))
        for gap in part.gaps:
            start = math.floor(gap.start_sample * ratio)
            end = min(math.ceil((gap.start_sample + gap.sample_count) * ratio), samples.size)
            gaps.append(Gap(first + start, end - start))
        pieces.append(samples.astype(np.complex64))
        first += samples.size
    return replace(
        capture,
        samples=np.concatenate(pieces),
        sample_rate_hz=sample_rate_hz,
        gaps=tuple(gaps),
        retunes=tuple(retunes),
    )


def _fraction(ratio: float) -> Fraction:
    """The simplest fraction within 1 ppm; denominators up to 2^14 suffice for every ratio above 1/64."""
    tried = (Fraction(ratio).limit_denominator(2**bits) for bits in range(4, 15))
    return next(found for found in tried if abs(float(found) / ratio - 1) <= 1e-6)


def _finite(samples: np.ndarray) -> np.ndarray:
    """One number that is none would spread through a filter."""
    good = np.isfinite(samples)
    return samples if good.all() else np.where(good, samples, np.complex64(0))
