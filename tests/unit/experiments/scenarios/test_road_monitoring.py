"""The scenario: its plan, its settings, and trials that depend on their names alone."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from experiments.campaign.run_directory import RunDirectory
from experiments.reports.page import Page, render
from experiments.scenarios.road_monitoring.running import outlined
from experiments.scenarios.road_monitoring.settings import DetectorSettings, RoadSettings
from experiments.scenarios.road_monitoring.study import RoadStudy

av = pytest.importorskip("av")
CONFIG = Path(__file__).parents[4] / "experiments/configs/road_monitoring.toml"

#: Finds the brightest spot: the test's clip has one, and a detector that knows it needs no training.
_DETECTOR = """
import numpy as np

def detect(picture):
    grey = picture.astype(float).mean(2)
    row, column = np.unravel_index(grey.argmax(), grey.shape)
    return [[column - 12, row - 12, 24, 24]] if grey.max() > 170 else []
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> RoadSettings:
    folder = tmp_path_factory.mktemp("street")
    (folder / "spot.py").write_text(_DETECTOR)
    y, x = np.mgrid[:96, :160]
    with av.open(str(folder / "street.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=20, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for index in range(6):
            spot = np.exp(-((x - 40 - 9 * index) ** 2 + (y - 44) ** 2) / 60)
            pixels = np.stack([60 + 190 * spot, 40 + x / 2 + 120 * spot, 50 + y / 2 + 120 * spot], -1)
            frame = av.VideoFrame.from_ndarray(np.clip(pixels, 0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    values = {
        "kind": "road_monitoring", "name": "street", "clip": "street.mp4", "frames": 2, "every": 2, "first": [0, 1],
        "cbr": [24], "esn0_db": [14.0], "mcs": [2], "methods": ["uniform", "regions", "h264"],
        "radio": "loopback:ideal", "detector": {"code": "spot.py"},
    }  # fmt: skip
    return RoadSettings.model_validate(values).located(folder)


@pytest.fixture(scope="module")
def lines(
    settings: RoadSettings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunDirectory, list[dict[str, Any]]]:
    out = RunDirectory(tmp_path_factory.mktemp("run"))
    study = RoadStudy(settings)
    study.prepare(out)
    run = study.open(out)
    return out, [run(trial) for trial in study.plan()]


def untimed(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != "timings_s"}


def test_the_plan_names_every_trial_once(settings: RoadSettings) -> None:
    trials = RoadStudy(settings).plan()
    assert len({trial.name for trial in trials}) == len(trials) == 6
    assert {trial.values["curve"] for trial in trials} == {"uniform", "regions", "h264-mcs2"}
    assert all(trial.name.startswith(trial.cell + "/") for trial in trials)


def test_lines_are_json_and_keep_to_the_air(lines: tuple[RunDirectory, list[dict[str, Any]]]) -> None:
    for line in lines[1]:
        json.dumps(line, allow_nan=False)
        assert line["received"]
        air = line["air"]
        assert 0 < air["air_samples"] <= air["allowed_air_samples"]
        # In pictures this small one block of the channel code, or one more row of a region, is a fifth of the air.
        assert air["air_samples"] >= 0.8 * air["allowed_air_samples"]
        assert line["curve"] != "uniform" or air["air_samples"] == air["allowed_air_samples"]
        assert line["cbr_effective"] == pytest.approx(air["air_samples"] / (3 * 96 * 160 * 2))
        assert line["timings_s"]["latency"] > 0


def test_a_good_channel_keeps_the_spot_and_regions_serve_it(
    lines: tuple[RunDirectory, list[dict[str, Any]]],
) -> None:
    by_curve = {curve: [line for line in lines[1] if line["curve"] == curve] for curve in ("uniform", "regions")}
    for curve in by_curve.values():
        assert all(line["detections"]["truth"] == 2 for line in curve)
        assert all(line["detections"]["f1"] == 1 for line in curve)
    assert all(line["regions"] >= 1 for line in by_curve["regions"])
    gains = [
        weighted["region_psnr_db"] - whole["region_psnr_db"]
        for weighted, whole in zip(by_curve["regions"], by_curve["uniform"], strict=True)
    ]
    assert np.mean(gains) > 0


def test_a_trial_depends_on_its_name_alone(
    settings: RoadSettings, lines: tuple[RunDirectory, list[dict[str, Any]]], tmp_path: Path
) -> None:
    study = RoadStudy(settings)
    run = study.open(RunDirectory(tmp_path))
    for trial, line in reversed(list(zip(study.plan(), lines[1], strict=True))):
        if trial.values["first"] == 1:
            assert untimed(run(trial)) == untimed(line)


def test_the_report_shows_curves_frames_and_times(
    settings: RoadSettings, lines: tuple[RunDirectory, list[dict[str, Any]]]
) -> None:
    out, done = lines
    study = RoadStudy(settings)
    sections = study.sections(out, done)
    page = render(Page("street", (), sections))
    for text in ("Detections kept", "H.264, 16-QAM 1/2", "more symbols for regions", "Where the time goes"):
        assert text in page
    assert (out.folder("figures") / "f1.+14dB.svg").is_file()
    assert study.sections(out, []) == []
    assert study.summary(done)["uniform"]["f1"] == 1
    assert "The detector finds 4 objects" in page


def test_the_shipped_configuration_and_its_quick_form() -> None:
    settings = RoadSettings.model_validate(tomllib.loads(CONFIG.read_text("utf-8")))
    assert len(RoadStudy(settings.resolved(quick=True)).plan()) < len(RoadStudy(settings).plan())


def test_names_of_clips_stay_names(tmp_path: Path) -> None:
    settings = RoadSettings(name="a", weights="models")
    found = settings.located(tmp_path)
    assert (found.clip, found.weights) == ("bikes", str(tmp_path / "models"))
    (tmp_path / "bikes").touch()
    assert settings.located(tmp_path).clip == str(tmp_path / "bikes")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"height": 96}, "height and width go together"),
        ({"cbr": [24, 24]}, "cbr holds a value more than once"),
        ({"radio": "pluto:usb:"}, "esn0_db is for simulated radios"),
        ({"cbr": [23]}, "CBR 1/23 is not a rate"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RoadSettings.model_validate({"name": "a", **wrong})


def test_settings_of_the_people_detector_do_not_go_with_another() -> None:
    with pytest.raises(ValidationError, match="leave them out with code"):
        DetectorSettings(code="mine.py", threshold=1.0)


def test_outlines_stay_on_the_edge_of_boxes() -> None:
    picture = np.zeros((40, 60, 3), np.float32)
    drawn = outlined(picture, np.array([[10.0, 5, 30, 20]]))[:, :, 0] > 0
    assert drawn[5:7, 10:40].all()
    assert drawn[5:25, 38:40].all()
    assert not drawn[7:23, 12:38].any()
    assert drawn.sum() == 30 * 20 - 26 * 16
    assert (picture == 0).all()
