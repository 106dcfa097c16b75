"""Estimators against bounds and against signals whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.errors import CalibrationError
from calibration.imbalance import (
    correct_received,
    fit_image,
    image_rejection_db,
    predistort,
    separate_images,
)
from calibration.tone import estimate_tone, frequency_bound_hz, make_tone

RATE_HZ = 4e6


def noise(rng, n, power):
    return math.sqrt(power / 2) * (rng.standard_normal((n, 2)) @ [1, 1j])


@pytest.mark.parametrize("snr_db", [0.0, 15.0, 30.0])
def test_frequency_meets_its_bound(snr_db):
    rng = np.random.default_rng(1)
    n, errors = 4096, []
    for _ in range(400):
        frequency = rng.uniform(-0.45, 0.45) * RATE_HZ
        turned = make_tone(n, frequency, RATE_HZ, 0.3) * np.exp(2j * np.pi * rng.random())
        found = estimate_tone((turned + noise(rng, n, 0.09 * 10 ** (-snr_db / 10))).astype(np.complex64), RATE_HZ)
        errors.append(found.frequency_hz - frequency)
    bound = frequency_bound_hz(10 ** (snr_db / 10), n, RATE_HZ)
    # 400 draws: the root mean square is within 4 x 3.5 % of its expectation.
    assert math.sqrt(np.mean(np.square(errors))) == pytest.approx(bound, rel=0.15)


def test_amplitude_phase_and_noise_are_right():
    rng = np.random.default_rng(2)
    n = 20_000
    sent = make_tone(n, 310e3, RATE_HZ, 0.2) * np.exp(0.7j) + noise(rng, n, 1e-3)
    found = estimate_tone(sent.astype(np.complex64), RATE_HZ, near_hz=300e3, span_hz=20e3)
    assert found.frequency_hz == pytest.approx(310e3, abs=1.0)
    assert found.amplitude == pytest.approx(0.2, rel=0.01)
    assert found.phase_rad == pytest.approx(0.7, abs=0.02)
    assert found.noise_power == pytest.approx(1e-3, rel=0.05)


def test_noise_is_no_tone():
    rng = np.random.default_rng(3)
    for _ in range(50):
        with pytest.raises(CalibrationError, match="no tone"):
            estimate_tone(noise(rng, 4096, 1.0).astype(np.complex64), RATE_HZ)
    with pytest.raises(CalibrationError, match="too few"):
        estimate_tone(np.ones(8, np.complex64), RATE_HZ)


def test_images_of_both_mixers_are_found_and_undone():
    rng = np.random.default_rng(4)
    n = 20_000
    beta_t, beta_r, leak = 0.03 * np.exp(1.1j), 0.05 * np.exp(-0.4j), 0.01 - 0.02j
    sent = noise(rng, n, 0.05).astype(np.complex64)
    fits = []
    for phase in (0.3, 1.4, 2.2, 2.9):
        arriving = 0.8 * np.exp(1j * phase) * (sent + beta_t * sent.conj())
        fits.append(fit_image((arriving + beta_r * arriving.conj() + leak).astype(np.complex64), 0.8 * sent))
        assert fits[-1].offset == pytest.approx(leak, abs=1e-3)
    found = separate_images(fits)
    # What is neglected is the product of the two images.
    assert found.transmit == pytest.approx(beta_t, abs=0.003)
    assert found.receive == pytest.approx(beta_r, abs=0.003)
    clean = correct_received((sent + beta_r * sent.conj() + leak).astype(np.complex64), beta_r, leak)
    assert image_rejection_db(fit_image(clean, sent).image) > 100
    given_to_mixer = predistort(sent, beta_t)
    left = fit_image(given_to_mixer + beta_t * given_to_mixer.conj(), sent)
    assert image_rejection_db(left.image / left.direct) > 100


def test_images_need_phases_that_differ():
    rng = np.random.default_rng(5)
    sent = noise(rng, 1000, 0.1).astype(np.complex64)
    fit = fit_image(sent + 0.1 * sent.conj(), sent)
    with pytest.raises(CalibrationError, match="phase"):
        separate_images([fit, fit])
    with pytest.raises(CalibrationError, match="both sidebands"):
        fit_image(sent, sent.real.astype(np.complex64))


@given(
    radius=st.floats(0.001, 0.3), angle=st.floats(-3.1, 3.1), offset=st.complex_numbers(max_magnitude=0.2),
)  # fmt: skip
def test_predistortion_and_correction_are_inverses_of_the_mixer(radius, angle, offset):
    beta = radius * np.exp(1j * angle)
    x = noise(np.random.default_rng(6), 256, 0.1).astype(np.complex64)
    mixed = x + np.complex64(beta) * x.conj() + np.complex64(offset)
    np.testing.assert_allclose(correct_received(mixed, beta, offset), x, atol=1e-5)
    given_to_mixer = predistort(x, beta)
    np.testing.assert_allclose(given_to_mixer + np.complex64(beta) * given_to_mixer.conj(), x, atol=1e-5)
