"""Front ends on the air and in the loopback: what arrives is what their figures say, and none changes nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest

from hardware.conformance import check_burst_round_trip, check_receive_stream, check_repeat_and_capture
from hardware.conformance_control import check_settings_out_of_range_are_refused, check_settings_read_back
from hardware.conformance_offset import check_temperature, check_transmit_offset
from hardware.emulation.air import Air
from hardware.errors import BadValueError
from hardware.registry import open_radio
from sdr_gsc.capture import Capture
from sdr_gsc.channel.front_end_faults import FrontEnd, with_ideal_front_ends
from sdr_gsc.channel.profile import ChannelProfile, profile

RATE_HZ, CENTER_HZ = 4e6, 2.4e9
FLAT = ChannelProfile(name="flat")


def antennas(sender, receiver, *, seed=0):
    air = Air(FLAT, seed=seed, noise_dbfs=-math.inf, clock=lambda: 0.0)
    return air.antenna("tx", front_ends=sender), air.antenna("rx", front_ends=receiver)


def repeat(antenna, samples, *, gain_db=-10.0, offset_hz=0.0):
    antenna.transmit(
        0, samples, start_s=0.0, sample_rate_hz=RATE_HZ, center_frequency_hz=CENTER_HZ + offset_hz, gain_db=gain_db,
        repeat=True,
    )  # fmt: skip


def receive(antenna, n_samples, *, first=4096, gain_db=40.0):
    return antenna.receive(
        [0], n_samples, start_s=first / RATE_HZ, sample_rate_hz=RATE_HZ, center_frequency_hz=CENTER_HZ, gain_db=gain_db
    )[0]


def tone(cycles, n=4096, amplitude=0.1):
    return (amplitude * np.exp(2j * np.pi * cycles * np.arange(n))).astype(np.complex64)


def level(samples, cycles, first=4096):
    return complex(np.mean(samples * np.exp(-2j * np.pi * cycles * (first + np.arange(samples.size)))))


def test_a_tone_meets_both_halves_in_order():
    truth = replace(FrontEnd.draw(2).without_clock(), delay_s=0.0)
    sender, receiver = antennas([truth], [truth])
    offset, sent = 512 / 4096, 256 / 4096
    repeat(sender, tone(sent), offset_hz=offset * RATE_HZ)
    heard = receive(receiver, 4096 * 4)
    place = offset + sent
    gain_db = truth.tx.gain.true_db(-10.0) + truth.rx.gain.true_db(40.0) - 30.0
    way = 10 ** (gain_db / 20) * complex(truth.tx.response(np.array(sent)) * truth.rx.response(np.array(place)))
    assert 20 * math.log10(abs(level(heard, place)) / (0.1 * abs(way))) == pytest.approx(0.0, abs=0.15)
    image = 20 * math.log10(abs(level(heard, place)) / abs(level(heard, -place)))
    assert image == pytest.approx(truth.rx.image_rejection_db, abs=0.05)
    leaked = abs(truth.tx.dc) * 10 ** (gain_db / 20) * abs(truth.tx.response(np.array(0.0)))
    leaked *= abs(truth.rx.response(np.array(offset)))
    assert 20 * math.log10(abs(level(heard, offset)) / leaked) == pytest.approx(0.0, abs=0.05)
    assert level(heard, 0.0) == pytest.approx(truth.rx.dc, abs=2e-5)


def test_calls_of_any_length_hear_the_same():
    truth = FrontEnd.draw(4)
    captured = []
    for cuts in ((20_000,), (1, 5, 4090, 904, 15_000), (7_000, 13_000)):
        sender, receiver = antennas([truth], [truth.without_clock()])
        repeat(sender, tone(0.11, 1000))
        at, pieces = 4096, []
        for n in cuts:
            pieces.append(receive(receiver, n, first=at))
            at += n
        captured.append(np.concatenate(pieces))
    np.testing.assert_array_equal(captured[1], captured[0])
    np.testing.assert_array_equal(captured[2], captured[0])


def test_oscillators_drift_and_sample_clocks_do_not():
    truth = FrontEnd(clock_ppm=2.0, drift_ppm_s=0.5)
    sender, receiver = antennas([truth], [FrontEnd()])
    repeat(sender, np.full(4096, 0.1, np.complex64))
    for start_s in (0.0, 0.25):
        first = round(start_s * RATE_HZ) + 4096
        n = 1 << 17
        phase = np.unwrap(np.angle(receive(receiver, n, first=first).astype(np.complex128)))
        middle_s = (first + n / 2) / RATE_HZ
        found_hz = np.polyfit(np.arange(n) / RATE_HZ, phase, 1)[0] / (2 * np.pi)
        assert found_hz == pytest.approx(CENTER_HZ * 1e-6 * (2.0 + 0.5 * middle_s), abs=0.05)


def test_a_front_end_delays_by_fractions_of_a_sample():
    pulse = np.zeros(4096, np.complex64)
    pulse[100:164] = np.hanning(64)
    heard = {}
    for delay_s in (0.0, 3.3 / RATE_HZ):
        sender, receiver = antennas([FrontEnd(delay_s=delay_s)], [FrontEnd()])
        repeat(sender, 0.1 * pulse)
        power = np.abs(receive(receiver, 4096).astype(np.complex128)) ** 2
        heard[delay_s] = float(np.sum(power * np.arange(4096)) / power.sum())
    late = heard[3.3 / RATE_HZ] - heard[0.0]
    assert late == pytest.approx(3.3, abs=1e-3)


def test_a_perfect_front_end_changes_no_more_than_the_order_of_sums():
    plain, ideal = antennas([], []), antennas([FrontEnd()], [FrontEnd()])
    for sender, _ in (plain, ideal):
        repeat(sender, tone(0.07, 1000))
    # The ripple filter begins with silence behind it.
    np.testing.assert_allclose(receive(ideal[1], 9000)[6:], receive(plain[1], 9000)[6:], atol=1e-6)


def test_ports_need_a_front_end_each():
    with pytest.raises(ValueError, match="1 front ends for 2 ports"):
        Air(FLAT, clock=lambda: 0.0).antenna("radio", n_ports=2, front_ends=[FrontEnd()])


def test_esn0_relates_to_the_signal_and_not_to_what_leaks():
    """Half of the burst is silence, during which the carrier leaks nonetheless."""
    leaking = FrontEnd(tx=replace(FrontEnd().tx, dc=0.1 + 0j))
    settings = replace(FLAT, esn0_db=10.0, occupied_bandwidth=1.0)
    burst = np.concatenate([tone(0.1, 4096), np.zeros(4096, np.complex64)])
    noise = []
    for front_end in (FrontEnd(), leaking):
        air = Air(settings, seed=1, clock=lambda: 0.0)
        sender, receiver = air.antenna("tx", front_ends=[front_end]), air.antenna("rx")
        repeat(sender, burst)
        heard = receive(receiver, 8192, first=8192 * 3).astype(np.complex128)
        clean = np.concatenate([tone(0.1, 4096), np.zeros(4096, np.complex64)])
        noise.append(np.var(heard - clean))
    assert noise[1] == pytest.approx(noise[0], rel=0.02)


IMPAIRED = "loopback:cabled?impaired=4"


@pytest.mark.parametrize(
    "check",
    [
        check_settings_read_back, check_settings_out_of_range_are_refused, check_burst_round_trip,
        check_repeat_and_capture, check_receive_stream, check_transmit_offset, check_temperature,
    ],
    ids=lambda check: check.__name__,
)  # fmt: skip
def test_the_impaired_loopback_conforms(check):
    check(lambda: open_radio(IMPAIRED))


def test_the_impaired_loopback_says_what_it_is_and_hides_the_rest():
    with open_radio(IMPAIRED) as radio:
        assert radio.capabilities.serial == "loopback-4"
        assert radio.capabilities.keeps_time
        assert radio.temperature_c() == FrontEnd.draw(4).temperature_c
        burst = Capture(tone(0.1), radio.settings.sample_rate_hz)
        heard = radio.exchange(burst)
        assert heard.settings["burst_start_sample"] == 0
        assert "truth" not in heard.settings
    with open_radio("loopback:cabled") as radio:
        assert radio.temperature_c() is None
        assert radio.capabilities.serial == "loopback"


def test_the_same_seeds_give_the_same_samples():
    heard = []
    for _ in range(2):
        with open_radio(IMPAIRED + "&seed=5") as radio:
            heard.append(radio.exchange(Capture(tone(0.1), radio.settings.sample_rate_hz)).samples)
    np.testing.assert_array_equal(heard[0], heard[1])


def test_gains_move_signal_and_noise_as_their_curves_say():
    truth = FrontEnd.draw(4)
    powers = {}
    with open_radio(IMPAIRED) as radio:
        for tx_gain_db, rx_gain_db in ((-10.0, 40.0), (-20.0, 40.0), (-20.0, 45.0)):
            radio.configure(replace(radio.settings, tx_gain_db=tx_gain_db, rx_gain_db=rx_gain_db))
            with radio.repeat(Capture(tone(0.1, 4000), radio.settings.sample_rate_hz)):
                samples = radio.capture(40_000).samples[4000:].astype(np.complex128)
            shift_hz = 1e-6 * truth.clock_ppm * radio.settings.center_frequency_hz
            cells = np.fft.fft(samples * np.blackman(samples.size))
            near = round((0.1 + shift_hz / RATE_HZ) * samples.size)
            powers[tx_gain_db, rx_gain_db] = 10 * math.log10(np.sum(np.abs(cells[near - 40 : near + 40]) ** 2))
    lower = truth.tx.gain.true_db(-20.0) - truth.tx.gain.true_db(-10.0)
    higher = truth.rx.gain.true_db(45.0) - truth.rx.gain.true_db(40.0)
    assert powers[-20.0, 40.0] - powers[-10.0, 40.0] == pytest.approx(lower, abs=0.08)
    assert powers[-20.0, 45.0] - powers[-20.0, 40.0] == pytest.approx(higher, abs=0.08)


def test_a_plain_loopback_shifts_by_the_transmit_offset():
    shifted = []
    for offset_hz in (0.0, 250e3):
        with open_radio("loopback:ideal") as radio:
            radio.configure(replace(radio.settings, sample_rate_hz=RATE_HZ, tx_offset_hz=offset_hz))
            shifted.append(radio.exchange(Capture(tone(0.1, 4000), RATE_HZ)).samples)
    turned = shifted[0] * np.exp(2j * np.pi * 250e3 / RATE_HZ * np.arange(4000))
    np.testing.assert_allclose(shifted[1], turned, atol=1e-5)


def test_an_offset_beyond_the_band_is_refused():
    with open_radio("loopback:ideal") as radio, pytest.raises(BadValueError, match="within half the sample rate"):
        radio.configure(replace(radio.settings, sample_rate_hz=RATE_HZ, tx_offset_hz=2e6))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("impaired=x", "impaired is 'x'"),
        ("impaired=-1", "impaired is '-1'"),
        ("noise_dbfs=-50", "impaired=SEED"),
        ("impaired=1&noise_dbfs=low", "noise_dbfs is 'low'"),
    ],
)
def test_wrong_addresses_are_refused(query, message):
    with pytest.raises(BadValueError, match=message):
        open_radio(f"loopback:cabled?{query}")


def test_the_profile_of_an_impaired_loopback_can_be_changed():
    with open_radio("loopback:cabled?impaired=1&esn0_db=12") as radio:
        heard = radio.exchange(Capture(tone(0.1), radio.settings.sample_rate_hz))
        assert heard.settings["profile"]["esn0_db"] == 12.0
        assert heard.settings["profile"]["cfo_range_hz"] == 0.0
    assert with_ideal_front_ends(profile("cabled")).esn0_db is None


def test_a_burst_leaves_when_it_is_received_however_far_the_clocks_have_drifted_apart():
    truth = FrontEnd.draw(4)
    pulse = np.zeros(4096, np.complex64)
    pulse[100:164] = 0.5 * np.hanning(64)
    centres = []
    with open_radio("loopback:ideal?impaired=4&noise_dbfs=-inf") as radio:
        for _ in range(2):
            heard = radio.exchange(Capture(pulse, RATE_HZ)).samples.astype(np.complex128)
            power = np.abs(heard - truth.rx.dc) ** 2
            near = np.arange(100, 260)
            centres.append(float(np.sum(power[near] * near) / power[near].sum()))
            radio.capture(4_000_000)
    # The silence is four million samples long, during which the clocks part by several samples.
    assert abs(1e-6 * truth.clock_ppm) * 4e6 > 2
    assert centres[1] == pytest.approx(centres[0], abs=0.02)
