"""One tap per subcarrier, without bias, with the variance that is left.

The per-subcarrier MMSE weight conj(H)/(|H|² + v) scales its output by a known factor below one; dividing by that factor
removes the bias and leaves Y/H, whose error is n/H. What the receiver does not know adds to it: for a symbol of unit
mean power,

    σ² = (v + ε)/|H|² + κ + σ_φ² + (2πk/N)² σ_τ²

with v the thermal noise, ε the error variance of H, κ the distortion that grows with the signal (amplifier,
inter-carrier interference, phase noise), σ_φ² and σ_τ² the error variances of common phase and delay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._kernels import equalize_tones
from ._tracking import PilotFit
from .estimation import ChannelEstimate

_TINY = float(np.finfo(np.float32).tiny)

__all__ = ["NoiseLevel", "equalize", "noise_level"]


@dataclass(frozen=True, slots=True)
class NoiseLevel:
    """Noise of a frame after the FFT.

    Attributes:
        thermal: variance v per subcarrier, independent of the channel.
        distortion: κ, error power relative to the received signal of the same subcarrier.
    """

    thermal: float
    distortion: float

    def total(self, signal_power: float) -> float:
        """Noise variance of a subcarrier that receives `signal_power`."""
        return self.thermal + self.distortion * signal_power


def noise_level(scatter: float, scatter_samples: int, residual: float, signal_power: float) -> NoiseLevel:
    """Split noise into what is always there and what grows with the signal.

    Copies of the same training symbol are distorted in the same way, so their scatter is thermal noise alone; the error
    of other known symbols has everything. The sum always matches the latter, which is measured where it counts.

    Args:
        scatter: noise variance from the scatter of the training copies.
        scatter_samples: complex samples behind it.
        residual: noise variance from the error of known symbols.
        signal_power: mean |H|².
    """
    certain = scatter * (1 + 2 / np.sqrt(max(scatter_samples, 1)))
    if residual <= certain or signal_power <= 0:
        return NoiseLevel(residual, 0.0)
    return NoiseLevel(scatter, (residual - scatter) / signal_power)


def equalize(
    spectra: np.ndarray,
    bins: np.ndarray,
    signed: np.ndarray,
    positions: np.ndarray,
    channel: ChannelEstimate,
    fit: PilotFit,
    shift: np.ndarray,
    noise: NoiseLevel,
) -> tuple[np.ndarray, np.ndarray]:
    """Unbiased symbols in units of mean symbol power 1, and their error variance.

    Args:
        spectra: complex64 [S, N], unitary FFTs.
        bins: int64 [n], bins to equalize.
        signed: int64 [n], their signed index.
        positions: int64 [n], their position among the active bins.
        channel: estimate for these symbols, or one for all.
        fit: phase and delay of these symbols.
        shift: int64 [S], samples by which the windows followed the delay.
        noise: noise level.

    Returns:
        complex64 [S, n] and float32 [S, n]; 0 and inf where the channel is zero.
    """
    response = np.ascontiguousarray(channel.response[:, positions])
    power = response.real**2 + response.imag**2
    dead = power <= max(1e-12 * float(power.max()), _TINY)
    inverse = np.divide(response.conj(), power, out=np.zeros_like(response), where=~dead)
    out = np.empty((spectra.shape[0], bins.size), np.complex64)
    equalize_tones(spectra, bins, signed, inverse, fit.phase, fit.delay - shift, out)
    scaled = np.divide(
        channel.error_variance[:, positions] + np.float32(noise.thermal),
        power,
        out=np.full(power.shape, np.inf, np.float32),
        where=~dead,
    )
    ramp = (2 * np.pi * signed / spectra.shape[1]) ** 2
    drift = np.float32(noise.distortion + fit.phase_variance) + np.outer(fit.delay_variance, ramp).astype(np.float32)
    return out, scaled + drift
