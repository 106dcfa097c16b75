"""Is there a preamble? Two tests with exact laws under noise, one cheap and one sharp.

*Gate.* Lag correlation over the span L where the preamble repeats itself, normalized by the energies of **both**
windows, m = |P|²/(E₁E₂). For independent samples m ~ Beta(1, L-1), so P(m > η) = (1-η)^(L-1). It needs neither the
channel nor the carrier offset, and is loose on purpose.

*Decision.* Projection of R·N samples on the D-dimensional space of everything the training symbol can become in a
channel of D taps, over their whole energy: M ~ Beta(D, R·N-D) under white noise. A tone or a DC offset repeats itself
perfectly and passes the gate, but puts no more than about D/(R·N) of its energy into that space.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.stats

from ..errors import SettingsError
from ._search_kernel import lag_metric, next_peak
from .preamble import Preamble

__all__ = ["Candidate", "LagSearch", "decision_threshold", "gate_threshold"]

#: False-alarm rate of the gate; only decides how often the sharper test runs on noise.
_GATE_RATE = 1e-3
#: Steps of a climb, each as far as a preamble is long: bounds how far ahead a candidate depends on the samples.
_CLIMBS = 3


def gate_threshold(false_alarm_rate: float, span: int) -> float:
    """Threshold on |P|²/(E₁E₂) over `span` samples: 1 - rate^(1/(span-1)).

    Raises:
        SettingsError: rate outside (0, 1).
    """
    _check_rate(false_alarm_rate)
    return 1.0 - false_alarm_rate ** (1.0 / (span - 1))


def decision_threshold(false_alarm_rate: float, taps: int, span: int, hypotheses: float = 1.0) -> float:
    """Threshold on the projection metric: upper quantile of Beta(taps, span - taps).

    Args:
        false_alarm_rate: per sample, in (0, 1).
        taps: dimension D of the space.
        span: samples R·N.
        hypotheses: carrier offsets tried per sample; the union bound divides the rate by it.

    Raises:
        SettingsError: rate outside (0, 1).
    """
    _check_rate(false_alarm_rate)
    return float(scipy.stats.beta.isf(false_alarm_rate / hypotheses, taps, span - taps))


def _check_rate(false_alarm_rate: float) -> None:
    if not 0 < false_alarm_rate < 1:
        raise SettingsError(
            f"false_alarm_rate is {false_alarm_rate}; it must lie between 0 and 1, e.g. 1e-9 per sample"
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place where the gate opened.

    Attributes:
        start: sample where the preamble seems to begin, within about a cyclic prefix.
        fractional_cfo: carrier offset modulo one subcarrier spacing, -0.5…0.5 spacings.
        metric: gate metric m in [0, 1].
        opened: sample where the gate first opened, at or before `start`.
    """

    start: int
    fractional_cfo: float
    metric: float
    opened: int = 0


class LagSearch:
    """Gate metric of samples, on a grid of N/4 of them, and the peaks in it.

    Computed piece by piece as far as a search needs it: what lies within a frame that was found is never looked at.
    Every value depends on its own samples alone, to the bit, wherever a piece begins.

    Args:
        samples: complex64 [n], finite.
        preamble: what to look for.
        gate_rate: false-alarm rate per grid point.
    """

    def __init__(self, samples: np.ndarray, preamble: Preamble, gate_rate: float = _GATE_RATE) -> None:
        n = preamble.numerology.fft_size
        self._lag = n
        self._stride = math.gcd(preamble.numerology.cp_length, n // 4)
        self._span = (preamble.length - n) // self._stride
        self._reach = preamble.length // self._stride
        self.threshold = gate_threshold(gate_rate, self._span * self._stride)
        self._rails = samples.view(np.float32)
        self.points = max(samples.size // self._stride - 2 * (n // self._stride) - self._span + 1, 0)

    @property
    def metric(self) -> np.ndarray:
        """float32 [points], m on the grid."""
        return lag_metric(self._rails, self._lag, self._stride, self._span)[0]

    @property
    def stride(self) -> int:
        """Samples between grid points."""
        return self._stride

    @property
    def foresight(self) -> int:
        """Samples behind the point where the gate opened on which a candidate may depend."""
        return (_CLIMBS * self._reach + self._span) * self._stride + 2 * self._lag

    def next_candidate(self, from_sample: int) -> Candidate | None:
        """First peak of the gate metric at or after a sample; None when nothing more crosses the threshold."""
        first = max(-(-from_sample // self._stride), 0)
        opened, peak, metric, real, imaginary = next_peak(
            self._rails, self._lag, self._stride, self._span, self.threshold, first, self._reach, _CLIMBS
        )
        if peak < 0:
            return None
        return Candidate(
            start=peak * self._stride,
            fractional_cfo=math.atan2(imaginary, real) / (2 * math.pi),
            metric=metric,
            opened=opened * self._stride,
        )
