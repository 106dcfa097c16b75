"""The model-based rival: an extended Kalman filter that knows the pendulum, and the expert on its estimate.

The belief of a reception is turned back into a likelihood: with C and m of the posterior under the prior N(0, I), the
symbols alone have information J = C^-1 - I and J u = C^-1 m. The direction u(a, w) is linearized at the estimate, twice
for each reception. What arrives late corrects the state of its own time, which is advanced by the torques done since.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from .controllers import Encode
from .expert import expert_torque
from .observation import DIMENSIONS, Belief, ObservationCode, direction_of
from .pendulum import advance, wrapped
from .uplink import Arrived

__all__ = ["ByFilter", "StateFilter"]

#: Variances of one step that the model is trusted less for: linearization, clipped speeds.
_PROCESS = np.diag([1e-6, 1e-4])
#: Before anything was heard: any angle, any speed.
_PRIOR = np.diag([np.pi**2, 16.0])
_ITERATIONS = 2
_DIFFERENCE = 1e-5


class StateFilter:
    """Estimate of angle in rad and speed in rad/s with its covariance; empty until something was heard.

    Attributes:
        state: float64 [2]; None before the first reception.
        covariance: float64 [2, 2].
    """

    def __init__(self) -> None:
        self.state: np.ndarray | None = None
        self.covariance = _PRIOR

    def predict(self, torque: float) -> None:
        """Advance by one step under a torque."""
        if self.state is None:
            return
        ahead = advance(self.state + _DIFFERENCE * np.eye(2), np.full(2, torque))
        here = advance(self.state, np.array(torque))
        change = ahead - here
        change[:, 0] = wrapped(change[:, 0])
        transition = change.T / _DIFFERENCE
        self.state = here
        self.covariance = transition @ self.covariance @ transition.T + _PROCESS

    def correct(self, belief: Belief) -> None:
        """Take in what a reception tells; nothing, where nothing was heard."""
        if not belief.heard:
            return
        precision = np.linalg.inv(belief.covariance)
        information, pull = precision - np.eye(DIMENSIONS), precision @ belief.mean
        before = belief.state() if self.state is None else self.state
        weight = np.linalg.inv(_PRIOR if self.state is None else self.covariance)
        state = before
        for _ in range(_ITERATIONS):
            slope = _slope(state)
            expected = direction_of(_observation(state))
            difference = before - state
            difference[0] = wrapped(difference[0])
            covariance = np.linalg.inv(weight + slope.T @ information @ slope)
            step = slope.T @ (pull - information @ expected) + weight @ difference
            state = state + covariance @ step
        self.state, self.covariance = np.array([wrapped(state[0]), np.clip(state[1], -8, 8)]), covariance


class ByFilter:
    """The expert on the filter's estimate of now; it rests until there is one.

    Args:
        code: of the observations.
        latency_steps: age of what arrives.
    """

    def __init__(self, code: ObservationCode, latency_steps: int) -> None:
        self.encode: Encode | None = code.points
        self._code = code
        self._filter = StateFilter()
        self._since: deque[float] = deque([0.0] * latency_steps, latency_steps)
        self._last = 0.0
        self._latency_steps = latency_steps

    def act(self, observation: np.ndarray, arrived: Arrived | None) -> float:
        """See `Controller.act`."""
        # The filter stands at the time of what arrives; the torque that led there is the oldest one.
        self._filter.predict(self._oldest())
        if arrived is not None:
            self._filter.correct(self._code.belief(arrived.symbols, arrived.variance, arrived.step))
        if self._filter.state is None:
            torque = 0.0
        else:
            now = self._filter.state
            for done in self._since:
                now = advance(now, np.array(done))
            torque = float(expert_torque(now))
        self._last = torque
        return torque

    def _oldest(self) -> float:
        """Torque done at the step before the one that the filter goes to; the last one done joins those since."""
        if not self._latency_steps:
            return self._last
        oldest = self._since[0]
        self._since.append(self._last)
        return oldest


def _observation(state: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(state[..., 0]), np.sin(state[..., 0]), state[..., 1]], -1)


def _slope(state: np.ndarray) -> np.ndarray:
    """Derivative of the direction by the state, float64 [3, 2]."""
    around = state + _DIFFERENCE * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    direction = direction_of(_observation(around))
    found: np.ndarray = ((direction[::2] - direction[1::2]) / (2 * _DIFFERENCE)).T
    return found
