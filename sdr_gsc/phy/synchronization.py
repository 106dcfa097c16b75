"""From a candidate to a frame's exact place in time and frequency, or to "no, that was noise"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft

from ._acquisition import AcquisitionTables, acquire_preamble, believed
from ._first_path import delay_probe
from ._losses import Losses
from .detection import Candidate, decision_threshold
from .estimation import ChannelEstimator
from .preamble import Preamble

__all__ = ["Acquisition", "Synchronizer"]

#: Rate at which a periodic signal of random content passes for the training symbol, per place and carrier offset.
_CONTENT_RATE = 1e-4
_NOTHING_LOST = Losses()


@dataclass(frozen=True, slots=True)
class Acquisition:
    """A preamble, found.

    Attributes:
        training_start: first sample of the FFT window of the first training copy; the first path arrives
            `Synchronizer.slack` samples later, so that earlier, weaker paths do no harm.
        fractional_delay: delay of the first path beyond that sample plus `Synchronizer.slack`, within ±3 samples.
        cfo: carrier offset in subcarrier spacings.
        metric: projection metric M in [0, 1].
        content: share of the periodic part of the signal that a channel of D taps explains, in [0, 1].
        agreement: how alike the copies are: energy of their mean over their mean energy, in [0, 1].
        training: complex64 [R, Na], least-squares channel observation of each copy, carrier offset removed
            with phase zero at `training_start`.
    """

    training_start: int
    fractional_delay: float
    cfo: float
    metric: float
    content: float
    agreement: float
    training: np.ndarray


class Synchronizer:
    """Tests candidates and refines them.

    Three tests, all with Beta laws. Against noise: the share M of all energy that lies where the preamble can be.
    Against other periodic signals, which lie there in part because they are periodic: the share of the *periodic*
    energy that a channel of D taps explains, Beta(D, Na - D) for random tones; tones are limited to twice their median
    magnitude, so that a lone strong one does not decide. Against a single training symbol within a payload: the
    agreement of the copies, Beta(D, (R-1)·D) for unrelated ones.

    Args:
        preamble: what was sent.
        estimator: channel subspace for the preamble.
        false_alarm_rate: per sample.
        max_cfo: largest carrier offset searched, subcarrier spacings.
    """

    def __init__(
        self, preamble: Preamble, estimator: ChannelEstimator, false_alarm_rate: float, max_cfo: float
    ) -> None:
        grid = preamble.numerology
        self._preamble = preamble
        self._grid = grid
        self._estimator = estimator
        #: Samples between the start of the FFT window and the first path.
        self.slack = estimator.slack
        # The metric falls to nothing within 1/R spacings; two cells per that width cover the offsets searched.
        self._hypotheses = 2 * preamble.repetitions * (2 * max_cfo + 1)
        span = preamble.repetitions * grid.fft_size
        self.threshold = decision_threshold(false_alarm_rate, estimator.taps, span, self._hypotheses)
        taps, copies = estimator.taps, preamble.repetitions
        #: For compiled code.
        self.tables = AcquisitionTables(
            fft_size=grid.fft_size,
            copies=copies,
            cp_length=grid.cp_length,
            slack=self.slack,
            max_cfo=float(max_cfo),
            active=grid.active,
            matched=preamble.tones.conj(),
            basis=estimator.tables.dual,
            probe=delay_probe(grid.signed(grid.active), grid.fft_size, self.slack),
            least_metric=self.threshold,
            least_content=decision_threshold(_CONTENT_RATE, taps, grid.active.size, self._hypotheses),
            least_agreement=decision_threshold(_CONTENT_RATE, taps, copies * taps, self._hypotheses),
        )

    @property
    def reach(self) -> int:
        """Samples to either side of a candidate at which the preamble, or a part of it, is looked for."""
        grid, copies = self._grid, self._preamble.repetitions
        return (2 * copies + 2) * grid.fft_size + 4 * grid.cp_length

    @property
    def hypotheses(self) -> float:
        """Carrier offsets that count as distinct trials."""
        return self._hypotheses

    def acquire(self, samples: np.ndarray, candidate: Candidate, losses: Losses = _NOTHING_LOST) -> Acquisition | None:
        """Exact place of the preamble near a candidate, or None if there is none or the capture cuts it.

        Args:
            samples: complex64 [n], finite.
            candidate: from `LagSearch`.
            losses: samples without evidence, zero in `samples`.
        """
        found, *values = acquire_preamble(
            samples, losses.before, candidate.start, candidate.fractional_cfo, self.tables
        )
        best = Acquisition(*values)
        if not found or not believed(best.cfo, best.metric, best.content, best.agreement, self.tables):
            return None
        return best

    def metric(self, samples: np.ndarray) -> np.ndarray:
        """Projection metric M at every start sample for carrier offset zero, float32 [n - R·N + 1].

        Under white noise each value follows Beta(D, R·N - D).
        """
        n, repetitions = self._grid.fft_size, self._preamble.repetitions
        count = samples.size - n * repetitions + 1
        total = np.zeros(samples.size - n * (repetitions - 1), np.complex64)
        for r in range(repetitions):
            total += samples[r * n : r * n + total.size]
        windows = np.lib.stride_tricks.sliding_window_view(total, n)
        energy = np.concatenate([[0.0], np.cumsum(samples.real**2 + samples.imag**2, dtype=np.float64)])
        whole = energy[n * repetitions :] - energy[: -n * repetitions]
        metric = np.empty(count, np.float32)
        for first in range(0, count, 1 << 14):
            part = slice(first, min(first + (1 << 14), count))
            spectrum = scipy.fft.fft(windows[part], axis=1, norm="ortho")
            inside = self._estimator.coordinates(spectrum[:, self._grid.active] * self.tables.matched)
            metric[part] = np.sum(inside.real**2 + inside.imag**2, axis=1) / (repetitions * whole[part])
        return metric
