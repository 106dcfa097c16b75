"""Campaigns that are killed, whose workers die, and that are run again on what they recorded."""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.campaign.lines import lasting
from experiments.cli import main
from sdr_gsc.semantic.picture import load_picture

CONFIG = """
name = "small"
radio = "loopback:office"
side_px = 64
seed = 11
keep = ["captures", "pictures"]
weights = "{weights}"

[grid]
esn0_db = [0, 12]
cbr = [24]
pictures = ["coffee", "rocket"]
repetitions = {repetitions}

[[series]]
name = "direct"
decoders = ["mmse"]
"""


@pytest.fixture
def config(models, tmp_path):
    def write(repetitions=3):
        path = tmp_path / "small.toml"
        path.write_text(CONFIG.format(weights=models, repetitions=repetitions))
        return path

    return write


def lines(run):
    return {line["trial"]: line for line in map(json.loads, (run / "trials.jsonl").read_text("utf-8").splitlines())}


def lasting_lines(run):
    found = lines(run)
    return {name: lasting(found[name]) for name in sorted(found)}


def kept_files(run):
    found = {path.relative_to(run): path.read_bytes() for path in sorted(run.glob("*/*")) if path.suffix == ".png"}
    return {name: data for name, data in found.items() if name.parts[0] == "pictures"}


def fork(*arguments):
    """The command line in a process of its own that has everything loaded already."""
    child = os.fork()
    if child == 0:
        try:
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 1)
                os.dup2(nowhere.fileno(), 2)
            os._exit(main(list(map(str, arguments))))
        finally:
            os._exit(70)
    return child


