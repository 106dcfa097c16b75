"""From what the receiver knows of a frame to its report."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..units import ppm
from ._demodulation import Payload, Start
from ._equalizer_kernel import subcarrier_snr
from .preamble import Preamble
from .report import FrameReport, Stage

__all__ = ["Air", "make_report"]


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


def make_report(
    air: Air,
    preamble: Preamble,
    slack: int,
    threshold: float,
    start: Start,
    payload: Payload | None,
    blocks: tuple[bytes | None, ...] | None,
    failed_at: Stage | None,
) -> FrameReport:
    """Report of one frame.

    Args:
        air: rates.
        preamble: of the frame.
        slack: samples between the start of the FFT window and the first path.
        threshold: of the detection.
        start: header.
        payload: None without a good header.
        blocks: payload of each code block; None for an uncoded frame or without header.
        failed_at: stage at which the frame died.
    """
    grid = preamble.numerology
    if payload is None:
        response, rate, slope, variance, evm = start.response[0], start.rate, start.slope, math.nan, math.nan
        thermal, distortion, evm_per_subcarrier_db = start.scatter, 0.0, None
        snr_db = np.empty(response.size, np.float32)
        power = subcarrier_snr(start.response, thermal, distortion, snr_db)
    else:
        response, rate, slope, variance, evm = (
            payload.response, payload.rate, payload.slope, payload.mean_variance, payload.error,
        )  # fmt: skip
        thermal, distortion, snr_db, power = payload.thermal, payload.distortion, payload.snr_db, payload.power
        evm_per_subcarrier_db = None if math.isnan(evm) else payload.error_db
    # The pilots see what the preamble left of the carrier offset.
    left_hz = slope / grid.symbol_length * air.sample_rate_hz / (2 * math.pi)
    cfo_hz = start.cfo * air.sample_rate_hz / grid.fft_size + left_hz
    # The window may start some samples early; what the first path's delay has of whole samples is part of the place.
    late = round(start.delay)
    return FrameReport(
        start_sample=air.first_sample + start.first_sample + slack + late - preamble.prefix_length,
        detection_metric=start.metric,
        detection_threshold=threshold,
        timing_samples=start.delay - late,
        cfo_hz=cfo_hz,
        cfo_ppm=ppm(cfo_hz, air.center_frequency_hz) if air.center_frequency_hz > 0 else None,
        sfo_ppm=-1e6 * rate,
        esn0_db=_db(power / (thermal + distortion * power)),
        snr_per_subcarrier_db=snr_db,
        channel=response,
        post_eq_snr_db=_db(1 / variance) if variance > 0 else None,
        evm_db=None if math.isnan(evm) else _db(evm),
        evm_per_subcarrier_db=evm_per_subcarrier_db,
        sequence=None if start.header is None or payload is None else start.header.sequence,
        header_ok=payload is not None,
        payload_ok=None if blocks is None else None not in blocks,
        blocks_ok=None if blocks is None else len(blocks) - blocks.count(None),
        failed_at=failed_at,
    )


def _db(ratio: float) -> float:
    return 10 * math.log10(max(ratio, 1e-12))
