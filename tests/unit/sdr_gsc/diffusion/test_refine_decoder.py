"""What `refine` shows, and what it draws beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.diffusion.refine import RefineDecoder
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.rate import rate_by_cbr
from sdr_gsc.semantic.values import Reception, Reconstruction


@pytest.fixture(scope="module")
def codec(model_folder: Path) -> Codec:
    return Codec.load(model_folder)


@pytest.fixture(scope="module")
def reception(codec: Codec, soft_picture: np.ndarray) -> Reception:
    symbols = codec.encode(soft_picture, rate_by_cbr(24), 16)
    size = symbols.descriptor.n_symbols
    draws = np.random.default_rng(0).standard_normal((2, size)) * 0.1
    points = (constellation_points(symbols) + draws[0] + 1j * draws[1]).astype(np.complex64)
    return Reception(symbols.descriptor, points, np.full(size, 0.02, np.float32), None, ())


def _decoder(codec: Codec, folder: Path, noise: float, **options: object) -> RefineDecoder:
    opened = open_decoder("refine:3", codec, folder, DecoderOptions(**options))  # type: ignore[arg-type]
    assert isinstance(opened, RefineDecoder)
    return replace(opened, noise=noise)


def _decode(decoder: RefineDecoder, reception: Reception, seed: int = 0) -> Reconstruction:
    return decoder.decode(reception, generator=torch.Generator().manual_seed(seed))


def test_without_noise_no_seed_matters(codec: Codec, model_folder: Path, reception: Reception) -> None:
    still, moved = (_decoder(codec, model_folder, noise) for noise in (0.0, 1.0))
    assert np.array_equal(_decode(still, reception, 1).picture, _decode(still, reception, 2).picture)
    assert not np.array_equal(_decode(moved, reception, 1).picture, _decode(moved, reception, 2).picture)


def test_draws_have_noise_of_their_own_and_leave_the_picture_alone(
    codec: Codec, model_folder: Path, reception: Reception
) -> None:
    alone = _decode(_decoder(codec, model_folder, 0.0), reception)
    among = _decode(_decoder(codec, model_folder, 0.0, samples=3), reception)
    assert alone.samples is None
    assert among.samples is not None
    assert among.samples.shape == (3, *alone.picture.shape)
    assert np.allclose(among.picture, alone.picture, atol=1e-5)
    assert all(not np.allclose(one, two) for one, two in zip(among.samples[1:], among.samples[:-1], strict=True))
    assert alone.standard_deviation is not None
    assert np.allclose(among.standard_deviation, alone.standard_deviation, atol=1e-5)
    assert (alone.nfe, among.nfe) == (3, 3)


def test_realism_lies_between_the_estimate_and_the_walk(codec: Codec, model_folder: Path, reception: Reception) -> None:
    found = [_decode(_decoder(codec, model_folder, 1.0, realism=level), reception).picture for level in (0.0, 0.5, 1.0)]
    estimate = open_decoder("mmse", codec, model_folder).decode(reception, generator=torch.Generator()).picture
    assert np.allclose(found[0], estimate, atol=1e-6)
    inside = (found[0] > 0) & (found[0] < 1) & (found[2] > 0) & (found[2] < 1)
    assert np.allclose(found[1][inside], 0.5 * (found[0] + found[2])[inside], atol=1e-5)
    assert not np.allclose(found[0], found[2])
