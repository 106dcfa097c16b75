"""The closed loop as a campaign: train once, then play episodes over the link."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...campaign.study import Line, RunTrial, Trial
from .planning import PAIR, plan
from .settings import AgentSettings

if TYPE_CHECKING:
    from ...campaign.run_directory import RunDirectory
    from ...reports.page import Section

__all__ = ["AgentStudy"]

_FILE = "policy.safetensors"


class AgentStudy:
    """See `Study`.

    Args:
        settings: resolved.
    """

    def __init__(self, settings: AgentSettings) -> None:
        self.settings = settings

    def plan(self) -> tuple[Trial, ...]:
        """See `Study.plan`."""
        return plan(self.settings)

    def bytes_per_trial(self) -> int:
        """See `Study.bytes_per_trial`: captures, where they are kept; of all trials the mean."""
        settings = self.settings
        if "captures" not in settings.keep:
            return 0
        trials = plan(settings)
        return round(sum(_captures_bytes(settings, trial) for trial in trials) / len(trials))

    def prepare(self, out: RunDirectory) -> None:
        """Train the policies, unless this run, or the recorded one, has those of these settings already."""
        from .policy import load_policies, save_policies
        from .training import train_policies, training_key

        if not self._trains:
            return
        settings = self.settings
        key = training_key(settings.policy, settings.levels, settings.seed)
        path = out.folder("models") / _FILE
        if load_policies(path, key) is not None:
            return
        # Other machines train to other last bits, and then the loop would take another course.
        recorded = None if settings.recorded is None else Path(settings.recorded) / "models" / _FILE
        nets = None if recorded is None else load_policies(recorded, key)
        save_policies(path, nets or train_policies(settings.policy, settings.levels, settings.seed), key)

    def open(self, out: RunDirectory) -> RunTrial:
        """See `Study.open`.

        Raises:
            SettingsError: gymnasium is missing, or the policies are, or they were trained with other settings.
        """
        from sdr_gsc.errors import SettingsError

        from .episode import open_environment
        from .policy import load_policies
        from .training import training_key
        from .trials import AgentTrials

        settings = self.settings
        open_environment(1).close()
        if not self._trains:
            return AgentTrials(settings, {}, out)
        path = out.folder("models") / _FILE
        nets = load_policies(path, training_key(settings.policy, settings.levels, settings.seed))
        if nets is None:
            raise SettingsError(f"{path} does not hold the policies of these settings; run: sdr-gsc resume {out.path}")
        return AgentTrials(settings, nets, out)

    @property
    def _trains(self) -> bool:
        return self.settings.pair is not None or bool({"policy", "policy_flat"} & set(self.settings.methods))

    def sections(self, out: RunDirectory, trials: Sequence[Line]) -> list[Section]:
        """See `Study.sections`."""
        from .sections import agent_sections

        return agent_sections(out, self.settings, trials)

    def summary(self, trials: Sequence[Line]) -> Line:
        """Mean return of every method in every cell, and of every way to share."""
        from .returns import summary

        return summary(trials)

    def shortfalls(self, trials: Sequence[Line]) -> list[str]:
        """See `Study.shortfalls`."""
        from .returns import shortfalls

        return shortfalls(trials)


def _captures_bytes(settings: AgentSettings, trial: Trial) -> int:
    """Room for the exchanges of a trial: one for each step of each episode that uses the link."""
    from ...procedures.tape import exchange_bytes
    from .packets import PacketCode

    symbols = int(trial.values["symbols"])
    if trial.values["study"] == PAIR:
        # One agent sends in each step in two ways to share, both in the third.
        episodes = 4
    else:
        unused = {"expert", "random"} | (set() if PacketCode.fits(symbols) else {"classical"})
        episodes = len(set(settings.methods) - unused)
    return episodes * settings.steps * exchange_bytes(symbols)
