"""Pictures for machines as a campaign."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line, RunTrial, Trial
from ...sweeps.study import SweepStudy
from ..points.planning import plan_points
from .settings import MachineSettings
from .views import VIEWS

if TYPE_CHECKING:
    from ...reports.page import Section

__all__ = ["MachineStudy"]


class MachineStudy:
    """See `Study`.

    Args:
        settings: resolved.
    """

    def __init__(self, settings: MachineSettings) -> None:
        self.settings = settings

    def plan(self) -> tuple[Trial, ...]:
        """See `plan_points`."""
        return plan_points(self.settings)

    def bytes_per_trial(self) -> int:
        """Those of a sweep, for every transmission."""
        return SweepStudy(self.settings.sweep()).bytes_per_trial() * len(self.settings.curves())

    def prepare(self, out: RunDirectory) -> None:
        """Picture files are copied into the run, and missing networks told before anything is sent."""
        from sdr_gsc.metrics.features import load_eye, load_judge

        load_eye()
        load_judge()
        files = tuple(name for name in self.settings.pictures if name not in VIEWS or Path(name).exists())
        if files:
            SweepStudy(self.settings.model_copy(update={"pictures": files}).sweep()).prepare(out)

    def open(self, out: RunDirectory) -> RunTrial:
        """See `Study.open`."""
        from .trials import MachineTrials

        return MachineTrials(self.settings, out)

    def sections(self, out: RunDirectory, trials: Sequence[Line]) -> list[Section]:
        """See `Study.sections`."""
        from .sections import machine_sections

        return machine_sections(out, self.settings, trials)

    def summary(self, trials: Sequence[Line]) -> Line:
        """Agreement of every method, and the least bandwidth at which it reaches what is wanted."""
        from .tables import headline

        return headline(self.settings, trials)

    def shortfalls(self, trials: Sequence[Line]) -> list[str]:
        """A measurement in which the sent pictures themselves have no settled answer shows nothing."""
        if trials and not any(line["undistorted_agrees"] for line in trials):
            return ["of no sent picture do the classifier and the judge name the same class; choose other pictures"]
        return []
