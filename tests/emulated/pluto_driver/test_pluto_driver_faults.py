"""What the Pluto driver makes of every fault: a typed error with a remedy, and a radio that can be used again."""

import errno
import socket
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from hardware.emulation.iio_faults import PlutoFaults
from hardware.emulation.token import issue_token
from hardware.errors import (
    BadValueError,
    DisconnectedError,
    DriverMissingError,
    RadioBusyError,
    RadioError,
    RadioNotFoundError,
    RadioTimeoutError,
    SampleOverflowError,
)
from hardware.registry import open_radio
from hardware.retrying import exchange_with_retry
from sdr_gsc.capture import Capture

pytestmark = pytest.mark.timeout(60)

BURST = Capture(np.full(2000, 0.1, np.complex64), 4e6)


def assert_good(radio):
    received = radio.exchange(BURST).samples
    np.testing.assert_allclose(np.abs(received[600:2400]), 0.1, atol=0.01)
    assert radio.muted


def mend(emulator):
    for name in PlutoFaults.__dataclass_fields__:
        setattr(emulator.faults, name, getattr(PlutoFaults(), name))


def test_nothing_listens_there(libiio, open_uri):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(
        RadioNotFoundError, match=r"no radio at ip:127.0.0.1:\d+: Connection refused; check the address"
    ):
        open_uri(f"pluto:ip:127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["ip:256.1.1.1", "ip:no-such-host.invalid", "usb:99.99.9", "nonsense", "ip:härte"])
def test_addresses_of_nothing(open_uri, libiio, address):
    with pytest.raises(RadioNotFoundError):
        open_uri(f"pluto:{address}")


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        ({"refuse_connections": True}, RadioNotFoundError, "closed the connection at once"),
        ({"context": "truncated"}, RadioNotFoundError, "does not describe itself as a radio"),
        ({"context": "garbage"}, RadioNotFoundError, "does not describe itself as a radio"),
        ({"frozen": True}, RadioTimeoutError, "does not answer"),
        ({"attribute_errno": {"ensm_mode": errno.EIO}}, DisconnectedError, "opening the radio failed"),
        ({"attribute_errno": {"hardwaregain": errno.EIO}}, DisconnectedError, "muting the transmitter failed"),
        ({"attribute_errno": {"raw": errno.EBUSY}}, RadioBusyError, "switching the tone generators off failed"),
    ],
)
def test_radios_that_cannot_be_opened(emulated_pluto, open_uri, may_transmit, fault, kind, message):
    emulator = emulated_pluto(realtime=False, token=may_transmit)
    for name, value in fault.items():
        setattr(emulator.faults, name, value)
    with pytest.raises(kind, match=message):
        open_uri(emulator.uri)
    mend(emulator)
    assert_good(open_uri(emulator.uri))


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        ({"busy": True}, RadioBusyError, "close the other program"),
        ({"read_errno": errno.ETIMEDOUT}, RadioTimeoutError, "receiving failed"),
        ({"read_delay_s": 2.5}, RadioTimeoutError, "receiving took too long"),
        ({"read_errno": errno.EIO}, DisconnectedError, "receiving failed: Input/output error"),
        ({"short_block": 0.5}, SampleOverflowError, r"the radio delivered \d+ of \d+ samples"),
        ({"short_block": 0.0}, SampleOverflowError, r"the radio delivered \d of \d+ samples"),
        ({"lost_samples": 100}, SampleOverflowError, "lost samples in the middle"),
        ({"write_errno": errno.EIO}, DisconnectedError, "transmitting failed"),
        ({"write_errno": errno.ETIMEDOUT}, RadioTimeoutError, "transmitting failed"),
        ({"write_delay_s": 2.5}, RadioTimeoutError, "transmitting took too long"),
    ],
)
def test_faults_that_the_same_radio_survives(open_pluto, fault, kind, message):
    emulator, radio = open_pluto()
    for name, value in fault.items():
        setattr(emulator.faults, name, value)
    with pytest.raises(kind, match=message):
        radio.exchange(BURST)
    assert radio.muted
    mend(emulator)
    if "read_delay_s" in fault or "write_delay_s" in fault:
        # The server holds the buffer until its delay is over.
        _, failed = exchange_with_retry(lambda: Again(radio), BURST, attempts=20)
        assert {one.kind for one in failed} <= {"RadioTimeoutError"}
    assert_good(radio)
    assert not emulator.state()["transmitting"]
    assert emulator.state()["tx_gain_db"] == -89.75


