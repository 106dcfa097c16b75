"""The verdict on one part of an installation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Check", "State"]


class State(StrEnum):
    """What a check found."""

    GOOD = "good"
    OPTIONAL = "missing, optional"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: what was looked at.
        state: the verdict.
        found: what is there.
        remedy: what mends it, or what to do with it; empty where there is nothing to do.
    """

    name: str
    state: State
    found: str
    remedy: str = ""

    @property
    def is_broken(self) -> bool:
        """Whether it keeps the toolkit from working."""
        return self.state is State.BROKEN

    def as_json(self) -> dict[str, str]:
        """All fields as texts."""
        return {"name": self.name, "state": self.state.value, "found": self.found, "remedy": self.remedy}
