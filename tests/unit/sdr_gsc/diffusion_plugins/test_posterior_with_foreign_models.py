"""End to end: what was received, a prior that somebody else wrote, and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.diffusion.plugins.latents import LatentPrior
from sdr_gsc.diffusion.posterior import SOLVERS, PosteriorDecoder
from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.foreign_codec import ForeignCodec
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.rate import rate_by_cbr
from sdr_gsc.semantic.values import Reception, Reconstruction


def _received(codec: Codec, picture: np.ndarray, noise_variance: float = 0.02) -> Reception:
    symbols = codec.encode(picture, rate_by_cbr(12), 32)
    points, generator = constellation_points(symbols), np.random.default_rng(0)
    noise = generator.standard_normal((2, points.size)) * (noise_variance / 2) ** 0.5
    received = (points + noise[0] + 1j * noise[1]).astype(np.complex64)
    return Reception(symbols.descriptor, received, np.full(points.size, noise_variance, np.float32), None, ())


@pytest.fixture(scope="module")
def tiny_picture() -> np.ndarray:
    rows, columns = np.mgrid[0:17, 0:29] / 29
    return np.stack([0.5 + 0.4 * np.sin(9 * rows), 0.3 + 0.5 * columns, 0.5 + 0 * rows], -1).astype(np.float32)


def _decode(
    name: str, codec: Codec, picture: np.ndarray, options: DecoderOptions, folder: Path | None = None
) -> Reconstruction:
    decoder = open_decoder(name, codec, folder, options)
    return decoder.decode(_received(codec, picture), generator=torch.Generator().manual_seed(1))


def _checked(found: Reconstruction, name: str) -> None:
    assert (found.decoder, found.picture.shape) == (name, (17, 29, 3))
    assert found.picture.min() >= 0
    assert found.picture.max() <= 1


@pytest.fixture(scope="module")
def pixel_prior(write_pixel_prior: Any) -> str:
    return str(write_pixel_prior()[0])


@pytest.fixture(scope="module")
def latent_prior(write_latent_prior: Any) -> str:
    return str(write_latent_prior()[0])


@pytest.mark.parametrize("solver", [*SOLVERS, "blind"])
def test_every_solver_takes_a_diffusers_prior(
    pixel_prior: str, untrained_codec: Codec, tiny_picture: np.ndarray, solver: str
) -> None:
    name = solver if solver == "blind" else f"posterior:{solver}"
    # The U-Net is random: what is tested is that every gradient finds its way.
    options = DecoderOptions(steps=2, prior=pixel_prior)
    _checked(_decode(name, untrained_codec, tiny_picture, options), name)


@pytest.mark.parametrize("solver", [solver for solver in SOLVERS if not solver.endswith("paper")])
def test_every_solver_takes_a_latent_prior(
    latent_prior: str, untrained_codec: Codec, tiny_picture: np.ndarray, solver: str
) -> None:
    name = f"posterior:{solver}"
    # One step is enough to see that every derivative passes the autoencoder, which is what takes time.
    options = DecoderOptions(steps=1, samples=2, prior=latent_prior)
    found = _decode(name, untrained_codec, tiny_picture, options)
    _checked(found, name)
    assert found.samples is not None
    assert not np.array_equal(found.samples[0], found.samples[1])


def test_a_text_and_its_scale_reach_the_prior(
    write_latent_prior: Any, untrained_codec: Codec, tiny_picture: np.ndarray, tmp_path: Path
) -> None:
    folder = str(write_latent_prior(text=True)[0])
    file = tmp_path / "words.safetensors"
    generator = torch.Generator().manual_seed(0)
    save_file({name: torch.randn(4, 6, generator=generator) for name in ("prompt", "negative")}, file)
    found = []
    for scale, passes in ((None, 1), (1.0, 1), (4.0, 2)):
        options = DecoderOptions(steps=2, prior=folder, prompt=str(file), guidance=scale)
        decoder = open_decoder("posterior:dps", untrained_codec, None, options)
        assert isinstance(decoder, PosteriorDecoder)
        assert isinstance(decoder.prior, LatentPrior)
        calls: list[int] = []
        decoder.prior.denoiser.network.network.register_forward_hook(lambda *_, seen=calls: seen.append(1))
        reception = _received(untrained_codec, tiny_picture)
        made = decoder.decode(reception, generator=torch.Generator().manual_seed(1))
        assert made.nfe == len(calls) == 2 * passes
        found.append(made.picture)
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    for name in ("blind", "posterior:diffcom-paper", "posterior:hifi-diffcom-paper"):
        with pytest.raises(SettingsError, match="prior of latents"):
            open_decoder(name, untrained_codec, None, DecoderOptions(prior=folder, prompt=str(file)))


def test_what_is_told_needs_a_prior_to_tell(untrained_codec: Codec) -> None:
    for told in ({"label": 1}, {"prompt": "a cat"}):
        with pytest.raises(SettingsError, match="needed prior"):
            DecoderOptions(**told)  # type: ignore[arg-type]


class _Means(nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        return functional.avg_pool2d(pictures, 4) - 0.5


class _Squares(nn.Module):
    def forward(self, latents: Tensor, variance: Tensor) -> Tensor:
        return (latents + 0.5).repeat_interleave(4, 2).repeat_interleave(4, 3)


@pytest.mark.parametrize("name", ["mmse", *(f"posterior:{solver}" for solver in SOLVERS)])
def test_a_foreign_codec_serves_every_decoder(model_folder: Path, tiny_picture: np.ndarray, name: str) -> None:
    codec = ForeignCodec.of_modules(_Means(), _Squares(), deviation=0.05)
    options = DecoderOptions(steps=4 if name.startswith("posterior") else None)
    found = _decode(name, codec, tiny_picture, options, model_folder)
    _checked(found, name)
    assert np.sqrt(np.mean((found.picture - tiny_picture) ** 2)) < 0.25


def test_the_posterior_under_a_foreign_codec_fits_what_was_received(
    model_folder: Path, tiny_picture: np.ndarray
) -> None:
    # The code is linear, so the data step is exact and the means end up at the received ones, whatever the prior.
    codec = ForeignCodec.of_modules(_Means(), _Squares(), deviation=0.05)
    decoder = open_decoder("posterior:diffpir", codec, model_folder, DecoderOptions(steps=10))
    assert isinstance(decoder, PosteriorDecoder)
    reception = _received(codec, tiny_picture, 1e-3)
    found = decoder.decode(reception, generator=torch.Generator().manual_seed(1))
    planes = torch.from_numpy(found.picture.transpose(2, 0, 1))[None, :, :16, :28]
    wanted = torch.from_numpy(tiny_picture.transpose(2, 0, 1))[None, :, :16, :28]
    error = functional.avg_pool2d(planes - wanted, 4)
    assert float(error.square().mean().sqrt()) < 0.03
