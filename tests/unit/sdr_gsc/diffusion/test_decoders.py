from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.decoding import reconstruction_of
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.diffusion.sampler import SamplerStep
from sdr_gsc.errors import DescriptorError, SettingsError, WeightsError
from sdr_gsc.metrics.calibration import coverage
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.decoder import Estimate, LinearEstimate
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.evidence import Evidence
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.rate import RATES, rate_by_cbr
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
    ("name", "nfe"),
    [("mmse", 0), ("refine", 4), ("refine:2", 2), ("posterior", 3), ("posterior:diffpir", 3), ("posterior:dps", 3)],
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


@pytest.mark.parametrize("name", ["refine", "posterior", "posterior:diffpir"])
def test_the_generator_decides_what_is_drawn(codec: Codec, model_folder: Path, reception: Reception, name: str) -> None:
    decoder = open_decoder(name, codec, model_folder, DecoderOptions(steps=2, samples=3))
    first, again, other = (decoder.decode(reception, generator=_generator(seed)) for seed in (1, 1, 2))
    assert (first.picture == again.picture).all()
    assert (first.picture != other.picture).any()
    assert first.samples is not None
    assert first.samples.shape == (3, 56, 58, 3)
    estimate = open_decoder("mmse", codec, model_folder).decode(reception, generator=_generator())
    assert estimate.standard_deviation is not None
    moved = np.mean((first.picture - estimate.picture) ** 2, axis=-1)
    assert moved.max() > 0
    assert first.standard_deviation == pytest.approx(np.sqrt(estimate.standard_deviation**2 + moved), abs=1e-5)


def test_intervals_cover_what_they_promise_for_the_mean_and_for_draws() -> None:
    """Picture and truth from a known Gaussian posterior, far from the ends of the range."""
    shape = (1, 3, 64, 64)
    mean, deviation = torch.full(shape, 0.5), torch.full((1, 1, 64, 64), 0.03)
    truth, draw = (mean + deviation * torch.randn(shape, generator=_generator(seed)) for seed in (0, 1))
    evidence = Evidence(torch.zeros(1, 16, 1), torch.ones(1, 16, 1), RATES[0], 64, 64)
    estimate = Estimate(mean, deviation, LinearEstimate(mean, deviation, mean))
    error = {}
    for name, picture in (("mean", mean), ("draw", draw)):
        found = reconstruction_of(name, evidence, estimate, picture, 1, {})
        assert found.standard_deviation is not None
        original = truth[0].permute(1, 2, 0).numpy()
        assert 0.89 < coverage(original, found.picture, found.standard_deviation) < 0.93
        error[name] = np.sqrt(np.mean((found.picture - original) ** 2)), np.sqrt(np.mean(found.standard_deviation**2))
        assert error[name][1] == pytest.approx(error[name][0], rel=0.03)
    assert error["draw"][0] == pytest.approx(np.sqrt(2) * error["mean"][0], rel=0.03)


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


#: What loads each model, and a decoder that needs it.
_LOADED_BY = {"refine": "refine", "consistency": "consistency", "prior": "posterior:diffpir"}


def _replaced(name: str, content: bytes, model_folder: Path, folder: Path) -> Path:
    """A folder in which one model's file holds something else, with a card that vouches for it."""
    for other in ("codec", "refine", "consistency", "prior"):
        card, path = load_card(other, model_folder)
        data = content if other == name else path.read_bytes()
        (folder / card.file).write_bytes(data)
        write_card(replace(card, sha256=sha256(data).hexdigest()), folder)
    return folder / f"{name}.safetensors"


def test_a_codec_of_another_architecture_is_refused(model_folder: Path, tmp_path: Path) -> None:
    path = _replaced("codec", load_card("prior", model_folder)[1].read_bytes(), model_folder, tmp_path)
    with pytest.raises(WeightsError, match=rf"{path} holds another architecture .*sdr-gsc train codec"):
        Codec.load(tmp_path)


@pytest.mark.parametrize(("name", "other"), [("refine", "prior"), ("consistency", "prior"), ("prior", "refine")])
def test_a_model_of_another_architecture_is_refused(
    codec: Codec, model_folder: Path, tmp_path: Path, name: str, other: str
) -> None:
    path = _replaced(name, load_card(other, model_folder)[1].read_bytes(), model_folder, tmp_path)
    with pytest.raises(WeightsError, match=f"{path} holds another architecture"):
        open_decoder(_LOADED_BY[name], codec, tmp_path)


@pytest.mark.parametrize("kept", [0, 4, 1000, -1000])
def test_a_damaged_codec_whose_card_vouches_for_it_is_refused(model_folder: Path, tmp_path: Path, kept: int) -> None:
    whole = load_card("codec", model_folder)[1].read_bytes()
    path = _replaced("codec", whole[:kept], model_folder, tmp_path)
    with pytest.raises(WeightsError, match=rf"{path} is damaged .*sdr-gsc train codec"):
        Codec.load(tmp_path)


@pytest.mark.parametrize("name", _LOADED_BY)
def test_a_damaged_model_whose_card_vouches_for_it_is_refused(
    codec: Codec, model_folder: Path, tmp_path: Path, name: str
) -> None:
    path = _replaced(name, load_card(name, model_folder)[1].read_bytes()[:-1000], model_folder, tmp_path)
    with pytest.raises(WeightsError, match=str(path)):
        open_decoder(_LOADED_BY[name], codec, tmp_path)


def test_realism_beyond_the_walk_is_refused(codec: Codec, model_folder: Path) -> None:
    with pytest.raises(SettingsError, match="realism is 1.5"):
        open_decoder("refine", codec, model_folder, DecoderOptions(realism=1.5))
