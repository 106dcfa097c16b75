"""Worker processes that do what processes do: print, die, hang, fork, say a lot, and are told to end twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.campaign import local
from experiments.campaign.inline import InlineEngine
from experiments.campaign.local import LocalEngine
from experiments.campaign.run_directory import RunDirectory
from experiments.campaign.running import CampaignStoppedError, run_campaign
from experiments.campaign.study import Trial
from experiments.sweeps.settings import SeriesSettings, SweepSettings

# The real worker, with a study whose trials misbehave in the way of their names.
STUB = """
import os, signal, subprocess, sys, threading, time
from experiments.campaign import worker

def large(): return {"text": "\\u00e4" * 1_500_000}
def noisy():
    print("to stdout"); os.write(1, b"more\\n"); sys.stderr.write("to stderr\\n")
    return {"received": True}
def where(): return {"folder": os.getcwd(), "threads": os.environ["OMP_NUM_THREADS"]}
def unsound(): return {"x": float("nan")}
def killed(): os.kill(os.getpid(), signal.SIGKILL)
def nameless(): os.kill(os.getpid(), 40)
def speaks():
    sys.stderr.write("x" * 10_000 + "\\nthe last word\\n"); sys.stderr.flush(); os._exit(7)
def forks():
    if os.fork() == 0:
        time.sleep(5); os._exit(0)
    os._exit(3)
def hangs(): time.sleep(60)
def later():
    threading.Timer(0.1, lambda: os._exit(5)).start()
    return {"received": True}
def unwinds():
    try:
        open(os.environ["SAID"], "w").write("on")
        time.sleep(60)
    finally:
        time.sleep(0.5)
        open(os.environ["SAID"], "w").write("muted")

class Stub:
    def open(self, out):
        return lambda trial: globals()[trial.cell]()

worker.study_of = lambda settings: Stub()
raise SystemExit(worker.main(*sys.argv[-2:]))
"""


class Plan:
    """The study of the process that conducts."""

    def __init__(self, settings, *cells):
        self.settings = settings
        self.trials = tuple(Trial(f"{cell}/{number}", cell) for number, cell in enumerate(cells))

    def plan(self):
        return self.trials

    def bytes_per_trial(self):
        return 0

    def prepare(self, out):
        return None


@pytest.fixture
def settings():
    return SweepSettings(name="x", attempts=1, series=(SeriesSettings(name="a"),))


@pytest.fixture
def directory(tmp_path, settings):
    return RunDirectory.create(tmp_path / "run", settings)


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """What stands in the place of the interpreter."""
    (tmp_path / "stub.py").write_text(STUB)
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/stub.py" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", str(Path(local.__file__).parents[2]))
    monkeypatch.setattr(local.sys, "executable", str(program))
    return str(program)


def open_files():
    return len(os.listdir("/proc/self/fd"))


def test_whatever_a_worker_does_costs_its_own_trial_alone(directory, settings, stub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    study = Plan(settings, "large", "noisy", "where", "unsound", "killed", "nameless", "speaks", "forks", "later")
    before = open_files()
    run_campaign(directory, settings, study, lambda: LocalEngine(directory, 2))
    assert open_files() == before
    lines = {line["cell"]: line for line in directory.trials()}
    assert lines["large"]["text"] == "ä" * 1_500_000
    assert set(lines) == {"large", "noisy", "where", "later"}
    # What a configuration names is looked for where the run was started, in workers too.
    assert (lines["where"]["folder"], lines["where"]["threads"]) == (str(tmp_path), "1")
    causes = {line["cell"]: line["failed"]["cause"] for line in directory.failures()}
    assert "JSON" in causes["unsound"]
    assert "SIGKILL; out of memory?" in causes["killed"]
    assert "signal 40" in causes["nameless"]
    assert causes["speaks"] == "the worker process ended with exit status 7: the last word"
    assert "exit status 3" in causes["forks"]


def test_a_worker_that_dies_between_two_trials_costs_none(directory, settings, stub):
    with LocalEngine(directory, 1) as engine:
        for number in range(2):
            engine.submit(Trial(f"later/{number}", "later"))
            (outcome,) = engine.wait()
            assert outcome.line == {"received": True}
            time.sleep(0.3)


def test_a_trial_that_hangs_is_ended(directory, settings, stub):
    study = Plan(settings, "noisy", "hangs")
    started = time.monotonic()
    run_campaign(directory, settings, study, lambda: LocalEngine(directory, 1, limit_s=2.0))
    assert time.monotonic() - started < 50
    assert [line["cell"] for line in directory.trials()] == ["noisy"]
    (failed,) = directory.failures()
    assert failed["failed"]["kind"] == "TrialTimeout"
    assert "trial_limit_s = 2 s" in failed["failed"]["cause"]


@pytest.mark.parametrize("what", ["config", "code"])
def test_workers_that_cannot_start_end_the_run_at_once(directory, settings, stub, tmp_path, what):
    if what == "config":
        directory.config.write_text("name = ")
    else:
        (tmp_path / "stub.py").write_text("import no_such_module\n")
    with pytest.raises(CampaignStoppedError, match="a worker cannot start: .*(TOML|no_such_module)"):
        run_campaign(directory, settings, Plan(settings, "noisy", "noisy"), lambda: LocalEngine(directory, 1))
    assert directory.failures() == ()


@pytest.fixture
def worker(directory, stub, tmp_path):
    environment = {**os.environ, "SAID": str(tmp_path / "said")}
    process = subprocess.Popen(
        [stub, str(directory.path), str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    try:
        assert json.loads(process.stdout.readline()) == {"ready": True}
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_a_worker_that_is_told_twice_to_end_still_unwinds(worker, tmp_path):
    order = {"name": "a", "cell": "unwinds", "values": {}, "needs": []}
    worker.stdin.write(json.dumps(order).encode() + b"\n")
    worker.stdin.flush()
    said = tmp_path / "said"
    while not (said.exists() and said.read_text() == "on"):
        assert worker.poll() is None
        time.sleep(0.01)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        worker.send_signal(number)
        time.sleep(0.05)
    worker.stdin.close()
    assert worker.wait(30) == 128 + signal.SIGTERM
    assert said.read_text() == "muted"


def test_an_idle_worker_leaves_in_peace(worker):
    worker.terminate()
    assert worker.wait(30) == 128 + signal.SIGTERM


def test_a_line_is_the_same_in_this_process_and_in_another(directory, settings, stub):
    class Here(Plan):
        def open(self, out):
            return lambda trial: {"pair": (1, 2), "levels": {4: 0.5}} if trial.cell == "sound" else {"x": float("inf")}

    study = Here(settings, "sound", "endless")
    run_campaign(directory, settings, study, lambda: InlineEngine(study, directory))
    (line,) = directory.trials()
    assert (line["pair"], line["levels"]) == ([1, 2], {"4": 0.5})
    (failed,) = directory.failures()
    assert failed["failed"]["kind"] == "ValueError"
