"""The shipped codec: less noise or more symbols never make the picture of `mmse` worse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from experiments.training.pictures import held_out_photographs
from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.rate import RATES
from sdr_gsc.semantic.values import Reception

pytestmark = pytest.mark.slow

ESN0_DB = (-5, 0, 5, 10, 15, 20, 25, 30)
#: At -5 and 0 dB a draw of the noise moves the PSNR of such a small picture by 0.3 to 0.9 dB, as much as a rate brings:
#: there only the mean over photographs and draws tells rates apart.
DRAWS = (4, 2, 1, 1, 1, 1, 1, 1)
QUIET = ESN0_DB.index(5)
#: Training drew Es/N0 of up to 22 dB; beyond it the decoder is told no more than that.
TRAINED = ESN0_DB.index(20) + 1
#: For the smallest gains, beyond 20 dB at the lowest rates: quantization leaves 0.01 to 0.02 dB there, which one draw
#: of the noise may well take. In the trained range less noise brings 0.07 dB or more.
SLACK_DB = 0.02


@pytest.fixture(scope="module")
def psnr_db() -> np.ndarray:
    """Of `mmse`, float64 [photograph, rate, Es/N0]; noise differs between the Es/N0 by a factor alone."""
    codec = Codec.load()
    decoder = open_decoder("mmse", codec)
    found = np.zeros((4, len(RATES), len(ESN0_DB)))
    for index, tensor in enumerate(held_out_photographs(128)):
        picture = tensor.permute(1, 2, 0).numpy()
        for rate in RATES:
            symbols = codec.encode(picture, rate, 32)
            points = constellation_points(symbols)
            generator = np.random.default_rng([index, rate.index])
            draws = generator.standard_normal((max(DRAWS), points.size, 2)).view(np.complex128)[..., 0] / 2**0.5
            for column, esn0_db in enumerate(ESN0_DB):
                variance = np.full(points.size, 10 ** (-esn0_db / 10), np.float32)
                for noise in draws[: DRAWS[column]]:
                    heard = (points + variance**0.5 * noise).astype(np.complex64)
                    reception = Reception(symbols.descriptor, heard, variance, None, ())
                    decoded = decoder.decode(reception, generator=torch.Generator().manual_seed(0)).picture
                    error_db = 10 * np.log10(np.mean((decoded - picture) ** 2))
                    found[index, rate.index, column] -= error_db / DRAWS[column]
    return found


def test_less_noise_is_never_worse(psnr_db: np.ndarray) -> None:
    gains = np.diff(psnr_db[:, :, :TRAINED], axis=2)
    assert gains.min() >= -SLACK_DB
    # All the way from noise to hardly any it is worth decibels, so the codec is at work at every rate.
    assert gains.sum(2).min() > 2


def test_more_symbols_are_never_worse(psnr_db: np.ndarray) -> None:
    assert np.diff(psnr_db[:, :, QUIET:], axis=1).min() >= -SLACK_DB
    assert np.diff(psnr_db.mean(0), axis=0).min() >= -SLACK_DB
    assert (psnr_db[:, -1] - psnr_db[:, 0]).min() > 2


def test_beyond_what_training_drew_nothing_breaks(psnr_db: np.ndarray) -> None:
    assert np.diff(psnr_db[:, :, TRAINED - 1 :], axis=2).min() >= -SLACK_DB
