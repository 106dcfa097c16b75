"""What measured variances are worth: the same evidence weighted as measured, by one global variance, and not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sdr_gsc.capture import Capture
from sdr_gsc.channel.converters import quantize
from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.denoiser import DATA_DEVIATION
from sdr_gsc.diffusion.guidance.gauss_newton import conditional_mean
from sdr_gsc.diffusion.likelihood import SymbolLikelihood
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.errors import SettingsError
from sdr_gsc.link import gather, prepare_symbols
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.evidence import WEIGHTINGS, Evidence, evidence_of
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.quantizer import Quantizer
from sdr_gsc.semantic.rate import RATES, rate_by_cbr
from sdr_gsc.semantic.values import Reception, SemanticSymbols


@pytest.fixture(scope="module")
def codec(model_folder: Path) -> Codec:
    return Codec.load(model_folder)


def _picture(codec: Codec, seed: int) -> np.ndarray:
    """A picture of the very prior that the untrained decoder assumes, so that its weights are the right ones."""
    generator = torch.Generator().manual_seed(seed)
    spread = (0.5 * codec.decoder.log_variance).exp()[:, None, None]
    picture = codec.encoder.transform.synthesize(spread * torch.randn(1, 128, 3, 3, generator=generator))
    return picture[0].permute(1, 2, 0).clamp(0, 1).numpy()


def _reception(codec: Codec, picture: np.ndarray, kind: str, seed: int) -> Reception:
    """Symbols through a channel that spoils some of them, and the variance that a receiver measures there."""
    symbols = codec.encode(picture, rate_by_cbr(12), 32)
    if kind == "clipped":
        return _through_a_clipping_receiver(symbols, seed)
    generator = np.random.default_rng(seed)
    points = constellation_points(symbols)
    size = points.size
    variance = np.full(size, 0.03)
    if kind == "erasures":
        variance[generator.random(size) < 0.2] = np.inf
    elif kind == "fades":
        variance = 0.03 / generator.exponential(1.0, size).clip(0.01)
    heard = np.isfinite(variance)
    noise = generator.standard_normal(size) + 1j * generator.standard_normal(size)
    received = np.where(heard, points + np.sqrt(np.where(heard, variance, 0) / 2) * noise, 0)
    return Reception(symbols.descriptor, received.astype(np.complex64), variance.astype(np.float32), None, ())


def _through_a_clipping_receiver(symbols: SemanticSymbols, seed: int) -> Reception:
    """Modulated, and received while the level rises by 12 dB in the middle of the payload, into the converter's limit.

    The variance is what the receiver measured; nothing tells it what was sent.
    """
    generator = np.random.default_rng(seed)
    transmitter = Transmitter()
    sent = prepare_symbols(symbols, transmitter)[1].samples
    level = np.sqrt(np.mean(np.abs(sent[sent != 0]) ** 2) / 2)
    noise = generator.standard_normal((2, sent.size)) * 10 ** (-20 / 20) * level
    payload = (transmitter.gap_samples + 1408, sent.size - transmitter.gap_samples)
    loud = np.arange(sent.size) >= np.mean(payload)
    gain = np.where(loud, 1.0, 10 ** (-12 / 20)) / level
    heard, clipped = quantize((gain * (sent + noise[0] + 1j * noise[1])).astype(np.complex64), 12)
    assert clipped > 0.1 * np.count_nonzero(loud)
    return gather(Capture(heard, 4e6, clipped=clipped), Receiver())


@pytest.mark.parametrize("kind", ["erasures", "fades", "clipped"])
@pytest.mark.parametrize("name", ["mmse", "posterior:diffpir"])
def test_measured_weights_beat_one_sigma_and_that_beats_none(
    codec: Codec, model_folder: Path, kind: str, name: str
) -> None:
    seeds = range(6 if name == "mmse" else (4 if kind == "clipped" else 2))
    errors = np.empty((len(seeds), len(WEIGHTINGS)))
    decoders = [
        open_decoder(name, codec, model_folder, DecoderOptions(steps=2, weighting=weighting))
        for weighting in WEIGHTINGS
    ]
    for row, seed in enumerate(seeds):
        picture = _picture(codec, seed)
        reception = _reception(codec, picture, kind, seed)
        for column, decoder in enumerate(decoders):
            decoded = decoder.decode(reception, generator=torch.Generator().manual_seed(seed)).picture
            errors[row, column] = np.mean((decoded - picture) ** 2)
    if kind == "clipped":  # half the symbols, one after the other, are better than the rest: one draw may show little
        errors = errors.mean(axis=0, keepdims=True)
    measured, one_sigma, none = errors.T
    assert (measured < one_sigma).all()
    assert (one_sigma < none).all()


def test_on_a_linear_problem_the_weights_give_the_closed_form_errors() -> None:
    """y = x + n with erasures: each weighting's error is known from its shrinkage, value by value."""
    generator = torch.Generator().manual_seed(0)
    size, batch, prior = 3 * 16 * 16, 40, DATA_DEVIATION**2
    variance = 0.02 / -torch.rand(size, generator=generator).clamp(min=1e-3).log()
    variance[::5] = torch.inf
    heard = torch.isfinite(variance)
    deviation = torch.where(heard, variance, 0.0).sqrt()
    truth = DATA_DEVIATION * torch.randn(batch, 3, 16, 16, generator=generator)
    received = torch.where(heard, truth.flatten(1) + deviation * torch.randn(batch, size, generator=generator), 0.0)
    found = []
    for weighting in WEIGHTINGS:
        evidence = Evidence(received[:, :, None], variance.expand(batch, -1)[..., None], RATES[0], 16, 16, power=prior)
        used = evidence.weighted(weighting).variance[0, :, 0]

        class Identity:
            def __init__(self, evidence: Evidence) -> None:
                self._whitening = torch.where(torch.isfinite(evidence.variance), evidence.variance.rsqrt(), 0.0)
                self._latents = evidence.latents

            def residual(self, pictures: torch.Tensor) -> torch.Tensor:
                return self._whitening * (self._latents - pictures.flatten(1)[..., None])

        mean = conditional_mean(Identity(evidence.weighted(weighting)), torch.zeros_like(truth), prior, iterations=60)
        shrink = torch.where(torch.isfinite(used), prior / (prior + used), 0.0)
        # (1 - shrink)² of the prior remains, plus what noise comes through; of an erased value all of it remains.
        remains = torch.where(heard, (1 - shrink) ** 2 * prior + shrink**2 * deviation**2, prior)
        error = (mean - truth).flatten(1).square().mean()
        assert float(error) == pytest.approx(float(remains.mean()), rel=0.05)
        found.append(float(error))
    assert found[0] < found[1] < found[2]


