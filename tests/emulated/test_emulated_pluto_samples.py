"""Samples through pyadi-iio, an emulated Pluto and the air: levels, delays, matrices and bits are the right ones."""

from __future__ import annotations

import time

import numpy as np
import pytest

from hardware.emulation.air import Air
from sdr_gsc.channel.profile import ChannelProfile


def fit(received, sent, start=0):
    """Delay, gain and error power of a periodic burst in received codes; full scales are 2^11 and 2^15."""
    x = np.roll(sent, start)[: len(sent)] / 2**15
    y = received[: len(sent)] / 2**11
    match = np.fft.ifft(np.fft.fft(y) * np.conj(np.fft.fft(x)))
    delay = int(np.abs(match).argmax())
    x = np.roll(x, delay)
    gain = np.vdot(x, y) / np.vdot(x, x)
    return delay, gain, np.mean(np.abs(y - gain * x) ** 2)


def test_cyclic_burst_through_a_known_channel(emulated_pluto, iio_client, waveform):
    air = Air(ChannelProfile(name="late", delay_samples=37, random_phase=True), seed=3, noise_dbfs=-50)
    client = iio_client(emulated_pluto(air, realtime=False)).tune()
    burst = waveform(2000)
    client.transmit(burst)
    received = client.receive(6000)
    # In virtual time, transmitter and receiver start at sample 0 both.
    delay, gain, error = fit(received[2000:], burst)
    assert delay == 37
    assert abs(abs(gain) - 1) < 0.01
    assert 0.5e-5 < error < 2e-5
    assert np.array_equal(received, np.round(received))
    phases = [fit(received[start : start + 2000], burst)[1] for start in (2000, 4000)]
    assert abs(phases[0] / phases[1] - 1) < 0.01


@pytest.mark.parametrize(("tx_gain", "rx_gain"), [(-20, 40), (-10, 30), (-30, 60)])
def test_gains_move_the_level(emulated_pluto, iio_client, waveform, tx_gain, rx_gain):
    client = iio_client(emulated_pluto(realtime=False)).tune(tx_gain=tx_gain, rx_gain=rx_gain)
    burst = waveform(1000)
    client.transmit(burst)
    _, gain, _ = fit(client.receive(3000)[1000:], burst)
    assert abs(20 * np.log10(abs(gain)) - (tx_gain + rx_gain - 30)) < 0.1


def test_receive_converter_has_12_bits_and_clips(emulated_pluto, iio_client):
    client = iio_client(emulated_pluto(realtime=False)).tune(rx_gain=60)
    client.transmit(np.full(256, 2**14 - 1j * 2**14))
    received = client.receive(2048)[1024:]
    assert set(received) == {2047 - 2048j}


def test_transmit_converter_drops_4_bits(emulated_pluto, iio_client):
    client = iio_client(emulated_pluto(realtime=False)).tune()
    client.transmit(np.full(256, 15 + 31j))
    received = client.receive(2048)[1024:]
    assert abs(np.mean(received) - 1j) < 0.02


def test_silence_is_silent(emulated_pluto, iio_client):
    client = iio_client(emulated_pluto(realtime=False)).tune()
    client.transmit(np.zeros(256, complex))
    received = client.receive(4096)
    assert np.mean(np.abs(received) ** 2) < 0.2


@pytest.mark.parametrize("two_channels", [False, True])
def test_digital_loopback_is_bit_exact(emulated_pluto, iio_client, waveform, two_channels):
    radio = emulated_pluto(two_channels=two_channels, realtime=False)
    client = iio_client(radio).tune()
    client.sdr.loopback = 1
    assert radio.state()["digital_loopback"]
    bursts = [waveform(512, seed) for seed in range(1 + two_channels)]
    client.transmit(bursts if two_channels else bursts[0])
    received = np.atleast_2d(client.receive(2048))
    for got, sent in zip(received, bursts, strict=True):
        codes = (sent.real.astype(np.int16) >> 4) + 1j * (sent.imag.astype(np.int16) >> 4)
        assert np.array_equal(got, np.tile(codes, 4))


def test_beyond_16_bits_wraps_silently(emulated_pluto, iio_client):
    client = iio_client(emulated_pluto(realtime=False)).tune()
    client.sdr.loopback = 1
    client.transmit(np.full(64, 40000 + 0j))
    assert set(client.receive(256)) == {(40000 - 65536) >> 4}


def test_streamed_blocks_are_gapless(emulated_pluto, iio_client, waveform):
    client = iio_client(emulated_pluto(realtime=False)).tune()
    client.sdr.loopback = 1
    client.sdr.tx_cyclic_buffer = False
    blocks = [waveform(1000, seed) for seed in range(6)]
    for block in blocks[:3]:
        client.transmit(block, cyclic=False)
    first = client.receive(3000)
    sent = np.concatenate(blocks[:3])
    codes = (sent.real.astype(np.int16) >> 4) + 1j * (sent.imag.astype(np.int16) >> 4)
    assert np.array_equal(first, codes)
    assert not client.underflowed


def test_channel_matrix(emulated_pluto, iio_client, waveform):
    air = Air(ChannelProfile(name="coupled"), seed=1, cross_db=-12, noise_dbfs=-70)
    client = iio_client(emulated_pluto(air, two_channels=True, realtime=False)).tune()
    bursts = np.array([waveform(1000, 1), waveform(1000, 2)])
    client.transmit(list(bursts))
    received = client.receive(3000)
    assert received.shape == (2, 3000)
    sent = bursts / 2**15
    seen = received[:, 1000:2000] / 2**11
    matrix = seen @ sent.conj().T @ np.linalg.inv(sent @ sent.conj().T)
    assert np.allclose(np.abs(matrix), [[1, 0.2512], [0.2512, 1]], atol=0.02)


