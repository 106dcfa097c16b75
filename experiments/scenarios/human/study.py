"""The trade-off between consistency and realism as a campaign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line, RunTrial, Trial
from ...sweeps.study import SweepStudy
from ..points.planning import plan_points
from .knobs import knobs
from .settings import HumanSettings

if TYPE_CHECKING:
    from ...reports.page import Section

__all__ = ["HumanStudy"]


class HumanStudy:
    """See `Study`.

    Args:
        settings: resolved.
    """

    def __init__(self, settings: HumanSettings) -> None:
        self.settings = settings
        self._sweep = SweepStudy(settings.sweep())

    def plan(self) -> tuple[Trial, ...]:
        """See `plan_points`."""
        return plan_points(self.settings)

    def bytes_per_trial(self) -> int:
        """Those of a sweep for every transmission, and a picture for every setting of the knob."""
        sweep = self._sweep.bytes_per_trial() * len(self.settings.curves())
        pictures = 2 * self.settings.side_px**2 * len(knobs(self.settings))
        return sweep + (pictures if "pictures" in self.settings.keep else 0)

    def prepare(self, out: RunDirectory) -> None:
        """Picture files are copied into the run."""
        self._sweep.prepare(out)

    def open(self, out: RunDirectory) -> RunTrial:
        """See `Study.open`."""
        from .trials import HumanTrials

        return HumanTrials(self.settings, out)

    def sections(self, out: RunDirectory, trials: Sequence[Line]) -> list[Section]:
        """See `Study.sections`."""
        from .sections import human_sections

        return human_sections(out, self.settings, trials)

    def summary(self, trials: Sequence[Line]) -> Line:
        """At every bandwidth and Es/N0: what realism could be had for a small loss of PSNR."""
        from .tables import headline

        return {"points": headline(self.settings, trials)}

    def shortfalls(self, trials: Sequence[Line]) -> list[str]:
        """Points without the gain that the configuration expects; none without an expectation."""
        from .tables import shortfalls

        return shortfalls(self.settings, trials)
