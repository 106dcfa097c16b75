"""Limits that no receiver passes: detection, synchronization, channel estimation and converters.

Ratios are linear. A signal-to-noise ratio is that of complex samples: E|x|² over E|n|².
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.stats

__all__ = [
    "channel_error",
    "clipping_noise",
    "converter_noise",
    "deviations",
    "clock_deviation",
    "detection_probability",
    "detection_probability_in_fading",
    "known_waveform_deviation",
    "quantization_noise",
    "repeated_waveform_deviation",
    "timing_deviation",
]


def detection_probability(energy: np.ndarray | float, false_alarm_rate: float) -> np.ndarray:
    """Largest probability of detecting a known waveform of unknown phase in white noise of known level.

    P_D = Q₁(√(2E/N₀), √(-2 ln P_FA)): twice the matched filter's output power over N₀ follows a chi-square law of two
    degrees of freedom, centred under noise alone (H. L. Van Trees, Detection, Estimation, and Modulation Theory I).

    Args:
        energy: E/N₀, samples times signal-to-noise ratio; any shape.
        false_alarm_rate: of the one place and the one frequency that are tested.

    Returns:
        float64 of the shape of `energy`.
    """
    threshold = -2 * np.log(false_alarm_rate)
    probability: np.ndarray = scipy.stats.ncx2.sf(threshold, 2, 2 * np.asarray(energy, np.float64))
    return probability


def detection_probability_in_fading(energy: float, powers: np.ndarray, false_alarm_rate: float) -> float:
    """`detection_probability` for a receiver that knows a Rayleigh channel up to its phase, averaged over channels.

    The received energy is a sum of exponential variables of means p_l; for distinct means its density is
    Σ_l A_l/p_l exp(-g/p_l) with A_l = Π_{m≠l} p_l/(p_l - p_m). The waveform counts as white: its delayed copies are
    orthogonal.

    Args:
        energy: mean E/N₀.
        powers: float64 [L], distinct mean powers of the taps, sum 1.
        false_alarm_rate: of the one place, frequency and channel that are tested.
    """
    powers = np.asarray(powers, np.float64)
    others = powers[:, None] - powers[None, :]
    np.fill_diagonal(others, 1.0)
    factors = np.broadcast_to(powers[:, None], others.shape).copy()
    np.fill_diagonal(factors, 1.0)
    weights = np.prod(factors / others, axis=1)
    # Equal steps in probability of the strongest tap alone would waste points on the tail; a fine grid is cheap.
    gain = np.linspace(0, 40 * float(powers.max()), 40_001)
    density = np.exp(-gain[:, None] / powers) @ (weights / powers)
    return float(np.trapezoid(density * detection_probability(energy * gain, false_alarm_rate), gain))


def deviations(derivatives: np.ndarray, nuisance: np.ndarray, noise_variance: float) -> np.ndarray:
    """Cramér-Rao bound of real parameters beside unknown complex amplitudes.

    Observed is y = A(θ) b + n with complex b unknown. With d_i = ∂(A b)/∂θ_i, A's columns `nuisance` and P the
    projection on them, the Fisher information of θ is 2/σ² Re{dᴴ (I - P) d} (S. M. Kay, Estimation Theory, 15.7).

    Args:
        derivatives: complex [M, p].
        nuisance: complex [M, D], D >= 0, of any rank.
        noise_variance: σ² = E|n|² of each observation.

    Returns:
        float64 [p], least standard deviation of each parameter.
    """
    if nuisance.shape[1]:
        basis = scipy.linalg.orth(nuisance)  # columns may depend on each other: then the amplitudes are not unique
        derivatives = derivatives - basis @ (basis.conj().T @ derivatives)
    information = 2 / noise_variance * np.real(derivatives.conj().T @ derivatives)
    return np.sqrt(np.diag(np.linalg.inv(information)))


def known_waveform_deviation(n_samples: int, snr: float) -> float:
    """Least deviation of the frequency of a known waveform of constant envelope, in cycles per sample.

    var(ω) >= 6/(γ n (n² - 1)) in (rad/sample)² (D. C. Rife and R. R. Boorstyn, IEEE Trans. Inf. Theory 20(5), 1974).
    """
    return float(np.sqrt(6 / (snr * n_samples * (n_samples**2 - 1)))) / (2 * np.pi)


def repeated_waveform_deviation(n_samples: int, repetitions: int, snr: float) -> float:
    """Least deviation of the frequency of R copies of an unknown waveform, in cycles per sample.

    var >= 3/(2π² n γ (1 - 1/R²)) in units of (fs/n)², n samples in all (M. Morelli and U. Mengali, IEEE Commun. Lett.
    3(3), 1999).
    """
    variance = 3 / (2 * np.pi**2 * n_samples * snr * (1 - 1 / repetitions**2))
    return float(np.sqrt(variance)) / n_samples


def timing_deviation(n_samples: int, occupied_bandwidth: float, snr: float) -> float:
    """Least deviation of the delay of a known waveform with a flat band, in samples.

    var(τ) >= 3/(2π² B² n γ), B in cycles per sample, its phase unknown but its centre frequency zero.
    """
    return float(np.sqrt(3 / (2 * np.pi**2 * occupied_bandwidth**2 * n_samples * snr)))


def clock_deviation(n_symbols: int, tones: np.ndarray, tone_snr: float, fft_size: int, symbol_length: int) -> float:
    """Least deviation of the sampling-clock offset from pilots, dimensionless (1e-6 is 1 ppm).

    var(δ) >= [12/(K(K² - 1))] [1/(2γ Σk²)] [N/(2π(N + CP))]², each symbol's common phase and delay unknown at first.

    Args:
        n_symbols: K.
        tones: signed indices k of the pilots, symmetric around zero.
        tone_snr: γ of a pilot.
        fft_size: N.
        symbol_length: N + CP.
    """
    power = float(np.sum(np.asarray(tones, np.float64) ** 2))
    variance = 12 / (n_symbols * (n_symbols**2 - 1)) / (2 * tone_snr * power)
    return float(np.sqrt(variance)) * fft_size / (2 * np.pi * symbol_length)


def channel_error(correlation: np.ndarray, precision: np.ndarray) -> float:
    """Least mean square error of a channel of known statistics, averaged over the subcarriers (LMMSE).

    Observed are z_k = H_k + n_k with E|n_k|² = 1/w_k and R = E H Hᴴ: the error covariance is R - R (R + W⁻¹)⁻¹ R. For
    equal w it is the mean of λ s/(λ + s), s = 1/w, over the eigenvalues λ of R.

    Args:
        correlation: complex [Na, Na], R.
        precision: float64 [Na], w > 0.
    """
    gain = np.linalg.solve(correlation + np.diag(1 / precision), correlation)
    return float(np.real(np.trace(correlation - correlation @ gain))) / correlation.shape[0]


def clipping_noise(level: float) -> float:
    """Power cut off a Gaussian rail by clipping at µ standard deviations, relative to the rail's power.

    2Q(µ)(1 + µ²) - 2µφ(µ).
    """
    tail, density = float(scipy.stats.norm.sf(level)), float(scipy.stats.norm.pdf(level))
    return 2 * tail * (1 + level**2) - 2 * level * density


def quantization_noise(level: float, bits: int) -> float:
    """Power of the rounding error of a mid-rise converter of full scale µ standard deviations, over the rail's power.

    (2µ/2^b)²/12.
    """
    return (2 * level / 2**bits) ** 2 / 12


def converter_noise(mean_power: float, bits: int) -> float:
    """Noise-to-signal ratio of a converter with full scale 1 on each rail, for OFDM of a mean power: Gaussian rails."""
    level = float(np.sqrt(2 / mean_power))
    return clipping_noise(level) + quantization_noise(level, bits)
