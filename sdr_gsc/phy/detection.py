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
from ._search_kernel import lag_metric, peak_after
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
    """

    start: int
    fractional_cfo: float
    metric: float


class LagSearch:
    """Gate metric of samples, on a grid of N/4 of them, and the peaks in it.

    Args:
        samples: complex64 [n], finite.
        preamble: what to look for.
        gate_rate: false-alarm rate per grid point.
    """

    def __init__(self, samples: np.ndarray, preamble: Preamble, gate_rate: float = _GATE_RATE) -> None:
        n = preamble.numerology.fft_size
        self._stride = math.gcd(preamble.numerology.cp_length, n // 4)
        span = (preamble.length - n) // self._stride
        self._reach = preamble.length // self._stride
        self.threshold = gate_threshold(gate_rate, span * self._stride)
        self._metric, self._correlation = lag_metric(samples.view(np.float32), n, self._stride, span)

    @property
    def metric(self) -> np.ndarray:
        """float32 [points], m on the grid."""
        return self._metric

    @property
    def stride(self) -> int:
        """Samples between grid points."""
        return self._stride

    def next_candidate(self, from_sample: int) -> Candidate | None:
        """First peak of the gate metric at or after a sample; None when nothing more crosses the threshold."""
        peak = peak_after(self._metric, self.threshold, -(-from_sample // self._stride), self._reach, _CLIMBS)
        if peak < 0:
            return None
        correlation = complex(self._correlation[peak])
        return Candidate(
            start=peak * self._stride,
            fractional_cfo=math.atan2(correlation.imag, correlation.real) / (2 * math.pi),
            metric=float(self._metric[peak]),
        )
