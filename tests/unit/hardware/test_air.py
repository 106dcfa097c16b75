import threading
from dataclasses import replace

import numpy as np
import pytest

from hardware.emulation.air import Air
from sdr_gsc.channel.profile import ChannelProfile, profile

RATE = 4e6
FREQUENCY = 2.45e9
ON = {"sample_rate_hz": RATE, "center_frequency_hz": FREQUENCY}
SILENT = -np.inf


def air(channel=None, **settings):
    return Air(channel or ChannelProfile(), clock=lambda: 0.0, **{"noise_dbfs": SILENT, **settings})


def two(medium, **clock):
    return medium.antenna("sender"), medium.antenna("listener", **clock)


def noise_like(n, generator, deviation=0.1):
    return (deviation * generator.standard_normal((n, 2)).astype(np.float32)).view(np.complex64)[:, 0]


def tone(n, cycles=0.01):
    return (0.5 * np.exp(2j * np.pi * cycles * np.arange(n))).astype(np.complex64)


def send(antenna, samples, first=0, *, port=0, gain_db=-10.0, frequency=FREQUENCY, rate=RATE, repeat=False):
    return antenna.transmit(
        port,
        samples,
        start_s=first / rate,
        sample_rate_hz=rate,
        center_frequency_hz=frequency,
        gain_db=gain_db,
        repeat=repeat,
    )


def hear(antenna, n, first=0, *, ports=(0,), gain_db=40.0, **on):
    on = {**ON, **on}
    return antenna.receive(ports, n, start_s=first / on["sample_rate_hz"], gain_db=gain_db, **on)


def in_blocks(antenna, n, sizes, **kwargs):
    pieces, at = [], 0
    while at < n:
        size = min(sizes[len(pieces) % len(sizes)], n - at)
        pieces.append(hear(antenna, size, at, **kwargs))
        at += size
    return np.concatenate(pieces, axis=1)


def frequency_of(samples, rate=RATE):
    return np.angle(np.vdot(samples[:-1], samples[1:])) * rate / (2 * np.pi)


def test_sent_level_is_received_at_the_usual_gains(generator):
    a, b = two(air())
    burst = noise_like(3000, generator)
    send(a, burst, 1000)
    heard = hear(b, 5000)[0]
    np.testing.assert_array_equal(heard[1000:4000], burst)
    assert not np.any(heard[:1000])
    assert not np.any(heard[4000:])


@pytest.mark.parametrize(("tx", "rx", "loss", "expected_db"), [(0, 40, 30, 10), (-30, 40, 30, -20), (-10, 20, 50, -40)])
def test_gains_add_up(tx, rx, loss, expected_db, generator):
    a, b = two(air(loss_db=loss))
    burst = noise_like(2000, generator)
    send(a, burst, gain_db=tx)
    np.testing.assert_allclose(hear(b, 2000, gain_db=rx)[0], burst * 10 ** (expected_db / 20), rtol=1e-5, atol=1e-9)


def test_the_floor_moves_with_the_receive_gain():
    _, b = two(air(noise_dbfs=-50.0))
    for gain_db in (40.0, 60.0):
        power = np.mean(np.abs(hear(b, 200_000, gain_db=gain_db)) ** 2)
        assert 10 * np.log10(power) == pytest.approx(gain_db - 90, abs=0.05)


@pytest.mark.parametrize("reference", ["realization", "ensemble"])
@pytest.mark.parametrize("gains", [(-10.0, 40.0), (-35.0, 60.0)])
def test_esn0_is_what_simulate_makes_of_it(reference, gains, generator):
    channel = ChannelProfile(
        esn0_db=7.0, esn0_reference=reference, delay_profile="exponential", delay_spread_s=500e-9, tx_dc_dbfs=-30.0
    )
    burst = noise_like(60_000, generator)
    burst[10_000:20_000] = 0
    ways = {}
    for esn0_db in (7.0, None):  # the same seed: the same fading with and without noise
        a, b = two(air(replace(channel, esn0_db=esn0_db, tx_dc_dbfs=None), seed=5))
        send(a, burst, gain_db=gains[0])
        ways[esn0_db] = hear(b, 60_100, gain_db=gains[1])[0]
    noise = np.mean(np.abs(ways[7.0] - ways[None]) ** 2)
    sent = np.sum(np.abs(burst) ** 2) * 10 ** ((sum(gains) - 30) / 10)
    signal = (np.sum(np.abs(ways[None]) ** 2) if reference == "realization" else sent) / 50_000
    assert 10 * np.log10(signal / noise * 64 / 52) == pytest.approx(7.0, abs=0.05)