def test_killed_ten_times_at_random_instants_it_ends_as_if_it_had_not_been(sdr_gsc, config, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert sdr_gsc("run", config(10), "--out", whole, "--workers", "0", "--json").json["trials"] == 40
    assert sdr_gsc("run", config(10), "--out", killed, "--workers", "0", "--shard", "1/1000000").status == 0
    generator = random.Random(7)
    kills, progress = 0, []
    for _ in range(10):
        child = fork("resume", killed, "--workers", "0", "--shard", "1/1")
        time.sleep(generator.uniform(0.1, 0.6))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        kills += os.WIFSIGNALED(status)
        progress.append(len(lines(killed)) if (killed / "trials.jsonl").exists() else 0)
    assert kills >= 5, "the run ended before it could be killed"
    assert progress == sorted(progress)
    assert sdr_gsc("resume", killed, "--workers", "0", "--shard", "1/1", "--json").json["trials"] == 40
    assert lasting_lines(killed) == lasting_lines(whole)
    text = (killed / "trials.jsonl").read_text("utf-8").splitlines()
    assert len(text) == 40, "a trial was repeated"
    assert kept_files(killed) == kept_files(whole)


def workers_of(pid):
    """Process ids of a run's workers."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdigit() else []
            command = (entry / "cmdline").read_bytes() if fields else b""
        except OSError:  # it ended meanwhile
            continue
        if fields and int(fields[1]) == pid and b"experiments.campaign.worker" in command:
            found.append(int(entry.name))
    return found


def wait_for(what, process, limit_s=120.0):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if (found := what()) is not None:
            return found
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("it did not come to pass")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_a_dying_worker_costs_the_trial_in_its_hand_alone_and_a_killed_run_leaves_no_worker(
    config, tmp_path, monkeypatch, request
):
    # Nobody says how many threads there are: workers have one each, this process would have all processors.
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    request.addfinalizer(functools.partial(torch.set_num_threads, torch.get_num_threads()))
    torch.set_num_threads(2)
    run, path = tmp_path / "run", config(12)
    command = [sys.executable, "-m", "experiments.cli", "run", str(path), "--out", str(run), "--workers", "2", "--json"]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root)
    try:

        def some_lines():
            return True if (run / "trials.jsonl").exists() and len(lines(run)) >= 5 else None

        wait_for(some_lines, process)
        first, second = workers_of(process.pid)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: [pid for pid in workers_of(process.pid) if pid not in (first, second)] or None, process)
        survivors = workers_of(process.pid)
        process.kill()
        process.wait()
        end = time.monotonic() + 60
        while any(Path(f"/proc/{pid}").exists() for pid in survivors) and time.monotonic() < end:
            time.sleep(0.05)
        assert not any(Path(f"/proc/{pid}").exists() for pid in survivors)
    finally:
        process.kill()
        process.communicate()
    assert main(["resume", str(run), "--workers", "0"]) == 0
    found = lines(run)
    assert len(found) == 48
    assert not any("failed" in line for line in found.values())
    reference = tmp_path / "reference"
    assert main(["run", str(path), "--out", str(reference), "--workers", "0"]) == 0
    assert lasting_lines(run) == lasting_lines(reference)
    assert kept_files(run) == kept_files(reference)
    assert torch.get_num_threads() == 2


def test_what_was_recorded_gives_the_same_pictures_again(sdr_gsc, config, tmp_path):
    live, again = tmp_path / "live", tmp_path / "again"
    assert sdr_gsc("run", config(1), "--out", live, "--workers", "0").status == 0
    outcome = sdr_gsc("replay", live, "--out", again, "--workers", "0", "--json")
    assert outcome.json["trials"] == 4
    before, after = lines(live), lines(again)
    for name, line in before.items():
        assert lasting(after[name]["decoders"]) == lasting(line["decoders"])
        assert after[name]["radio"].startswith("replay:")
    compared = sdr_gsc("compare", live, again, "--json").json
    assert compared["trials"] == 4
    assert all(row["change"] == 0 for row in compared["rows"] if row["metric"] in ("psnr_db", "perceptual"))

    others = tmp_path / "others"
    outcome = sdr_gsc("replay", live, "--out", others, "--decoder", "mmse,refine:1", "--workers", "0", "--json")
    assert outcome.status == 0
    for name, line in lines(others).items():
        assert set(line["decoders"]) == {"mmse", "refine:1"}
        assert lasting(line["decoders"]["mmse"]) == lasting(before[name]["decoders"]["mmse"])


def test_a_run_is_run_again_from_itself_when_its_pictures_are_gone(sdr_gsc, models, photo, tmp_path):
    path = tmp_path / "own.toml"
    text = CONFIG.format(weights=models, repetitions=1)
    path.write_text(text.replace('"coffee", "rocket"', f'"{photo.name}"'))
    picture = path.with_name(photo.name)
    picture.write_bytes(photo.read_bytes())
    first, second = tmp_path / "first", tmp_path / "second"
    assert sdr_gsc("run", path, "--out", first, "--workers", "0").status == 0
    (first / "trials.jsonl").write_text("")
    picture.unlink()
    assert sdr_gsc("resume", first, "--workers", "0").status == 0
    refusal = sdr_gsc("run", path, "--out", second, "--workers", "0").refusal
    assert "there is no picture" in refusal
    assert np.isfinite(load_picture(next((first / "inputs").iterdir()))).all()


def test_shards_are_merged_exported_and_compared(sdr_gsc, config, tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    path = config(2)
    for index in (1, 2):
        shard = tmp_path / f"shard{index}"
        assert sdr_gsc("run", path, "--out", shard, "--workers", "0", "--shard", f"{index}/2").status == 0
        own = set(lines(shard))
        assert 0 < len(own) < 8
        assert sdr_gsc("resume", shard, "--workers", "0").status == 0
        assert set(lines(shard)) == own  # the part, not the plan
    merged = tmp_path / "merged"
    assert sdr_gsc("merge", tmp_path / "shard1", tmp_path / "shard2", "--out", merged, "--json").json["trials"] == 8
    assert (merged / "report.html").is_file()
    assert sdr_gsc("export", merged, tmp_path / "trials.parquet").status == 0
    table = parquet.read_table(tmp_path / "trials.parquet")
    found = {row["trial"]: row["psnr_db"] for row in table.to_pylist()}
    assert found == {name: line["decoders"]["mmse"]["psnr_db"] for name, line in lines(merged).items()}