class Again:
    """An open radio, to be used again and again; a busy one was too slow to let go."""

    def __init__(self, radio):
        self.radio = radio

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def exchange(self, burst, *, listen_s=None):
        try:
            return self.radio.exchange(burst, listen_s=listen_s)
        except RadioBusyError as error:
            raise RadioTimeoutError(error.problem) from error


@pytest.mark.parametrize("fault", [{"cut_read_at": 0}, {"cut_write": True}])
def test_a_cable_pulled_in_the_middle_of_a_burst(open_pluto, open_uri, fault):
    emulator, radio = open_pluto()
    for name, value in fault.items():
        setattr(emulator.faults, name, value)
    with pytest.raises(DisconnectedError, match="the connection to .* broke; open the radio again"):
        radio.exchange(BURST)
    mend(emulator)
    # Muted all the same: through a connection of its own.
    state = emulator.state()
    assert (state["transmitting"], state["tx_gain_db"], state["tx_lo_on"]) == (False, -89.75, False)
    with pytest.raises(DisconnectedError, match="is gone; open the radio again"):
        radio.capture(100)
    assert_good(open_uri(emulator.uri))


def test_a_cable_pulled_at_rest_and_during_a_repetition(open_pluto, open_uri):
    emulator, radio = open_pluto()
    emulator.pull_cable()
    with pytest.raises(DisconnectedError, match="open the radio again"):
        radio.configure(radio.settings)
    radio = open_uri(emulator.uri)
    with pytest.raises(DisconnectedError), radio.repeat(BURST):
        emulator.pull_cable()
    assert not emulator.state()["transmitting"]
    assert_good(open_uri(emulator.uri))


def test_a_radio_that_lost_its_power_is_set_again_when_it_is_opened(open_pluto, open_uri):
    emulator, radio = open_pluto(rx_gain_db=33.0)
    emulator.cycle_power()
    with pytest.raises(DisconnectedError):
        radio.exchange(BURST)
    again = open_uri(emulator.uri, rx_gain_db=33.0)
    assert emulator.state()["rx_gains_db"] == (33.0,)
    assert_good(replaced(again))


def replaced(radio):
    radio.configure(replace(radio.settings, rx_gain_db=40.0))
    return radio


@pytest.mark.parametrize("when", ["exchange", "configure", "repeat", "stream"])
def test_a_frozen_radio(open_pluto, open_uri, when):
    emulator, radio = open_pluto()

    def act():
        if when == "exchange":
            emulator.faults.frozen = True
            radio.exchange(BURST)
        elif when == "configure":
            emulator.faults.frozen = True
            radio.configure(radio.settings)
        elif when == "repeat":
            with radio.repeat(BURST):
                emulator.faults.frozen = True
        else:
            with radio.transmit_stream() as stream:
                emulator.faults.frozen = True
                stream.write(np.zeros(200_000, np.complex64))

    with pytest.raises(DisconnectedError, match="does not answer any more"):
        act()
    mend(emulator)
    emulator.pull_cable()
    assert_good(open_uri(emulator.uri))


