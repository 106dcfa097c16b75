"""Campaigns of every kind at their smallest, run once for all tests that look at what they left."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from experiments.campaign.kinds import study_of
from experiments.campaign.run_directory import RunDirectory
from experiments.campaign.settings import CampaignSettings
from experiments.campaign.study import Line
from experiments.checking import checked
from experiments.scenarios.agent.settings import AgentSettings
from experiments.scenarios.faces.weights import FACE_PACKAGE
from experiments.scenarios.human.settings import HumanSettings
from experiments.scenarios.machine.settings import MachineSettings
from experiments.scenarios.online_meeting.settings import MeetingSettings
from experiments.scenarios.road_monitoring.settings import RoadSettings
from experiments.sweeps.settings import SweepSettings

_TYPES: dict[str, type[CampaignSettings]] = {
    "sweep": SweepSettings, "human": HumanSettings, "machine": MachineSettings, "agent": AgentSettings,
    "online_meeting": MeetingSettings, "road_monitoring": RoadSettings,
}  # fmt: skip
_SMALL: dict[str, dict[str, Any]] = {
    "sweep": {
        "side_px": 64, "grid": {"cbr": [12], "esn0_db": [12], "pictures": ["astronaut"]},
        "series": [{"name": "direct", "decoders": ["mmse"]}, {"name": "file", "mapping": "classical"}],
    },
    "human": {
        "side_px": 64, "pictures": ["astronaut"], "cbr": [12], "decoders": ["refine"], "realism": [1], "mcs": [0],
    },
    # At CBR 1/24 no picture file fits beside so few pixels: what was not sent needs no recording.
    "machine": {"side_px": 64, "pictures": ["coffee"], "cbr": [24], "methods": ["mmse", "vector"], "mcs": [0]},
    "agent": {
        "steps": 4, "episodes": 1, "esn0_db": [6], "at_esn0_db": 6, "methods": ["policy", "received", "random"],
        "policy": {"history": 2, "width": 8, "rounds": 1, "batches": 1, "batch": 16, "episodes": 2, "draws": 3},
        "pair": {"esn0_db": [6], "episodes": 1},
    },
    "online_meeting": {
        "side_px": 64, "esn0_db": [9], "frames": 3, "repetitions": 1, "methods": ["updates", "h264"], "mcs": [2],
    },
    "road_monitoring": {
        "height": 64, "width": 96, "frames": 2, "first": [57], "cbr": [24], "esn0_db": [12], "mcs": [2],
        "methods": ["regions", "h264"], "detector": {"threshold": 0.0},
    },
}  # fmt: skip
_PACKAGES: dict[str, tuple[str, ...]] = {
    "agent": ("gymnasium",),
    "online_meeting": (FACE_PACKAGE, "scikit-video", "av"),
    "road_monitoring": ("scikit-video", "av", "opencv-python-headless"),
}


@dataclass(frozen=True)
class Live:
    """A campaign that was run.

    Attributes:
        path: its folder.
        settings: resolved.
        lines: of its trials, as they stand on disk.
    """

    path: Path
    settings: CampaignSettings
    lines: tuple[Line, ...]


@dataclass
class Lives:
    """Runs campaigns, each once."""

    root: Path
    models: str
    _known: dict[str, Live] = field(default_factory=dict)

    def settings(self, kind: str, **further: object) -> CampaignSettings:
        """The smallest of a kind, with its captures kept; the test is skipped where a package is missing."""
        for name in _PACKAGES.get(kind, ()):
            try:
                importlib.metadata.distribution(name)
            except importlib.metadata.PackageNotFoundError:
                pytest.skip(f"{name}, which is needed, is not installed")
        weights = {} if kind == "agent" else {"weights": self.models}
        values = {"name": "live", "seed": 3, "keep": ["captures"], **weights, **_SMALL[kind], **further}
        return checked(_TYPES[kind], values)

    def run(self, path: Path, settings: CampaignSettings) -> tuple[Line, ...]:
        """Lines of all trials."""
        out, study = RunDirectory.create(path, settings), study_of(settings)
        study.prepare(out)
        trial = study.open(out)
        return tuple(
            {"trial": each.name, "cell": each.cell, "values": dict(each.values), **trial(each)} for each in study.plan()
        )

    def __call__(self, kind: str, *, deaf: bool = False) -> Live:
        """The smallest campaign of a kind; or one at an Es/N0 at which no preamble is found, which keeps nothing."""
        settings = self.settings(kind)
        if deaf:
            settings = self.settings(kind, keep=[], **_levels(kind, -25.0))
        name = f"{kind}-deaf" if deaf else kind
        if name not in self._known:
            path = self.root / name
            self._known[name] = Live(path, settings, self.run(path, settings))
        return self._known[name]


def _levels(kind: str, esn0_db: float) -> dict[str, Any]:
    if kind == "sweep":
        return {"grid": _SMALL["sweep"]["grid"] | {"esn0_db": [esn0_db]}}
    if kind == "agent":
        return {"esn0_db": [esn0_db], "at_esn0_db": esn0_db, "pair": {"esn0_db": [esn0_db], "episodes": 1}}
    return {"esn0_db": [esn0_db]}


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, models: str) -> Lives:
    """See Lives."""
    return Lives(tmp_path_factory.mktemp("live"), models)


@pytest.fixture(params=list(_TYPES))
def kind(request: pytest.FixtureRequest) -> str:
    """Every kind of campaign."""
    return str(request.param)
