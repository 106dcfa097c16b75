"""What libuhd sees of a healthy emulated USRP: settings, time, bursts on the exact sample, streams without gaps."""

from __future__ import annotations

import time

import numpy as np
import pytest

from hardware.emulation.msgpack_rpc import call

# As in conftest.py of this folder.
DELAY_SAMPLES, CROSS_DB, RATE_HZ = 123, -20.0, 4e6
STEP_16_BIT = 1 / 32767


def test_found_with_its_serial_and_token(bench):
    (found,) = bench.uhd.find(bench.device.device_arguments)
    assert found["serial"] == bench.device.identity.serial
    assert found["product"] == "e320"
    assert found["sdr_gsc_token"] == "a token"
    assert found["claimed"] == "True"


def test_token_is_a_sensor(bench):
    assert bench.uhd.sensor("get_mboard_sensor", "sdr_gsc_token", 0) == "a token"


def test_settings_arrive_and_are_read_back(bench):
    read = bench.uhd.configure(5e6, 2.45e9, 60.0, 30.0)
    assert read == {
        "rx_rate": 5e6,
        "tx_rate": 5e6,
        "rx_frequency": 2.45e9,
        "tx_frequency": 2.45e9,
        "rx_gain": 30.0,
        "tx_gain": 60.0,
    }
    state = bench.device.state()
    assert state["sample_rate_hz"] == 5e6
    assert (state["tx_gain_db"][0], state["rx_gain_db"][0]) == (60.0, 30.0)
    assert state["tx_frequency_hz"] == state["rx_frequency_hz"] == [2.45e9, 2.45e9]
    assert state["claimed"]
    assert not state["transmitting"]


def test_values_out_of_range_are_coerced_as_libuhd_does_it(bench):
    read = bench.uhd.configure(100e6, 10e9, 200.0, 200.0)
    assert read["rx_rate"] == 61.44e6
    assert read["rx_frequency"] == read["tx_frequency"] == 6e9
    assert (read["tx_gain"], read["rx_gain"]) == (89.75, 76.0)
    assert bench.device.state()["tx_gain_db"][0] == 89.75


def test_clock_and_time_sources(bench):
    assert set(bench.uhd.call("get_clock_sources", 0)) >= {"internal", "external"}
    for source in ("external", "internal"):
        bench.uhd.call("set_clock_source", source)
        bench.uhd.call("set_time_source", source)
        assert bench.uhd.call("get_clock_source", 0) == bench.uhd.call("get_time_source", 0) == source
        assert bench.device.state()["clock_source"] == bench.device.state()["time_source"] == source


def test_locked_sensors(bench):
    assert bench.uhd.sensor("get_mboard_sensor", "ref_locked", 0) == "true"
    assert bench.uhd.sensor("get_rx_sensor", "lo_locked", 0) == "true"
    assert bench.uhd.sensor("get_tx_sensor", "lo_locked", 0) == "true"


def test_time_is_set_at_once_and_survives_a_change_of_rate(bench):
    bench.uhd.set_time(1000.0)
    bench.uhd.configure(10e6, 915e6, 79.75, 40.0)
    assert 1000.0 <= bench.uhd.now() < 1010.0


def test_time_is_set_at_the_next_pulse(bench):
    bench.uhd.set_time(10.0)
    bench.uhd.set_time(2000.0, next_pulse=True)
    # Whole seconds of the antenna's clock are whole seconds of the device's from the pulse on.
    pulses = {bench.uhd.call("get_time_last_pps")}
    while max(pulses) < 1000.0:
        pulses.add(bench.uhd.call("get_time_last_pps"))
    assert max(pulses) == 2000.0
    assert 2000.0 <= bench.uhd.now() < 2002.0


def test_timed_burst_lands_on_the_exact_sample(bench, waveform):
    x = waveform(5000)
    found = bench.burst(x, 10_000, offset_s=1000 / RATE_HZ)
    assert found["error"] == "none"
    assert found["events"] == ["burst_ack"]
    assert found["sent"] == x.size
    assert round((found["first_s"] - found["at_s"]) * RATE_HZ) == 0
    y = found["samples"][0]
    correlation = np.abs(np.correlate(y, x, "valid"))
    start = 1000 + DELAY_SAMPLES
    assert np.argmax(correlation) == start
    # The levels agree by definition of the default gains, phase and delay are those of the channel.
    gain = np.vdot(x, y[start : start + x.size]) / np.vdot(x, x).real
    assert gain == pytest.approx(1.0, abs=2e-3)
    error = y[start : start + x.size] - x
    assert np.mean(np.abs(error) ** 2) / np.mean(np.abs(x) ** 2) < 10**-3.5
    assert np.max(np.abs(y[: start - 20])) < 0.01  # nothing before


def test_received_samples_have_twelve_bits(bench, waveform):
    y = bench.burst(waveform(2000), 4000)["samples"][0]
    codes = np.rint(y.view(np.float32) / STEP_16_BIT).astype(int)
    assert np.unique(codes).size > 500
    assert not np.any(codes % 16)


def test_receive_converter_clips_at_full_scale(bench, waveform):
    before = bench.device.state()["rx_clipped"]
    bench.uhd.configure(RATE_HZ, 915e6, 79.75, 60.0)  # 20 dB above the level at which 0.5 arrives as 0.5
    y = bench.burst(waveform(2000), 4000)["samples"][0]
    rails = y.view(np.float32)
    assert rails.max() == pytest.approx(2047 / 2048, abs=1e-4)
    assert rails.min() == pytest.approx(-1.0, abs=1e-4)
    assert bench.device.state()["rx_clipped"] > before + 500


