"""The options that say where trials run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from sdr_gsc.errors import SettingsError

from .campaign.sharding import Shard

if TYPE_CHECKING:
    from .campaign.engine import Engine
    from .campaign.run_directory import RunDirectory
    from .campaign.settings import CampaignSettings
    from .campaign.study import Study

__all__ = ["EngineChoice"]


@Parameter(name="*")
@dataclass(frozen=True)
class EngineChoice:
    """Where trials run.

    Attributes:
        engine: local (processes of this machine) or ray (a cluster; see docs/campaigns.md).
        workers: Processes at a time; one for each processor by default, and 0 runs trials in this very process.
        address: Of the Ray cluster; auto finds one on this machine.
        retry_failed: Try trials again that were given up.
        shard: Run a part of the plan alone, such as 2/8; sdr-gsc merge puts the parts together. A run that began with a
            part goes on with it; 1/1 is the whole plan.
    """

    engine: Literal["local", "ray"] = "local"
    workers: int | None = None
    address: str | None = None
    retry_failed: Annotated[bool, Parameter(negative="")] = False
    shard: str | None = None

    def check(self) -> None:
        """Refuse what cannot be, before anything is written.

        Raises:
            SettingsError: choices that do not go together, or a part of the plan that is not there.
        """
        if self.engine != "ray" and self.address is not None:
            raise SettingsError("--address is of a Ray cluster; give --engine ray too")
        if self.workers is not None and self.workers < 0:
            raise SettingsError(f"--workers is {self.workers}; needed 0 or more")
        if self.shard is not None:
            Shard.parse(self.shard)

    def of_run(self, command: object) -> EngineChoice:
        """The same choice, with the part of the plan that a run began with where none is given.

        Args:
            command: words of the command that made the run, as its directory keeps them; anything else says nothing.

        >>> EngineChoice().of_run(["sdr-gsc", "run", "x.toml", "--shard", "2/8"]).shard
        '2/8'
        """
        if self.shard is not None or not isinstance(command, list) or "--shard" not in command[:-1]:
            return self
        return replace(self, shard=str(command[command.index("--shard") + 1]))

    def opener(
        self, out: RunDirectory, settings: CampaignSettings, study: Study
    ) -> Callable[[], AbstractContextManager[Engine]]:
        """What opens the engine.

        Raises:
            SettingsError: see `check`.
        """
        self.check()
        if self.engine == "ray":
            from .campaign.ray_engine import RayEngine

            return lambda: RayEngine(out, settings, study, self.address)
        if self.workers == 0:
            from .campaign.inline import InlineEngine

            return lambda: InlineEngine(study, out)
        from .campaign.local import LocalEngine, default_workers

        count = self.workers or default_workers()
        return lambda: LocalEngine(out, count, settings.trial_limit_s)
