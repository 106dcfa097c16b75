"""Configuration files: TOML in, TOML out, and which settings a file holds."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path

from sdr_gsc.errors import SettingsError

from .campaign.settings import CampaignSettings
from .checking import checked
from .configuration import DemoSettings, SendSettings
from .decoding_settings import StrictSettings
from .scenarios.agent.settings import AgentSettings
from .scenarios.human.settings import HumanSettings
from .scenarios.machine.settings import MachineSettings
from .scenarios.online_meeting.settings import MeetingSettings
from .scenarios.road_monitoring.settings import RoadSettings
from .sweeps.settings import SweepSettings

__all__ = ["AnySettings", "read_settings", "toml_of", "write_settings"]

AnySettings = SendSettings | DemoSettings | CampaignSettings
_KINDS: dict[str, type[SendSettings] | type[DemoSettings] | type[CampaignSettings]] = {
    "send": SendSettings,
    "demo": DemoSettings,
    "sweep": SweepSettings,
    "human": HumanSettings,
    "machine": MachineSettings,
    "agent": AgentSettings,
    "online_meeting": MeetingSettings,
    "road_monitoring": RoadSettings,
}


def read_settings(path: Path) -> AnySettings:
    """Read a configuration file; its ``kind`` says which settings it holds, a sweep where it says nothing.

    Raises:
        SettingsError: missing, not TOML, or not valid.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"there is no {path}; needed a configuration such as experiments/configs/*.toml") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} is not a TOML file: {error}") from error
    kind = values.get("kind", "sweep")
    if not isinstance(kind, str) or kind not in _KINDS:
        near = difflib.get_close_matches(str(kind), _KINDS, n=1)
        hint = f"did you mean {near[0]}? Known are" if near else "needed one of"
        raise SettingsError(f"{path}: kind is {kind!r}; {hint} {', '.join(_KINDS)}")
    return checked(_KINDS[kind], values, str(path))


def write_settings(path: Path, settings: StrictSettings) -> None:
    """Write settings as TOML that `read_settings` reads back to the same value."""
    path.write_text(toml_of(settings), "utf-8")


def toml_of(settings: StrictSettings) -> str:
    """Settings as TOML."""
    import tomlkit  # only runs write settings

    return tomlkit.dumps(settings.model_dump(mode="json", exclude_none=True))
