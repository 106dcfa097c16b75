"""Dead devices, dead workers, dead programs: a typed error at once, a muted transmitter, and a fresh start."""

import os
import signal
import threading
import time

import pytest

from hardware.errors import DisconnectedError, RadioError, RadioNotFoundError
from hardware.registry import open_radio
from hardware.vendor.device import Device
from sdr_gsc.capture import Capture

#: libuhd itself waits 60 s and more; this leaves room for a machine that is busy with other things.
PATIENCE_S = 30.0
EMULATOR = """
import sys
from hardware.emulation.air import Air
from hardware.emulation.usrp import EmulatedUsrp
from sdr_gsc.channel.profile import profile
with EmulatedUsrp(Air(profile("ideal")).antenna("usrp", n_ports=2), token=sys.argv[1]) as device:
    print(device.uri, flush=True)
    sys.stdin.read()
"""
PROGRAM = """
import sys, time
import numpy as np
from hardware.registry import open_radio
from sdr_gsc.capture import Capture
with open_radio(sys.argv[1], sample_rate_hz=1e6) as radio:
    burst = Capture(np.full(1000, 0.3, np.complex64), 1e6)
    with radio.repeat(burst):
        print("on air", flush=True)
        time.sleep(60)
"""


def silent(device):
    state = device.state()
    return not state["transmitting"] and state["tx_gain_db"] == [0.0, 0.0]


def struck(act, device, strike):
    """The error of something that transmits for long, when something strikes meanwhile, and how long it took."""
    struck_at = []

    def hit():
        while not device.state()["transmitting"]:
            time.sleep(0.01)
        struck_at.append(time.monotonic())
        strike()

    thread = threading.Thread(target=hit, daemon=True)
    thread.start()
    try:
        with pytest.raises(RadioError) as caught:
            act()
        return caught.value, time.monotonic() - struck_at[0]
    finally:
        thread.join(10.0)


def test_a_killed_worker_is_reported_and_the_device_mutes_itself(brief_usrp, at, burst, until):
    device, long = brief_usrp(claim_timeout_s=1.0), burst(1_500_000)
    radio = open_radio(at("usrp", device), sample_rate_hz=1e6)
    with radio:
        error, took_s = struck(lambda: radio.exchange(long), device, lambda: os.kill(radio.worker.pid, signal.SIGKILL))
        assert isinstance(error, DisconnectedError)
        assert "SIGKILL" in str(error)
        assert took_s < PATIENCE_S
        assert radio.muted
        with pytest.raises(DisconnectedError):
            radio.capture(10)
    # Without samples it is off the air at once; without its host, the device itself turns the gain down.
    until(lambda: silent(device))
    with open_radio(at("soapy", device), sample_rate_hz=1e6) as fresh:
        assert fresh.exchange(burst()).samples.size > 3000


def test_a_radio_that_does_not_mute_itself_is_muted_by_a_second_worker(brief_usrp, burst):
    """Only families with a computer of their own end dead sessions; here nothing tells that it is one."""
    device = brief_usrp(claim_timeout_s=1.0)
    pairs = dict(pair.split("=") for pair in device.device_arguments.split(",") if not pair.startswith("type="))
    uri = "usrp:" + ",".join(f"{key}={value}" for key, value in pairs.items())

    def repeat():
        with open_radio(uri, sample_rate_hz=1e6) as radio, radio.repeat(burst()):
            os.kill(radio.worker.pid, signal.SIGKILL)
            radio.capture(10)

    with pytest.raises(DisconnectedError) as caught:
        repeat()
    assert not getattr(caught.value, "__notes__", [])
    assert silent(device)
    device.die()
    with pytest.raises(DisconnectedError, match="may still transmit"):
        Device("uhd", pairs, uri).mute_after_death()


