"""What a receiver knows of a frame after it arrived: closed forms of two Gaussians, and their limits."""

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.scenarios.online_meeting.fusion import Belief, energies, fuse, linear_estimate, predict
from experiments.scenarios.online_meeting.tracking import FrameDecoder, Tracker
from experiments.training.air import Air, transmit
from sdr_gsc.diffusion.mmse import MmseDecoder
from sdr_gsc.link import prepare_symbols
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.companding import expand_gain
from sdr_gsc.semantic.evidence import Evidence
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.quantizer import Quantizer
from sdr_gsc.semantic.rate import RATES, Rate
from sdr_gsc.semantic.values import Reception

_SIDE = 48
_CHANGE = torch.full((128,), 1e-3)


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    down, across = np.mgrid[:_SIDE, :_SIDE] / _SIDE
    return np.stack([down, across, 0.5 + 0.4 * np.sin(9 * down * across)], -1).astype(np.float32)


def _evidence(codec: Codec, picture: np.ndarray, rate: Rate, noise: Tensor | float, seed: int = 0) -> Evidence:
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None]
    with torch.inference_mode():
        latents = codec.encoder(planes, rate)
        symbols = latents.shape[1] * rate.channels // 2
        spread = torch.as_tensor(noise, dtype=torch.float32).expand(1, symbols)
        received, variance = transmit(latents, Air(Quantizer.of(32), spread), torch.Generator().manual_seed(seed))
    return Evidence(received, variance, rate, _SIDE, _SIDE)


def _belief(codec: Codec, variance: float, seed: int = 1) -> Belief:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn((1, 9, 128), generator=generator) * (0.5 * codec.decoder.log_variance).exp()
    return Belief(mean, torch.full_like(mean, variance), torch.zeros(1, 9))


def _reception(codec: Codec, picture: np.ndarray, rate: Rate, noise: float, seed: int = 0) -> Reception:
    symbols = codec.encode(picture, rate, 32)
    descriptor, _ = prepare_symbols(symbols, Transmitter())
    points = constellation_points(symbols)
    generator = np.random.default_rng(seed)
    drawn = generator.normal(size=(2, points.size)) * np.sqrt(noise / 2)
    received = (points + drawn[0] + 1j * drawn[1]).astype(np.complex64)
    return Reception(descriptor, received, np.full(points.size, noise, np.float32), None, ())


@pytest.mark.parametrize("noise", [1e-2, 0.5, 40.0])
@torch.inference_mode()
def test_two_gaussians_add_their_precisions(codec: Codec, picture: np.ndarray, noise: float) -> None:
    # White noise stays white when the rotation is undone, so that every channel is a case of its own.
    rate = RATES[3]
    evidence = _evidence(codec, picture, rate, noise)
    before, change = _belief(codec, 4e-3), torch.full((128,), 1e-9)
    found = fuse(codec.encoder, codec.decoder, evidence, before, change)
    companded = energies(codec.encoder, codec.decoder, evidence, predict(before, change))
    amplitude = expand_gain(companded)[0][..., None]
    gain = codec.encoder.gain(rate)
    received = (evidence.latents / amplitude) @ codec.encoder.rotation(rate) / gain
    spread = evidence.variance / (amplitude * gain).square()
    mean, variance = before.mean[..., :32], before.variance[..., :32]
    precision = 1 / variance + 1 / spread
    torch.testing.assert_close(found.variance[..., :32], 1 / precision, atol=1e-6, rtol=1e-3)
    torch.testing.assert_close(
        found.mean[..., :32], (mean / variance + received / spread) / precision, atol=2e-4, rtol=0
    )


def test_a_process_that_is_stationary_stays_so(codec: Codec) -> None:
    signal = codec.decoder.log_variance.exp().expand(1, 9, 128)
    belief = Belief(torch.zeros_like(signal), signal, torch.zeros(1, 9))
    later = predict(belief, 0.3 * signal, signal)
    torch.testing.assert_close(later.variance, signal)


