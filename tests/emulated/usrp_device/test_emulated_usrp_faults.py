"""What libuhd makes of each fault of an emulated USRP, and that it recovers."""

from __future__ import annotations

import time

import numpy as np
import pytest

from hardware.emulation.msgpack_rpc import call


def healthy(bench):
    """Whether captures and bursts work."""
    captured = bench.uhd.capture(5000)
    sent = bench.uhd.transmit(5000, after_s=0.25)
    return (captured["error"], captured["samples"], sent["events"]) == ("none", 5000, ["burst_ack"])


def error_of(function, *arguments, **keywords):
    with pytest.raises(RuntimeError, match=r"\w") as caught:
        function(*arguments, **keywords)
    return str(caught.value)


def test_dropped_packet_is_an_overflow_out_of_sequence(bench):
    bench.device.faults.rx_dropped_packets = 1
    found = bench.uhd.capture(20_000)
    assert (found["error"], found["out_of_sequence"]) == ("overflow", True)
    bench.uhd.drain()
    assert healthy(bench)


def test_many_dropped_packets_use_up_no_credit(bench):
    """The host's buffer holds about 500 packets; 2000 lost ones would fill it if they were not accounted for."""
    bench.uhd.configure(20e6, 915e6, 79.75, 40.0)
    bench.device.faults.rx_dropped_packets = 2000
    found = bench.uhd.stream(0.8)
    assert found["out_of_sequence"] >= 1
    assert found["errors"] == {"overflow": found["out_of_sequence"]}
    assert found["count"] > 1e6
    assert bench.device.faults.rx_dropped_packets == 0


def test_overrun_in_a_stream_leaves_a_gap_and_it_goes_on(bench):
    bench.device.faults.rx_overruns = 1
    found = bench.uhd.stream(1.0)
    assert found["errors"] == {"overflow": 1}
    assert found["out_of_sequence"] == 0
    assert found["count"] > 1e6
    assert healthy(bench)


def test_host_that_does_not_read_overruns(bench):
    bench.uhd.configure(20e6, 915e6, 79.75, 40.0)
    found = bench.uhd.stall(1.0)
    assert found["overflow"]
    assert found["after"] > 0  # libuhd has started the stream again
    assert healthy(bench)


def test_receive_command_in_the_past_is_late(bench):
    bench.uhd.set_time(100.0)
    found = bench.uhd.capture(1000, after_s=-1.0)
    assert (found["error"], found["samples"]) == ("late", 0)
    assert healthy(bench)


def test_late_capture_on_request(bench):
    bench.device.faults.rx_late_captures = 1
    assert bench.uhd.capture(1000)["error"] == "late"
    assert healthy(bench)


def test_burst_in_the_past_is_late_and_dropped(bench):
    bench.uhd.set_time(100.0)
    before = bench.device.state()["tx_samples"][0]
    assert bench.uhd.transmit(20_000, after_s=-1.0)["events"] == ["time_error"]
    assert bench.device.state()["tx_samples"][0] == before
    assert healthy(bench)


def test_late_burst_on_request(bench):
    bench.device.faults.tx_late_bursts = 1
    assert bench.uhd.transmit(20_000, after_s=0.25, n_events=2, timeout_s=0.5)["events"] == ["time_error"]
    assert healthy(bench)


def test_burst_without_an_end_underflows(bench):
    assert bench.uhd.transmit(5000, after_s=0.25, end=False)["events"] == ["underflow"]
    assert not bench.device.state()["transmitting"]
    assert healthy(bench)


def test_underrun_on_request(bench):
    bench.device.faults.tx_underruns = 1
    assert bench.uhd.transmit(20_000, after_s=0.25, n_events=2, timeout_s=0.5)["events"] == ["underflow"]
    assert healthy(bench)


def test_without_samples_the_host_times_out(bench):
    bench.device.faults.no_samples = True
    found = bench.uhd.capture(1000, timeout_s=0.6)
    assert (found["error"], found["samples"]) == ("timeout", 0)
    bench.device.faults.no_samples = False
    assert healthy(bench)


