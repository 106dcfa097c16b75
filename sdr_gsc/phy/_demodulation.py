"""One acquired frame: from its place in the capture to equalized header and payload."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ._frame_kernel import CALM, FINAL_FIGURES, FIRST_FIGURES, GOOD, NOTHING, SCATTER, find_frame, read_frame
from ._frame_tables import FrameTables, frame_tables
from ._grid_tables import GridTables, grid_tables
from ._header import HEADER_BYTES, header_tables
from ._losses import Losses
from ._receiver_tables import receiver_tables
from ._symbol_kernel import MAX_CLOCK_OFFSET, symbol_times
from .coding.mcs import mcs
from .constellation import Qam
from .detection import Candidate
from .estimation import ChannelEstimator, Observations
from .framing import FrameHeader, FrameLayout
from .preamble import Preamble
from .synchronization import Synchronizer
from .transmitter import pilot_values

__all__ = ["Demodulator", "Payload", "Start"]


class Start(NamedTuple):
    """What training symbols and header say of a frame.

    Attributes:
        header: None if its checksum is wrong or its content impossible.
        first_sample: of the FFT window of the first training copy.
        cfo: carrier offset that the preamble showed, subcarrier spacings.
        metric: of the detection.
        delay: of the first path beyond `first_sample` plus the slack, samples.
        scatter: thermal noise variance of a tone.
        rate: delay over time, samples per sample.
        slope: of the common phase, rad per symbol.
        response: complex64 [1, Na], channel from the training symbols.
        truncated: the capture ended before the header did.
        figures: float64 [10], all of these and more, for compiled code; so are the next two.
        fields: uint8 [37], of the header.
        training: complex64 [R, Na].
    """

    header: FrameHeader | None
    first_sample: int
    cfo: float
    metric: float
    delay: float
    scatter: float
    rate: float
    slope: float
    response: np.ndarray
    truncated: bool
    figures: np.ndarray
    fields: np.ndarray
    training: np.ndarray


class Payload(NamedTuple):
    """What is known at the end of a frame.

    Attributes:
        symbols: complex64 [n_symbols], unbiased, 0 where lost.
        variance: float32 [n_symbols], inf where lost.
        snr_db: float32 [Na], Es/N0 of each occupied subcarrier.
        error_db: float32 [Nd], modulation error of each data subcarrier; meaningless where `error` is NaN.
        response: complex64 [Na], channel at the beginning of the frame.
        truncated: the capture ended before the frame did.
        mean_variance: mean of what is finite of `variance`, NaN if nothing is.
        thermal: noise variance of a tone.
        distortion: error power relative to the received signal of the same subcarrier.
        rate: delay over time, samples per sample.
        slope: of the common phase, rad per symbol.
        power: mean channel power.
        error: mean squared distance to decided points, NaN where there are none.
    """

    symbols: np.ndarray
    variance: np.ndarray
    snr_db: np.ndarray
    error_db: np.ndarray
    response: np.ndarray
    truncated: bool
    mean_variance: float
    thermal: float
    distortion: float
    rate: float
    slope: float
    power: float
    error: float


@dataclass(frozen=True, slots=True)
class _Frame:
    """What is known of a frame of some length before it is received.

    Attributes:
        tables: for compiled code.
        n_seen: times that the channel is observed in it, at most.
        times: float64 [S], samples between the middle of the training symbols and each symbol's window.
        length: samples from the first training copy to its end.
    """

    tables: FrameTables
    n_seen: int
    times: np.ndarray
    length: int


class Demodulator:
    """Demodulates frames of one numerology.

    Args:
        preamble: training symbols and grid.
        estimator: channel estimator for them.
        synchronizer: finds preambles.
    """

    def __init__(self, preamble: Preamble, estimator: ChannelEstimator, synchronizer: Synchronizer) -> None:
        self._preamble = preamble
        self._numerology = preamble.numerology
        self._grid = grid_tables(preamble)
        self._estimator = estimator
        self._frame = functools.lru_cache(maxsize=32)(functools.partial(_frame, preamble=preamble, tables=self._grid))
        self._header_pilots = pilot_values(self._numerology, self._grid.header_symbols).astype(np.complex64)
        header = header_tables(self._grid.header_symbols * self._numerology.data.size)
        self._tables = receiver_tables(synchronizer.tables, estimator.tables, self._grid, header)
        self._no_variance = np.empty((0, self._numerology.active.size), np.float32)
        self._header_length = _length(preamble, self._grid.header_symbols)

    @property
    def header_reach(self) -> int:
        """Samples behind the first training copy on which a header depends."""
        return self._reach(self._header_length)

    def frame_length(self, header: FrameHeader) -> int:
        """Samples from the first training copy to the end of a frame."""
        return self._frame(-(-header.n_symbols // self._grid.data.size)).length

    def frame_reach(self, start: Start, header: FrameHeader) -> int:
        """Number of samples without which a frame with a good header cannot be finished."""
        return start.first_sample + self._reach(self.frame_length(header))

    def _reach(self, length: int) -> int:
        # Windows follow the pilots as far as the largest clock offset that is believed.
        return math.ceil(length * (1 + MAX_CLOCK_OFFSET)) + 2 * self._numerology.symbol_length

    def start(self, samples: np.ndarray, losses: Losses, candidate: Candidate, earliest: int) -> Start | None:
        """Acquire and decode the header of a frame; None where there is none.

        Args:
            samples: complex64 [n], finite.
            losses: samples without evidence.
            candidate: from the search.
            earliest: first sample of the first training copy, at the least.
        """
        n_active = self._grid.active.size
        figures, fields = np.empty(FIRST_FIGURES), np.empty(HEADER_BYTES, np.uint8)
        training = np.empty((self._preamble.repetitions, n_active), np.complex64)
        response = np.empty((1, n_active), np.complex64)
        found = find_frame(
            samples, losses.before, candidate.start, candidate.fractional_cfo, earliest, self._header_pilots,
            self._tables, figures, fields, training, response,
        )  # fmt: skip
        if found == NOTHING:
            return None
        header = FrameHeader.unpack(fields.tobytes()) if found == GOOD else None
        first, cfo, metric, delay, scatter, _, _, rate, slope, _ = figures.tolist()
        truncated = first + self._header_length > samples.size
        return Start(
            header, int(first), cfo, metric, delay, scatter, rate, slope, response, truncated, figures, fields, training
        )

    def payload(self, samples: np.ndarray, losses: Losses, start: Start, header: FrameHeader) -> Payload:
        """Demodulate the payload of a frame with a good header.

        Args:
            samples: complex64 [n], finite.
            losses: samples without evidence.
            start: from `start`.
            header: the good header in it.
        """
        n_active, n_data = self._grid.active.size, self._grid.data.size
        frame = self._frame(-(-header.n_symbols // n_data))
        levels, half_spacing = (0, 0.0) if header.mcs is None else _levels(header.mcs)
        final = np.empty(FINAL_FIGURES)
        symbols, variance = np.empty(header.n_symbols, np.complex64), np.empty(header.n_symbols, np.float32)
        snr_db, error_db = np.empty(n_active, np.float32), np.empty(n_data, np.float32)
        seen_when, seen = np.empty((2, frame.n_seen)), np.empty((frame.n_seen, n_active), np.complex64)
        figures, strikes = start.figures, np.zeros(frame.times.size + 1 if losses.at_limit else 0, np.int64)
        for heed in (False, True):
            if heed and not (strikes > 0).any():
                break
            if heed:  # a frame that a converter clipped is read again, now that it is known where
                figures = figures.copy()
                figures[SCATTER] = final[CALM]
            response, error_variance = np.empty((1, n_active), np.complex64), self._no_variance
            while count := read_frame(
                samples, losses.before, figures, start.fields, start.training, start.response, frame.tables,
                levels, half_spacing, strikes, heed, response, error_variance, self._tables, final, symbols, variance,
                snr_db, error_db, seen_when, seen,
            ):  # fmt: skip
                scatter = float(figures[SCATTER])
                observations = Observations(seen_when[0, :count], seen_when[1, :count], seen[:count], scatter)
                channel = self._estimator.track(observations, frame.times)
                response, error_variance = channel.response, channel.error_variance
        truncated = start.first_sample + frame.length > samples.size
        return Payload(symbols, variance, snr_db, error_db, response[0].copy(), truncated, *final[:CALM].tolist())


@functools.cache
def _levels(scheme: int) -> tuple[int, float]:
    """Levels per axis of a scheme's constellation, and half their distance."""
    qam = Qam(mcs(scheme).order)
    return math.isqrt(qam.order), qam.half_spacing


