"""The online meeting as a campaign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...campaign.study import Line, RunTrial, Trial
from .settings import SEMANTIC_METHODS, MeetingSettings

if TYPE_CHECKING:
    from ...campaign.run_directory import RunDirectory
    from ...reports.page import Section

__all__ = ["MeetingStudy"]

# PNG of a frame, bytes per pixel, about.
_PNG_BYTES = 2.0


class MeetingStudy:
    """See `Study`.

    Args:
        settings: resolved.
    """

    def __init__(self, settings: MeetingSettings) -> None:
        self.settings = settings

    def plan(self) -> tuple[Trial, ...]:
        """Every method at every bandwidth and Es/N0; videos once for each modulation and coding scheme."""
        settings = self.settings
        series: list[tuple[str, str, int | None]] = []
        for method in settings.methods:
            if method in SEMANTIC_METHODS:
                series.append((method, method, None))
            else:
                series += [(f"{method}-mcs{mcs}", method, mcs) for mcs in settings.mcs]
        needs = settings.needs(settings.radio)
        plan = []
        # Repetitions outermost: a run that was stopped early shows every curve.
        for repetition in range(settings.repetitions):
            for cbr in settings.cbr:
                for esn0_db in settings.esn0_db or (None,):
                    for name, sender, mcs in series:
                        level = "" if esn0_db is None else f".{esn0_db:g}dB"
                        cell = f"{name}.cbr{cbr}{level}"
                        values = {
                            "series": name,
                            "method": sender,
                            "mcs": mcs,
                            "cbr": cbr,
                            "esn0_db": esn0_db,
                            "repetition": repetition,
                        }
                        plan.append(Trial(f"{cell}.r{repetition}", cell, values, needs))
        return tuple(plan)

    def bytes_per_trial(self) -> int:
        """Frames of the first repetition are kept, three of each trial; and captures, where they are asked for."""
        from ...procedures.tape import exchange_bytes
        from ..video.clips import open_clip

        settings = self.settings
        values = open_clip(settings.clip, side_px=settings.side_px, count=1).frames[0].size
        pictures = round(3 * values / 3 * _PNG_BYTES / settings.repetitions)
        if "captures" not in settings.keep:
            return pictures
        trials = self.plan()
        captures = 0
        for trial in trials:
            schedule, method = settings.schedule(int(trial.values["cbr"])), trial.values["method"]
            rates = [
                schedule.mean if method == "keyframes" else schedule.cbr(index) for index in range(settings.frames)
            ]
            symbols = [values / rate for rate in rates]
            # A video takes one burst for each group.
            step = 1 if method in SEMANTIC_METHODS else schedule.period
            groups = [sum(symbols[start : start + step]) for start in range(0, len(symbols), step)]
            captures += sum(map(exchange_bytes, groups))
        return pictures + captures // len(trials)

    def prepare(self, out: RunDirectory) -> None:
        """Learn the speaker from the first half of the clip; missing packages are told before that."""
        from ..faces.mtcnn import FaceFinder
        from .learning import learn

        FaceFinder.load()
        learn(self.settings, out)

    def open(self, out: RunDirectory) -> RunTrial:
        """See `Study.open`."""
        from .streaming import MeetingTrials

        return MeetingTrials(self.settings, out)

    def sections(self, out: RunDirectory, trials: Sequence[Line]) -> list[Section]:
        """See `Study.sections`."""
        from .sections import meeting_sections

        return meeting_sections(out, self.settings, trials)

    def summary(self, trials: Sequence[Line]) -> Line:
        """Means by series over all Es/N0 of the run, at each bandwidth."""
        from .tables import summary

        return summary(trials)

    def shortfalls(self, trials: Sequence[Line]) -> list[str]:
        """Where the filmed frames have no face, nothing of faces can be shown."""
        if trials and not any(line["faces_sent"] for line in trials):
            return [f"no face was found in the frames of {self.settings.clip} themselves; choose another clip"]
        return []
