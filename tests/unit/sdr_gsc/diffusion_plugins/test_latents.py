"""Latent priors: states that solvers treat as pictures, behind the autoencoder that diffusers wrote."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sdr_gsc.diffusion.denoiser import DATA_DEVIATION
from sdr_gsc.diffusion.guidance.proximal import ProximalGuidance
from sdr_gsc.diffusion.plugins.conditioning import Conditioning
from sdr_gsc.diffusion.plugins.discrete import DiscreteDenoiser, Prediction
from sdr_gsc.diffusion.plugins.latents import LatentPrior, Problem, in_latents
from sdr_gsc.diffusion.plugins.levels import NoiseLevels, betas
from sdr_gsc.diffusion.plugins.opening import open_prior
from sdr_gsc.diffusion.sampler import sample_posterior
from sdr_gsc.diffusion.schedule import NoiseSchedule
from sdr_gsc.errors import SettingsError, WeightsError

_CPU = torch.device("cpu")


def _noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_states_are_the_autoencoders_means_and_decode_to_its_pictures(write_latent_prior: Any) -> None:
    folder, _, autoencoder = write_latent_prior()
    prior = open_prior(str(folder), _CPU)
    assert isinstance(prior, LatentPrior)
    pictures = _noise(2, 3, 16, 24).clamp(-1, 1)
    with torch.no_grad():
        means = autoencoder.encode(pictures).latent_dist.mean
        states = prior.encode(pictures)
        assert torch.allclose(states, means * 0.5 * DATA_DEVIATION, atol=1e-6)
        assert torch.allclose(prior.decode(states, 16, 24), autoencoder.decode(means).sample, atol=1e-5)


def test_the_denoiser_of_states_is_the_unets_own_estimate(write_latent_prior: Any) -> None:
    folder, unet, _ = write_latent_prior()
    prior = open_prior(str(folder), _CPU)
    kept = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0)[500]
    mixed = _noise(1, 4, 8, 8)
    with torch.no_grad():
        clean = (mixed - (1 - kept).sqrt() * unet(mixed, 500).sample) / kept.sqrt()
        found = prior(mixed / kept.sqrt() * DATA_DEVIATION, ((1 / kept - 1).sqrt() * DATA_DEVIATION)[None])
    assert torch.allclose(found, clean * DATA_DEVIATION, atol=1e-4)


@pytest.mark.parametrize("size", [(16, 16), (17, 21)])
def test_sizes_that_are_no_multiples_come_back(write_latent_prior: Any, size: tuple[int, int]) -> None:
    prior = open_prior(str(write_latent_prior()[0]), _CPU)
    states = prior.encode(torch.zeros(1, 3, *size))
    assert states.shape == (1, 4, -(-size[0] // 2), -(-size[1] // 2))
    assert prior(states, torch.ones(1)).shape == states.shape
    assert prior.decode(states, *size).shape == (1, 3, *size)


class _LinearAutoencoder(nn.Module):
    """A latent holds a third of the mean of 2x2 pixels; the decoder undoes the third."""

    def encode(self, pictures: Tensor) -> Any:
        class _Encoded:
            class latent_dist:  # noqa: N801
                mean = torch.nn.functional.avg_pool2d(pictures, 2) / 3

        return _Encoded

    def decode(self, latents: Tensor, return_dict: bool) -> tuple[Tensor]:
        return (3 * latents.repeat_interleave(2, 2).repeat_interleave(2, 3),)


class _Measured:
    """The mean of every 4x4 square, with noise of known variance."""

    def __init__(self, received: Tensor, variance: float) -> None:
        self.received, self.variance = received, variance

    def residual(self, pictures: Tensor) -> Tensor:
        return (self.received - torch.nn.functional.avg_pool2d(pictures, 4)) / self.variance**0.5


def test_the_posterior_through_a_linear_autoencoder_is_the_closed_form() -> None:
    # Latents z ~ N(0, 1), pictures 3·z on 2x2 squares; the mean of 4x4 pixels is 3·(mean of four z) ~ N(0, 9/4).
    levels = NoiseLevels.of_betas(betas("linear", 1000, 1e-4, 0.02))

    def network(scaled: Tensor, times: Tensor) -> Tensor:
        sigma = torch.from_numpy(levels.sigmas).float().log()
        low = times.floor().long().clamp(max=998)
        at = (sigma[low] + (times - low) * (sigma[low + 1] - sigma[low])).exp().reshape(-1, 1, 1, 1)
        return scaled / (1 + at**2).sqrt()

    denoiser = DiscreteDenoiser(network, levels, Prediction.SAMPLE)
    config = {"scaling_factor": 1.0, "down_block_types": ("a", "b")}
    prior = LatentPrior(denoiser, _LinearAutoencoder(), config)
    received, variance, draws = _noise(1, 3, 2, 2), 0.5, 600
    # One draw per entry of the batch; the autoencoder of the test keeps three channels.
    problem = in_latents(
        Problem(_Measured(received, variance), torch.zeros(draws, 3, 8, 8), 10.0),
        prior,
        torch.Generator().manual_seed(0),
    )
    assert problem.level == 10.0
    drawn = sample_posterior(
        prior,
        problem.likelihood,
        ProximalGuidance(trust=1.0, churn=1.0, iterations=3),
        NoiseSchedule(10.0, end=0.01, steps=50),
        problem.start,
        torch.Generator().manual_seed(1),
    )
    means = torch.nn.functional.avg_pool2d(prior.pictures(drawn, (8, 8)), 4)
    gain = 2.25 / (2.25 + variance)
    assert torch.allclose(means.mean(0), gain * received[0], atol=0.1)
    assert torch.allclose(means.var(0), torch.full((3, 2, 2), gain * variance), rtol=0.25)


def test_the_first_level_is_the_estimates_error_behind_the_encoder() -> None:
    config = {"scaling_factor": 1.0, "down_block_types": ("a", "b")}
    levels = NoiseLevels.of_betas(betas("linear", 1000, 1e-4, 0.02))
    prior = LatentPrior(DiscreteDenoiser(lambda x, t: x, levels, Prediction.SAMPLE), _LinearAutoencoder(), config)
    problem = Problem(_Measured(torch.zeros(1, 3, 50, 50), 1.0), torch.zeros(2, 3, 200, 200), 0.4)
    found = in_latents(problem, prior, torch.Generator().manual_seed(0))
    # The mean of four pixels has half their deviation; a third and the states' unit follow.
    assert found.level == pytest.approx(0.4 / 2 / 3 * DATA_DEVIATION, rel=0.02)
    assert found.start.shape == (2, 3, 100, 100)


def test_text_embeddings_and_guidance_are_as_diffusers_has_them(write_latent_prior: Any, tmp_path: Path) -> None:
    folder, unet, _ = write_latent_prior(text=True)
    wanted, unwanted = _noise(5, 6), -_noise(3, 6)
    file = tmp_path / "cat.safetensors"
    save_file({"prompt": wanted, "negative": unwanted}, file)
    noisy, sigma = _noise(2, 4, 8, 8), torch.tensor([1.0, 1.0])
    prior = {
        g: open_prior(str(folder), _CPU, Conditioning(prompt=str(file), guidance=g))(noisy, sigma)
        for g in (None, 0.0, 1.0, 3.0)
    }
    assert torch.equal(prior[None], prior[1.0])
    # The denoiser is affine in the predicted noise.
    assert torch.allclose(prior[3.0], prior[0.0] + 3 * (prior[1.0] - prior[0.0]), atol=1e-4)
    with torch.no_grad():
        time = open_prior(str(folder), _CPU, Conditioning(prompt=str(file))).denoiser.times(sigma / DATA_DEVIATION)
        spread = (1 + (sigma / DATA_DEVIATION) ** 2).sqrt().reshape(-1, 1, 1, 1)
        said = unet(noisy / DATA_DEVIATION / spread, time, encoder_hidden_states=wanted.expand(2, -1, -1)).sample
    assert torch.allclose(prior[1.0], noisy - said, atol=1e-5)


def test_conditions_that_a_text_model_cannot_use_are_named(write_latent_prior: Any, tmp_path: Path) -> None:
    folder, _, _ = write_latent_prior(text=True)
    wrong, alone, empty = tmp_path / "wide.safetensors", tmp_path / "alone.safetensors", tmp_path / "empty.safetensors"
    save_file({"prompt": _noise(5, 7)}, wrong)
    save_file({"prompt": _noise(5, 6)}, alone)
    save_file({"text": _noise(5, 6)}, empty)
    for conditioning, error, needed in (
        (Conditioning(label=2), SettingsError, "give prompt instead"),
        (Conditioning(prompt=str(wrong)), WeightsError, r"needed finite values \[n, 6\]"),
        (Conditioning(prompt=str(alone), guidance=2.0), SettingsError, "negative"),
        (Conditioning(prompt=str(empty)), WeightsError, "named prompt"),
        (Conditioning(prompt="no/such.safetensors"), WeightsError, "is missing"),
        (Conditioning(prompt="a cat"), WeightsError, "no text encoder"),
        (Conditioning(), WeightsError, "no text encoder"),
    ):
        with pytest.raises(error, match=needed):
            open_prior(str(folder), _CPU, conditioning)


def test_autoencoders_that_do_not_fit_are_named(write_latent_prior: Any, tmp_path: Path) -> None:
    folder, _, _ = write_latent_prior()
    for number, (file, values, needed) in enumerate(
        (
            ("vae/config.json", {"latent_channels": 8}, "another shape"),
            ("vae/config.json", {"_class_name": "AutoencoderTiny"}, "needed AutoencoderKL"),
            ("vae/config.json", {"latents_mean": [0.0] * 4}, "scaling_factor"),
            ("unet/config.json", {"in_channels": 9}, "another shape"),
        )
    ):
        copy = shutil.copytree(folder, tmp_path / str(number))
        config = json.loads((copy / file).read_text())
        (copy / file).write_text(json.dumps(config | values))
        with pytest.raises(WeightsError, match=needed):
            open_prior(str(copy), _CPU)
    shutil.rmtree(copy / "vae")
    (copy / "unet" / "config.json").write_bytes((folder / "unet" / "config.json").read_bytes())
    with pytest.raises(WeightsError, match="4 channels in and 4 out; needed 3"):
        open_prior(str(copy), _CPU)


def test_texts_in_plain_words_need_transformers(
    write_latent_prior: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(write_latent_prior(text=True)[0], tmp_path / "text")
    (folder / "tokenizer").mkdir()
    (folder / "text_encoder").mkdir()
    (folder / "text_encoder" / "config.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(WeightsError, match="pip install transformers"):
        open_prior(str(folder), _CPU, Conditioning(prompt="a cat"))


def test_folders_need_diffusers_and_say_so(write_latent_prior: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_latent_prior()[0]
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(WeightsError, match=r"pip install 'sdr-gsc\[diffusers\]'"):
        open_prior(str(folder), _CPU)
