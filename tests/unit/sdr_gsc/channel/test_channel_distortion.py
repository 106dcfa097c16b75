"""What the simulator itself adds to a signal, against the exact signal at the exact instants."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from sdr_gsc.capture import Capture
from sdr_gsc.channel.awgn import complex_noise
from sdr_gsc.channel.converters import quantize
from sdr_gsc.channel.fading import apply_fading, draw_fading
from sdr_gsc.channel.impairments import (
    add_dc_offset,
    frequency_shift,
    iq_imbalance,
    phase_noise,
    rapp_amplifier,
)
from sdr_gsc.channel.profile import ChannelProfile, profile
from sdr_gsc.channel.resampling import HALF_LENGTH, resample
from sdr_gsc.channel.simulator import simulate

RATE_HZ = 4e6
PERIOD = 4096
#: Mean power of a burst at the transmitter's default back-off.
SENT_POWER = 10**-1.2


def tones():
    """Frequencies in cycles per sample, and amplitudes: Gaussian rails in the occupied band, 53 of 64 bins wide."""
    generator = np.random.default_rng(0)
    index = np.arange(-int(26.5 * PERIOD / 64), int(26.5 * PERIOD / 64) + 1)
    amplitudes = generator.standard_normal((2, index.size)) * np.sqrt(SENT_POWER / 2 / index.size)
    return index / PERIOD, amplitudes[0] + 1j * amplitudes[1]


def at(instants):
    """The sum of these tones, evaluated one by one: no interpolation whatever."""
    frequencies, amplitudes = tones()
    values = np.empty(instants.size, np.complex128)
    for first in range(0, instants.size, 256):
        turns = np.outer(instants[first : first + 256], frequencies)
        values[first : first + 256] = np.exp(2j * np.pi * (turns - np.rint(turns))) @ amplitudes
    return values


@pytest.fixture(scope="module")
def sent():
    samples = at(np.arange(2600)).astype(np.complex64)
    assert np.max(np.abs(samples.view(np.float32))) < 1
    return Capture(samples, RATE_HZ)


def distortion_db(sent, settings):
    """Power of the error relative to the signal, up to one complex factor."""
    received = simulate(sent, settings, np.random.default_rng(0)).samples
    index = np.arange(100, 2500)
    exact = at((index - settings.delay_samples) * (1 + 1e-6 * settings.sfo_ppm))
    gain = np.vdot(exact, received[index]) / np.vdot(exact, exact)
    error = received[index] - gain * exact
    return 10 * np.log10(np.mean(np.abs(error) ** 2) / np.mean(np.abs(gain * exact) ** 2))


@pytest.mark.parametrize("delay", [0.25, 20.0, 20.5])
@pytest.mark.parametrize("sfo_ppm", [0.0, 20.0, -50.0])
def test_clocks_and_delays_add_less_than_minus_65_db(sent, delay, sfo_ppm):
    settings = ChannelProfile(delay_samples=delay, sfo_ppm=sfo_ppm, tail_samples=100)
    assert distortion_db(sent, settings) < -65


@pytest.mark.parametrize("delay", [0.0, 20.5])
@pytest.mark.parametrize("sfo_ppm", [0.0, 20.0])
def test_twelve_bits_both_ways_add_less_than_minus_58_db(sent, delay, sfo_ppm):
    settings = ChannelProfile(
        dac_bits=12,
        adc_bits=12,
        receive_level_dbfs=-12.0,
        delay_samples=delay,
        sfo_ppm=sfo_ppm,
        tail_samples=100,
    )
    # Rails of deviation 10^(-15/20): 12 bits leave 62.1 dB, two such converters 59.1 dB.
    assert -60 < distortion_db(sent, settings) < -58


def converter_snr_db(level_dbfs, bits=12):
    """Clipping and quantization noise of Gaussian rails that carry half of a power in dBFS each."""
    loading = np.sqrt(2) * 10 ** (-level_dbfs / 20)
    clipping = 2 * norm.sf(loading) * (1 + loading**2) - 2 * loading * norm.pdf(loading)
    return -10 * np.log10(clipping + (2 * loading / 2**bits) ** 2 / 12)


@pytest.mark.parametrize("name", ["cabled", "office", "mobile"])
def test_receive_level_is_within_1_db_of_the_best(name):
    settings = profile(name)
    levels = np.arange(-20, 0, 0.1)
    best = np.max([converter_snr_db(level) for level in levels])
    assert best == pytest.approx(62.7, abs=0.1)
    assert settings.adc_bits == 12
    assert converter_snr_db(settings.receive_level_dbfs) > best - 1


def test_a_burst_of_many_pieces_passes_the_stages_one_after_the_other():
    """The whole burst through every stage in turn is what the pieces come to, noise included."""
    burst = complex_noise(100_000, SENT_POWER, np.random.default_rng(1)) * 0.7
    settings = replace(profile("mobile"), doppler_hz=300.0, adc_bits=None, stale_samples=0, esn0_db=20.0)
    capture = simulate(Capture(burst, RATE_HZ), settings, np.random.default_rng(2))
    truth = capture.settings["truth"]

    generator = np.random.default_rng(2)
    generator.uniform(-1, 1, 4)
    of_oscillators, of_fading, of_noise, _ = generator.spawn(4)
    power = np.mean(np.abs(burst) ** 2, dtype=np.float64)
    samples, _ = quantize(burst, 12)
    samples = rapp_amplifier(samples, 2.0, np.sqrt(power * 10**1.2))
    samples = iq_imbalance(samples, settings.tx_iq_gain_db, settings.tx_iq_phase_deg)
    samples = add_dc_offset(samples, settings.tx_dc_dbfs)
    samples = phase_noise(samples, settings.linewidth_hz, RATE_HZ, of_oscillators)
    paths = settings.power_delay_profile()
    spread = int(np.ceil(paths.delays_s.max() * RATE_HZ))
    channel = draw_fading(
        paths,
        n_samples=burst.size + spread + 2 * HALF_LENGTH,
        sample_rate_hz=RATE_HZ,
        doppler_hz=300.0,
        generator=of_fading,
    )
    samples = apply_fading(samples, channel)
    signal_energy = np.sum(np.abs(samples) ** 2, dtype=np.float64)
    samples = frequency_shift(samples, truth["cfo_hz"], RATE_HZ, truth["phase_rad"])
    step = 1 + 1e-6 * truth["sfo_ppm"]
    first = channel.bulk_delay_samples - truth["delay_samples"] * step
    samples = resample(samples, first, step, capture.samples.size)
    leakage = np.mean(np.abs(channel.taps.sum(axis=1)) ** 2) * 10 ** (settings.tx_dc_dbfs / 10)
    power = signal_energy / burst.size - leakage
    noise = power / (settings.occupied_bandwidth * 100)
    samples = samples + complex_noise(samples.size, noise, of_noise)
    samples = samples * np.float32(np.sqrt(10**-1.2 / (power + noise)))
    samples = iq_imbalance(samples, settings.rx_iq_gain_db, settings.rx_iq_phase_deg)
    samples = add_dc_offset(samples, settings.rx_dc_dbfs)
    np.testing.assert_allclose(capture.samples, samples, atol=5e-6)
    assert truth["noise_power"] == pytest.approx(10**-1.2 * noise / (power + noise), rel=1e-4)
