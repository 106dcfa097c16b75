from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.diffusion.sampler import SamplerStep
from sdr_gsc.errors import DescriptorError, SettingsError, WeightsError
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.rate import rate_by_cbr
from sdr_gsc.semantic.values import Reception
from sdr_gsc.weights.cards import load_card, write_card


@pytest.fixture(scope="module")
def codec(model_folder: Path) -> Codec:
    return Codec.load(model_folder)


@pytest.fixture(scope="module")
def reception(codec: Codec, soft_picture: np.ndarray) -> Reception:
    symbols = codec.encode(soft_picture, rate_by_cbr(12), 32)
    generator = np.random.default_rng(0)
    size = symbols.descriptor.n_symbols
    noise = 0.2 * (generator.standard_normal(size) + 1j * generator.standard_normal(size))
    received = (constellation_points(symbols) + noise).astype(np.complex64)
    return Reception(symbols.descriptor, received, np.full(size, 0.08, np.float32), None, ())


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("name", "nfe"), [("mmse", 0), ("refine", 4), ("refine:2", 2), ("posterior", 3), ("posterior:dps", 3)]
)
def test_every_decoder_returns_a_picture_of_the_right_size(
    codec: Codec, model_folder: Path, reception: Reception, name: str, nfe: int
) -> None:
    news: list[SamplerStep] = []
    decoder = open_decoder(name, codec, model_folder, DecoderOptions(steps=3 if name.startswith("posterior") else None))
    result = decoder.decode(reception, generator=_generator(), on_step=news.append)
    assert decoder.name == result.decoder == name
    assert result.picture.shape == (56, 58, 3)
    assert result.picture.dtype == np.float32
    assert 0 <= result.picture.min() <= result.picture.max() <= 1
    assert result.standard_deviation is not None
    assert result.standard_deviation.shape == (56, 58)
    assert result.samples is None
    assert result.nfe == nfe == len(news)


@pytest.mark.parametrize("name", ["refine", "posterior"])
def test_the_generator_decides_and_samples_give_a_deviation(
    codec: Codec, model_folder: Path, reception: Reception, name: str
) -> None:
    decoder = open_decoder(name, codec, model_folder, DecoderOptions(steps=2, samples=3))
    first, again, other = (decoder.decode(reception, generator=_generator(seed)) for seed in (1, 1, 2))
    assert (first.picture == again.picture).all()
    assert (first.picture != other.picture).any()
    assert first.samples is not None
    assert first.samples.shape == (3, 56, 58, 3)
    spread = np.sqrt(np.mean(np.var(first.samples, axis=0, ddof=1), axis=-1))
    assert first.standard_deviation == pytest.approx(spread, abs=1e-6)


def test_uncertainty_grows_where_symbols_are_lost(codec: Codec, model_folder: Path, reception: Reception) -> None:
    lost = reception.noise_variance.copy()
    lost[: lost.size // 2] = np.inf
    partly = replace(reception, symbols=np.where(np.isinf(lost), 0, reception.symbols), noise_variance=lost)
    decoder = open_decoder("mmse", codec, model_folder)
    whole, half = (decoder.decode(each, generator=_generator()).standard_deviation for each in (reception, partly))
    assert whole is not None
    assert half is not None
    # The first half of the symbols belongs to the upper half of the picture.
    assert half[:24].mean() > 1.5 * whole[:24].mean()
    assert half[-16:].mean() == pytest.approx(whole[-16:].mean(), rel=0.05)


@pytest.mark.parametrize("name", ["", "nonsense", "mmse:2", "refine:x", "refine:0", "posterior:unknown"])
def test_unknown_names_are_refused(codec: Codec, model_folder: Path, name: str) -> None:
    with pytest.raises(SettingsError):
        open_decoder(name, codec, model_folder)


def test_what_is_not_for_this_decoder_is_refused(codec: Codec, model_folder: Path, reception: Reception) -> None:
    assert reception.descriptor is not None
    decoder = open_decoder("mmse", codec, model_folder)
    for descriptor, words in (
        (None, "nothing to decode"),
        (replace(reception.descriptor, mapping=Mapping.CLASSICAL), "payload"),
        (replace(reception.descriptor, weights_prefix=b"\1\2\3\4"), "sender's weights"),
    ):
        with pytest.raises(DescriptorError, match=words):
            decoder.decode(replace(reception, descriptor=descriptor), generator=_generator())


def test_a_bridge_of_another_codec_is_refused(codec: Codec, model_folder: Path, tmp_path: Path) -> None:
    card, path = load_card("refine", model_folder)
    (tmp_path / card.file).write_bytes(path.read_bytes())
    write_card(replace(card, codec_sha256="cd" * 32), tmp_path)
    with pytest.raises(WeightsError, match="was trained on codec cdcd"):
        open_decoder("refine", codec, tmp_path)


def test_opening_draws_nothing_from_the_global_generator(codec: Codec, model_folder: Path) -> None:
    before = torch.random.get_rng_state()
    for name in ("refine", "consistency", "posterior", "blind"):
        open_decoder(name, codec, model_folder)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_weights_of_another_architecture_are_refused(model_folder: Path, tmp_path: Path) -> None:
    card, _ = load_card("codec", model_folder)
    prior_card, prior_path = load_card("prior", model_folder)
    (tmp_path / card.file).write_bytes(prior_path.read_bytes())
    write_card(replace(card, sha256=prior_card.sha256), tmp_path)
    with pytest.raises(WeightsError, match="another architecture"):
        Codec.load(tmp_path)


def test_realism_beyond_the_walk_is_refused(codec: Codec, model_folder: Path) -> None:
    with pytest.raises(SettingsError, match="realism is 1.5"):
        open_decoder("refine", codec, model_folder, DecoderOptions(realism=1.5))
