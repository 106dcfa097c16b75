"""What a receiver looked for in vain, and what there was instead."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import scipy.signal

from sdr_gsc.capture import Capture
from sdr_gsc.phy.received import ReceivedFrame
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.units import to_db

__all__ = ["search_account", "search_sentences"]

_SEGMENT = 1024
_OUTSIDE = 0.05


def search_account(capture: Capture, frames: Sequence[ReceivedFrame], receiver: Receiver) -> dict[str, object]:
    """The blocks ``looked_for`` and ``found`` of a recording in which no picture was found.

    Args:
        capture: as it was searched.
        frames: that were detected.
        receiver: that searched.
    """
    grid, rate_hz = receiver.numerology, capture.sample_rate_hz
    spacing_hz = rate_hz / grid.fft_size
    power = float(np.mean(np.abs(_finite(capture.samples)) ** 2)) if capture.samples.size else 0.0
    band = _band_hz(capture)
    return {
        "looked_for": {
            "fft_size": grid.fft_size,
            "cp_length": grid.cp_length,
            "subcarriers": int(grid.active.size),
            "sample_rate_hz": rate_hz,
            "occupied_hz": (int(grid.active.size) + 1) * spacing_hz,
            "largest_offset_hz": receiver.max_cfo_subcarriers * spacing_hz,
        },
        "found": {
            "preambles": len(frames),
            "duration_s": capture.duration_s,
            "segments": len(capture.parts()),
            "level_dbfs": to_db(power) if power > 0 else None,
            "band_hz": None if band is None else list(band),
        },
    }


def search_sentences(account: Mapping[str, object]) -> tuple[str, ...]:
    """The same for people; none where nothing was looked for in vain."""
    sought, found = account.get("looked_for"), account.get("found")
    if not isinstance(sought, dict) or not isinstance(found, dict):
        return ()
    level = "silence" if found["level_dbfs"] is None else f"{found['level_dbfs']:.1f} dBFS"
    band = found["band_hz"]
    where = "" if band is None else f", nine tenths of the power in {_khz(band[0])}…{_khz(band[1])} kHz"
    return (
        f"looked for frames of {sought['subcarriers']} subcarriers, FFT {sought['fft_size']}, prefix "
        f"{sought['cp_length']}, at {sought['sample_rate_hz']:g} samples/s: {_khz(sought['occupied_hz'])} kHz wide and "
        f"within {_khz(sought['largest_offset_hz'])} kHz of the centre",
        f"found {found['preambles']} preambles and no good header in {found['duration_s']:g} s ({found['segments']} "
        f"segments, {level}{where}); for a waveform of another rate give --rate, for one elsewhere --shift-hz",
    )


def _khz(hertz: float) -> str:
    return f"{hertz / 1e3:.4g}"


def _band_hz(capture: Capture) -> tuple[float, float] | None:
    """Where the middle nine tenths of the power lie; None in silence, and where there are too few samples to tell."""
    samples = _finite(capture.samples)
    if samples.size < _SEGMENT or not samples.any():
        return None
    frequency, density = scipy.signal.welch(
        samples, capture.sample_rate_hz, nperseg=_SEGMENT, return_onesided=False, detrend=False
    )
    order = np.argsort(frequency)
    share = np.cumsum(density[order])
    if not (math.isfinite(share[-1]) and share[-1] > 0):
        return None
    low, high = np.searchsorted(share / share[-1], [_OUTSIDE, 1 - _OUTSIDE])
    return float(frequency[order][low]), float(frequency[order][high])


def _finite(samples: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(samples), samples, np.complex64(0))
