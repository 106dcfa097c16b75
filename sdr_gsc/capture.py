"""Samples with what is needed to understand them later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

__all__ = ["Capture", "Gap", "Retune"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples that are missing or unusable (lost by the radio, or not finite); they are zero in the capture."""

    start_sample: int
    sample_count: int


@dataclass(frozen=True, slots=True)
class Retune:
    """From this sample on the radio was tuned anew; what stands before and behind does not belong together.

    Attributes:
        start_sample: first sample at the new setting, > 0.
        center_frequency_hz: actual local-oscillator frequency from there on; it may be the one from before.
    """

    start_sample: int
    center_frequency_hz: float


@dataclass(frozen=True, slots=True)
class Capture:
    """Complex baseband samples, full scale 1.0.

    Attributes:
        samples: complex64 [n]; full scale 1.0 on each rail.
        sample_rate_hz: actual sample rate.
        center_frequency_hz: actual local-oscillator frequency at the first sample; 0.0 where there is none.
        start: wall-clock time of the first sample, UTC, if known.
        gaps: stretches without valid samples.
        clipped: number of samples with a rail at the converter's limit.
        settings: snapshot of the radio's settings as read back (JSON-compatible values).
        retunes: where the radio was tuned anew, in the order of their samples.
    """

    samples: np.ndarray
    sample_rate_hz: float
    center_frequency_hz: float = 0.0
    start: datetime | None = None
    gaps: tuple[Gap, ...] = ()
    clipped: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)
    retunes: tuple[Retune, ...] = ()

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.complex64:
            raise ValueError(
                f"samples must be complex64 [n], not {self.samples.dtype} {list(self.samples.shape)}; "
                "convert with np.asarray(x, np.complex64)"
            )
        if not self.sample_rate_hz > 0:
            raise ValueError(f"sample_rate_hz must be positive, not {self.sample_rate_hz}")
        if self.retunes:
            starts = [0, *(retune.start_sample for retune in self.retunes)]
            if any(first >= second for first, second in pairwise(starts)):
                raise ValueError(f"retunes must stand at ascending samples above 0, not {starts[1:]}")

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples.size / self.sample_rate_hz

    def parts(self) -> tuple[tuple[int, Capture], ...]:
        """The stretches between retunes, each with the number of its first sample here; one where there are none.

        `clipped` is known of the whole capture only and is 0 in the parts of several.
        """
        if not self.retunes:
            return ((0, self),)
        size = self.samples.size
        starts = [0, *(retune.start_sample for retune in self.retunes if retune.start_sample < size)]
        found = []
        for index, (first, end) in enumerate(pairwise([*starts, size])):
            part = replace(
                self,
                samples=self.samples[first:end],
                center_frequency_hz=self.retunes[index - 1].center_frequency_hz if index else self.center_frequency_hz,
                start=self._time_of(first),
                gaps=_within(self.gaps, first, end),
                clipped=self.clipped if len(starts) == 1 else 0,
                retunes=(),
            )
            found.append((first, part))
        return tuple(found)

    def _time_of(self, sample: int) -> datetime | None:
        try:
            return None if self.start is None else self.start + timedelta(seconds=sample / self.sample_rate_hz)
        except OverflowError:  # at a rate of next to nothing, beyond all calendars
            return None

    def beginning(self, n_samples: int) -> Capture:
        """The first `n_samples` samples, at most all."""
        return replace(
            self,
            samples=self.samples[:n_samples],
            gaps=_within(self.gaps, 0, n_samples),
            retunes=tuple(retune for retune in self.retunes if retune.start_sample < n_samples),
        )


def _within(gaps: tuple[Gap, ...], first: int, end: int) -> tuple[Gap, ...]:
    """Gaps cut to samples first…end-1, counted from `first`."""
    spans = [(max(gap.start_sample, first), min(gap.start_sample + gap.sample_count, end)) for gap in gaps]
    return tuple(Gap(start - first, stop - start) for start, stop in spans if stop > start)
