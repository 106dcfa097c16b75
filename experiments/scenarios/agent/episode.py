"""One episode of the closed loop: observe, send, wait, act."""

from __future__ import annotations

import importlib
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sdr_gsc.errors import SettingsError

from .controllers import Controller
from .pendulum import ENVIRONMENT
from .uplink import Arrived, Uplink

__all__ = ["Agent", "Environment", "open_environment", "run_episode"]


class Environment(Protocol):
    """The part of gymnasium's environments that an episode needs."""

    def reset(self, *, seed: int | None = None) -> tuple[np.ndarray, object]:
        """Begin an episode; the first observation."""
        ...

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, object]:
        """Act; the next observation, the reward, and what no episode of fixed length needs."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def open_environment(steps: int) -> Environment:
    """The environment with episodes of `steps` control steps.

    Raises:
        SettingsError: gymnasium is not installed.
    """
    try:
        gymnasium = importlib.import_module("gymnasium")
    except ImportError as error:
        raise SettingsError(
            "the scenario agent needs gymnasium, which is not installed; run: pip install 'sdr-gsc[agents]'"
        ) from error
    found: Environment = gymnasium.make(ENVIRONMENT, max_episode_steps=steps, disable_env_checker=True)
    return found


@dataclass(slots=True)
class Agent:
    """An environment with its controller, and what lies between them.

    Attributes:
        environment: of gymnasium.
        controller: acts.
        latency_steps: control steps that a frame takes to arrive.
        observation: what is seen now, float32 [3].
        gained: sum of rewards so far.
    """

    environment: Environment
    controller: Controller
    latency_steps: int
    observation: np.ndarray
    gained: float
    _under_way: deque[Arrived | None]

    @classmethod
    def begin(cls, environment: Environment, controller: Controller, latency_steps: int, seed: int) -> Agent:
        """Start an episode from a seed, an integer below 2^63."""
        observation, _ = environment.reset(seed=seed % 2**32)
        return cls(environment, controller, latency_steps, observation, 0.0, deque([None] * latency_steps))

    def send(self, uplink: Uplink | None, *, number: int, step: int) -> Arrived | None:
        """Put the observation on its way; None where there is nothing to send, or nobody to send it by."""
        encode = self.controller.encode
        if uplink is None or encode is None:
            return None
        return uplink.carry(encode(self.observation, step), agent=number, step=step)

    def step(self, sent: Arrived | None) -> None:
        """Act upon what arrives now; `sent` arrives later, if there is latency."""
        self._under_way.append(sent)
        torque = self.controller.act(self.observation, self._under_way.popleft())
        self.observation, gained, *_ = self.environment.step(np.array([torque], np.float32))
        self.gained += float(gained)


def run_episode(agent: Agent, uplink: Uplink | None, steps: int) -> float:
    """The return, <= 0, of an episode in which every observation is sent."""
    for step in range(steps):
        agent.step(agent.send(uplink, number=0, step=step))
    return agent.gained