def test_noise_is_that_of_the_strongest_then_of_the_last_and_first_of_the_next(generator):
    a, b = two(air(ChannelProfile(esn0_db=20.0)))
    loud, faint = noise_like(50_000, generator), noise_like(150_000, generator)
    send(a, faint, 50_000, gain_db=-30.0)
    send(a, loud, 100_000)
    heard = hear(b, 300_000)[0]
    heard[50_000:200_000] -= faint * 0.1
    heard[100_000:150_000] -= loud
    powers = 10 * np.log10(np.mean(np.abs(heard.reshape(6, -1)) ** 2, axis=1))
    expected = 10 * np.log10(0.02 / 100 * 64 / 52)
    np.testing.assert_allclose(powers - expected, [-20, -20, 0, -20, -20, -20], atol=0.15)


def test_an_emission_of_zeros_leaves_the_noise_alone(generator):
    a, b = two(air(ChannelProfile(esn0_db=20.0), noise_dbfs=-60.0))
    send(a, np.zeros(1000, np.complex64), repeat=True)
    assert 10 * np.log10(np.mean(np.abs(hear(b, 50_000)) ** 2)) == pytest.approx(-60, abs=0.1)


@pytest.mark.parametrize("delay", [200.0, 17.25])
def test_delay(delay, generator):
    a, b = two(air(ChannelProfile(delay_samples=delay)))
    spectrum = np.zeros(4096, complex)
    band = np.r_[1:1400, 2697:4096]
    spectrum[band] = generator.standard_normal(band.size) + 1j * generator.standard_normal(band.size)
    period = (np.fft.ifft(spectrum) * 5).astype(np.complex64)
    send(a, period, repeat=True)
    heard = np.fft.fft(hear(b, 4096, 8192)[0])
    turned = spectrum * 5 * np.exp(-2j * np.pi * np.fft.fftfreq(4096) * delay)
    np.testing.assert_allclose(heard[band], turned[band], atol=2e-3 * np.abs(turned).max())


def test_carrier_and_clock_offsets_follow_both_radios():
    medium = air(ChannelProfile(cfo_hz=700.0, sfo_ppm=3.0))
    a, b = medium.antenna("a", clock_ppm=4.0), medium.antenna("b", clock_ppm=-2.0)
    send(a, tone(400_000), frequency=2.4e9)
    heard = hear(b, 300_000, 50_000, center_frequency_hz=2.4e9 + 1e4)[0]
    # The tone lies at 40 kHz on the sender's clock; the listener's clock is 6 ppm slower, and 3 ppm are drawn.
    carrier = 2.4e9 * (1 + 4e-6) - (2.4e9 + 1e4) * (1 - 2e-6) + 700
    exact = (0.01 * RATE + carrier) * (1 + 9e-6)
    phase = np.unwrap(np.angle(heard.astype(complex)))
    assert np.polyfit(np.arange(heard.size), phase, 1)[0] * RATE / (2 * np.pi) == pytest.approx(exact, abs=0.03)


