from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

from sdr_gsc.capture import Capture
from sdr_gsc.channel.profile import PROFILE_NAMES, ChannelProfile, profile, with_text_settings
from sdr_gsc.channel.simulator import simulate
from sdr_gsc.errors import ClippingError, SettingsError

RATE_HZ = 4e6
ACTIVE = np.r_[1:27, 38:64]


def grid(n_symbols, seed=0):
    """complex64 [n_symbols, 64]: unit-power QPSK on 52 of 64 subcarriers."""
    generator = np.random.default_rng(seed)
    bits = generator.integers(0, 2, (2, n_symbols, ACTIVE.size)) * 2 - 1
    bins = np.zeros((n_symbols, 64), np.complex64)
    bins[:, ACTIVE] = (bits[0] + 1j * bits[1]) / np.sqrt(2)
    return bins


def burst(bins, amplitude=0.15):
    """OFDM with a cyclic prefix of 16 samples."""
    symbols = scipy.fft.ifft(bins, norm="ortho") * np.float32(amplitude)
    return Capture(np.concatenate([symbols[:, -16:], symbols], axis=1).ravel(), RATE_HZ)


def spectra(samples, first, n_symbols):
    """Windows that begin in the middle of the prefix, so that neither neighbour reaches into them, turned back."""
    windows = samples[first : first + 80 * n_symbols].reshape(n_symbols, 80)[:, 8:72]
    return (scipy.fft.fft(windows, norm="ortho") * np.exp(2j * np.pi * 8 * np.arange(64) / 64))[:, ACTIVE]