def test_a_prediction_forgets_at_the_rate_that_was_learnt(codec: Codec) -> None:
    belief, signal = _belief(codec, 1e-4), torch.full((1, 9, 128), 0.7)
    still = predict(belief, torch.zeros(128), signal)
    torch.testing.assert_close(still.mean, belief.mean)
    torch.testing.assert_close(still.variance, belief.variance)
    # E(v' - v)² = (1 - ρ)² S + (1 - ρ²) S = 2 S (1 - ρ), for a mean of stationary variance.
    kept = predict(belief, torch.full((128,), 0.28), signal).mean / belief.mean
    torch.testing.assert_close(kept, torch.full_like(kept, 1 - 0.28 / 1.4))
    nothing = predict(belief, torch.full((128,), torch.inf), signal)
    assert bool((nothing.mean == 0).all())
    torch.testing.assert_close(nothing.variance, signal)


@pytest.mark.parametrize("rate", RATES[1:5])
def test_without_a_past_the_estimate_is_the_codecs_own(codec: Codec, picture: np.ndarray, rate: Rate) -> None:
    evidence = _evidence(codec, picture, rate, 0.1)
    plain = codec.estimate(evidence)
    with torch.inference_mode():
        past = [(_belief(codec, 1e-3), torch.full((128,), change)) for change in (torch.inf, 1e9)]
        for before, change in ((None, None), *past):
            belief = fuse(codec.encoder, codec.decoder, evidence, before, change)
            linear = linear_estimate(codec.encoder, codec.decoder, belief, evidence.grid)
            torch.testing.assert_close(linear.picture, plain.linear.picture, atol=1e-5, rtol=0)
            torch.testing.assert_close(linear.deviation, plain.linear.deviation, atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(linear.latent, plain.linear.latent, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_the_update_is_the_posterior_of_a_linear_gaussian_model(codec: Codec, picture: np.ndarray) -> None:
    rate = RATES[2]
    levels = torch.from_numpy(np.random.default_rng(5).uniform(0.05, 2.0, (1, 9 * rate.channels // 2)))
    evidence = _evidence(codec, picture, rate, levels.float())
    before, change = _belief(codec, 4e-3), torch.full((128,), 1e-9)
    found = fuse(codec.encoder, codec.decoder, evidence, before, change)
    amplitude, _ = expand_gain(energies(codec.encoder, codec.decoder, evidence, predict(before, change)))
    # The same by dense algebra in float64, block by block: v ~ N(m, P), y = a R G v + n.
    matrix = (codec.encoder.rotation(rate) * codec.encoder.gain(rate)).double()
    for block in range(9):
        model = matrix * amplitude[0, block].double()
        mean, prior = before.mean[0, block, :16].double(), before.variance[0, block, :16].double()
        noise = evidence.variance[0, block].double()
        covariance = torch.linalg.inv(torch.diag(1 / prior) + model.T @ torch.diag(1 / noise) @ model)
        expected = covariance @ (mean / prior + model.T @ (evidence.latents[0, block].double() / noise))
        torch.testing.assert_close(found.mean[0, block, :16].double(), expected, atol=2e-4, rtol=2e-3)
        remaining = found.variance[0, block, :16].double()
        torch.testing.assert_close(remaining, covariance.diagonal(), atol=1e-5, rtol=5e-3)
    torch.testing.assert_close(found.mean[..., 16:], before.mean[..., 16:], atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_a_lost_update_leaves_the_prediction(codec: Codec, picture: np.ndarray) -> None:
    evidence = _evidence(codec, picture, RATES[1], torch.inf)
    before = _belief(codec, 4e-3)
    found = fuse(codec.encoder, codec.decoder, evidence, before, _CHANGE)
    torch.testing.assert_close(found.mean, before.mean)
    torch.testing.assert_close(found.variance, before.variance + _CHANGE)
    torch.testing.assert_close(found.log_scale, before.log_scale)


@torch.inference_mode()
def test_lost_blocks_alone_keep_their_prediction(codec: Codec, picture: np.ndarray) -> None:
    noise = torch.full((1, 9, 4), 0.05)
    noise[:, 3:5] = torch.inf
    evidence = _evidence(codec, picture, RATES[1], noise.flatten(1))
    before = _belief(codec, 4e-3)
    found = fuse(codec.encoder, codec.decoder, evidence, before, _CHANGE)
    torch.testing.assert_close(found.mean[:, 3:5], before.mean[:, 3:5])
    moved = (found.mean - before.mean)[..., :8].abs().amax(-1)[0]
    assert bool((moved[[0, 1, 2, 5, 6, 7, 8]] > 1e-3).all())


@torch.inference_mode()
def test_the_clearer_the_air_the_less_doubt_remains(codec: Codec, picture: np.ndarray) -> None:
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None]
    truth = codec.encoder.transform.analyze(planes).flatten(2).transpose(1, 2)
    drawn = torch.randn(truth.shape, generator=torch.Generator().manual_seed(2))
    before = Belief(truth + 0.05 * drawn, torch.full_like(truth, 0.05**2), torch.zeros(1, 9))
    doubts, errors = [], []
    for noise in (1e-2, 1e-1, 1.0, 10.0):
        evidence = _evidence(codec, picture, RATES[2], noise)
        after = fuse(codec.encoder, codec.decoder, evidence, before, torch.full((128,), 1e-4))
        doubts.append(float(after.variance[..., :16].mean()))
        errors.append(float((after.mean - truth)[..., :16].square().mean()))
    assert doubts == sorted(doubts)
    assert errors[0] < errors[1] < errors[3]


def test_a_scene_that_stands_still_becomes_clearer_frame_by_frame(codec: Codec, picture: np.ndarray) -> None:
    change = torch.full((128,), 1e-6)
    tracker = Tracker(MmseDecoder(codec), change)
    generator = torch.Generator()
    errors = [
        float(np.mean((tracker.decode(_reception(codec, picture, RATES[2], 0.5, seed), generator=generator).picture
                       - picture) ** 2))
        for seed in range(8)
    ]  # fmt: skip
    assert np.mean(errors[-2:]) < 0.5 * errors[0]


def test_the_first_frame_is_decoded_as_a_picture(codec: Codec, picture: np.ndarray) -> None:
    reception = _reception(codec, picture, RATES[3], 0.1)
    decoder: FrameDecoder = MmseDecoder(codec)
    alone = decoder.decode(reception, generator=torch.Generator())
    first = Tracker(decoder, _CHANGE).decode(reception, generator=torch.Generator())
    np.testing.assert_allclose(first.picture, alone.picture, atol=1e-5)


def test_a_missed_frame_makes_what_is_known_older_and_no_different(codec: Codec, picture: np.ndarray) -> None:
    tracker = Tracker(MmseDecoder(codec), _CHANGE)
    tracker.miss()
    assert tracker.belief is None
    tracker.decode(_reception(codec, picture, RATES[3], 0.1), generator=torch.Generator())
    before = tracker.belief
    tracker.miss()
    after = tracker.belief
    assert before is not None
    assert after is not None
    assert torch.equal(after.mean, before.mean)
    torch.testing.assert_close(after.variance, before.variance + _CHANGE)


def test_a_picture_of_another_size_begins_anew(codec: Codec, picture: np.ndarray) -> None:
    tracker = Tracker(MmseDecoder(codec), _CHANGE)
    tracker.decode(_reception(codec, picture, RATES[3], 0.1), generator=torch.Generator())
    smaller = _reception(codec, picture[:32], RATES[3], 0.1)
    found = tracker.decode(smaller, generator=torch.Generator())
    alone = MmseDecoder(codec).decode(smaller, generator=torch.Generator())
    np.testing.assert_allclose(found.picture, alone.picture, atol=1e-5)
