"""What the matched search does with captures and settings of every kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy.matched_search import MatchedSearch
from sdr_gsc.phy.preamble import Preamble

SIZE = 64


def copies(count: int) -> np.ndarray:
    preamble = Preamble()
    symbol = preamble.samples[preamble.prefix_length : preamble.prefix_length + SIZE]
    return np.tile(symbol, count)


def white(generator: np.random.Generator, count: int) -> np.ndarray:
    return generator.standard_normal(2 * count, np.float32).view(np.complex64) * np.float32(np.sqrt(0.5))


_UNSCREENED = MatchedSearch(copies(2), SIZE, 8, 2.0, 1e-4, screening=False)


@settings(max_examples=30, deadline=None)
@given(
    exponent=st.integers(-100, 100),
    phase=st.floats(-3.2, 3.2),
    delay=st.integers(0, 3000),
    seed=st.integers(0, 2**32 - 1),
)
def test_scale_phase_and_delay_change_nothing(exponent: int, phase: float, delay: int, seed: int) -> None:
    search = _UNSCREENED
    generator = np.random.default_rng(seed)
    samples = white(generator, 1200)
    samples[300 : 300 + 128] += copies(2)
    statistic = search.statistic(samples)
    assert (search.statistic(np.float32(2.0**exponent) * samples) == statistic).all()
    np.testing.assert_allclose(search.statistic(samples * np.exp(1j * phase)), statistic, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(search.statistic(1.7e-4 * samples), statistic, rtol=1e-3, atol=1e-5)
    delayed = search.statistic(np.concatenate([white(generator, delay), samples]))
    assert (delayed[delay:] == statistic).all()


def test_cutting_a_capture_changes_no_lag() -> None:
    generator = np.random.default_rng(13)
    search = MatchedSearch(copies(2), SIZE, 8, 2.0, 1e-4)
    samples = white(generator, 20_000)
    samples[7000:7128] += copies(2)
    whole = search.statistic(samples)
    assert np.count_nonzero(whole) > 100
    for length in (127, 128, 129, 160, 1023, 1024, 1152, 1153, 5000):
        pieces = [
            search.statistic(samples[at : at + length + search.span - 1])[:length] for at in range(0, 20_000, length)
        ]
        assert (np.concatenate(pieces) == whole).all()


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 200])
def test_any_length_is_welcome(count: int) -> None:
    samples = white(np.random.default_rng(14), count)
    search = MatchedSearch(copies(2), SIZE)
    assert search.statistic(samples).shape == (max(count - 127, 0),)
    assert search.statistic(samples).dtype == np.float32
    assert search.detections(samples) == ()


def test_a_capture_that_is_the_waveform_holds_it() -> None:
    search = MatchedSearch(copies(2), SIZE)
    (detection,) = search.detections(copies(2))
    assert detection.start == 0
    # The nearest offset tried is an eighth of a subcarrier away: a quarter of a cycle over the waveform.
    assert detection.statistic == pytest.approx(np.sinc(0.25) ** 2 / search.thresholds[0], rel=1e-2)
    assert detection.cfo == pytest.approx(0, abs=1e-3)


def test_samples_that_are_no_numbers_count_as_zeros() -> None:
    generator = np.random.default_rng(15)
    samples = white(generator, 5000)
    samples[2000:2128] += copies(2)
    silent = samples.copy()
    for place, value in ((30, np.nan), (1999, np.inf), (2050, complex(0, -np.inf)), (4999, complex(np.nan, 1))):
        samples[place] = value
        silent[place] = 0
    assert (_UNSCREENED.statistic(samples) == _UNSCREENED.statistic(silent)).all()
    (detection,) = MatchedSearch(copies(2), SIZE).detections(samples)
    assert detection.start == 2000


@pytest.mark.parametrize("level", [1e-45, 1e-38, 1e-20, 1e20, 2e38])
def test_any_level_is_welcome(level: float) -> None:
    samples = 0.01 * white(np.random.default_rng(16), 1000)
    samples[400:528] += copies(2)
    samples = (samples.astype(np.complex128) / np.abs(samples).max() * level).astype(np.complex64)
    assert [each.start for each in MatchedSearch(copies(2), SIZE).detections(samples)] == [400]


def test_silence_and_steps_of_level_do_not_trigger() -> None:
    generator = np.random.default_rng(17)
    search = MatchedSearch(copies(2), SIZE)
    assert not search.statistic(np.zeros(3000, np.complex64)).any()
    clicks = np.zeros(50_000, np.complex64)
    clicks[::777] = generator.standard_normal(65)
    assert search.statistic(clicks).max() < 1
    steps = white(generator, 200_000) * np.repeat(10.0 ** generator.uniform(-6, 6, 800), 250).astype(np.float32)
    steps[generator.integers(0, steps.size, 300)] *= 1000
    steps[100_000:120_000] = 0
    assert search.statistic(steps).max() < 1
    assert not search.statistic(steps)[100_000 : 120_000 - search.span].any()


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("noise", [0.0, 1e-3, 0.1])
def test_a_carrier_is_no_waveform(count: int, noise: float) -> None:
    generator = np.random.default_rng(18)
    search = MatchedSearch(copies(count), SIZE)
    for cycles in (0.0, 1 / 64, 3.1 / 64, 10.4 / 64, 0.31, 0.5):
        carrier = np.exp(2j * np.pi * cycles * np.arange(6000)) + noise * white(generator, 6000)
        assert search.detections(carrier.astype(np.complex64)) == ()


def test_a_waveform_beside_a_carrier_is_found() -> None:
    generator = np.random.default_rng(19)
    samples = 0.1 * white(generator, 4000) + 0.7 * np.exp(2j * np.pi * 0.2 * np.arange(4000))
    samples[2000:2128] += copies(2) * np.exp(2j * np.pi * 0.4 * np.arange(128) / SIZE)
    (detection,) = MatchedSearch(copies(2), SIZE).detections(samples.astype(np.complex64))
    assert abs(detection.start - 2000) <= 8
    assert detection.cfo == pytest.approx(0.4, abs=0.05)


def test_layout_of_the_capture_is_of_no_importance() -> None:
    samples = white(np.random.default_rng(20), 4000)
    expected = _UNSCREENED.statistic(samples[::2].copy())
    assert (_UNSCREENED.statistic(samples[::2]) == expected).all()
    frozen = samples[::2].copy()
    frozen.setflags(write=False)
    assert (_UNSCREENED.statistic(frozen) == expected).all()
    assert frozen.flags.c_contiguous
    writable = samples.copy()
    _UNSCREENED.statistic(writable)
    assert writable.flags.writeable
    with pytest.raises(SettingsError, match="shape"):
        _UNSCREENED.statistic(samples.reshape(2, -1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fft_size": 63}, "fft_size"),
        ({"fft_size": 0}, "fft_size"),
        ({"taps": 0}, "taps"),
        ({"taps": 6}, "taps"),
        ({"taps": 32}, "taps"),
        ({"max_cfo": -1.0}, "max_cfo"),
        ({"max_cfo": float("nan")}, "max_cfo"),
        ({"max_cfo": 17.0}, "max_cfo"),
        ({"false_alarm_rate": 0.0}, "false_alarm_rate"),
        ({"false_alarm_rate": 0.5}, "false_alarm_rate"),
        ({"waveform": np.zeros(128, np.complex64)}, "waveform"),
        ({"waveform": np.ones(5, np.complex64)}, "waveform"),
        ({"waveform": np.ones((2, 64), np.complex64)}, "waveform"),
        ({"waveform": np.full(128, np.nan, np.complex64)}, "waveform"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        MatchedSearch(**{"waveform": copies(2), "fft_size": SIZE, **changes})
