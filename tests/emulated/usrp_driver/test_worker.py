"""The worker as a process: how it starts, what it says, and that nothing it does can hold the program up."""

import ast
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardware.worker
from hardware.errors import DisconnectedError, DriverMissingError, RadioError
from hardware.registry import open_radio
from hardware.vendor.interpreter import INTERPRETER_VARIABLE, interpreter, require_hello
from hardware.vendor.process import VendorWorker
from hardware.worker.areas import SharedArea
from hardware.worker.framing import PROTOCOL_VERSION, MessageLink

PROGRAM = Path(hardware.worker.__file__).with_name("serve.py")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(messages=st.lists(st.dictionaries(st.text(), JSON, max_size=4), min_size=1, max_size=5), cut=st.integers(1, 50))
def test_messages_arrive_whole_however_they_are_cut(messages, cut):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for message in messages:
            MessageLink(ours).send(message)
        ours.shutdown(socket.SHUT_WR)
        wire = b"".join(iter(lambda: theirs.recv(1 << 20), b""))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link, received = MessageLink(theirs), []
        sender = threading.Thread(target=lambda: [ours.sendall(wire[k : k + cut]) for k in range(0, len(wire), cut)])
        sender.start()
        received = [link.receive(5.0) for _ in messages]
        sender.join()
    assert received == messages


def test_silence_an_end_and_noise_are_told_apart():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = MessageLink(ours)
        with pytest.raises(TimeoutError):
            link.receive(0.01)
        theirs.sendall(b"\xff" * 8)
        with pytest.raises(ValueError, match="bytes was announced"):
            link.receive(1.0)
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        with pytest.raises(EOFError):
            MessageLink(ours).receive(1.0)


def test_an_area_grows_while_arrays_are_in_use():
    area = SharedArea(os.memfd_create("test"))
    area.grow(80)
    first = area.samples(0, (10,))
    first[:] = 1j
    area.grow(8 << 20)
    large = area.samples(0, (1 << 20,))
    assert np.all(large[:10] == 1j)
    large[9] = 2
    assert first[9] == 2
    with pytest.raises(ValueError, match="shared area"):
        area.samples(8 << 20, (1,))
    area.close()
    area.close()
    with pytest.raises(OSError, match="descriptor"):
        area.grow(1 << 30)


@pytest.fixture(scope="module")
def worker():
    with VendorWorker("uhd") as running:
        yield running


def test_the_worker_runs_apart_from_this_interpreter(worker):
    assert worker.hello["protocol"] == PROTOCOL_VERSION
    assert worker.hello["python"] == interpreter()
    assert worker.hello["pid"] == worker.pid
    assert int(worker.hello["numpy"].split(".")[0]) < 2 <= int(np.__version__.split(".")[0])
    assert worker.hello["vendor_version"][0].isdigit()


def test_a_worker_of_another_version_is_not_spoken_to(worker):
    with pytest.raises(DriverMissingError, match="protocol 0, this program"):
        require_hello("uhd", {**worker.hello, "protocol": 0})


def test_errors_of_the_worker_are_typed_and_leave_it_alive(worker):
    with pytest.raises(RadioError, match="KeyError"):
        worker.request("fly", 2.0)
    with pytest.raises(RadioError):
        worker.request("capture", 2.0, receive=[0, 1, 1 << 20])
    assert worker.alive


def test_a_worker_that_does_not_answer_is_killed():
    with VendorWorker("uhd") as stopped:
        os.kill(stopped.pid, signal.SIGSTOP)
        with pytest.raises(DisconnectedError, match="does not answer any more"):
            stopped.request("mute", 0.3)
        assert not stopped.alive
        assert stopped.died
        with pytest.raises(ProcessLookupError):
            os.kill(stopped.pid, 0)
        with pytest.raises(DisconnectedError, match="is gone"):
            stopped.request("mute", 0.3)


