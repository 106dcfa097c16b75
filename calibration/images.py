"""From the lines of a sounding to filters that undo the images, and to the transmitter's constant."""

from __future__ import annotations

import math

import numpy as np

from .filters import fit_taps, taps_response
from .sounding import Sounding

__all__ = ["choose_taps", "loop_response", "receive_images", "rejection_db", "transmit_constant", "transmit_images"]

_LOOP_TAPS = 17


def choose_taps(frequencies: np.ndarray, values: np.ndarray, variance: float, most: int) -> np.ndarray:
    """Taps of as few as explain the values, by the Bayesian information criterion with known noise.

    min_L |values - fit_L|² / v + L ln K over odd L, all of K values having variance v: what one tap explains is not
    given to seven, whose errors would be seven times as large.

    Returns:
        complex128 [L].
    """
    best, chosen = math.inf, np.zeros(1, np.complex128)
    for n_taps in range(1, most + 1, 2):
        taps = fit_taps(frequencies, values, n_taps)
        left = float(np.sum(np.abs(values - taps_response(taps, frequencies)) ** 2))
        score = left / max(variance, 1e-16) + n_taps * math.log(values.size)
        if score < best:
            best, chosen = score, taps
    return chosen


def loop_response(sounding: Sounding) -> np.ndarray:
    """D as taps, complex128 [L], for frequencies where no tone was sent."""
    return choose_taps(sounding.frequencies, sounding.direct, sounding.line_variance, _LOOP_TAPS)


def transmit_images(sounding: Sounding) -> tuple[np.ndarray, np.ndarray]:
    """ρ = E / D of the transmitter and the frequencies at which it was seen, cycles per sample: -k/P.

    What comes after the mixer does the same to the image as to a signal at its place, so D at -k divides it out.
    """
    there = taps_response(loop_response(sounding), -sounding.frequencies)
    return sounding.transmit_image / there, -sounding.frequencies


def receive_images(sounding: Sounding) -> tuple[np.ndarray, np.ndarray]:
    """ρ = (F / D)* of the receiver and its frequencies, -(k/P + Δ)."""
    return np.conj(sounding.receive_image / sounding.direct), -(sounding.frequencies + sounding.offset)


def transmit_constant(sounding: Sounding) -> complex:
    """D with p d + q d* = c: what must be taken off a transmitter's samples to leave no carrier.

    With c/p = c_t / D(0) and ρ = q/p: d = (c/p - ρ (c/p)*) / (1 - |ρ|²).
    """
    middle = np.zeros(1)
    seen = sounding.transmit_dc / complex(taps_response(loop_response(sounding), middle)[0])
    values, frequencies = transmit_images(sounding)
    variance = sounding.line_variance / float(np.mean(np.abs(sounding.direct) ** 2))
    image = complex(taps_response(choose_taps(frequencies, values, variance, 7), middle)[0])
    return (seen - image * seen.conjugate()) / (1 - abs(image) ** 2)


def rejection_db(values: np.ndarray, variance: float) -> float:
    """Power of the signal over that of its image, dB, without what noise of a known variance adds to the figure.

    It is not taken beyond what noise lets one see, v / sqrt(K).
    """
    floor = max(variance, 1e-16) / math.sqrt(values.size)
    return -10 * math.log10(max(float(np.mean(np.abs(values) ** 2)) - variance, floor))
