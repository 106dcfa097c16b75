"""The receiver's loop: from sample to sample, frame by frame, no further than what follows can no longer change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._demodulation import Demodulator, Evidence, HeaderEvidence
from ._losses import Losses
from ._reporting import Air, Demodulated, make_report
from .blocks import decode_blocks
from .detection import LagSearch
from .estimation import ChannelEstimator
from .numerology import Numerology
from .preamble import Preamble
from .received import ReceivedFrame
from .report import FrameReport, Stage
from .synchronization import Acquisition, Synchronizer, heard_training

__all__ = ["FrameScanner", "Scan"]


@dataclass(frozen=True, slots=True)
class Pending:
    """A frame whose header is known and whose end may not have arrived.

    Attributes:
        found: its preamble.
        start: its header.
        resume: sample from which to search on, at the least.
    """

    found: Acquisition
    start: HeaderEvidence
    resume: int


@dataclass(frozen=True, slots=True)
class Scan:
    """How far a scan has come.

    Attributes:
        position: sample from which to search on.
        needed: samples without which nothing more can be decided.
        pending: frame to be finished then.
    """

    position: int = 0
    needed: int = 0
    pending: Pending | None = None


class FrameScanner:
    """Finds and demodulates frames.

    Args:
        numerology: the grid.
        false_alarm_rate: per sample of white noise.
        max_cfo: largest carrier offset searched, subcarrier spacings.
        frame_symbols: largest payload believed.
    """

    def __init__(self, numerology: Numerology, false_alarm_rate: float, max_cfo: float, frame_symbols: int) -> None:
        self._preamble = Preamble(numerology)
        self._frame_symbols = frame_symbols
        estimator = ChannelEstimator(self._preamble)
        self._synchronizer = Synchronizer(self._preamble, estimator, false_alarm_rate, max_cfo)
        self._demodulator = Demodulator(self._preamble, estimator)
        #: Samples before its position on which a scan depends: places of the preamble that it tries.
        self.hindsight = 2 * self._preamble.length + self._synchronizer.reach
        self.stride = LagSearch(np.zeros(0, np.complex64), self._preamble).stride

    def scan(
        self, samples: np.ndarray, losses: Losses, air: Air, state: Scan, ended: bool
    ) -> tuple[tuple[ReceivedFrame, ...], Scan]:
        """Go on as far as possible.

        Args:
            samples: complex64 [n], finite.
            losses: samples without evidence.
            air: rates, and the number of the first sample.
            state: where the last scan stopped; its sample numbers count from the first sample at hand.
            ended: no sample will follow.

        Returns:
            Frames found, and where the scan stopped.
        """
        frames: list[ReceivedFrame] = []
        search = LagSearch(samples, self._preamble)
        while ended or state.needed <= samples.size:
            if state.pending is not None:
                frame, position = self._finish(samples, losses, air, state.pending)
                frames.append(frame)
                state = Scan(position)
                continue
            candidate = search.next_candidate(state.position)
            if candidate is None:
                return tuple(frames), Scan(max(state.position, search.points * search.stride))
            needed = candidate.opened + search.foresight + self._synchronizer.reach + self._demodulator.header_reach
            if needed > samples.size and not ended:
                return tuple(frames), Scan(state.position, needed)
            found = self._synchronizer.acquire(samples, candidate, losses)
            if found is None or found.training_start < state.position:
                state = Scan(candidate.start + 2 * search.stride)
                continue
            if losses.before.size:
                found = heard_training(found, losses, self._preamble.numerology.fft_size)
            start = self._demodulator.header(samples, losses, found)
            resume = candidate.start + search.stride
            if start.header is None or start.header.n_symbols > self._frame_symbols:
                frames.append(self._without_payload(air, found, start))
                # Copies of the training symbol are no new preamble: go on behind the last one.
                copies = self._preamble.repetitions - 1
                training_end = start.evidence.start + copies * self._preamble.numerology.fft_size
                state = Scan(max(training_end, resume))
            else:
                state = Scan(state.position, self._demodulator.frame_reach(start), Pending(found, start, resume))
        return tuple(frames), state

    def _finish(self, samples: np.ndarray, losses: Losses, air: Air, pending: Pending) -> tuple[ReceivedFrame, int]:
        """The frame, and the sample from which to search on."""
        header = pending.start.header
        evidence, payload = self._demodulator.payload(samples, losses, pending.found, pending.start)
        blocks = None
        stage = Stage.TRUNCATED if evidence.truncated else None
        if header.mcs is not None:
            blocks = decode_blocks(payload.symbols, payload.variance, header.n_blocks, header.mcs)
            if stage is None and None in blocks:
                stage = Stage.PAYLOAD
        demodulated = Demodulated(header, payload.symbols, payload.variance, payload.mean_variance, blocks)
        report = self._report(air, pending.found, evidence, demodulated, stage)
        frame = ReceivedFrame(header, report, payload.symbols, payload.variance, blocks)
        return frame, max(evidence.end - self._preamble.numerology.cp_length, pending.resume)

    def _without_payload(self, air: Air, found: Acquisition, start: HeaderEvidence) -> ReceivedFrame:
        stage = Stage.TRUNCATED if start.evidence.truncated else Stage.HEADER
        report = self._report(air, found, start.evidence, None, stage)
        return ReceivedFrame(None, report, np.zeros(0, np.complex64), np.zeros(0, np.float32), None)

    def _report(
        self,
        air: Air,
        found: Acquisition,
        evidence: Evidence,
        payload: Demodulated | None,
        stage: Stage | None,
    ) -> FrameReport:
        sync = self._synchronizer
        return make_report(air, self._preamble, sync.slack, sync.threshold, found, evidence, payload, stage)
