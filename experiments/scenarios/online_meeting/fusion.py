"""What the receiver knows of a picture before a frame arrives, and after: a Kalman filter on the codec's latents.

A latent channel v of a block is a stationary Gaussian process, v_t = ρ v_{t-1} + e_t with variance S. A learnt mean
squared change q = E(v_t - v_{t-1})² = 2 S (1 - ρ) says how fast it forgets. With a belief N(m, p) of the frame before:

    prediction   N(ρ m, ρ² p + S (1 - ρ²)),        ρ = max(0, 1 - γ q / 2S)
    update       the linear estimate of the innovation R (v - ρ m) from what was received, one variance per symbol

The energy of a block, and with it S, is estimated from the received latents and the prediction; so is γ, how much more
than usual the block changed. For q → ∞ nothing is left of the past and the update is the codec's own linear estimate;
where all symbols were lost the prediction stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sdr_gsc.semantic.companding import compand, expand_gain
from sdr_gsc.semantic.decoder import LinearEstimate, SemanticDecoder, prior_scale
from sdr_gsc.semantic.encoder import SemanticEncoder
from sdr_gsc.semantic.evidence import Evidence
from sdr_gsc.semantic.rate import MAX_CHANNELS
from sdr_gsc.semantic.wiener import wiener

__all__ = ["Belief", "energies", "fuse", "linear_estimate", "predict"]

#: As in the codec's linear estimate: variance of an erased latent, weight of the usual energy, least energy believed.
_ERASED = 1e6
_USUAL_WEIGHT = 0.05
_LEAST_ENERGY = 0.02
#: Variance of γ before anything is received, and its range: blocks stand still or change far more than usual.
_SPREAD = 5.0
_RANGE = (0.02, 20.0)


@dataclass(frozen=True, slots=True)
class Belief:
    """Gaussian knowledge of the latents of a frame, independent from channel to channel.

    Attributes:
        mean: float [1, h·w, 128], latents before gain and rotation.
        variance: the same shape, > 0.
        log_scale: float [1, h·w], logarithm of the block's energy over the energy of an average block.
    """

    mean: Tensor
    variance: Tensor
    log_scale: Tensor


def predict(belief: Belief, change: Tensor, signal: Tensor | None = None) -> Belief:
    """The belief one frame later.

    Args:
        belief: of the frame before.
        change: q, mean squared change from frame to frame, broadcast to [1, h·w, 128]; inf forgets everything.
        signal: S, stationary variance, the same shape; None: nothing bounds it, the mean stays and variances add up.
    """
    if signal is None:
        return Belief(belief.mean, belief.variance + change, belief.log_scale)
    kept = (1 - change / (2 * signal)).clamp(min=0)
    variance = kept.square() * belief.variance + (1 - kept.square()) * signal
    return Belief(kept * belief.mean, variance, belief.log_scale)


def energies(encoder: SemanticEncoder, decoder: SemanticDecoder, evidence: Evidence, walked: Belief | None) -> Tensor:
    """Companded energy of every block, float [1, h·w], from received latents, the average block, and a prediction.

    Each of the three votes with its precision; without a prediction it is the codec's own estimate.
    """
    rate = evidence.rate
    variance = evidence.variance.clamp(min=1e-6, max=_ERASED)
    weight = torch.where(variance < _ERASED, 1 / variance, 0.0)
    usual = decoder.log_energy[rate.index].exp()
    votes = (weight * (evidence.latents.square() - variance)).sum(-1) + rate.channels * _USUAL_WEIGHT
    total = weight.sum(-1) + rate.channels * _USUAL_WEIGHT / usual
    if walked is not None:
        gain = encoder.gain(rate)
        sent = walked.mean[..., : rate.channels] * gain
        doubt = (gain.square() * walked.variance[..., : rate.channels]).mean(-1)
        companded = compand(sent).square().mean(-1)
        amplitude = companded / sent.square().mean(-1).clamp(min=1e-12)
        precision = rate.channels / (doubt * amplitude).clamp(min=1e-6)
        votes, total = votes + precision * companded, total + precision
    return (votes / total).clamp(min=_LEAST_ENERGY)


def fuse(
    encoder: SemanticEncoder,
    decoder: SemanticDecoder,
    evidence: Evidence,
    before: Belief | None = None,
    change: Tensor | None = None,
) -> Belief:
    """The belief after a frame.

    Args:
        encoder: the sender's.
        decoder: its statistics are the prior.
        evidence: what arrived of the frame, at any rate.
        before: belief of the frame before; None starts afresh, and so does a change that is not finite.
        change: q per channel, float [128]; goes with `before`.
    """
    if before is None or change is None or not bool(torch.isfinite(change).all()):
        amplitude, signal, log_scale = _statistics(encoder, decoder, evidence, None)
        return _update(encoder, evidence, Belief(torch.zeros_like(signal), signal, log_scale), amplitude)
    walked = predict(before, change)
    amplitude, signal, log_scale = _statistics(encoder, decoder, evidence, walked)
    excess = _excess(encoder, evidence, before, change, amplitude)
    held = predict(before, change * excess, signal)
    fused = _update(encoder, evidence, Belief(held.mean, held.variance, log_scale), amplitude)
    # Of some blocks nothing came at all: not even their energy is known anew.
    lost = ~torch.isfinite(evidence.variance).any(-1)
    return Belief(
        torch.where(lost[..., None], walked.mean, fused.mean),
        torch.where(lost[..., None], walked.variance, fused.variance),
        torch.where(lost, walked.log_scale, fused.log_scale),
    )


def _statistics(
    encoder: SemanticEncoder, decoder: SemanticDecoder, evidence: Evidence, walked: Belief | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Of every block: companding gain, float [1, h·w, 1]; variances S, float [1, h·w, 128]; logarithm of its scale."""
    prior = decoder.log_variance.exp()
    amplitude, energy = expand_gain(energies(encoder, decoder, evidence, walked))
    gain = encoder.gain(evidence.rate)
    scale = energy / (gain.square() * prior[: evidence.rate.channels]).mean()
    return amplitude[..., None], prior * scale[..., None], scale.clamp(min=1e-4).log()


