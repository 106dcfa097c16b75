from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from experiments import cli_campaign
from experiments.campaign import room, trial_log
from experiments.campaign.engine import Failure, Outcome
from experiments.campaign.inline import InlineEngine
from experiments.campaign.lines import lasting
from experiments.campaign.merging import merge_runs
from experiments.campaign.run_directory import RunDirectory
from experiments.campaign.running import CampaignStoppedError, run_campaign
from experiments.campaign.staging import staged
from experiments.campaign.study import Trial
from experiments.cli_engine import EngineChoice
from experiments.reports import campaign_report
from experiments.settings_files import write_settings
from experiments.sweeps.settings import SeriesSettings, SweepSettings
from sdr_gsc.errors import RecordingError, SettingsError
from sdr_gsc.seeding import TrialSeeds


class Draws:
    """A study without a radio: each trial draws a number; some break off."""

    def __init__(self, settings, count=12, breaks=lambda name, tried: None, names=None):
        self.settings = settings
        self.trials = tuple(Trial(name, name) for name in (names or [f"t{index}" for index in range(count)]))
        self.breaks = breaks
        self.tried = []

    def plan(self):
        return self.trials

    def bytes_per_trial(self):
        return 1000

    def prepare(self, out):
        out.folder("models")

    def open(self, out):
        def run(trial):
            self.tried.append(trial.name)
            error = self.breaks(trial.name, self.tried.count(trial.name))
            if error is not None:
                raise error
            draw = TrialSeeds(self.settings.seed, trial.name).generator("draw").standard_normal()
            return {"received": True, "draw": draw, "timings_s": {"all": len(self.tried)}}

        return run

    def sections(self, out, trials):
        return []

    def summary(self, trials):
        return {}

    def shortfalls(self, trials):
        return []


@pytest.fixture
def settings():
    return SweepSettings(name="draws", seed=3, series=(SeriesSettings(name="a"),))


@pytest.fixture
def directory(tmp_path, settings):
    return RunDirectory.create(tmp_path / "run", settings)


def go(directory, study, **options):
    run_campaign(directory, study.settings, study, lambda: InlineEngine(study, directory), **options)
    return directory.trials()


def test_a_campaign_runs_each_trial_once_and_says_how_far_it_is(directory, settings):
    told = []
    study = Draws(settings)
    trials = go(directory, study, on_progress=told.append)
    assert study.tried == [f"t{index}" for index in range(12)]
    assert [trial["trial"] for trial in trials] == study.tried
    assert [each.done for each in told] == list(range(13))
    assert {each.count for each in told} == {12}
    again = Draws(settings)
    assert go(directory, again) == trials
    assert again.tried == []


def test_an_error_costs_the_trial_alone_and_is_tried_again(directory, settings):
    def breaks(name, tried):
        if name == "t3":
            return OSError("the radio\nvanished")
        return ValueError("once") if name == "t5" and tried == 1 else None

    study = Draws(settings, breaks=breaks)
    trials = go(directory, study)
    assert {trial["trial"] for trial in trials} == {f"t{index}" for index in range(12)} - {"t3"}
    (failed,) = directory.failures()
    assert failed["failed"] == {"kind": "OSError", "cause": "the radio vanished", "attempts": settings.attempts}
    assert study.tried.count("t3") == settings.attempts
    assert study.tried.count("t5") == 2

    untouched = Draws(settings)
    go(directory, untouched)
    assert untouched.tried == []
    mended = Draws(settings)
    whole = go(directory, mended, retry_failed=True)
    assert mended.tried == ["t3"]
    assert len(whole) == 12
    assert directory.failures() == ()
    reference = go(RunDirectory.create(directory.path.with_name("other"), settings), Draws(settings))
    by_name = {trial["trial"]: trial for trial in whole}
    assert all(lasting(by_name[trial["trial"]]) == lasting(trial) for trial in reference)


def test_what_would_hit_all_trials_stops_at_once(directory, settings):
    study = Draws(settings, breaks=lambda name, tried: SettingsError("no such decoder") if name == "t2" else None)
    with pytest.raises(CampaignStoppedError, match="t2: no such decoder"):
        go(directory, study)
    assert len(directory.trials()) == 2
    assert directory.failures() == ()


def test_a_radio_that_is_gone_for_good_does_not_use_up_the_plan(directory, settings):
    study = Draws(settings, count=100, breaks=lambda name, tried: OSError("gone"))
    with pytest.raises(CampaignStoppedError, match=rf"with: gone\. .*sdr-gsc resume {directory.path} --retry-failed"):
        go(directory, study)
    assert len(directory.failures()) == 10


def test_a_full_disk_loses_nothing_that_was_finished(directory, settings, monkeypatch):
    real = os.write

    def little_room(file, data):
        if directory.trials_file.stat().st_size + len(data) > 700:
            file.write(bytes(data[:10]))  # half a line, as a disk that fills up leaves it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        while data:
            data = data[real(file.fileno(), data) :]

    with monkeypatch.context() as patch:
        patch.setattr(trial_log, "_write_all", little_room)
        with pytest.raises(RecordingError, match="disk is full.*sdr-gsc resume"):
            go(directory, Draws(settings))
    kept = directory.trials()
    assert 0 < len(kept) < 12
    assert directory.trials_file.read_bytes().endswith(b"}\n")
    trials = go(directory, Draws(settings))
    assert trials[: len(kept)] == kept
    assert len(trials) == 12


def test_a_campaign_that_cannot_fit_is_refused_before_it_begins(directory, settings, monkeypatch):
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**6))
    study = Draws(settings)
    with pytest.raises(SettingsError, match="12 trials need about .* GB free"):
        go(directory, study)
    assert study.tried == []


