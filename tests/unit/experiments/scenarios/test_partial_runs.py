"""Reports of campaigns that were stopped, or in which nothing arrived: no kind trips over what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest
from PIL import Image

from experiments.campaign.kinds import study_of
from experiments.campaign.run_directory import RunDirectory
from experiments.reports.page import Page, render


@pytest.fixture(autouse=True)
def _quick_figures(monkeypatch):
    """Figures are made, and blank ones written: to draw each of them takes most of a minute."""

    def savefig(figure, path, **options):
        if Path(path).suffix == ".png":
            Image.new("RGB", (2, 2)).save(path)
        else:
            Path(path).write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", savefig)


def _shows(settings, path, lines):
    study = study_of(settings)
    sections = study.sections(RunDirectory(path), lines)
    assert "live" in render(Page("live", (), sections))
    json.dumps(study.summary(lines), allow_nan=False)
    assert all(isinstance(sentence, str) and sentence for sentence in study.shortfalls(lines))


def _more(live, kind):
    """A larger plan: several Es/N0, bandwidths and repetitions."""
    if kind == "sweep":
        grid = {"cbr": [12, 24], "esn0_db": [6, 12], "pictures": ["astronaut"], "repetitions": 2}
        return live.settings(kind, grid=grid)
    if kind == "agent":
        pair = {"esn0_db": [6, 12], "episodes": 2}
        return live.settings(kind, episodes=2, esn0_db=[6, 12], symbols=[6, 12], latency_steps=[0, 2], pair=pair)
    return live.settings(kind, esn0_db=[6, 12], cbr=[24, 48], repetitions=2)


def _lines(live, kind, settings):
    """Lines of the larger plan; each says what one of the small plan says, or one of those in which all is lost."""
    generator, found = np.random.default_rng(0), []
    for trial in study_of(settings).plan():
        values = dict(trial.values)
        small = live(kind, deaf=bool(generator.random() < 0.3)).lines
        same = next(
            line
            for line in small
            if all(line["values"].get(key) == values.get(key) for key in ("series", "curve", "study"))
        )
        places = {key: values[key] for key in ("cbr", "repetition") if key in same and key in values}
        if "cbr_inverse" in same:
            places["cbr_inverse"] = values["cbr"]
        head = {"trial": trial.name, "cell": trial.cell, "values": values}
        found.append({**same, **places, **head, "requested_esn0_db": values["esn0_db"]})
    return found


def _parts(lines):
    """Nothing, one trial, all cells but one, and what some workers had done by chance."""
    generator = np.random.default_rng(1)
    yield []
    yield lines[-1:]
    yield [line for line in lines if line["cell"] != lines[0]["cell"]]
    yield [line for line in lines if generator.random() < 0.4]


def test_every_part_of_a_run_can_be_shown(kind, live, tmp_path):
    settings = _more(live, kind)
    for part in _parts(_lines(live, kind, settings)):
        _shows(settings, tmp_path, part)


def test_a_run_in_which_nothing_arrived_can_be_shown(kind, live):
    run = live(kind, deaf=True)
    if kind == "agent":
        frames = [method["frames"] for method in run.lines[0]["methods"].values() if method["frames"]]
        assert all(each["lost"] == each["sent"] > 0 for each in frames)
    else:
        assert not any(line["received"] for line in run.lines)
    for part in (list(run.lines), list(run.lines[:1])):
        _shows(run.settings, run.path, part)
