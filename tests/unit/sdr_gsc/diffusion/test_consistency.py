"""The one-step decoder on an untrained bridge, whose algebra is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sdr_gsc.diffusion.bridge import BridgeCondition
from sdr_gsc.diffusion.consistency import sample_consistency
from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.diffusion.sampler import SamplerStep
from sdr_gsc.diffusion.schedule import BridgeSchedule
from sdr_gsc.errors import SettingsError, WeightsError
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.rate import rate_by_cbr
from sdr_gsc.semantic.values import Reception
from sdr_gsc.weights.cards import load_card, write_card


def _condition(batch: int = 2) -> BridgeCondition:
    generator = torch.Generator().manual_seed(0)
    estimate = torch.rand((batch, 3, 16, 16), generator=generator)
    return BridgeCondition(estimate, torch.full((batch, 1, 16, 16), 0.1), estimate, torch.zeros(batch, 2, 1, 1))


def _gaussian(state: Tensor, condition: BridgeCondition, t: Tensor, kappa: Tensor) -> Tensor:
    """E[x0 | x_t] for errors of deviation τ."""
    t, kappa = t.reshape(-1, 1, 1, 1), kappa.reshape(-1, 1, 1, 1)
    return condition.estimate + (1 - t) / ((1 - t).square() + (t * kappa).square()) * (state - condition.estimate)


def _draw(steps: int, seed: int = 1, noise: float = 1.0, **options: float) -> tuple[Tensor, int]:
    generator = torch.Generator().manual_seed(seed)
    return sample_consistency(_gaussian, _condition(), BridgeSchedule(steps), 0.5, noise, generator, **options)


def test_one_step_of_a_gaussian_bridge_is_the_mean() -> None:
    drawn, evaluations = _draw(1)
    assert evaluations == 1
    assert torch.equal(drawn, _condition().estimate)


def test_two_steps_put_the_estimate_back_on_the_bridge() -> None:
    # From x̂ = m: x_½ = m + ½κτε, and then the bridge's estimate with a = ½/(¼ + ¼κ²).
    drawn, evaluations = _draw(2, seed=4)
    generator = torch.Generator().manual_seed(4)
    torch.randn((2, 3, 16, 16), generator=generator)  # of the start
    fresh = torch.randn((2, 3, 16, 16), generator=generator)
    gain = 0.5 / (0.25 + 0.25 * 0.25)
    assert evaluations == 2
    assert torch.allclose(drawn, _condition().estimate + gain * 0.5 * 0.5 * 0.1 * fresh, atol=1e-6)


def test_the_start_has_the_noise_that_was_asked_for() -> None:
    seen: list[Tensor] = []

    def watching(state: Tensor, condition: BridgeCondition, t: Tensor, kappa: Tensor) -> Tensor:
        seen.append((state - condition.estimate) / (kappa.reshape(-1, 1, 1, 1) * condition.deviation))
        return condition.estimate

    for noise in (0.0, 0.6):
        sample_consistency(watching, _condition(), BridgeSchedule(1), 0.5, noise, torch.Generator().manual_seed(0))
    assert float(seen[0].abs().max()) == 0
    assert float(seen[1].std()) == pytest.approx(0.6, rel=0.05)


def test_equal_seeds_give_equal_pictures() -> None:
    assert torch.equal(_draw(3)[0], _draw(3)[0])
    assert not torch.equal(_draw(3)[0], _draw(3, seed=2)[0])


def test_an_estimate_at_rest_ends_the_steps() -> None:
    assert _draw(8, early_exit=100.0)[1] == 2
    assert _draw(8, early_exit=1e-6)[1] == 8


@pytest.fixture(scope="module")
def codec(model_folder: Path) -> Codec:
    return Codec.load(model_folder)


@pytest.fixture(scope="module")
def reception(codec: Codec, soft_picture: np.ndarray) -> Reception:
    symbols = codec.encode(soft_picture, rate_by_cbr(48), 16)
    size = symbols.descriptor.n_symbols
    points = constellation_points(symbols).astype(np.complex64)
    return Reception(symbols.descriptor, points, np.full(size, 0.1, np.float32), None, ())


@pytest.mark.parametrize(("name", "options", "nfe"), [
    ("consistency", DecoderOptions(), 1),
    ("consistency:3", DecoderOptions(), 3),
    ("consistency:3", DecoderOptions(steps=2), 2),
    ("refine:2", DecoderOptions(guidance=2.0), 4),
    ("refine:2", DecoderOptions(guidance=1.0), 2),
    ("refine:3", DecoderOptions(sampler="heun"), 5),
    ("refine:3", DecoderOptions(sampler="dpm-solver++"), 3),
    ("refine:3", DecoderOptions(sampler="heun", guidance=3.0), 10),
    ("refine:9", DecoderOptions(early_exit=50.0), 2),
])  # fmt: skip
def test_evaluations_are_counted_as_they_happen(
    codec: Codec, model_folder: Path, reception: Reception, name: str, options: DecoderOptions, nfe: int
) -> None:
    decoder = open_decoder(name, codec, model_folder, options)
    calls = []
    network = decoder.bridge if name.startswith("consistency") else decoder.bridge.bridge  # type: ignore[attr-defined]
    handle = network.register_forward_hook(lambda *anything: calls.append(1))
    news: list[SamplerStep] = []
    result = decoder.decode(reception, generator=torch.Generator().manual_seed(0), on_step=news.append)
    handle.remove()
    assert result.nfe == len(calls) == nfe
    assert result.picture.shape == (56, 58, 3)
    assert [step.step for step in news] == list(range(1, len(news) + 1))


def test_realism_runs_from_the_codec_to_the_draw(codec: Codec, model_folder: Path, reception: Reception) -> None:
    def decoded(name: str, realism: float | None = None) -> np.ndarray:
        decoder = open_decoder(name, codec, model_folder, DecoderOptions(realism=realism))
        return decoder.decode(reception, generator=torch.Generator().manual_seed(3)).picture

    plain, none, half, whole = decoded("mmse"), *(decoded("consistency:2", realism) for realism in (0.0, 0.5, 1.0))
    assert none == pytest.approx(plain, abs=1e-6)
    assert (decoded("consistency:2") == whole).all()  # the card's realism is 1
    inside = (plain > 0) & (plain < 1) & (whole > 0) & (whole < 1)
    assert half[inside] == pytest.approx((0.5 * plain + 0.5 * whole)[inside], abs=1e-5)
    assert np.abs(whole - plain).max() > 1e-3


def test_draws_without_randomness_are_not_repeated(
    codec: Codec, model_folder: Path, reception: Reception, tmp_path: Path
) -> None:
    for name in ("codec", "consistency"):
        card, path = load_card(name, model_folder)
        (tmp_path / card.file).write_bytes(path.read_bytes())
        write_card(replace(card, settings={"kappa": 0.5, "realism": 1.0, "noise": 0.0}), tmp_path)
    certain = open_decoder("consistency", codec, tmp_path, DecoderOptions(samples=3))
    result = certain.decode(reception, generator=torch.Generator().manual_seed(0))
    # Equal draws would claim certainty; the predicted deviation stands in.
    assert result.samples is None
    assert result.standard_deviation is not None
    assert result.standard_deviation.min() > 0
    drawn = open_decoder("consistency:2", codec, tmp_path, DecoderOptions(samples=3))
    samples = drawn.decode(reception, generator=torch.Generator().manual_seed(0)).samples
    assert samples is not None
    assert samples.shape[0] == 3


def test_a_card_without_the_setting_is_refused(codec: Codec, model_folder: Path, tmp_path: Path) -> None:
    card, path = load_card("consistency", model_folder)
    (tmp_path / card.file).write_bytes(path.read_bytes())
    write_card(replace(card, settings={"kappa": 0.5, "realism": 1.0}), tmp_path)
    with pytest.raises(WeightsError, match="noise = None"):
        open_decoder("consistency", codec, tmp_path)
    write_card(replace(card, codec_sha256="cd" * 32), tmp_path)
    with pytest.raises(WeightsError, match="train distil"):
        open_decoder("consistency", codec, tmp_path)


@pytest.mark.parametrize("bad", [
    {"guidance": -1.0}, {"guidance": float("nan")}, {"sampler": "magic"}, {"early_exit": 0.0},
    {"early_exit": float("inf")}, {"precision": "float8"},
])  # fmt: skip
def test_options_out_of_range_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(bad))):
        DecoderOptions(**bad)  # type: ignore[arg-type]
