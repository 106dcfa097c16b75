"""Workers of a Ray cluster: who is there, who is hired, and who is gone."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .engine import Failure
from .ray_cluster import ClusterError
from .ray_resources import how_to_offer, nodes_offering, resource_of
from .ray_shipping import Parcel
from .ray_worker import TrialWorker
from .study import Trial

if TYPE_CHECKING:
    from ray.exceptions import RayError

__all__ = ["Crew", "Job", "Member", "brief"]

#: A worker that dies before it has said anything is hired again after so long, and after so many the cause is not it.
_AGAIN_S, _STILLBORN = 1.0, 5
_FAREWELL_S = 10.0


@dataclass(slots=True, eq=False)
class Job:
    """A trial on its way.

    Attributes:
        trial: what is done.
        staged: whether it goes over a radio with one worker, and is judged by another.
        aired: reference to what came back from the air, once it has.
    """

    trial: Trial
    staged: bool
    aired: Any = None

    @property
    def needs(self) -> tuple[str, ...]:
        """Of what is to be done next."""
        return self.trial.needs if self.aired is None else ()


@dataclass(slots=True, eq=False)
class Member:
    """A worker.

    Attributes:
        actor: its handle.
        needs: what it holds as long as it lives, so that nobody else in the cluster can have it; one that holds nothing
            has the models.
        answer: reference that is awaited: to its greeting, or to the end of its job.
        hired_s: when, on the monotonic clock.
        ready: has greeted.
        job: in its hand.
        aired: reference to what comes back from the air.
    """

    actor: Any
    needs: tuple[str, ...]
    answer: Any
    hired_s: float
    ready: bool = False
    job: Job | None = None
    aired: Any = None

    @property
    def idle(self) -> bool:
        """Can be given a job."""
        return self.ready and self.answer is None


class Crew:
    """Hires workers where there is something to do, and as many as the living nodes can hold.

    Args:
        parcel: what each is given at its greeting.
        address: of the cluster, for people.
        patience_s: how long something that was there, or is in use, is waited for.
        on_gpu: models calculate on GPUs; a worker with models has one for itself.
    """

    def __init__(self, parcel: Parcel, address: str, patience_s: float, *, on_gpu: bool = False) -> None:
        import ray

        self.members: list[Member] = []
        # Typed as anything: what its decorator makes of a class is beyond type checkers.
        self._ray: Any = ray
        self._parcel = ray.put(parcel)
        self._address = address
        self._patience_s = patience_s
        self._on_gpu = on_gpu
        root = Path(__file__).resolve().parents[2]
        # A source checkout is found by nodes that have it at the same place; the package where it is installed.
        self._environment = {
            "env_vars": {
                "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
                "PYTHONPATH": f"{root}{os.pathsep}${{PYTHONPATH}}",
            }
        }
        self._class = self._ray.remote(TrialWorker)
        self._nodes: list[dict[str, Any]] = []
        self._looked_s = -1.0
        self._seen: set[tuple[str, ...]] = set()
        self._missing_since: dict[tuple[str, ...], float] = {}
        self._stillborn = 0
        self._stillborn_s = -_AGAIN_S

    def nodes(self) -> list[dict[str, Any]]:
        """Nodes of the cluster, not older than a second."""
        now = time.monotonic()
        if now - self._looked_s > 1.0 or self._looked_s < 0:
            self._nodes, self._looked_s = list(self._ray.nodes()), now
        return self._nodes

    def holders(self) -> int:
        """Workers with models that the cluster can hold: one for each processor, or one for each GPU."""
        resource = "GPU" if self._on_gpu else "CPU"
        return int(sum(node["Resources"].get(resource, 0) for node in self.nodes() if node["Alive"]))

    def idle(self) -> dict[tuple[str, ...], list[Member]]:
        """Workers that can be given a job now, by what they hold."""
        found: dict[tuple[str, ...], list[Member]] = defaultdict(list)
        for member in self.members:
            if member.idle:
                found[member.needs].append(member)
        return found

    def hire(self, needs: tuple[str, ...], count: int) -> Failure | None:
        """See that somebody will take `count` jobs that wait; returns why nobody ever will, as far as can be told.

        Raises:
            ClusterError: what it takes was never there, is not coming back, or is not let go by others.
        """
        if time.monotonic() - self._stillborn_s < _AGAIN_S:
            return None
        if needs:
            return self._hire_at_radio(needs)
        there = [member for member in self.members if not member.needs]
        coming = sum(not member.ready for member in there)
        for _ in range(min(self.holders() - len(there), count - coming)):
            self._hire((), num_cpus=1, num_gpus=int(self._on_gpu))
        if not there and not self.holders():
            self._waited((), self._no_place())
        self._give_up_on_pending(())
        return None

    def _hire_at_radio(self, needs: tuple[str, ...]) -> Failure | None:
        if any(member.needs == needs for member in self.members):
            self._give_up_on_pending(needs)
            return None
        offering = nodes_offering(self.nodes(), needs)
        if len(offering) != 1:
            text = self._not_one(needs, len(offering))
            if needs not in self._seen:
                raise ClusterError(text)
            since = self._missing_since.setdefault(needs, time.monotonic())
            return Failure("ClusterError", text) if time.monotonic() - since > self._patience_s else None
        self._missing_since.pop(needs, None)
        self._seen.add(needs)
        rivals = [member for member in self.members if set(member.needs) & set(needs)]
        if all(member.idle for member in rivals):
            for member in rivals:
                self.dismiss(member)
            # The radio is what bounds it: no processor is asked for, so that decoders cannot keep it from its node.
            self._hire(needs, num_cpus=0, resources={resource_of(need): 1 for need in needs})
        return None

    def _no_place(self) -> str:
        what, option = ("GPU", "--num-gpus=1") if self._on_gpu else ("processor", "--num-cpus=4")
        return (
            f"no node of the cluster at {self._address} has a {what} for trials; add one: "
            f"ray start --address={self._address} {option}"
        )

    def _not_one(self, needs: tuple[str, ...], count: int) -> str:
        wanted = ", ".join(needs)
        if count:
            return f"{count} nodes offer {wanted}, which has one user at a time; give each radio a name of its own"
        return (
            f"no node of the cluster at {self._address} offers {wanted} (once); on the machine with the radio: "
            f"{how_to_offer(needs, self._address)}"
        )

    def _hire(self, needs: tuple[str, ...], **options: Any) -> None:  # noqa: ANN401 (of Ray)
        actor = self._class.options(
            max_restarts=0, max_task_retries=0, runtime_env=self._environment, **options
        ).remote()
        self.members.append(Member(actor, needs, self._greeting(actor), time.monotonic()))

    def _greeting(self, actor: Any) -> Any:  # noqa: ANN401
        return actor.greet.remote(self._parcel)

    def _give_up_on_pending(self, needs: tuple[str, ...]) -> None:
        of_kind = [member for member in self.members if member.needs == needs]
        if any(member.ready for member in of_kind) or not of_kind:
            return
        waited_s = time.monotonic() - min(member.hired_s for member in of_kind)
        if waited_s > self._patience_s:
            what = ", ".join(needs) or "a processor, or a GPU,"
            raise ClusterError(
                f"no worker could start within {waited_s:.0f} s: {what} of the cluster at {self._address} is in use by "
                "another run; let that one end, then go on with sdr-gsc resume"
            )

    def _waited(self, needs: tuple[str, ...], text: str) -> None:
        since = self._missing_since.setdefault(needs, time.monotonic())
        if time.monotonic() - since > self._patience_s:
            raise ClusterError(text)

    def greeted(self, member: Member) -> None:
        """A worker has answered: it can be given jobs."""
        member.ready = True
        self._stillborn = 0
        self._missing_since.pop(member.needs, None)

    def died(self, member: Member, error: RayError) -> None:
        """Bury a worker, and ask all idle ones whether they live: they may have been on the same node.

        Raises:
            ClusterError: workers die at once wherever they are started.
        """
        began, member.ready = member.ready, False
        self.dismiss(member)
        if not began:
            self._stillborn += 1
            self._stillborn_s = time.monotonic()
            if self._stillborn >= _STILLBORN:
                raise ClusterError(
                    f"workers of the cluster at {self._address} end before they begin: {brief(error)} Is sdr-gsc "
                    "installed on all nodes, in the same version? pip install 'sdr-gsc[ray]'"
                ) from error
        self._looked_s = -1.0
        for other in self.members:
            if other.idle:
                other.ready, other.answer, other.hired_s = False, self._greeting(other.actor), time.monotonic()

    def dismiss(self, member: Member) -> None:
        """End a worker; what it holds is free soon after."""
        self.members.remove(member)
        if member.idle:
            self._ray.wait([member.actor.leave.remote()], timeout=1.0)
        self._ray.kill(member.actor)

    def close(self) -> None:
        """End all workers; one that is on the air comes to its end first, so that its radio falls silent."""
        sending = [member.answer for member in self.members if member.needs and member.job is not None]
        if sending:
            self._ray.wait(sending, num_returns=len(sending), timeout=_FAREWELL_S, fetch_local=False)
        leaving = [member.actor.leave.remote() for member in self.members if member.ready]
        if leaving:
            self._ray.wait(leaving, num_returns=len(leaving), timeout=1.0)
        for member in self.members:
            self._ray.kill(member.actor)
        self.members.clear()


def brief(error: BaseException) -> str:
    """An error of Ray in one line; it tells the whole story of an actor."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("The actor died", "ModuleNotFoundError", "ImportError"))]
    text = telling[-1] if telling else (lines[0] if lines else type(error).__name__)
    return text if len(text) <= 300 else f"{text[:297]}..."
