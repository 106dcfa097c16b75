from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sdr_gsc.diffusion.blind import BlindDecoder, ChannelledLikelihood, open_blind
from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.likelihood import SymbolLikelihood
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.diffusion.residual_channel import Carriers, TapPrior, grid_of_reports, tweedie_of_taps
from sdr_gsc.errors import DescriptorError
from sdr_gsc.phy.framing import deinterleave, interleave
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.evidence import evidence_of
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.rate import rate_by_cbr
from sdr_gsc.semantic.values import Reception

_FRAMES = 3
_LAGS = (-1, 0, 1)


@pytest.fixture(scope="module")
def codec(model_folder: Path) -> Codec:
    return Codec.load(model_folder)


@dataclass(frozen=True)
class _Report:
    """The two fields of a frame report that say what grid was in use."""

    channel: np.ndarray
    header_ok: bool = True


def _picture(codec: Codec, seed: int) -> np.ndarray:
    """A picture of the very prior that the untrained decoder assumes."""
    generator = torch.Generator().manual_seed(seed)
    spread = (0.5 * codec.decoder.log_variance).exp()[:, None, None]
    picture = codec.encoder.transform.synthesize(spread * torch.randn(1, 128, 6, 6, generator=generator))
    return picture[0].permute(1, 2, 0).clamp(0, 1).numpy()


def _received(codec: Codec, picture: np.ndarray, grid: Numerology, variance: float = 0.02) -> Reception:
    symbols = codec.encode(picture, rate_by_cbr(12), 32, interleaver_seed=9)
    size = symbols.descriptor.n_symbols
    draws = np.random.default_rng(0).standard_normal((2, size)) * (variance / 2) ** 0.5
    points = (constellation_points(symbols) + draws[0] + 1j * draws[1]).astype(np.complex64)
    report = _Report(np.ones(grid.active.size, np.complex64))
    descriptor = replace(symbols.descriptor, n_frames=_FRAMES)
    return Reception(descriptor, points, np.full(size, variance, np.float32), None, (report,))  # type: ignore[arg-type]


def _turned(reception: Reception, prior: TapPrior, seed: int, size: float) -> tuple[Reception, torch.Tensor]:
    """The same through a residual channel, whose taps complex64 [1, F, L] are returned too."""
    draws = torch.randn(1, _FRAMES, len(prior.lags), 2, generator=torch.Generator().manual_seed(seed)) * 0.5**0.5
    taps = prior.mean() + size * prior.spread() * torch.view_as_complex(draws)
    gains = Carriers.of(reception, prior.lags, reception.symbols.size).gains(taps)[0].numpy()
    return replace(reception, symbols=(reception.symbols * gains).astype(np.complex64)), taps


def test_carriers_stand_where_the_interleaver_put_the_symbols(codec: Codec) -> None:
    """Frames that are turned on the air, subcarrier by subcarrier, and de-interleaved as the link does it."""
    grid = Numerology.of(64)
    reception = _received(codec, _picture(codec, 0), grid, variance=0.0)
    descriptor = reception.descriptor
    assert descriptor is not None
    taps = torch.tensor([[[0.1j, 0.9, -0.2], [0.0, 1j, 0.1], [0.2, 0.8, 0.0]]], dtype=torch.complex64)
    frames = {}
    for number, frame in enumerate(interleave(reception.symbols, descriptor.interleaver_seed, _FRAMES)):
        bins = grid.data[np.arange(frame.size) % grid.data.size]
        response = sum(
            complex(taps[0, number, at]) * np.exp(-2j * np.pi * bins * lag / 64) for at, lag in enumerate(_LAGS)
        )
        frames[number] = ((frame * response).astype(np.complex64), np.ones(frame.size, np.float32))
    arrived, _ = deinterleave(frames, descriptor.n_symbols, _FRAMES, descriptor.interleaver_seed)
    assert grid_of_reports(reception) == grid
    gains = Carriers.of(reception, _LAGS, descriptor.n_symbols).gains(taps)[0].numpy()
    assert arrived == pytest.approx(reception.symbols * gains, abs=1e-5)


def test_an_unknown_grid_leaves_one_gain_per_frame(codec: Codec) -> None:
    reception = _received(codec, _picture(codec, 0), Numerology.of(64))
    for reports in ((), (_Report(np.ones(37, np.complex64)),)):
        carriers = Carriers.of(replace(reception, reports=reports), _LAGS, 10)
        assert torch.equal(carriers.steering, torch.tensor([0, 1, 0], dtype=torch.complex64).expand(10, 3))