def test_a_device_that_is_killed_is_reported_and_a_fresh_one_works(brief_usrp, program, token, burst):
    emulator, long = program(EMULATOR, token), burst(1_500_000)
    with open_radio(emulator.stdout.readline().strip(), sample_rate_hz=1e6) as radio:
        began = time.monotonic()
        timer = threading.Timer(0.4, emulator.kill)
        timer.start()
        with pytest.raises(DisconnectedError):
            radio.exchange(long)
        timer.join()
        assert time.monotonic() - began < 1.5 + PATIENCE_S
    with open_radio(brief_usrp().uri, sample_rate_hz=1e6) as radio:
        assert radio.exchange(burst()).samples.size > 3000


def test_a_frozen_device_is_given_up_and_welcome_again(brief_usrp, at, burst):
    device, frozen_at = brief_usrp(claim_timeout_s=1.0), []

    def receive():
        with open_radio(at("usrp", device), sample_rate_hz=1e6) as radio, radio.receive_stream(10_000) as stream:
            for _ in stream:
                if not frozen_at:
                    frozen_at.append(time.monotonic())
                    device.faults.update({"frozen": True})

    with pytest.raises(RadioError) as caught:
        receive()
    assert time.monotonic() - frozen_at[0] < PATIENCE_S
    assert caught.value.remedy
    device.faults.clear()
    with open_radio(at("usrp", device), sample_rate_hz=1e6) as fresh:
        assert fresh.exchange(burst()).samples.size > 3000


def test_nobody_at_the_address(brief_usrp, at):
    device = brief_usrp()
    device.stop()
    with pytest.raises(RadioNotFoundError, match="No devices found"):
        open_radio(at("usrp", device))


@pytest.mark.parametrize("strike", [signal.SIGTERM, signal.SIGKILL], ids=lambda strike: strike.name)
def test_the_transmitter_is_muted_however_the_program_ends(muting_device, program, until, strike):
    process = program(PROGRAM, muting_device.uri)
    line = process.stdout.readline()
    assert line == "on air\n", process.communicate()[1]
    assert muting_device.state()["transmitting"]
    process.send_signal(strike)
    process.wait(20)
    until(lambda: silent(muting_device))
    # In order, not by the device's own doing: it would wait for a minute.
    until(lambda: not muting_device.state()["claimed"])


def test_a_worker_that_is_told_to_end_mutes_first(muting_device, burst, until):
    def repeat():
        with open_radio(muting_device.uri, sample_rate_hz=1e6) as radio, radio.repeat(burst()):
            os.kill(radio.worker.pid, signal.SIGTERM)
            # In order, not by the device's own doing: it would wait for a minute.
            until(lambda: silent(muting_device) and not muting_device.state()["claimed"])
            radio.capture(10)

    with pytest.raises(DisconnectedError):
        repeat()


@pytest.mark.parametrize("block", ["repeat", "transmit_stream"])
def test_an_exception_in_a_transmission_mutes(pair, burst, block):
    with pytest.raises(ZeroDivisionError):
        transmit_and_fail(pair.radio, block, burst())
    assert pair.radio.muted
    assert silent(pair.device)


def transmit_and_fail(radio, block, sent):
    with radio.repeat(sent) if block == "repeat" else radio.transmit_stream() as stream:
        if stream is not None:
            stream.write(sent.samples)
        raise ZeroDivisionError


@pytest.fixture(scope="module")
def muting_device(start_usrp):
    return start_usrp(claim_timeout_s=60.0)


def test_muting_from_another_thread_ends_an_exchange(usrp, burst):
    long = burst(3_000_000)
    error, took_s = struck(lambda: usrp.radio.exchange(long), usrp.device, usrp.radio.mute)
    assert "mute" in error.remedy
    assert took_s < PATIENCE_S
    assert silent(usrp.device)
    assert usrp.radio.exchange(Capture(burst().samples, 1e6)).samples.size > 3000


def test_muting_from_another_thread_ends_a_transmit_stream(usrp, burst):
    def write():
        with usrp.radio.transmit_stream() as stream:
            while True:
                stream.write(burst().samples)

    error, _ = struck(write, usrp.device, usrp.radio.mute)
    assert "muted" in str(error)
    assert silent(usrp.device)
