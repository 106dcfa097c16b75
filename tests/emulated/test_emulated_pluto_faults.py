"""What pyadi-iio shows of every fault of an emulated Pluto, and that the radio is good again afterwards."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from hardware.emulation.iio_faults import FaultDice, PlutoFaults

RATE = 1_000_000


@pytest.fixture
def radio(emulated_pluto):
    return emulated_pluto(realtime=False)


@pytest.fixture
def client(radio, iio_client):
    return iio_client(radio).tune(rate=RATE)


@pytest.fixture
def hasty_client(radio, iio_client):
    return iio_client(radio, timeout_ms=400).tune(rate=RATE)


def errno_of(action):
    with pytest.raises(OSError) as caught:  # noqa: PT011 -- the number is what is asked for
        action()
    return caught.value.errno


def wait_for(condition, timeout_s=5.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def assert_good(client):
    assert client.sdr.rx_lo == 2_400_000_000
    client.stop_receiving()
    assert client.receive(1024).size == 1024


def test_refused_connection(radio, iio_client):
    radio.faults.refuse_connections = True
    assert errno_of(lambda: iio_client(radio)) in (errno.ECONNRESET, errno.EPIPE)
    radio.faults.refuse_connections = False
    assert_good(iio_client(radio).tune(rate=RATE))


@pytest.mark.parametrize("context", ["truncated", "garbage"])
def test_context_that_is_none(radio, iio_client, context, capfd):
    radio.faults.context = context
    assert errno_of(lambda: iio_client(radio)) == errno.EINVAL
    radio.faults.context = ""
    assert_good(iio_client(radio).tune(rate=RATE))
    capfd.readouterr()  # the XML library complains on stderr


def test_busy_device(radio, client, waveform):
    radio.faults.busy = True
    assert errno_of(client.receive) == errno.EBUSY
    assert errno_of(lambda: client.transmit(waveform(1000))) == errno.EBUSY
    assert not radio.state()["transmitting"]
    radio.faults.busy = False
    assert_good(client)


def test_second_client_is_busy_until_the_first_lets_go(radio, client, iio_client, waveform):
    second = iio_client(radio)
    client.receive()
    client.transmit(waveform(1000))
    assert errno_of(second.receive) == errno.EBUSY
    assert errno_of(lambda: second.transmit(waveform(1000))) == errno.EBUSY
    client.stop_receiving()
    client.stop_transmitting()
    assert second.receive().size == 1024
    second.transmit(waveform(1000))
    assert radio.state()["transmitting"]


def test_attribute_that_cannot_be_written(radio, client):
    radio.faults.attribute_errno["frequency"] = errno.EIO
    assert errno_of(lambda: setattr(client.sdr, "rx_lo", 915_000_000)) == errno.EIO
    radio.faults.attribute_errno.clear()
    assert_good(client)


def test_slow_attribute(radio, hasty_client, iio_client):
    radio.faults.attribute_delay_s = 0.8
    assert errno_of(lambda: hasty_client.sdr.rx_lo) in (errno.EPIPE, errno.ETIMEDOUT)
    radio.faults.attribute_delay_s = 0.0
    # What comes late would be taken for the next answer: the connection is lost.
    assert_good(iio_client(radio))


def test_server_slower_than_the_timeout(radio, hasty_client):
    hasty_client.receive()
    radio.faults.read_delay_s = 1.0
    started = time.monotonic()
    assert errno_of(hasty_client.receive) == errno.EPIPE  # not ETIMEDOUT
    assert time.monotonic() - started > 0.35
    radio.faults.read_delay_s = 0.0
    wait_for(lambda: not radio.state()["receive_buffer"])
    assert_good(hasty_client)


@pytest.mark.parametrize("number", [errno.ETIMEDOUT, errno.EIO])
def test_reading_fails_from_the_third_block_on(radio, client, number):
    radio.faults.read_errno, radio.faults.read_errno_from = number, 2
    for _ in range(2):
        assert client.receive().size == 1024
    assert errno_of(client.receive) == number
    assert client.receive().size == 1024  # a new buffer counts anew
    radio.faults.read_errno = 0
    assert_good(client)


def test_short_block_is_no_error(radio, client):
    radio.faults.short_block = 0.5
    assert client.receive().size == 512
    radio.faults.short_block = None
    assert client.receive().size == 1024
    assert_good(client)


def test_lost_samples_show_in_the_overflow_bit_alone(radio, client, waveform):
    client.sdr.loopback = 1
    client.transmit(waveform(1000))
    first = client.receive(1000)
    radio.faults.lost_samples = 100
    second = client.receive()
    assert (second[:900] == first[100:]).all()
    assert client.overflowed
    radio.faults.lost_samples = 0
    client.clear_flags()
    client.receive()
    assert not client.overflowed
    assert_good(client)


def test_underflow_bit(radio, client, waveform):
    radio.faults.underflow = True
    client.transmit(waveform(1000))
    assert client.underflowed
    radio.faults.underflow = False
    client.clear_flags()
    assert not client.underflowed
    assert_good(client)


def test_writing_fails(radio, client, waveform):
    radio.faults.write_errno = errno.EIO
    assert errno_of(lambda: client.transmit(waveform(1000))) == errno.EIO
    assert not radio.state()["transmitting"]
    radio.faults.write_errno = 0
    client.transmit(waveform(1000))
    assert radio.state()["transmitting"]
    assert_good(client)


def test_slow_answer_to_a_transmission(radio, hasty_client, waveform):
    radio.faults.write_delay_s = 1.0
    assert errno_of(lambda: hasty_client.transmit(waveform(1000))) == errno.EPIPE
    radio.faults.write_delay_s = 0.0
    wait_for(lambda: not radio.state()["transmit_buffer"])
    assert not radio.state()["transmitting"]
    assert_good(hasty_client)


def test_cable_pulled_in_the_middle_of_a_received_block(radio, client, iio_client, waveform):
    client.transmit(waveform(1000))
    radio.faults.cut_read_at = 1
    assert client.receive().size == 1024
    assert errno_of(client.receive) == errno.EPIPE
    wait_for(lambda: not radio.state()["transmitting"])
    assert errno_of(lambda: client.sdr.rx_lo) == errno.EPIPE
    assert_good(iio_client(radio))


def test_cable_pulled_in_the_middle_of_a_transmission(radio, client, iio_client, waveform):
    radio.faults.cut_write = True
    assert errno_of(lambda: client.transmit(waveform(1_000_000))) in (errno.EPIPE, errno.ECONNRESET)
    assert not radio.state()["transmitting"]
    again = iio_client(radio)
    again.transmit(waveform(1000))
    assert radio.state()["transmitting"]
    assert_good(again)


def test_cable_pulled_at_any_time(radio, client, iio_client, waveform):
    client.transmit(waveform(1000))
    client.receive()
    radio.pull_cable()
    assert not radio.state()["transmitting"]
    assert radio.state()["connections"] == 0
    assert errno_of(client.receive) == errno.EPIPE
    assert errno_of(lambda: client.sdr.rx_lo) == errno.EPIPE
    again = iio_client(radio)
    again.transmit(waveform(1000))
    assert_good(again)


def test_frozen_device(radio, hasty_client, iio_client, waveform):
    hasty_client.transmit(waveform(1000))
    radio.faults.frozen = True
    assert errno_of(lambda: hasty_client.sdr.rx_lo) in (errno.EPIPE, errno.ETIMEDOUT)
    assert radio.state()["transmitting"]  # nobody answers, and nobody stops it
    hasty_client.close()
    radio.faults.frozen = False
    wait_for(lambda: radio.state()["connections"] == 0)
    assert not radio.state()["transmitting"]
    assert_good(iio_client(radio))


def test_device_gone_for_good(emulated_pluto, iio_client, waveform):
    radio = emulated_pluto(realtime=False)
    client = iio_client(radio).tune(rate=RATE)
    client.transmit(waveform(1000))
    radio.__exit__(None, None, None)
    assert errno_of(client.receive) in (errno.EPIPE, errno.ECONNREFUSED)
    assert not radio.state()["transmitting"]


def test_killed_client_stops_transmitting(radio, iio_client):
    program = (
        "import sys, time, adi, iio, numpy\n"
        "context = iio.Context(sys.argv[1])\n"
        "radio = adi.Pluto(context)\n"
        "radio.tx_cyclic_buffer = True\n"
        "radio.tx(numpy.full(1000, 1000 + 0j))\n"
        "radio.rx()\n"
        "print('on', flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, radio.uri.split(":", 1)[1]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "on\n"
            assert radio.state()["transmitting"]
        finally:
            os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: radio.state()["connections"] == 0)
    assert not radio.state()["transmitting"]
    assert not radio.state()["receive_buffer"]
    assert_good(iio_client(radio).tune(rate=RATE))


def test_chance_is_seeded_and_has_its_rate():
    fates = []
    for _ in range(2):
        dice = FaultDice(PlutoFaults(fault_rate=0.01, fault_seed=7))
        fates.append([dice.read(index) for index in range(10_000)])
        assert 60 < dice.drawn < 140
        assert sum(fate != dice.read(0).__class__() for fate in fates[-1]) < 140
    assert fates[0] == fates[1]
    kinds = {(fate.number, fate.part, fate.lost_samples > 0, fate.cut) for fate in fates[0]}
    assert len(kinds) == 6  # five ways to fail, and none
    other = FaultDice(PlutoFaults(fault_rate=0.01, fault_seed=8))
    assert [other.read(index) for index in range(10_000)] != fates[0]


def test_faults_by_chance_reach_the_client(radio, client):
    radio.faults.fault_rate, radio.faults.fault_seed = 0.2, 3
    radio.faults.read_faults = ("error", "short", "lost")
    seen, numbers = 0, set()
    for _ in range(100):
        client.clear_flags()
        try:
            seen += client.receive().size < 1024 or client.overflowed
        except OSError as error:
            numbers.add(error.errno)
            seen += 1
    assert numbers == {errno.EIO}
    assert seen == radio.state()["faults_drawn"] > 5
    radio.faults.fault_rate = 0.0
    assert_good(client)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"DANCE\n", b"-22\n"),
        (b"READ\n", b"-22\n"),
        (b"READ iio:device9 name\n", b"-19\n"),
        (b"READ iio:device0 INPUT voltage7 rssi\n", b"-2\n"),
        (b"WRITE iio:device0 INPUT voltage0 rssi 3\n123", b"-13\n"),
        (b"WRITE iio:device0 ensm_mode -3\n", b"-22\n"),
        (b"TIMEOUT soon\n", b"-22\n"),
        (b"SET iio:device3 BUFFERS_COUNT 0\n", b"-22\n"),
        (b"GETTRIG iio:device3\n", b"-2\n"),
        (b"OPEN iio:device0 1024 00000003\n", b"-22\n"),
        (b"OPEN iio:device3 1024 00000000\n", b"-22\n"),
        (b"OPEN iio:device3 1024 000000f0\n", b"-22\n"),
        (b"OPEN iio:device3 99999999999 00000003\n", b"-12\n"),
        (b"READBUF iio:device3 4096\n", b"-9\n"),
        (b"WRITEBUF iio:device2 4096\n", b"-9\n"),
        (b"CLOSE iio:device3\n", b"-9\n"),
        (b"\xff\x00\xfe\n", b"-22\n"),
    ],
)
def test_requests_that_make_no_sense(radio, line, answer):
    with socket.create_connection(("127.0.0.1", radio.port), timeout=5) as raw, raw.makefile("rb") as lines:
        raw.sendall(line)
        assert lines.readline() == answer
        raw.sendall(b"VERSION\n")
        assert lines.readline().startswith(b"0.24.")
        raw.sendall(b"EXIT\n")
        assert lines.readline() == b""
