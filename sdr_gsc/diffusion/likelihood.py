"""The likelihood of received symbols, through the encoder: log p(y|x) = -Σ w_k |y_k - s_k(x)|² + const.

w_k = 1/(σ_k² + 2D) with σ_k² = E|n_k|² as the receiver measured it and D the quantizer's mean squared error per real
dimension, both in units of mean symbol power 1. s(x) is the unquantized symbol, scaled with the received scale. An
erased symbol has w = 0 exactly.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ..semantic.decoder import SemanticDecoder
from ..semantic.encoder import SemanticEncoder
from ..semantic.evidence import Evidence

__all__ = ["ConfirmedLikelihood", "ConfirmingLikelihood", "Likelihood", "SymbolLikelihood", "log_likelihood"]


class Likelihood(Protocol):
    """Evidence about a picture, as a whitened residual."""

    def residual(self, pictures: Tensor) -> Tensor:
        """Float [B, ...], differentiable in `pictures` [B, 3, H, W]; standard normal for the true picture."""
        ...


@runtime_checkable
class ConfirmingLikelihood(Likelihood, Protocol):
    """Evidence that can also be read behind the deterministic decoder."""

    def confirmation(self, pictures: Tensor) -> Tensor:
        """Float [B, ...], differentiable in `pictures`: decode of what was received less that of what these would send.

        In units of its standard deviation, or more, for the true picture.
        """
        ...


def log_likelihood(likelihood: Likelihood, pictures: Tensor) -> Tensor:
    """Log p(y|x) up to a constant, float [B]: minus half the squared norm of the residual."""
    return -0.5 * likelihood.residual(pictures).square().flatten(1).sum(1)


class SymbolLikelihood:
    """The likelihood of one picture's symbols, for pictures in [-1, 1].

    Args:
        encoder: the sender's encoder.
        evidence: what was received.
        weighting: ``measured``, or an ablation: see `Evidence.weighted`.

    Raises:
        SettingsError: no such weighting.
    """

    def __init__(self, encoder: SemanticEncoder, evidence: Evidence, weighting: str = "measured") -> None:
        self._encoder = encoder
        self._evidence = evidence.weighted(weighting)
        # Per real latent of variance v = σ²/2 + D: w |y - s|² is the sum of two (y - s)²/(2v).
        variance = self._evidence.variance
        self._whitening = torch.where(torch.isfinite(variance), variance.clamp(min=1e-9).rsqrt(), 0.0)

    @property
    def whitening(self) -> Tensor:
        """1/√v per real latent, float [1, h·w, c]; 0 where erased."""
        return self._whitening

    def sent(self, pictures: Tensor) -> Tensor:
        """s(x), the latents that pictures in [-1, 1] would send, float [B, h·w, c]."""
        latents: Tensor = self._encoder(pictures / 2 + 0.5, self._evidence.rate)
        return latents

    def residual(self, pictures: Tensor) -> Tensor:
        """(y - s(x))/√v, float [B, h·w, c]; exactly 0 where erased."""
        return self._whitening * (self._evidence.latents - self.sent(pictures))


class ConfirmedLikelihood(SymbolLikelihood):
    """With the confirming constraint of HiFi-DiffCom: D(y) = D(s(x)), D the deterministic decoder at these variances.

    The difference of the decodes is divided by the deviation that the decoder predicts for its own error, pixel by
    pixel. For the true picture that deviation also holds what the symbols never said, so it bounds the difference from
    above. With `weighting` other than ``measured`` it is divided by nothing.

    Args:
        encoder: the sender's encoder.
        decoder: the deterministic decoder.
        evidence: what was received.
        weighting: see SymbolLikelihood; the decoder always works with the measured variances.
    """

    def __init__(
        self, encoder: SemanticEncoder, decoder: SemanticDecoder, evidence: Evidence, weighting: str = "measured"
    ) -> None:
        super().__init__(encoder, evidence, weighting)
        self._decoder = decoder
        self._measured = evidence
        with torch.no_grad():
            received = decoder(encoder, evidence.latents, evidence.variance, evidence.rate, evidence.grid)
        self._received = received.picture
        self._unit = received.deviation if weighting == "measured" else torch.ones_like(received.deviation)

    def confirmation(self, pictures: Tensor) -> Tensor:
        """(D(y) - D(s(x)))/τ, float [B, 3, H, W]; exactly 0 where nothing was received."""
        evidence = self._measured
        again = torch.where(torch.isfinite(evidence.variance), self.sent(pictures), 0.0)
        decoded = self._decoder(
            self._encoder, again, evidence.variance.expand(again.shape), evidence.rate, evidence.grid
        )
        return (self._received - decoded.picture) / self._unit
