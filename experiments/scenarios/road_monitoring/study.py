"""Street video for a detector: what it still finds, over bandwidth, by each method."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...campaign.study import Line, RunTrial, Trial
from .settings import RoadSettings

if TYPE_CHECKING:
    from ...campaign.run_directory import RunDirectory
    from ...reports.page import Section

__all__ = ["RoadStudy"]

# PNG of a frame of a street, bytes per pixel, about.
_PNG_BYTES = 2.0


class RoadStudy:
    """See `Study`.

    Args:
        settings: resolved.
    """

    def __init__(self, settings: RoadSettings) -> None:
        self.settings = settings

    def plan(self) -> tuple[Trial, ...]:
        """See `Study.plan`."""
        settings = self.settings
        trials = []
        needs = settings.needs(settings.radio)
        curves = [
            (method, mcs)
            for method in settings.methods
            for mcs in (settings.mcs if method in ("h264", "av1") else (None,))
        ]
        for (method, mcs), cbr, esn0_db, first in itertools.product(
            curves, settings.cbr, settings.esn0_db or (None,), settings.first
        ):
            level = "own" if esn0_db is None else f"{esn0_db:+g}dB"
            curve = method if mcs is None else f"{method}-mcs{mcs}"
            cell = f"{curve}/cbr{cbr}/{level}/{first}"
            for repetition in range(settings.repetitions):
                values = {
                    "curve": curve, "method": method, "mcs": mcs, "cbr": cbr, "esn0_db": esn0_db, "first": first,
                    "repetition": repetition,
                }  # fmt: skip
                trials.append(Trial(f"{cell}/{repetition}", cell, values, needs))
        return tuple(trials)

    def bytes_per_trial(self) -> int:
        """A picture of every trial of the first repetition; and captures, where they are asked for."""
        from ...procedures.tape import exchange_bytes
        from ..video.clips import open_clip

        settings, trials = self.settings, self.plan()
        values = open_clip(settings.clip, size=settings.size, first=settings.first[0], count=1).frames[0].size
        pictures = values / 3 * _PNG_BYTES / settings.repetitions
        if "captures" not in settings.keep:
            return round(pictures)
        captures = 0
        for trial in trials:
            whole = exchange_bytes(values / int(trial.values["cbr"]))
            # Regions share the air of a whole frame, each in an exchange of its own.
            apart = settings.regions.count * exchange_bytes(0) // 2 if trial.values["method"] == "regions" else 0
            captures += settings.frames * (whole + apart)
        return round(pictures + captures / len(trials))

    def prepare(self, out: RunDirectory) -> None:
        """Nothing is shared but the clip, which every worker reads."""

    def open(self, out: RunDirectory) -> RunTrial:
        """See `Study.open`."""
        from .running import Running

        return Running(self.settings, out)

    def sections(self, out: RunDirectory, trials: Sequence[Line]) -> list[Section]:
        """See `Study.sections`."""
        from .sections import road_sections

        return road_sections(out, self.settings, trials)

    def summary(self, trials: Sequence[Line]) -> Line:
        """See `Study.summary`: detections kept on each curve, over all its trials."""
        found: Line = {}
        for curve in dict.fromkeys(trial.values["curve"] for trial in self.plan()):
            lines = [line["detections"] for line in trials if line["curve"] == curve]
            truth, seen, kept = (sum(line[name] for line in lines) for name in ("truth", "found", "kept"))
            found[curve] = {
                "trials": len(lines),
                "recall": kept / truth if truth else None,
                "precision": kept / seen if seen else None,
                "f1": 2 * kept / (truth + seen) if truth + seen else None,
            }
        return found

    def shortfalls(self, trials: Sequence[Line]) -> list[str]:
        """Nothing is expected: what is kept of so many objects is what the curves say."""
        return []
