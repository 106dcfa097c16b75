"""Closed-loop campaigns: plans, trials, two agents, and their report."""

from __future__ import annotations

import importlib
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import experiments
from experiments.campaign.run_directory import RunDirectory
from experiments.reports.page import Image, Table
from experiments.scenarios.agent.planning import plan
from experiments.scenarios.agent.policy import PolicyNet
from experiments.scenarios.agent.returns import shortfalls
from experiments.scenarios.agent.settings import AgentSettings, PairSettings, PolicySettings
from experiments.scenarios.agent.sharing import next_sender
from experiments.scenarios.agent.study import AgentStudy
from experiments.scenarios.agent.trials import AgentTrials
from sdr_gsc.errors import SettingsError

SMALL = AgentSettings(
    name="small",
    seed=4,
    steps=12,
    episodes=2,
    radios=("loopback:ideal",),
    esn0_db=(3.0, 15.0),
    symbols=(2, 12),
    latency_steps=(0, 2),
    at_esn0_db=15.0,
    policy=PolicySettings(history=3, width=16, rounds=1, batches=2, batch=16, episodes=4, draws=3, steps=2),
    pair=PairSettings(esn0_db=(15.0,), symbols=12, episodes=1),
)


def untrained(settings: AgentSettings) -> dict[str, PolicyNet]:
    weights = torch.Generator().manual_seed(0)
    policy = settings.policy
    return {
        name: PolicyNet(policy.history, policy.width).initialize(weights).eval() for name in ("policy", "policy_flat")
    }


def without_timings(value):
    if isinstance(value, dict):
        return {key: without_timings(each) for key, each in value.items() if key != "timings_s"}
    return [without_timings(each) for each in value] if isinstance(value, list) else value


def test_a_cell_of_several_axes_is_run_once():
    trials = plan(SMALL)
    assert len({trial.name for trial in trials}) == len(trials)
    # Two levels, one more count of symbols, one more latency, each twice; and one of two agents.
    assert len(trials) == 2 * (2 + 1 + 1) + 1
    assert [trial.name for trial in trials[:2]] == ["ideal/+3dB/n12/late0/0", "ideal/+3dB/n12/late0/1"]
    assert {trial.cell for trial in trials} >= {"ideal/+15dB/n2/late0", "pair/ideal/+15dB/n12/late0"}
    json.dumps([dict(trial.values) for trial in trials])


def test_radios_of_their_own_noise_are_used_by_one_trial_at_a_time():
    settings = AgentSettings(name="real", radios=("pluto:ip:192.168.2.1",), esn0_db=(), episodes=1)
    (trial,) = plan(settings)
    assert trial.needs == ("radio:pluto:ip:192.168.2.1",)
    assert trial.values["esn0_db"] is None
    with pytest.raises(ValidationError, match="noise of their own"):
        AgentSettings(name="real", radios=("pluto:ip:192.168.2.1",))


def test_settings_that_cannot_be():
    with pytest.raises(ValidationError, match="name each once"):
        AgentSettings(name="twice", methods=("expert", "expert"))
    with pytest.raises(ValidationError, match="odd number"):
        PolicySettings(draws=4)
    with pytest.raises(ValidationError, match="esn0_low_db"):
        PolicySettings(esn0_low_db=9.0, esn0_high_db=9.0)


def test_the_shipped_configuration_is_valid():
    path = Path(experiments.__file__).parent / "configs" / "agent.toml"
    settings = AgentSettings.model_validate(tomllib.loads(path.read_text("utf-8")))
    quick = settings.resolved(quick=True)
    assert len(plan(quick)) < 30 < len(plan(settings))
    assert AgentSettings.model_validate(quick.model_dump(mode="json", exclude_none=True)) == quick


def test_a_trial_is_the_same_whatever_was_run_before():
    nets = untrained(SMALL)
    trials = [trial for trial in plan(SMALL) if trial.name.endswith("/0")]
    forward = {trial.name: without_timings(AgentTrials(SMALL, nets)(trial)) for trial in trials}
    same = AgentTrials(SMALL, nets)
    backward = {trial.name: without_timings(same(trial)) for trial in reversed(trials)}
    assert forward == backward
    json.dumps(forward, allow_nan=False)
    other = AgentTrials(SMALL.model_copy(update={"seed": 5}), nets)(trials[0])
    assert without_timings(other) != forward[trials[0].name]


def test_methods_that_do_not_fit_are_left_out_and_the_others_are_counted():
    trial = next(trial for trial in plan(SMALL) if trial.values["symbols"] == 2)
    line = AgentTrials(SMALL, untrained(SMALL))(trial)
    assert line["methods"]["classical"] is None
    assert line["methods"]["expert"]["frames"] is None
    assert line["methods"]["received"]["frames"] == {"sent": 12, "lost": 0}
    assert line["methods"]["received"]["air_samples"] == 12 * line["air"]["air_samples"]


def test_latency_keeps_back_what_was_sent():
    """With more latency than steps nothing ever arrives, and the expert rests."""
    settings = SMALL.model_copy(update={"steps": 2, "methods": ("received", "expert")})
    late = next(trial for trial in plan(settings) if trial.values["latency_steps"] == 2)
    rested = AgentTrials(settings, {})(late)["methods"]["received"]["return"]
    noisy = settings.model_copy(update={"radios": ("loopback:ideal",)})
    deaf = late.values | {"esn0_db": -20.0}
    lost = AgentTrials(noisy, {})(type(late)(late.name, late.cell, deaf))["methods"]["received"]
    assert lost["frames"]["lost"] == 2
    assert lost["return"] == rested


