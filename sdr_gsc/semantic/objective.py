"""What a transmission is for, and how its symbols are divided between the picture and the task vector.

The symbols stay those of the requested rate, whatever the objective: payload CBR does not grow. The picture takes the
highest nested rate that leaves the task its share, and the task vector takes all that is left. Rates are powers of two
apart, so the task's share is 0, 1/2, 3/4, ... or, with no picture at all, 1: `task_share` is the least that it gets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from ..errors import SettingsError
from .rate import RATES, Rate, symbols_per_picture

__all__ = ["NO_PICTURE", "Budget", "Objective", "default_task_share", "split_budget"]

#: Rate index of a transmission that holds a task vector and no picture; no table of rates reaches it.
NO_PICTURE = 15


class Objective(StrEnum):
    """Whom the transmission serves."""

    HUMAN = "human"
    MACHINE = "machine"
    AGENT = "agent"


#: People look at the picture, machines at the task alone, and agents act on the one and show the other.
_DEFAULT_SHARE = {Objective.HUMAN: 0.0, Objective.MACHINE: 1.0, Objective.AGENT: 0.5}


@dataclass(frozen=True, slots=True)
class Budget:
    """Symbols of one transmission.

    Attributes:
        rate: of the picture; None where no picture is sent.
        picture_symbols: complex symbols of the picture.
        task_symbols: complex symbols of the task vector, behind the picture's.
    """

    rate: Rate | None
    picture_symbols: int
    task_symbols: int

    @property
    def total(self) -> int:
        """Symbols of both."""
        return self.picture_symbols + self.task_symbols

    @property
    def task_share(self) -> float:
        """Share that the task vector really gets."""
        return self.task_symbols / self.total

    @property
    def rate_index(self) -> int:
        """As in the descriptor."""
        return NO_PICTURE if self.rate is None else self.rate.index


def default_task_share(objective: Objective) -> float:
    """Share of the symbols that the task vector gets where none is asked for: human 0, machine 1, agent 1/2."""
    return _DEFAULT_SHARE[objective]


def split_budget(
    height: int, width: int, rate: Rate, objective: Objective = Objective.HUMAN, task_share: float | None = None
) -> Budget:
    """Divide the symbols of a picture at a rate.

    >>> budget = split_budget(256, 256, RATES[4], Objective.AGENT)
    >>> budget.rate.inverse_cbr, budget.picture_symbols, budget.task_symbols
    (48, 4096, 4096)

    Args:
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        rate: whose number of symbols is available.
        objective: whom the transmission serves.
        task_share: least share of the symbols for the task vector, 0…1; None takes the objective's own.

    Raises:
        SettingsError: a share outside 0…1, or one for an objective that sends no task vector.
    """
    share = default_task_share(objective) if task_share is None else task_share
    if not (math.isfinite(share) and 0 <= share <= 1):
        raise SettingsError(f"task_share is {share}; needed a share of the symbols in 0…1")
    if objective is Objective.HUMAN and share > 0:
        raise SettingsError(
            f"task_share is {share:g}, but objective human sends no task vector; choose objective agent or machine"
        )
    total = symbols_per_picture(height, width, rate)
    for candidate in reversed(RATES[: rate.index + 1]):
        symbols = symbols_per_picture(height, width, candidate)
        if total - symbols >= share * total:
            return Budget(candidate, symbols, total - symbols)
    return Budget(None, 0, total)