@pytest.mark.parametrize(
    ("delay_profile", "doppler_hz"),
    [("none", 0.0), ("flat", 0.0), ("exponential", 0.0), ("tdl-a", 0.0), ("tdl-a", 200.0), ("tdl-d", 200.0)],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_esn0_is_exact_in_every_realization(delay_profile, doppler_hz, seed):
    """Received and noise-free captures of the same draw differ by the noise: compare both after the FFT."""
    n_symbols, esn0_db = 2000, 7.0
    sent = burst(grid(n_symbols))
    noisy = ChannelProfile(delay_profile=delay_profile, delay_spread_s=400e-9, doppler_hz=doppler_hz, esn0_db=esn0_db)
    with_noise = simulate(sent, noisy, np.random.default_rng(seed)).samples
    clean = simulate(sent, replace(noisy, esn0_db=None), np.random.default_rng(seed)).samples
    signal = spectra(clean, 0, n_symbols)
    noise = spectra(with_noise - clean, 0, n_symbols)
    signal_power, noise_power = (np.mean(np.abs(x) ** 2, dtype=np.float64) for x in (signal, noise))
    measured_db = 10 * np.log10(signal_power / noise_power)
    # Noise power over 104000 bins: 0.013 dB deviation; the echoes of the cyclic prefix add a little.
    assert measured_db == pytest.approx(esn0_db, abs=0.1)


def test_ensemble_reference_lets_the_realizations_fade():
    sent, n_draws = burst(grid(20)), 600
    settings_ = ChannelProfile(delay_profile="flat", esn0_db=10.0, esn0_reference="ensemble")
    truths = [simulate(sent, settings_, np.random.default_rng(seed)).settings["truth"] for seed in range(n_draws)]
    noise = [truth["noise_power"] for truth in truths]
    ratios = np.array([truth["signal_power"] / truth["noise_power"] for truth in truths]) / (10 * 52 / 64)
    np.testing.assert_allclose(noise, noise[0], rtol=1e-6)
    # Rayleigh: the ratios are exponentially distributed with mean and deviation 1.
    assert np.mean(ratios) == pytest.approx(1.0, abs=5 / np.sqrt(n_draws))
    assert np.mean(ratios < np.log(2)) == pytest.approx(0.5, abs=2.5 / np.sqrt(n_draws))


def test_silence_in_the_burst_does_not_count():
    bins = grid(200)
    dense = burst(bins)
    gap = np.zeros(50_000, np.complex64)
    sparse = replace(dense, samples=np.concatenate([gap, dense.samples, gap]))
    truths = [simulate(each, profile("ideal"), np.random.default_rng(0)).settings["truth"] for each in (dense, sparse)]
    assert truths[0]["signal_power"] == pytest.approx(truths[1]["signal_power"], rel=1e-5)


def test_carrier_leakage_is_not_signal():
    sent = burst(grid(500))
    quiet = ChannelProfile(delay_profile="exponential", delay_spread_s=500e-9, esn0_db=10.0)
    leaking = replace(quiet, tx_dc_dbfs=-20.0)
    powers = [
        simulate(sent, each, np.random.default_rng(3)).settings["truth"]["signal_power"] for each in (quiet, leaking)
    ]
    assert powers[1] == pytest.approx(powers[0], rel=0.02)


def test_ideal_is_transparent():
    sent = burst(grid(10))
    received = simulate(sent, profile("ideal"), np.random.default_rng(0))
    np.testing.assert_array_equal(received.samples, sent.samples)
    assert received.clipped == 0


@pytest.mark.parametrize("cfo_hz", [-125e3, 125e3])
def test_cfo_turns_with_exp_plus_j(cfo_hz):
    sent = burst(grid(50))
    received = simulate(sent, ChannelProfile(cfo_hz=cfo_hz), np.random.default_rng(0)).samples
    t = np.arange(sent.samples.size) / RATE_HZ
    np.testing.assert_allclose(received, sent.samples * np.exp(2j * np.pi * cfo_hz * t), atol=1e-5)


@pytest.mark.parametrize("sfo_ppm", [-40.0, 40.0])
def test_sfo_shortens_the_burst_of_a_faster_transmitter(sfo_ppm):
    n_symbols = 1000
    bins = grid(n_symbols)
    received = simulate(burst(bins), ChannelProfile(sfo_ppm=sfo_ppm), np.random.default_rng(0)).samples
    assert received.size == pytest.approx(80 * n_symbols / (1 + 1e-6 * sfo_ppm), abs=1)
    # Read at the sender's rate, symbol n of the received burst is ahead by 80 n sfo samples: a phase slope over
    # frequency of exp(+j 2 pi k 80 n sfo / 64).
    n = np.arange(1, n_symbols - 2)
    turned = spectra(received, 80, n.size) * bins[1 : n_symbols - 2][:, ACTIVE].conj()
    k = np.where(ACTIVE < 32, ACTIVE, ACTIVE - 64)
    expected = np.exp(2j * np.pi * np.outer(80 * n + 40, k) * 1e-6 * sfo_ppm / 64)
    error = turned / 0.15 - expected
    assert np.mean(np.abs(error) ** 2) < 10**-4.5


@given(delay=st.floats(0, 300), stale=st.integers(0, 200))
@settings(max_examples=10, deadline=None)
def test_delay_is_where_the_burst_starts(delay, stale):
    bins = grid(40)
    settings_ = ChannelProfile(delay_samples=delay, stale_samples=stale, tail_samples=40)
    received = simulate(burst(bins), settings_, np.random.default_rng(1))
    first = int(np.floor(delay))
    assert received.settings["truth"]["first_sample"] == pytest.approx(stale + delay)
    turned = spectra(received.samples, stale + first, 39)[1:] * bins[1:39][:, ACTIVE].conj()
    k = np.where(ACTIVE < 32, ACTIVE, ACTIVE - 64)
    expected = np.exp(-2j * np.pi * k * (delay - first) / 64)
    assert np.mean(np.abs(turned / 0.15 - expected) ** 2) < 10**-5.5  # -55 dB


def test_requested_length_is_kept():
    sent = burst(grid(5))
    for n_samples in (1, 100, 700, 5000):
        received = simulate(sent, profile("office"), np.random.default_rng(0), n_samples=n_samples)
        assert received.samples.size == n_samples


def test_receive_level_and_clipping():
    sent = burst(grid(2000))
    at_12 = ChannelProfile(esn0_db=20.0, receive_level_dbfs=-12.0, adc_bits=12)
    loaded = simulate(sent, at_12, np.random.default_rng(0))
    level_db = 10 * np.log10(np.mean(np.abs(loaded.samples) ** 2, dtype=np.float64))
    assert level_db == pytest.approx(-12.0, abs=0.05)
    assert loaded.clipped < 5
    driven = simulate(sent, replace(at_12, receive_level_dbfs=0.0), np.random.default_rng(0))
    assert driven.clipped > 0.1 * driven.samples.size
    assert np.max(np.abs(driven.samples.view(np.float32))) < 1


@pytest.mark.parametrize("name", PROFILE_NAMES)
def test_same_generator_state_same_capture(name):
    sent, settings_ = burst(grid(30)), replace(profile(name), esn0_db=12.0)
    first, second, other = (simulate(sent, settings_, np.random.default_rng(seed)).samples for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.view(np.uint64), second.view(np.uint64))
    assert first.size != other.size or np.any(first != other)


@pytest.mark.parametrize("name", PROFILE_NAMES)
@pytest.mark.parametrize("n_sent", [0, 1, 50])
def test_silence_and_crumbs_pass_through_every_profile(name, n_sent):
    sent = Capture(np.zeros(n_sent, np.complex64), RATE_HZ)
    received = simulate(sent, replace(profile(name), esn0_db=10.0), np.random.default_rng(0))
    assert np.all(np.isfinite(received.samples.view(np.float32)))


def test_a_silent_burst_receives_noise():
    sent = Capture(np.zeros(100_000, np.complex64), RATE_HZ)
    received = simulate(sent, ChannelProfile(esn0_db=10.0), np.random.default_rng(0))
    power = np.mean(np.abs(received.samples) ** 2, dtype=np.float64)
    assert power == pytest.approx(0.1 * 64 / 52, rel=0.02)


def test_ranges_are_uniform_around_the_setting():
    sent = Capture(np.ones(1, np.complex64), RATE_HZ)
    settings_ = ChannelProfile(cfo_hz=1000.0, cfo_range_hz=125e3, sfo_range_ppm=40.0, delay_range_samples=10.0)
    generator = np.random.default_rng(0)
    truths = [simulate(sent, settings_, generator).settings["truth"] for _ in range(400)]
    for key, low, high in (
        ("cfo_hz", -124e3, 126e3),
        ("sfo_ppm", -40.0, 40.0),
        ("delay_samples", 0.0, 10.0),
    ):
        values = np.array([truth[key] for truth in truths])
        width = high - low
        assert low <= values.min() < low + 0.05 * width
        assert high - 0.05 * width < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=5 * width / np.sqrt(12 * 400))


