"""What a campaign is made of: a plan of trials, and a kind that knows how to run one and what all of them show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..procedures.transmission import Aired
    from ..reports.page import Section
    from .run_directory import RunDirectory

__all__ = ["Line", "RunTrial", "StagedStudy", "Study", "Trial"]

#: A finished trial as JSON: finite numbers, texts, lists, dicts, None. Wall-clock figures stand under ``timings_s``.
Line = dict[str, Any]
RunTrial = Callable[["Trial"], Line]


@dataclass(frozen=True, slots=True)
class Trial:
    """One cell of the plan, once.

    Attributes:
        name: the trial id; all randomness of the trial follows from it and the run's seed.
        cell: what repetitions have in common; stop rules and confidence bands look at cells.
        values: what the plan chose for this trial, JSON-compatible, such as ``{"esn0_db": 10.0, "cbr": 24}``.
        needs: names of resources that one trial at a time may use, such as ``"radio:pluto:ip:192.168.2.1"``.
    """

    name: str
    cell: str
    values: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


class Study(Protocol):
    """A kind of campaign with its settings. Importing it is cheap; models load in `prepare` and `open`."""

    def plan(self) -> tuple[Trial, ...]:
        """All trials, each name once; repetitions of a cell in their order."""
        ...

    def bytes_per_trial(self) -> int:
        """Room that one trial takes on disk, about, without its line: captures and pictures that are kept."""
        ...

    def prepare(self, out: RunDirectory) -> None:
        """Once before the trials: what they share, deterministic from the run's seed, below ``models``.

        Calling it again, after it was broken off too, ends with the same files.
        """
        ...

    def open(self, out: RunDirectory) -> RunTrial:
        """Load what trials need, in the process that runs them; returns the function that runs one."""
        ...

    def sections(self, out: RunDirectory, trials: Sequence[Line]) -> list[Section]:
        """The part of the report that shows this kind's result; figures go below ``figures``."""
        ...

    def summary(self, trials: Sequence[Line]) -> Line:
        """Headline figures for machines."""
        ...

    def shortfalls(self, trials: Sequence[Line]) -> list[str]:
        """What the measurement fails to show, one sentence each; none where nothing was expected."""
        ...


class StagedStudy(Study, Protocol):
    """A study whose trials fall into a part that needs the radio and one that needs the models.

    Both parts know the trial and derive from its seeds what they share, so that only the capture travels between them.
    `Study.open` is one after the other.
    """

    def open_air(self, out: RunDirectory) -> Callable[[Trial], Aired]:
        """The part at the radio."""
        ...

    def open_judge(self, out: RunDirectory) -> Callable[[Trial, Aired], Line]:
        """The part that receives and decodes."""
        ...
