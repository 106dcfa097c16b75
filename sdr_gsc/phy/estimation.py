"""Channel estimation: taps that fit the cyclic prefix, shrunk towards zero as much as their noise deserves.

LMMSE with a power delay profile p_l over D = CP taps, R = F diag(p) Fᴴ with F the DFT rows of the occupied tones (Li,
Cimini, Sollenberger, IEEE Trans. Commun. 46(7), 1998). A uniform profile would be safe and lose some 2 dB on short
channels; so a few profiles compete, exponential and rectangular ones of several lengths, and the likeliest wins.
With R = U Λ Uᴴ the estimate from a least-squares observation z of noise variance v is

    H = U diag(λ p / (λ p + v)) Uᴴ z,      error variance of tone k = Σ_j |U_kj|² λ_j p v / (λ_j p + v)

with p the mean power of the channel. Everything happens in the D coordinates Uᴴ z; what lies outside them (the tails of
a path between two samples) joins where it rises above the noise.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import scipy.special

from ._channel_kernel import ChannelTables, likeliest_profile, moving_evidence, stands_still, static_estimate, together
from .preamble import Preamble

#: Lengths of the exponential profiles, as fractions of the cyclic prefix, and what all taps have beside them: a path
#: that falls between two samples leaks into all.
_EXPONENTIAL = tuple((length, floor) for length in (0.03, 0.06, 0.12, 0.25) for floor in (1e-4, 1e-2))
#: Lengths of the rectangular profiles; a path that falls on a sample leaks nowhere.
_RECTANGULAR = (0.06, 0.125, 0.25, 0.5)
#: Lengths of the exponential profiles that end after four times their length, some 17 dB down, as simulated ones do.
_TRUNCATED = (0.03, 0.06, 0.125, 0.25)
_NO_LEAKAGE = 1e-6
#: A slow decay over leakage: length, end and floor of one of the profiles that place the first path.
_SLOW = (0.12, np.inf, 1e-2)

__all__ = ["ChannelEstimate", "ChannelEstimator", "Observations"]

#: Doppler shifts tried, in cycles over a run of observations; 0 is the static channel.
_DOPPLER_GRID = np.concatenate([[0.0], np.geomspace(0.02, 2.0, 21)])
#: Taps beyond which fewer profiles compete.
_MANY_TAPS = 64
#: Samples to either side in which the window is settled.
_SETTLE = 3
#: Observations judged together, at most; longer frames are estimated in overlapping runs of as many.
_RUN = 16
#: Taps of the smallest subspace.
_LEAST_TAPS = 4


@dataclass(frozen=True, slots=True)
class Observations:
    """What the known symbols of a frame say about the channel.

    Attributes:
        times: float64 [J], when each was seen, in samples, ascending.
        symbols: float64 [J], how many symbols each is the mean of.
        tones: complex64 [J, Na], noisy channel.
        noise_variance: noise variance of a tone of one symbol, > 0.
    """

    times: np.ndarray
    symbols: np.ndarray
    tones: np.ndarray
    noise_variance: float

    def part(self, which: slice) -> Observations:
        """Some of them."""
        return Observations(self.times[which], self.symbols[which], self.tones[which], self.noise_variance)


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


class ChannelEstimator:
    """Estimator for one preamble, whose subspace it also lends to detection and synchronization.

    Args:
        preamble: training symbols and grid.
        slack: samples before the first path, where only leakage is expected; a quarter of the prefix by default.
    """

    def __init__(self, preamble: Preamble, slack: int | None = None) -> None:
        grid = preamble.numerology
        # Enough to hold a path between two samples, few enough that the tones outnumber them.
        self.taps = max(min(max(grid.cp_length, _LEAST_TAPS), grid.active.size // 2), 1)
        #: Samples between the start of the FFT window and the first path.
        self.slack = min(max(1, grid.cp_length // 4), self.taps - 1) if slack is None else slack
        signed = grid.signed(grid.active)
        dft = np.exp(-2j * np.pi * np.outer(signed, np.arange(self.taps)) / grid.fft_size)
        basis, triangle = np.linalg.qr(dft)
        late = (np.arange(self.taps) - self.slack) / self.taps

        def exponential(length: float, end: float, floor: float) -> np.ndarray:
            return np.where((late >= 0) & (late < end), np.exp(-late / length), 0.0) + floor

        def rectangular(length: float) -> np.ndarray:
            return np.where((late >= 0) & (late < length), 1.0, _NO_LEAKAGE)

        weights = [np.ones(self.taps)]
        weights += [exponential(length, np.inf, floor) for length, floor in _EXPONENTIAL]
        weights += [rectangular(length) for length in _RECTANGULAR]
        weights += [exponential(length, 4 * length, _NO_LEAKAGE) for length in _TRUNCATED]
        fronts = [rectangular(_RECTANGULAR[0]), exponential(*_SLOW)]
        fronts += [exponential(length, 4 * length, _NO_LEAKAGE) for length in _TRUNCATED[1:3]]
        if self.taps > _MANY_TAPS:
            # A profile is D² numbers: more than the processor's cache holds would come from memory each time.
            weights, fronts = weights[::3], fronts[:2]
        moves = np.exp(2j * np.pi * np.outer(np.arange(-_SETTLE, _SETTLE + 1), signed) / grid.fft_size)
        self.tables = _tables(basis, triangle, weights, fronts, moves)

    @property
    def basis(self) -> np.ndarray:
        """complex64 [Na, D], orthonormal columns that span every channel of D taps on the occupied tones."""
        return self.tables.basis

    def coordinates(self, tones: np.ndarray) -> np.ndarray:
        """Coordinates c of least-squares observations [..., Na], complex64 [..., D]."""
        return tones @ self.tables.dual

    def track(self, observations: Observations, times: np.ndarray) -> ChannelEstimate:
        """Estimate from several observations, at `times`.

        The Doppler shift f that makes the observations likeliest is chosen from a grid; taps move independently with
        the correlation J0(2π f Δt) of isotropic scattering (Clarke 1968). The static channel is kept unless a moving
        one explains the observations better than its extra parameter would by chance.

        Args:
            observations: at least one.
            times: float64 [T], samples, ascending.
        """
        count = observations.times.size
        if count <= _RUN:
            return self._run(observations, times)
        firsts = [*range(0, count - _RUN, _RUN // 2), count - _RUN]
        # A time belongs to the run in whose middle it lies.
        middles = [float(observations.times[first + _RUN * 3 // 4]) for first in firsts[:-1]]
        ends = np.searchsorted(times, [*middles, np.inf])
        parts, begin = [], 0
        for first, end in zip(firsts, ends.tolist(), strict=True):
            run = self._run(observations.part(slice(first, first + _RUN)), times[begin:end])
            parts.append((run, end - begin))
            begin = end
        return ChannelEstimate(
            response=np.concatenate([_spread(run.response, rows) for run, rows in parts]),
            error_variance=np.concatenate([_spread(run.error_variance, rows) for run, rows in parts]),
            doppler_cycles=max(run.doppler_cycles for run, _ in parts),
        )

    def _run(self, observations: Observations, times: np.ndarray) -> ChannelEstimate:
        tables, noise = self.tables, observations.noise_variance
        symbols = observations.symbols
        coordinates, mean, remainder, scatter = together(observations.tones, symbols, tables)
        total_symbols = float(symbols.sum())
        at = 0
        if not stands_still(scatter, symbols.size, self.taps, noise, tables.basis.shape[0]):
            # The profile from the observation with the least noise: an average would cancel what moves.
            best = int(np.argmax(symbols))
            profile, power, _ = likeliest_profile(coordinates[best], noise / float(symbols[best]), tables)
            prior = power * tables.eigenvalues[profile]
            since = observations.times - observations.times[0]
            values, vectors = _decompositions(since.tobytes(), symbols.tobytes())
            scaled = (coordinates @ tables.turns[profile].T) * np.sqrt(symbols)[:, None]
            noises = np.geomspace(noise, scatter, 1 + round(min(np.log10(scatter / noise), 8.0)))
            at, noise = moving_evidence(scaled.view(np.float64), prior, values, vectors, noises)
        if at == 0:
            profile, power, _ = likeliest_profile(mean, noise / total_symbols, tables)
            response, variance = static_estimate(mean, remainder, noise / total_symbols, profile, power, tables)
            return ChannelEstimate(response[None, :], variance[None, :], 0.0)
        turned = vectors[at] @ scaled
        total = noise + values[at][:, None] * prior
        doppler = float(_DOPPLER_GRID[at]) / max(float(since[-1]), 1.0)
        lags = times[:, None] - observations.times[None, :]
        mixed = (scipy.special.j0(2 * np.pi * doppler * lags) * np.sqrt(symbols)) @ vectors[at].T
        moved = (mixed @ (turned / total)) * prior
        variance = prior * np.maximum(1.0 - (mixed**2 @ (1.0 / total)) * prior, 0.0)
        return ChannelEstimate(
            response=moved.astype(np.complex64) @ tables.vectors[profile].T,
            error_variance=variance.astype(np.float32) @ tables.powers[profile].T,
            doppler_cycles=doppler,
        )


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    return rows if rows.shape[0] == count else np.broadcast_to(rows, (count, rows.shape[1]))


def _tables(
    basis: np.ndarray,
    triangle: np.ndarray,
    profiles: list[np.ndarray],
    fronts: list[np.ndarray],
    moves: np.ndarray,
) -> ChannelTables:
    """Eigenvectors of F diag(weights) Fᴴ with F = basis·triangle, from matrices of D columns only."""
    rotations, eigenvalues = _rotations(triangle, profiles)
    front_rotations, front_eigenvalues = _rotations(triangle, fronts)
    vectors = basis @ rotations
    return ChannelTables(
        basis=np.ascontiguousarray(basis, np.complex64),
        dual=np.ascontiguousarray(basis.conj(), np.complex64),
        turns=np.ascontiguousarray(rotations.conj().swapaxes(1, 2), np.complex64),
        vectors=vectors.astype(np.complex64),
        powers=(np.abs(vectors) ** 2).astype(np.float32),
        eigenvalues=eigenvalues,
        front_turns=np.ascontiguousarray(front_rotations.conj().swapaxes(1, 2), np.complex64),
        front_eigenvalues=front_eigenvalues,
        moves=np.ascontiguousarray(moves, np.complex64),
        outside=(1 - np.sum(np.abs(basis) ** 2, axis=1)).astype(np.float32),
    )


def _rotations(triangle: np.ndarray, profiles: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    scaled = np.array([triangle * np.sqrt(weights / weights.sum()) for weights in profiles])
    rotations, singular, _ = np.linalg.svd(scaled)
    return rotations, singular**2


@functools.lru_cache(maxsize=128)
def _decompositions(times: bytes, symbols: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues [G, J] and eigenvectors (rows) [G, J, J] of the time correlation at each Doppler shift of the grid.

    Rows and columns are weighted with the square root of the symbols averaged, so that noise of unit variance per
    symbol is white. Equal for frames of one length, hence remembered.
    """
    when = np.frombuffer(times)
    weight = np.sqrt(np.frombuffer(symbols))
    lags = (when[:, None] - when[None, :]) / max(float(np.ptp(when)), 1.0)
    correlation = scipy.special.j0(2 * np.pi * _DOPPLER_GRID[:, None, None] * lags)
    values, vectors = np.linalg.eigh(correlation * weight[:, None] * weight[None, :])
    return np.maximum(values, 0.0), np.ascontiguousarray(vectors.swapaxes(1, 2))
