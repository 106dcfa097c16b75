"""What a code of finite length can reach on the binary-input channel with Gaussian noise."""

from __future__ import annotations

import numpy as np
import scipy.optimize
import scipy.stats

__all__ = ["block_error_rate", "capacity_and_dispersion", "ebn0_at_rate_db", "shannon_limit_db"]

_NODES = 127


def capacity_and_dispersion(esn0: float) -> tuple[float, float]:
    """Mean C and variance V of the information density of ±1 in real Gaussian noise, in bits and bits².

    The likelihood ratio of the transmitted bit is N(4g, 8g), g = Es/N0; i = 1 - log₂(1 + e^-L), C = E i, V = var i.

    Args:
        esn0: Es/N0 of a real ±1 (linear); for QPSK the Eb/N0 of its coded bits.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights = weights / weights.sum()
    mean = 4 * esn0
    density = 1 - np.logaddexp(0, -(mean + np.sqrt(2 * mean) * nodes)) / np.log(2)
    capacity = float(weights @ density)
    return capacity, float(weights @ (density - capacity) ** 2)


def block_error_rate(ebn0_db: float, n: int, k: int) -> float:
    """Block error rate of the best code of n bits by the normal approximation.

    ε = Q((nC - k + log₂(n)/2)/√(nV)) (Y. Polyanskiy, H. V. Poor, S. Verdú, IEEE Trans. Inf. Theory 56(5), 2010).

    Args:
        ebn0_db: Eb/N0 per information bit.
        n: bits of the code word.
        k: information bits.
    """
    capacity, dispersion = capacity_and_dispersion(10 ** (ebn0_db / 10) * k / n)
    return float(scipy.stats.norm.sf((n * capacity - k + 0.5 * np.log2(n)) / np.sqrt(n * dispersion)))


def ebn0_at_rate_db(error_rate: float, n: int, k: int) -> float:
    """Eb/N0 at which `block_error_rate` equals `error_rate`, in dB."""
    start = shannon_limit_db(k / n)

    def excess(ebn0_db: float) -> float:
        return float(np.log(max(block_error_rate(ebn0_db, n, k), 1e-300) / error_rate))

    return float(scipy.optimize.brentq(excess, start - 1, start + 5))


def shannon_limit_db(rate: float) -> float:
    """Eb/N0 at which the capacity of the binary-input channel equals the code rate, in dB."""

    def missing(ebn0_db: float) -> float:
        return capacity_and_dispersion(10 ** (ebn0_db / 10) * rate)[0] - rate

    return float(scipy.optimize.brentq(missing, -5, 15))
