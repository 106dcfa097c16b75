import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import j0

from sdr_gsc.channel.awgn import complex_noise
from sdr_gsc.channel.delay_profiles import exponential_profile, power_delay_profile
from sdr_gsc.channel.fading import FadingFilter, apply_fading, draw_fading, path_gains
from sdr_gsc.errors import SettingsError

RATE_HZ = 4e6


def tdl(name, spread_s=300e-9, rician_k_db=None):
    return power_delay_profile(name, delay_spread_s=spread_s, n_taps=8, tap_spacing_s=250e-9, rician_k_db=rician_k_db)


# Straight from TR 38.901, tables 7.7.2-1 ... 5: paths, strongest path, last delay, K of the first.
@pytest.mark.parametrize(
    ("name", "paths", "strongest", "last", "k_db"),
    [
        ("tdl-a", 23, 1, 9.6586, -np.inf),
        ("tdl-b", 23, 0, 4.7834, -np.inf),
        ("tdl-c", 24, 5, 8.6523, -np.inf),
        ("tdl-d", 13, 0, 12.525, 13.3),
        ("tdl-e", 14, 0, 20.6519, 22.0),
    ],
)
def test_tapped_delay_lines(name, paths, strongest, last, k_db):
    profile = tdl(name, 1.0)
    powers = profile.scattered.copy()
    powers[0] += profile.specular
    assert powers.size == paths
    assert np.argmax(powers) == strongest
    assert profile.delays_s.max() == last
    assert powers.sum() == pytest.approx(1.0)
    assert profile.rician_k_db == pytest.approx(k_db)
    # The tables are normalized to a spread of 1, up to their rounding; D's is the coarsest.
    mean = powers @ profile.delays_s
    assert np.sqrt(powers @ profile.delays_s**2 - mean**2) == pytest.approx(1.0, abs=0.007)


def test_exponential_profile_has_the_spread_it_names():
    profile = exponential_profile(8, 250e-9, 500e-9)
    assert profile.rms_spread_s == pytest.approx(500e-9, rel=1e-9)
    ratios = profile.scattered[1:] / profile.scattered[:-1]
    np.testing.assert_allclose(ratios, ratios[0])
    assert ratios[0] < 1


@pytest.mark.parametrize("spread_s", [0.0, 250e-9 * np.sqrt(63 / 12), 1.0])
def test_impossible_exponential_profiles_are_refused(spread_s):
    with pytest.raises(SettingsError, match="delay_spread_s"):
        exponential_profile(8, 250e-9, spread_s)


def test_rician_factor_moves_power_without_changing_it():
    profile = tdl("tdl-a", rician_k_db=6.0)
    assert profile.rician_k_db == pytest.approx(6.0)
    assert profile.specular + profile.scattered.sum() == pytest.approx(1.0)


def test_unknown_delay_profile_lists_the_known():
    with pytest.raises(SettingsError, match="tdl-e"):
        tdl("tdl-f")


@pytest.mark.parametrize("doppler_hz", [0.0, 70.0])
def test_power_delay_profile_of_many_draws(doppler_hz):
    profile, draws = tdl("tdl-a"), 4000
    generator = np.random.default_rng(4)
    gains = np.concatenate(
        [
            path_gains(profile, doppler_hz=doppler_hz, edge_interval_s=1e-3, n_edges=1, generator=generator)
            for _ in range(draws)
        ]
    )
    measured = np.mean(np.abs(gains) ** 2, axis=0)
    # |g|^2 is exponentially distributed: relative standard error 1/sqrt(draws).
    np.testing.assert_allclose(measured, profile.scattered, rtol=5 / np.sqrt(draws))
    kurtosis = np.mean(np.abs(gains) ** 4, axis=0) / measured**2
    assert np.mean(kurtosis) == pytest.approx(2.0, abs=0.1)
    correlation = gains.conj().T @ gains / draws / np.sqrt(np.outer(measured, measured))
    assert np.max(np.abs(correlation - np.diag(np.diag(correlation)))) < 5 / np.sqrt(draws)


def test_doppler_autocorrelation_is_j0():
    flat, doppler_hz, interval_s, draws = tdl("flat"), 100.0, 5e-4, 3000
    generator = np.random.default_rng(5)
    total = np.zeros(12, np.complex128)
    for _ in range(draws):
        gain = path_gains(flat, doppler_hz=doppler_hz, edge_interval_s=interval_s, n_edges=12, generator=generator)
        total += gain[:, 0] * gain[0, 0].conj()
    expected = j0(2 * np.pi * doppler_hz * interval_s * np.arange(12))
    assert expected.min() < -0.35
    np.testing.assert_allclose(total / draws, expected, atol=5 / np.sqrt(draws))


def test_specular_path_turns_with_seven_tenths_of_the_doppler_shift():
    profile = tdl("flat", rician_k_db=80.0)
    gain = path_gains(profile, doppler_hz=100.0, edge_interval_s=1e-3, n_edges=2, generator=np.random.default_rng(0))[
        :, 0
    ]
    assert np.angle(gain[1] / gain[0]) == pytest.approx(2 * np.pi * 0.07, abs=1e-3)


