"""Who owns an emulated USRP, what becomes of it when its host leaves, and of the host when the device dies."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from hardware.emulation.msgpack_rpc import call
from hardware.emulation.usrp import EmulatedUsrp

SETTINGS = {"rate_hz": 4e6, "frequency_hz": 915e6, "tx_gain_db": 79.75, "rx_gain_db": 40.0}


@pytest.fixture
def device(air):
    with EmulatedUsrp(air.antenna("usrp", n_ports=2)) as device:
        yield device


def until(condition, longest_s=10.0):
    end = time.monotonic() + longest_s
    while not condition():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.01)


def _dies_in(host, seconds):
    with pytest.raises(RuntimeError, match="ended"):
        host.pressure(seconds)


def muted(device):
    state = device.state()
    return not state["transmitting"] and state["tx_gain_db"] == [0.0, 0.0] and not state["claimed"]


def refused(port):
    try:
        call(port, "ping")
    except ConnectionError:
        return True
    return False


def test_second_host_is_refused_and_the_first_goes_on(bench, fresh_uhd):
    other = fresh_uhd()
    with pytest.raises(RuntimeError, match="already claimed"):
        other.make(bench.device.device_arguments)
    assert bench.uhd.capture(1000)["error"] == "none"


def test_busy_on_request_and_without_a_token(device, fresh_uhd):
    device.faults.claim_busy = True
    host = fresh_uhd()
    (found,) = host.find(device.device_arguments)
    assert found["claimed"] == "True"
    assert "sdr_gsc_token" not in found
    with pytest.raises(RuntimeError, match="already claimed"):
        host.make(device.device_arguments)
    device.faults.claim_busy = False
    host.make(device.device_arguments)
    assert host.configure(**SETTINGS)["rx_rate"] == 4e6
    with pytest.raises(RuntimeError, match="sensor"):
        host.sensor("get_mboard_sensor", "sdr_gsc_token", 0)


def test_host_that_leaves_mutes_the_device(device, fresh_uhd):
    host = fresh_uhd()
    host.make(device.device_arguments)
    host.configure(**SETTINGS)
    assert device.state()["tx_gain_db"][0] == 79.75
    host.release()
    assert muted(device)


def test_host_that_is_killed_in_a_burst_leaves_a_muted_device_for_the_next(device, fresh_uhd):
    host = fresh_uhd()
    host.make(device.device_arguments)
    host.configure(**SETTINGS)
    sender = threading.Thread(target=lambda: _dies_in(host, 30.0))
    sender.start()
    until(lambda: device.state()["tx_samples"][0] > 100_000)
    assert device.state()["transmitting"]
    host.process.kill()
    killed_s = time.monotonic()
    sender.join()
    until(lambda: muted(device))
    assert time.monotonic() - killed_s > 1.0  # it was the claim's end that muted, not luck
    following = fresh_uhd()
    following.make(device.device_arguments)
    following.configure(**SETTINGS)
    assert following.transmit(1000, after_s=0.3)["events"] == ["burst_ack"]


def test_claim_that_is_not_renewed_is_lost(air):
    with EmulatedUsrp(air.antenna("usrp", n_ports=2), claim_timeout_s=0.3) as device:
        token = call(device.rpc_port, "claim", "a host")
        call(device.rpc_port, "db_0_set_gain", token, "TX1", 50.0)
        with pytest.raises(RuntimeError, match="already claimed"):
            call(device.rpc_port, "claim", "another host")
        for _ in range(5):
            time.sleep(0.1)
            call(device.rpc_port, "reclaim", token)
        assert device.state()["tx_gain_db"] == [50.0, 0.0]
        until(lambda: muted(device))
        with pytest.raises(RuntimeError, match="claim it first"):
            call(device.rpc_port, "reclaim", token)
        assert call(device.rpc_port, "claim", "another host") != token


def test_device_that_dies_is_gone_at_once_and_another_can_be_used(air, fresh_uhd):
    with EmulatedUsrp(air.antenna("first", n_ports=2)) as device:
        host = fresh_uhd()
        host.make(device.device_arguments)
        host.configure(**SETTINGS)
        assert host.capture(1000)["error"] == "none"
        with contextlib.suppress(ConnectionError):  # it may die before it has answered
            call(device.rpc_port, "emulation_die")
        until(lambda: refused(device.rpc_port))
        assert not device.state()["running"]
        # What libuhd reports: nothing comes, and commands find nobody. Its other calls would block for a minute.
        with pytest.raises(RuntimeError, match=r"(?i)timed out|timeout|refused|error"):
            host.now()
        host.kill()
        assert not device.state()["transmitting"]
    with EmulatedUsrp(air.antenna("second", n_ports=2)) as device:
        host = fresh_uhd()
        host.make(device.device_arguments)
        host.configure(**SETTINGS)
        assert host.transmit(1000, after_s=0.3)["events"] == ["burst_ack"]


def test_no_thread_and_no_socket_outlives_the_device(air):
    before = set(threading.enumerate())
    device = EmulatedUsrp(air.antenna("usrp", n_ports=2))
    device.start()
    assert set(threading.enumerate()) > before
    call(device.rpc_port, "ping", 1)
    device.stop()
    assert set(threading.enumerate()) == before
    with pytest.raises(ConnectionError):
        call(device.rpc_port, "ping", 1)
    device.stop()  # does nothing


def test_a_device_that_was_never_started_holds_nothing(air):
    device = EmulatedUsrp(air.antenna("usrp", n_ports=2))
    device.stop()
    with pytest.raises(ConnectionError):
        call(device.rpc_port, "ping", 1)