def test_tweedie_of_taps_is_the_conditional_mean() -> None:
    """h ~ CN(m, p), h_t = √ā h + √(1-ā) n: the mean by regression, and what the published formula gives instead."""
    generator = torch.Generator().manual_seed(0)
    mean, power, keep = 0.7 - 0.2j, 0.3, 0.6

    def draw() -> torch.Tensor:
        return torch.view_as_complex(torch.randn(200_000, 2, generator=generator) * 0.5**0.5)

    taps = mean + power**0.5 * draw()
    noisy = keep**0.5 * taps + (1 - keep) ** 0.5 * draw()
    score = -(noisy - keep**0.5 * mean) / (keep * power + 1 - keep)
    found = tweedie_of_taps(noisy, keep, score)
    # A conditional mean leaves an error that is not correlated with what it was made from; and the right remainder.
    error = taps - found
    assert abs(complex(error.mean())) < 5e-3
    assert abs(complex((error * noisy.conj()).mean())) < 5e-3
    remains = power * (1 - keep) / (keep * power + 1 - keep)
    assert float(error.abs().square().mean()) == pytest.approx(remains, rel=0.02)
    published = (noisy + (1 - keep) ** 0.5 * score) / keep
    assert float((taps - published).abs().square().mean()) > 1.5 * remains


def test_the_likelihood_turns_what_is_sent(codec: Codec) -> None:
    reception = _received(codec, _picture(codec, 1), Numerology.of(64), variance=0.0)
    turned, taps = _turned(reception, TapPrior(), 3, 1.0)
    carriers = Carriers.of(turned, TapPrior().lags, turned.symbols.size)
    pictures = torch.from_numpy(_picture(codec, 1)).permute(2, 0, 1)[None] * 2 - 1
    straight = SymbolLikelihood(codec.encoder, evidence_of(reception)).residual(pictures)
    gains = carriers.gains(taps)
    along = ChannelledLikelihood(codec.encoder, evidence_of(turned), gains).residual(pictures)
    # The residual of the truth is the quantizer's error, turned by g like everything else.
    pairs = torch.view_as_complex(straight.reshape(1, -1, 2).contiguous()) * gains
    assert torch.allclose(along.reshape(1, -1, 2), torch.view_as_real(pairs), atol=1e-3)


@pytest.mark.parametrize("seed", [0, 1])
def test_it_finds_the_residual_channel_and_the_picture_behind_it(codec: Codec, model_folder: Path, seed: int) -> None:
    picture = _picture(codec, seed)
    reception = _received(codec, picture, Numerology.of(64))
    turned, truth = _turned(reception, TapPrior(), seed, 1.0)
    decoder = open_blind("blind", codec, model_folder, DecoderOptions(steps=2))
    blind, taps = decoder.decode_jointly(turned, generator=torch.Generator().manual_seed(0))
    assert taps.shape == (1, _FRAMES, 5)
    before = np.mean(np.abs(TapPrior().mean().numpy() - truth.numpy()) ** 2)
    after = np.mean(np.abs(taps - truth.numpy()) ** 2)
    # Measured 0.25 to 0.45: 128 latents for 768 values leave little by which a turned picture can be told from another.
    assert after < 0.55 * before
    guided = open_decoder("posterior:diffpir", codec, model_folder, DecoderOptions(steps=2))
    unaware = guided.decode(turned, generator=torch.Generator().manual_seed(0)).picture
    genie = guided.decode(reception, generator=torch.Generator().manual_seed(0)).picture
    error, worst, best = (np.mean((found - picture) ** 2) for found in (blind.picture, unaware, genie))
    assert best < error < 0.5 * (worst + best)


def test_a_perfect_equalizer_is_left_alone(codec: Codec, model_folder: Path) -> None:
    reception = _received(codec, _picture(codec, 4), Numerology.of(64))
    decoder = open_blind("blind", codec, model_folder, DecoderOptions(steps=2, samples=2))
    result, taps = decoder.decode_jointly(reception, generator=torch.Generator().manual_seed(0))
    assert np.abs(taps - TapPrior().mean().numpy()).max() < 0.1
    assert result.samples is not None
    assert not np.array_equal(taps[0], taps[1])


def test_lost_frames_keep_their_prior(codec: Codec, model_folder: Path) -> None:
    reception = _received(codec, _picture(codec, 5), Numerology.of(64))
    carriers = Carriers.of(reception, TapPrior().lags, reception.symbols.size)
    lost = (carriers.frame == 1).numpy()
    reception = replace(
        reception,
        symbols=np.where(lost, 0, reception.symbols).astype(np.complex64),
        noise_variance=np.where(lost, np.inf, reception.noise_variance).astype(np.float32),
    )
    decoder = open_blind("blind", codec, model_folder, DecoderOptions(steps=2))
    assert isinstance(decoder, BlindDecoder)
    result, taps = decoder.decode_jointly(reception, generator=torch.Generator().manual_seed(0))
    assert np.isfinite(result.picture).all()
    # Without evidence the chain of a frame's taps is a draw around its prior, not a fit to the zeros.
    distance = np.abs(taps[0, 1] - TapPrior().mean().numpy()) / TapPrior().spread().numpy()
    assert (distance < 4).all()
    assert np.abs(taps[0, 0] - TapPrior().mean().numpy()).max() < 0.15


def test_symbols_that_did_not_cross_the_air_are_refused(codec: Codec, model_folder: Path) -> None:
    reception = _received(codec, _picture(codec, 0), Numerology.of(64))
    assert reception.descriptor is not None
    coded = replace(reception, descriptor=replace(reception.descriptor, mapping=Mapping.CODED))
    with pytest.raises(DescriptorError, match="direct mapping"):
        open_blind("blind", codec, model_folder, DecoderOptions()).decode(coded, generator=torch.Generator())
