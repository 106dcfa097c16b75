"""The pendulum of gymnasium as a model: what the trainer simulates by the thousand, and what the expert knows.

A rod of mass 1 and length 1 under g = 10, with a torque of at most 2 on its axis: too weak to lift it in one go. Angle
0 is upright. With dt = 0.05 s,

    w' = clip(w + (15 sin a + 3 u) dt, -8, 8),    a' = a + w' dt,    reward = -(wrap(a)^2 + 0.1 w^2 + 0.001 u^2).
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "ENVIRONMENT",
    "MAX_SPEED",
    "MAX_TORQUE",
    "STEP_S",
    "advance",
    "initial_states",
    "reward",
    "state_of",
    "wrapped",
]

ENVIRONMENT = "Pendulum-v1"
STEP_S = 0.05
MAX_TORQUE = 2.0
MAX_SPEED = 8.0
_GRAVITY_TERM = 15.0
_TORQUE_TERM = 3.0


def wrapped(angle: np.ndarray) -> np.ndarray:
    """Angles in rad, brought to [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def state_of(observation: np.ndarray) -> np.ndarray:
    """States, float64 [..., 2] of angle in rad and speed in rad/s, of observations [..., 3] of cosine, sine, speed."""
    observation = np.asarray(observation, np.float64)
    return np.stack([np.arctan2(observation[..., 1], observation[..., 0]), observation[..., 2]], -1)


def advance(state: np.ndarray, torque: np.ndarray) -> np.ndarray:
    """States one step later; `state` float [..., 2], `torque` float [...], clipped to what the motor gives."""
    angle, speed = state[..., 0], state[..., 1]
    torque = np.clip(torque, -MAX_TORQUE, MAX_TORQUE)
    speed = np.clip(speed + (_GRAVITY_TERM * np.sin(angle) + _TORQUE_TERM * torque) * STEP_S, -MAX_SPEED, MAX_SPEED)
    return np.stack([wrapped(angle + speed * STEP_S), speed], -1)


def reward(state: np.ndarray, torque: np.ndarray) -> np.ndarray:
    """Reward of a torque in a state, float64 [...], <= 0."""
    torque = np.clip(torque, -MAX_TORQUE, MAX_TORQUE)
    return -(wrapped(state[..., 0]) ** 2 + 0.1 * state[..., 1] ** 2 + 0.001 * torque**2)


def initial_states(count: int, generator: np.random.Generator) -> np.ndarray:
    """States in which episodes begin, float64 [count, 2]: any angle, at most 1 rad/s."""
    return generator.uniform([-np.pi, -1.0], [np.pi, 1.0], (count, 2))
