"""Mixers that are not quite balanced: what they do to a signal, how to find it out, and how to undo it.

A mixer whose rails differ in gain and in phase turns x into μx + νx*. Only the ratio β = ν/μ matters: the rest is gain
and phase like any other. The image lies 20 log10|β| below the signal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .errors import CalibrationError

__all__ = ["ImageFit", "Images", "correct_received", "fit_image", "image_rejection_db", "predistort", "separate_images"]

#: Phases between sender and receiver that are too alike to tell their images apart.
_LEAST_SPREAD = 0.05


@dataclass(frozen=True, slots=True)
class ImageFit:
    """One capture of a known signal: y = a·s + b·s* + d.

    Attributes:
        direct: a.
        image: b.
        offset: d, the constant.
        residual: mean squared error.
    """

    direct: complex
    image: complex
    offset: complex
    residual: float


@dataclass(frozen=True, slots=True)
class Images:
    """Image of each mixer relative to its signal.

    Attributes:
        transmit: β of the sender.
        receive: β of the receiver.
    """

    transmit: complex
    receive: complex


def fit_image(received: np.ndarray, sent: np.ndarray) -> ImageFit:
    """Least squares of a capture on the known signal, its conjugate, and a constant.

    Args:
        received: complex64 [n].
        sent: complex64 [n], as it arrived: delayed, filtered and turned by the carrier offset. It must not be real up
            to a phase: signal and image would be the same.

    Raises:
        CalibrationError: signal and image cannot be told apart.
    """
    columns = np.stack([sent, sent.conj(), np.ones_like(sent)], axis=1).astype(np.complex128)
    normal = columns.conj().T @ columns
    if np.linalg.cond(normal) > 1e9:
        raise CalibrationError("signal, image and constant cannot be told apart; send a signal of both sidebands")
    direct, image, offset = np.linalg.solve(normal, columns.conj().T @ received.astype(np.complex128))
    error = received - columns @ np.array([direct, image, offset])
    return ImageFit(complex(direct), complex(image), complex(offset), float(np.mean(np.abs(error) ** 2)))


def separate_images(fits: list[ImageFit]) -> Images:
    """Images of sender and receiver from several captures with other phases between the two.

    Through a channel h the sender's image arrives as hβ_t, the receiver's as h*β_r: b/a = β_t + β_r exp(-2jφ), φ being
    the phase of a. Products of both images are neglected: -60 dB and less where each is at -30 dB or less.

    Args:
        fits: of at least two captures, with the same gains.

    Raises:
        CalibrationError: the captures' phases are too alike.
    """
    ratios = np.array([fit.image / fit.direct for fit in fits])
    turns = np.array([np.conj(fit.direct) / fit.direct for fit in fits])
    if len(fits) < 2 or 1 - abs(turns.mean()) < _LEAST_SPREAD:
        raise CalibrationError(
            "phase between sender and receiver did not change, so their images cannot be told apart; measure again, or "
            "use another delay"
        )
    columns = np.stack([np.ones_like(turns), turns], axis=1)
    (transmit, receive), *_ = np.linalg.lstsq(columns, ratios, rcond=None)
    return Images(complex(transmit), complex(receive))


def correct_received(samples: np.ndarray, image: complex, offset: complex = 0j) -> np.ndarray:
    """Undo a receiver's constant and image: (y' - β y'*) / (1 - |β|²) with y' = y - d; complex64 like `samples`."""
    centred = samples - np.complex64(offset)
    corrected: np.ndarray = (centred - np.complex64(image) * centred.conj()) / np.float32(1 - abs(image) ** 2)
    return corrected.astype(np.complex64)


def predistort(samples: np.ndarray, image: complex, offset: complex = 0j) -> np.ndarray:
    """What a sender must be given so that its image and leakage cancel: (x - β x*) / (1 - |β|²) - d, complex64."""
    turned: np.ndarray = (samples - np.complex64(image) * samples.conj()) / np.float32(1 - abs(image) ** 2)
    return (turned - np.complex64(offset)).astype(np.complex64)


def image_rejection_db(image: complex) -> float:
    """How far the image lies below the signal, dB."""
    return -20 * math.log10(max(abs(image), 1e-12))
