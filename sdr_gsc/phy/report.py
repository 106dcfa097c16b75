"""Where a frame stood and how well; made by the receiver, read by plots, recordings and tables."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

__all__ = ["FrameReport", "Stage"]


class Stage(StrEnum):
    """The stage at which a frame failed."""

    HEADER = "header"
    TRUNCATED = "truncated"
    PAYLOAD = "payload"


@dataclass(frozen=True, slots=True)
class FrameReport:
    """One detected frame.

    Attributes:
        start_sample: first sample of the preamble in the capture.
        detection_metric: normalized correlation metric in [0, 1] at the detection.
        detection_threshold: threshold that the false-alarm rate set.
        timing_samples: fractional timing estimate relative to `start_sample`.
        cfo_hz: carrier-frequency offset, positive when the received carrier is above the local one.
        cfo_ppm: the same relative to the centre frequency; None where there is none (loopback at baseband).
        sfo_ppm: sampling-frequency offset, positive when the transmitter's clock is faster.
        esn0_db: estimated Es/N0 per occupied subcarrier; what phase noise and other distortion add counts as noise.
        snr_per_subcarrier_db: float32 [active] estimated Es/N0 of each occupied subcarrier, in the order of
            `Numerology.active`.
        channel: complex64 [active] channel estimate in the same order.
        post_eq_snr_db: harmonic mean over the payload of the predicted post-equalizer SNR; None without payload.
        evm_db: payload EVM against decided points, normalized by reference mean power; None without payload. Only
            meaningful where decisions are mostly right.
        evm_per_subcarrier_db: float32 [data] the same per data subcarrier, NaN where none was received; None without
            payload.
        sequence: frame number inside its transmission; None without a good header.
        header_ok: header CRC.
        payload_ok: every payload block's CRC; None for uncoded payloads.
        blocks_ok: number of good payload blocks; None for uncoded payloads.
        failed_at: stage at which the frame died; None if it lived.
    """

    start_sample: int
    detection_metric: float
    detection_threshold: float
    timing_samples: float
    cfo_hz: float
    cfo_ppm: float | None
    sfo_ppm: float
    esn0_db: float
    snr_per_subcarrier_db: np.ndarray
    channel: np.ndarray
    post_eq_snr_db: float | None
    evm_db: float | None
    evm_per_subcarrier_db: np.ndarray | None
    sequence: int | None
    header_ok: bool
    payload_ok: bool | None
    blocks_ok: int | None
    failed_at: Stage | None
