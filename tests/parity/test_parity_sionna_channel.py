"""Tables and statistics of the fading channels against Sionna."""

import numpy as np
import pytest
import scipy.constants
from scipy.special import j0

from sdr_gsc.channel.delay_profiles import power_delay_profile
from sdr_gsc.channel.fading import apply_fading, draw_fading, path_gains

RATE_HZ = 4e6
CARRIER_HZ = 2.4e9
LETTERS = "ABCDE"


def ours(letter, spread_s=1.0):
    return power_delay_profile(
        f"tdl-{letter.lower()}", delay_spread_s=spread_s, n_taps=8, tap_spacing_s=1.0, rician_k_db=None
    )


@pytest.fixture(scope="module")
def theirs(sionna):
    from sionna.phy.channel.tr38901 import TDL

    def make(letter, spread_s=1.0, doppler_hz=0.0, version="19.2"):
        speed = doppler_hz * scipy.constants.speed_of_light / CARRIER_HZ
        return TDL(letter, spread_s, CARRIER_HZ, min_speed=speed, spec_version=version, precision="double")

    return make


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("version", ["16.1", "19.2"])
def test_tables_of_tr_38_901(theirs, letter, version):
    table, profile = theirs(letter, version=version), ours(letter)
    np.testing.assert_allclose(profile.delays_s, table.delays.numpy(), rtol=1e-12)
    powers = profile.scattered.copy()
    powers[0] += profile.specular
    np.testing.assert_allclose(powers, table.mean_powers.numpy(), rtol=1e-9)
    assert table.los == (profile.specular > 0)
    if table.los:
        assert profile.specular == pytest.approx(float(table.mean_power_los), rel=1e-9)
        assert profile.rician_k_db == pytest.approx(10 * np.log10(float(table.k_factor)), abs=1e-6)


def test_last_delay_of_tdl_e(theirs):
    assert float(theirs("E").delays[-1]) == ours("E").delays_s[-1] == 20.6519


def our_gains(profile, doppler_hz, interval_s, n_instants, draws):
    generator = np.random.default_rng(3)
    return np.stack(
        [
            path_gains(
                profile, doppler_hz=doppler_hz, edge_interval_s=interval_s, n_edges=n_instants, generator=generator
            )
            for _ in range(draws)
        ]
    )


@pytest.mark.parametrize("letter", ["A", "D"])
def test_powers_of_drawn_paths(theirs, letter):
    draws = 4000
    gains, _ = theirs(letter, 100e-9, 50.0)(draws, 1, 1e3)
    measured = np.mean(np.abs(gains.numpy()[:, 0, 0, 0, 0, :, 0]) ** 2, axis=0)
    own = np.mean(np.abs(our_gains(ours(letter, 100e-9), 50.0, 1e-3, 1, draws)[:, 0]) ** 2, axis=0)
    # Each is the mean of `draws` exponential variables, or less scattered where there is a specular path.
    np.testing.assert_allclose(own, measured, rtol=5 * np.sqrt(2 / draws))
    assert own.sum() == pytest.approx(1, abs=5 / np.sqrt(draws))


def correlation(gains):
    """E g(0)* g(t) of the first path over the draws, float64 [instants]."""
    return np.mean(gains[:, :1].conj() * gains, axis=0)


def test_autocorrelation_in_time(theirs):
    doppler_hz, interval_s, n_instants, draws = 100.0, 5e-4, 20, 6000
    gains, _ = theirs("A", 100e-9, doppler_hz)(draws, n_instants, 1 / interval_s)
    strongest = 1
    profile = ours("A", 100e-9)
    power = profile.scattered[strongest]
    sionna_says = correlation(gains.numpy()[:, 0, 0, 0, 0, strongest, :]) / power
    we_say = correlation(our_gains(profile, doppler_hz, interval_s, n_instants, draws)[:, :, strongest]) / power
    expected = j0(2 * np.pi * doppler_hz * interval_s * np.arange(n_instants))
    assert expected.min() < -0.35
    np.testing.assert_allclose(sionna_says, expected, atol=5 / np.sqrt(draws))
    np.testing.assert_allclose(we_say, expected, atol=5 / np.sqrt(draws))


def test_specular_path_turns_alike(theirs):
    doppler_hz, interval_s, n_instants, draws = 100.0, 1e-3, 5, 3000
    gains, _ = theirs("E", 100e-9, doppler_hz)(draws, n_instants, 1 / interval_s)
    sionna_says = correlation(gains.numpy()[:, 0, 0, 0, 0, 0, :])
    we_say = correlation(our_gains(ours("E", 100e-9), doppler_hz, interval_s, n_instants, draws)[:, :, 0])
    # At K = 22 dB nearly all of it is exp(j 2 pi 0.7 f_D t).
    np.testing.assert_allclose(we_say, sionna_says, atol=0.02)
    assert np.angle(we_say[1]) == pytest.approx(2 * np.pi * 0.07, abs=0.01)


@pytest.mark.parametrize("letter", LETTERS)
def test_frequency_response_of_a_drawn_channel(sionna, letter):
    import torch
    from sionna.phy.channel import cir_to_ofdm_channel

    spread_s, seed = 300e-9, 5
    profile = ours(letter, spread_s)
    gains = path_gains(profile, doppler_hz=0.0, edge_interval_s=1.0, n_edges=1, generator=np.random.default_rng(seed))[
        0
    ]
    bins = np.r_[-26:0, 1:27]
    response = cir_to_ofdm_channel(
        torch.from_numpy(bins / 64 * RATE_HZ),
        torch.from_numpy(gains.reshape(1, 1, 1, 1, 1, -1, 1)),
        torch.from_numpy(profile.delays_s.reshape(1, 1, 1, -1)),
    ).numpy()[0, 0, 0, 0, 0, 0]
    channel = draw_fading(
        profile, n_samples=4096, sample_rate_hz=RATE_HZ, doppler_hz=0.0, generator=np.random.default_rng(seed)
    )
    instants = np.arange(1000)
    for index, offset in enumerate(bins):
        tone = np.exp(2j * np.pi * offset * instants / 64)
        out = apply_fading(tone.astype(np.complex64), channel)[channel.bulk_delay_samples :]
        # The middle, where all echoes have arrived and none has ended.
        gain = np.vdot(tone[300:700], out[300:700]) / 400
        assert abs(gain - response[index]) < 2e-3