def test_ids_are_distinct(directory, settings):
    with pytest.raises(SettingsError, match="b more than once"):
        go(directory, Draws(settings, names=["a", "b", "b"]))


def test_one_process_at_a_time(directory, settings):
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom experiments.campaign.lock import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, directory.path], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SettingsError, match=f"process {holder.pid}"):
            go(directory, Draws(settings))
    finally:
        holder.kill()
        holder.communicate()
    assert len(go(directory, Draws(settings))) == 12


def test_older_and_newer_runs_are_told(directory, settings):
    described = directory.described()
    for version, words in ((1, "older version"), (99, "newer version")):
        directory.environment.write_text(json.dumps(described | {"run_format": version}))
        with pytest.raises(SettingsError, match=words):
            go(directory, Draws(settings))
        with pytest.raises(SettingsError, match=words):
            RunDirectory.create(directory.path, settings)
    assert directory.trials() == ()  # reading is allowed


def test_parts_become_the_whole(tmp_path, settings):
    parts = []
    for index in range(3):
        part = RunDirectory.create(tmp_path / f"part{index}", settings)
        go(part, Draws(settings), only=lambda trial, index=index: int(trial.name[1:]) % 3 == index)
        parts.append(part.path)
    (tmp_path / "part1/pictures").mkdir()
    (tmp_path / "part1/pictures/a.png").write_bytes(b"x")
    merged = merge_runs(parts, tmp_path / "merged")
    whole = go(RunDirectory.create(tmp_path / "whole", settings), Draws(settings))
    assert sorted(map(str, map(lasting, merged.trials()))) == sorted(map(str, map(lasting, whole)))
    assert (merged.path / "pictures/a.png").read_bytes() == b"x"
    size = merged.trials_file.stat().st_size
    merge_runs(parts, tmp_path / "merged")
    assert merged.trials_file.stat().st_size == size


def test_a_run_that_was_broken_off_before_it_began_is_begun_again(tmp_path, settings):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("environment.json", ".environment.json.12", ".config.toml.12", ".lock"):
        (folder / name).write_text("{")  # as a kill leaves them
    assert len(go(RunDirectory.create(folder, settings), Draws(settings))) == 12
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/environment.json").touch()
    (tmp_path / "letters/a.txt").touch()
    with pytest.raises(SettingsError, match="not a run"):
        RunDirectory.create(tmp_path / "letters", settings)


def test_a_lost_description_is_told_with_what_mends_it(directory, settings):
    directory.environment.write_bytes(b"\0" * 20)
    with pytest.raises(SettingsError, match=r"missing or damaged.*run_format.: 2") as told:
        go(directory, Draws(settings))
    directory.environment.write_text(str(told.value).partition("write ")[2].partition(" into")[0])
    assert len(go(directory, Draws(settings))) == 12


def test_what_came_with_a_failure_that_ends_the_run_is_kept(directory, settings):
    class Both(InlineEngine):
        """Two trials end at the same time, the failed one first."""

        def free(self):
            return 2 - len(self.taken)

        def submit(self, trial):
            self.taken.append(trial)

        def wait(self):
            good, bad = self.taken
            return (Outcome(bad, failure=Failure("SettingsError", "no", fatal=True)), Outcome(good, {"received": True}))

    study = Draws(settings)
    engine = Both(study, directory)
    engine.taken = []
    with pytest.raises(CampaignStoppedError, match="t1: no"):
        run_campaign(directory, settings, study, lambda: engine)
    assert [line["trial"] for line in directory.trials()] == ["t0"]


def test_what_a_killed_trial_left_is_swept_up_and_a_failed_one_leaves_nothing(directory, settings):
    (directory.folder(".staging") / "half").mkdir()
    (directory.path / ".staging/half/picture.png").write_bytes(b"\x89PNG")
    go(directory, Draws(settings))
    assert not (directory.path / ".staging").exists()

    def breaks_off():
        with staged(directory) as out:
            (out.folder("pictures") / "a.png").write_bytes(b"half")
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        breaks_off()
    assert not (directory.path / "pictures/a.png").exists()
    with staged(directory) as out:
        (out.folder("pictures") / "a.png").write_bytes(b"whole")
    assert (directory.path / "pictures/a.png").read_bytes() == b"whole"
    assert list((directory.path / ".staging").iterdir()) == []


def test_a_part_of_a_plan_is_resumed_as_a_part(directory, settings, capsys, monkeypatch):
    study = Draws(settings, breaks=lambda name, tried: KeyboardInterrupt() if name == "t1" else None)
    monkeypatch.setattr(cli_campaign, "_study", lambda settings: study)
    with pytest.raises(KeyboardInterrupt):
        cli_campaign.resume_command(directory.path, EngineChoice(workers=0, shard="1/1"), as_json=True)
    assert f"sdr-gsc resume {directory.path} --shard 1/1\n" in capsys.readouterr().err


def test_a_report_that_finds_no_room_is_told_with_what_mends_it(directory, settings, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cli_campaign, "_study", Draws)
    monkeypatch.setattr(campaign_report, "write_whole", full)
    with pytest.raises(RecordingError, match=f"No space left.*trials are kept.*sdr-gsc report {directory.path}"):
        cli_campaign.resume_command(directory.path, EngineChoice(workers=0), as_json=True)
    assert len(directory.trials()) == 12


@pytest.mark.parametrize("choice", [{"workers": -1}, {"shard": "3/2"}, {"address": "auto"}])
def test_choices_that_cannot_be_leave_no_folder(tmp_path, settings, choice):
    config = tmp_path / "config.toml"
    write_settings(config, settings)
    with pytest.raises(SettingsError, match="--"):
        cli_campaign.run_command(config, quick=False, out=tmp_path / "run", choice=EngineChoice(**choice), as_json=True)
    assert not (tmp_path / "run").exists()