def test_samples_beyond_full_scale_are_refused():
    with pytest.raises(ClippingError, match="full scale"):
        simulate(Capture(np.full(3, 1.5, np.complex64), RATE_HZ), profile("ideal"), np.random.default_rng(0))


def test_unknown_profile_lists_the_names():
    with pytest.raises(SettingsError, match="ideal, cabled, office, mobile"):
        profile("moon")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("esn0_db", float("nan")),
        ("occupied_bandwidth", 0.0),
        ("occupied_bandwidth", 1.5),
        ("esn0_reference", "average"),
        ("delay_profile", "tdl-z"),
        ("doppler_hz", -1.0),
        ("stale_samples", -1),
        ("adc_bits", 0),
        ("amplifier_smoothness", 0.0),
        ("sfo_ppm", 2000.0),
    ],
)
def test_profile_refuses_bad_values(field, value):
    with pytest.raises(SettingsError, match=field):
        ChannelProfile(**{field: value})


def test_text_settings():
    changed = with_text_settings(
        profile("office"),
        {"esn0_db": "7.5", "adc_bits": "none", "stale_samples": "3", "random_phase": "false", "delay_profile": "tdl-a"},
    )
    assert (changed.esn0_db, changed.adc_bits, changed.stale_samples) == (7.5, None, 3)
    assert (changed.random_phase, changed.delay_profile) == (False, "tdl-a")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("volume", "11", "volume are unknown"),
        ("esn0_db", "loud", "float or none"),
        ("stale_samples", "1.5", "needed int"),
        ("stale_samples", "none", "needed int"),
        ("random_phase", "yes", "needed bool"),
    ],
)
def test_text_settings_refuse(name, text, message):
    with pytest.raises(SettingsError, match=message):
        with_text_settings(profile("office"), {name: text})
