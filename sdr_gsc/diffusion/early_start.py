"""Where a posterior sampler starts: levels of noise above what the receiver leaves open would only forget.

Inside this package pictures are in [-1, 1] and noise is added without shrinking (variance exploding), so a level σ
stands for the cumulative product ā = 1/(1 + σ²) of a variance-preserving chain, and for its ratio ā/(1 - ā) = 1/σ².
"""

from __future__ import annotations

import math

import numpy as np

from ..semantic.decoder import Estimate
from ..semantic.quantizer import Quantizer
from ..semantic.values import Reception

__all__ = ["START_RULES", "diffcom_level", "evidence_level", "start_level"]

#: ``evidence``: the error that the deterministic decoder predicts for this very picture; ``diffcom``: the rule of
#: DiffCom; ``noise``: from all but pure noise, as if there were no estimate to start from.
START_RULES = ("evidence", "diffcom", "noise")

#: Of the standard deviation 0.5 of pictures not even a twentieth shows above this much noise.
NOISE_LEVEL = 10.0
#: Half of an 8-bit step in [-1, 1] is 0.004: nothing is left to do below a few of them.
_LEAST_LEVEL = 0.02


def start_level(rule: str, estimate: Estimate, reception: Reception) -> float:
    """The first σ for pictures in [-1, 1], by one of START_RULES."""
    if rule == "evidence":
        return evidence_level(estimate)
    return diffcom_level(reception) if rule == "diffcom" else NOISE_LEVEL


def evidence_level(estimate: Estimate) -> float:
    """Root mean square of the error that the decoder predicts for its own estimate of this picture."""
    return max(2 * float(estimate.deviation.square().mean().sqrt()), _LEAST_LEVEL)


def diffcom_level(reception: Reception) -> float:
    """The fast start of DiffCom (Wang et al. 2025): ā/(1 - ā) = (1 + snr)^(5·CBR).

    The published code has log10(ā/(1-ā)) = 5·log10((1 + snr)^(1/48)) with 1/48 whatever the CBR; here it is the CBR of
    this picture, and 1 + snr is the geometric mean of 1 + 1/σ_k² over its symbols, lost ones counting as snr 0: the
    capacity that the receiver measured. The quantizer's error counts as noise.
    """
    descriptor = reception.descriptor
    if descriptor is None or not reception.noise_variance.size:
        return NOISE_LEVEL
    distortion = 2 * Quantizer.of(descriptor.levels).distortion * descriptor.gain**2
    capacity = float(np.mean(np.log1p(1 / (reception.noise_variance.astype(np.float64) + distortion))))
    cbr = descriptor.n_symbols / (3 * descriptor.height * descriptor.width)
    return min(max(math.exp(-2.5 * cbr * capacity), _LEAST_LEVEL), NOISE_LEVEL)
