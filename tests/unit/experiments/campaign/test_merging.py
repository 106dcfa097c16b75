from __future__ import annotations

import errno
from pathlib import Path

import pytest

from experiments.campaign import merging
from experiments.campaign.merging import merge_runs
from experiments.campaign.run_directory import RunDirectory
from experiments.sweeps.settings import SeriesSettings, SweepSettings
from sdr_gsc.errors import SettingsError


@pytest.fixture
def settings():
    return SweepSettings(name="parts", seed=3, series=(SeriesSettings(name="a"),))


def test_parts_that_contradict_each_other_are_refused(tmp_path, settings):
    first = RunDirectory.create(tmp_path / "first", settings)
    second = RunDirectory.create(tmp_path / "second", settings)
    first.append({"trial": "a", "x": 1.0, "timings_s": {"all": 1}})
    second.append({"trial": "a", "x": 1.0, "timings_s": {"all": 2}})
    merge_runs([first.path, second.path], tmp_path / "same")
    second.append({"trial": "b", "failed": {"cause": "x"}})
    first.append({"trial": "b", "x": 2.0})
    assert len(merge_runs([second.path, first.path], tmp_path / "mended").trials()) == 2
    second.append({"trial": "b", "x": 3.0})
    with pytest.raises(SettingsError, match="trial b differs"):
        merge_runs([first.path, second.path], tmp_path / "no")
    other = RunDirectory.create(tmp_path / "other", settings.model_copy(update={"seed": 4}))
    with pytest.raises(SettingsError, match="different settings"):
        merge_runs([first.path, other.path], tmp_path / "never")


def test_a_copy_that_breaks_off_is_made_again(tmp_path, settings, monkeypatch):
    part = RunDirectory.create(tmp_path / "part", settings)
    (part.folder("captures") / "a.sigmf-data").write_bytes(b"whole")
    (part.path / "captures/.b.12").write_bytes(b"half")

    def breaks(source, target):
        Path(target).write_bytes(b"wh")
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(merging.shutil, "copy2", breaks)
        with pytest.raises(OSError, match="full"):
            merge_runs([part.path], tmp_path / "merged")
    merge_runs([part.path], tmp_path / "merged")
    assert {path.name: path.read_bytes() for path in (tmp_path / "merged/captures").iterdir()} == {
        "a.sigmf-data": b"whole"
    }
