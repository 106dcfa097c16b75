"""One acquired frame: from its place in the capture to equalized header and payload."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from ._acquisition import delay_probe
from ._equalizer_kernel import Noise
from ._grid_tables import grid_tables
from ._header import decode_header, encode_header
from ._header_kernel import Opening, header_cells_of, open_frame
from ._losses import Losses
from ._payload_kernel import Payload, finish_payload, observe_payload
from ._pilot_kernel import DelayFit
from ._symbol_kernel import MAX_CLOCK_OFFSET
from .estimation import ChannelEstimate, ChannelEstimator, Observations
from .framing import FrameHeader, FrameLayout
from .numerology import Numerology
from .preamble import Preamble
from .synchronization import Acquisition
from .transmitter import pilot_values

__all__ = ["Demodulator", "Evidence", "HeaderEvidence"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a frame so far.

    Attributes:
        channel: estimate, one row or one per symbol.
        noise: noise level.
        fit: delay over time.
        slope: of the common phase, rad per symbol.
        start: first sample of the FFT window of the first training copy.
        end: first sample behind the last symbol looked at.
        delay: of the first path beyond `start` plus the slack, samples.
        truncated: the capture ended before the frame did.
    """

    channel: ChannelEstimate
    noise: Noise
    fit: DelayFit
    slope: float
    start: int
    end: int
    delay: float
    truncated: bool


@dataclass(frozen=True, slots=True)
class HeaderEvidence:
    """A demodulated header.

    Attributes:
        header: None if its checksum is wrong or its content impossible.
        evidence: so far.
        opening: for the payload.
    """

    header: FrameHeader | None
    evidence: Evidence
    opening: Opening


@dataclass(frozen=True, slots=True)
class _Frame:
    """What is known of a frame of some length before it is received.

    Attributes:
        pilot_tones: complex64 [S, Np], conjugate transmitted pilots.
        known: int64 [K], indices of the header's symbols and of the training symbols behind it.
        reference: complex64 [K, Na], their tones; the header's data tones are still missing.
        data: int64 [P], indices of the payload's symbols.
        payload_symbols: symbols behind the header, training symbols among them.
    """

    pilot_tones: np.ndarray
    known: np.ndarray
    reference: np.ndarray
    data: np.ndarray
    payload_symbols: int


class Demodulator:
    """Demodulates frames of one numerology.

    Args:
        preamble: training symbols and grid.
        estimator: channel estimator for them.
    """

    def __init__(self, preamble: Preamble, estimator: ChannelEstimator) -> None:
        self._preamble = preamble
        self._numerology = preamble.numerology
        self._grid = grid_tables(preamble)
        self._estimator = estimator
        self._frame = functools.lru_cache(maxsize=32)(
            functools.partial(_frame, preamble=preamble, header_symbols=self._grid.header_symbols)
        )
        self._probe = delay_probe(self._grid.signed, self._grid.fft_size, estimator.slack)
        self._header_pilots = pilot_values(self._numerology, self._grid.header_symbols).astype(np.complex64)

    def _length(self, payload_symbols: int) -> int:
        grid = self._numerology
        symbols = self._grid.header_symbols + payload_symbols
        return self._preamble.repetitions * grid.fft_size + symbols * grid.symbol_length

    @property
    def header_reach(self) -> int:
        """Samples behind the first training copy on which a header depends."""
        return self._reach(self._length(0))

    def frame_reach(self, start: HeaderEvidence) -> int:
        """Number of samples without which a frame with a good header cannot be finished."""
        n_payload = -(-start.header.n_symbols // self._numerology.data.size)
        return start.evidence.start + self._reach(self._length(self._frame(n_payload).payload_symbols))

    def _reach(self, length: int) -> int:
        # Windows follow the pilots as far as the largest clock offset that is believed.
        return math.ceil(length * (1 + MAX_CLOCK_OFFSET)) + 2 * self._numerology.symbol_length

    def header(self, samples: np.ndarray, losses: Losses, found: Acquisition) -> HeaderEvidence:
        """Demodulate and decode the header.

        Args:
            samples: complex64 [n], finite.
            losses: samples without evidence.
            found: from the synchronizer.
        """
        opening = open_frame(
            samples, losses.before, found.training_start, found.cfo, found.training, self._probe,
            self._estimator.tables, self._grid,
        )  # fmt: skip
        # A walking phase follows a noisy oscillator; at low SNR it follows the noise, and a line is the better guess.
        header, fit, slope = self._decoded(opening, walk=True)
        if header is None:
            header, fit, slope = self._decoded(opening, walk=False)
        evidence = Evidence(
            channel=ChannelEstimate(opening.response, opening.error_variance, 0.0),
            noise=Noise(opening.scatter, 0.0),
            fit=fit,
            slope=slope,
            start=opening.start,
            end=opening.start + self._length(0) + int(opening.shift[-1]),
            delay=opening.delay,
            truncated=opening.start + self._length(0) > samples.size,
        )
        return HeaderEvidence(header, evidence, opening)

    def _decoded(self, opening: Opening, walk: bool) -> tuple[FrameHeader | None, DelayFit, float]:
        cells, variance, fit, slope = header_cells_of(opening, self._header_pilots, walk, self._grid)
        fields = decode_header(cells, variance)
        return None if fields is None else FrameHeader.unpack(fields), fit, slope

    def payload(
        self, samples: np.ndarray, losses: Losses, found: Acquisition, start: HeaderEvidence
    ) -> tuple[Evidence, Payload]:
        """Demodulate the payload of a frame with a good header.

        Args:
            samples: complex64 [n], finite.
            losses: samples without evidence.
            found: from the synchronizer.
            start: from `header`.

        Returns:
            Refined evidence, and the payload cut to the symbols that the header announced.
        """
        header = start.header
        grid, numerology = self._grid, self._numerology
        n_payload = -(-header.n_symbols // numerology.data.size)
        frame = self._frame(n_payload)
        reference = frame.reference.copy()
        cells = encode_header(header.pack(), grid.header_symbols * numerology.data.size)
        reference[: grid.header_symbols, grid.data_at] = cells.reshape(grid.header_symbols, -1)
        middle = observe_payload(
            samples, losses.before, found.cfo, start.opening, start.evidence.fit, frame.pilot_tones, frame.known,
            reference, grid,
        )  # fmt: skip
        channel = self._estimator.track(
            Observations(middle.seen_at, middle.seen_symbols, middle.seen, start.opening.scatter), middle.times
        )
        payload = finish_payload(
            middle, start.opening, channel.response, channel.error_variance, frame.pilot_tones, frame.known,
            frame.data, grid,
        )  # fmt: skip
        end = start.opening.start + self._length(frame.payload_symbols)
        evidence = Evidence(
            channel=channel,
            noise=payload.noise,
            fit=payload.fit,
            slope=payload.slope,
            start=start.opening.start,
            end=end + int(middle.shift[-1]),
            delay=start.opening.delay,
            truncated=end > samples.size,
        )
        count = header.n_symbols
        return evidence, payload._replace(symbols=payload.symbols[:count], variance=payload.variance[:count])


def _frame(n_payload: int, *, preamble: Preamble, header_symbols: int) -> _Frame:
    """A frame with `n_payload` OFDM symbols of payload."""
    grid: Numerology = preamble.numerology
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
    return _Frame(pilot_tones, known, reference, np.flatnonzero(~is_known), layout.length)