def test_what_the_weightings_mean(codec: Codec) -> None:
    reception = _reception(codec, _picture(codec, 0), "erasures", 0)
    descriptor, evidence = reception.descriptor, evidence_of(reception)
    assert descriptor is not None
    heard = torch.isfinite(evidence.variance)
    assert evidence.weighted("measured") is evidence
    one = evidence.weighted("global")
    assert (one.variance == evidence.variance[heard].mean()).all()
    assert torch.equal(one.latents, evidence.latents)
    assert (one.latents[~heard] == 0).all()
    # w = 1 in units of mean symbol power 1: Σ|y - s|² is half the squared norm of the residual.
    likelihood = SymbolLikelihood(codec.encoder, evidence, "none")
    pictures = torch.full((1, 3, 48, 48), 0.1)
    sent = codec.encoder(pictures / 2 + 0.5, evidence.rate).reshape(-1, 2).numpy() / descriptor.scale * descriptor.gain
    expected = np.sum(np.abs(reception.symbols - (sent[:, 0] + 1j * sent[:, 1])) ** 2)
    assert 0.5 * float(likelihood.residual(pictures).square().sum()) == pytest.approx(float(expected), rel=1e-4)
    # Sent symbols have mean power 1, so sent latents half of it each, in the encoder's units.
    levels = Quantizer.of(32).values(codec.encode(_picture(codec, 0), rate_by_cbr(12), 32).indices)
    assert float(np.mean((levels * descriptor.scale) ** 2)) == pytest.approx(evidence.power, rel=2e-3)
    with pytest.raises(SettingsError, match="weighting is 'guessed'"):
        evidence.weighted("guessed")
    silent = replace(evidence, variance=torch.full_like(evidence.variance, torch.inf))
    assert silent.weighted("global") is silent
