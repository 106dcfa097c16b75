"""The likelihood of received symbols, through the encoder: log p(y|x) = -Σ w_k |y_k - s_k(x)|² + const.

w_k = 1/(σ_k² + 2D) with σ_k² = E|n_k|² as the receiver measured it and D the quantizer's mean squared error per real
dimension, both in units of mean symbol power 1. s(x) is the unquantized symbol, scaled with the received scale. An
erased symbol has w = 0 exactly.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ..semantic.encoder import SemanticEncoder
from ..semantic.evidence import Evidence

__all__ = ["Likelihood", "SymbolLikelihood", "log_likelihood"]


class Likelihood(Protocol):
    """Evidence about a picture, as a whitened residual."""

    def residual(self, pictures: Tensor) -> Tensor:
        """Float [B, ...], differentiable in `pictures` [B, 3, H, W]; standard normal for the true picture."""
        ...


def log_likelihood(likelihood: Likelihood, pictures: Tensor) -> Tensor:
    """Log p(y|x) up to a constant, float [B]: minus half the squared norm of the residual."""
    return -0.5 * likelihood.residual(pictures).square().flatten(1).sum(1)


class SymbolLikelihood:
    """The likelihood of one picture's symbols, for pictures in [-1, 1].

    Args:
        encoder: the sender's encoder.
        evidence: what was received.
    """

    def __init__(self, encoder: SemanticEncoder, evidence: Evidence) -> None:
        self._encoder = encoder
        self._evidence = evidence
        # Per real latent of variance v = σ²/2 + D: w |y - s|² is the sum of two (y - s)²/(2v).
        heard = torch.isfinite(evidence.variance)
        self._whitening = torch.where(heard, evidence.variance.clamp(min=1e-9).rsqrt(), 0.0)

    @property
    def whitening(self) -> Tensor:
        """1/√v per real latent, float [1, h·w, c]; 0 where erased."""
        return self._whitening

    def residual(self, pictures: Tensor) -> Tensor:
        """(y - s(x))/√v, float [B, h·w, c]; exactly 0 where erased."""
        sent = self._encoder(pictures / 2 + 0.5, self._evidence.rate)
        return self._whitening * (self._evidence.latents - sent)