def test_lone_specular_path_is_transparent():
    channel = draw_fading(
        tdl("none"), n_samples=100, sample_rate_hz=RATE_HZ, doppler_hz=0.0, generator=np.random.default_rng(0)
    )
    x = np.exp(1j * np.arange(100)).astype(np.complex64)
    np.testing.assert_array_equal(apply_fading(x, channel), x)


@pytest.mark.parametrize("name", ["tdl-a", "tdl-d", "exponential"])
def test_frequency_response_is_that_of_the_paths(name):
    profile = tdl(name, 500e-9)
    settings = {"sample_rate_hz": RATE_HZ, "doppler_hz": 0.0}
    channel = draw_fading(profile, n_samples=4096, generator=np.random.default_rng(6), **settings)
    gains = path_gains(profile, doppler_hz=0.0, edge_interval_s=1.0, n_edges=1, generator=np.random.default_rng(6))[0]
    impulse = np.zeros(1, np.complex64)
    impulse[0] = 1
    response = apply_fading(impulse, channel)
    for frequency in np.arange(-26, 27) / 64:
        instants = np.arange(response.size) - channel.bulk_delay_samples
        measured = response @ np.exp(-2j * np.pi * frequency * instants)
        expected = gains @ np.exp(-2j * np.pi * frequency * profile.delays_s * RATE_HZ)
        assert abs(measured - expected) < 2e-3


def test_moving_taps_follow_the_sinusoids_between_the_edges():
    flat, n = tdl("flat"), 40_000
    channel = draw_fading(
        flat, n_samples=n, sample_rate_hz=RATE_HZ, doppler_hz=2000.0, generator=np.random.default_rng(7)
    )
    assert channel.block_samples > 1
    out = apply_fading(np.ones(n, np.complex64), channel)
    fine = path_gains(
        flat, doppler_hz=2000.0, edge_interval_s=1 / RATE_HZ, n_edges=n, generator=np.random.default_rng(7)
    )[:, 0]
    assert np.max(np.abs(out - fine)) < 1e-3
    assert np.max(np.abs(fine - fine[0])) > 0.1


def test_linear_convolution_with_whole_delays():
    channel = draw_fading(
        exponential_profile(8, 250e-9, 500e-9),
        n_samples=600,
        sample_rate_hz=RATE_HZ,
        doppler_hz=0.0,
        generator=np.random.default_rng(8),
    )
    assert channel.taps.shape[1] == 8
    x = np.random.default_rng(9).standard_normal(1000).view(np.complex128).astype(np.complex64)
    np.testing.assert_allclose(apply_fading(x, channel), np.convolve(x, channel.taps[0]), atol=1e-5)


def test_a_channel_that_is_too_short_is_refused():
    channel = draw_fading(
        tdl("flat"), n_samples=10, sample_rate_hz=RATE_HZ, doppler_hz=0.0, generator=np.random.default_rng(0)
    )
    with pytest.raises(ValueError, match="fewer than"):
        apply_fading(np.zeros(10_000, np.complex64), channel)


@given(sizes=st.lists(st.integers(0, 1500), min_size=1, max_size=6), doppler_hz=st.sampled_from([0.0, 500.0, 20_000.0]))
@settings(max_examples=15, deadline=None)
def test_pieces_meet_the_same_channel_as_the_whole(sizes, doppler_hz):
    channel = draw_fading(
        tdl("tdl-c"),
        n_samples=10_000,
        sample_rate_hz=RATE_HZ,
        doppler_hz=doppler_hz,
        generator=np.random.default_rng(1),
    )
    x = complex_noise(sum(sizes), 1.0, np.random.default_rng(2))
    expected = apply_fading(x, channel)[: x.size]
    fade, out = FadingFilter(channel, max(sizes)), np.empty_like(x)
    for last, size in zip(np.cumsum(sizes), sizes, strict=True):
        fade.inlet[:size] = x[last - size : last]
        fade(out[last - size : last])
    np.testing.assert_allclose(out, expected, atol=2e-6)


def test_moving_taps_are_linear_between_the_edges():
    channel = draw_fading(
        tdl("tdl-a"), n_samples=3000, sample_rate_hz=RATE_HZ, doppler_hz=300.0, generator=np.random.default_rng(3)
    )
    x = complex_noise(2000, 1.0, np.random.default_rng(4))
    length, block = channel.taps.shape[1], channel.block_samples
    instants = np.arange(2000) / block
    edge, part = instants.astype(int), (instants % 1)[:, None]
    taps = (1 - part) * channel.taps[edge] + part * channel.taps[edge + 1]
    padded = np.concatenate([np.zeros(length - 1), x])
    windows = np.lib.stride_tricks.sliding_window_view(padded, length)[:, ::-1]
    np.testing.assert_allclose(apply_fading(x, channel)[:2000], np.sum(taps * windows, axis=1), atol=1e-5)
