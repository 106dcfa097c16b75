from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sdr_gsc.diffusion.likelihood import SymbolLikelihood, log_likelihood
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.evidence import Evidence, evidence_of
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.picture import as_tensor
from sdr_gsc.semantic.quantizer import Quantizer
from sdr_gsc.semantic.rate import rate_by_cbr
from sdr_gsc.semantic.transform import pad_to_blocks
from sdr_gsc.semantic.values import Reception


def _noisy(codec: Codec, picture: np.ndarray, variance: np.ndarray) -> Reception:
    symbols = codec.encode(picture, rate_by_cbr(12), 32)
    generator = np.random.default_rng(1)
    noise = generator.standard_normal(variance.size) + 1j * generator.standard_normal(variance.size)
    heard = np.isfinite(variance)
    received = constellation_points(symbols) + np.where(heard, np.sqrt(np.where(heard, variance, 0) / 2) * noise, 0)
    received = np.where(heard, received, 0).astype(np.complex64)
    return Reception(symbols.descriptor, received, variance.astype(np.float32), None, ())


def _variances(size: int) -> np.ndarray:
    variance = np.random.default_rng(0).uniform(0.05, 1.0, size)
    variance[::4] = np.inf
    return variance


def _true(picture: np.ndarray) -> torch.Tensor:
    return pad_to_blocks(as_tensor(picture)) * 2 - 1


def test_the_residual_of_the_true_picture_is_white(untrained_codec: Codec, soft_picture: np.ndarray) -> None:
    reception = _noisy(untrained_codec, soft_picture, _variances(16 * 64))
    likelihood = SymbolLikelihood(untrained_codec.encoder, evidence_of(reception))
    residual = likelihood.residual(_true(soft_picture))
    heard = likelihood.whitening > 0
    assert float(heard.float().mean()) == pytest.approx(0.75)
    count = int(heard.sum())
    assert float(residual[heard].square().mean()) == pytest.approx(1.0, abs=5 * (2 / count) ** 0.5)
    assert (residual[~heard] == 0).all()


def test_it_is_the_formula_of_complex_symbols(untrained_codec: Codec, soft_picture: np.ndarray) -> None:
    """-Σ w |y - s|² with w = 1/(σ² + 2D) in units of mean symbol power 1, evaluated the long way round."""
    variance = _variances(16 * 64)
    reception = _noisy(untrained_codec, soft_picture, variance)
    descriptor = reception.descriptor
    assert descriptor is not None
    picture = _true(soft_picture) * 0.9
    latents = untrained_codec.encoder(picture / 2 + 0.5, rate_by_cbr(12)).reshape(-1, 2).numpy()
    sent = (latents[:, 0] + 1j * latents[:, 1]) / descriptor.scale * descriptor.gain
    distortion = Quantizer.of(32).distortion * descriptor.gain**2
    weight = np.where(np.isfinite(variance), 1 / (variance + 2 * distortion), 0)
    expected = -np.sum(weight * np.abs(reception.symbols - sent) ** 2)
    found = log_likelihood(SymbolLikelihood(untrained_codec.encoder, evidence_of(reception)), picture)
    assert float(found) == pytest.approx(float(expected), rel=1e-3)


def test_erased_symbols_have_no_say(untrained_codec: Codec, soft_picture: np.ndarray) -> None:
    evidence = evidence_of(_noisy(untrained_codec, soft_picture, _variances(16 * 64)))
    erased = torch.isinf(evidence.variance)
    other = replace(evidence, latents=torch.where(erased, 7.0, evidence.latents))
    values = [_gradient(untrained_codec, each, soft_picture) for each in (evidence, other)]
    assert torch.equal(values[0], values[1])
    silent = replace(evidence, variance=torch.full_like(evidence.variance, torch.inf))
    assert (_gradient(untrained_codec, silent, soft_picture) == 0).all()


def _gradient(codec: Codec, evidence: Evidence, picture: np.ndarray) -> torch.Tensor:
    at = (_true(picture) * 0.8).requires_grad_()
    (gradient,) = torch.autograd.grad(log_likelihood(SymbolLikelihood(codec.encoder, evidence), at).sum(), at)
    return gradient
