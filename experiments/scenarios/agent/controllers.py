"""Who acts: the expert on what it is told, the diffusion policy on what it believes, and nobody in particular."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch

from .expert import expert_torque
from .observation import FEATURES, Belief, ObservationCode
from .packets import PacketCode
from .pendulum import MAX_TORQUE, state_of
from .policy import PAST_ACTIONS, PolicyNet, condition, draw
from .uplink import Arrived

__all__ = ["ByExpert", "ByPolicy", "Clean", "Controller", "Encode", "Undirected", "packet_reader", "symbol_reader"]

#: From an observation, float [3], and the number of its control step to the symbols that are sent.
Encode = Callable[[np.ndarray, int], np.ndarray]
#: From what arrived to a state, float64 [2]; None where it tells nothing.
Read = Callable[[Arrived], np.ndarray | None]


class Controller(Protocol):
    """One end of the loop; it lives for one episode.

    Attributes:
        encode: what the observing end sends; None where nothing crosses the link.
    """

    encode: Encode | None

    def act(self, observation: np.ndarray, arrived: Arrived | None) -> float:
        """Torque of one control step.

        Args:
            observation: the true one [3], for references that are no part of a link.
            arrived: what came in this step; None where nothing was due.
        """
        ...


class Clean:
    """The expert on the true state: the upper reference."""

    encode: Encode | None = None

    def act(self, observation: np.ndarray, arrived: Arrived | None) -> float:
        """See `Controller.act`."""
        return float(expert_torque(state_of(observation)))


class Undirected:
    """Torques at random: what an episode is worth without control.

    Args:
        generator: of the torques.
    """

    encode: Encode | None = None

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    def act(self, observation: np.ndarray, arrived: Arrived | None) -> float:
        """See `Controller.act`."""
        return float(self._generator.uniform(-MAX_TORQUE, MAX_TORQUE))


class ByExpert:
    """The expert on the last state that arrived, however old; it rests until there is one.

    Args:
        encode: see `Controller`.
        read: its inverse.
    """

    def __init__(self, encode: Encode, read: Read) -> None:
        self.encode: Encode | None = encode
        self._read = read
        self._state: np.ndarray | None = None

    def act(self, observation: np.ndarray, arrived: Arrived | None) -> float:
        """See `Controller.act`."""
        found = None if arrived is None or arrived.lost else self._read(arrived)
        if found is not None:
            self._state = found
        return 0.0 if self._state is None else float(expert_torque(self._state))


class ByPolicy:
    """The diffusion policy: several actions are drawn, and their median is done.

    Args:
        net: the policy.
        code: of the observations.
        latency_steps: age of what arrives.
        steps: evaluations of the denoiser.
        draws: odd.
        generator: of the draws, on the device of `net`.
        with_variances: False for a policy that was trained without them.
    """

    def __init__(
        self,
        net: PolicyNet,
        code: ObservationCode,
        *,
        latency_steps: int,
        steps: int,
        draws: int,
        generator: torch.Generator,
        with_variances: bool = True,
    ) -> None:
        self.encode: Encode | None = code.points
        self._net, self._code, self._latency_steps = net, code, latency_steps
        self._steps, self._draws, self._generator = steps, draws, generator
        self._with_variances = with_variances
        self._heard = np.zeros((net.history, FEATURES), np.float32)
        self._done = np.zeros(PAST_ACTIONS, np.float32)
        self.spread = 0.0
        """Standard deviation of the latest draws, in units of the largest torque: how unsure the policy is."""

    def act(self, observation: np.ndarray, arrived: Arrived | None) -> float:
        """See `Controller.act`."""
        self._heard = np.roll(self._heard, 1, 0)
        self._heard[0] = self._features(arrived)
        given = condition(self._heard, self._done, np.array(self._latency_steps))
        device = self._generator.device
        repeated = torch.from_numpy(given).to(device).expand(self._draws, -1)
        noise = torch.randn(self._draws, generator=self._generator, device=device)
        with torch.inference_mode():
            actions = draw(lambda x, time: self._net(x, time, repeated), noise, self._steps)
        action = float(actions.median())
        self.spread = float(actions.std(correction=0))
        self._done = np.roll(self._done, 1)
        self._done[0] = action
        return MAX_TORQUE * action

    def _features(self, arrived: Arrived | None) -> np.ndarray:
        belief: Belief
        if arrived is None:
            return np.zeros(FEATURES, np.float32)
        if self._with_variances:
            belief = self._code.belief(arrived.symbols, arrived.variance, arrived.step)
            return belief.features()
        belief = self._code.flat_belief(arrived.symbols, arrived.variance, arrived.step)
        return belief.features_without_variances()


def symbol_reader(code: ObservationCode) -> Read:
    """The state at the mean of what symbols tell."""

    def read(arrived: Arrived) -> np.ndarray | None:
        return code.belief(arrived.symbols, arrived.variance, arrived.step).state()

    return read


def packet_reader(code: PacketCode) -> Read:
    """The state in a packet; None where its checksum is wrong."""

    def read(arrived: Arrived) -> np.ndarray | None:
        return code.state(arrived.symbols, arrived.variance)

    return read
