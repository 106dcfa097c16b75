"""The expert controller: pumps energy until the pendulum can be caught, and balances it there.

Swing-up by energy shaping (Åström and Furuta, Automatica 2000): with E = w^2/6 + 5 cos a, which is 5 for the pendulum
at rest upright, the torque is k (5 - E) clip(w / w0, -1, 1). Near the top a linear-quadratic regulator takes over,
where its torque is not far beyond what the motor can give. The regulator counts torque as dearer than the environment
does: its return is the same to 1 %, and a smooth controller is easier to imitate and to feed with noisy states.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.linalg import solve_discrete_are

from .pendulum import MAX_TORQUE, STEP_S, wrapped

__all__ = ["expert_torque", "regulator_gain"]

_TOP_ENERGY = 5.0
_SWING_GAIN = 1.0
_SWING_SPEED = 2.0
_TORQUE_COST = 1.0
#: The regulator takes over where it asks for no more than this many times the motor's torque, and near the top.
_CAPTURE = 3.0
_CAPTURE_RAD = 1.0


@cache
def regulator_gain() -> tuple[float, float]:
    """K of u = -K (a, w): minimizes the sum of a^2 + 0.1 w^2 + u^2 of the pendulum linearized upright."""
    a = np.array([[1 + 15 * STEP_S**2, STEP_S], [15 * STEP_S, 1.0]])
    b = np.array([[3 * STEP_S**2], [3 * STEP_S]])
    cost = solve_discrete_are(a, b, np.diag([1.0, 0.1]), np.array([[_TORQUE_COST]]))
    gain = np.linalg.solve(_TORQUE_COST + b.T @ cost @ b, b.T @ cost @ a)
    return float(gain[0, 0]), float(gain[0, 1])


def expert_torque(state: np.ndarray) -> np.ndarray:
    """Torque, float64 [...], within the motor's limits, for states [..., 2] of angle in rad and speed in rad/s."""
    angle, speed = wrapped(state[..., 0]), state[..., 1]
    gain = regulator_gain()
    balance = -(gain[0] * angle + gain[1] * speed)
    missing = _TOP_ENERGY - (speed**2 / 6 + _TOP_ENERGY * np.cos(angle))
    swing = _SWING_GAIN * missing * np.clip(speed / _SWING_SPEED, -1, 1)
    caught = (np.abs(angle) < _CAPTURE_RAD) & (np.abs(balance) < _CAPTURE * MAX_TORQUE)
    return np.clip(np.where(caught, balance, swing), -MAX_TORQUE, MAX_TORQUE)