def test_the_sampling_clocks_drift_apart(generator):
    medium = air()
    a, b = medium.antenna("a", clock_ppm=10.0), medium.antenna("b", clock_ppm=-10.0)
    burst = noise_like(256, generator)
    period = np.zeros(4000, np.complex64)
    period[:256] = burst
    send(a, period, repeat=True, frequency=0.0)
    heard = hear(b, 2_004_000, center_frequency_hz=0.0)[0]
    for index in (0, 100, 250, 499):
        # 20 ppm: period number 500 comes 40 samples early.
        at = round(4000 * index * (1 - 20e-6))
        correlation = np.abs(np.correlate(heard[max(0, at - 20) : at + 300], burst, "valid"))
        assert np.argmax(correlation) == min(at, 20)
        assert correlation.max() > 0.8 * np.sum(np.abs(burst) ** 2)


HARD = {
    "static": (ChannelProfile(esn0_db=20.0), 0.0),
    "office": (replace(profile("office"), doppler_hz=0.0), 7.0),
    "mobile": (profile("mobile"), -3.0),
    "fast clock": (replace(profile("office"), linewidth_hz=100.0), 400.0),
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("sizes", [(1_000,), (37, 5000, 4096, 16_384, 1), (123_457,)])
def test_blocks_of_any_size_continue_to_the_bit(name, sizes, generator):
    channel, ppm = HARD[name]
    burst, n = noise_like(120_000, generator), 160_000

    def heard(sizes):
        a, b = two(air(channel, seed=3), clock_ppm=ppm)
        send(a, burst, 5000)
        send(a, burst[:3333], 30_000, gain_db=-20.0, repeat=True).stop(100_000 / RATE)
        return in_blocks(b, n, sizes)

    np.testing.assert_array_equal(heard(sizes), heard((n,)))


@pytest.mark.parametrize("size", [1, 777, 20_000, 50_000])
def test_a_repeated_burst_has_no_seams(size, generator):
    channel, n = profile("office"), 100_000
    burst = noise_like(size, generator)
    both = []
    for samples, repeat in ((burst, True), (np.resize(burst, n + 50_000), False)):
        a, b = two(air(replace(channel, esn0_db=None, amplifier_smoothness=None), seed=3), clock_ppm=5.0)
        send(a, samples, 100, repeat=repeat)
        both.append(in_blocks(b, n, (30_000, 4097)))
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("packet", [364, 512, 1996])
def test_appended_packets_make_one_burst(packet, generator):
    channel = replace(profile("office"), esn0_db=None, amplifier_smoothness=None)
    burst = noise_like(60_000, generator)
    a, b = two(air(channel, seed=3))
    send(a, burst, 700)
    whole = hear(b, 64_000)
    a, b = two(air(channel, seed=3))
    emission = send(a, burst[:0], 700)
    pieces, queued = [], 0
    for at in range(0, 64_000, 1000):
        # The sender stays a little ahead of the listener, as a radio's own queue does.
        while queued < min(at + 1100, burst.size):
            emission.append(burst[queued : queued + packet])
            queued += packet
        pieces.append(hear(b, 1000, at))
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)


def test_what_is_queued_after_its_time_is_lost_and_the_rest_is_heard(generator):
    burst = noise_like(20_000, generator)
    a, b = two(air())
    emission = send(a, burst[:5000])
    before = hear(b, 10_000)[0]
    emission.append(burst[5000:])
    after = hear(b, 10_000, 10_000)[0]
    np.testing.assert_array_equal(before, np.r_[burst[:5000], np.zeros(5000)])
    np.testing.assert_array_equal(after, burst[10_000:])


def test_stopping(generator):
    a, b = two(air())
    burst = noise_like(1000, generator)
    emission = send(a, burst, repeat=True)
    assert np.all(hear(b, 5000)[0])
    emission.stop(9500 / RATE)
    heard = hear(b, 10_000, 5000)[0]
    np.testing.assert_array_equal(heard[:4500], np.resize(burst, 4500))
    assert not np.any(heard[4500:])
    with pytest.raises(ValueError, match="repeated"):
        emission.append(burst)


