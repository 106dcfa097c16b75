"""From a candidate to a frame's exact place in time and frequency, or to "no, that was noise"."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numba import njit

from ._kernels import gather_symbols
from ._losses import Losses
from .detection import Candidate, decision_threshold
from .estimation import ChannelEstimator
from .preamble import Preamble

__all__ = ["Acquisition", "Synchronizer", "heard_training"]

#: A path this far below the strongest one counts as the first; the side lobes of the occupied band stay below it.
_FIRST_PATH = 0.08
_FIRST_PATH_OVER_NOISE = 12.0
#: Rate at which a periodic signal of random content passes for the training symbol, per place and carrier offset.
_CONTENT_RATE = 1e-4
_NOTHING_LOST = Losses()


@dataclass(frozen=True, slots=True)
class Acquisition:
    """A preamble, found.

    Attributes:
        training_start: first sample of the FFT window of the first training copy; the first path arrives
            `Synchronizer.slack` samples later, so that earlier, weaker paths do no harm.
        fractional_delay: delay of the first path beyond that sample plus `Synchronizer.slack`, -0.25…1.25 samples.
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
        self._max_cfo = max_cfo
        reach = math.ceil(max_cfo)
        self._integers = np.arange(-reach, reach + 1)
        self._shifted = (grid.active[None, :] + self._integers[:, None]) % grid.fft_size
        self._matched = preamble.tones.conj()
        #: Samples between the start of the FFT window and the first path.
        self.slack = estimator.slack
        # The metric falls to nothing within 1/R spacings; two cells per that width cover the offsets searched.
        self._hypotheses = 2 * preamble.repetitions * (2 * max_cfo + 1)
        span = preamble.repetitions * grid.fft_size
        self.threshold = decision_threshold(false_alarm_rate, estimator.taps, span, self._hypotheses)
        taps, copies = estimator.taps, preamble.repetitions
        self._content = decision_threshold(_CONTENT_RATE, taps, grid.active.size, self._hypotheses)
        self._agreement = decision_threshold(_CONTENT_RATE, taps, copies * taps, self._hypotheses)

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
        n, repetitions = self._grid.fft_size, self._preamble.repetitions
        window = candidate.start + self._grid.cp_length
        copies = self._copies(samples, window, candidate.fractional_cfo)
        if copies is None:
            return None
        spectrum = scipy.fft.fft(copies.sum(axis=0), norm="ortho")
        integer, delay = self._integer_offset(spectrum, candidate.fractional_cfo)
        cfo = candidate.fractional_cfo + integer
        # Copies look alike: the lag peak of a weak preamble may be whole symbols off; so may one with losses.
        # Lost samples are no argument against a place, so places compare by the samples that were heard.
        expected = window + delay
        best = self._refine(samples, expected, cfo)
        score = 0.0 if best is None else best.metric / self._heard(best, losses)
        for step in (-n, n):
            place = expected + step
            while score <= 1 - 0.25 / repetitions:
                found = self._refine(samples, place, cfo)
                if found is None or found.metric / self._heard(found, losses) <= score:
                    break
                best, score = found, found.metric / self._heard(found, losses)
                place += step
        if best is None or best.metric < self.threshold or abs(best.cfo) > self._max_cfo + 0.5:
            return None
        return best if best.content >= self._content and best.agreement >= self._agreement else None

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
            inside = self._estimator.coordinates(spectrum[:, self._grid.active] * self._matched)
            metric[part] = np.sum(inside.real**2 + inside.imag**2, axis=1) / (repetitions * whole[part])
        return metric

    def _copies(self, samples: np.ndarray, start: int, cfo: float) -> np.ndarray | None:
        n, repetitions = self._grid.fft_size, self._preamble.repetitions
        if start < 0 or start + n * repetitions > samples.size:
            return None
        copies = np.empty((repetitions, n), np.complex64)
        starts = start + n * np.arange(repetitions)
        gather_symbols(samples.view(np.float32), starts, 2 * np.pi * cfo / n, start, copies.view(np.float32))
        return copies

    def _integer_offset(self, spectrum: np.ndarray, fractional: float) -> tuple[int, int]:
        """Whole-spacing offset and delay of the window of CP taps with the most energy."""
        n, taps = self._grid.fft_size, self._grid.cp_length
        grid = np.zeros((self._integers.size, n), np.complex64)
        grid[:, self._grid.active] = spectrum[self._shifted] * self._matched
        response = scipy.fft.ifft(grid, axis=1)
        power = response.real**2 + response.imag**2
        running = np.cumsum(np.concatenate([power, power[:, :taps]], axis=1, dtype=np.float64), axis=1)
        inside = running[:, taps:] - running[:, :-taps]  # entry d holds delays d+1 … d+taps
        inside[np.abs(self._integers + fractional) > self._max_cfo + 0.25] = 0.0
        row, at = np.unravel_index(int(np.argmax(inside)), inside.shape)
        delays = (int(at) + 1 + np.arange(taps)) % n
        local = power[row, delays]
        floor = float(np.median(power[row]))
        first = int(np.argmax(local > max(_FIRST_PATH * float(local.max()), _FIRST_PATH_OVER_NOISE * floor)))
        delay = int(delays[first])
        # The window lies one CP after the coarse start and the copies begin two after it: expect one CP.
        return int(self._integers[row]), (delay - taps + n // 2) % n - n // 2 + taps

    def _refine(self, samples: np.ndarray, first_path: int, cfo: float) -> Acquisition | None:
        repetitions = self._preamble.repetitions
        start = first_path - self.slack
        copies = self._copies(samples, start, cfo)
        if copies is None:
            return None
        energy = float(np.vdot(copies, copies).real)
        if energy == 0.0:
            return None
        tones = scipy.fft.fft(copies, axis=1, norm="ortho")[:, self._grid.active] * self._matched
        coordinates = self._estimator.coordinates(tones)
        residual = _residual_offset(coordinates @ coordinates.conj().T)
        turn = np.exp(-2j * np.pi * residual * np.arange(repetitions)).astype(np.complex64)
        tones *= turn[:, None]
        inside = turn @ coordinates
        periodic = tones.sum(axis=0)
        power = float(np.vdot(inside, inside).real)
        return Acquisition(
            training_start=start,
            fractional_delay=self._fractional_delay(periodic),
            cfo=cfo + residual,
            metric=power / (repetitions * energy),
            content=self._explained(periodic),
            agreement=power / max(repetitions * float(np.vdot(coordinates, coordinates).real), 1e-30),
            training=tones,
        )

    def _heard(self, found: Acquisition, losses: Losses) -> float:
        """Share of the training samples that were not lost, above 0: a metric is never found where all were."""
        span = self._preamble.repetitions * self._grid.fft_size
        lost = int(losses.within(np.array([found.training_start]), span)[0])
        return max(1 - lost / span, 1 / span)

    def _explained(self, tones: np.ndarray) -> float:
        magnitude = np.abs(tones)
        limit = 2 * float(np.median(magnitude))
        limited = tones * (limit / np.maximum(magnitude, max(limit, 1e-30)))
        inside = self._estimator.coordinates(limited)
        return float(np.vdot(inside, inside).real) / max(float(np.vdot(limited, limited).real), 1e-30)

    def _fractional_delay(self, tones: np.ndarray) -> float:
        """Offset of the first path's peak from `slack`: first maximum of the impulse response, by parabola.

        A path late between two samples already shows at the earlier one, hence the search up to a sample later.
        """
        lags = self.slack + 0.5 * np.arange(-1, 4)
        signed = self._grid.signed(self._grid.active)
        magnitude = np.abs(np.exp(2j * np.pi * np.outer(lags, signed) / self._grid.fft_size) @ tones)
        for at in range(1, lags.size - 1):
            a, b, c = magnitude[at - 1 : at + 2].tolist()
            if a < b >= c:
                return 0.5 * (at - 1) + 0.25 * (a - c) / (a - 2 * b + c)
        return 0.0


def heard_training(found: Acquisition, losses: Losses, fft_size: int) -> Acquisition:
    """Leave out training copies with lost samples, as long as two remain to tell noise from signal.

    Args:
        found: from the synchronizer.
        losses: samples without evidence.
        fft_size: samples of a copy.
    """
    starts = found.training_start + fft_size * np.arange(found.training.shape[0])
    heard = losses.within(starts, fft_size) == 0
    return replace(found, training=found.training[heard]) if np.count_nonzero(heard) >= 2 else found


@njit(cache=True, nogil=True)
def _residual_offset(gram: np.ndarray) -> float:
    """Carrier offset, in spacings, that aligns copies with Gram matrix G[r, q] = <copy_r, copy_q>.

    Maximum likelihood: maximize J(f) = Σ_{r>q} 2 Re(G[r, q] exp(-j2πf(r-q))), which is the log-likelihood of copies of
    an unknown vector; its error meets the bound of Morelli and Mengali (IEEE Commun. Lett. 3(3), 1999). A short grid
    guards the Newton steps against side lobes.
    """
    size = gram.shape[0]
    sums = np.zeros(size, np.complex128)
    for row in range(size):
        for column in range(row):
            sums[row - column] += gram[row, column]
    best = -np.inf
    offset = 0.0
    for trial in range(-2 * size, 2 * size + 1):
        candidate = 0.125 * trial / size
        value = 0.0
        for lag in range(1, size):
            value += (sums[lag] * np.exp(-2j * np.pi * candidate * lag)).real
        if value > best:
            best = value
            offset = candidate
    for _ in range(3):
        slope = 0.0
        bend = 0.0
        for lag in range(1, size):
            turned = sums[lag] * np.exp(-2j * np.pi * offset * lag)
            slope += lag * turned.imag
            bend += lag * lag * turned.real
        if bend <= 0.0:
            break
        offset += min(max(slope / (2 * np.pi * bend), -0.05), 0.05)
    return offset