def test_channels_have_their_own_gains(emulated_pluto, iio_client, waveform):
    client = iio_client(emulated_pluto(two_channels=True, realtime=False)).tune()
    client.sdr.tx_hardwaregain_chan1 = -30
    client.transmit([waveform(1000, 1), waveform(1000, 1)])
    power = np.mean(np.abs(client.receive(3000)) ** 2, axis=1)
    assert abs(10 * np.log10(power[0] / power[1]) - 20) < 0.1


def test_one_channel_of_two(emulated_pluto, iio_client, waveform):
    client = iio_client(emulated_pluto(two_channels=True, realtime=False)).tune()
    client.sdr.rx_enabled_channels = client.sdr.tx_enabled_channels = [1]
    client.sdr.loopback = 1
    burst = waveform(512)
    client.transmit(burst)
    codes = (burst.real.astype(np.int16) >> 4) + 1j * (burst.imag.astype(np.int16) >> 4)
    assert np.array_equal(client.receive(512), codes)
    client.stop_receiving()
    client.sdr.rx_enabled_channels = [0]
    assert not client.receive(512).any()


def test_powered_down_oscillator_is_silent(emulated_pluto, iio_client, waveform):
    radio = emulated_pluto(realtime=False)
    client = iio_client(radio).tune()
    power_down = client.context.find_device("ad9361-phy").find_channel("altvoltage1", True).attrs["powerdown"]
    power_down.value = "1"
    client.transmit(waveform(1000))
    assert not radio.state()["transmitting"]
    assert np.mean(np.abs(client.receive(2000)) ** 2) < 0.2
    power_down.value = "0"
    assert radio.state()["transmitting"]
    burst = waveform(1000)
    _, gain, _ = fit(client.receive(4000)[1000:], burst)
    assert abs(abs(gain) - 1) < 0.01


def test_gain_changes_in_the_middle_of_a_transmission(emulated_pluto, iio_client, waveform):
    client = iio_client(emulated_pluto(realtime=False)).tune()
    burst = waveform(1000)
    client.transmit(burst)
    before = fit(client.receive(3000)[1000:], burst)
    client.sdr.tx_hardwaregain_chan0 = -20
    after = fit(client.receive()[1000:], burst)
    assert before[0] == after[0]  # the repeated burst goes on where it was
    assert abs(20 * np.log10(abs(before[1] / after[1])) - 10) < 0.1


def test_rate_changes_in_the_middle_of_a_transmission(emulated_pluto, iio_client, waveform):
    client = iio_client(emulated_pluto(realtime=False)).tune()
    burst = waveform(1000)
    client.transmit(burst)
    client.receive(3000)
    client.sdr.sample_rate = 2_500_000
    _, gain, error = fit(client.receive(3000)[1000:], burst)
    assert abs(abs(gain) - 1) < 0.01
    assert error < 1e-6


def test_retuned_receiver_hears_nothing(emulated_pluto, iio_client, waveform):
    client = iio_client(emulated_pluto(realtime=False)).tune()
    client.transmit(waveform(1000))
    client.sdr.rx_lo = 2_600_000_000
    assert np.mean(np.abs(client.receive(2000)) ** 2) < 0.2


def test_destroyed_buffer_ends_the_transmission(emulated_pluto, iio_client, waveform):
    radio = emulated_pluto(realtime=False)
    client = iio_client(radio).tune()
    client.transmit(waveform(1000))
    assert radio.state()["transmitting"]
    client.receive(2000)
    client.stop_transmitting()
    assert not radio.state()["transmitting"]
    assert np.mean(np.abs(client.receive()) ** 2) < 0.2


def test_tones_count_as_transmission(emulated_pluto, iio_client):
    radio = emulated_pluto(realtime=False)
    client = iio_client(radio).tune()
    client.sdr.dds_single_tone(100_000, 0.5)
    assert radio.state()["tones"]
    assert radio.state()["transmitting"]
    client.sdr.disable_dds()
    assert not radio.state()["transmitting"]


def test_two_radios_hear_each_other(flat_air, emulated_pluto, iio_client, waveform):
    speaker = iio_client(emulated_pluto(flat_air)).tune()
    listener = iio_client(emulated_pluto(flat_air, clock_ppm=2.0)).tune()
    burst = waveform(1000)
    speaker.transmit(burst)
    time.sleep(0.02)
    listener.receive(4096, n_blocks=1)
    first, second = listener.receive()[:2000].reshape(2, 1000)
    match = np.vdot(first, second)
    assert abs(match) > 0.99 * np.linalg.norm(first) * np.linalg.norm(second)
    assert (
        abs(np.mean(np.abs(first) ** 2) / np.mean(np.abs(burst) ** 2) * 2**8 - 1) < 0.15
    )  # the air rolls off at the edge of the band
    # The listener's oscillator lies 2 ppm of 2.4 GHz higher: what it hears turns backwards.
    turns = 2e-6 * 2.4e9 * 1000 / 4e6
    assert abs(match / abs(match) - np.exp(-2j * np.pi * turns)) < 0.05