@pytest.mark.parametrize(
    ("attribute", "number", "kind", "message"),
    [
        ("frequency", errno.EINVAL, BadValueError, "setting the frequency failed: Invalid argument"),
        ("sampling_frequency", errno.EINVAL, BadValueError, "setting the sample rate failed"),
        ("rf_bandwidth", errno.EINVAL, BadValueError, "setting the bandwidth failed"),
        ("gain_control_mode", errno.EOPNOTSUPP, BadValueError, "setting the receive gain failed"),
        ("hardwaregain", errno.ETIMEDOUT, RadioTimeoutError, "setting the receive gain failed"),
        ("filter_fir_config", errno.EBUSY, RadioBusyError, "setting the sample rate failed"),
        ("frequency", errno.ENODEV, DisconnectedError, "plug the radio in"),
    ],
)
def test_attributes_that_are_refused(open_pluto, attribute, number, kind, message):
    emulator, radio = open_pluto(realtime=False)
    before = radio.settings
    emulator.faults.attribute_errno[attribute] = number
    with pytest.raises(kind, match=message):
        radio.configure(replace(before, sample_rate_hz=5e6))
    emulator.faults.attribute_errno.clear()
    # Half of it may have been written: with the next use, the radio is set again as it was.
    assert radio.settings == before
    assert_good(radio)
    assert emulator.state()["sample_rate_hz"] == before.sample_rate_hz


def test_muting_that_fails_is_told_and_tried_again(open_pluto):
    emulator, radio = open_pluto(realtime=False)

    def repeat_and_fail():
        with radio.repeat(BURST):
            emulator.faults.attribute_errno["powerdown"] = errno.EIO

    with pytest.raises(DisconnectedError, match="muting the transmitter failed"):
        repeat_and_fail()
    assert not radio.muted
    assert emulator.state()["tx_lo_on"]
    emulator.faults.attribute_errno.clear()
    assert_good(radio)
    assert not emulator.state()["tx_lo_on"]


@pytest.mark.parametrize("attribute", ["powerdown", "hardwaregain"])
def test_muting_does_all_it_can_and_closing_tries_it_anew(open_pluto, attribute):
    emulator, radio = open_pluto(realtime=False)
    repetition = radio.repeat(BURST)
    repetition.__enter__()
    emulator.faults.attribute_errno[attribute] = errno.EIO
    with pytest.raises(DisconnectedError, match="switch the radio off: it may still transmit"):
        repetition.__exit__(None, None, None)
    state = emulator.state()
    assert (state["tx_lo_on"], state["tx_gain_db"]) == ((True, -89.75) if attribute == "powerdown" else (False, -10.0))
    with pytest.raises(DisconnectedError, match="switch the radio off: it may still transmit"):
        radio.close()
    assert not radio.muted


def test_a_radio_that_cannot_be_opened_is_muted_first(emulated_pluto, iio_client, open_uri, may_transmit):
    emulator = emulated_pluto(realtime=False, token=may_transmit)
    iio_client(emulator).tune().sdr.dds_single_tone(100_000, 0.5)
    assert emulator.state()["transmitting"]
    emulator.faults.attribute_errno["ensm_mode"] = errno.EIO
    with pytest.raises(DisconnectedError, match="opening the radio failed"):
        open_uri(emulator.uri)
    state = emulator.state()
    assert (state["tx_lo_on"], state["tx_gain_db"]) == (False, -89.75)


def test_one_fault_in_a_hundred_bursts_loses_none(open_pluto, open_uri):
    emulator, radio = open_pluto(realtime=False)
    uri = radio.uri
    radio.close()
    # One read and one write each: 4 % of the blocks make 1 % and more of the bursts fail.
    emulator.faults.fault_rate, emulator.faults.fault_seed = 0.04, 1
    emulator.faults.write_faults = ("error", "cable")  # a cyclic buffer cannot run dry
    failures = []
    for _ in range(100):
        received, failed = exchange_with_retry(lambda: open_radio(uri), BURST, attempts=5)
        np.testing.assert_allclose(np.abs(received.samples[600:2400]), 0.1, atol=0.01)
        failures += failed
    assert len(failures) == emulator.state()["faults_drawn"] > 0
    assert all(one.message for one in failures)