def _update(encoder: SemanticEncoder, evidence: Evidence, predicted: Belief, amplitude: Tensor) -> Belief:
    """The posterior of v ~ `predicted` given y = a R G v + n; channels that were not sent stay as predicted."""
    rotation, gain, channels = encoder.rotation(evidence.rate), encoder.gain(evidence.rate), evidence.rate.channels
    received, noise = _expanded(evidence, amplitude)
    prior = gain.square() * predicted.variance[..., :channels]
    expected = (predicted.mean[..., :channels] * gain) @ rotation.T
    innovation, remaining = wiener(received - expected, noise, prior, rotation)
    mean, variance = predicted.mean.clone(), predicted.variance.clone()
    mean[..., :channels] += innovation / gain
    variance[..., :channels] = remaining / gain.square()
    return Belief(mean, variance, predicted.log_scale)


def _expanded(evidence: Evidence, amplitude: Tensor) -> tuple[Tensor, Tensor]:
    """Received latents and their variances with the companding undone."""
    noise = evidence.variance.clamp(min=1e-6, max=_ERASED)
    return evidence.latents / amplitude, noise / amplitude.square()


def _excess(encoder: SemanticEncoder, evidence: Evidence, before: Belief, change: Tensor, amplitude: Tensor) -> Tensor:
    """γ of every block, float [1, h·w, 1]: least squares on the energy of the innovations, each weighted by its noise.

    A difference d between received and predicted latent has E d² = n + mean(G² p) + γ mean(G² q); the variance of d² is
    twice the square of that.
    """
    rotation, gain, channels = encoder.rotation(evidence.rate), encoder.gain(evidence.rate), evidence.rate.channels
    received, noise = _expanded(evidence, amplitude)
    difference = received - (before.mean[..., :channels] * gain) @ rotation.T
    doubt = (gain.square() * before.variance[..., :channels]).mean(-1, keepdim=True)
    usual = (gain.square() * change[:channels]).mean()
    expected = noise + doubt + usual
    weight = 1 / (2 * expected.square())
    votes = (weight * usual * (difference.square() - expected)).sum(-1, keepdim=True)
    total = (weight * usual.square()).sum(-1, keepdim=True) + 1 / _SPREAD
    return (1 + votes / total).clamp(*_RANGE)


def linear_estimate(
    encoder: SemanticEncoder, decoder: SemanticDecoder, belief: Belief, grid: tuple[int, int]
) -> LinearEstimate:
    """A belief as what the decoder's learned correction starts from."""

    def planes(columns: Tensor) -> Tensor:
        stacked = columns.transpose(1, 2).unflatten(2, grid)
        return functional.pad(stacked, (0, 0, 0, 0, 0, MAX_CHANNELS - stacked.shape[1]))

    mean = planes(belief.mean)
    return LinearEstimate(
        picture=encoder.transform.synthesize(mean),
        deviation=encoder.transform.spread(planes(belief.variance)).clamp(min=1e-8).sqrt(),
        latent=torch.cat([mean / prior_scale(decoder.log_variance), belief.log_scale[:, None].unflatten(2, grid)], 1),
    )
