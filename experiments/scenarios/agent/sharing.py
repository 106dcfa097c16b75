"""Two agents and one channel: one frame per control step, and somebody must say whose.

The controller's end decides, because it is the one that knows how unsure it is; it polls an agent for each step, and
the poll, like the torques, is taken to arrive. `turns` polls in turn. `need` polls the agent for which the policy's
draws were spread the widest in this step: wide where the state is uncertain *and* the action depends on it. `both` lets
both send in every step, on twice the air: what sharing is compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .controllers import ByPolicy
from .episode import Agent
from .uplink import Uplink

__all__ = ["SHARINGS", "Shared", "next_sender", "run_pair"]

SHARINGS = ("turns", "need", "both")


@dataclass(frozen=True, slots=True)
class Shared:
    """What two agents made of one channel.

    Attributes:
        returns: of each, <= 0.
        frames: that each sent.
        lost: of these.
        air_samples: of both together.
    """

    returns: tuple[float, float]
    frames: tuple[int, int]
    lost: tuple[int, int]
    air_samples: int


def next_sender(sharing: str, spreads: Sequence[float], last: int) -> int:
    """Who sends in the next step: 0 or 1; of equal needs, the one that did not send last.

    >>> next_sender("turns", (0.0, 9.0), 1), next_sender("need", (0.1, 0.2), 1), next_sender("need", (0.1, 0.1), 1)
    (0, 1, 0)
    """
    if sharing == "need" and spreads[0] != spreads[1]:
        return 0 if spreads[0] > spreads[1] else 1
    return 1 - last


def run_pair(agents: Sequence[Agent], uplinks: Sequence[Uplink], sharing: str, steps: int) -> Shared:
    """One episode of two agents, whose controllers are policies."""
    sender = 0
    for step in range(steps):
        for number, (agent, uplink) in enumerate(zip(agents, uplinks, strict=True)):
            polled = sharing == "both" or number == sender
            agent.step(agent.send(uplink, number=number, step=step) if polled else None)
        sender = next_sender(sharing, [_spread(agent) for agent in agents], sender)
    first, second = agents
    return Shared(
        (first.gained, second.gained),
        (uplinks[0].sent, uplinks[1].sent),
        (uplinks[0].lost, uplinks[1].lost),
        sum(uplink.air_samples for uplink in uplinks),
    )


def _spread(agent: Agent) -> float:
    controller = agent.controller
    return controller.spread if isinstance(controller, ByPolicy) else 0.0
