"""From what the receiver knows of a frame to its report."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..units import ppm
from ._demodulation import Evidence
from ._equalizer_kernel import modulation_error, subcarrier_snr
from .coding.mcs import mcs
from .constellation import Qam
from .framing import FrameHeader
from .numerology import Numerology
from .preamble import Preamble
from .report import FrameReport, Stage
from .synchronization import Acquisition

__all__ = ["Air", "Demodulated", "make_report"]


@dataclass(frozen=True, slots=True)
class Air:
    """What turns samples into seconds and hertz.

    Attributes:
        sample_rate_hz: of the samples.
        center_frequency_hz: 0 at baseband.
        first_sample: number of the first sample at hand, counted from where reports count.
    """

    sample_rate_hz: float
    center_frequency_hz: float
    first_sample: int


@dataclass(frozen=True, slots=True)
class Demodulated:
    """A payload as far as its report is concerned.

    Attributes:
        header: good header.
        symbols: complex64 [n_symbols].
        variance: float32 [n_symbols].
        mean_variance: mean of the finite variances, NaN if there are none.
        blocks: payload of each code block; None for an uncoded frame.
    """

    header: FrameHeader
    symbols: np.ndarray
    variance: np.ndarray
    mean_variance: float
    blocks: tuple[bytes | None, ...] | None


def make_report(
    air: Air,
    preamble: Preamble,
    slack: int,
    threshold: float,
    found: Acquisition,
    evidence: Evidence,
    payload: Demodulated | None,
    failed_at: Stage | None,
) -> FrameReport:
    """Report of one frame.

    Args:
        air: rates.
        preamble: of the frame.
        slack: samples between the start of the FFT window and the first path.
        threshold: of the detection.
        found: from the synchronizer.
        evidence: of the whole frame, or of its header.
        payload: None without a good header.
        failed_at: stage at which the frame died.
    """
    grid = preamble.numerology
    response, noise = evidence.channel.response, evidence.noise
    per_subcarrier_db, mean_power = subcarrier_snr(response, noise.thermal, noise.distortion)
    # The pilots see what the preamble left of the carrier offset.
    left_hz = evidence.slope / grid.symbol_length * air.sample_rate_hz / (2 * math.pi)
    cfo_hz = found.cfo * air.sample_rate_hz / grid.fft_size + left_hz
    blocks = None if payload is None else payload.blocks
    evm_db, evm_per_subcarrier_db = (None, None) if payload is None else _evm(payload, grid)
    variance = math.nan if payload is None else payload.mean_variance
    return FrameReport(
        start_sample=air.first_sample + evidence.start + slack - preamble.prefix_length,
        detection_metric=found.metric,
        detection_threshold=threshold,
        timing_samples=evidence.delay,
        cfo_hz=cfo_hz,
        cfo_ppm=ppm(cfo_hz, air.center_frequency_hz) if air.center_frequency_hz > 0 else None,
        sfo_ppm=-1e6 * evidence.fit.rate,
        esn0_db=_db(mean_power / (noise.thermal + noise.distortion * mean_power)),
        snr_per_subcarrier_db=per_subcarrier_db,
        channel=response[0].copy(),
        post_eq_snr_db=_db(1 / variance) if variance > 0 else None,
        evm_db=evm_db,
        evm_per_subcarrier_db=evm_per_subcarrier_db,
        sequence=None if payload is None else payload.header.sequence,
        header_ok=payload is not None,
        payload_ok=None if blocks is None else None not in blocks,
        blocks_ok=None if blocks is None else len(blocks) - blocks.count(None),
        failed_at=failed_at,
    )


def _evm(payload: Demodulated, grid: Numerology) -> tuple[float | None, np.ndarray | None]:
    """EVM against decided points. Uncoded symbols have no constellation that this layer knows of."""
    if payload.header.mcs is None:
        return None, None
    qam = Qam(mcs(payload.header.mcs).order)
    evm, per_subcarrier_db = modulation_error(
        payload.symbols, payload.variance, math.isqrt(qam.order), qam.half_spacing, grid.data.size
    )
    return (None, None) if math.isnan(evm) else (_db(evm), per_subcarrier_db)


def _db(ratio: float) -> float:
    return 10 * math.log10(max(ratio, 1e-12))
