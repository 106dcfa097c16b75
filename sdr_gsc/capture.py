"""Samples with what is needed to understand them later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

__all__ = ["Capture", "Gap"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples that are missing or unusable (lost by the radio, or not finite); they are zero in the capture."""

    start_sample: int
    sample_count: int


@dataclass(frozen=True, slots=True)
class Capture:
    """Complex baseband samples, full scale 1.0.

    Attributes:
        samples: complex64 [n]; full scale 1.0 on each rail.
        sample_rate_hz: actual sample rate.
        center_frequency_hz: actual local-oscillator frequency; 0.0 where there is none.
        start: wall-clock time of the first sample, UTC, if known.
        gaps: stretches without valid samples.
        clipped: number of samples with a rail at the converter's limit.
        settings: snapshot of the radio's settings as read back (JSON-compatible values).
    """

    samples: np.ndarray
    sample_rate_hz: float
    center_frequency_hz: float = 0.0
    start: datetime | None = None
    gaps: tuple[Gap, ...] = ()
    clipped: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.complex64:
            raise ValueError(
                f"samples must be complex64 [n], not {self.samples.dtype} {list(self.samples.shape)}; "
                "convert with np.asarray(x, np.complex64)"
            )
        if not self.sample_rate_hz > 0:
            raise ValueError(f"sample_rate_hz must be positive, not {self.sample_rate_hz}")

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples.size / self.sample_rate_hz