class BareWorker:
    """A worker whose program never watches it."""

    def __init__(self):
        pairs = [socket.socketpair() for _ in range(3)]
        areas = [os.memfd_create("test") for _ in range(3)]
        descriptors = [theirs.fileno() for _, theirs in pairs] + areas
        self.process = subprocess.Popen([interpreter(), PROGRAM, "uhd", *map(str, descriptors)], pass_fds=descriptors)
        self.ours = [ours for ours, _ in pairs]
        self.link = MessageLink(self.ours[0])
        for _, theirs in pairs:
            theirs.close()
        self.bursts = SharedArea(areas[0])
        for descriptor in areas[1:]:
            os.close(descriptor)
        assert self.link.receive(15.0)["protocol"] == PROTOCOL_VERSION

    def ask(self, number, operation, deadline_s, **arguments):
        request = {"id": number, "operation": operation, "deadline_s": deadline_s, "arguments": arguments}
        self.link.send(request)

    def leave(self):
        for end in self.ours:
            end.close()
        self.bursts.close()


@pytest.fixture
def bare_worker():
    worker = BareWorker()
    yield worker
    worker.leave()
    worker.process.kill()
    worker.process.wait()


def test_a_call_that_lasts_too_long_ends_the_worker_though_nobody_watches(bare_worker, brief_usrp):
    """The kernel does it: a call that holds the interpreter's lock lets no thread see that the program is gone."""
    pairs = dict(pair.split("=") for pair in brief_usrp().device_arguments.split(","))
    settings = {"center_frequency_hz": 2.4e9, "tx_frequency_hz": 2.4e9, "sample_rate_hz": 1e6}
    settings |= {"tx_gain_db": 0, "rx_gain_db": 0, "bandwidth_hz": 2e7, "channels": [0], "clock_source": "internal"}
    bare_worker.ask(1, "open", 10.0, address=pairs)
    assert bare_worker.link.receive(10.0)["result"]["n_channels"] == 2
    bare_worker.ask(2, "configure", 10.0, settings=settings)
    assert bare_worker.link.receive(10.0)["result"]["unlocked"] == []
    bare_worker.bursts.grow(8 * 30_000_000)
    bare_worker.ask(3, "capture", 0.2, receive=[0, 1, 30_000_000])
    assert bare_worker.process.wait(10) == -signal.SIGALRM


def test_a_worker_leaves_when_its_program_is_gone(bare_worker):
    bare_worker.leave()
    assert bare_worker.process.wait(10) == 0


@pytest.mark.parametrize(
    ("scheme", "package", "found"),
    [
        ("usrp", "python3-uhd", "nothing"),
        ("usrp", "python3-uhd", "another interpreter"),
        ("usrp", "python3-uhd", "a library that crashes"),
        ("soapy", "python3-soapysdr soapysdr0.8-module-uhd", "another interpreter"),
    ],
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(scheme, package, found, monkeypatch, tmp_path):
    python = tmp_path / "python"
    if found == "another interpreter":
        python = sys.executable
    elif found == "a library that crashes":
        python.write_text("#!/bin/sh\necho _ARRAY_API not found >&2\nkill -SEGV $$\n")
        python.chmod(0o755)
    monkeypatch.setenv(INTERPRETER_VARIABLE, str(python))
    uri = "usrp:addr=127.0.0.1" if scheme == "usrp" else "soapy:driver=uhd,addr=127.0.0.1"
    with pytest.raises(DriverMissingError, match=f"apt install.*{package}") as caught:
        open_radio(uri)
    if found == "a library that crashes":
        assert "SIGSEGV" in str(caught.value)
        assert "_ARRAY_API not found" in str(caught.value)


def test_an_idle_worker_costs_no_time(worker):
    def cpu_s():
        fields = Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = cpu_s()
    time.sleep(0.5)
    assert cpu_s() - before < 0.1


def test_the_worker_imports_nothing_but_the_standard_library_numpy_and_its_vendor():
    files = list(PROGRAM.parent.glob("*.py"))
    imported = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
    assert imported - {file.stem for file in files} - sys.stdlib_module_names == {"SoapySDR", "numpy", "uhd"}
    assert not {file.stem for file in files} & (sys.stdlib_module_names | {"SoapySDR", "numpy", "uhd"})
