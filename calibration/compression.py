"""Amplifiers that give way at their top, and what clipping costs a signal like noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.special import erfc

from .errors import CalibrationError

__all__ = ["Compression", "clipping_distortion", "fit_compression"]


@dataclass(frozen=True, slots=True)
class Compression:
    """A Rapp amplifier y = g x / (1 + (x/a)^(2p))^(1/2p), x being the amplitude given to it.

    Attributes:
        gain: g, of small signals.
        saturation: a, amplitude at its input.
        smoothness: p.
        residual_db: root mean square of what the fit leaves, dB.
    """

    gain: float
    saturation: float
    smoothness: float
    residual_db: float

    @property
    def one_db(self) -> float:
        """Amplitude at the input that is compressed by 1 dB: a (10^(p/10) - 1)^(1/2p)."""
        return self.saturation * (10 ** (self.smoothness / 10) - 1) ** (1 / (2 * self.smoothness))

    def output(self, amplitude: np.ndarray) -> np.ndarray:
        """Amplitude behind it, like `amplitude`."""
        power = (amplitude / self.saturation) ** (2 * self.smoothness)
        return np.asarray(self.gain * amplitude / (1 + power) ** (1 / (2 * self.smoothness)))


def fit_compression(given: np.ndarray, got: np.ndarray, got_deviation: np.ndarray) -> Compression:
    """Weighted least squares in dB.

    Args:
        given: float [n], amplitudes at the input, ascending, n >= 6.
        got: float [n], amplitudes at the output.
        got_deviation: float [n], their standard deviations.

    Raises:
        CalibrationError: too few points, or amplitudes that are not positive.
    """
    if given.size < 6 or not (given > 0).all() or not (got > 0).all():
        raise CalibrationError("compression needs at least 6 positive amplitudes; measure more, or raise the gain")
    got_db = 20 * np.log10(got)
    sigma_db = np.maximum(20 / math.log(10) * got_deviation / got, 1e-4)

    def model(parameters: np.ndarray) -> np.ndarray:
        gain_db, log_a, log_p = parameters
        p = math.exp(log_p)
        bend = np.logaddexp(0.0, 2 * p * (np.log(given) - log_a)) / (2 * p)
        return np.asarray(gain_db + 20 * np.log10(given) - 20 / math.log(10) * bend)

    start = np.array([got_db[0] - 20 * math.log10(given[0]), math.log(1.5 * given[-1]), math.log(2.0)])
    low, high = [-200.0, math.log(0.05 * given[-1]), math.log(0.5)], [200.0, math.log(100 * given[-1]), math.log(20.0)]
    # A weak prior on p decides only where the amplifier is so linear that the data do not.
    found = least_squares(
        lambda q: np.concatenate([(model(q) - got_db) / sigma_db, [(q[2] - math.log(2.0)) / 1.0]]),
        start, bounds=(low, high), x_scale=[1.0, 0.1, 0.3],
    )  # fmt: skip
    gain_db, log_a, log_p = found.x
    left = float(np.sqrt(np.mean((model(found.x) - got_db) ** 2)))
    return Compression(10 ** (gain_db / 20), math.exp(log_a), math.exp(log_p), left)


def clipping_distortion(backoff_db: float) -> float:
    """Mean |x - clip(x)|² of a complex Gaussian signal of unit power whose magnitude is cut at 10^(backoff/20).

    ∫_A^∞ (r - A)² 2r e^{-r²} dr = e^{-γ} - sqrt(πγ) erfc(sqrt γ), γ = A².

    >>> round(10 * math.log10(clipping_distortion(6.0)), 1)
    -27.5
    """
    gamma = 10 ** (backoff_db / 10)
    return max(math.exp(-gamma) - math.sqrt(math.pi * gamma) * float(erfc(math.sqrt(gamma))), 0.0)
