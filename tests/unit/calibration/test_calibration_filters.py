"""Filters and chains: what they undo, and that bursts, repetitions and streams agree."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.chains import ReceiveChain, TransmitChain
from calibration.errors import CalibrationError
from calibration.filters import StreamFilter, equalizer_taps, filter_circular, filter_same, fit_taps, taps_response

BAND = np.linspace(-0.4, 0.4, 60)
TAPS = np.array([0.02j, 0.05, 1 + 0.1j, -0.08, 0.01 - 0.03j])


def signal(seed, n, power=0.02):
    generator = np.random.default_rng(seed)
    return (math.sqrt(power / 2) * (generator.standard_normal((n, 2)) @ [1, 1j])).astype(np.complex64)


def test_taps_come_back_from_their_response():
    np.testing.assert_allclose(fit_taps(BAND, taps_response(TAPS, BAND), 5, ridge=0), TAPS, atol=1e-9)
    with pytest.raises(CalibrationError, match="odd"):
        fit_taps(BAND, BAND, 4)


def test_errors_of_taps_are_the_bound():
    rng = np.random.default_rng(1)
    full = np.arange(-32, 32) / 64
    errors = []
    for _ in range(300):
        seen = taps_response(TAPS, full) + 0.1 / math.sqrt(2) * (rng.standard_normal((64, 2)) @ [1, 1j])
        errors.append(fit_taps(full, seen, 5, ridge=0) - TAPS)
    assert np.mean(np.abs(errors) ** 2) == pytest.approx(0.01 / 64, rel=0.15)


@given(st.lists(st.complex_numbers(max_magnitude=0.03), min_size=6, max_size=6))
@settings(max_examples=40)
def test_any_ripple_is_flattened(ripple):
    response = taps_response(np.array([*ripple[:3], 1.0, *ripple[3:]]), BAND)
    equalized = 20 * np.log10(np.abs(taps_response(equalizer_taps(BAND, response), BAND) * response))
    assert np.abs(equalized).max() < 0.05
    beyond = np.abs(taps_response(equalizer_taps(BAND, response), np.linspace(0.4, 0.6, 50)))
    assert beyond.max() < 2.0


def test_a_hole_cannot_be_filled():
    with pytest.raises(CalibrationError, match="hole"):
        equalizer_taps(BAND, taps_response(np.array([0.5, 0, 0.5]), np.linspace(-0.3, 0.3, 60)))


def test_bursts_repetitions_and_streams_agree():
    samples = signal(2, 600)
    expected = np.convolve(samples, TAPS)[2:-2]
    np.testing.assert_allclose(filter_same(samples, TAPS), expected, atol=1e-6)
    circle = filter_circular(samples, TAPS)
    np.testing.assert_allclose(circle[2:-2], expected[2:-2], atol=1e-6)
    np.testing.assert_allclose(filter_circular(np.roll(samples, 7), TAPS), np.roll(circle, 7), atol=1e-6)
    stream = StreamFilter(TAPS)
    pieces = np.concatenate([stream(part) for part in np.split(samples, [1, 3, 200, 201])])
    np.testing.assert_allclose(pieces[stream.delay :], expected[: -stream.delay], atol=1e-6)


def test_a_receive_stream_is_the_capture_some_samples_later():
    chain = ReceiveChain(0.02 - 0.01j, np.array([0.01, 0.03j, 0.0]), TAPS, 1e-3)
    samples = signal(3, 500) + np.complex64(0.02 - 0.01j)
    whole = chain.capture(samples)
    stream, first, pieces = chain.stream(), 0, []
    for part in np.split(samples, [100, 101, 320]):
        pieces.append(stream(part, first, False))
        first += part.size
    late = np.concatenate(pieces)[stream.delay :] * np.exp(2j * np.pi * 1e-3 * stream.delay)
    inner = slice(8, 480)
    np.testing.assert_allclose(late[inner], whole[:-3][inner], atol=2e-6)


def test_predistortion_cancels_image_and_constant_whatever_follows():
    image, constant = 0.04 * np.exp(0.9j), 0.03 + 0.01j
    samples = signal(4, 4000)
    chain = TransmitChain(
        image=np.array([image]), constant=(constant - image * np.conj(constant)) / (1 - abs(image) ** 2)
    )
    given_to_mixer, backoff_db = chain.burst(samples)
    mixed = given_to_mixer + image * given_to_mixer.conj() + constant
    np.testing.assert_allclose(mixed, samples * (1 - abs(image) ** 2), atol=1e-6)
    assert backoff_db == 0


@pytest.mark.parametrize("peak", [0.9, 0.999, 1.0])
def test_predistortion_backs_off_rather_than_clips(peak):
    chain = TransmitChain(np.array([0.1, 1.0, 0.2]), np.array([0.05]), 0.02 - 0.04j)
    samples = signal(5, 4000)
    samples *= np.float32(peak / max(np.abs(samples.real).max(), np.abs(samples.imag).max()))
    for run in (chain.burst, chain.repeated):
        out, backoff_db = run(samples)
        assert max(np.abs(out.real).max(), np.abs(out.imag).max()) <= 1.0
        assert backoff_db > 0
        # The constant is not scaled: the leakage that it cancels is not either.
        assert out.mean() + (0.02 - 0.04j) == pytest.approx(0.0, abs=0.02)
    step, most_db = chain.stream()
    out = np.concatenate([step(part) for part in np.split(np.sign(samples.real) + 1j * np.sign(samples.imag), 8)])
    assert max(np.abs(out.real).max(), np.abs(out.imag).max()) <= 1.0 + 1e-6
    assert most_db > 0


def test_nothing_known_changes_nothing():
    samples = signal(6, 100)
    assert TransmitChain().burst(samples)[0] is samples
    assert ReceiveChain().capture(samples) is samples