def test_stopping_now_uses_the_radio_s_own_clock(generator):
    time_s = [10.0]
    medium = Air(ChannelProfile(), noise_dbfs=SILENT, clock=lambda: time_s[0])
    a, b = medium.antenna("a", clock_ppm=100.0), medium.antenna("b")
    assert a.now_s() == 0.0
    emission = send(a, noise_like(1000, generator), repeat=True)
    time_s[0] = 11.0
    assert (a.now_s(), b.now_s()) == (pytest.approx(1.0001), pytest.approx(1.0))
    emission.stop()
    assert np.all(hear(b, 100, RATE - 120)[0])
    assert not np.any(hear(b, 100, RATE + 40)[0])


def test_what_was_foreseen_after_the_stop_is_taken_back(generator):
    a, b = two(air())
    emission = send(a, noise_like(100_000, generator))
    hear(b, 1030)
    emission.stop(1031 / RATE)
    assert not np.any(hear(b, 5000, 1031)[0])


def test_ports_hear_their_own_and_the_others_by_the_cross_coupling(generator):
    first, second = noise_like(4000, generator), noise_like(4000, generator)
    for cross_db in (-200.0, -20.0):
        medium = air(cross_db=cross_db)
        a, b = medium.antenna("a", n_ports=2), medium.antenna("b", n_ports=2)
        send(a, first)
        send(a, second, port=1)
        heard = hear(b, 4000, ports=(0, 1), gain_db=(40.0, 46.0))
        leak = 0.1 if cross_db == -20 else 0.0
        np.testing.assert_allclose(heard[0], first + leak * second, atol=1e-6)
        np.testing.assert_allclose(heard[1], (second + leak * first) * 10**0.3, atol=1e-6)
        np.testing.assert_array_equal(hear(b, 4000, ports=(1,)), hear(a, 4000, ports=(1,)))


def test_pairs_of_ports_fade_alone_and_share_the_oscillators():
    channel = ChannelProfile(delay_profile="flat", cfo_range_hz=1e4, random_phase=True, linewidth_hz=100.0)
    medium = air(channel, cross_db=0.0)
    a, b = medium.antenna("a", n_ports=2), medium.antenna("b", n_ports=2)
    ones = np.full(20_000, 0.5, np.complex64)
    matrix = np.empty((2, 2, 20_000), complex)
    for port in range(2):
        emissions = [send(a, ones if port == other else 0 * ones, 50_000 * port, port=other) for other in range(2)]
        matrix[:, port] = hear(b, 20_000, 50_000 * port, ports=(0, 1))
        assert len(emissions) == 2
    for port in range(2):
        ratio = matrix[0, port] / matrix[1, port]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
    gains = matrix[:, :, 0].ravel()
    assert np.unique(np.round(np.abs(gains), 4)).size == 4


def test_every_emission_draws_anew_and_a_seed_repeats_everything():
    channel = replace(profile("office"), esn0_db=None)
    heard = {}
    for seed in (1, 1, 2):
        a, b = two(air(channel, seed=seed))
        for first in (0, 20_000):
            send(a, tone(10_000), first)
        now = hear(b, 40_000)[0]
        assert abs(frequency_of(now[1000:9000]) - frequency_of(now[21_000:29_000])) > 10
        heard.setdefault(seed, []).append(now)
    np.testing.assert_array_equal(*heard[1])
    assert np.any(heard[1][0] != heard[2][0])


def test_doppler_moves_without_a_break():
    channel = ChannelProfile(delay_profile="flat", doppler_hz=200.0)
    a, b = two(air(channel, seed=1))
    send(a, np.full(1000, 0.5, np.complex64), repeat=True)
    gain = hear(b, 600_000)[0] / 0.5
    assert np.abs(np.diff(gain)).max() < 2 * np.pi * 200 / RATE * np.abs(gain).max() * 1.5
    assert np.abs(gain[::1000]).std() > 0.1


def test_joining_late_costs_no_past():
    a, b = two(air(replace(profile("mobile"), esn0_db=None)))
    send(a, tone(1000), repeat=True)
    late = hear(b, 10_000, 40_000_000_000)[0]
    assert np.mean(np.abs(late) ** 2) > 1e-4
    # Another look at the same time, from another radio with the same way of listening, shows a like signal.
    assert np.all(np.isfinite(late))