def _length(preamble: Preamble, symbols: int) -> int:
    """Samples of the training symbols and of `symbols` OFDM symbols behind them."""
    grid = preamble.numerology
    return preamble.repetitions * grid.fft_size + symbols * grid.symbol_length


def _frame(n_payload: int, *, preamble: Preamble, tables: GridTables) -> _Frame:
    """A frame with `n_payload` OFDM symbols of payload."""
    grid, header_symbols = preamble.numerology, tables.header_symbols
    layout = FrameLayout.of(n_payload * grid.data.size, grid)
    is_training = np.concatenate([np.zeros(header_symbols, bool), layout.is_training])
    is_known = is_training.copy()
    is_known[:header_symbols] = True
    pilots_at = grid.positions(grid.pilots)
    pilot_tones = pilot_values(grid, is_known.size).astype(np.complex64)
    pilot_tones[is_training] = preamble.tones[pilots_at].conj()
    known = np.flatnonzero(is_known)
    reference = np.tile(preamble.tones, (known.size, 1))
    reference[:header_symbols, pilots_at] = pilot_values(grid, header_symbols)
    times = symbol_times(is_known.size, tables)
    content = frame_tables(pilot_tones, known, reference, np.flatnonzero(~is_known))
    return _Frame(content, 3 + known.size - header_symbols, times, _length(preamble, is_known.size))
