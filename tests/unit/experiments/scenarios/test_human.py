"""The trade-off between consistency and realism: its plan, its knob, its shared draws, and what it says."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.campaign.kinds import study_of
from experiments.campaign.run_directory import RunDirectory
from experiments.procedures.keeping import keep_pictures
from experiments.procedures.transmission import Bench
from experiments.scenarios.human.frechet import frechet_table
from experiments.scenarios.human.knobs import knobs
from experiments.scenarios.human.opening import RememberedBridge, open_knobs
from experiments.scenarios.human.settings import HumanSettings
from experiments.scenarios.human.study import HumanStudy
from experiments.scenarios.human.tables import change, headline, level, verdict
from experiments.scenarios.points.planning import point_of, transmissions_of
from experiments.settings_files import read_settings
from sdr_gsc.diffusion.bridge import BridgeCondition
from sdr_gsc.diffusion.consistency import ConsistencyDecoder
from sdr_gsc.diffusion.refine import RefineDecoder
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.rate import rate_by_cbr
from sdr_gsc.semantic.values import Reception, Reconstruction

_CONFIG = Path(__file__).parents[4] / "experiments" / "configs" / "human.toml"


def _settings(**values: object) -> HumanSettings:
    return HumanSettings.model_validate({"name": "h", **values})


def _figures(psnr_db: float, perceptual: float) -> dict[str, object]:
    return {"psnr_db": psnr_db, "ms_ssim": 0.9, "perceptual": perceptual, "timings_s": {"a": 0.1}}


def _lines(settings: HumanSettings, gain: float) -> list[dict[str, object]]:
    """Every point of a plan: realism r costs 0.4 r dB, and brings perception nearer by `gain` r; baselines are lost."""
    lines = []
    for number, trial in enumerate(HumanStudy(settings).plan()):
        decoders: dict[str, object] = {}
        for knob in knobs(settings):
            value = knob.value or 0.0
            decoders[knob.label] = _figures(20 + number - 0.4 * value, 5 + 0.1 * number - gain * value)
        transmissions: dict[str, object] = {"direct": {"received": True, "cbr_effective": 0.1, "if_lost": None}}
        for series in settings.classical():
            decoders[series.name] = dict.fromkeys(("psnr_db", "ms_ssim", "perceptual", "timings_s"))
            lost = {"psnr_db": 12.0, "ms_ssim": 0.2, "perceptual": 9.0}
            transmissions[series.name] = {"received": False, "cbr_effective": 0.1, "if_lost": lost}
        values = trial.values
        lines.append(
            {
                "trial": trial.name,
                "received": True,
                "picture": values["picture"],
                "repetition": values["repetition"],
                "requested_esn0_db": values["esn0_db"],
                "cbr_inverse": values["cbr"],
                "decoders": decoders,
                "transmissions": transmissions,
            }
        )
    return lines


def test_the_plan_holds_every_point_once() -> None:
    settings = _settings(esn0_db=[3, 9], cbr=[48, 24], repetitions=3)
    trials = HumanStudy(settings).plan()
    assert len(trials) == 2 * 2 * 4 * 3
    assert len({trial.name for trial in trials}) == len(trials)
    assert len({trial.cell for trial in trials}) == 2 * 2 * 4
    assert {(t.values["cbr"], t.values["esn0_db"], t.values["picture"], t.values["repetition"]) for t in trials} == {
        (cbr, esn0_db, picture, number)
        for cbr in (48, 24) for esn0_db in (3.0, 9.0) for picture in settings.pictures for number in range(3)
    }  # fmt: skip


def test_transmissions_of_a_point_have_names_of_their_own_and_one_point() -> None:
    settings = _settings(mcs=[0, 2])
    point = HumanStudy(settings).plan()[0]
    transmissions = transmissions_of(settings, point)
    assert [trial.values["series"] for trial in transmissions] == ["direct", "classical-mcs0", "classical-mcs2"]
    assert len({trial.name for trial in transmissions}) == 3
    assert {point_of(trial) for trial in transmissions} == {point.name}


def test_the_knob_ascends_from_the_anchor_and_every_label_is_distinct() -> None:
    found = knobs(_settings(realism=[1, 0, 0.5], guidance=[4, 2], posterior_steps=7))
    assert found[0].label == "mmse"
    for curve in {knob.curve for knob in found}:
        values = [knob.value for knob in found if knob.curve == curve and knob.value is not None]
        assert values == sorted(values)
    assert len({knob.label for knob in found}) == len(found) == 1 + 3 + 3 + 2 + 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"realism": [0, 0]}, "name each once"),
        ({"realism": []}, "realism is empty"),
        ({"decoders": [], "guidance": []}, "nothing has a knob"),
        ({"pictures": ["a/x.png", "b/x.png"]}, "a name of its own"),
    ],
)
def test_settings_without_a_knob_or_with_two_of_a_name_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _settings(**wrong)


def test_the_shipped_configuration_is_read_and_quick_is_smaller() -> None:
    settings = read_settings(_CONFIG)
    assert isinstance(settings, HumanSettings)
    assert isinstance(study_of(settings), HumanStudy)
    quick = settings.located(_CONFIG.parent).resolved(quick=True)
    assert set(quick.pictures) <= {"astronaut", "coffee", "chelsea", "rocket"}
    assert 0 < len(HumanStudy(quick).plan()) < len(HumanStudy(settings).plan())


def test_a_remembered_bridge_answers_alike_and_asks_once() -> None:
    asked = []

    def bridge(state: torch.Tensor, condition: BridgeCondition, t: torch.Tensor, kappa: torch.Tensor) -> torch.Tensor:
        asked.append(state)
        return state * 2 + condition.estimate + t.view(-1, 1, 1, 1) * kappa.view(-1, 1, 1, 1)

    ones, zeros = torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    condition = BridgeCondition(ones, ones, ones, ones)
    other = BridgeCondition(zeros, ones, ones, ones)
    kept = RememberedBridge(bridge, size=2)
    t, kappa = torch.tensor([0.5]), torch.tensor([0.3])
    for state, given, time in ((ones, condition, t), (ones, condition, t), (ones, other, t), (ones, condition, t / 2)):
        assert torch.equal(kept(state, given, time, kappa), bridge(state, given, time, kappa))
    assert kept.asked == 3
    kept(ones, condition, t, kappa)  # forgotten: two newer answers are kept
    assert kept.asked == 4


@pytest.fixture(scope="module")
def point(tmp_path_factory: pytest.TempPathFactory):
    """One small point, run twice by two openings."""
    settings = _settings(
        pictures=["astronaut"], esn0_db=[14], side_px=64, realism=[0, 1], decoders=["refine"], mcs=[0], cbr=[12], seed=3
    )
    study, lines, folders = HumanStudy(settings), [], []
    for name in ("first", "second"):
        out = RunDirectory.create(tmp_path_factory.mktemp("human") / name, settings)
        study.prepare(out)
        lines.append(study.open(out)(study.plan()[0]))
        folders.append(out)
    return settings, lines, folders


def _untimed(found: object) -> object:
    if isinstance(found, dict):
        return {name: _untimed(value) for name, value in found.items() if name != "timings_s"}
    return found


def test_a_trial_is_the_same_whoever_runs_it(point) -> None:
    _, (first, second), _ = point
    assert json.dumps(_untimed(first), allow_nan=False) == json.dumps(_untimed(second), allow_nan=False)


def test_all_transmissions_of_a_point_meet_the_same_channel(point) -> None:
    _, (line, _), _ = point
    direct, classical = line["transmissions"]["direct"], line["transmissions"]["classical-mcs0"]
    assert direct["truth"] == classical["truth"]
    assert direct["truth"]["cfo_hz"] != 0
    assert classical["air"]["air_samples"] <= direct["air"]["air_samples"]


def test_every_setting_has_figures_and_a_picture(point) -> None:
    settings, (line, _), (out, _) = point
    labels = [knob.label for knob in knobs(settings)]
    assert list(line["decoders"]) == [*labels, "classical-mcs0"]
    assert all(line["decoders"][label]["psnr_db"] > 10 for label in labels)
    kept = {path.name for path in (out.path / "pictures").glob("*.png")}
    assert len(kept) == 1 + len(labels) + (line["decoders"]["classical-mcs0"]["psnr_db"] is not None)


def test_sections_and_summary_of_a_real_point(point) -> None:
    settings, (line, _), (out, _) = point
    study = HumanStudy(settings)
    titles = [section.title for section in study.sections(out, [line])]
    assert "Pictures" in titles
    table = frechet_table(out, settings, [line], "here")
    assert table is None  # one patch of one small picture is no distribution
    (found,) = study.summary([line])["points"]
    assert found["perceptual_change_95"] == [None, None]  # one trial tells no interval
    assert study.shortfalls([line]) == []


def test_the_frechet_distance_of_a_picture_that_came_through_whole_is_smallest(tmp_path: Path) -> None:
    settings = _settings(realism=[1], decoders=["refine"], mcs=[0])
    out = RunDirectory.create(tmp_path / "run", settings)
    picture = np.random.default_rng(1).random((128, 128, 3)).astype(np.float32)
    kept = {"mmse": Reconstruction(picture, "mmse", None, None, 0, {})}
    kept["refine-realism1"] = Reconstruction(np.full_like(picture, 0.5), "refine", None, None, 0, {})
    keep_pictures(out, "direct/p/0", picture, kept, sent_name="sent.p.128")
    table = frechet_table(out, settings, [{"trial": "p/0", "picture": "p"}], "here")
    assert table is not None
    distances = {row[0]: row[1] for row in table.rows}
    assert float(distances["mmse"]) < 0.01 < float(distances["refine-realism1"])
    assert distances["classical, QPSK 1/2"] == "–"


def test_remembering_changes_no_picture(point) -> None:
    settings, _, _ = point
    bench = Bench.open()
    opened = open_knobs(settings, bench)
    first, last = opened["refine-realism0"], opened["refine-realism1"]
    assert isinstance(first, RefineDecoder)
    assert isinstance(last, RefineDecoder)
    assert first.bridge is last.bridge
    assert (first.realism, last.realism) == (0, 1)
    assert first == replace(last, realism=0.0)

    symbols = bench.codec.encode(np.random.default_rng(0).random((32, 32, 3), np.float32), rate_by_cbr(24), 16)
    points = constellation_points(symbols).astype(np.complex64)
    reception = Reception(symbols.descriptor, points, np.full(points.size, 0.1, np.float32), None, ())

    def picture(decoder: RefineDecoder) -> np.ndarray:
        return decoder.decode(reception, generator=torch.Generator().manual_seed(1)).picture

    walk = first.bridge
    assert isinstance(walk, RememberedBridge)
    for decoder in (first, last):
        assert np.array_equal(picture(decoder), picture(replace(decoder, bridge=walk.bridge)))
    assert walk.asked == last.schedule.steps  # one walk for both
    consistent = open_knobs(settings.model_copy(update={"decoders": ("consistency",)}), Bench.open())
    assert isinstance(consistent["consistency-realism1"], ConsistencyDecoder)


def test_differences_are_paired_and_levels_hold_the_mean() -> None:
    settings = _settings(realism=[0, 1], decoders=["refine"], repetitions=2, mcs=[])
    lines = _lines(settings, gain=0.5)
    found = change(settings, lines, "refine-realism1", "perceptual")
    assert (found.mean, found.low, found.high) == pytest.approx((-0.5, -0.5, -0.5))
    # Pictures differ by 1 dB from trial to trial; two repetitions of the mean over pictures differ by 1 dB.
    around = level(lines, "mmse", "psnr_db")
    assert around.mean == pytest.approx(20 + 3.5)
    assert around.high - around.mean == pytest.approx(12.706 * 0.5, rel=1e-3)


def test_the_headline_names_the_most_realistic_setting_within_the_tolerance() -> None:
    settings = _settings(realism=[0, 0.5, 1], decoders=["refine"], tolerated_db=0.3)
    (found,) = headline(settings, _lines(settings, gain=0.5))
    assert (found["best"], found["perceptual_change"]) == ("refine-realism0.5", pytest.approx(-0.25))
    assert "-0.25" in verdict(found, 0.3)
    assert "chance" not in verdict(found, 0.3)
    assert "1 %" not in verdict(found, 0.3)
    assert found["baselines"]["classical-mcs0"] == {
        "psnr_db": 12.0, "ms_ssim": pytest.approx(0.2), "perceptual": 9.0, "received": 0,
    }  # fmt: skip


def test_a_gain_that_is_certain_but_tiny_is_called_tiny() -> None:
    settings = _settings(realism=[1], decoders=["refine"])
    (found,) = headline(settings, _lines(settings, gain=0.001))
    assert found["best"] == "refine-realism1"
    assert "less than 1 %" in verdict(found, settings.tolerated_db)


def test_a_knob_that_makes_things_worse_is_said_to() -> None:
    settings = _settings(realism=[0.5, 1], decoders=["refine"], expect_gain=0.1)
    lines = _lines(settings, gain=-0.5)
    (found,) = headline(settings, lines)
    assert found["best"] == "mmse"
    assert "no setting" in verdict(found, settings.tolerated_db)
    (missed,) = HumanStudy(settings).shortfalls(lines)
    assert "Expected was a gain of 0.1" in missed


def test_sections_are_drawn_from_lines_alone(tmp_path: Path) -> None:
    settings = _settings(esn0_db=[3, 9], cbr=[24], repetitions=2, posterior_steps=4, guidance=[2], keep=[])
    out = RunDirectory.create(tmp_path / "run", settings)
    study = HumanStudy(settings)
    sections = study.sections(out, _lines(settings, gain=0.2))
    assert [section.title for section in sections] == [
        "Distortion and perception", "What the knob changes", "In words", "Means",
    ]  # fmt: skip
    assert "classical, QPSK 1/2 at 3 dB lies outside" in sections[0].text
    drawn = sorted(path.name for path in (out.path / "figures").glob("*.png"))
    assert drawn == ["changes.cbr24.png", "plane.cbr24.ms_ssim.png", "plane.cbr24.psnr_db.png"]
    (table,) = sections[-1].blocks
    assert len(table.rows) == 2 * (len(knobs(settings)) + 2)
