"""All solvers behind a simulated radio, and the rules of where they start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import ndtr

from hardware.registry import open_radio
from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.early_start import NOISE_LEVEL, diffcom_level, evidence_level, start_level
from sdr_gsc.diffusion.likelihood import ConfirmedLikelihood, SymbolLikelihood, log_likelihood
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.diffusion.posterior import SOLVERS
from sdr_gsc.diffusion.symbol_denoising import denoised_evidence, level_posterior
from sdr_gsc.link import PictureRequest, gather, prepare, transfer
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.evidence import evidence_of
from sdr_gsc.semantic.quantizer import LEVELS, Quantizer
from sdr_gsc.semantic.rate import rate_by_cbr
from sdr_gsc.semantic.values import Reception


@pytest.fixture(scope="module")
def codec(model_folder: Path) -> Codec:
    return Codec.load(model_folder)


@pytest.fixture(scope="module")
def reception(codec: Codec, soft_picture: np.ndarray) -> Reception:
    """One small picture over the office channel."""
    prepared = prepare(soft_picture, PictureRequest(Mapping.DIRECT, rate_by_cbr(12), levels=16), codec, Transmitter())
    with open_radio("loopback:office?seed=3") as radio:
        received = gather(transfer(prepared, radio, 4e6), Receiver())
    assert received.descriptor == prepared.descriptor
    return received


@pytest.mark.parametrize("name", [*(f"posterior:{solver}" for solver in SOLVERS), "blind", "cddm"])
def test_every_solver_respects_what_came_over_the_air(
    codec: Codec, model_folder: Path, reception: Reception, name: str
) -> None:
    decoder = open_decoder(name, codec, model_folder, DecoderOptions(steps=2))
    first, again = (decoder.decode(reception, generator=torch.Generator().manual_seed(7)) for _ in range(2))
    assert np.array_equal(first.picture, again.picture)
    assert first.decoder == name
    assert first.nfe == (0 if name == "cddm" else 2)
    assert first.picture.shape == (56, 58, 3)
    likelihood = SymbolLikelihood(codec.encoder, evidence_of(reception))

    def fit(picture: np.ndarray) -> float:
        whole = np.pad(picture, ((0, 8), (0, 6), (0, 0)), mode="edge")
        return float(log_likelihood(likelihood, torch.from_numpy(whole).permute(2, 0, 1)[None] * 2 - 1))

    grey = fit(np.full((56, 58, 3), 0.5, np.float32))
    # The prior is untrained and so are the networks; evidence alone must bring the picture closer to what was heard.
    assert fit(first.picture) > (1.0 if "paper" in name else 0.5) * grey


def test_samples_are_draws_of_their_own(codec: Codec, model_folder: Path, reception: Reception) -> None:
    decoder = open_decoder("posterior:daps", codec, model_folder, DecoderOptions(steps=2, samples=4))
    samples = decoder.decode(reception, generator=torch.Generator().manual_seed(1)).samples
    assert samples is not None
    centred = samples - samples.mean(0)
    products = np.einsum("ihwc,jhwc->ij", centred, centred) / np.mean(np.sum(centred**2, axis=(1, 2, 3)))
    # Around their own mean, S independent draws have the correlation -1/(S-1).
    assert products[~np.eye(4, dtype=bool)] == pytest.approx(-1 / 3, abs=0.1)


def test_start_rules(codec: Codec, reception: Reception) -> None:
    estimate = codec.estimate(evidence_of(reception))
    assert start_level("noise", estimate, reception) == NOISE_LEVEL
    found = start_level("evidence", estimate, reception)
    assert found == evidence_level(estimate) == pytest.approx(2 * float(estimate.deviation.square().mean() ** 0.5))
    half = reception.noise_variance.copy()
    half[::2] = np.inf
    fewer = replace(reception, symbols=np.where(np.isinf(half), 0, reception.symbols), noise_variance=half)
    assert evidence_level(codec.estimate(evidence_of(fewer))) > found
    assert diffcom_level(fewer) > diffcom_level(reception)
    assert diffcom_level(replace(reception, descriptor=None)) == NOISE_LEVEL


def test_the_fast_start_of_diffcom_is_the_published_one_at_one_symbol_in_48(
    codec: Codec, soft_picture: np.ndarray
) -> None:
    """ā/(1-ā) = (1 + snr)^(5/48): 1.27 at 10 dB; here σ² = (1-ā)/ā."""
    descriptor = codec.encode(np.resize(soft_picture, (64, 64, 3)), rate_by_cbr(48), 32).descriptor
    assert descriptor.n_symbols * 48 == 3 * 64 * 64
    distortion = 2 * Quantizer.of(32).distortion * descriptor.gain**2
    size = descriptor.n_symbols
    at = Reception(descriptor, np.zeros(size, np.complex64), np.full(size, 0.1 - distortion, np.float32), None, ())
    assert diffcom_level(at) ** -2 == pytest.approx(11 ** (5 / 48), rel=1e-4)
    # Half of the symbols lost is half of the capacity.
    lost = np.where(np.arange(size) % 2, np.inf, 0.1 - distortion).astype(np.float32)
    assert diffcom_level(replace(at, noise_variance=lost)) ** -2 == pytest.approx(11 ** (2.5 / 48), rel=1e-4)


def test_confirmation_compares_decodes(codec: Codec, reception: Reception, soft_picture: np.ndarray) -> None:
    evidence = evidence_of(reception)
    likelihood = ConfirmedLikelihood(codec.encoder, codec.decoder, evidence)
    whole = torch.from_numpy(np.pad(soft_picture, ((0, 8), (0, 6), (0, 0)), mode="edge")).permute(2, 0, 1)[None] * 2 - 1
    sent = codec.encoder(whole / 2 + 0.5, evidence.rate)
    exact = replace(evidence, latents=sent)
    same = ConfirmedLikelihood(codec.encoder, codec.decoder, exact).confirmation(whole)
    assert same.abs().max() < 1e-3
    # The deviation that divides it holds what the symbols never said too, so noise alone stays below 1.
    assert 0 < float(likelihood.confirmation(whole).square().mean()) < 1.5
    assert likelihood.confirmation(-whole).square().mean() > 2 * likelihood.confirmation(whole).square().mean()
    silent = replace(evidence, latents=torch.zeros_like(sent), variance=torch.full_like(sent, torch.inf))
    assert (ConfirmedLikelihood(codec.encoder, codec.decoder, silent).confirmation(whole) == 0).all()


@pytest.mark.parametrize("levels", LEVELS)
def test_level_posterior_is_bayes(levels: int) -> None:
    quantizer, generator = Quantizer.of(levels), np.random.default_rng(levels)
    source = generator.standard_normal(50_000).astype(np.float32)
    sent = quantizer.values(quantizer.indices(source))
    for noise in (1e-4, 0.05, 1.0):
        heard = sent + noise**0.5 * generator.standard_normal(sent.size).astype(np.float32)
        mean, variance = level_posterior(torch.from_numpy(heard), torch.full((sent.size,), noise), quantizer)
        error = sent - mean.numpy()
        # The posterior variance is the error it makes, and no linear estimate does better.
        assert float(np.mean(error**2)) == pytest.approx(float(variance.mean()), rel=0.05, abs=1e-7)
        # Uncorrelated with what was heard, within five standard errors (and the rounding of float32).
        product = error.astype(np.float64) * heard
        assert abs(product.mean()) < 5 * product.std() / product.size**0.5 + 1e-6
        assert float(np.mean(error**2)) < min(noise, np.var(sent)) * 1.01
    edges = (np.arange(levels - 1) + 1 - levels / 2) * quantizer.step
    masses = np.diff(np.concatenate([[0.0], ndtr(edges), [1.0]]))
    centres = quantizer.values(np.arange(levels))
    far = level_posterior(torch.zeros(1), torch.tensor([1e6]), quantizer)[1]
    assert float(far) == pytest.approx(float(np.sum(masses * centres**2)), rel=1e-4)


def test_denoised_symbols_are_certain_where_the_level_is_and_unchanged_where_noise_hides_it(
    codec: Codec, reception: Reception
) -> None:
    descriptor = reception.descriptor
    assert descriptor is not None
    size = reception.symbols.size
    indices = np.random.default_rng(0).integers(0, 16, (size, 2)).astype(np.uint8)
    levels = Quantizer.of(16).values(indices)
    points = ((levels[:, 0] + 1j * levels[:, 1]) * descriptor.gain).astype(np.complex64)
    quiet = evidence_of(replace(reception, symbols=points + np.float32(0.01), noise_variance=np.full(size, 1e-4, "f4")))
    clean = denoised_evidence(quiet, descriptor)
    assert clean.latents.flatten().numpy() == pytest.approx(levels.flatten() * descriptor.scale, rel=1e-3, abs=1e-3)
    assert torch.allclose(
        clean.variance, torch.full_like(clean.variance, Quantizer.of(16).distortion) * descriptor.scale**2, rtol=0.01
    )
    loud = evidence_of(replace(reception, symbols=points, noise_variance=np.full(size, 3.0, "f4")))
    unchanged = denoised_evidence(loud, descriptor)
    inner = torch.from_numpy(np.abs(levels.reshape(tuple(loud.latents.shape)))) < 1.5
    assert torch.allclose(unchanged.latents[inner], loud.latents[inner], rtol=0.15, atol=0.15 * descriptor.scale)
    assert float((unchanged.variance / loud.variance)[inner].mean()) == pytest.approx(1.0, abs=0.15)
    erased = replace(loud, variance=torch.full_like(loud.variance, torch.inf))
    assert torch.isinf(denoised_evidence(erased, descriptor).variance).all()
