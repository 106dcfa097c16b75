"""Trials in this very process, one after the other: for tests, debuggers and single trials."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .engine import Outcome
from .failing import failure_of
from .lines import plain_json
from .run_directory import RunDirectory
from .study import RunTrial, Study, Trial

__all__ = ["InlineEngine"]


class InlineEngine:
    """No worker; see `Engine`. What kills a trial here kills the run, which can be resumed.

    Networks compute with as many threads as in a worker process, since that may change the last bits of a figure.

    Args:
        study: what runs.
        out: its folder.
    """

    def __init__(self, study: Study, out: RunDirectory) -> None:
        self._study = study
        self._out = out
        self._run: RunTrial | None = None
        self._trial: Trial | None = None
        self._threads: int | None = None

    def __enter__(self) -> InlineEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self._run = None
        if self._threads is not None:
            sys.modules["torch"].set_num_threads(self._threads)

    def free(self) -> int:
        """See `Engine.free`."""
        return 0 if self._trial else 1

    def submit(self, trial: Trial) -> None:
        """See `Engine.submit`."""
        self._trial = trial

    def wait(self) -> Sequence[Outcome]:
        """Run the trial that was submitted."""
        trial, self._trial = self._trial, None
        if trial is None:
            return ()
        try:
            if self._run is None:
                self._run = self._study.open(self._out)
                self._compute_like_a_worker()
            return (Outcome(trial, plain_json(self._run(trial))),)
        except Exception as error:  # whatever a trial does costs that trial alone
            return (Outcome(trial, failure=failure_of(error)),)

    def _compute_like_a_worker(self) -> None:
        # Studies that need no networks do not load torch, and are not made to.
        torch = sys.modules.get("torch")
        if torch is not None and self._threads is None and "OMP_NUM_THREADS" not in os.environ:
            self._threads = torch.get_num_threads()
            torch.set_num_threads(1)