def test_two_channels_hear_each_other_as_the_air_says(bench, waveform):
    bench.uhd.configure(RATE_HZ, 915e6, 79.75, 40.0, channels=(0, 1))
    x = np.stack([waveform(4000), waveform(4000)])
    found = bench.burst(x, 8000, channels=(0, 1), offset_s=1000 / RATE_HZ)
    assert found["error"] == "none"
    start = 1000 + DELAY_SAMPLES
    y = found["samples"][:, start : start + 4000]
    matrix = y @ np.linalg.pinv(x)
    cross = 10 ** (CROSS_DB / 20)
    assert np.abs(matrix) == pytest.approx(np.array([[1, cross], [cross, 1]]), abs=0.01)
    assert bench.device.state()["tx_gain_db"] == [79.75, 79.75]


def test_two_channels_stream_side_by_side(bench):
    bench.uhd.configure(RATE_HZ, 915e6, 79.75, 40.0, channels=(0, 1))
    found = bench.uhd.stream(0.5, channels=(0, 1))
    assert found["gaps"] == []
    assert found["errors"] == {}
    assert found["count"] > 0.3 * RATE_HZ


def test_continuous_reception_has_no_gap_in_its_times(bench):
    bench.uhd.configure(10e6, 915e6, 79.75, 40.0)
    found = bench.uhd.stream(1.5)
    assert found["gaps"] == []
    assert found["errors"] == {}
    assert found["count"] > 10e6
    assert found["ended"]  # the last packet after the stop command says that it is the last
    assert not bench.device.state()["receiving"]


def test_transmitter_takes_samples_at_its_own_pace(bench):
    bench.uhd.configure(10e6, 915e6, 79.75, 40.0)
    before = bench.device.state()["tx_samples"][0]
    found = bench.uhd.pressure(1.0)
    assert found["events"] == ["burst_ack"]
    # As fast as it would go, this would be several times as much; ahead of time lies what the buffers hold.
    assert 0.5e7 < found["sent"] < 10e6 * (found["elapsed_s"] + 0.5)
    state = bench.device.state()
    assert state["tx_samples"][0] - before == found["sent"] + 1
    assert state["tx_sequence_errors"] == 0


def test_untimed_burst_is_sent_and_acknowledged(bench):
    assert bench.uhd.transmit(5000)["events"] == ["burst_ack"]


def test_bursts_follow_each_other(bench, waveform):
    x = waveform(1000)
    for _ in range(3):
        found = bench.burst(x, 2000, lead_s=0.25)
        assert found["events"] == ["burst_ack"]
        assert np.argmax(np.abs(np.correlate(found["samples"][0], x, "valid"))) == DELAY_SAMPLES


def test_transmitting_from_when_a_burst_is_queued_to_its_end(bench):
    bench.uhd.transmit(20_000, after_s=1.0, n_events=0)
    end = time.monotonic() + 1.0
    while not bench.device.state()["transmitting"] and time.monotonic() < end:
        time.sleep(0.01)
    assert bench.device.state()["transmitting"]  # waits for its time
    assert bench.uhd.transmit(100, after_s=1.1, n_events=2, timeout_s=3.0)["events"] == ["burst_ack"] * 2
    assert not bench.device.state()["transmitting"]


def test_gain_changes_on_the_air_at_once_also_for_what_is_queued(bench):
    n = 2_000_000
    listener = bench.air.antenna("listener")
    begin_s = listener.now_s()
    # Sending returns when the device has taken the last sample, well before that is on the air.
    assert bench.uhd.transmit(n, after_s=0.5, n_events=0)["sent"] == n
    bench.uhd.call("set_tx_gain", 59.75, 0)
    assert bench.uhd.transmit(100, after_s=0.5, n_events=2, timeout_s=3.0)["events"] == ["burst_ack"] * 2
    (heard,) = listener.receive(
        [0],
        int((listener.now_s() - begin_s) * RATE_HZ),
        start_s=begin_s,
        sample_rate_hz=RATE_HZ,
        center_frequency_hz=915e6,
        gain_db=40.0,
    )
    levels = np.abs(heard)
    # Half of full scale before the change, 20 dB less behind it, and not one sample lost or sent twice.
    loud, soft = levels > 0.25, (levels > 0.02) & (levels < 0.25)
    assert np.count_nonzero(loud) > 1000
    assert np.count_nonzero(soft) > 1000
    assert np.count_nonzero(loud | soft) == pytest.approx(n + 100, abs=100)
    assert np.median(levels[soft]) == pytest.approx(0.05, rel=0.05)
    assert np.flatnonzero(soft)[0] > np.flatnonzero(loud)[1000]


def test_another_radio_hears_it_at_the_frequency_of_its_own_clock(bench):
    ppm, frequency_hz = 20.0, 915e6
    listener = bench.air.antenna("listener", clock_ppm=ppm)
    begin_s = listener.now_s()
    assert bench.uhd.transmit(40_000, after_s=0.25)["events"] == ["burst_ack"]
    n_samples = int((listener.now_s() - begin_s) * RATE_HZ)
    (heard,) = listener.receive(
        [0], n_samples, start_s=begin_s, sample_rate_hz=RATE_HZ, center_frequency_hz=frequency_hz, gain_db=40.0
    )
    tone = heard[np.abs(heard) > 0.25][1000:-1000]
    assert 35_000 < tone.size < 40_000
    offset_hz = np.angle(np.vdot(tone[:-1], tone[1:])) / (2 * np.pi) * RATE_HZ
    assert offset_hz == pytest.approx(-1e-6 * ppm * frequency_hz, rel=0.01)


def test_state_and_calls_from_another_process(bench):
    state = call(bench.device.rpc_port, "emulation_state")
    assert state["claimed"]
    assert state["tx_gain_db"][0] == 79.75
    assert ("db_0_set_gain", ("TX1", 79.75)) in bench.device.calls
