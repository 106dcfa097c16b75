"""Campaigns over a radio: faults are tried again, and a radio that vanishes costs what it had in hand."""

import json
import subprocess
import sys
import threading
import time

from experiments.benchmarks.emulated import emulated
from experiments.cli import main

AIR = ("--profile", "ideal", "--esn0-db", "25")
CONFIG = """
name = "bench"
radio = "{radio}"
side_px = 64
seed = 3

[grid]
cbr = [24]
pictures = ["coffee"]
repetitions = {repetitions}

[[series]]
name = "direct"
decoders = ["mmse"]
"""


def lines(run):
    path = run / "trials.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def test_a_radio_with_faults_brings_every_trial_home(tmp_path, capsys):
    with emulated(["pluto"], "--fault", "fault_rate=0.3", "--seed", "5", *AIR) as (uri,):
        config = tmp_path / "bench.toml"
        config.write_text(CONFIG.format(radio=uri, repetitions=8))
        status = main(["run", str(config), "--out", str(tmp_path / "run"), "--workers", "0", "--json"])
    assert status == 0, capsys.readouterr().err
    found = lines(tmp_path / "run")
    assert len(found) == 8
    assert all(line["received"] and line["radio"] == uri for line in found)
    assert any(line["failed_attempts"] for line in found)


def test_a_radio_that_vanishes_costs_what_it_had_in_hand(tmp_path, capsys):
    run, config = tmp_path / "run", tmp_path / "bench.toml"
    emulate = [sys.executable, "-m", "experiments.cli", "emulate", "pluto", "--json", *AIR]
    with subprocess.Popen(emulate, stdout=subprocess.PIPE, text=True) as radio:
        try:
            uri = json.loads(radio.stdout.readline())["uri"]
            config.write_text(CONFIG.format(radio=uri, repetitions=400))

            def pull_the_cable():
                while len(lines(run)) < 5 and radio.poll() is None:
                    time.sleep(0.01)
                radio.kill()

            puller = threading.Thread(target=pull_the_cable)
            puller.start()
            status = main(["run", str(config), "--out", str(run), "--workers", "0"])
            puller.join()
        finally:
            radio.kill()
    out, err = capsys.readouterr()
    assert status == 2
    assert "Traceback" not in err
    assert "sdr-gsc resume" in err.splitlines()[-1]
    good = [line for line in lines(run) if "failed" not in line]
    failed = [line for line in lines(run) if "failed" in line]
    assert len(good) >= 5
    assert all(line["received"] for line in good)
    # It stops long before the plan is used up, and says of each trial that was given up why.
    assert 0 < len(failed) <= 10
    assert all(line["failed"]["cause"] and line["failed"]["kind"] for line in failed)
