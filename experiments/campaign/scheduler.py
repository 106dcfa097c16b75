"""Which trial comes next: what is done is left out, cells with a stop rule go one by one, a radio has one user."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .settings import StopSettings
from .stopping import StopCount
from .study import Line, Trial

__all__ = ["Scheduler"]


@dataclass(slots=True)
class _Cell:
    """Repetitions of one cell that are still to be done, and what is known of those that are. All need the same."""

    count: StopCount | None
    waiting: deque[Trial] = field(default_factory=deque)
    running: int = 0


class Scheduler:
    """The trials of a plan that are not done yet.

    With a stop rule the repetitions of a cell are run one after the other: which of them are run then depends on the
    plan and the seed alone, not on how many workers there are or which of them is faster. No step takes longer the more
    trials there are, and no line is kept.

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
        self._remaining = 0
        over = set(given_up)
        self._cells: dict[str, _Cell] = {}
        for trial in plan:
            cell = self._cells.get(trial.cell)
            if cell is None:
                cell = self._cells[trial.cell] = _Cell(None if stop is None else StopCount(stop))
            if trial.name in done:
                if cell.count is not None:
                    cell.count.add(done[trial.name])
            elif trial.name not in over:
                cell.waiting.append(trial)
                self._remaining += 1
        # Cells with something to do, by what they need: while a radio is busy, none of its cells is looked at. Ordered,
        # because a plain dict from whose front much was taken is slow to find its first.
        self._open: dict[tuple[str, ...], OrderedDict[str, _Cell]] = defaultdict(OrderedDict)
        for name, cell in self._cells.items():
            if cell.waiting:
                self._open[cell.waiting[0].needs][name] = cell
            self._close_if_enough(cell)

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
        self._remaining -= 1
        if cell.count is not None:
            cell.count.add(line)
        self._close_if_enough(cell)

    def failed(self, trial: Trial, *, again: bool) -> None:
        """A trial broke off; it comes again soon, or never."""
        cell = self._release(trial)
        if again:
            cell.waiting.appendleft(trial)
            self._open[trial.needs][trial.cell] = cell
        else:
            self._remaining -= 1

    @property
    def remaining(self) -> int:
        """Trials that wait or run; with a stop rule, the most that it can become."""
        return self._remaining

    def _release(self, trial: Trial) -> _Cell:
        cell = self._cells[trial.cell]
        cell.running -= 1
        self._busy.difference_update(trial.needs)
        return cell

    def _close_if_enough(self, cell: _Cell) -> None:
        if cell.waiting and cell.count is not None and cell.count.is_enough():
            first = cell.waiting[0]
            self._open[first.needs].pop(first.cell, None)
            self._remaining -= len(cell.waiting)
            cell.waiting.clear()
