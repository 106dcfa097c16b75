"""Every kind of campaign keeps its air, and is replayed on it: the same lines, and no radio."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from experiments.campaign.kinds import study_of
from experiments.campaign.lines import lasting
from experiments.campaign.replaying import replay_settings
from experiments.campaign.run_directory import RunDirectory
from experiments.procedures import airing
from experiments.procedures.keeping import keep_capture, kept_exchange
from experiments.procedures.tape import Tape
from sdr_gsc.capture import Capture
from sdr_gsc.errors import RecordingError, SettingsError
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.recording.sigmf_collection import read_collection


def _bare(value: Any) -> Any:
    """Without the address of the radio, at any depth."""
    if isinstance(value, dict):
        return {name: _bare(part) for name, part in value.items() if name != "radio"}
    return [_bare(part) for part in value] if isinstance(value, list) else value


def _found(lines: Any) -> Any:
    return [_bare(lasting(json.loads(json.dumps(line, allow_nan=False)))) for line in lines]


def _no_radio(*given: object, **named: object) -> None:
    raise AssertionError(f"a radio was opened: {given}, {named}")


def test_a_replay_gives_the_lines_of_the_run_without_a_radio(kind, live, tmp_path, monkeypatch):
    run = live(kind)
    monkeypatch.setattr(airing, "open_radio", _no_radio)
    settings = replay_settings(run.path)
    assert settings.keep == ()
    assert _found(live.run(tmp_path / "again", settings)) == _found(run.lines)
    assert not (tmp_path / "again" / "captures").exists()


def test_every_exchange_is_a_collection_with_both_ends_and_the_frames(kind, live):
    run = live(kind)
    collections = sorted((run.path / "captures").glob("*.sigmf-collection"))
    assert len(collections) >= len(run.lines)
    assert len(list((run.path / "captures").iterdir())) == 5 * len(collections)
    for part in collections[:3]:
        found = read_collection(part)
        assert found.reference is not None
        for recording in (found.reference, *found.received):
            assert any(str(each["core:label"]).startswith("frame") for each in recording.annotations)


def test_the_room_that_is_asked_for_is_the_room_that_is_taken(kind, live):
    run = live(kind)
    files = [path for name in ("captures", "pictures") for path in (run.path / name).glob("*")]
    taken = sum(path.stat().st_blocks * 512 for path in files) / len(run.lines)
    assert taken / 2 < study_of(run.settings).bytes_per_trial() < taken * 2


def test_an_exchange_that_is_missing_is_named(kind, live, tmp_path):
    part = tmp_path / "part"
    shutil.copytree(live(kind).path, part)
    gone = sorted((part / "captures").glob("*.sigmf-collection"))[-1]
    gone.unlink()
    with pytest.raises(RecordingError, match="kept no capture of") as caught:
        live.run(tmp_path / "again", replay_settings(part))
    told = str(caught.value).split("kept no capture of ")[1].split(";")[0]
    assert told.replace("/", "_").replace(":", "-") == gone.name.removesuffix(".sigmf-collection")


def test_air_that_belongs_to_other_symbols_is_refused(kind, live, tmp_path):
    other = replay_settings(live(kind).path).model_copy(update={"seed": 4})
    with pytest.raises(RecordingError, match="diverged at .*other symbols"):
        live.run(tmp_path / "again", other)


def test_a_closed_loop_that_acts_otherwise_diverges_where_it_does(live, tmp_path):
    run = live("agent")
    lines = list(run.path.glob("captures/*n12_late0_0.*.sigmf-collection"))
    assert len(lines) == 2 * 4 + 16  # two methods of four steps; two agents, who share it in three ways
    # Other draws of the policy: what is observed first is the same, and what is observed after acting is not.
    policy = run.settings.policy.model_copy(update={"draws": 5})
    other = replay_settings(run.path).model_copy(update={"policy": policy})
    with pytest.raises(RecordingError, match=r"diverged at \S+/0\.000(0[2-9]|1\d)"):
        live.run(tmp_path / "again", other)


def test_other_decoders_hear_the_same_air(live, tmp_path):
    before = live("online_meeting").lines
    settings = replay_settings(live("online_meeting").path, ("refine:1",))
    after = live.run(tmp_path / "again", settings)
    assert [line["frames"] for line in after] == [line["frames"] for line in before]
    assert settings.decoder == "refine:1"
    assert [line["by_frame"] for line in after[1:]] == [line["by_frame"] for line in before[1:]]  # of the videos


@pytest.mark.parametrize(
    ("of", "asked", "said"),
    [
        ("agent", {"decoders": ("mmse",)}, "no decoders of pictures"),
        ("agent", {"options": {"steps": 3}}, "takes no --steps"),
        ("agent", {"weights": "elsewhere"}, "takes no --weights"),
        ("road_monitoring", {"decoders": ("mmse", "refine")}, "name one"),
        ("human", {"decoders": ("posterior",)}, "decoders"),
    ],
)
def test_what_a_kind_does_not_have_is_refused(of, asked, said, live):
    with pytest.raises(SettingsError, match=said):
        replay_settings(live(of).path, **asked)


def test_a_run_that_kept_nothing_is_refused(live, tmp_path):
    settings = live.settings("agent", keep=[])
    RunDirectory.create(tmp_path / "run", settings)
    with pytest.raises(SettingsError, match="kept no captures"):
        replay_settings(tmp_path / "run")
    assert study_of(settings).bytes_per_trial() == 0


@pytest.mark.parametrize("radio", ["pluto:ip:192.168.2.1", "loopback:office"])
def test_trials_name_the_radios_that_they_use(kind, radio, live, tmp_path):
    where = {"radios": [radio]} if kind == "agent" else {"radio": radio}
    own = {"grid": {"cbr": [12]}} if kind == "sweep" else {"esn0_db": []}
    alone = live.settings(kind, **own, **where, **({"pair": {"esn0_db": []}} if kind == "agent" else {}))
    wanted = {(f"radio:{radio}",)} if radio.startswith("pluto") else {()}
    assert {trial.needs for trial in study_of(alone).plan()} == wanted
    pair = alone.model_copy(update={"tx": "uhd:b", "rx": "uhd:a"})
    plan = study_of(pair).plan()
    assert {trial.needs for trial in plan} == {("radio:uhd:a", "radio:uhd:b")}
    assert len({trial.name for trial in plan}) == len(plan)
    replayed = pair.model_copy(update={"recorded": str(tmp_path)})
    assert all(not trial.needs for trial in study_of(replayed).plan())


def test_settings_of_the_air_are_those_of_sweeps(kind, live, tmp_path):
    quick = {"calibration": "b"} if kind != "sweep" else {"cbr": [24]}
    found = live.settings(kind, bench="bench.toml", calibration="a", recorded="r", quick=quick).located(tmp_path)
    assert (found.bench, found.calibration, found.recorded) == tuple(
        str(tmp_path / name) for name in ("bench.toml", "a", "r")
    )
    if kind != "sweep":
        assert found.resolved(quick=True).calibration == str(tmp_path / "b")
    with pytest.raises((SettingsError, ValidationError), match="tx and rx go together"):
        live.settings(kind, tx="uhd:a")
    if kind != "sweep":
        with pytest.raises(SettingsError, match="noise of their own"):
            live.settings(kind, tx="uhd:a", rx="uhd:b")
        # Records tell how an Es/N0 is reached.
        assert live.settings(kind, tx="uhd:a", rx="uhd:b", calibration="records").calibration == "records"


@pytest.mark.parametrize("of", ["road_monitoring", "online_meeting"])
def test_clips_of_quick_values_start_at_the_configuration(of, live, tmp_path):
    (tmp_path / "own.mp4").touch()
    found = live.settings(of, quick={"clip": "own.mp4"}).located(tmp_path).resolved(quick=True)
    assert found.clip == str(tmp_path / "own.mp4")


def test_a_detector_of_ones_own_is_found_from_anywhere_and_read_back_from_the_run(live, tmp_path):
    given = live.settings("road_monitoring", detector={"code": "a.py"}, quick={"detector": {"code": "b.py"}})
    for quick, name in ((False, "a.py"), (True, "b.py")):
        settings = given.located(tmp_path).resolved(quick=quick)
        assert settings.detector.code == str(tmp_path / name)
        assert RunDirectory.create(tmp_path / str(quick), settings).settings() == settings
        assert replay_settings(tmp_path / str(quick)).detector == settings.detector


def test_who_is_killed_while_keeping_leaves_no_half_exchange(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path)
    sent = Transmitter().transmit_symbols(np.ones(12, np.complex64), b"x", 0)
    received = Capture(sent.samples, 4e6)
    keep_capture(run, "a/b.00001", received, (), sent)
    before = kept_exchange(run, "a/b.00001")
    assert before is not None
    for moved in range(5):
        # As if the process had ended there: nothing behind is done, not even the clearing up.
        folder = tmp_path / f"killed{moved}"
        shutil.copytree(tmp_path / "captures", folder / "captures")
        left = [moved]

        def replace(source: Path, target: Path, left: list[int] = left) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            shutil.move(source, target)

        with monkeypatch.context() as patch:
            patch.setattr("experiments.procedures.keeping.os.replace", replace)
            with pytest.raises(KeyboardInterrupt):
                keep_capture(RunDirectory(folder), "a/b.00001", received, (), sent)
        assert kept_exchange(RunDirectory(folder), "a/b.00001") is None
        keep_capture(RunDirectory(folder), "a/b.00001", received, (), sent)
        again = kept_exchange(RunDirectory(folder), "a/b.00001")
        assert again is not None
        np.testing.assert_array_equal(again[0].samples, before[0].samples)


def test_other_rounding_is_no_other_air_and_one_level_of_one_symbol_is(tmp_path):
    run = RunDirectory(tmp_path)
    points = np.exp(2j * np.pi * np.arange(12) / 12).astype(np.complex64)

    def sent(points: np.ndarray) -> Any:
        return Transmitter().transmit_symbols(points.astype(np.complex64), b"x", 0)

    recording = Tape("t", kept=run)
    recording.exchange(sent(points), lambda: (Capture(sent(points).samples, 4e6), ()))
    recording.heard(())
    Tape("t", played=run).exchange(sent(points * np.float32(1 + 3e-7)), _no_radio)
    moved = points.copy()
    moved[5] += 0.09
    with pytest.raises(RecordingError, match=r"diverged at t\.00001"):
        Tape("t", played=run).exchange(sent(moved), _no_radio)
