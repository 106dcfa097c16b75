"""Pictures over every combination of settings: the campaign behind curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from sdr_gsc.errors import SettingsError

from ..campaign.run_directory import RunDirectory
from ..campaign.study import Line, RunTrial, Trial
from ..checking import one_line
from .planning import plan
from .settings import SweepSettings, TrialSettings

if TYPE_CHECKING:
    from ..procedures.transmission import Aired
    from ..reports.page import Section

__all__ = ["SweepStudy"]


class SweepStudy:
    """See `Study` and `StagedStudy`.

    Args:
        settings: resolved.
    """

    def __init__(self, settings: SweepSettings) -> None:
        self.settings = settings
        self._plan: tuple[Trial, ...] | None = None

    def plan(self) -> tuple[Trial, ...]:
        """See `Study.plan`.

        Raises:
            SettingsError: a combination that no transmission can have, or that nobody could send or decode.
        """
        if self._plan is None:
            from .refusing import Refusing

            try:
                self._plan = plan(self.settings, Refusing().check)
            except ValidationError as error:
                why = one_line(error, TrialSettings)
                raise SettingsError(f"the grid holds a combination that cannot be: {why}") from error
        return self._plan

    def bytes_per_trial(self) -> int:
        """See `Study.bytes_per_trial`."""
        if not self.settings.keep:
            return 0
        from .keeping_room import mean_bytes

        return mean_bytes(self.settings)

    def prepare(self, out: RunDirectory) -> None:
        """Copy picture files into the run, so that it can be run again from itself."""
        from .sources import keep_sources

        keep_sources(self.settings, out)

    def open(self, out: RunDirectory) -> RunTrial:
        """See `Study.open`."""
        from .transmitting import Receiving, Sending

        sending, receiving = Sending(self.settings, out), Receiving(self.settings, out)
        return lambda trial: receiving(trial, sending(trial))

    def open_air(self, out: RunDirectory) -> Callable[[Trial], Aired]:
        """See `StagedStudy.open_air`."""
        from .transmitting import Sending

        return Sending(self.settings, out)

    def open_judge(self, out: RunDirectory) -> Callable[[Trial, Aired], Line]:
        """See `StagedStudy.open_judge`."""
        from .transmitting import Receiving

        return Receiving(self.settings, out)

    def sections(self, out: RunDirectory, trials: Sequence[Line]) -> list[Section]:
        """See `Study.sections`."""
        from .sections import sweep_sections

        return sweep_sections(out, self.settings, trials)

    def summary(self, trials: Sequence[Line]) -> Line:
        """See `Study.summary`."""
        from .headers import header_totals

        sent, right, wrong = header_totals(trials)
        return {
            "received": sum(bool(trial["received"]) for trial in trials),
            "headers": {"sent": sent, "right": right, "wrong": wrong},
        }

    def shortfalls(self, trials: Sequence[Line]) -> list[str]:
        """See `Study.shortfalls`."""
        from .headers import shortfalls

        return shortfalls(trials, self.settings.expect)
