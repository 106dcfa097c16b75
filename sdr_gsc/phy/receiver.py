"""From a capture to frames: search, acquire, decode the header, demodulate, report."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..capture import Capture
from ..errors import SettingsError
from ..units import ppm
from ._demodulation import Demodulator, Evidence
from ._equalizer_kernel import modulation_error, subcarrier_snr
from ._losses import Losses, usable_samples
from .blocks import decode_blocks
from .coding.mcs import mcs
from .constellation import Qam
from .detection import LagSearch
from .estimation import ChannelEstimator
from .framing import FrameHeader
from .numerology import Numerology
from .preamble import Preamble
from .report import FrameReport, Stage
from .synchronization import Acquisition, Synchronizer, heard_training

__all__ = ["Received", "ReceivedFrame", "Receiver"]


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """One detected frame.

    Attributes:
        header: None if its checksum is wrong.
        report: where the frame stood and how well.
        symbols: complex64 [n_symbols], unbiased, in units of mean symbol power 1; 0 where lost. Empty without header.
        noise_variance: float32 [n_symbols], predicted E|n|² of each symbol; inf where lost.
        blocks: payload of each code block, None for a bad one; None for an uncoded frame or without header.
    """

    header: FrameHeader | None
    report: FrameReport
    symbols: np.ndarray
    noise_variance: np.ndarray
    blocks: tuple[bytes | None, ...] | None


@dataclass(frozen=True, slots=True)
class Received:
    """Frames of a capture in the order of their arrival."""

    frames: tuple[ReceivedFrame, ...]


class Receiver:
    """OFDM receiver.

    A tone within the band, or a DC offset, does not trigger it; one much stronger than the signal hides the signal from
    it, because detection compares with the whole energy received.

    Args:
        numerology: the grid of the transmitter.
        false_alarm_rate: per sample of white noise, in (0, 1).
        max_cfo_subcarriers: largest carrier offset searched, in subcarrier spacings.
        frame_symbols: largest payload believed; a header that announces more is treated as wrong.

    Raises:
        SettingsError: a value out of range.
    """

    def __init__(
        self,
        numerology: Numerology | None = None,
        false_alarm_rate: float = 1e-9,
        max_cfo_subcarriers: float = 2.5,
        frame_symbols: int = 2048,
    ) -> None:
        grid = Numerology() if numerology is None else numerology
        if not 0 <= max_cfo_subcarriers <= grid.fft_size // 8:
            raise SettingsError(
                f"max_cfo_subcarriers is {max_cfo_subcarriers}; it must lie in 0…{grid.fft_size // 8} (N/8)"
            )
        if frame_symbols < 1:
            raise SettingsError(f"frame_symbols is {frame_symbols}; it must be at least 1")
        self.numerology = grid
        self._preamble = Preamble(grid)
        self._frame_symbols = frame_symbols
        estimator = ChannelEstimator(self._preamble)
        self._synchronizer = Synchronizer(self._preamble, estimator, false_alarm_rate, max_cfo_subcarriers)
        self._demodulator = Demodulator(self._preamble, estimator)

    def receive(self, capture: Capture) -> Received:
        """Every frame in a capture, each found once. Nothing in the samples makes it raise."""
        samples, losses = usable_samples(capture.samples, capture.gaps)
        search = LagSearch(samples, self._preamble)
        frames: list[ReceivedFrame] = []
        position = 0
        while (candidate := search.next_candidate(position)) is not None:
            found = self._synchronizer.acquire(samples, candidate, losses)
            preamble_start = None if found is None else found.training_start - self._preamble.prefix_length
            if found is None or preamble_start is None or preamble_start + self._preamble.prefix_length < position:
                position = candidate.start + 2 * search.stride
                continue
            frame, end = self._frame(capture, samples, losses, found)
            frames.append(frame)
            position = max(end, candidate.start + search.stride)
        return Received(tuple(frames))

    def _frame(
        self, capture: Capture, samples: np.ndarray, losses: Losses, found: Acquisition
    ) -> tuple[ReceivedFrame, int]:
        """A frame and the sample at which to search on."""
        if losses.before.size:
            found = heard_training(found, losses, self.numerology.fft_size)
        start = self._demodulator.header(samples, losses, found)
        header = start.header
        training_end = found.training_start + self._preamble.repetitions * self.numerology.fft_size
        if header is None or header.n_symbols > self._frame_symbols:
            failed_at = Stage.TRUNCATED if start.evidence.truncated else Stage.HEADER
            report = self._report(capture, found, start.evidence, None, None, failed_at)
            # Copies of the training symbol are no new preamble: go on behind the last one.
            nothing = np.zeros(0, np.complex64), np.zeros(0, np.float32)
            return ReceivedFrame(None, report, *nothing, None), training_end - self.numerology.fft_size
        evidence, symbols, variance, mean_variance = self._demodulator.payload(samples, losses, found, start, header)
        blocks, errors = None, None
        stage = Stage.TRUNCATED if evidence.truncated else None
        if header.mcs is not None:
            blocks = decode_blocks(symbols, variance, header.n_blocks, header.mcs)
            if stage is None and None in blocks:
                stage = Stage.PAYLOAD
            qam = Qam(mcs(header.mcs).order)
            errors = modulation_error(
                symbols, variance, math.isqrt(qam.order), qam.half_spacing, self.numerology.data.size
            )
        report = self._report(capture, found, evidence, header, blocks, stage, mean_variance, errors)
        return ReceivedFrame(header, report, symbols, variance, blocks), evidence.end - self.numerology.cp_length

    def _report(
        self,
        capture: Capture,
        found: Acquisition,
        evidence: Evidence,
        header: FrameHeader | None,
        blocks: tuple[bytes | None, ...] | None,
        stage: Stage | None,
        mean_variance: float = math.nan,
        errors: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> FrameReport:
        grid = self.numerology
        response = evidence.channel.response
        noise = evidence.noise
        per_subcarrier_db, mean_power = subcarrier_snr(response, noise.thermal, noise.distortion)
        spacing_hz = capture.sample_rate_hz / grid.fft_size
        # The pilots see what the preamble left of the carrier offset.
        left_hz = evidence.slope / grid.symbol_length * capture.sample_rate_hz / (2 * math.pi)
        cfo_hz = found.cfo * spacing_hz + left_hz
        evm_db, evm_per_subcarrier_db = _evm(errors)
        first_path = evidence.start + self._synchronizer.slack
        return FrameReport(
            start_sample=first_path - self._preamble.prefix_length,
            detection_metric=found.metric,
            detection_threshold=self._synchronizer.threshold,
            timing_samples=evidence.delay,
            cfo_hz=cfo_hz,
            cfo_ppm=ppm(cfo_hz, capture.center_frequency_hz) if capture.center_frequency_hz > 0 else None,
            sfo_ppm=-1e6 * evidence.fit.rate,
            esn0_db=_db(mean_power / (noise.thermal + noise.distortion * mean_power)),
            snr_per_subcarrier_db=per_subcarrier_db,
            channel=response[0].copy(),
            post_eq_snr_db=_db(1 / mean_variance) if mean_variance > 0 else None,
            evm_db=evm_db,
            evm_per_subcarrier_db=evm_per_subcarrier_db,
            sequence=None if header is None else header.sequence,
            header_ok=header is not None,
            payload_ok=None if blocks is None else None not in blocks,
            blocks_ok=None if blocks is None else len(blocks) - blocks.count(None),
            failed_at=stage,
        )


def _evm(errors: tuple[np.ndarray, np.ndarray] | None) -> tuple[float | None, np.ndarray | None]:
    """EVM against decided points. Uncoded symbols have no constellation that this layer knows of."""
    if errors is None or not errors[1].any():
        return None, None
    sums, counts = errors
    per_subcarrier_db = (10 * np.log10(np.maximum(sums / np.maximum(counts, 1), 1e-12))).astype(np.float32)
    return _db(float(sums.sum() / counts.sum())), per_subcarrier_db


def _db(ratio: float) -> float:
    return 10 * math.log10(max(ratio, 1e-12))
