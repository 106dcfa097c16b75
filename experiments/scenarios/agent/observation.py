"""Observations as semantic symbols, and what the received symbols say of them.

The observation v = (cos a, sin a, w / 4) is sent as its direction alone, u = sqrt(3) v / |v|: cos^2 + sin^2 = 1, so
that the direction tells angle and speed, and no scale is needed beside the symbols. `VectorCode` spreads u over any
number of values z = H u, none beyond sqrt(3). Each is quantized by L levels a step apart; two make one complex symbol
of mean power about 1, and more symbols repeat u.

A pendulum that hardly moves would meet the same quantization error again and again, which no averaging over time mends.
Therefore values are dithered (Schuchman 1964): q(z + d) is sent and d subtracted from what arrives, where both ends
draw d from the number of the control step. The error is then independent of z, of variance D = step^2 / 12.

Of what arrives, the posterior N(mean, covariance) of u under the prior N(0, I) is all that matters: values enter with
weights 1 / (sigma_k^2 + D), lost ones with weight 0, and a lost frame leaves the prior. With the measured variances it
is a sufficient statistic of the symbols, and it is what controllers are given.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.quantizer import Quantizer
from sdr_gsc.semantic.vector_code import VectorCode

from .pendulum import MAX_SPEED

__all__ = [
    "DIMENSIONS",
    "FEATURES",
    "NOMINAL_VARIANCE",
    "Belief",
    "ObservationCode",
    "direction_of",
    "posterior",
    "state_along",
]

DIMENSIONS = 3
#: Numbers by which a policy knows one reception: mean, log deviations and correlations of the posterior, and its state.
FEATURES = 11
#: A speed of this, in rad/s, weighs as much as the unit vector of the angle.
_SPEED_SCALE = 4.0
#: Of every symbol, for receivers that measure none.
NOMINAL_VARIANCE = 0.1
_DITHERS, _DITHER_SEED = 1024, 0xD17


def direction_of(observation: np.ndarray) -> np.ndarray:
    """U of observations [..., 3] of cosine, sine and speed: float64 [..., 3] with mean square 1."""
    vector = np.asarray(observation, np.float64) / np.array([1.0, 1.0, _SPEED_SCALE])
    return vector * np.sqrt(DIMENSIONS / np.sum(vector**2, -1, keepdims=True))


def state_along(direction: np.ndarray) -> np.ndarray:
    """States, float64 [..., 2] of angle in rad and speed in rad/s, by directions [..., 3]; any length will do."""
    direction = np.asarray(direction, np.float64)
    in_plane = np.maximum(np.hypot(direction[..., 0], direction[..., 1]), 1e-9)
    speed = np.clip(_SPEED_SCALE * direction[..., 2] / in_plane, -MAX_SPEED, MAX_SPEED)
    return np.stack([np.arctan2(direction[..., 1], direction[..., 0]), speed], -1)


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """What receptions tell about u: N(mean, covariance), for any number of them at once.

    Attributes:
        mean: float64 [..., 3].
        covariance: float64 [..., 3, 3].
        heard: bool [...]; without any value, the belief is the prior.
    """

    mean: np.ndarray
    covariance: np.ndarray
    heard: np.ndarray

    def features(self) -> np.ndarray:
        """Mean, log deviations, correlations, the mean's state, float32 [..., 11]; zeros where nothing was heard."""
        deviation = np.sqrt(np.diagonal(self.covariance, axis1=-2, axis2=-1))
        first, second = np.triu_indices(DIMENSIONS, 1)
        product = deviation[..., first] * deviation[..., second]
        correlation = self.covariance[..., first, second] / product
        found: np.ndarray = np.concatenate(
            [self.mean, np.log(deviation), correlation, self._scaled_state()], -1
        ).astype(np.float32)
        return found

    def features_without_variances(self) -> np.ndarray:
        """Mean, and whether anything was heard, in the places of `features`: float32 [..., 11]."""
        found = np.zeros((*self.mean.shape[:-1], FEATURES), np.float32)
        found[..., :DIMENSIONS] = self.mean
        found[..., DIMENSIONS : 2 * DIMENSIONS] = np.where(self.heard, -1.0, 0.0)[..., None]
        found[..., -2:] = self._scaled_state()
        return found

    def state(self) -> np.ndarray:
        """Angle in rad and speed in rad/s of the mean, float64 [..., 2]; zeros where nothing was heard."""
        return state_along(self.mean)

    def _scaled_state(self) -> np.ndarray:
        return self.state() / np.array([1.0, _SPEED_SCALE / 2])


