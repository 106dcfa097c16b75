from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.campaign.run_directory import RunDirectory
from experiments.configuration import DemoSettings
from sdr_gsc.errors import RecordingError, SettingsError


@pytest.fixture
def directory(tmp_path):
    return RunDirectory.create(tmp_path / "run", DemoSettings())


def test_a_new_run_says_what_it_depends_on(directory):
    environment = json.loads(directory.environment.read_text("utf-8"))
    assert {"python", "platform", "cpu", "threads", "packages", "git"} <= set(environment)
    assert environment["packages"]["numpy"]
    assert environment["threads"]["torch"] >= 1
    assert directory.settings() == DemoSettings()
    assert directory.trials() == ()


def test_trials_come_back_in_their_order(directory):
    trials = [{"trial": f"t{index}", "value": index / 3} for index in range(5)]
    for trial in trials:
        directory.append(trial)
    assert list(directory.trials()) == trials


@given(cut=st.integers(1, 40))
def test_a_half_written_last_line_is_dropped(tmp_path_factory, cut):
    directory = RunDirectory(tmp_path_factory.mktemp("run"))
    whole, broken = {"trial": "a", "x": 1}, {"trial": "b", "text": "ä" * 20}
    directory.append(whole)
    line = json.dumps(broken, ensure_ascii=False).encode()
    with open(directory.trials_file, "ab") as file:
        file.write(line[: min(cut, len(line) - 1)])
    assert directory.trials() == (whole,)
    directory.append({"trial": "c"})
    assert directory.trials() == (whole, {"trial": "c"})


def test_a_last_line_of_zeros_is_dropped(directory):
    directory.append({"trial": "a"})
    with open(directory.trials_file, "ab") as file:
        file.write(b"\0" * 30 + b"\n")
    assert [trial["trial"] for trial in directory.trials()] == ["a"]
    directory.append({"trial": "b"})
    assert [trial["trial"] for trial in directory.trials()] == ["a", "b"]


@pytest.mark.parametrize("line", ["{half", "[1, 2]", '{"name": "x"}'])
def test_a_damaged_line_in_the_middle_is_told(directory, line):
    directory.trials_file.write_text(f'{{"trial": "a"}}\n{line}\n{{"trial": "b"}}\n')
    with pytest.raises(RecordingError, match="line 2"):
        directory.trials()


def test_numbers_that_json_lacks_are_refused_before_they_are_written(directory):
    with pytest.raises(ValueError, match="JSON"):
        directory.append({"trial": "a", "x": float("inf")})
    assert directory.trials() == ()


def test_a_folder_holds_one_run(directory, tmp_path):
    assert RunDirectory.create(directory.path, DemoSettings()).path == directory.path
    with pytest.raises(SettingsError, match="other settings"):
        RunDirectory.create(directory.path, DemoSettings(seed=8))
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/a.txt").touch()
    with pytest.raises(SettingsError, match="not a run"):
        RunDirectory.create(tmp_path / "letters", DemoSettings())
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["a.txt"]
    with pytest.raises(SettingsError, match="holds no run"):
        RunDirectory.open(tmp_path / "letters")
