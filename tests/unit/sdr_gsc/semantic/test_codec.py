from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sdr_gsc.errors import DescriptorError, WeightsError
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.evidence import evidence_of
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.picture import as_tensor
from sdr_gsc.semantic.quantizer import LEVELS, Quantizer
from sdr_gsc.semantic.rate import RATES, rate_by_cbr, symbols_per_picture
from sdr_gsc.semantic.transform import pad_to_blocks
from sdr_gsc.semantic.values import Reception, SemanticSymbols
from sdr_gsc.weights.cards import Card, load_card, write_card


def _perfect(symbols: SemanticSymbols, variance: float = 0.0) -> Reception:
    points = constellation_points(symbols)
    return Reception(symbols.descriptor, points, np.full(points.size, variance, np.float32), None, ())


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("levels", LEVELS)
def test_symbols_have_unit_mean_power_and_the_count_of_the_rate(
    untrained_codec: Codec, soft_picture: np.ndarray, rate: object, levels: int
) -> None:
    symbols = untrained_codec.encode(soft_picture, rate, levels)  # type: ignore[arg-type]
    points = constellation_points(symbols)
    assert points.dtype == np.complex64
    assert points.size == symbols.descriptor.n_symbols == symbols_per_picture(72, 90, rate)  # type: ignore[arg-type]
    # float16 rounds the gain by at most 2^-11.
    assert np.mean(np.abs(points) ** 2) == pytest.approx(1.0, abs=2**-10 + 1e-6)


def test_payload_cbr_is_the_rates_own() -> None:
    for inverse in (384, 192, 96, 48, 24, 12):
        assert symbols_per_picture(256, 256, rate_by_cbr(inverse)) * inverse == 3 * 256 * 256


def test_evidence_of_perfect_reception_is_the_latents_within_half_a_step(
    untrained_codec: Codec, soft_picture: np.ndarray
) -> None:
    rate = rate_by_cbr(48)
    symbols = untrained_codec.encode(soft_picture, rate, 32)
    evidence = evidence_of(_perfect(symbols))
    latents = untrained_codec.encoder(pad_to_blocks(as_tensor(soft_picture)), rate)
    scale, quantizer = symbols.descriptor.scale, Quantizer.of(32)
    inside = latents.abs() < 15 * quantizer.step * scale
    assert inside.float().mean() > 0.9
    assert ((evidence.latents - latents).abs()[inside] <= 0.5001 * quantizer.step * scale).all()
    assert torch.allclose(evidence.variance, torch.tensor(quantizer.distortion * scale**2), rtol=1e-5)


def test_variance_is_carried_into_latent_units(untrained_codec: Codec, soft_picture: np.ndarray) -> None:
    symbols = untrained_codec.encode(soft_picture, rate_by_cbr(24), 16)
    descriptor = symbols.descriptor
    evidence = evidence_of(_perfect(symbols, 0.3))
    expected = 0.15 * (descriptor.scale / descriptor.gain) ** 2 + Quantizer.of(16).distortion * descriptor.scale**2
    assert torch.allclose(evidence.variance, torch.tensor(expected), rtol=1e-5)
    silent = evidence_of(replace(_perfect(symbols), noise_variance=np.full(descriptor.n_symbols, np.inf, np.float32)))
    assert torch.isinf(silent.variance).all()


def test_a_flat_picture_can_be_sent(untrained_codec: Codec) -> None:
    flat = np.full((32, 32, 3), 0.5, np.float32)
    symbols = untrained_codec.encode(flat, rate_by_cbr(96), 16)
    estimate = untrained_codec.estimate(evidence_of(_perfect(symbols)))
    assert torch.isfinite(estimate.picture).all()
    assert float((estimate.picture - 0.5).abs().max()) < 0.02


def test_what_was_not_received_or_does_not_fit_is_refused(untrained_codec: Codec, soft_picture: np.ndarray) -> None:
    symbols = untrained_codec.encode(soft_picture, rate_by_cbr(96), 16)
    good = _perfect(symbols)
    with pytest.raises(DescriptorError, match="nothing to decode"):
        evidence_of(replace(good, descriptor=None))
    with pytest.raises(DescriptorError, match="need"):
        evidence_of(replace(good, symbols=good.symbols[:-1], noise_variance=good.noise_variance[:-1]))
    with pytest.raises(DescriptorError, match="rates"):
        evidence_of(replace(good, descriptor=replace(symbols.descriptor, rate_index=15)))
    untrained_codec.check(symbols.descriptor)
    with pytest.raises(DescriptorError, match="sender's weights"):
        untrained_codec.check(replace(symbols.descriptor, weights_prefix=b"\0\0\0\0"))
    assert symbols.descriptor.mapping is Mapping.DIRECT


def test_cards_vouch_for_their_files(tmp_path: object) -> None:
    from hashlib import sha256
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "a.safetensors").write_bytes(b"weights")
    digest = sha256(b"weights").hexdigest()
    card = Card("codec", "a.safetensors", digest, 1, "d", "on", "with", "", "Apache-2.0", {"kappa": 0.5}, {"psnr": 1.5})
    write_card(card, folder)
    write_card(replace(card, name="prior"), folder)
    loaded, path = load_card("codec", folder)
    assert loaded == card
    assert path == folder / "a.safetensors"
    with pytest.raises(WeightsError, match="no model 'refine'"):
        load_card("refine", folder)
    (folder / "a.safetensors").write_bytes(b"Weights")
    with pytest.raises(WeightsError, match="does not match its card"):
        load_card("codec", folder)
    (folder / "a.safetensors").unlink()
    with pytest.raises(WeightsError, match="missing"):
        load_card("codec", folder)
    (folder / "cards.toml").write_text("[codec\n")
    with pytest.raises(WeightsError, match="damaged"):
        load_card("codec", folder)
