"""Sequences and pulses of the textbooks, for experiments beside the default waveform, which uses neither."""

from __future__ import annotations

import math

import numpy as np

from ..errors import SettingsError

__all__ = ["root_raised_cosine", "zadoff_chu"]


def zadoff_chu(root: int, length: int) -> np.ndarray:
    """Zadoff-Chu sequence: constant amplitude, zero periodic autocorrelation at every lag but 0.

    x(m) = exp(-jπ·root·m(m + 1)/length) for odd lengths, as in 3GPP TS 38.211 clause 5.2.2.1, and
    exp(-jπ·root·m²/length) for even ones (D. Chu, IEEE Trans. Inf. Theory 18(4), 1972, p. 531).

    Args:
        root: coprime to `length`; it counts modulo `length` for odd lengths.
        length: samples, >= 1.

    Returns:
        complex64 [length], unit modulus.

    Raises:
        SettingsError: a root that shares a factor with the length: the autocorrelation would not vanish.

    >>> zadoff_chu(1, 3).round(3)
    array([ 1. +0.j   , -0.5-0.866j,  1. -0.j   ], dtype=complex64)
    """
    if length < 1 or math.gcd(root, length) != 1:
        raise SettingsError(
            f"root {root} and length {length}; needed: length >= 1 and no common factor, a prime length has none"
        )
    m = np.arange(length, dtype=np.int64)
    # The phase repeats after 2·length: whole numbers keep it exact however long the sequence.
    turns = (root % (2 * length)) * (m * (m + length % 2) % (2 * length)) % (2 * length)
    return np.exp(-1j * np.pi / length * turns).astype(np.complex64)


def root_raised_cosine(n_taps: int, roll_off: float, samples_per_symbol: int) -> np.ndarray:
    """Root-raised-cosine pulse of unit energy, centred in the taps.

    With t in symbol periods and roll-off b,
    h(t) = [sin(πt(1 - b)) + 4bt·cos(πt(1 + b))] / [πt(1 - (4bt)²)]
    (J. Proakis, Digital Communications, chapter 9), here scaled to Σh² = 1. Filtered by itself once more, from two
    samples per symbol on, it is 1 at its own symbol and, as far as the taps reach, 0 at all others.

    Args:
        n_taps: number of taps, >= 1; odd ones have a tap at the peak.
        roll_off: 0…1.
        samples_per_symbol: >= 1.

    Returns:
        float64 [n_taps], symmetric.

    Raises:
        SettingsError: a value out of range.

    >>> root_raised_cosine(5, 0.5, 2).round(3)
    array([-0.075,  0.411,  0.807,  0.411, -0.075])
    """
    if n_taps < 1 or not 0 <= roll_off <= 1 or samples_per_symbol < 1:
        raise SettingsError(
            f"n_taps {n_taps}, roll_off {roll_off}, samples_per_symbol {samples_per_symbol}; needed: n_taps >= 1, "
            "roll_off in 0…1, samples_per_symbol >= 1"
        )
    t = (np.arange(n_taps) - (n_taps - 1) / 2) / samples_per_symbol
    pulse = np.empty(n_taps)
    at_peak = t == 0
    # Numerator and denominator vanish together at |t| = 1/(4b) as well; rounding may miss the point by a little.
    at_pole = np.abs(np.abs(4 * roll_off * t) - 1) < 1e-9
    plain = ~(at_peak | at_pole)
    s = t[plain]
    numerator = np.sin(np.pi * s * (1 - roll_off)) + 4 * roll_off * s * np.cos(np.pi * s * (1 + roll_off))
    pulse[plain] = numerator / (np.pi * s * (1 - (4 * roll_off * s) ** 2))
    pulse[at_peak] = 1 - roll_off + 4 * roll_off / np.pi
    if at_pole.any():
        angle = np.pi / (4 * roll_off)
        pulse[at_pole] = roll_off * ((1 + 2 / np.pi) * np.sin(angle) + (1 - 2 / np.pi) * np.cos(angle)) / np.sqrt(2)
    return pulse / np.sqrt(np.sum(pulse**2))
