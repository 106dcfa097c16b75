"""From a capture to frames: search, acquire, decode the header, demodulate, report."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..capture import Capture
from ..errors import SettingsError
from ..units import ppm
from ._demodulation import Demodulator, Evidence
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
        samples, losses = usable_samples(capture)
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
        found = heard_training(found, losses, self.numerology.fft_size)
        evidence = self._demodulator.header(samples, losses, found)
        header = evidence.header
        training_end = found.training_start + self._preamble.repetitions * self.numerology.fft_size
        if header is None or header.n_symbols > self._frame_symbols:
            failed_at = Stage.TRUNCATED if evidence.truncated else Stage.HEADER
            empty = np.zeros(0, np.complex64), np.zeros(0, np.float32)
            report = self._report(capture, found, evidence, None, *empty, None, failed_at)
            # Copies of the training symbol are no new preamble: go on behind the last one.
            return ReceivedFrame(None, report, *empty, None), training_end - self.numerology.fft_size
        evidence, symbols, variance = self._demodulator.payload(samples, losses, found, evidence, header)
        blocks = None
        stage = Stage.TRUNCATED if evidence.truncated else None
        if header.mcs is not None:
            blocks = decode_blocks(symbols, variance, header.n_blocks, header.mcs)
            if stage is None and None in blocks:
                stage = Stage.PAYLOAD
        report = self._report(capture, found, evidence, header, symbols, variance, blocks, stage)
        end = found.training_start + self._demodulator.frame_length(header) + int(evidence.spectra.shift[-1])
        return ReceivedFrame(header, report, symbols, variance, blocks), end - self.numerology.cp_length

    def _report(
        self,
        capture: Capture,
        found: Acquisition,
        evidence: Evidence,
        header: FrameHeader | None,
        symbols: np.ndarray,
        variance: np.ndarray,
        blocks: tuple[bytes | None, ...] | None,
        stage: Stage | None,
    ) -> FrameReport:
        grid = self.numerology
        response = evidence.channel.response
        power = np.mean(response.real**2 + response.imag**2, axis=0)
        thermal, distortion = evidence.noise.thermal, evidence.noise.distortion
        per_subcarrier = power / (thermal + distortion * power)
        spacing_hz = capture.sample_rate_hz / grid.fft_size
        cfo_hz = found.cfo * spacing_hz + self._residual_hz(evidence, capture)
        mean_variance = float(np.mean(variance[np.isfinite(variance)])) if np.isfinite(variance).any() else math.nan
        evm_db, evm_per_subcarrier_db = self._evm(header, symbols, variance)
        first_path = found.training_start + self._synchronizer.slack
        return FrameReport(
            start_sample=first_path - self._preamble.prefix_length,
            detection_metric=found.metric,
            detection_threshold=self._synchronizer.threshold,
            timing_samples=found.fractional_delay,
            cfo_hz=cfo_hz,
            cfo_ppm=ppm(cfo_hz, capture.center_frequency_hz) if capture.center_frequency_hz > 0 else None,
            sfo_ppm=-1e6 * evidence.fit.drift.delay_rate,
            esn0_db=_db(float(np.mean(power)) / (thermal + distortion * float(np.mean(power)))),
            snr_per_subcarrier_db=(10 * np.log10(np.maximum(per_subcarrier, 1e-12))).astype(np.float32),
            channel=response[0].copy(),
            post_eq_snr_db=_db(1 / mean_variance) if mean_variance > 0 else None,
            evm_db=evm_db,
            evm_per_subcarrier_db=evm_per_subcarrier_db,
            sequence=None if header is None else header.sequence,
            header_ok=header is not None,
            payload_ok=None if blocks is None else None not in blocks,
            blocks_ok=None if blocks is None else sum(block is not None for block in blocks),
            failed_at=stage,
        )

    def _residual_hz(self, evidence: Evidence, capture: Capture) -> float:
        """Carrier offset that the pilots saw beyond the preamble's."""
        slope = evidence.fit.drift.phase_slope / self.numerology.symbol_length
        return slope * capture.sample_rate_hz / (2 * math.pi)

    def _evm(
        self, header: FrameHeader | None, symbols: np.ndarray, variance: np.ndarray
    ) -> tuple[float | None, np.ndarray | None]:
        """EVM against decided points. Uncoded symbols have no constellation that this layer knows of."""
        if header is None or header.mcs is None or not np.isfinite(variance).any():
            return None, None
        error = symbols - Qam(mcs(header.mcs).order).decide(symbols)
        power = error.real**2 + error.imag**2
        heard = np.isfinite(variance)
        n_data = self.numerology.data.size
        subcarrier = np.arange(symbols.size)[heard] % n_data
        counts = np.maximum(np.bincount(subcarrier, minlength=n_data), 1)
        sums = np.bincount(subcarrier, weights=power[heard], minlength=n_data) / counts
        per_subcarrier_db = (10 * np.log10(np.maximum(sums, 1e-12))).astype(np.float32)
        return _db(float(np.mean(power[heard]))), per_subcarrier_db


def _db(ratio: float) -> float:
    return 10 * math.log10(max(ratio, 1e-12))