def test_when_every_attempt_fails_all_are_reported(open_pluto):
    emulator, radio = open_pluto(realtime=False)
    emulator.faults.lost_samples = 10
    with pytest.raises(SampleOverflowError) as caught:
        exchange_with_retry(radio, BURST, attempts=3)
    assert len(caught.value.__notes__) == 2


EMULATOR = """
import sys, threading
from hardware.emulation.air import Air
from hardware.emulation.pluto import EmulatedPluto
from sdr_gsc.channel.profile import ChannelProfile
with EmulatedPluto(Air(ChannelProfile()).antenna("a"), token=sys.argv[1]) as emulator:
    print(emulator.uri, flush=True)
    threading.Event().wait()
"""


@pytest.mark.parametrize("when", ["exchange", "repeat", "stream"])
def test_an_emulator_that_is_killed_and_a_fresh_one(libiio, own_folders, open_uri, when):
    token = issue_token()

    def start():
        child = subprocess.Popen([sys.executable, "-c", EMULATOR, token.text], stdout=subprocess.PIPE, text=True)
        return child, child.stdout.readline().strip()

    child, uri = start()
    other, other_uri = start()
    try:
        radio = open_uri(uri)

        def act():
            if when == "repeat":
                with radio.repeat(BURST):
                    child.kill()
                    child.wait()
            elif when == "stream":
                with radio.receive_stream(1000) as stream:
                    for number, _ in enumerate(stream):
                        if number == 3:
                            child.kill()
            else:
                child.kill()
                radio.exchange(BURST)

        with pytest.raises(DisconnectedError, match="does not answer any more; open the radio again"):
            act()
        if when != "stream":
            assert not radio.muted
            with pytest.raises(RadioError, match="switch the radio off: it may still transmit"):
                radio.close()
        assert_good(open_uri(other_uri))
    finally:
        for process in (child, other):
            process.kill()
            process.wait()
            process.stdout.close()
        token.revoke()


CRASHER = """
import gc, sys
import numpy as np
from hardware.errors import RadioError
from hardware.registry import open_radio
from sdr_gsc.capture import Capture

class Holder:
    pass

kinds = set()
for attempt in range(12):
    holder = Holder()
    holder.me = holder
    try:
        # Not closed, kept in cycles, and the traceback with it: whatever order the collector likes.
        holder.radio = open_radio(sys.argv[1 + attempt // 3])
        holder.stream = holder.radio.receive_stream(1000).__enter__()
        if attempt % 2:
            for block in holder.stream:
                pass
        else:
            holder.radio.exchange(Capture(np.zeros(100, np.complex64), 4e6))
    except RadioError as error:
        holder.error = error
        kinds.add(type(error).__name__)
    if attempt % 3 < 2:
        holder.radio.close()
    del holder
    gc.collect()
print(sorted(kinds), flush=True)
"""


def test_errors_do_not_crash_the_interpreter(libiio, emulated_pluto, may_transmit):
    # A radio that is not closed stays in use: the next attempts take another one.
    emulators = [emulated_pluto(realtime=False, token=may_transmit) for _ in range(4)]
    for emulator in emulators:
        emulator.faults.read_errno, emulator.faults.read_errno_from = errno.EIO, 2
    uris = [emulator.uri for emulator in emulators]
    done = subprocess.run([sys.executable, "-c", CRASHER, *uris], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "DisconnectedError" in done.stdout


def test_a_library_that_is_missing_is_named_with_its_command(own_folders):
    code = (
        "import sys; sys.modules[sys.argv[1]] = None; import hardware.registry as r; r.open_radio('pluto:ip:127.0.0.1')"
    )
    for module, command in (("iio", "pip install 'pyadi-iio>=0.0.21' 'pylibiio>=0.25,<1'"), ("adi", "pip install")):
        done = subprocess.run([sys.executable, "-c", code, module], capture_output=True, text=True)
        assert DriverMissingError.__name__ in done.stderr
        assert command in done.stderr