def test_without_register_answers_the_time_cannot_be_read(bench):
    bench.device.faults.no_registers = True
    assert "timed out" in error_of(bench.uhd.now).lower()
    bench.device.faults.no_registers = False
    assert healthy(bench)


def test_frozen_device_answers_nothing_and_thaws(bench):
    bench.device.faults.frozen = True
    assert bench.uhd.find(bench.device.device_arguments) == []
    assert "timed out" in error_of(bench.uhd.now).lower()
    bench.device.faults.frozen = False
    assert healthy(bench)


def test_management_error_reaches_the_caller(bench):
    bench.device.faults.rpc_errors = {"db_0_catalina_tune": "the PLL did not lock"}
    assert "the PLL did not lock" in error_of(bench.uhd.tune, 2e9, [0])
    bench.device.faults.rpc_errors = {}
    assert bench.uhd.tune(2e9, [0]) == [2e9, 2e9]


def test_management_that_takes_its_time(bench):
    bench.device.faults.rpc_delay_s = 0.3
    begin = time.monotonic()
    assert bench.uhd.call("get_clock_source", 0) == "internal"
    assert time.monotonic() - begin >= 0.3


def test_unlocked_reference_and_oscillators(bench):
    bench.device.faults.reference_unlocked = True
    assert bench.uhd.sensor("get_mboard_sensor", "ref_locked", 0) == "false"
    assert bench.uhd.sensor("get_rx_sensor", "lo_locked", 0) == "true"
    bench.device.faults.reference_unlocked, bench.device.faults.oscillators_unlocked = False, True
    assert bench.uhd.sensor("get_mboard_sensor", "ref_locked", 0) == "true"
    assert bench.uhd.sensor("get_rx_sensor", "lo_locked", 0) == "false"
    assert bench.uhd.sensor("get_tx_sensor", "lo_locked", 0) == "false"


def test_fault_rate_fails_as_often_as_it_says_and_the_same_every_time(bench):
    outcomes = []
    for _ in range(2):
        bench.device.faults.update({"fault_rate": 0.3, "seed": 5})
        events = [bench.uhd.transmit(1000, after_s=0.15, timeout_s=0.4)["events"] for _ in range(15)]
        outcomes.append(sum(events, []))
    assert outcomes[0] == outcomes[1]
    assert set(outcomes[0]) == {"burst_ack", "underflow", "time_error"}
    assert 2 <= 15 - outcomes[0].count("burst_ack") <= 9
    bench.device.faults.clear()
    assert healthy(bench)


def test_faults_of_captures_by_rate(bench):
    bench.device.faults.update({"fault_rate": 1.0, "seed": 1})
    errors = set()
    for _ in range(8):
        errors.add(bench.uhd.capture(20_000, timeout_s=0.4)["error"])
        bench.uhd.drain()
    assert errors == {"late", "overflow"}
    bench.device.faults.clear()
    bench.uhd.drain()
    assert healthy(bench)


def test_faults_from_another_process(bench):
    call(bench.device.rpc_port, "emulation_set_faults", {"tx_late_bursts": 1})
    assert bench.uhd.transmit(1000, after_s=0.25)["events"] == ["time_error"]
    with pytest.raises(RuntimeError, match="no fault is called nonsense"):
        call(bench.device.rpc_port, "emulation_set_faults", {"nonsense": 1})


def test_captures_after_faults_hold_the_right_samples(bench, generator):
    """A failed burst leaves no shift behind."""
    x = np.exp(2j * np.pi * generator.random(2000)).astype(np.complex64) / 2
    for fault in ("tx_underruns", "tx_late_bursts", "rx_late_captures"):
        setattr(bench.device.faults, fault, 1)
        bench.burst(x, 4000, lead_s=0.25)
        bench.uhd.drain()
    found = bench.burst(x, 4000, offset_s=1e-4)
    assert np.argmax(np.abs(np.correlate(found["samples"][0], x, "valid"))) == 400 + 123
