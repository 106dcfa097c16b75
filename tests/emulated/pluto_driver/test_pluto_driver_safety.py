"""Nothing leaves a Pluto that may not, and nothing goes on when its program ends, however it ends."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from hardware.emulation.token import issue_token
from hardware.errors import ForbiddenError, RadioBusyError
from sdr_gsc.capture import Capture

pytestmark = pytest.mark.timeout(60)

BURST = Capture(np.full(2000, 0.1, np.complex64), 4e6)


class WatchedAir:
    """An air that keeps the gains of everything that was ever transmitted on it."""

    def __init__(self, air):
        self.air, self.heard = air, []

    def antenna(self, name, **options):
        antenna = self.air.antenna(name, **options)
        transmit = antenna.transmit

        def transmit_and_tell(port, *arguments, **settings):
            self.heard.append(settings["gain_db"])
            return transmit(port, *arguments, **settings)

        antenna.transmit = transmit_and_tell
        return antenna


@pytest.fixture
def watched_air(flat_air):
    return WatchedAir(flat_air)


def assert_muted(emulator):
    state = emulator.state()
    assert not state["transmitting"]
    assert not state["transmit_buffer"]
    assert not state["tx_lo_on"]
    assert state["tx_gain_db"] == -89.75


def wait_until_muted(emulator):
    # Several writes mute a radio, one after the other; what is asked for is the state after the last.
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        state = emulator.state()
        if not (state["transmitting"] or state["tx_lo_on"]) and state["tx_gain_db"] == -89.75:
            break
        time.sleep(0.01)
    assert_muted(emulator)


def attempts(radio):
    with pytest.raises(ForbiddenError) as caught:
        radio.exchange(BURST)
    yield caught.value
    with pytest.raises(ForbiddenError) as caught, radio.repeat(BURST):
        pytest.fail("it transmits")
    yield caught.value
    with pytest.raises(ForbiddenError) as caught, radio.transmit_stream():
        pytest.fail("it transmits")
    yield caught.value


@pytest.mark.parametrize("token", ["", "made up", "revoked"])
def test_a_loopback_address_or_a_foreign_token_proves_nothing(watched_air, emulated_pluto, open_uri, token):
    if token == "revoked":
        issued = issue_token()
        issued.revoke()
        token = issued.text
    emulator = emulated_pluto(watched_air, token=token)
    radio = open_uri(emulator.uri)
    # As cautious as with a real one, whose settings are unknown.
    assert radio.settings.tx_gain_db == -89.75
    for error in attempts(radio):
        assert emulator.uri in str(error)
        assert f"serial emulated{emulator.port}" in str(error)
        assert "[[radio.allow]]" in str(error)
        assert_muted(emulator)
    assert watched_air.heard == []
    assert radio.capture(100).samples.size == 100


def test_the_bench_file_allows_exactly_what_it_says(watched_air, emulated_pluto, open_uri, tmp_path):
    emulator = emulated_pluto(watched_air)
    bench = tmp_path / "own.toml"
    bench.write_text(
        f'[[radio]]\nuri = "{emulator.uri}"\n[radio.defaults]\ntx_gain_db = -20\nrx_gain_db = 30\n'
        "[[radio.allow]]\nband_hz = [2.4e9, 2.4835e9]\nmax_tx_gain_db = -20\nmax_duration_s = 0.5\nmax_duty = 0.9\n"
    )
    radio = open_uri(emulator.uri, bench=bench)
    assert (radio.settings.tx_gain_db, radio.settings.rx_gain_db) == (-20.0, 30.0)
    received = radio.exchange(BURST).samples
    np.testing.assert_allclose(np.abs(received[600:2400]), 0.1 / 10, atol=0.002)
    assert set(watched_air.heard) == {-20.0}
    del watched_air.heard[:]
    radio.close()
    for changes, message in (
        ({"tx_gain_db": -10.0}, "max_tx_gain_db is -20"),
        ({"center_frequency_hz": 915e6}, "covers that band"),
    ):
        loud = open_uri(emulator.uri, bench=bench, **changes)
        for error in attempts(loud):
            assert message in str(error)
            assert str(bench) in str(error)
        loud.close()
    assert watched_air.heard == []


def test_a_repetition_ends_when_its_time_is_over(watched_air, emulated_pluto, open_uri, tmp_path):
    emulator = emulated_pluto(watched_air)
    bench = tmp_path / "own.toml"
    bench.write_text(
        f'[[radio]]\nuri = "{emulator.uri}"\n[[radio.allow]]\nband_hz = [2.4e9, 2.4835e9]\n'
        "max_tx_gain_db = -20\nmax_duration_s = 0.3\nmax_duty = 1\n"
    )
    radio = open_uri(emulator.uri, bench=bench, tx_gain_db=-30.0)

    def forget_it():
        with radio.repeat(BURST):
            assert emulator.state()["transmitting"]
            wait_until_muted(emulator)

    with pytest.raises(ForbiddenError, match="cut short after 0.3 s"):
        forget_it()
    with pytest.raises(ForbiddenError, match="max_duration_s is 0.3"):
        radio.exchange(Capture(np.zeros(600_000, np.complex64), 4e6))
    assert radio.muted


def test_leaving_the_block_mutes(open_pluto):
    emulator, radio = open_pluto()
    with radio, radio.repeat(BURST):
        assert emulator.state()["transmitting"]
    assert_muted(emulator)


def test_an_error_in_the_block_mutes(open_pluto):
    emulator, radio = open_pluto()
    with pytest.raises(ZeroDivisionError), radio, radio.repeat(BURST):
        raise ZeroDivisionError
    assert_muted(emulator)


def test_a_radio_that_may_transmit_is_silent_until_it_does(watched_air, emulated_pluto, open_uri, may_transmit):
    emulator = emulated_pluto(watched_air, token=may_transmit)
    radio = open_uri(emulator.uri, tx_gain_db=0.0)
    assert_muted(emulator)
    radio.configure(radio.settings)
    radio.capture(1000)
    assert watched_air.heard == []
    assert_muted(emulator)
    radio.exchange(BURST)
    assert_muted(emulator)


def test_muting_is_allowed_at_any_time(open_pluto):
    emulator, radio = open_pluto()
    radio.mute()
    with radio.repeat(BURST):
        radio.mute()
        assert_muted(emulator)
        assert radio.muted
    radio.close()
    radio.mute()


CHILD = """
import signal, sys, threading, time
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts its background jobs
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests were started with, nohup too
import numpy as np
from hardware.registry import open_radio
from sdr_gsc.capture import Capture

