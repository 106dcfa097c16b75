import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

from sdr_gsc.channel.awgn import complex_noise
from sdr_gsc.channel.impairments import (
    PhaseNoise,
    add_dc_offset,
    frequency_shift,
    image_rejection_db,
    iq_imbalance,
    phase_noise,
    rapp_amplifier,
)

RATE_HZ = 4e6


@given(offset_hz=st.floats(-1.9e6, 1.9e6), phase=st.floats(-3, 3), n=st.integers(0, 300))
@settings(max_examples=50, deadline=None)
def test_frequency_shift_is_exp_plus_j(offset_hz, phase, n):
    shifted = frequency_shift(np.ones(n, np.complex64), offset_hz, RATE_HZ, phase)
    expected = np.exp(1j * (2 * np.pi * offset_hz * np.arange(n) / RATE_HZ + phase))
    np.testing.assert_allclose(shifted, expected, atol=1e-6)


def test_frequency_shift_does_not_drift():
    n = 2_000_000
    shifted = frequency_shift(np.ones(n, np.complex64), 123_456.7, RATE_HZ)
    expected = np.exp(2j * np.pi * ((123_456.7 / RATE_HZ * np.arange(n - 1000, n)) % 1.0))
    np.testing.assert_allclose(shifted[-1000:], expected, atol=1e-5)


def test_phase_noise_is_a_wiener_process_on_the_unit_circle():
    linewidth_hz, n = 200.0, 1_000_000
    noisy = phase_noise(np.ones(n, np.complex64), linewidth_hz, RATE_HZ, np.random.default_rng(2))
    np.testing.assert_allclose(np.abs(noisy), 1.0, atol=2e-6)
    for lag in (1, 100):
        steps = np.angle(noisy[lag::lag] * noisy[:-lag:lag].conj())
        expected = 2 * np.pi * linewidth_hz * lag / RATE_HZ
        assert np.var(steps) == pytest.approx(expected, rel=5 * np.sqrt(2 / steps.size))


def test_phase_noise_refuses_a_line_as_wide_as_the_band():
    with pytest.raises(ValueError, match="linewidth_hz is 1e\\+06|linewidth_hz is 1000000"):
        phase_noise(np.ones(4, np.complex64), 1e6, RATE_HZ, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("gain_db", "phase_deg", "published_db"), [(0.1, 0.5, 42.8), (0.5, 2.0, 29.5), (1.0, 5.0, 22.8)]
)
def test_image_rejection(gain_db, phase_deg, published_db):
    k, n = 5, 64
    tone = np.exp(2j * np.pi * k * np.arange(n) / n).astype(np.complex64)
    spectrum = np.abs(scipy.fft.fft(iq_imbalance(tone, gain_db, phase_deg))) ** 2
    measured_db = 10 * np.log10(spectrum[k] / spectrum[-k])
    assert measured_db == pytest.approx(image_rejection_db(gain_db, phase_deg), abs=0.01)
    assert measured_db == pytest.approx(published_db, abs=0.06)


def test_perfect_mixer_has_no_image():
    assert image_rejection_db(0.0, 0.0) == np.inf
    x = complex_noise(100, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(iq_imbalance(x, 0.0, 0.0), x)


def test_dc_offset_power():
    constant = add_dc_offset(np.zeros(3, np.complex64), -40.0)
    np.testing.assert_allclose(np.abs(constant) ** 2, 1e-4, rtol=1e-5)


@given(p=st.floats(0.5, 8.0), saturation=st.floats(0.1, 2.0))
@settings(max_examples=30, deadline=None)
def test_rapp_limits(p, saturation):
    amplitude = np.array([1e-4, 1.0, 1e3]) * saturation
    phase = np.exp(0.7j)
    out = rapp_amplifier((amplitude * phase).astype(np.complex64), p, saturation)
    assert abs(out[0]) == pytest.approx(amplitude[0], rel=3e-3)
    assert abs(out[1]) == pytest.approx(saturation * 2 ** (-1 / (2 * p)), rel=1e-4)
    assert abs(out[2]) == pytest.approx(saturation, rel=3e-3)
    np.testing.assert_allclose(np.angle(out), 0.7, atol=1e-5)


def test_rapp_survives_silence():
    np.testing.assert_array_equal(rapp_amplifier(np.zeros(3, np.complex64), 2.0, 1.0), np.zeros(3))


@given(p=st.floats(0.3, 10.0), seed=st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_rapp_is_the_published_curve(p, seed):
    generator = np.random.default_rng(seed)
    x = (10 ** generator.uniform(-3, 2, 500) * np.exp(2j * np.pi * generator.uniform(0, 1, 500))).astype(np.complex64)
    exact = x.astype(np.complex128)
    expected = exact / (1 + (np.abs(exact) / 0.7) ** (2 * p)) ** (1 / (2 * p))
    np.testing.assert_allclose(rapp_amplifier(x, p, 0.7), expected, rtol=1.5e-6)


def test_phase_noise_of_pieces_is_that_of_the_whole():
    whole, pieces = np.ones(4000, np.complex64), np.ones(4000, np.complex64)
    PhaseNoise(100.0, RATE_HZ, np.random.default_rng(3))(whole)
    oscillator = PhaseNoise(100.0, RATE_HZ, np.random.default_rng(3))
    for first, last in ((0, 256), (256, 256 * 7), (256 * 7, 4000)):
        oscillator(pieces[first:last])
    np.testing.assert_array_equal(pieces, whole)
    np.testing.assert_array_equal(
        whole, phase_noise(np.ones(4000, np.complex64), 100.0, RATE_HZ, np.random.default_rng(3))
    )
    assert np.ptp(np.angle(whole)) > 0.1


def test_phase_noise_turns_what_it_is_given():
    x = complex_noise(700, 1.0, np.random.default_rng(4))
    turns = phase_noise(np.ones(700, np.complex64), 1000.0, RATE_HZ, np.random.default_rng(5))
    np.testing.assert_allclose(phase_noise(x, 1000.0, RATE_HZ, np.random.default_rng(5)), x * turns, atol=1e-6)


def test_originals_are_left_alone():
    x = complex_noise(300, 1.0, np.random.default_rng(4))
    before = x.copy()
    frequency_shift(x, 1e5, RATE_HZ)
    phase_noise(x, 100.0, RATE_HZ, np.random.default_rng(0))
    iq_imbalance(x, 1.0, 1.0)
    add_dc_offset(x, -10.0)
    rapp_amplifier(x, 2.0, 1.0)
    np.testing.assert_array_equal(x, before)
