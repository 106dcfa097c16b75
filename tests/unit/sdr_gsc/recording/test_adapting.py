import numpy as np
import pytest

from sdr_gsc.capture import Capture, Gap, Retune
from sdr_gsc.errors import SettingsError
from sdr_gsc.recording.adapting import resampled, shifted


def tone(n, rate_hz, frequency_hz):
    return np.exp(2j * np.pi * frequency_hz / rate_hz * np.arange(n)).astype(np.complex64)


def test_a_tone_is_moved_to_the_centre():
    capture = Capture(tone(100_000, 1e6, -123_456.7), 1e6, 915e6, retunes=(Retune(50_000, 920e6),))
    moved = shifted(capture, 123_456.7)
    np.testing.assert_allclose(moved.samples, np.ones(100_000), atol=3e-3)
    assert moved.center_frequency_hz == pytest.approx(915e6 - 123_456.7)
    assert moved.retunes[0].center_frequency_hz == pytest.approx(920e6 - 123_456.7)
    assert shifted(capture, 0.0) is capture
    back = shifted(moved, -123_456.7)
    np.testing.assert_allclose(back.samples, capture.samples, atol=1e-5)


@pytest.mark.parametrize("rate_hz", [5e5, 1.5e6, 2e6, 1_234_567.0, 1e6 * np.pi])
def test_a_tone_keeps_its_frequency_and_level(rate_hz):
    found = resampled(Capture(tone(20_000, 1e6, 40_000.0), 1e6, 915e6), rate_hz)
    assert found.sample_rate_hz == rate_hz
    assert found.samples.size == pytest.approx(20_000 * rate_hz / 1e6, abs=2)
    assert found.samples.dtype == np.complex64
    inner = slice(200, -200)
    expected = tone(found.samples.size, rate_hz, 40_000.0)
    # The kaiser window of scipy's default filter ripples by a few per mille.
    np.testing.assert_allclose(found.samples[inner], expected[inner], atol=0.02)


def test_what_is_beyond_the_new_band_is_removed():
    found = resampled(Capture(tone(20_000, 4e6, 1.5e6), 4e6), 1e6)
    assert np.abs(found.samples[100:-100]).max() < 0.01


def test_gaps_and_retunes_keep_their_places():
    capture = Capture(
        np.ones(10_000, np.complex64), 2e6, 1e9, gaps=(Gap(1001, 99), Gap(6000, 10)), retunes=(Retune(5000, 2e9),)
    )
    found = resampled(capture, 1e6)
    assert found.gaps == (Gap(500, 50), Gap(3000, 5))
    assert found.retunes == (Retune(2500, 2e9),)
    assert found.samples.size == 5000


def test_numbers_that_are_none_do_not_spread():
    samples = np.ones(1000, np.complex64)
    samples[500] = np.nan
    for found in (resampled(Capture(samples, 1e6), 2e6), shifted(Capture(samples, 1e6), 1e3)):
        assert np.isfinite(found.samples).all()


def test_the_same_rate_changes_nothing():
    capture = Capture(tone(100, 1e6, 1e3), 1e6)
    assert resampled(capture, 1e6) is capture


@pytest.mark.parametrize("rate_hz", [1e3, 1e9, 0.0, -1.0, float("nan"), float("inf")])
def test_rates_out_of_range_are_refused(rate_hz):
    with pytest.raises(SettingsError, match="samples/s"):
        resampled(Capture(tone(100, 1e6, 1e3), 1e6), rate_hz)


@pytest.mark.parametrize("shift_hz", [1e6, -2e6, float("nan")])
def test_shifts_that_wrap_around_are_refused(shift_hz):
    with pytest.raises(SettingsError, match="below the sample rate"):
        shifted(Capture(tone(100, 1e6, 1e3), 1e6), shift_hz)
