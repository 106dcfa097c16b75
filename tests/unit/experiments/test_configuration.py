from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.campaign.kinds import study_of
from experiments.campaign.running import planned
from experiments.campaign.settings import CampaignSettings
from experiments.checking import checked
from experiments.configuration import DemoSettings, SendSettings
from experiments.procedures.locating import located
from experiments.settings_files import read_settings, write_settings
from experiments.sweeps.planning import plan
from experiments.sweeps.settings import GridSettings, SeriesSettings, SweepSettings
from sdr_gsc.errors import SettingsError

CONFIGS = sorted((Path(__file__).parents[3] / "experiments/configs").glob("*.toml"))

sweeps = st.builds(
    SweepSettings,
    name=st.from_regex(r"\A[a-z]{1,8}\Z"),
    seed=st.integers(0, 2**40),
    grid=st.builds(
        GridSettings,
        esn0_db=st.lists(st.floats(-20, 40).map(lambda x: round(x, 2)), max_size=4, unique=True).map(tuple),
        cbr=st.lists(st.sampled_from([24, 48, 96]), min_size=1, max_size=3, unique=True).map(tuple),
        repetitions=st.integers(1, 3),
    ),
    series=st.just((SeriesSettings(name="a", decoders=("mmse",)), SeriesSettings(name="b", mapping="coded", mcs=3))),
)


@given(settings=sweeps)
def test_settings_survive_toml(tmp_path_factory, settings):
    path = tmp_path_factory.mktemp("toml") / "config.toml"
    write_settings(path, settings)
    assert read_settings(path) == settings


@pytest.mark.parametrize("settings", [SendSettings(image="x.png", esn0_db=3.5), DemoSettings(posterior_steps=12)])
def test_kinds_are_told_apart(tmp_path, settings):
    write_settings(tmp_path / "config.toml", settings)
    assert read_settings(tmp_path / "config.toml") == settings


@given(settings=sweeps)
def test_every_combination_is_one_trial(settings):
    trials = plan(settings)
    grid = settings.grid
    expected = len(settings.series) * len(grid.cbr) * max(len(grid.esn0_db), 1) * len(grid.pictures) * grid.repetitions
    assert len({trial.name for trial in trials}) == len(trials) == expected


@given(settings=sweeps)
def test_the_quick_grid_is_part_of_the_whole_one(settings):
    quick = settings.resolved(quick=True)
    assert {trial.name for trial in plan(quick)} <= {trial.name for trial in plan(settings)}
    assert settings.resolved(quick=False).grid == settings.grid


def test_quick_values_replace_those_of_the_grid():
    settings = SweepSettings(
        name="x",
        grid=GridSettings(esn0_db=(0, 10), repetitions=100),
        series=(SeriesSettings(name="a"),),
        quick={"repetitions": 3},
    )
    assert settings.resolved(quick=True).grid == GridSettings(esn0_db=(0, 10), repetitions=3)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_are_valid(path):
    settings = read_settings(path)
    assert isinstance(settings, CampaignSettings)
    assert settings.name == path.stem
    whole, quick = (planned(study_of(settings.resolved(quick=quick))) for quick in (False, True))
    assert 0 < len(quick) < len(whole)


def test_there_are_shipped_configurations():
    scenarios = {"human", "machine", "agent", "online_meeting", "road_monitoring"}
    assert scenarios | {"awgn_sweep", "office_robustness"} <= {path.stem for path in CONFIGS}


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        DemoSettings().seed = 3


def test_what_was_not_given_keeps_its_default():
    assert checked(SendSettings, {"image": "x", "esn0_db": None, "mcs": None}) == SendSettings(image="x")


def test_several_mistakes_are_told_at_once():
    with pytest.raises(SettingsError) as refusal:
        checked(SendSettings, {"image": "x", "mcs": -1, "loud": True})
    assert "mcs is -1" in str(refusal.value)
    assert "loud is not a setting" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_paths_start_at_the_configuration(tmp_path):
    series = (SeriesSettings(name="a"),)
    settings = SweepSettings(name="x", grid=GridSettings(pictures=("own.png", "coffee")), series=series, weights="m")
    placed = located(settings, tmp_path)
    assert placed.grid.pictures == (str(tmp_path / "own.png"), "coffee")
    assert placed.weights == str(tmp_path / "m")
    (tmp_path / "coffee").touch()
    assert located(settings, tmp_path).grid.pictures[1] == str(tmp_path / "coffee")
    assert located(SendSettings(image="own.png"), tmp_path).image == str(tmp_path / "own.png")
