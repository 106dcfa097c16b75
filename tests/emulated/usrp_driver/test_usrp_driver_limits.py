"""Limits of transmission that hold whatever becomes of the program, and memory that two threads share."""

import json
import os
import signal
import threading

import numpy as np
import pytest

from hardware.errors import BadValueError, RadioBusyError

REPEATING = """
import sys
import numpy as np
from hardware.registry import open_radio
from sdr_gsc.capture import Capture
radio = open_radio(sys.argv[1], bench=sys.argv[2], sample_rate_hz=1e6, tx_gain_db=20)
with radio, radio.repeat(Capture(np.full(20_000, 0.3, np.complex64), 1e6)):
    print("on air", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def bench_file(tmp_path, monkeypatch):
    """A bench file that allows a radio so many seconds at a time."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def write(uri, seconds):
        path = tmp_path / "bench.toml"
        path.write_text(
            f"[[radio]]\nuri = {json.dumps(uri)}\n[[radio.allow]]\nband_hz = [2.4e9, 2.5e9]\nmax_tx_gain_db = 30\n"
            f"max_duration_s = {seconds}\nmax_duty = 1.0\n"
        )
        return path

    return write


def test_a_program_that_is_stopped_does_not_stop_the_end_of_its_transmission(
    brief_usrp, at, bench_file, program, until
):
    device = brief_usrp(token="")
    uri = at("usrp", device)
    process = program(REPEATING, uri, str(bench_file(uri, 1.0)))
    assert process.stdout.readline() == "on air\n"
    os.kill(process.pid, signal.SIGSTOP)
    try:
        until(lambda: not device.state()["transmitting"] and device.state()["tx_gain_db"] == [0.0, 0.0])
        assert device.state()["tx_samples"][0] > 0
    finally:
        os.kill(process.pid, signal.SIGCONT)


def test_a_repetition_that_starts_during_a_capture_leaves_both_whole(usrp, burst):
    """The worker's memory serves one at a time: what is received is not what is sent, and the other way round."""
    radio, sent = usrp.radio, burst(50_000, seed=9)
    found, started = [], threading.Event()

    def listen():
        started.set()
        found.append(radio.capture(400_000))

    listener = threading.Thread(target=listen)
    listener.start()
    started.wait()
    with radio.repeat(sent):
        listener.join()
        heard = radio.capture(200_000).samples
    # Exactly what was sent appears nowhere in what was received through air and converters.
    quiet = found[0].samples
    windows = quiet[: quiet.size // 50_000 * 50_000].reshape(-1, 50_000)
    assert not any(np.array_equal(row, sent.samples) for row in windows)
    spectrum = np.fft.ifft(np.fft.fft(heard[:50_000]) * np.fft.fft(sent.samples).conj())
    likeness = np.abs(spectrum).max() / np.linalg.norm(heard[:50_000]) / np.linalg.norm(sent.samples)
    assert likeness > 0.95


def test_closing_breaks_off_what_another_thread_receives(brief_usrp, at):
    from hardware.registry import open_radio

    radio = open_radio(at("usrp", brief_usrp()), sample_rate_hz=1e6)
    errors, begun = [], threading.Event()

    def listen():
        begun.set()
        try:
            radio.capture(60_000_000)
        except RadioBusyError as error:
            errors.append(error)

    listener = threading.Thread(target=listen)
    listener.start()
    begun.wait()
    while not radio.worker._running_id:  # noqa: SLF001 - the request is under way
        pass
    radio.close()
    listener.join(30)
    assert not listener.is_alive()
    assert len(errors) == 1


def test_more_than_memory_holds_is_refused_and_harms_nothing(pair):
    with pytest.raises(BadValueError, match="GiB"):
        pair.radio.capture(10**14)
    assert pair.radio.capture(1000).samples.size == 1000
