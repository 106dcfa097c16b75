"""The Pluto driver over the real pyadi-iio and libiio: settings, bursts, captures, streams."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from hardware.emulation.air import Air
from hardware.errors import (
    BadValueError,
    ClippingError,
    DisconnectedError,
    ForbiddenError,
    RadioBusyError,
    RadioNotFoundError,
)
from hardware.pluto import PlutoRadio
from hardware.radio import Radio
from sdr_gsc.capture import Capture
from sdr_gsc.channel.profile import ChannelProfile

RATE = 4e6


def burst_of(generator, n_samples, rate=RATE, deviation=0.15):
    samples = deviation * (generator.standard_normal(n_samples) + 1j * generator.standard_normal(n_samples))
    return Capture(samples.astype(np.complex64), rate)


def found(received, sent):
    """Where sent samples lie in received ones, their gain, and the ratio of signal to all else in dB."""
    match = np.abs(signal.correlate(received, sent, "valid", "fft"))
    start = int(match.argmax())
    part = received[start : start + sent.size]
    gain = np.vdot(sent, part) / np.vdot(sent, sent)
    error = part - gain * sent
    return start, gain, 10 * np.log10(np.vdot(gain * sent, gain * sent).real / np.vdot(error, error).real)


def test_it_is_a_radio_with_the_ranges_of_its_attributes(open_pluto):
    emulator, radio = open_pluto(realtime=False)
    assert isinstance(radio, Radio)
    assert isinstance(radio, PlutoRadio)
    capabilities = radio.capabilities
    assert capabilities.serial == f"emulated{emulator.port}"
    assert (capabilities.center_frequency_hz.minimum, capabilities.center_frequency_hz.maximum) == (70e6, 6e9)
    assert (capabilities.sample_rate_hz.minimum, capabilities.sample_rate_hz.maximum) == (521e3, 61.44e6)
    assert (capabilities.tx_gain_db.minimum, capabilities.tx_gain_db.maximum) == (-89.75, 0.0)
    assert (capabilities.bandwidth_hz.minimum, capabilities.bandwidth_hz.maximum) == (200e3, 40e6)
    assert capabilities.n_channels == 1
    assert not capabilities.keeps_time


def test_receive_gains_are_those_of_the_band(open_pluto):
    _, radio = open_pluto(realtime=False, center_frequency_hz=915e6)
    assert radio.capabilities.rx_gain_db.maximum == 73
    radio.configure(replace(radio.settings, rx_gain_db=73.0))
    with pytest.raises(BadValueError, match=r"rx_gain_db is 73; .* needs -10 ... 62 at 5800 MHz"):
        radio.configure(replace(radio.settings, center_frequency_hz=5.8e9))
    # Nothing of it stays.
    assert radio.settings.center_frequency_hz == pytest.approx(915e6, abs=16)
    assert radio.settings.rx_gain_db == 73.0
    radio.configure(replace(radio.settings, center_frequency_hz=5.8e9, rx_gain_db=62.0))


@pytest.mark.parametrize("rate", [521e3, 1e6, 2.083e6, 4e6, 30.72e6, 61.44e6])
def test_rates_from_the_slowest_with_a_filter_to_the_fastest(open_pluto, rate):
    emulator, radio = open_pluto(realtime=False, sample_rate_hz=rate)
    assert radio.settings.sample_rate_hz == pytest.approx(rate, rel=1e-6, abs=1)
    assert emulator.state()["sample_rate_hz"] == radio.settings.sample_rate_hz
    assert radio.settings.bandwidth_hz is None
    assert radio.capture(100).settings["bandwidth_hz"] == pytest.approx(min(rate, 40e6), abs=1)


def test_settings_are_rounded_not_cut(open_pluto):
    emulator, radio = open_pluto(realtime=False)
    asked = replace(
        radio.settings,
        center_frequency_hz=868_300_000.7,
        sample_rate_hz=3_999_999.9,
        tx_gain_db=-20.1,
        rx_gain_db=30.9,
        bandwidth_hz=1_500_000.4,
    )
    actual = radio.configure(asked)
    assert actual == radio.settings
    assert actual.center_frequency_hz == pytest.approx(868_300_000.7, abs=16)
    assert (actual.tx_gain_db, actual.rx_gain_db, actual.bandwidth_hz) == (-20.0, 31.0, 1.5e6)
    # Muted: the gain that was asked for is verified, and applied only while a transmission lasts.
    assert emulator.state()["tx_gain_db"] == -89.75
    with radio.repeat(Capture(np.full(64, 0.1, np.complex64), actual.sample_rate_hz)):
        assert emulator.state()["tx_gain_db"] == -20.0
    assert emulator.state()["tx_gain_db"] == -89.75


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"center_frequency_hz": 10e9}, "center_frequency_hz is 1e\\+10; .* needs 7e\\+07"),
        ({"sample_rate_hz": 100e3}, "sample_rate_hz"),
        ({"sample_rate_hz": 100e6}, "sample_rate_hz"),
        ({"tx_gain_db": 10.0}, "tx_gain_db is 10"),
        ({"rx_gain_db": 100.0}, "rx_gain_db is 100"),
        ({"rx_gain_db": float("nan")}, "rx_gain_db is nan"),
        ({"bandwidth_hz": 56e6}, "bandwidth_hz"),
        ({"channels": (1,)}, "channels"),
        ({"clock_source": "gpsdo"}, "clock_source"),
    ],
)
def test_what_the_radio_cannot_do_is_refused(open_pluto, changes, message):
    _, radio = open_pluto(realtime=False)
    before = radio.settings
    with pytest.raises(BadValueError, match=message):
        radio.configure(replace(radio.settings, **changes))
    assert radio.settings == before


def test_automatic_gain_is_switched_off_before_the_gain_is_set(open_pluto, iio_client):
    emulator, radio = open_pluto(realtime=False)
    client = iio_client(emulator)
    client.sdr.gain_control_mode_chan0 = "slow_attack"
    client.sdr.rx_hardwaregain_chan0 = 10  # which pyadi-iio does not write then, without a word
    radio.configure(replace(radio.settings, rx_gain_db=20.0))
    assert client.sdr.gain_control_mode_chan0 == "manual"
    assert client.sdr.rx_hardwaregain_chan0 == 20


def test_what_another_program_left_behind_does_not_matter(may_transmit, emulated_pluto, iio_client, open_uri):
    emulator = emulated_pluto(realtime=False, token=may_transmit)
    client = iio_client(emulator)
    sdr = client.tune(rate=8_000_000).sdr
    sdr.loopback = 1
    sdr.rx_dec8_filter_en = True
    sdr.dds_single_tone(100_000, 0.5)
    sdr.rx_rf_bandwidth = 200_000
    assert emulator.state()["transmitting"]
    radio = open_uri(emulator.uri)
    state = emulator.state()
    assert not state["transmitting"]
    assert not state["tones"]
    assert not state["digital_loopback"]
    assert state["sample_rate_hz"] == radio.settings.sample_rate_hz == RATE
    assert sdr.rx_rf_bandwidth == 4_000_000


def test_a_burst_comes_back_once_as_strong_as_it_left(open_pluto, generator):
    _, radio = open_pluto()
    burst = burst_of(generator, 5000)
    received = radio.exchange(burst)
    assert received.samples.dtype == np.complex64
    start, gain, snr_db = found(received.samples, burst.samples)
    assert start == 512
    assert abs(gain) == pytest.approx(1.0, abs=0.01)
    assert snr_db > 40
    rest = np.delete(received.samples, np.s_[start - 8 : start + burst.samples.size + 8])
    assert np.mean(np.abs(rest) ** 2) < 1e-5
    assert received.center_frequency_hz == radio.settings.center_frequency_hz
    assert received.clipped == 0
    assert received.settings["serial"] == radio.capabilities.serial
    assert received.settings["tracking"]["quadrature_tracking_en"] is True


@pytest.mark.parametrize("listen_s", [1 / RATE, 1e-3, 1.25e-3, 5e-3])
def test_listening_time_is_kept(open_pluto, generator, listen_s):
    _, radio = open_pluto(realtime=False)
    assert radio.exchange(burst_of(generator, 5000), listen_s=listen_s).samples.size == round(listen_s * RATE)


@pytest.mark.parametrize("delay_samples", [0, 137.4, 4000])
def test_the_burst_is_found_through_echoes_offset_and_noise(open_pluto, generator, delay_samples):
    profile = ChannelProfile(
        esn0_db=6.0,
        cfo_hz=3e3,
        delay_samples=delay_samples,
        random_phase=True,
        delay_profile="exponential",
        delay_spread_s=500e-9,
    )
    _, radio = open_pluto(Air(profile, seed=3), realtime=False)
    burst = burst_of(generator, 8000)
    for _ in range(5):
        received = radio.exchange(burst).samples
        power = np.convolve(np.abs(received) ** 2, np.ones(burst.samples.size), "valid")
        # The window with the most energy is the burst's, give or take what the edge in the noise leaves open.
        assert abs(int(power.argmax()) - 512) < 100


def test_full_scale_arrives_as_full_scale_and_is_counted(open_pluto):
    _, radio = open_pluto(realtime=False)
    square = np.where(np.arange(4000) // 50 % 2, 1.0, -1.0).astype(np.complex64)
    with radio.digital_loopback():
        received = radio.exchange(Capture(square, RATE))
    sent = received.samples[512:4512]
    np.testing.assert_allclose(sent.real, np.where(square.real > 0, 2047 / 2048, -1.0))
    assert received.clipped == 4000


@pytest.mark.parametrize("peak", [1.001, 40000 / 2048, np.nan, np.inf, -1.5j])
def test_more_than_full_scale_is_refused_before_the_radio_hears_of_it(open_pluto, peak):
    emulator, radio = open_pluto(realtime=False)
    samples = np.zeros(100, np.complex64)
    samples[50] = peak
    with pytest.raises(ClippingError, match="full scale"):
        radio.exchange(Capture(samples, RATE))
    with pytest.raises(ClippingError, match="full scale"), radio.repeat(Capture(samples, RATE)):
        pass
    with radio.transmit_stream() as stream, pytest.raises(ClippingError, match="full scale"):
        stream.write(samples)
    assert not emulator.state()["underflowed"]


def test_digital_loopback_is_exact_and_silent(open_pluto, generator):
    emulator, radio = open_pluto()
    burst = burst_of(generator, 3000)
    rails = burst.samples.view(np.float32)
    rounded = (np.floor(rails * np.float32(2048) + np.float32(0.5)) / np.float32(2048)).view(np.complex64)
    with radio.digital_loopback():
        np.testing.assert_array_equal(radio.exchange(burst).samples[512:3512], rounded)
        with radio.repeat(burst):
            state = emulator.state()
            assert (state["tx_lo_on"], state["tx_gain_db"], state["transmitting"]) == (False, -89.75, False)
    assert not emulator.state()["digital_loopback"]
    assert found(radio.exchange(burst).samples, burst.samples)[0] == 512


@pytest.mark.parametrize("n_samples", [3, 1000, 4097])
def test_repeated_bursts_follow_each_other_without_a_seam(open_pluto, generator, n_samples):
    _, radio = open_pluto(realtime=False)
    burst = burst_of(generator, n_samples)
    with radio.repeat(burst):
        received = radio.capture(3 * n_samples).samples
    start, _, _ = found(received[: 2 * n_samples - 1], burst.samples)
    periods = received[start : start + 2 * n_samples]
    assert found(periods, np.tile(burst.samples, 2))[2] > 40
    assert np.mean(np.abs(radio.capture(2000).samples) ** 2) < 1e-6


def test_a_capture_holds_nothing_older_than_its_call(open_pluto):
    _, radio = open_pluto()
    tone = Capture(np.full(4096, 0.5, np.complex64), RATE)
    with radio.receive_stream(1000):
        pass
    for _ in range(5):
        with radio.repeat(tone):
            loud = radio.capture(20_000).samples
        quiet = radio.capture(20_000).samples
        assert np.min(np.abs(loud)) > 0.4
        assert np.max(np.abs(quiet)) < 0.1


@pytest.mark.parametrize("n_samples", [1, 17, 300_001, 2_500_000])
def test_captures_of_any_length(open_pluto, n_samples):
    _, radio = open_pluto(realtime=False)
    received = radio.capture(n_samples)
    assert received.samples.size == n_samples
    assert received.gaps == ()


def test_two_channels_at_once(open_pluto, generator):
    _, radio = open_pluto(two_channels=True, realtime=False, channels=(0, 1))
    bursts = [burst_of(generator, 4000), burst_of(generator, 4000)]
    for channels in ((0, 1), (1, 0)):
        radio.configure(replace(radio.settings, channels=channels))
        received = radio.exchange_channels(bursts)
        for capture, burst, channel in zip(received, bursts, channels, strict=True):
            start, gain, snr_db = found(capture.samples, burst.samples)
            assert (start, capture.settings["channel"]) == (512, channel)
            assert abs(gain) == pytest.approx(1.0, abs=0.01)
            assert snr_db > 35
    assert radio.exchange(bursts[0]).settings["channel"] == 1


def test_the_second_channel_alone(open_pluto, generator):
    emulator, radio = open_pluto(two_channels=True, realtime=False, channels=(1,))
    burst = burst_of(generator, 4000)
    with radio.repeat(burst):
        assert emulator.state()["tx_gains_db"] == (-89.75, -10.0)
    assert found(radio.exchange(burst).samples, burst.samples)[0] == 512


def test_bursts_for_channels_must_fit(open_pluto, generator):
    _, radio = open_pluto(two_channels=True, realtime=False, channels=(0, 1))
    short, long = burst_of(generator, 100), burst_of(generator, 200)
    with pytest.raises(BadValueError, match="1 bursts for 2 channels"):
        radio.exchange_channels([short])
    with pytest.raises(BadValueError, match="differ in length"):
        radio.exchange_channels([short, long])


def test_a_pluto_is_no_two_channel_radio(emulated_pluto, open_uri):
    emulator = emulated_pluto(realtime=False)
    with pytest.raises(RadioNotFoundError, match="address it with pluto:"):
        open_uri(emulator.uri.replace("pluto:", "ad9361:"))


def test_a_two_channel_radio_serves_as_a_pluto(may_transmit, emulated_pluto, open_uri, generator):
    emulator = emulated_pluto(two_channels=True, realtime=False, token=may_transmit)
    radio = open_uri(emulator.uri.replace("ad9361:", "pluto:"))
    assert radio.capabilities.n_channels == 1
    burst = burst_of(generator, 3000)
    assert found(radio.exchange(burst).samples, burst.samples)[0] == 512
    assert emulator.state()["tx_gains_db"] == (-89.75, -89.75)


@pytest.mark.parametrize("listen_s", [None, 2.0])
def test_a_transmission_that_the_radio_cannot_hold(open_pluto, listen_s):
    _, radio = open_pluto(realtime=False)
    burst = Capture(np.zeros(5_000_000 if listen_s is None else 100, np.complex64), RATE)
    with pytest.raises(BadValueError, match="too long for the radio, which holds 4194304"):
        radio.exchange(burst, listen_s=listen_s)


def test_one_thing_at_a_time(open_pluto, generator):
    _, radio = open_pluto(realtime=False)
    burst = burst_of(generator, 1000)
    with radio.repeat(burst):
        with pytest.raises(RadioBusyError, match="end that transmission first"):
            radio.exchange(burst)
        with pytest.raises(RadioBusyError, match="end the transmission before configure"):
            radio.configure(replace(radio.settings, tx_gain_db=0.0))
        assert radio.configure(replace(radio.settings, rx_gain_db=20.0)).rx_gain_db == 20.0
    with radio.receive_stream(1000):
        with pytest.raises(RadioBusyError, match="leave receive_stream"):
            radio.capture(10)
        with pytest.raises(RadioBusyError, match="leave receive_stream"):
            radio.configure(radio.settings)
        with radio.repeat(burst):
            pass
    assert radio.settings.rx_gain_db == 20.0


def test_a_closed_radio_says_so(open_pluto, generator):
    _, radio = open_pluto(realtime=False)
    radio.close()
    radio.close()
    radio.mute()
    for use in (
        lambda: radio.configure(radio.settings),
        lambda: radio.exchange(burst_of(generator, 10)),
        lambda: radio.capture(10),
        radio.repeat(burst_of(generator, 10)).__enter__,
        radio.receive_stream(10).__enter__,
        radio.transmit_stream().__enter__,
    ):
        with pytest.raises(DisconnectedError, match="open the radio again"):
            use()


def test_a_stream_receives_every_sample_in_order(open_pluto, generator):
    _, radio = open_pluto(realtime=False)
    burst = burst_of(generator, 4096)
    with radio.repeat(burst), radio.receive_stream(5000) as stream:
        blocks = [block for block, _ in zip(stream, range(20), strict=False)]
    assert [block.first_sample for block in blocks] == [5000 * index for index in range(20)]
    assert {block.lost_before for block in blocks} == {0}
    received = np.concatenate([block.samples for block in blocks])
    start = found(received[:8191], burst.samples)[0]
    assert found(received[start:], np.resize(burst.samples, received.size - start))[2] > 40


def test_blocks_may_last_longer_than_any_request(open_pluto):
    _, radio = open_pluto(sample_rate_hz=1e6)
    with radio.receive_stream(1_200_000) as stream:
        assert next(iter(stream)).samples.size == 1_200_000


def test_losses_of_a_stream_are_counted(open_pluto):
    emulator, radio = open_pluto()
    with radio.receive_stream(4000) as stream:
        blocks = iter(stream)
        before = [next(blocks) for _ in range(10)]
        emulator.faults.lost_samples = 3_000
        gap = next(blocks)
        emulator.faults.lost_samples = 0
        after = [next(blocks) for _ in range(10)]
    assert {block.lost_before for block in before} == {0}
    everything = [*before, gap, *after]
    assert sum(block.lost_before for block in everything) > 0
    for one, other in zip(everything, everything[1:], strict=False):
        assert other.first_sample == one.first_sample + one.samples.size + other.lost_before


def test_a_stream_transmits_every_sample_in_order(open_pluto, generator):
    emulator, radio = open_pluto()
    burst = burst_of(generator, 100_003)
    received = []

    def listen():
        with radio.receive_stream(10_000) as stream:
            ready.set()
            for block in stream:
                received.append(block.samples)
                if over.is_set():
                    return

    ready, over = threading.Event(), threading.Event()
    listener = threading.Thread(target=listen)
    listener.start()
    try:
        assert ready.wait(10)
        with radio.transmit_stream() as stream:
            for part in np.array_split(burst.samples, 37):
                stream.write(part)
            assert not radio.muted
        assert radio.muted
    finally:
        over.set()
        listener.join()
    assert stream.underflows == 0
    assert found(np.concatenate(received), burst.samples)[2] > 35
    assert not emulator.state()["transmitting"]


def test_a_stream_that_runs_dry_counts_it(open_pluto):
    emulator, radio = open_pluto(realtime=False)
    with radio.transmit_stream() as stream:
        stream.write(np.zeros(200_000, np.complex64))
        assert stream.underflows == 0
        emulator.faults.underflow = True
        stream.write(np.zeros(400_000, np.complex64))
    assert stream.underflows > 0


def test_a_stream_takes_complex64_only(open_pluto):
    _, radio = open_pluto(realtime=False)
    with radio.transmit_stream() as stream:
        for wrong in (np.zeros(10), np.zeros(10, np.complex128), np.zeros((2, 5), np.complex64)):
            with pytest.raises(BadValueError, match=r"np.asarray\(x, np.complex64\)"):
                stream.write(wrong)
        stream.write(np.zeros(20, np.complex64)[::2])


def test_the_radio_may_be_silenced_in_the_middle_of_a_stream(open_pluto):
    emulator, radio = open_pluto(realtime=False)
    with radio.transmit_stream() as stream:
        stream.write(np.zeros(100_000, np.complex64))
        radio.mute()
        with pytest.raises(ForbiddenError, match="muted in the middle"):
            stream.write(np.zeros(100_000, np.complex64))
    assert not emulator.state()["transmit_buffer"]


def test_nothing_is_transmitted_where_it_could_not_be_received(open_pluto):
    emulator, radio = open_pluto()
    with radio.receive_stream(1000):
        with pytest.raises(RadioBusyError, match="leave receive_stream"):
            radio.exchange(Capture(np.full(2000, 0.1, np.complex64), 4e6))
        assert not emulator.state()["transmitting"]
        assert emulator.state()["tx_gain_db"] == -89.75


def test_arguments_of_a_wrong_kind(open_pluto):
    _, radio = open_pluto()
    with pytest.raises(BadValueError, match="wrap the samples"), radio.repeat(np.zeros(2000, np.complex64)):
        pytest.fail("it transmits")
    for number in (2.5, "10", True):
        with pytest.raises(BadValueError, match="whole number"):
            radio.capture(number)
