"""Law of the energy share of a window under white noise.

The share is S/E with S = Σ_i λ_i|z_i|² in the span of the window's W shifted templates (λ the eigenvalues of their Gram
matrix) and E = |z|² over all M dimensions, z complex white noise. So P(S/E > t) = P(Σ_i w_i|z_i|² > 0) with weights
λ_i - t, and -t in the M - W dimensions left. For W = 1 it is Beta(1, M-1): (1 - t)^(M-1); for orthogonal templates
Beta(W, M-W).
"""

from __future__ import annotations

import numpy as np
import scipy.optimize

__all__ = ["exceedance", "window_threshold"]

_STEP = 0.05  # of the integration, in standard deviations of the tilted law
_STEPS = 1000


def exceedance(level: float, eigenvalues: np.ndarray, span: int) -> float:
    """Probability that the share exceeds `level`.

    The moment generating function of Σ w_i|z_i|², Π 1/(1 - s·w_i), is inverted along the line through its saddle point,
    where it does not oscillate (Daniels, Ann. Math. Stat. 25(4), 1954).

    Args:
        level: t, above the mean share Σλ/M and below the largest eigenvalue.
        eigenvalues: float64 [W], λ.
        span: M.
    """
    weights = np.append(eigenvalues - level, -level)
    counts = np.append(np.ones(eigenvalues.size), span - eigenvalues.size)

    def slope(s: float) -> float:
        return float(np.sum(counts * weights / (1 - s * weights)))

    pole = 1 / float(weights.max())
    saddle = scipy.optimize.brentq(slope, 0.0, pole * (1 - 1e-9), xtol=1e-14 * pole)
    spread = np.sqrt(float(np.sum(counts * (weights / (1 - saddle * weights)) ** 2)))
    line = saddle + 1j * _STEP / spread * np.arange(_STEPS)
    values = (np.exp(-np.log(1 - np.outer(line, weights)) @ counts) / line).real
    return float(np.sum(values) - 0.5 * values[0]) * _STEP / (spread * np.pi)


def window_threshold(rate: float, eigenvalues: np.ndarray, span: int) -> float:
    """Level that white noise exceeds with probability `rate`.

    Args:
        rate: in (0, 0.1).
        eigenvalues: float64 [W], of the Gram matrix of W shifted templates of unit energy.
        span: M, samples whose energy normalizes.
    """
    mean = float(eigenvalues.sum()) / span
    largest = float(eigenvalues.max())

    def excess(level: float) -> float:
        return float(np.log(max(exceedance(level, eigenvalues, span), 1e-300))) - float(np.log(rate))

    return float(scipy.optimize.brentq(excess, mean + 1e-6 * (largest - mean), largest - 1e-9 * (largest - mean)))
