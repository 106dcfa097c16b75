"""Trials on the nodes of a Ray cluster: radios where they are, models where the GPUs are; see docs/campaigns.md."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from .engine import Failure, Outcome
from .ray_cluster import connected
from .ray_resources import resource_of
from .ray_shipping import keep_files, make_parcel
from .run_directory import RunDirectory
from .settings import CampaignSettings
from .study import Study, Trial

if TYPE_CHECKING:
    from ray.exceptions import RayError

    from .ray_crew import Crew, Job, Member
    from .ray_worker import Answer

__all__ = ["RayEngine"]

#: How often it is looked whether a node came or a radio is free, while no trial ends.
_TICK_S = 0.5
_PATIENCE_S = 120.0


class RayEngine:
    """Workers of a cluster; see `Engine`. Importing this module does not need Ray.

    A trial with `needs` runs on the node that offers them as resources (`resource_of`), by the one worker that holds
    them. Where the study is staged, its capture then goes from there to a worker with the models, from one node's
    memory to the other's. All other trials run whole in workers with the models, one for each processor of the
    cluster, or, where the settings have a `device` that is ``cuda``, one for each GPU.

    Args:
        out: the run; nodes are sent what they need of it, and need not see its folder.
        settings: resolved.
        study: made of them by its class alone.
        address: of the cluster's head, or ``auto``; None starts a cluster of this machine alone.
        patience_s: how long a radio or a processor that is gone, or in use by others, is waited for.
    """

    def __init__(
        self,
        out: RunDirectory,
        settings: CampaignSettings,
        study: Study,
        address: str | None = None,
        *,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._out = out
        self._settings = settings
        self._study = study
        self._address = address
        self._patience_s = patience_s
        self._staged = hasattr(study, "open_air") and hasattr(study, "open_judge")
        self._stack = ExitStack()
        self._crew: Crew | None = None
        self._jobs: set[Job] = set()
        self._waiting: list[Job] = []
        self._radios: set[tuple[str, ...]] = set()

    def __enter__(self) -> RayEngine:
        """Connect.

        Raises:
            SettingsError: Ray is missing, the address is none, or the run is too large to be sent to nodes.
            ClusterError: nothing answers there.
        """
        radios = {resource_of(need): 1.0 for trial in self._study.plan() for need in trial.needs}
        with ExitStack() as stack:
            address = stack.enter_context(connected(self._address, radios))
            from .ray_crew import Crew

            parcel = make_parcel(self._out, self._settings, self._study)
            on_gpu = str(getattr(self._settings, "device", "cpu")).startswith("cuda")
            self._crew = Crew(parcel, address, self._patience_s, on_gpu=on_gpu)
            stack.callback(self._crew.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        self._crew = None

    @property
    def crew(self) -> Crew:
        """The workers; inside the context alone."""
        if self._crew is None:
            raise RuntimeError("the engine is used outside of its context")
        return self._crew

    def free(self) -> int:
        """See `Engine.free`: one trial for each worker with models, and one for each radio that was asked for."""
        return max(0, max(1, self.crew.holders()) + len(self._radios) - len(self._jobs))

    def submit(self, trial: Trial) -> None:
        """See `Engine.submit`; `wait` finds the worker, and says where there can be none."""
        from .ray_crew import Job

        job = Job(trial, self._staged and bool(trial.needs))
        if trial.needs:
            self._radios.add(trial.needs)
        self._jobs.add(job)
        self._waiting.append(job)

    def wait(self) -> Sequence[Outcome]:
        """See `Engine.wait`.

        Raises:
            ClusterError: no node offers a radio that a trial needs, or nothing can run on this cluster any more.
            RecordingError: the disk refuses what trials left.
        """
        while self._jobs:
            outcomes = [*self._hand_out(), *self._answers()]
            if outcomes:
                return outcomes
        return ()

    def _hand_out(self) -> list[Outcome]:
        """Give jobs to workers; returns trials that nobody can take."""
        crew = self.crew
        idle = crew.idle()
        without: dict[tuple[str, ...], list[Job]] = defaultdict(list)
        for job in self._waiting:
            if idle[job.needs]:
                _begin(idle[job.needs].pop(), job)
            else:
                without[job.needs].append(job)
        self._waiting = []
        found = []
        for needs, jobs in without.items():
            failure = crew.hire(needs, len(jobs))
            if failure is None:
                self._waiting += jobs
            else:
                found += [self._ended(job, failure) for job in jobs]
        return found

    def _answers(self) -> list[Outcome]:
        """What workers have answered; waits for a while where none has."""
        import ray

        awaited = {member.answer: member for member in self.crew.members if member.answer is not None}
        if not awaited:
            time.sleep(_TICK_S)
            return []
        # What comes back from the air stays where it is: nothing is fetched to learn that it is there.
        ready, _ = ray.wait(list(awaited), num_returns=1, timeout=_TICK_S, fetch_local=False)
        if ready:
            ready, _ = ray.wait(list(awaited), num_returns=len(awaited), timeout=0, fetch_local=False)
        members = [awaited[reference] for reference in ready]
        return [outcome for member in members if (outcome := self._answer_of(member)) is not None]

    def _answer_of(self, member: Member) -> Outcome | None:
        import ray
        from ray.exceptions import RayActorError, RayError

        job = member.job
        reference, member.answer, member.job = member.answer, None, None
        try:
            answer = ray.get(reference)
        except RayActorError as error:
            return self._lost(member, job, error, dead=True)
        except RayError as error:
            # What it works on is gone with another node, or it could not be started.
            return self._lost(member, job, error, dead=job is None)
        if job is None:
            return self._greeted(member, answer)
        if member.aired is not None:
            job.aired, member.aired = member.aired, None
            if answer is not None:
                return self._ended(job, answer)
            self._waiting.insert(0, job)
            return None
        return self._judged(job, answer)

    def _greeted(self, member: Member, failure: Failure | None) -> Outcome | None:
        if failure is None:
            self.crew.greeted(member)
            return None
        from .ray_cluster import ClusterError

        raise ClusterError(failure.cause)

    def _judged(self, job: Job, answer: Answer) -> Outcome:
        if answer.failure is not None or answer.line is None:
            return self._ended(job, answer.failure)
        # Before its line is written: a trial that is done has all that it left.
        keep_files(self._out, answer.files)
        self._jobs.remove(job)
        return Outcome(job.trial, json.loads(answer.line))

    def _lost(self, member: Member, job: Job | None, error: RayError, *, dead: bool) -> Outcome | None:
        from .ray_crew import brief

        member.aired = None
        if dead:
            self.crew.died(member, error)
        return None if job is None else self._ended(job, Failure("WorkerDied", brief(error)))

    def _ended(self, job: Job, failure: Failure | None) -> Outcome:
        self._jobs.remove(job)
        return Outcome(job.trial, failure=failure)


def _begin(member: Member, job: Job) -> None:
    member.job = job
    if not job.staged:
        member.answer = member.actor.whole.remote(job.trial)
    elif job.aired is None:
        member.answer, member.aired = member.actor.air.options(num_returns=2).remote(job.trial)
    else:
        member.answer = member.actor.judge.remote(job.trial, job.aired)