def posterior(rows: np.ndarray, values: np.ndarray, variance: np.ndarray) -> Belief:
    """Belief from values y = H u + n: covariance C = (I + H^T N^-1 H)^-1 and mean C H^T N^-1 y.

    Args:
        rows: H, float64 [R, 3].
        values: y, float64 [..., R]; anything where the variance is inf.
        variance: diagonal of N, float64 [..., R], > 0, inf where nothing was heard.
    """
    weight = 1 / variance
    heard = weight > 0
    weighted = np.where(heard, weight * np.where(heard, values, 0), 0)
    products = (rows[:, :, None] * rows[:, None, :]).reshape(rows.shape[0], -1)
    precision = (weight @ products).reshape(*weight.shape[:-1], DIMENSIONS, DIMENSIONS) + np.eye(DIMENSIONS)
    covariance = np.linalg.inv(precision)
    mean = (covariance @ (weighted @ rows)[..., None])[..., 0]
    return Belief(mean, covariance, np.asarray(heard.any(-1)))


@dataclass(frozen=True, slots=True)
class ObservationCode:
    """Both ends' code: an observation as `symbols` complex symbols.

    Attributes:
        symbols: per observation, >= 1.
        levels: quantizer levels per real dimension.

    Raises:
        SettingsError: no symbols, or levels that the quantizer does not have.
    """

    symbols: int
    levels: int = 32
    vector_code: VectorCode = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.symbols < 1:
            raise SettingsError(f"an observation in {self.symbols} symbols; needed one or more")
        Quantizer.of(self.levels)  # refuses levels that it does not have
        object.__setattr__(self, "vector_code", VectorCode(np.ones(DIMENSIONS)))

    def points(self, observation: np.ndarray, step: int) -> np.ndarray:
        """Symbols, complex64 [symbols], of an observation [3] of cosine, sine and speed in a control step."""
        values = self.vector_code.spread(direction_of(observation), 2 * self.symbols)
        axes = self.quantized(values + self.dither(step)) * np.float32(np.sqrt(0.5))
        return np.ascontiguousarray(axes, np.float32).view(np.complex64)

    def quantized(self, values: np.ndarray) -> np.ndarray:
        """Values, float32 of any shape, at their nearest levels."""
        quantizer = Quantizer.of(self.levels)
        stretch = np.float32(quantizer.step / self.step)
        return quantizer.values(quantizer.indices(values.astype(np.float32) * stretch)) / stretch

    @property
    def step(self) -> float:
        """Distance between levels, in units of the values."""
        # The outermost cells hold the largest value with the largest dither.
        return 2 * float(np.sqrt(DIMENSIONS)) / (self.levels - 1)

    @property
    def distortion(self) -> float:
        """D: mean squared error of a quantized value."""
        return self.step**2 / 12

    def belief(self, received: np.ndarray, variance: np.ndarray, step: int) -> Belief:
        """What received symbols, complex64 [symbols], with noise variances E|n|^2, float32 [symbols], tell."""
        return self._belief(*self._combined(received, variance, step))

    def flat_belief(self, received: np.ndarray, variance: np.ndarray, step: int) -> Belief:
        """The same by a receiver that measures no variances: every symbol that arrived counts like every other."""
        flat = np.where(np.isfinite(variance), np.float32(NOMINAL_VARIANCE), np.float32(np.inf))
        return self._belief(*self._combined(received, flat, step))

    def nothing(self) -> Belief:
        """What is known without a frame: the prior."""
        return Belief(np.zeros(DIMENSIONS), np.eye(DIMENSIONS), np.array(False))

    def _combined(self, received: np.ndarray, variance: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        # A value is sqrt(2) times its axis, whose noise is half of the symbol's: the variances are equal.
        axes = np.ascontiguousarray(received, np.complex64).view(np.float32)
        values = axes * np.float32(np.sqrt(2)) - self.dither(step)
        return self.vector_code.combine(values, np.repeat(variance, 2), self.distortion)

    def _belief(self, values: np.ndarray, variance: np.ndarray) -> Belief:
        return posterior(self.vector_code.rows(values.size), values, variance)

    def dither(self, step: int) -> np.ndarray:
        """What is added to the values of a control step before they are quantized, float32 [2 symbols]."""
        # A repetition has its row's dither: `combine` takes the errors of repetitions to be the same.
        distinct = _dithers()[step % _DITHERS, : min(2 * self.symbols, _dithers().shape[1])]
        return np.resize(np.float32(self.step) * distinct, 2 * self.symbols)


@cache
def _dithers() -> np.ndarray:
    """Dither by control step and row, float32 [1024, 12], in units of the step: evenly within ±1/2."""
    rows = VectorCode(np.ones(DIMENSIONS)).rows(1 << 16).shape[0]
    drawn = np.random.Generator(np.random.PCG64(_DITHER_SEED)).uniform(-0.5, 0.5, (_DITHERS, rows)).astype(np.float32)
    drawn.setflags(write=False)
    return drawn
