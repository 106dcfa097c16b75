"""The receiver's loop: from sample to sample, frame by frame, no further than what follows can no longer change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ._demodulation import Demodulator, Payload, Start
from ._losses import Losses
from ._reporting import Air, make_report
from .blocks import decode_blocks
from .detection import LagSearch
from .estimation import ChannelEstimator
from .framing import FrameHeader
from .numerology import Numerology
from .preamble import Preamble
from .received import ReceivedFrame
from .report import FrameReport, Stage
from .synchronization import Synchronizer

__all__ = ["FrameScanner", "Scan"]


#: Frames whose payloads are demodulated in one go: code that has just run is still in the processor's cache.
_BATCH = 32
#: Clock offset by which the end of a frame may come earlier than nominal.
_EARLY = 2e-4


class Pending(NamedTuple):
    """A frame whose header is known.

    Attributes:
        header: what it announced.
        start: its preamble and header, demodulated.
        needed: samples without which it cannot be finished.
    """

    header: FrameHeader
    start: Start
    needed: int


class Scan(NamedTuple):
    """How far a scan has come.

    Attributes:
        position: sample from which to search on.
        needed: samples without which nothing more can be decided.
        pending: a frame that is not finished.
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
        self._demodulator = Demodulator(self._preamble, estimator, self._synchronizer)
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
        search = LagSearch(samples, self._preamble)
        frames: list[ReceivedFrame] = []
        pending: list[Pending] = []
        while state.pending is not None or ended or state.needed <= samples.size:
            if state.pending is not None:
                if state.pending.needed > samples.size and not ended:
                    break
                pending.append(state.pending)
                state = Scan(state.position)
                if len(pending) == _BATCH:
                    frames += self._finished(samples, losses, air, pending)
                    pending = []
            candidate = search.next_candidate(state.position)
            if candidate is None:
                state = Scan(max(state.position, search.points * search.stride))
                break
            needed = candidate.opened + search.foresight + self._synchronizer.reach + self._demodulator.header_reach
            if needed > samples.size and not ended:
                state = Scan(state.position, needed)
                break
            start = self._demodulator.start(samples, losses, candidate, state.position)
            if start is None:
                state = Scan(candidate.start + 2 * search.stride)
                continue
            resume = candidate.start + search.stride
            header = start.header
            if header is None or header.n_symbols > self._frame_symbols:
                # Copies of the training symbol are no new preamble: go on behind the last one.
                copies = self._preamble.repetitions - 1
                training_end = start.first_sample + copies * self._preamble.numerology.fft_size
                frames += self._finished(samples, losses, air, pending)
                frames.append(self._without_payload(air, start))
                pending = []
                state = Scan(max(training_end, resume))
            else:
                length = self._demodulator.frame_length(header)
                end = start.first_sample + length - int(_EARLY * length) - self._preamble.numerology.cp_length
                needed = self._demodulator.frame_reach(start, header)
                state = Scan(max(end, resume), 0, Pending(header, start, needed))
        frames += self._finished(samples, losses, air, pending)
        return tuple(frames), state

    def _finished(
        self, samples: np.ndarray, losses: Losses, air: Air, pending: Sequence[Pending]
    ) -> list[ReceivedFrame]:
        """The frames, payloads included: stage by stage, all of them in each."""
        payloads = [self._demodulator.payload(samples, losses, each.start, each.header) for each in pending]
        blocks = [
            None
            if each.header.mcs is None
            else decode_blocks(payload.symbols, payload.variance, each.header.n_blocks, each.header.mcs)
            for each, payload in zip(pending, payloads, strict=True)
        ]
        frames = []
        for each, payload, found in zip(pending, payloads, blocks, strict=True):
            stage = Stage.TRUNCATED if payload.truncated else None
            if stage is None and found is not None and None in found:
                stage = Stage.PAYLOAD
            report = self._report(air, each.start, payload, found, stage)
            frames.append(ReceivedFrame(each.header, report, payload.symbols, payload.variance, found))
        return frames

    def _without_payload(self, air: Air, start: Start) -> ReceivedFrame:
        report = self._report(air, start, None, None, Stage.TRUNCATED if start.truncated else Stage.HEADER)
        return ReceivedFrame(None, report, np.zeros(0, np.complex64), np.zeros(0, np.float32), None)

    def _report(
        self,
        air: Air,
        start: Start,
        payload: Payload | None,
        blocks: tuple[bytes | None, ...] | None,
        stage: Stage | None,
    ) -> FrameReport:
        sync = self._synchronizer
        return make_report(air, self._preamble, sync.slack, sync.threshold, start, payload, blocks, stage)
