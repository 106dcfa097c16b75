"""White Gaussian noise, and how much of it makes a requested Es/N0."""

from __future__ import annotations

import math

import numpy as np

from ..units import EsN0
from ._normals import add_normals, seed_lanes

__all__ = ["complex_noise", "noise_power_per_sample"]


def complex_noise(n_samples: int, power: float, generator: np.random.Generator) -> np.ndarray:
    """Circularly symmetric white Gaussian noise.

    The generator only seeds a compiled stream, and moves on by the same amount whatever the length: of two calls with
    equal generators, the shorter noise is the beginning of the longer.

    Args:
        n_samples: number of samples, >= 0.
        power: mean power E|n|^2 per sample (linear, full scale squared), >= 0; each rail carries half of it.
        generator: source of randomness.

    Returns:
        complex64 [n_samples].
    """
    noise = np.zeros(n_samples, np.complex64)
    add_normals(seed_lanes(generator), noise.view(np.float32), math.sqrt(power / 2))
    return noise


def noise_power_per_sample(signal_power: float, esn0: EsN0, occupied_bandwidth: float) -> float:
    """Noise power per sample that gives `esn0` on the occupied subcarriers.

    A signal of power P per sample that fills the fraction rho of the bins has energy P/rho in each of them after the
    unitary FFT (Parseval), while white noise of power N0 per sample has N0 in each bin: N0 = P / (rho Es/N0).

    Args:
        signal_power: mean received power per sample while the burst lasts (linear).
        esn0: requested Es/N0.
        occupied_bandwidth: rho = active subcarriers / FFT size, in (0, 1].
    """
    return signal_power / (occupied_bandwidth * esn0.linear)
