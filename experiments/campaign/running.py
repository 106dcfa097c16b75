"""A campaign from its start, or from where it was stopped, to its end."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sdr_gsc.errors import SdrGscError, SettingsError

from .engine import Engine, Failure, Outcome
from .failing import sentence
from .lock import locked
from .room import require_room
from .run_directory import RunDirectory
from .scheduler import Scheduler
from .settings import CampaignSettings
from .staging import sweep_up
from .study import Study, Trial
from .trial_log import TrialLog, append_trials

__all__ = ["CampaignStoppedError", "Progress", "planned", "run_campaign"]

#: Trials that may fail one after the other before the campaign stops: by then the cause is not the trial.
_FAILURES_IN_A_ROW = 10


class CampaignStoppedError(SdrGscError):
    """A campaign that cannot go on; what it had finished is kept."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is.

    Attributes:
        done: trials with a result, those of earlier starts too.
        failed: trials that were given up.
        count: trials of the plan that will have a result, at most.
    """

    done: int
    failed: int
    count: int


def planned(study: Study) -> tuple[Trial, ...]:
    """The plan of a study.

    Raises:
        SettingsError: two trials have the same id, so that one of them would be taken for done.
    """
    plan = study.plan()
    twice = [name for name, count in Counter(trial.name for trial in plan).items() if count > 1]
    if twice:
        raise SettingsError(f"the plan holds {twice[0]} more than once; name each value and each picture once")
    return plan


def run_campaign(
    out: RunDirectory,
    settings: CampaignSettings,
    study: Study,
    engine: Callable[[], AbstractContextManager[Engine]],
    *,
    retry_failed: bool = False,
    only: Callable[[Trial], bool] = lambda trial: True,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_stage: Callable[[str], None] = lambda text: None,
) -> None:
    """Run what is not done yet.

    Args:
        out: of the run; trials that it holds are not repeated.
        settings: resolved.
        study: of these settings.
        engine: opens the engine, once there is something to do.
        retry_failed: try trials again that were given up.
        only: the part of the plan that is run here.
        on_progress: told after each trial.
        on_stage: told what is going on before the first one.

    Raises:
        SettingsError: another process works on the run; the plan is wrong; the disk is too small.
        CampaignStoppedError: trials fail one after the other, or for a reason that all would fail for.
        RecordingError: the disk refuses.
    """
    out.require_current()
    plan = tuple(trial for trial in planned(study) if only(trial))
    with locked(out.path):
        sweep_up(out)
        scheduler, tally = _begun(out, plan, settings, on_progress, retry_failed=retry_failed)
        if not scheduler.remaining:
            return
        require_room(out.path, scheduler.remaining, study.bytes_per_trial())
        on_stage("preparing")
        study.prepare(out)
        with append_trials(out.trials_file) as log, engine() as workers:
            _Conductor(scheduler, settings.attempts, log, tally, out).conduct(workers)


def _begun(
    out: RunDirectory,
    plan: Sequence[Trial],
    settings: CampaignSettings,
    on_progress: Callable[[Progress], None],
    *,
    retry_failed: bool,
) -> tuple[Scheduler, _Tally]:
    """What is left to do; the lines of earlier starts are not held beyond this."""
    trials, failures = out.results()
    finished = {str(line["trial"]): line for line in trials}
    given_up = set() if retry_failed else {str(line["trial"]) for line in failures}
    scheduler = Scheduler(plan, finished, given_up, settings.stop)
    done = sum(trial.name in finished for trial in plan)
    return scheduler, _Tally(scheduler, done, sum(trial.name in given_up for trial in plan), on_progress)


class _Tally:
    """Counts, and tells."""

    def __init__(self, scheduler: Scheduler, done: int, failed: int, on_progress: Callable[[Progress], None]) -> None:
        self._scheduler = scheduler
        self._done = done
        self._failed = failed
        self._on_progress = on_progress
        self.tell()

    def add(self, *, failed: bool) -> None:
        self._failed += failed
        self._done += not failed
        self.tell()

    def tell(self) -> None:
        count = self._done + self._failed + self._scheduler.remaining
        self._on_progress(Progress(self._done, self._failed, count))


class _Conductor:
    """Hands trials to an engine and writes down what comes back."""

    def __init__(self, scheduler: Scheduler, attempts: int, log: TrialLog, tally: _Tally, out: RunDirectory) -> None:
        self._out = out
        self._scheduler = scheduler
        self._attempts = attempts
        self._log = log
        self._tally = tally
        self._tried: Counter[str] = Counter()
        self._failures_in_a_row = 0

    def conduct(self, engine: Engine) -> None:
        while self._scheduler.remaining:
            while engine.free() and (trial := self._scheduler.next()) is not None:
                engine.submit(trial)
            self._take(engine.wait())

    def _take(self, outcomes: Sequence[Outcome]) -> None:
        # Results first: a failure that ends the campaign must not take one with it that came at the same time.
        for outcome in sorted(outcomes, key=lambda outcome: outcome.line is None):
            trial = outcome.trial
            if outcome.line is not None:
                line = {"trial": trial.name, "cell": trial.cell, "values": dict(trial.values), **outcome.line}
                self._log.append(line)
                self._scheduler.finished(trial, line)
                self._failures_in_a_row = 0
                self._tally.add(failed=False)
            elif outcome.failure is not None:
                self._fail(trial, outcome.failure)

    def _fail(self, trial: Trial, failure: Failure) -> None:
        if failure.fatal:
            raise CampaignStoppedError(f"{trial.name}: {failure.cause}")
        self._tried[trial.name] += 1
        again = self._tried[trial.name] < self._attempts
        self._scheduler.failed(trial, again=again)
        if again:
            return
        account = {"kind": failure.kind, "cause": failure.cause, "attempts": self._tried[trial.name]}
        self._log.append({"trial": trial.name, "cell": trial.cell, "values": dict(trial.values), "failed": account})
        self._tally.add(failed=True)
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= _FAILURES_IN_A_ROW:
            command = shlex.join(("sdr-gsc", "resume", str(self._out.path), "--retry-failed"))
            raise CampaignStoppedError(
                f"{self._failures_in_a_row} trials failed one after the other, the last ({trial.name}) with: "
                f"{sentence(failure.cause)} Mend that, then go on with: {command}"
            )