def test_what_is_behind_is_forgotten(generator):
    medium = air(ChannelProfile(esn0_db=20.0))
    a, b = two(medium)
    rate = 1e5
    stream = send(a, noise_like(1000, generator), rate=rate)
    for number in range(100):
        send(a, noise_like(10, generator), 10_000 * number, rate=rate)
        stream.append(noise_like(9000 if number == 0 else 10_000, generator))
        hear(b, 10_000, 10_000 * number, sample_rate_hz=rate)
    assert medium.emissions < 40
    heard = hear(b, 1000, 10_000 * 99, sample_rate_hz=rate)[0]
    assert np.mean(np.abs(heard) ** 2) == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize(("sending", "listening"), [(4e6, 10e6), (10e6, 4e6), (20e6, 1e6)])
@pytest.mark.parametrize("offset", [0.0, 3e5])
def test_other_rates_hear_the_same_tone(sending, listening, offset):
    a, b = two(air())
    send(a, tone(200_000, 1e5 / sending), rate=sending)
    n = int(0.8 * 200_000 * listening / sending)
    heard = hear(b, n, sample_rate_hz=listening, center_frequency_hz=FREQUENCY - offset)[0][200:]
    assert frequency_of(heard, listening) == pytest.approx(1e5 + offset, rel=1e-3)
    np.testing.assert_allclose(np.abs(heard), 0.5, rtol=0.01)
    again = two(air())
    send(again[0], tone(200_000, 1e5 / sending), rate=sending)
    pieces = in_blocks(again[1], n, (999, 5000), sample_rate_hz=listening, center_frequency_hz=FREQUENCY - offset)
    np.testing.assert_array_equal(pieces[0][200:], heard)


def test_a_slow_receiver_does_not_hear_what_lies_beside_its_band():
    a, b = two(air())
    send(a, tone(200_000, 0.2), rate=10e6)
    heard = hear(b, 15_000, 100, sample_rate_hz=1e6)[0]
    assert np.abs(heard).max() < 0.5e-2


def test_another_channel_is_silent():
    a, b = two(air())
    send(a, tone(1000), repeat=True)
    assert not np.any(hear(b, 1000, center_frequency_hz=FREQUENCY + 20e6))
    assert np.all(hear(b, 1000))


def test_a_receiver_s_own_mixer_and_leakage():
    channel = ChannelProfile(rx_dc_dbfs=-20.0, rx_iq_gain_db=1.0)
    _, b = two(air(channel))
    heard = hear(b, 1000)[0]
    np.testing.assert_allclose(heard, 0.1 * np.exp(0.25j * np.pi), rtol=1e-5)


def test_misuse_is_refused():
    medium = air()
    a = medium.antenna("a", n_ports=2)
    with pytest.raises(ValueError, match="port is 2"):
        send(a, tone(10), port=2)
    with pytest.raises(ValueError, match="port is 2"):
        hear(a, 10, ports=(0, 2))
    with pytest.raises(ValueError, match="gains"):
        hear(a, 10, ports=(0, 1), gain_db=(1.0,))
    with pytest.raises(ValueError, match="no samples"):
        send(a, tone(0), repeat=True)


def test_threads_may_send_and_listen_at_once(generator):
    medium = air(ChannelProfile(esn0_db=20.0))
    radios = [medium.antenna(str(number), clock_ppm=number) for number in range(4)]
    burst, heard, errors = noise_like(2000, generator), [], []

    def work(antenna):
        try:
            for number in range(40):
                emission = send(antenna, burst, 3000 * number)
                emission.append(burst)
                heard.append(hear(antenna, 3000, 3000 * number))
                emission.stop((3000 * number + 2500) / RATE)
        except Exception as error:  # noqa: BLE001 - what it is does not matter
            errors.append(error)

    threads = [threading.Thread(target=work, args=(radio,)) for radio in radios]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(heard) == 160
    assert all(np.all(np.isfinite(block)) for block in heard)
