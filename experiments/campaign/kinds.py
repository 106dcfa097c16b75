"""Which study runs which settings."""

from __future__ import annotations

from sdr_gsc.errors import SettingsError

from ..scenarios.agent.settings import AgentSettings
from ..scenarios.human.settings import HumanSettings
from ..scenarios.machine.settings import MachineSettings
from ..scenarios.online_meeting.settings import MeetingSettings
from ..scenarios.road_monitoring.settings import RoadSettings
from ..settings_files import AnySettings
from ..sweeps.settings import SweepSettings
from .study import Study

__all__ = ["study_of"]


def study_of(settings: AnySettings) -> Study:
    """The study of a campaign's settings; only its own modules are loaded.

    Raises:
        SettingsError: single transmissions, which are no campaign.
    """
    if isinstance(settings, SweepSettings):
        from ..sweeps.study import SweepStudy

        return SweepStudy(settings)
    if isinstance(settings, HumanSettings):
        from ..scenarios.human.study import HumanStudy

        return HumanStudy(settings)
    if isinstance(settings, MachineSettings):
        from ..scenarios.machine.study import MachineStudy

        return MachineStudy(settings)
    if isinstance(settings, AgentSettings):
        from ..scenarios.agent.study import AgentStudy

        return AgentStudy(settings)
    if isinstance(settings, MeetingSettings):
        from ..scenarios.online_meeting.study import MeetingStudy

        return MeetingStudy(settings)
    if isinstance(settings, RoadSettings):
        from ..scenarios.road_monitoring.study import RoadStudy

        return RoadStudy(settings)
    raise SettingsError(f"{type(settings).__name__} describes one transmission, not a campaign")
