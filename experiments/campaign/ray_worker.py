"""What runs on the nodes of a Ray cluster: one object of this class in a process of its own, for many trials."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from .engine import Failure
from .failing import failure_of
from .ray_shipping import Parcel, Unpacked, software, software_differs
from .study import Line, RunTrial, StagedStudy, Study, Trial

if TYPE_CHECKING:
    from ..procedures.transmission import Aired

__all__ = ["Answer", "TrialWorker"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a trial on a node.

    Attributes:
        line: as JSON; None where the trial failed.
        failure: why it has none.
        files: what it left, by path below the run's folder.
    """

    line: str | None = None
    failure: Failure | None = None
    files: dict[str, bytes] = field(default_factory=dict)


class TrialWorker:
    """A study, opened in the parts that are asked for; everything is loaded once."""

    def __init__(self) -> None:
        self._unpacked: Unpacked | None = None
        self._study: Study | None = None
        self._run: RunTrial | None = None
        self._send: Callable[[Trial], Aired] | None = None
        self._receive: Callable[[Trial, Aired], Line] | None = None

    def greet(self, parcel: Parcel) -> Failure | None:
        """Take the run in; again, say that all is well.

        Args:
            parcel: of the run.

        Returns:
            Why no trial can run here: other software would give other bits.
        """
        if self._unpacked is not None:
            return None
        try:
            other = software_differs(parcel.software, software())
            if other:
                cause = f"the node {platform.node()} has {', '.join(other)}; all nodes need the same software"
                return Failure("ClusterError", cause, fatal=True)
            self._unpacked = Unpacked(parcel)
            self._study = parcel.study(self._unpacked.settings)
        except Exception as error:  # the driver decides what becomes of it
            return failure_of(error)
        return None

    def air(self, trial: Trial) -> tuple[Failure | None, Aired | None]:
        """The part at the radio; the first says whether there is a second, which need not travel to be told."""
        try:
            if self._send is None:
                self._send = cast(StagedStudy, self._opened()).open_air(self._here().out)
            return None, self._send(self._placed(trial))
        except Exception as error:  # whatever a trial does costs that trial alone
            return self._failure(error), None

    def judge(self, trial: Trial, aired: Aired) -> Answer:
        """The part that receives and decodes."""
        try:
            if self._receive is None:
                self._receive = cast(StagedStudy, self._opened()).open_judge(self._here().out)
            return self._answer(self._receive(self._placed(trial), aired))
        except Exception as error:  # whatever a trial does costs that trial alone
            return self._broken(error)

    def whole(self, trial: Trial) -> Answer:
        """All of a trial."""
        try:
            if self._run is None:
                self._run = self._opened().open(self._here().out)
            return self._answer(self._run(self._placed(trial)))
        except Exception as error:  # whatever a trial does costs that trial alone
            return self._broken(error)

    def leave(self) -> None:
        """Remove what was unpacked."""
        if self._unpacked is not None:
            self._unpacked.close()

    def _here(self) -> Unpacked:
        if self._unpacked is None:
            raise RuntimeError("a trial came before the run")
        return self._unpacked

    def _opened(self) -> Study:
        if self._study is None:
            raise RuntimeError("a trial came before the run")
        return self._study

    def _placed(self, trial: Trial) -> Trial:
        return replace(trial, values=self._here().placed(trial.values))

    def _answer(self, line: Line) -> Answer:
        here = self._here()
        return Answer(here.restored(json.dumps(line, allow_nan=False, ensure_ascii=False)), files=here.take())

    def _broken(self, error: Exception) -> Answer:
        # Half a picture is no result.
        self._here().take()
        return Answer(failure=self._failure(error))

    def _failure(self, error: Exception) -> Failure:
        failure = failure_of(error)
        return replace(failure, cause=self._here().restored(failure.cause))
