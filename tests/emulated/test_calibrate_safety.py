"""Calibrations leave the transmitter of a radio muted, however they end, and ask before they transmit."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from calibration.store import Store
from experiments.cli import main
from hardware.emulation.air import Air
from hardware.emulation.pluto import EmulatedPluto
from hardware.emulation.token import issue_token
from sdr_gsc.channel.front_end_faults import FrontEnd, with_ideal_front_ends
from sdr_gsc.channel.profile import profile


@pytest.fixture
def own_folders(tmp_path, monkeypatch):
    for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "HOME"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("SDR_GSC_BENCH", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextlib.contextmanager
def pluto(token):
    air = Air(with_ideal_front_ends(profile("cabled")), seed=1)
    with EmulatedPluto(air.antenna("pluto", front_ends=[FrontEnd.draw(11)]), token=token, serial="bench1") as device:
        yield device


def muted(device):
    state = device.state()
    return not state["transmitting"] and not state["tx_lo_on"] and state["tx_gain_db"] == -89.75


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_an_interrupted_calibration_leaves_the_transmitter_muted(libiio, own_folders, number):
    """The signal arrives in the middle of a transmission, at some moment of some procedure."""
    issued = issue_token()
    try:
        with pluto(issued.text) as device:
            command = [
                sys.executable, "-c", "import sys; from experiments.cli import main; sys.exit(main(sys.argv[1:]))",
                "calibrate", device.uri, "--what", "dc_offset,iq_balance", "--store", str(own_folders / "store"),
            ]  # fmt: skip
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
            ) as process:
                try:
                    deadline = time.monotonic() + 60
                    while not device.state()["transmitting"]:
                        assert process.poll() is None, process.stderr.read()
                        assert time.monotonic() < deadline
                        time.sleep(0.001)
                    process.send_signal(number)
                    _, errors = process.communicate(timeout=30)
                finally:
                    process.kill()
            assert muted(device)
            assert process.returncode in (130, 143)
            assert "Traceback" not in errors
        list(Store(own_folders / "store").records())
        assert not list(own_folders.rglob(".partial-*"))
    finally:
        issued.revoke()


def test_a_radio_that_is_no_emulated_one_transmits_nothing_without_a_bench_file(libiio, own_folders, capsys):
    with pluto("") as device:
        assert main(["calibrate", device.uri, "--what", "dc_offset", "--store", str(own_folders / "store")]) == 2
        refusal = capsys.readouterr().err
        assert "bench.toml" in refusal
        assert muted(device)
        assert not (own_folders / "store").exists()


def test_a_radio_may_be_asked_without_a_bench_file_what_is_known_of_it(libiio, own_folders, capsys):
    experiment = own_folders / "send.toml"
    with pluto("") as device:
        experiment.write_text(f'kind = "send"\nimage = "astronaut"\nradio = "{device.uri}"\n')
        assert main(["calibrate", "--check", str(experiment), "--what", "dc_offset", "--store", "store"]) == 1
        assert "missing" in capsys.readouterr().out
        assert muted(device)


def test_a_bench_file_bounds_what_a_calibration_transmits(libiio, own_folders, capsys):
    """Allowed at low gains only: what needs more is refused, and nothing of it is transmitted."""
    (own_folders / "bench.toml").write_text(
        '[[radio]]\nserial = "bench1"\n\n[radio.defaults]\ntx_gain_db = -10.0\n\n[[radio.allow]]\n'
        "band_hz = [2.4e9, 2.5e9]\nmax_tx_gain_db = -60.0\nmax_duration_s = 5.0\nmax_duty = 0.5\n"
    )
    with pluto("") as device:
        assert main(["calibrate", device.uri, "--what", "dc_offset", "--store", "store", "--bench", "bench.toml"]) == 2
        assert "max_tx_gain_db" in capsys.readouterr().err
        assert muted(device)
