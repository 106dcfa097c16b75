"""One emulated USRP and one process with the real libuhd for all tests of this folder."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from hardware.emulation.air import Air
from hardware.emulation.usrp import EmulatedUsrp
from sdr_gsc.channel.profile import ChannelProfile

PYTHON = "/usr/bin/python3"
collect_ignore = ["uhd_child.py"]  # for that Python only


def _without_python(environment):
    return {key: value for key, value in environment.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}


class UhdError(RuntimeError):
    """What libuhd raised in its process, or that the process ended."""


class Uhd:
    """A process with libuhd: its functions are called as methods."""

    def __init__(self):
        self.process = subprocess.Popen(
            [PYTHON, Path(__file__).with_name("uhd_child.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # libuhd wants a home; nothing of this environment's Python may reach the other one.
            env={**_without_python(os.environ), "UHD_LOG_CONSOLE_LEVEL": "off"},
        )

    def __getattr__(self, name):
        def call(*arguments, patience_s=30.0, **keywords):
            timer = threading.Timer(patience_s, self.process.kill)
            timer.start()
            try:
                self.process.stdin.write(json.dumps([name, arguments, keywords]) + "\n")
                self.process.stdin.flush()
                for line in self.process.stdout:
                    if line.startswith("\x1e"):
                        answer = json.loads(line[1:])
                        if "error" in answer:
                            raise UhdError(answer["error"])
                        return answer["result"]
            finally:
                timer.cancel()
            raise UhdError(f"libuhd's process ended in {name}: on Debian, apt install python3-uhd provides uhd")

        return call

    def kill(self):
        """End the process as a crash would."""
        self.process.kill()
        self.process.communicate()


DELAY_SAMPLES = 123
CROSS_DB = -20.0
SETTINGS = {"rate_hz": 4e6, "frequency_hz": 915e6, "tx_gain_db": 79.75, "rx_gain_db": 40.0}


def pack(samples):
    samples = np.atleast_2d(np.asarray(samples, np.complex64))
    return {"shape": samples.shape, "data": base64.b64encode(samples.tobytes()).decode()}


def unpack(packed):
    return np.frombuffer(base64.b64decode(packed["data"]), np.complex64).reshape(packed["shape"])


class Bench:
    """An emulated device on a known channel, and libuhd that has made it."""

    def __init__(self, air, device, uhd):
        self.air = air
        self.device = device
        self.uhd = uhd

    def burst(self, samples, n_receive, **keywords):
        """A timed burst next to a timed capture; `samples` complex [channels, n] or [n]."""
        answer = self.uhd.burst(pack(samples), n_receive, **keywords)
        return {**answer, "samples": unpack(answer["samples"])}


def make_air(seed=3):
    profile = ChannelProfile(name="wire", delay_samples=float(DELAY_SAMPLES))
    return Air(profile, seed=seed, noise_dbfs=-70.0, cross_db=CROSS_DB)


@pytest.fixture
def air():
    """A channel of its own."""
    return make_air()


@pytest.fixture(scope="session")
def shared_bench():
    air = make_air()
    with EmulatedUsrp(air.antenna("usrp", n_ports=2), token="a token") as device:
        uhd = Uhd()
        try:
            uhd.make(device.device_arguments)
            yield Bench(air, device, uhd)
            uhd.release()
        finally:
            uhd.kill()


@pytest.fixture
def bench(shared_bench):
    """The shared device and libuhd, settled: no faults, nothing on its way, default settings."""
    shared_bench.device.faults.clear()
    shared_bench.uhd.configure(**SETTINGS)
    yield shared_bench
    shared_bench.device.faults.clear()
    deadline_s = time.monotonic() + 3.0
    while shared_bench.device.state()["transmitting"] and time.monotonic() < deadline_s:
        time.sleep(0.01)
    shared_bench.uhd.drain()


@pytest.fixture
def fresh_uhd():
    """Makes processes with libuhd, for tests that break something."""
    processes = []

    def start():
        processes.append(Uhd())
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


@pytest.fixture
def waveform(generator):
    """Makes noise of a peak of 0.5: waveform(n)."""

    def make(n):
        x = generator.standard_normal(n) + 1j * generator.standard_normal(n)
        return (0.5 * x / np.abs(x).max()).astype(np.complex64)

    return make
