"""Which trial comes next: what is done is left out, cells with a stop rule go one by one, a radio has one user."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .settings import StopSettings
from .stopping import is_enough
from .study import Line, Trial

__all__ = ["Scheduler"]


@dataclass(slots=True)
class _Cell:
    """Repetitions of one cell that are still to be done, and those that are. All of a cell need the same."""

    waiting: deque[Trial]
    lines: dict[str, Line]
    order: tuple[str, ...]
    running: int = 0

    def done_in_order(self) -> list[Line]:
        return [self.lines[name] for name in self.order if name in self.lines]


class Scheduler:
    """The trials of a plan that are not done yet.

    With a stop rule the repetitions of a cell are run one after the other: which of them are run then depends on the
    plan and the seed alone, not on how many workers there are or which of them is faster.

    Args:
        plan: all trials, repetitions of a cell in their order.
        done: finished lines of an earlier start, by trial.
        given_up: trials that failed then and are not to be tried again.
        stop: when a cell is done; None runs all of it.
    """

    def __init__(
        self,
        plan: Sequence[Trial],
        done: Mapping[str, Line],
        given_up: Iterable[str] = (),
        stop: StopSettings | None = None,
    ) -> None:
        self._stop = stop
        self._busy: set[str] = set()
        over = set(given_up)
        members: dict[str, list[Trial]] = defaultdict(list)
        for trial in plan:
            members[trial.cell].append(trial)
        self._cells = {
            cell: _Cell(
                deque(trial for trial in trials if trial.name not in done and trial.name not in over),
                {trial.name: done[trial.name] for trial in trials if trial.name in done},
                tuple(trial.name for trial in trials),
            )
            for cell, trials in members.items()
        }
        # Cells with something to do, by what they need: while a radio is busy, none of its cells is looked at.
        self._open: dict[tuple[str, ...], dict[str, _Cell]] = defaultdict(dict)
        for name, cell in self._cells.items():
            self._close_if_enough(cell)
            if cell.waiting:
                self._open[cell.waiting[0].needs][name] = cell

    def next(self) -> Trial | None:
        """A trial that can begin now; from here on it counts as running. None where one that runs must end first."""
        for needs, cells in self._open.items():
            if self._busy.intersection(needs):
                continue
            for name, cell in cells.items():
                if self._stop is not None and cell.running:
                    continue
                trial = cell.waiting.popleft()
                if not cell.waiting:
                    del cells[name]
                cell.running += 1
                self._busy.update(needs)
                return trial
        return None

    def finished(self, trial: Trial, line: Line) -> None:
        """A trial has a result."""
        cell = self._release(trial)
        cell.lines[trial.name] = line
        self._close_if_enough(cell)

    def failed(self, trial: Trial, *, again: bool) -> None:
        """A trial broke off; it comes again soon, or never."""
        cell = self._release(trial)
        if again:
            cell.waiting.appendleft(trial)
            self._open[trial.needs][trial.cell] = cell

    @property
    def remaining(self) -> int:
        """Trials that wait or run; with a stop rule, the most that it can become."""
        return sum(len(cell.waiting) + cell.running for cell in self._cells.values())

    @property
    def stopped_early(self) -> int:
        """Cells that the stop rule ended before their last repetition."""
        return sum(len(cell.lines) < len(cell.order) and not cell.waiting for cell in self._cells.values())

    def _release(self, trial: Trial) -> _Cell:
        cell = self._cells[trial.cell]
        cell.running -= 1
        self._busy.difference_update(trial.needs)
        return cell

    def _close_if_enough(self, cell: _Cell) -> None:
        if self._stop is not None and is_enough(cell.done_in_order(), self._stop):
            for trial in cell.waiting:
                self._open[trial.needs].pop(trial.cell, None)
            cell.waiting.clear()