uri, how = sys.argv[1:]
burst = Capture(np.full(2000, 0.1, np.complex64), 4e6)

def on_air():
    print("transmitting", flush=True)

if how == "forgotten":
    radio = open_radio(uri)
    repetition = radio.repeat(burst)
    repetition.__enter__()
    on_air()
    sys.stdin.readline()
    sys.exit(3)
with open_radio(uri) as radio:
    if how == "stream":
        with radio.transmit_stream() as stream:
            stream.write(np.full(100_000, 0.1, np.complex64))
            on_air()
            while True:
                stream.write(burst.samples)
    with radio.repeat(burst):
        on_air()
        if how == "capture":
            while True:
                radio.capture(1_000_000)
        sys.stdin.readline()
        if how == "exit":
            sys.exit(3)
        if how == "error":
            raise ZeroDivisionError
        if how == "wait":
            time.sleep(60)
"""


def run_child(emulator, how, act):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, emulator.uri, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with child:
        try:
            assert child.stdout.readline() == "transmitting\n"
            assert emulator.state()["transmitting"]
            act(child)
            return child.wait(timeout=30)
        finally:
            child.kill()


@pytest.mark.parametrize(
    ("how", "number"),
    [
        ("wait", signal.SIGTERM),
        ("wait", signal.SIGINT),
        ("wait", signal.SIGHUP),
        ("stream", signal.SIGTERM),
        ("stream", signal.SIGINT),
        ("capture", signal.SIGTERM),
    ],
)
def test_signals_mute(emulated_pluto, may_transmit, how, number):
    emulator = emulated_pluto(token=may_transmit)
    assert run_child(emulator, how, lambda child: child.send_signal(number)) != 0
    assert_muted(emulator)


@pytest.mark.parametrize("how", ["exit", "error", "return", "forgotten"])
def test_every_end_of_the_program_mutes(emulated_pluto, may_transmit, how):
    emulator = emulated_pluto(token=may_transmit)

    def go_on(child):
        child.stdin.write("\n")
        child.stdin.flush()

    status = run_child(emulator, how, go_on)
    assert status == {"exit": 3, "error": 1, "return": 0, "forgotten": 3}[how]
    assert_muted(emulator)


def test_a_program_that_is_killed_stops_transmitting(emulated_pluto, may_transmit, open_uri):
    emulator = emulated_pluto(token=may_transmit)
    run_child(emulator, "wait", lambda child: child.kill())
    deadline = time.monotonic() + 20
    # No program can prevent this: the radio's own server ends the samples, the oscillator stays on ...
    while emulator.state()["transmitting"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # ... until the radio is opened again.
    open_uri(emulator.uri)
    assert_muted(emulator)


def test_a_second_program_is_kept_away_from_a_transmission(open_pluto, open_uri):
    emulator, radio = open_pluto(tx_gain_db=-20.0)
    with radio.repeat(BURST):
        with pytest.raises(RadioBusyError, match="another program of this computer uses"):
            open_uri(emulator.uri, center_frequency_hz=2.41e9)
        code = "import sys; from hardware.registry import open_radio; open_radio(sys.argv[1])"
        other = subprocess.run([sys.executable, "-c", code, emulator.uri], capture_output=True, text=True, check=False)
        assert "RadioBusyError" in other.stderr
        state = emulator.state()
        assert (state["transmitting"], state["tx_gain_db"]) == (True, -20.0)
    radio.close()
    open_uri(emulator.uri)
