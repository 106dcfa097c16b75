"""Pictures for machines: the plan, views of photographs, shared draws, what counts as right, and how it is marked."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from experiments.campaign.kinds import study_of
from experiments.campaign.run_directory import RunDirectory
from experiments.reports.page import Image, Page, Table, render
from experiments.scenarios.machine.classifying import JUDGE, named, reference_of
from experiments.scenarios.machine.settings import MachineSettings
from experiments.scenarios.machine.study import MachineStudy
from experiments.scenarios.machine.tables import MARK, ceiling, headline, share_of, wilson
from experiments.scenarios.machine.trials import method_lines
from experiments.scenarios.machine.views import SETTLED, VIEWS, view
from experiments.settings_files import read_settings
from sdr_gsc.errors import SettingsError
from sdr_gsc.metrics.agreement import top1_class

_CONFIG = Path(__file__).parents[4] / "experiments" / "configs" / "machine.toml"


def _settings(**values: object) -> MachineSettings:
    return MachineSettings.model_validate({"name": "m", **values})


def _wilson(right: int, of: int, z: float = 1.959963984540054) -> tuple[float, float]:
    share = right / of
    centre = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return centre - half, centre + half


@pytest.mark.parametrize(("right", "of"), [(0, 10), (10, 10), (3, 10), (15, 148), (1, 1)])
def test_the_interval_is_wilsons(right: int, of: int) -> None:
    found = wilson(right, of)
    assert (found.low, found.high) == pytest.approx(_wilson(right, of), abs=1e-9)
    assert found.value == right / of


def test_the_interval_of_newcombes_example() -> None:
    # R. G. Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263.
    found = wilson(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)


def test_the_plan_holds_every_point_once() -> None:
    settings = _settings(esn0_db=[0, 6], cbr=[384, 24], repetitions=2)
    trials = MachineStudy(settings).plan()
    assert len(trials) == 2 * 2 * len(SETTLED) * 2
    assert len({trial.name for trial in trials}) == len(trials)


def test_methods_share_transmissions_where_they_can() -> None:
    names = [series.name for series in _settings(mcs=[2]).curves()]
    assert names == ["picture", "vector", "both", "classical-mcs2"]
    assert [series.name for series in _settings(methods=["vector"], mcs=[]).curves()] == ["vector"]
    with pytest.raises(ValueError, match="name each once"):
        _settings(methods=["mmse", "mmse"])


def test_the_shipped_configuration_is_read_and_quick_is_smaller() -> None:
    settings = read_settings(_CONFIG)
    assert isinstance(settings, MachineSettings)
    assert isinstance(study_of(settings), MachineStudy)
    quick = settings.located(_CONFIG.parent).resolved(quick=True)
    assert set(quick.pictures) <= set(VIEWS)
    assert 0 < len(MachineStudy(quick).plan()) < len(MachineStudy(settings).plan())


def test_views_are_parts_of_photographs() -> None:
    assert set(SETTLED) <= set(VIEWS)
    whole, part = view("camera", 64), view("camera-upper_left", 64)
    assert whole.shape == part.shape == (64, 64, 3)
    assert whole.dtype == np.float32
    assert 0 <= whole.min() < whole.max() <= 1
    assert np.array_equal(part[:, :, 0], part[:, :, 2])  # a grey photograph
    assert not np.allclose(whole, part)


@pytest.mark.parametrize("name", SETTLED)
def test_settled_views_have_one_answer(name: str) -> None:
    picture = view(name, 256)
    assert named(picture)[0] == reference_of(picture)


def test_the_first_name_is_the_likeliest_class() -> None:
    picture = view("coffee", 256)
    assert named(picture, count=3) == named(picture)[:3]
    assert named(picture)[0] == top1_class(picture)


def test_a_picture_that_is_neither_view_nor_file_is_refused(tmp_path: Path) -> None:
    settings = _settings(pictures=[str(tmp_path / "nothing.png")])
    with pytest.raises(SettingsError, match="nothing.png"):
        MachineStudy(settings).prepare(RunDirectory.create(tmp_path / "run", settings))


@pytest.fixture(scope="module")
def point(tmp_path_factory: pytest.TempPathFactory):
    """One small point at the least bandwidth, where the baseline does not fit, run twice."""
    settings = _settings(pictures=["coffee"], esn0_db=[12], side_px=64, mcs=[0], cbr=[192], methods=["mmse", "vector"])
    study, lines = MachineStudy(settings), []
    for name in ("first", "second"):
        out = RunDirectory.create(tmp_path_factory.mktemp("machine") / name, settings)
        study.prepare(out)
        lines.append(study.open(out)(study.plan()[0]))
    return settings, lines


def _untimed(found: object) -> object:
    if isinstance(found, dict):
        return {name: _untimed(value) for name, value in found.items() if name != "timings_s"}
    return found


def test_a_trial_is_the_same_whoever_runs_it(point) -> None:
    _, (first, second) = point
    assert json.dumps(_untimed(first), allow_nan=False) == json.dumps(_untimed(second), allow_nan=False)


def test_picture_and_vector_meet_the_same_channel_on_as_many_samples(point) -> None:
    _, (line, _) = point
    picture, vector = line["transmissions"]["picture"], line["transmissions"]["vector"]
    assert picture["truth"] == vector["truth"]
    assert picture["truth"]["cfo_hz"] != 0
    assert picture["air"]["air_samples"] == vector["air"]["air_samples"]


def test_a_baseline_that_does_not_fit_gives_no_answer(point) -> None:
    _, (line, _) = point
    assert "MCS 0" in line["transmissions"]["classical-mcs0"]["does_not_fit"]
    found = line["methods"]["classical-mcs0"]
    assert (found["class"], found["agrees"], found["answered"]) == (None, False, False)


def test_a_real_point_is_judged_by_the_other_network(point) -> None:
    _, (line, _) = point
    assert line["reference_class"] == reference_of(view("coffee", 64))
    assert [line["methods"][name]["uses_task_vector"] for name in ("mmse", "vector")] == [False, True]
    assert {found["judged_by"] for found in line["methods"].values()} == {JUDGE}
    assert line["transmissions"]["vector"]["task"]["judged_top1"] == line["reference_class"]


def _sent(top5: list[int] | None, seen: list[int] | None) -> dict[str, object]:
    return {
        "task": {"top5": top5},
        "named": {"mmse": seen},
        "decoders": {"mmse": {"psnr_db": None if seen is None else 20.0}},
        "cbr_effective": 0.1,
        "air": {"air_samples": 1000},
    }


def test_with_both_the_vector_answers_and_the_picture_stands_in() -> None:
    settings = _settings(methods=["both"], mcs=[])

    def both(top5: list[int] | None, seen: list[int] | None) -> dict[str, object]:
        return method_lines(settings, {"transmissions": {"both": _sent(top5, seen)}}, 7)["both"]

    heard = both([7, 1, 2, 3, 4], [1, 7, 2, 3, 4])
    assert (heard["agrees"], heard["picture_agrees"], heard["uses_task_vector"]) == (True, False, True)
    silent = both(None, [1, 7, 2, 3, 4])
    assert (silent["agrees"], silent["top5_agrees"], silent["uses_task_vector"]) == (False, True, False)
    lost = both(None, None)
    assert (lost["class"], lost["agrees"], lost["top5_agrees"], lost["answered"]) == (None, False, False, False)


def _lines(settings: MachineSettings) -> list[dict[str, object]]:
    """Vectors are always right, pictures from CBR 1/48 on, the baseline never."""
    lines = []
    for trial in MachineStudy(settings).plan():
        cbr = trial.values["cbr"]
        right = {"mmse": cbr <= 48, "refine": cbr <= 48, "vector": True, "both": True, "classical-mcs2": False}
        methods = {
            name: {
                "class": 7, "agrees": agrees, "top5_agrees": agrees, "answered": agrees,
                "uses_task_vector": name in ("vector", "both"), "judged_by": JUDGE, "cbr_effective": 2 / cbr,
            }
            for name, agrees in right.items()
        }  # fmt: skip
        lines.append(
            {
                "trial": trial.name,
                "picture": trial.values["picture"],
                "requested_esn0_db": trial.values["esn0_db"],
                "cbr_inverse": cbr,
                "reference_class": 7,
                "reference_by": JUDGE,
                "undistorted_agrees": trial.values["picture"] != "coffee",
                "methods": methods,
            }
        )
    return lines


def test_the_headline_tells_the_bandwidth_that_is_needed_or_that_none_is_enough() -> None:
    settings = _settings(cbr=[192, 48, 24], esn0_db=[6], mcs=[2])
    found = headline(settings, _lines(settings))
    needed = {item["method"]: item["cbr_effective_wanted"] for item in found["methods"]}
    assert needed == {
        "vector": pytest.approx(2 / 192), "both": pytest.approx(2 / 192), "mmse": pytest.approx(2 / 48),
        "refine": pytest.approx(2 / 48), "classical-mcs2": None,
    }  # fmt: skip
    assert found["undistorted_agreement"] == pytest.approx(1 - 1 / len(SETTLED))


def test_the_ceiling_counts_every_picture_once_and_shares_count_every_trial() -> None:
    settings = _settings(cbr=[192, 24], repetitions=2, mcs=[2])
    lines = _lines(settings)
    assert ceiling(lines).of == len(SETTLED)
    assert (share_of(lines, "mmse").right, share_of(lines, "mmse").of) == (len(lines) // 2, len(lines))


def test_every_table_marks_what_was_read_from_a_vector_and_who_judged(tmp_path: Path) -> None:
    settings = _settings(cbr=[192, 24], esn0_db=[0, 6], mcs=[2])
    sections = MachineStudy(settings).sections(RunDirectory.create(tmp_path / "run", settings), _lines(settings))
    tables = [block for section in sections for block in section.blocks if isinstance(block, Table)]
    assert len(tables) == 3
    for table in tables:
        cells = [text for row in (table.head, *table.rows) for text in row]
        assert any(text.startswith("task vector") and text.endswith(MARK) for text in cells)
        assert any(text.startswith("vector and picture") and text.endswith(MARK) for text in cells)
        assert not any(text.startswith("picture, ") and text.endswith(MARK) for text in cells)
    assert {row[-1] for row in tables[-1].rows} == {JUDGE}
    assert MARK in sections[0].text
    assert JUDGE in sections[0].text
    images = [block for block in sections[0].blocks if isinstance(block, Image)]
    assert [image.path.name for image in images if image.path is not None] == ["bandwidth.png", "esn0.png"]
    assert "Effectiveness" in render(Page("m", (), sections))


def test_pictures_without_a_settled_answer_show_nothing() -> None:
    settings = _settings(pictures=["coffee"], mcs=[2])
    (missed,) = MachineStudy(settings).shortfalls(_lines(settings))
    assert "choose other pictures" in missed
