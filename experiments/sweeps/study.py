"""Pictures over every combination of settings: the campaign behind curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from sdr_gsc.errors import SettingsError

from ..campaign.run_directory import RunDirectory
from ..campaign.study import Line, RunTrial, Trial
from .planning import plan
from .settings import SweepSettings

if TYPE_CHECKING:
    from ..procedures.transmission import Aired
    from ..reports.page import Section

__all__ = ["SweepStudy"]

# Symbols on the air over payload symbols, about: pilots, guard interval, headers. Eight bytes each, twice: what was
# sent and what was received, with the silence around it.
_AIR_OVERHEAD, _AIR_BYTES = 2.2, 8 * 2.5
# PNG of photographs, bytes per pixel, about.
_PNG_BYTES = 2.0


class SweepStudy:
    """See `Study` and `StagedStudy`.

    Args:
        settings: resolved.
    """

    def __init__(self, settings: SweepSettings) -> None:
        self.settings = settings

    def plan(self) -> tuple[Trial, ...]:
        """See `Study.plan`.

        Raises:
            SettingsError: a combination that no transmission can have.
        """
        try:
            return plan(self.settings)
        except ValidationError as error:
            raise SettingsError(f"the grid holds a combination that cannot be: {error.errors()[0]['msg']}") from error

    def bytes_per_trial(self) -> int:
        """See `Study.bytes_per_trial`."""
        pixels = self.settings.side_px**2
        kept = self.settings.keep
        captures = 3 * pixels / min(self.settings.grid.cbr) * _AIR_OVERHEAD * _AIR_BYTES if "captures" in kept else 0.0
        pictures = pixels * _PNG_BYTES * 2 if "pictures" in kept else 0.0
        return round(captures + pictures)

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
