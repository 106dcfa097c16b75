"""The drivers usrp: and soapy: over the real libuhd and SoapySDR, against emulated USRPs."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from hardware.emulation.air import Air
from hardware.emulation.token import issue_token
from hardware.emulation.usrp import EmulatedUsrp
from hardware.errors import DriverMissingError
from hardware.registry import open_radio
from sdr_gsc.capture import Capture
from sdr_gsc.channel.profile import ChannelProfile

RATE_HZ = 1e6


@pytest.fixture(scope="session")
def token():
    issued = issue_token()
    yield issued.text
    issued.revoke()


@pytest.fixture(scope="session")
def start_usrp(token):
    """Start emulated USRPs that live until all tests are over, each on an air of its own: quiet, without echoes."""
    with contextlib.ExitStack() as stack:

        def start(**options):
            air = Air(ChannelProfile(name="flat"), seed=3, noise_dbfs=-90)
            return stack.enter_context(EmulatedUsrp(air.antenna("usrp", n_ports=2), **{"token": token, **options}))

        yield start


@pytest.fixture
def brief_usrp(start_usrp):
    """An emulated USRP for one test that may break it."""
    devices = []

    def start(**options):
        devices.append(start_usrp(**options))
        return devices[-1]

    yield start
    for device in devices:
        device.stop()


def address(scheme, device, options=""):
    """URI of an emulated USRP over either library."""
    arguments = device.uri.partition(":")[2]
    return f"usrp:{arguments}" if scheme == "usrp" else f"soapy:driver=uhd,{arguments}{options}"


class OpenRadio:
    """An emulated USRP and the radio that is open on it; both are as new for every test."""

    def __init__(self, scheme, device):
        self.scheme = scheme
        self.device = device
        self.radio = open_radio(address(scheme, device), sample_rate_hz=RATE_HZ)
        self.start = self.radio.settings

    def refresh(self):
        self.device.faults.clear()
        self.radio.configure(self.start)


@pytest.fixture(scope="session")
def open_pairs(start_usrp):
    try:
        pairs = {scheme: OpenRadio(scheme, start_usrp()) for scheme in ("usrp", "soapy")}
    except DriverMissingError as error:  # says what to install
        pytest.fail(str(error))
    yield pairs
    for pair in pairs.values():
        pair.radio.close()


@pytest.fixture(params=["usrp", "soapy"])
def pair(request, open_pairs):
    """Radio and device, for both libraries."""
    found = open_pairs[request.param]
    found.refresh()
    yield found
    found.device.faults.clear()


@pytest.fixture
def usrp(open_pairs):
    """Radio and device, over libuhd."""
    open_pairs["usrp"].refresh()
    yield open_pairs["usrp"]
    open_pairs["usrp"].device.faults.clear()


@pytest.fixture
def burst():
    """Seeded noise, rails within 0.4."""

    def make(n_samples=3000, seed=0, rate_hz=RATE_HZ):
        rails = np.random.default_rng(seed).uniform(-0.4, 0.4, (n_samples, 2)).astype(np.float32)
        return Capture(rails.view(np.complex64)[:, 0], rate_hz)

    return make


@pytest.fixture
def until():
    """Wait for something to come true; fails when it does not."""

    def wait(holds, seconds=8.0):
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not come true"
            time.sleep(0.02)

    return wait


@pytest.fixture
def program():
    """Run Python code in a process of its own, with what it prints as text; it is ended after the test."""
    running = []

    def start(code, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def place(received, sent):
    """Where a burst lies in a capture, and its complex gain: index, gain, error relative to the signal."""
    size = 1 << (received.size + sent.size - 1).bit_length()
    match = np.fft.ifft(np.fft.fft(received, size) * np.conj(np.fft.fft(sent, size)))[: received.size]
    start = int(np.argmax(np.abs(match)))
    piece = received[start : start + sent.size]
    gain = np.vdot(sent[: piece.size], piece) / np.vdot(sent, sent)
    error = np.linalg.norm(piece - gain * sent[: piece.size]) / np.linalg.norm(gain * sent)
    return start, gain, float(error)


@pytest.fixture
def find():
    return place


@pytest.fixture
def at():
    return address


@pytest.fixture
def with_settings():
    """Configure a radio with some settings changed."""

    def change(radio, **changes):
        return radio.configure(replace(radio.settings, **changes))

    return change
