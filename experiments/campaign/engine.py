"""Where trials run: anything that takes trials and gives back what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .study import Line, Trial

__all__ = ["Engine", "Failure", "Outcome"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial has no result.

    Attributes:
        kind: name of the error's class, or ``WorkerDied``.
        cause: one line.
        fatal: every other trial would break off for the same reason: the request or the installation is wrong.
    """

    kind: str
    cause: str
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a trial: a line, or a failure."""

    trial: Trial
    line: Line | None = None
    failure: Failure | None = None


class Engine(Protocol):
    """Runs trials; a context: leaving ends its workers, and what they had in hand is lost."""

    def free(self) -> int:
        """How many more trials can be submitted now."""
        ...

    def submit(self, trial: Trial) -> None:
        """Begin a trial; only while `free` is not 0."""
        ...

    def wait(self) -> Sequence[Outcome]:
        """Block until at least one submitted trial has ended, well or not.

        Raises:
            SdrGscError: no trial can ever run here, such as a cluster that does not answer.
        """
        ...

    def __enter__(self) -> Engine: ...

    def __exit__(self, *error: object) -> None: ...
