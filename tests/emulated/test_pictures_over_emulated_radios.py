"""Pictures through the real drivers: as good as over the simulated loop, whatever radio is in between."""

import contextlib
import json
import subprocess
import sys
import time

import pytest

from experiments.benchmarks.emulated import emulated
from experiments.cli import main

# Gaussian noise alone: what two links make of a picture can then be compared to a fraction of a decibel.
AIR = ("--profile", "ideal", "--channel", "delay_samples=300", "--channel", "random_phase=true")
ESN0_DB = 15.0


def send(capsys, *arguments):
    status = main(["send", "astronaut", "--cbr", "48", "--decoder", "mmse", "--json", *arguments])
    out, err = capsys.readouterr()
    assert status == 0, err
    return json.loads(out)


def psnr_db(result):
    return result["decoders"]["mmse"]["psnr_db"]


@pytest.fixture(scope="module")
def by_loopback():
    command = [
        sys.executable,
        "-m",
        "experiments.cli",
        "send",
        "astronaut",
        "--cbr",
        "48",
        "--decoder",
        "mmse",
        "--json",
    ]
    radio = ["--radio", "loopback:ideal", "--esn0-db", str(ESN0_DB)]
    done = subprocess.run([*command, *radio], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["pluto", "ad9361", "usrp", "soapy"])
def test_a_picture_is_as_good_as_over_the_simulated_loop(kind, by_loopback, capsys):
    with emulated(["usrp" if kind == "soapy" else kind], "--esn0-db", str(ESN0_DB), *AIR) as (uri,):
        radio = uri.replace("usrp:", "soapy:driver=uhd,", 1) if kind == "soapy" else uri
        result = send(capsys, "--radio", radio)
    assert "lost_frames" not in result
    assert "failed_attempts" not in result
    assert result["esn0_db"] == pytest.approx(by_loopback["esn0_db"], abs=0.6)
    assert psnr_db(result) == pytest.approx(psnr_db(by_loopback), abs=0.5)


def test_a_picture_stays_inside_the_chip(capsys):
    with emulated(["pluto"], "--esn0-db", str(ESN0_DB), *AIR) as (uri,):
        result = send(capsys, "--radio", uri, "--digital-loopback")
    # Twelve bits, full scale 12 dB above the burst's power: no noise but that of rounding.
    assert result["esn0_db"] > 55
    assert "lost_frames" not in result


def test_a_picture_goes_out_of_a_usrp_into_a_pluto(by_loopback, capsys):
    radios = emulated(["usrp", "pluto"], "--esn0-db", str(ESN0_DB), "--ppm", "2", "--ppm", "-3", *AIR)
    with radios as (usrp, pluto):
        result = send(capsys, "--tx", usrp, "--rx", pluto)
    assert result["radio"] == f"{usrp} -> {pluto}"
    assert "lost_frames" not in result
    assert psnr_db(result) == pytest.approx(psnr_db(by_loopback), abs=0.7)


@pytest.mark.parametrize("kind", ["pluto", "usrp"])
def test_a_radio_that_breaks_off_is_tried_again(kind, capsys):
    with emulated([kind], "--esn0-db", "30", "--fault", "fault_rate=0.3", "--seed", "5", *AIR) as (uri,):
        failures = 0
        for _ in range(4):
            result = send(capsys, "--radio", uri, "--attempts", "20")
            assert "lost_frames" not in result
            failed = result.get("failed_attempts", [])
            assert all(attempt["kind"] and attempt["message"] for attempt in failed)
            failures += len(failed)
    assert failures > 0


@pytest.mark.parametrize("kind", ["pluto", "usrp"])
def test_a_radio_that_is_killed_ends_in_one_clear_line(kind):
    """The emulator is killed while a long series of pictures is on its way; the sender says what happened and ends."""
    emulate = [sys.executable, "-m", "experiments.cli", "emulate", kind, "--json", *AIR]
    with contextlib.ExitStack() as programs:
        radio = programs.enter_context(subprocess.Popen(emulate, stdout=subprocess.PIPE, text=True))
        programs.callback(radio.kill)  # whatever fails, nothing is waited for that does not end
        uri = json.loads(radio.stdout.readline())["uri"]
        command = [sys.executable, "-m", "experiments.cli", "send", "astronaut", "--cbr", "12", "--decoder", "mmse"]
        many = (
            "import sys; from experiments.cli import main\n"
            "while not main(sys.argv[1:]): print('sent', flush=True)\n"
            "sys.exit(2)"
        )
        sender = programs.enter_context(subprocess.Popen(
            [sys.executable, "-c", many, *command[3:], "--json", "--attempts", "1", "--radio", uri],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ))  # fmt: skip
        programs.callback(sender.kill)
        while "sent" not in sender.stdout.readline():
            assert sender.poll() is None, sender.stderr.read()
        time.sleep(0.05)
        radio.kill()
        _, errors = sender.communicate(timeout=60)
    assert sender.returncode == 2
    last = errors.strip().splitlines()[-1]
    assert last.startswith("sdr-gsc: ")
    assert "Traceback" not in errors
    with emulated([kind], *AIR) as (fresh,):
        assert main(["send", "astronaut", "--cbr", "48", "--decoder", "mmse", "--json", "--radio", fresh]) == 0


def test_a_radio_without_permission_does_not_transmit(capsys, tmp_path, monkeypatch):
    """Without the token that only this user's emulator has, a loopback address is like any other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with emulated(["pluto"], *AIR) as (uri,):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        assert main(["send", "astronaut", "--radio", uri]) == 2
        refusal = capsys.readouterr().err
    assert "bench.toml" in refusal
    assert "[[radio]]" in refusal