def test_better_channels_are_not_clearly_worse():
    """The expert on decoded symbols over eight episodes; a swing-up that fails costs several hundred."""
    settings = AgentSettings(
        name="levels", seed=1, steps=120, episodes=8, methods=("received", "random"), esn0_db=(0.0, 18.0), at_symbols=3
    )
    trials = AgentTrials(settings, {})
    found = {}
    for trial in plan(settings):
        found.setdefault(trial.values["esn0_db"], []).append(trials(trial)["methods"])
    means = {level: np.mean([each["received"]["return"] for each in lines]) for level, lines in found.items()}
    assert means[18.0] > means[0.0] + 100
    assert means[18.0] > np.mean([each["random"]["return"] for each in found[18.0]]) + 300


@pytest.mark.parametrize("far_db", [0.0, 6.0])
def test_two_agents_use_the_channel_exactly(far_db):
    settings = SMALL.model_copy(update={"steps": 30, "pair": SMALL.pair.model_copy(update={"far_db": far_db})})
    trials = AgentTrials(settings, untrained(settings))
    trial = next(trial for trial in plan(settings) if trial.values["study"] == "pair")
    line = trials(trial)
    frame = line["air"]["air_samples"]
    assert frame == trials.waveform.transmitter.air_samples(12)
    for way in ("turns", "need"):
        shared = line["sharing"][way]
        assert sum(shared["frames"]["sent"]) == 30
        assert shared["air_samples"] == 30 * frame
        assert shared["sum"] == sum(shared["returns"])
        assert shared["worse"] == min(shared["returns"])
    assert line["sharing"]["turns"]["frames"]["sent"] == [15, 15]
    assert line["sharing"]["both"]["frames"]["sent"] == [30, 30]
    assert line["sharing"]["both"]["air_samples"] == 60 * frame


def test_who_is_polled_next():
    assert [next_sender("turns", (0.0, 1.0), last) for last in (0, 1)] == [1, 0]
    assert [next_sender("need", (0.3, 0.1), last) for last in (0, 1)] == [0, 0]
    assert [next_sender("need", (0.1, 0.1), last) for last in (0, 1)] == [1, 0]


def test_a_study_from_training_to_report(tmp_path):
    study = AgentStudy(SMALL)
    out = RunDirectory(tmp_path)
    with pytest.raises(SettingsError, match="sdr-gsc resume"):
        study.open(out)
    study.prepare(out)
    weights = (tmp_path / "models" / "policy.safetensors").read_bytes()
    study.prepare(out)
    assert (tmp_path / "models" / "policy.safetensors").read_bytes() == weights
    run = study.open(out)
    lines = []
    for trial in study.plan():
        lines.append({"trial": trial.name, "cell": trial.cell, "values": dict(trial.values), **run(trial)})
    lines = json.loads(json.dumps(lines, allow_nan=False))
    sections = study.sections(out, lines)
    assert [section.title for section in sections] == [
        "Closed loop", "Returns", "What a frame takes", "Two agents, one channel"
    ]  # fmt: skip
    images = [block for section in sections for block in section.blocks if isinstance(block, Image)]
    assert {image.path.stem for image in images} == {
        "esn0_db.ideal", "symbols.ideal", "latency_steps.ideal", "pair_sum.ideal", "pair_worse.ideal"
    }  # fmt: skip
    assert all(image.path.stat().st_size > 5000 for image in images)
    returns = next(block for block in sections[1].blocks if isinstance(block, Table))
    assert len(returns.rows) == 4
    assert len(returns.head) == len(returns.rows[0])
    summary = study.summary(lines)
    cell = summary["returns"]["ideal/+15dB/n12/late0"]
    values = [line["methods"]["expert"]["return"] for line in lines if line["cell"] == "ideal/+15dB/n12/late0"]
    assert cell["expert"]["mean"] == pytest.approx(np.mean(values))
    assert cell["expert"]["episodes"] == 2
    assert set(summary["sharing"]["pair/ideal/+15dB/n12/late0"]["sum"]) == {"turns", "need", "both"}
    json.dumps(summary, allow_nan=False)


def test_shortfalls_name_who_is_no_better_than_chance():
    def line(level, **returns):
        methods = {name: {"return": value} for name, value in returns.items()}
        return {"cell": "c", "values": {"study": "single", "esn0_db": level}, "methods": methods}

    good = [
        line(3.0, expert=-150.0, policy=-900.0, random=-800.0),
        line(9.0, expert=-150.0, policy=-200.0, random=-900.0),
    ]
    assert shortfalls(good) == []
    assert shortfalls([]) == []
    bad = [line(9.0, expert=-900.0, policy=-950.0, random=-900.0)]
    assert len(shortfalls(bad)) == 2


def test_a_study_without_policies_trains_nothing(tmp_path):
    settings = SMALL.model_copy(update={"methods": ("expert", "random"), "pair": None})
    study = AgentStudy(settings)
    study.prepare(RunDirectory(tmp_path))
    assert not list(tmp_path.iterdir())
    line = study.open(RunDirectory(tmp_path))(study.plan()[0])
    assert set(line["methods"]) == {"expert", "random"}


def test_without_gymnasium_it_says_what_to_install(tmp_path, monkeypatch):
    real = importlib.import_module

    def missing(name, *rest):
        if name == "gymnasium":
            raise ImportError("No module named 'gymnasium'")
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    settings = SMALL.model_copy(update={"methods": ("expert",), "pair": None})
    with pytest.raises(SettingsError, match=r"pip install 'sdr-gsc\[agents\]'"):
        AgentStudy(settings).open(RunDirectory(tmp_path))
