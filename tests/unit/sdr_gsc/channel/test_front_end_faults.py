"""Hidden imperfections: within what is promised, and doing to samples what they say."""

import math

import numpy as np
import pytest

from sdr_gsc.channel.fading import FadingRealization, apply_fading
from sdr_gsc.channel.front_end_faults import FrontEnd, GainCurve, Half, with_ideal_front_ends
from sdr_gsc.channel.front_end_stages import RippleFilter, mixer_stage, rippled, transmit_stages
from sdr_gsc.channel.profile import profile

SEEDS = range(40)


def tone(cycles, n=4096, amplitude=0.25):
    return (amplitude * np.exp(2j * np.pi * cycles * np.arange(n))).astype(np.complex64)


def level(samples, cycles):
    return complex(np.mean(samples * np.exp(-2j * np.pi * cycles * np.arange(samples.size))))


@pytest.mark.parametrize("seed", SEEDS)
def test_draws_stay_within_what_is_promised(seed):
    front_end = FrontEnd.draw(seed)
    frequencies = np.linspace(-0.5, 0.5, 201)
    for half, gains in ((front_end.tx, np.linspace(-90, 0, 91)), (front_end.rx, np.linspace(0, 76, 77))):
        assert 24.5 < half.image_rejection_db < 35.5
        assert -35 <= half.dc_dbfs <= -25
        ripple_db = 20 * np.log10(np.abs(half.response(frequencies)))
        assert np.ptp(ripple_db) > 0.3
        assert np.abs(ripple_db).max() < 1.6
        assert np.degrees(np.abs(np.angle(half.response(frequencies)))).max() < 4.0
        errors = [half.gain.true_db(gain) - gain for gain in gains]
        assert 0.35 < max(map(abs, errors)) <= 1.0 + 1e-9
    assert abs(front_end.clock_ppm) <= 5
    assert abs(front_end.drift_ppm_s) <= 0.004
    assert 0.5e-6 <= front_end.delay_s <= 12e-6
    assert 25 <= front_end.temperature_c <= 45


def test_a_seed_is_a_radio_and_its_channels_share_the_clock_alone():
    assert FrontEnd.draw(3) == FrontEnd.draw(3)
    assert FrontEnd.draw(3) != FrontEnd.draw(4)
    first, second = FrontEnd.draw(3, 0), FrontEnd.draw(3, 1)
    shared = ("clock_ppm", "drift_ppm_s", "delay_s", "temperature_c")
    assert [getattr(first, name) for name in shared] == [getattr(second, name) for name in shared]
    assert first.tx != second.tx
    assert first.rx != second.rx
    assert first.without_clock().clock_ppm == 0
    assert first.without_clock().tx == first.tx


def test_the_phase_of_the_ripple_is_even():
    response = FrontEnd.draw(1).tx.response(np.linspace(0, 0.45, 20))
    mirrored = FrontEnd.draw(1).tx.response(-np.linspace(0, 0.45, 20))
    # To first order in the ripple; what is left is its product with the phase, a few hundredths of it.
    assert np.abs(np.angle(response) - np.angle(mirrored)).max() < 0.02


def test_the_mixer_makes_the_image_and_the_constant_that_it_says():
    half = FrontEnd.draw(5).rx
    samples = tone(512 / 4096)
    mixer_stage(half)(samples)
    found = 20 * math.log10(abs(level(samples, 512 / 4096)) / abs(level(samples, -512 / 4096)))
    assert found == pytest.approx(half.image_rejection_db, abs=0.01)
    assert level(samples, 0.0) == pytest.approx(half.dc, abs=1e-5)


def test_the_ripple_filter_has_its_response_however_the_signal_is_cut():
    half = FrontEnd.draw(6).tx
    whole = tone(0.3)
    pieces = whole.copy()
    RippleFilter(half)(whole)
    ripple = RippleFilter(half)
    for first, last in ((0, 1), (1, 3), (3, 1000), (1000, 1000), (1000, 4096)):
        ripple(pieces[first:last])
    np.testing.assert_array_equal(pieces, whole)
    gain = level(whole[96:], 0.3) / level(tone(0.3)[96 - 3 : -3], 0.3)
    assert gain == pytest.approx(complex(half.response(np.array(0.3))), abs=1e-5)
    ripple.forget()
    again = tone(0.3)
    ripple(again)
    np.testing.assert_array_equal(again, whole)


def test_a_channel_with_ripple_is_both_in_a_row():
    half = FrontEnd.draw(7).tx
    taps = np.array([[0, 0.5, 0.2j, 0]] * 3, np.complex64)
    channel = FadingRealization(taps, 4096, 1)
    samples = tone(0.1, 512)
    both = rippled(channel, half)
    assert both.bulk_delay_samples == 4
    expected = np.convolve(np.convolve(samples, np.array(half.taps)), taps[0])
    np.testing.assert_allclose(apply_fading(samples, both), expected, atol=2e-6)


def test_the_amplifier_compresses_by_its_output_not_by_its_input():
    front_end = FrontEnd(tx_saturation=1.0)
    gains = {}
    for gain_db in (0.0, -10.0, -40.0):
        samples = tone(0.125, amplitude=1.0)
        for stage in transmit_stages(front_end, gain_db):
            stage(samples)
        gains[gain_db] = 20 * math.log10(abs(level(samples, 0.125)))
    assert gains[0.0] == pytest.approx(-20 * math.log10(2**0.25), abs=1e-3)
    assert gains[-10.0] == pytest.approx(-5 * math.log10(1.01), abs=1e-3)
    assert gains[-40.0] == pytest.approx(0.0, abs=1e-3)
    assert len(transmit_stages(FrontEnd(), 0.0)) == 1


def test_one_decibel_of_compression_lies_near_the_top():
    for seed in SEEDS:
        front_end = FrontEnd.draw(seed)
        drive = (10**0.2 - 1) ** 0.25 * front_end.tx_saturation
        assert -3.01 < 20 * math.log10(drive) < 0.01


def test_a_perfect_half_does_nothing():
    samples = tone(0.2)
    before = samples.copy()
    mixer_stage(Half())(samples)
    np.testing.assert_array_equal(samples, before)
    np.testing.assert_allclose(Half().response(np.linspace(-0.5, 0.5, 5)), 1)
    assert GainCurve().true_db(7.0) == 7.0
    assert Half().dc_dbfs == -math.inf


@pytest.mark.parametrize("name", ["cabled", "office", "mobile"])
def test_front_ends_leave_the_profile_and_the_channel_stays(name):
    before, after = profile(name), with_ideal_front_ends(profile(name))
    assert after.tx_dc_dbfs is after.rx_dc_dbfs is after.esn0_db is after.amplifier_smoothness is None
    assert (after.tx_iq_gain_db, after.cfo_range_hz, after.sfo_range_ppm, after.delay_range_samples) == (0, 0, 0, 0)
    kept = ("delay_profile", "delay_spread_s", "doppler_hz", "linewidth_hz", "dac_bits", "adc_bits", "random_phase")
    assert [getattr(after, each) for each in kept] == [getattr(before, each) for each in kept]
