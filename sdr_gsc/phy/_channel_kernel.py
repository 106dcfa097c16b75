"""Compiled parts of channel estimation: the likeliest delay profile and Doppler shift, and the static estimate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ._kernels import energy_of

__all__ = [
    "ChannelTables",
    "best_profile",
    "channel_power",
    "likeliest_profile",
    "moving_evidence",
    "profile_score",
    "stands_still",
    "static_estimate",
    "together",
]

#: Log-likelihood by which a moving channel must beat the static one.
_MOVING = 3.0
#: Scatter of the observations, in standard deviations above what noise explains, below which no motion is looked for.
_CALM = 2.5
#: Differences between training copies that the noise level rests on: four copies have three.
_NOISE_COPIES = 3
#: Energy outside the subspace counts as channel from this many standard deviations above what noise would put there.
_OUTSIDE_CERTAINTY = 2.0


class ChannelTables(NamedTuple):
    """Competing power delay profiles, each in its own eigenvectors.

    Attributes:
        basis: complex64 [Na, D], orthonormal columns that span every channel of D taps on the occupied tones.
        dual: complex64 [Na, D], conjugate of `basis`.
        turns: complex64 [P, D, D], from coordinates in the common basis to a profile's own, c' = turn c.
        vectors: complex64 [P, Na, D], U.
        powers: float32 [P, Na, D], |U|².
        eigenvalues: float64 [P, D], Λ, for a channel of mean power 1.
        front_turns: complex64 [F, D, D], of a few profiles with a sharp first path, to place it.
        front_eigenvalues: float64 [F, D], of the same.
        moves: complex64 [2M + 1, Na], what moving the window by -M…M samples does to the tones: exp(j2πks/N).
        outside: float32 [Na], share of each tone that lies outside the subspace, 1 - Σ|basis|².
    """

    basis: np.ndarray
    dual: np.ndarray
    turns: np.ndarray
    vectors: np.ndarray
    powers: np.ndarray
    eigenvalues: np.ndarray
    front_turns: np.ndarray
    front_eigenvalues: np.ndarray
    moves: np.ndarray
    outside: np.ndarray


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def likeliest_profile(
    coordinates: np.ndarray, noise_variance: float, tables: ChannelTables
) -> tuple[int, float, float]:
    """The profile that explains an observation best.

    Args:
        coordinates: complex64 [D].
        noise_variance: of each coordinate.
        tables: profiles.

    Returns:
        Its index, the mean channel power, and its log-likelihood (up to a constant of the noise alone).
    """
    power = channel_power(coordinates, noise_variance, tables.basis.shape[0])
    n_profiles, taps = tables.eigenvalues.shape
    turned = np.dot(tables.turns.reshape(n_profiles * taps, taps), coordinates)
    chosen, score = best_profile(turned, power, noise_variance, tables.eigenvalues)
    return chosen, power, score


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def best_profile(turned: np.ndarray, power: float, noise_variance: float, eigenvalues: np.ndarray) -> tuple[int, float]:
    """Index and log-likelihood of the best of some profiles.

    Args:
        turned: complex64 [P·D], an observation in the eigenvectors of one profile after the other.
        power: mean channel power.
        noise_variance: of each coordinate.
        eigenvalues: float64 [P, D].
    """
    n_profiles, taps = eigenvalues.shape
    best = -np.inf
    chosen = 0
    for profile in range(n_profiles):
        score = profile_score(
            turned[profile * taps : (profile + 1) * taps], eigenvalues[profile], power, noise_variance
        )
        if score > best:
            best = score
            chosen = profile
    return chosen, best


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def channel_power(coordinates: np.ndarray, noise_variance: float, n_active: int) -> float:
    """Mean power of a tone behind noisy coordinates, never quite zero."""
    energy = energy_of(coordinates)
    return max(energy - coordinates.size * noise_variance, 0.05 * energy, 1e-30) / n_active


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def profile_score(turned: np.ndarray, eigenvalues: np.ndarray, power: float, noise_variance: float) -> float:
    """Log-likelihood of coordinates in a profile's eigenvectors."""
    score = 0.0
    product = 1.0
    scale, precision = power / noise_variance, 1.0 / noise_variance
    for d in range(turned.size):
        total = 1.0 + scale * eigenvalues[d]
        score -= (turned[d].real * turned[d].real + turned[d].imag * turned[d].imag) * precision / total
        product *= total
        if product > 1e200:  # one logarithm per run of factors
            score -= np.log(product)
            product = 1.0
    return score - np.log(product)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def static_estimate(
    coordinates: np.ndarray,
    remainder: np.ndarray,
    noise_variance: float,
    profile: int,
    power: float,
    tables: ChannelTables,
) -> tuple[np.ndarray, np.ndarray]:
    """LMMSE estimate of a channel that stands still.

    What the subspace cannot hold (the tails of a path that falls between two samples) is a further component: white
    over the other dimensions, of the power that `remainder` has above its noise. Without it they would be a floor.

    Args:
        coordinates: complex64 [D], of the mean observation.
        remainder: complex64 [Na], what lies outside the subspace of the mean observation.
        noise_variance: of each coordinate of that mean.
        profile: index of the delay profile.
        power: mean channel power.
        tables: profiles.

    Returns:
        Response complex64 [Na] and its error variance float32 [Na].
    """
    n_active, taps = tables.basis.shape
    turned = np.dot(tables.turns[profile], coordinates)
    gain = np.empty(taps, np.float32)
    for d in range(taps):
        prior = power * tables.eigenvalues[profile, d]
        gain[d] = prior / (prior + noise_variance)
        turned[d] *= gain[d]
    response = np.dot(tables.vectors[profile], turned)
    variance = np.dot(tables.powers[profile], gain * np.float32(noise_variance))
    dimensions = n_active - taps
    energy = energy_of(remainder)
    expected = dimensions * noise_variance
    if energy > expected * (1.0 + _OUTSIDE_CERTAINTY / np.sqrt(dimensions)):
        share = np.float32(1.0 - expected / energy)
        for k in range(n_active):
            response[k] += share * remainder[k]
            variance[k] += share * np.float32(noise_variance) * tables.outside[k]
    return response, variance


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def together(
    seen: np.ndarray, symbols: np.ndarray, tables: ChannelTables
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Observations in coordinates, their weighted mean, and how far they scatter around it.

    Args:
        seen: complex64 [J, Na].
        symbols: float64 [J], symbols that each is the mean of.
        tables: of the channel.

    Returns:
        Coordinates complex64 [J, D], those of the mean complex64 [D], what lies outside the subspace of the mean
        complex64 [Na], and the scatter of the coordinates: what the noise variance of one symbol would be if the
        channel stood still.
    """
    basis = tables.basis
    coordinates = np.dot(seen, tables.dual)
    mean_tones = np.zeros(basis.shape[0], np.complex64)
    mean = np.zeros(basis.shape[1], np.complex64)
    total = symbols.sum()
    for j in range(symbols.size):
        share = np.float32(symbols[j] / total)
        for k in range(mean_tones.size):
            mean_tones[k] += share * seen[j, k]
        for d in range(mean.size):
            mean[d] += share * coordinates[j, d]
    scatter = 0.0
    for j in range(symbols.size):
        for d in range(mean.size):
            error = coordinates[j, d] - mean[d]
            scatter += symbols[j] * (error.real**2 + error.imag**2)
    scatter /= max(symbols.size - 1, 1) * mean.size
    return coordinates, mean, mean_tones - np.dot(basis, mean), scatter


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def stands_still(scatter: float, n_seen: int, taps: int, noise_variance: float, n_active: int) -> bool:
    """Whether noise explains what the observations scatter, so that no motion has to be looked for.

    Both figures are estimates: the scatter from J - 1 observations of D coordinates, the noise from what two or more
    training copies of Na tones differ by.

    Args:
        scatter: from `together`.
        n_seen: observations J.
        taps: dimension D of the subspace.
        noise_variance: of a tone of one symbol.
        n_active: tones Na.
    """
    uncertainty = np.sqrt(1.0 / (max(n_seen - 1, 1) * taps) + 1.0 / (_NOISE_COPIES * n_active))
    return scatter <= noise_variance * (1.0 + _CALM * uncertainty)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def moving_evidence(
    scaled: np.ndarray, prior: np.ndarray, values: np.ndarray, vectors: np.ndarray, noises: np.ndarray
) -> tuple[int, float]:
    """Doppler shift of a grid, and noise level, that make several observations likeliest.

    Converters and amplifiers distort all copies of a training symbol alike, so the noise between observations may
    exceed what the copies' scatter showed; the noise level is therefore free, within the candidates. For each of them
    the grid is searched coarsely, then around its best point; the static channel, its first entry, is kept unless a
    moving one explains the observations better than its extra parameter would by chance.

    Args:
        scaled: float64 [J, 2D], observations times the square root of the symbols each is the mean of, I and Q
            interleaved.
        prior: float64 [D], variance of each tap.
        values: float64 [G, J], eigenvalues of the time correlation at each Doppler shift.
        vectors: float64 [G, J, J], its eigenvectors, as rows.
        noises: float64 [V], noise variances of one symbol to choose from.

    Returns:
        Index of the Doppler shift and noise variance.
    """
    n_grid = values.shape[0]
    still = still_noise = best_noise = noises[0]
    still, best, chosen = -np.inf, -np.inf, 0
    for noise in noises:
        score = _score(np.dot(vectors[0], scaled), prior, values[0], noise)
        if score > still:
            still, still_noise = score, noise
        step = max(n_grid // 5, 1)
        top, at = -np.inf, 0
        for trial in range(step, n_grid, step):
            score = _score(np.dot(vectors[trial], scaled), prior, values[trial], noise)
            if score > top:
                top, at = score, trial
        while step > 1:
            step //= 2
            for trial in (at - step, at + step):
                if 0 < trial < n_grid:
                    score = _score(np.dot(vectors[trial], scaled), prior, values[trial], noise)
                    if score > top:
                        top, at = score, trial
        if top > best:
            best, chosen, best_noise = top, at, noise
    if best - still < _MOVING:
        return 0, still_noise
    return chosen, best_noise


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _score(turned: np.ndarray, prior: np.ndarray, values: np.ndarray, noise: float) -> float:
    """Log-likelihood of observations in the eigenvectors of their time correlation, float64 [J, 2D]."""
    score = -values.size * prior.size * np.log(noise)
    for j in range(values.size):
        product = 1.0
        for d in range(prior.size):
            total = 1.0 + values[j] * prior[d] / noise
            score -= (turned[j, 2 * d] ** 2 + turned[j, 2 * d + 1] ** 2) / (total * noise)
            product *= total
            if product > 1e200:
                score -= np.log(product)
                product = 1.0
        score -= np.log(product)
    return score
