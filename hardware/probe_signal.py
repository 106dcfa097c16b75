"""A waveform that can be told from every other, and how much of it is in a capture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft

__all__ = ["PRESENT", "Found", "find", "probe"]

#: Samples over which a carrier offset hardly turns the phase: an eighth of a turn at 1/1000 of the rate.
_SEGMENT = 128
#: Samples before and behind the start over which echoes are compared.
_AROUND = 8
#: Share of the spectrum that a probe occupies, as much as filters leave alone.
_BAND = 0.6
#: Match of a probe that is there; echoes and noise take some away. Something else stays below a third of it.
PRESENT = 0.15


@dataclass(frozen=True, slots=True)
class Found:
    """The best match of a probe in a capture.

    Attributes:
        match: share of the energy there that is the probe, over pieces of 128 samples: 1 is all of it, whatever the
            phase of each piece; below PRESENT / 3 it is not there.
        start: sample at which it begins.
        coherence: how well the phases of the pieces lie on a line over time: 1 is exactly; a gap spoils it.
        steadiness: how well the echoes of each quarter agree with those of the others: 1 is exactly; a sample too many
            or too few in the middle spoils it.
        gain_db: amplitude of what was found over that of the probe.
    """

    match: float
    start: int
    coherence: float
    steadiness: float
    gain_db: float


def probe(n_samples: int, seed: int, level_db: float = -15.0) -> np.ndarray:
    """Noise in the middle of the band, made from a seed.

    Args:
        n_samples: at least 512.
        seed: probes of other seeds do not resemble it.
        level_db: mean power below full scale; no rail exceeds full scale.

    Returns:
        complex64 [n_samples].
    """
    generator = np.random.default_rng(seed)
    spectrum = generator.standard_normal(n_samples) + 1j * generator.standard_normal(n_samples)
    spectrum[np.abs(fft.fftfreq(n_samples)) > _BAND / 2] = 0
    samples = fft.ifft(spectrum)
    samples *= 10 ** (level_db / 20) / np.sqrt(np.mean(np.abs(samples) ** 2))
    rails = np.clip(np.stack([samples.real, samples.imag]), -0.99, 0.99)
    return (rails[0] + 1j * rails[1]).astype(np.complex64)


def find(samples: np.ndarray, wanted: np.ndarray) -> Found:
    """Look for a probe that lies in a capture as a whole.

    Args:
        samples: complex64 [n].
        wanted: complex64 [m], m >= 512; what is left beyond whole pieces of 128 samples is not looked for.
    """
    wanted = wanted[: wanted.size // _SEGMENT * _SEGMENT]
    lags = samples.size - wanted.size + 1
    if lags < 1:
        return Found(0.0, 0, 0.0, 0.0, -math.inf)
    size = fft.next_fast_len(samples.size + _SEGMENT)
    spectrum = fft.fft(samples.astype(np.complex64), size)
    power = np.concatenate([[0.0], np.cumsum(np.abs(samples.astype(np.complex128)) ** 2)])
    matched, heard = np.zeros(lags), np.zeros(lags)
    pieces = wanted.reshape(-1, _SEGMENT)
    for number, piece in enumerate(pieces):
        at = number * _SEGMENT
        correlation = fft.ifft(spectrum * np.conj(fft.fft(piece, size)))[at : at + lags]
        matched += np.abs(correlation) ** 2 / np.sum(np.abs(piece) ** 2)
        heard += power[at + _SEGMENT : at + _SEGMENT + lags] - power[at : at + lags]
    match = matched / np.maximum(heard, 1e-20)
    # Where next to nothing was received, the shares of it mean nothing.
    match[heard < 1e-3 * heard.max()] = 0
    start = int(np.argmax(match))
    surroundings = np.zeros(wanted.size + 2 * _AROUND, np.complex128)
    low, high = max(0, start - _AROUND), min(samples.size, start + wanted.size + _AROUND)
    surroundings[low - start + _AROUND : high - start + _AROUND] = samples[low:high]
    # The response of every piece: [pieces, lags around the start].
    shifts = np.lib.stride_tricks.sliding_window_view(surroundings, wanted.size).reshape(-1, *pieces.shape)
    responses = np.einsum("lps,ps->pl", shifts, np.conj(pieces))
    coherence, gain = _along(responses[:, _AROUND])
    sent_energy = float(np.sum(np.abs(pieces) ** 2))
    gain_db = 20 * math.log10(gain / sent_energy) if gain > 0 else -math.inf
    return Found(float(match[start]), start, coherence, _likeness(responses), gain_db)


def _along(values: np.ndarray) -> tuple[float, float]:
    """Sum of complex [n] with the best line taken out of their phases: relative to the largest sum, and as it is."""
    total = float(np.sum(np.abs(values)))
    if total == 0:
        return 0.0, 0.0
    # A finely resolved transform over the pieces finds the line.
    along = float(np.abs(fft.fft(values, 16 * fft.next_fast_len(values.size))).max())
    return along / total, along


def _likeness(responses: np.ndarray) -> float:
    """Smallest likeness, 0 ... 1, of the powers of the responses in any two quarters."""
    powers = np.stack([np.sum(np.abs(part) ** 2, axis=0) for part in np.array_split(responses, 4)])
    norms = np.linalg.norm(powers, axis=1, keepdims=True)
    if not norms.all():
        return 0.0
    directions = powers / norms
    return float((directions @ directions.T).min())
