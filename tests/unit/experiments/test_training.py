from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from experiments.training.air import Air, draw_air, transmit
from experiments.training.codec import CodecModel, start_from_klt, train_codec
from experiments.training.loop import Draw, LoopSettings, Progress, fit
from experiments.training.pictures import PictureSet
from experiments.training.prior import train_prior
from experiments.training.refine import train_refine
from sdr_gsc.errors import PictureError, SettingsError
from sdr_gsc.semantic.quantizer import Quantizer
from sdr_gsc.semantic.rate import RATES

_SETTINGS = LoopSettings(steps=8, batch=2, side_px=32, checkpoint_every=3, threads=1)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> PictureSet:
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for index in range(3):
        coarse = generator.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((320, 270), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return PictureSet.load(folder)


def _fit(folder: Path, stop_after: int | None = None) -> tuple[dict[str, Tensor], list[Progress]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = nn.Linear(3, 1)

    def loss(draw: Draw) -> Tensor:
        inputs = torch.randn(16, 3, generator=draw.torch_generator)
        return (model(inputs) - inputs.sum(1, keepdim=True) * draw.generator.random()).square().mean()

    news: list[Progress] = []

    def on_step(progress: Progress) -> None:
        news.append(progress)
        if progress.step == stop_after:
            raise KeyboardInterrupt

    groups: list[dict[str, object]] = [{"params": list(model.parameters()), "lr": 1.0}]
    return fit(model, loss, groups, _SETTINGS, folder / "checkpoint.pt", on_step), news


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    unbroken, _ = _fit(tmp_path / "unbroken")
    with pytest.raises(KeyboardInterrupt):
        _fit(tmp_path / "broken", stop_after=5)
    resumed, news = _fit(tmp_path / "broken")
    assert news[0].step == 4  # three steps were in the checkpoint
    assert all(torch.equal(unbroken[name], resumed[name]) for name in unbroken)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    _fit(tmp_path)
    model = nn.Linear(3, 1)
    other = replace(_SETTINGS, seed=1)
    with pytest.raises(SettingsError, match="seed 0"):
        fit(model, lambda draw: model(torch.zeros(1, 3)).sum(), [{"params": list(model.parameters())}], other,
            tmp_path / "checkpoint.pt")  # fmt: skip


def test_a_damaged_checkpoint_says_what_to_do(tmp_path: Path) -> None:
    _fit(tmp_path)
    checkpoint = tmp_path / "checkpoint.pt"
    whole = checkpoint.read_bytes()
    for damaged in (b"", b"no checkpoint", whole[: len(whole) // 2]):
        checkpoint.write_bytes(damaged)
        with pytest.raises(SettingsError, match="delete it"):
            _fit(tmp_path)


def test_a_folder_without_pictures_says_how_to_get_some(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="train corpus"):
        PictureSet.load(tmp_path)


def test_crops_depend_on_the_generator_alone(pictures: PictureSet) -> None:
    first, second = (pictures.crops(4, 48, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == (4, 3, 48, 48)


def test_the_air_delivers_the_variance_it_announces() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = 3 * torch.randn(4, 500, 32, generator=generator)
    noise = torch.full((4, 500 * 16), 0.2)
    noise[:, ::5] = torch.inf
    received, variance = transmit(latents, Air(Quantizer.of(16), noise), generator)
    heard = torch.isfinite(variance)
    assert float(heard.float().mean()) == pytest.approx(0.8)
    assert (received[~heard] == 0).all()
    whitened = (received - latents)[heard] / variance[heard].sqrt()
    assert float(whitened.square().mean()) == pytest.approx(1.0, abs=0.02)
    # Es/N0 refers to the mean power of the symbols as sent, which is 1 - D per real latent.
    assert float((variance[heard] / (3**2)).mean()) == pytest.approx(0.2 * (1 - 0.0115) + 0.0115, rel=0.02)


def test_all_kinds_of_air_are_drawn() -> None:
    generator = np.random.default_rng(0)
    draws = [draw_air(2, 64, generator).noise for _ in range(60)]
    erased = sum(bool(torch.isinf(noise).any()) for noise in draws)
    faded = sum(bool((noise[:, :1] != noise).any()) for noise in draws)
    assert 0 < erased < faded < 60


def test_the_linear_start_reconstructs_what_its_channels_span(pictures: PictureSet) -> None:
    model = CodecModel().eval()
    start_from_klt(model, pictures, blocks=3000)
    crops = pictures.crops(4, 64, np.random.default_rng(1))
    # Without noise and quantization the codec is the projection on the first 128 components, up to the shrinkage.
    errors = []
    for rate in RATES:
        air = Air(None, torch.full((4, 16 * rate.channels // 2), 1e-6))
        with torch.no_grad():
            estimate = model.through(crops, rate, air, torch.Generator().manual_seed(0))
        errors.append(float((estimate.picture - crops).square().mean()))
    assert all(later < earlier for earlier, later in zip(errors[:-1], errors[1:], strict=True))
    assert errors[-1] < 1e-3


def test_every_model_trains_and_resumes(pictures: PictureSet, tmp_path: Path) -> None:
    short = replace(_SETTINGS, steps=2)
    codec = train_codec(pictures, short, tmp_path / "codec.pt")
    bridge = train_refine(codec, pictures, short, tmp_path / "refine.pt")
    prior = train_prior(pictures, short, tmp_path / "prior.pt")
    for module in (codec, bridge, prior):
        assert all(torch.isfinite(value).all() for value in module.state_dict().values())
    again = train_prior(pictures, short, tmp_path / "prior.pt")
    assert all(torch.equal(a, b) for a, b in zip(prior.parameters(), again.parameters(), strict=True))
