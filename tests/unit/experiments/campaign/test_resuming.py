from __future__ import annotations

import json

import pytest

from experiments.campaign.resuming import note_resumption
from experiments.campaign.run_directory import RunDirectory
from experiments.cli_campaign import fresh_folder
from experiments.sweeps.settings import SeriesSettings, SweepSettings


@pytest.fixture
def directory(tmp_path):
    return RunDirectory.create(tmp_path / "run", SweepSettings(name="x", series=(SeriesSettings(name="a"),)))


def test_nothing_is_noted_where_nothing_changed(directory):
    assert note_resumption(directory) == []
    directory.append({"trial": "a"})
    before = directory.environment.read_bytes()
    assert note_resumption(directory) == []
    assert directory.environment.read_bytes() == before


def test_other_software_is_told_and_kept(directory):
    directory.append({"trial": "a"})
    described = directory.described()
    described["packages"]["numpy"] = "1.0"
    directory.environment.write_text(json.dumps(described))
    (sentence,) = note_resumption(directory)
    assert "packages.numpy was 1.0 when the run began" in sentence
    ((name, (before, _)),) = directory.described()["resumed"][0].items()
    assert (name, before) == ("packages.numpy", "1.0")
    note_resumption(directory)
    assert len(directory.described()["resumed"]) == 1, "the same change was noted twice"


def test_a_clock_that_stands_still_or_goes_back_does_not_mix_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = set()
    for _ in range(4):
        path = fresh_folder("demo")
        path.mkdir(parents=True)
        names.add(path.name)
    assert len(names) == 4
