"""Channel estimation: taps that fit the cyclic prefix, shrunk towards zero as much as their noise deserves.

LMMSE with a power delay profile p_l over D = CP taps, R = F diag(p) Fᴴ with F the DFT rows of the occupied tones (Li,
Cimini, Sollenberger, IEEE Trans. Commun. 46(7), 1998). A uniform profile would be safe and lose some 2 dB on short
channels; so a few profiles compete, exponential and rectangular ones of several lengths, and the likeliest wins.
With R = U Λ Uᴴ the estimate from a least-squares observation z of noise variance v is

    H = U diag(λ p / (λ p + v)) Uᴴ z,      error variance of tone k = Σ_j |U_kj|² λ_j p v / (λ_j p + v)

with p the mean power of the channel. Everything happens in the D coordinates Uᴴ z.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import scipy.special

from .preamble import Preamble

#: Lengths of the exponential profiles, as fractions of the cyclic prefix, and what all taps have beside them: a path
#: that falls between two samples leaks into all.
_EXPONENTIAL = tuple((length, floor) for length in (0.03, 0.06, 0.12, 0.25) for floor in (1e-4, 1e-2))
#: Lengths of the rectangular profiles; a path that falls on a sample leaks nowhere.
_RECTANGULAR = (0.06, 0.125, 0.25, 0.5)
_NO_LEAKAGE = 1e-6

__all__ = ["ChannelEstimate", "ChannelEstimator", "Observations"]

#: Doppler shifts tried, in cycles over the whole frame; 0 is the static channel.
_DOPPLER_GRID = np.concatenate([[0.0], np.geomspace(0.02, 2.0, 21)])
#: Log-likelihood by which a moving channel must beat the static one.
_MOVING = 3.0


@dataclass(frozen=True, slots=True)
class Observations:
    """What the known symbols of a frame say about the channel.

    Attributes:
        times: float64 [J], when each was seen, in samples.
        symbols: float64 [J], how many symbols each is the mean of.
        coordinates: complex64 [J, D], noisy coordinates c.
        noise_variance: noise variance of a coordinate of one symbol, > 0.
    """

    times: np.ndarray
    symbols: np.ndarray
    coordinates: np.ndarray
    noise_variance: float


@dataclass(frozen=True, slots=True)
class ChannelEstimate:
    """Channel of the occupied tones at one or several times.

    Attributes:
        response: complex64 [T or 1, Na], posterior mean; one row when the channel stands still.
        error_variance: float32 [T or 1, Na], posterior variance of each entry.
        doppler_cycles: cycles per sample of the Doppler shift that explains the observations best; 0 for static.
    """

    response: np.ndarray
    error_variance: np.ndarray
    doppler_cycles: float


@dataclass(frozen=True, slots=True)
class _Profile:
    """A power delay profile, in its eigenvectors.

    Attributes:
        turn: complex64 [D, D], from coordinates in the common basis to the profile's own, c' = turn c.
        vectors: complex64 [Na, D], U.
        powers: float32 [Na, D], |U|².
        eigenvalues: float64 [D], Λ, for a channel of mean power 1.
    """

    turn: np.ndarray
    vectors: np.ndarray
    powers: np.ndarray
    eigenvalues: np.ndarray


class ChannelEstimator:
    """Estimator for one preamble, whose subspace it also lends to detection and synchronization.

    Args:
        preamble: training symbols and grid.
        slack: samples before the first path, where only leakage is expected; 3/16 of the prefix by default.
    """

    def __init__(self, preamble: Preamble, slack: int | None = None) -> None:
        grid = preamble.numerology
        self.taps = grid.cp_length
        #: Samples between the start of the FFT window and the first path.
        self.slack = max(1, grid.cp_length * 3 // 16) if slack is None else slack
        signed = grid.signed(grid.active)
        dft = np.exp(-2j * np.pi * np.outer(signed, np.arange(self.taps)) / grid.fft_size)
        basis, triangle = np.linalg.qr(dft)
        self._basis = basis.astype(np.complex64)
        late = (np.arange(self.taps) - self.slack) / self.taps
        weights = [np.ones(self.taps)]
        weights += [np.where(late >= 0, np.exp(-late / length), 0.0) + floor for length, floor in _EXPONENTIAL]
        weights += [np.where((late >= 0) & (late < length), 1.0, _NO_LEAKAGE) for length in _RECTANGULAR]
        self._profiles = [_profile(triangle, basis, each) for each in weights]
        self._turns = np.array([profile.turn for profile in self._profiles])
        self._all_eigenvalues = np.array([profile.eigenvalues for profile in self._profiles])

    @property
    def basis(self) -> np.ndarray:
        """complex64 [Na, D], orthonormal columns that span every channel of D taps on the occupied tones."""
        return self._basis

    def coordinates(self, tones: np.ndarray) -> np.ndarray:
        """Coordinates c of least-squares observations [..., Na], complex64 [..., D]."""
        return tones @ self._basis.conj()

    def static(self, coordinates: np.ndarray, noise_variance: float) -> ChannelEstimate:
        """Estimate from one observation.

        Args:
            coordinates: complex64 [D].
            noise_variance: of each coordinate, > 0.
        """
        profile, power = self._likeliest(coordinates, noise_variance)
        prior = power * profile.eigenvalues
        gain = prior / (prior + noise_variance)
        response = profile.vectors @ (gain * (profile.turn @ coordinates)).astype(np.complex64)
        variance = profile.powers @ (gain * noise_variance).astype(np.float32)
        return ChannelEstimate(response[None, :], variance[None, :], 0.0)

    def track(self, observations: Observations, times: np.ndarray) -> ChannelEstimate:
        """Estimate from several observations, at `times`.

        The Doppler shift f that makes the observations likeliest is chosen from a grid; taps move independently with
        the correlation J0(2π f Δt) of isotropic scattering (Clarke 1968). The static channel is kept unless a moving
        one explains the observations better than its extra parameter would by chance.

        Args:
            observations: at least one.
            times: float64 [T], samples.
        """
        scale = np.sqrt(observations.symbols / observations.noise_variance)
        best = int(np.argmax(observations.symbols))
        # The profile from the observation with the least noise: an average would cancel what moves.
        profile, power = self._likeliest(
            observations.coordinates[best], observations.noise_variance / float(observations.symbols[best])
        )
        prior = power * profile.eigenvalues
        scaled = (observations.coordinates @ profile.turn.T) * scale[:, None]
        values, vectors = _decompositions(observations.times.tobytes(), observations.symbols.tobytes())
        # Per Doppler shift, eigenvector of the time correlation and tap: variance of the whitened observation.
        total = 1.0 + (values[:, :, None] / observations.noise_variance) * prior
        turned = vectors.swapaxes(1, 2) @ scaled
        scores = -np.sum((turned.real**2 + turned.imag**2) / total + np.log(total), axis=(1, 2))
        at = int(np.argmax(scores))
        if scores[at] - scores[0] < _MOVING:
            at = 0
        reach = max(float(np.ptp(observations.times)), 1.0)
        doppler = float(_DOPPLER_GRID[at]) / reach
        if at == 0:
            times = times[:1]
        cross = scipy.special.j0(2 * np.pi * doppler * (times[:, None] - observations.times[None, :])) * scale
        mixed = cross @ vectors[at]
        mean = (mixed @ (turned[at] / total[at])) * prior
        variance = prior * np.maximum(1.0 - (mixed**2 @ (1.0 / total[at])) * prior, 0.0)
        return ChannelEstimate(
            response=mean.astype(np.complex64) @ profile.vectors.T,
            error_variance=variance.astype(np.float32) @ profile.powers.T,
            doppler_cycles=doppler,
        )

    def _likeliest(self, coordinates: np.ndarray, noise_variance: float) -> tuple[_Profile, float]:
        """The profile that explains an observation best, and the mean channel power."""
        energy = float(np.sum(coordinates.real**2 + coordinates.imag**2))
        power = max(energy - self.taps * noise_variance, 0.05 * energy, 1e-30) / self._basis.shape[0]
        turned = self._turns @ coordinates
        total = power * self._all_eigenvalues + noise_variance
        scores = -np.sum((turned.real**2 + turned.imag**2) / total + np.log(total), axis=1)
        return self._profiles[int(np.argmax(scores))], power


def _profile(triangle: np.ndarray, basis: np.ndarray, weights: np.ndarray) -> _Profile:
    """Eigenvectors of F diag(weights) Fᴴ with F = basis·triangle, from a matrix of D columns only."""
    rotation, singular, _ = np.linalg.svd(triangle * np.sqrt(weights / weights.sum()))
    vectors = basis @ rotation
    return _Profile(
        turn=rotation.conj().T.astype(np.complex64),
        vectors=vectors.astype(np.complex64),
        powers=(vectors.real**2 + vectors.imag**2).astype(np.float32),
        eigenvalues=singular**2,
    )


@functools.lru_cache(maxsize=64)
def _decompositions(times: bytes, symbols: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues [G, J] and eigenvectors [G, J, J] of the time correlation at each Doppler shift of the grid.

    Rows and columns are weighted with the square root of the symbols averaged, so that noise of unit variance per
    symbol is white. The same for every frame of one length, hence remembered.
    """
    when = np.frombuffer(times)
    weight = np.sqrt(np.frombuffer(symbols))
    lags = (when[:, None] - when[None, :]) / max(float(np.ptp(when)), 1.0)
    correlation = scipy.special.j0(2 * np.pi * _DOPPLER_GRID[:, None, None] * lags)
    values, vectors = np.linalg.eigh(correlation * weight[:, None] * weight[None, :])
    return np.maximum(values, 0.0), vectors
