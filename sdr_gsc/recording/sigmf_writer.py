"""Captures to SigMF: normalized cf32_le samples, one segment after each gap, one annotation per frame."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import sigmf
from sigmf.error import SigMFError
from sigmf.sigmffile import get_sigmf_filenames

from ..capture import Capture, Gap
from ..errors import RecordingError
from ..phy.report import FrameReport
from .sigmf_names import CLIPPED, EXTENSION, GAP_LABEL, RETUNE, SETTINGS
from .sigmf_schema import require_valid

__all__ = ["Annotation", "frame_annotation", "write_annotated", "write_capture"]


@dataclass(frozen=True, slots=True)
class Annotation:
    """A stretch of samples and what is said of it.

    Attributes:
        start_sample: the first; one before the capture is moved to its beginning.
        sample_count: None where the end is not known.
        fields: SigMF keys and JSON values.
    """

    start_sample: int
    sample_count: int | None
    fields: Mapping[str, object]


def _time_text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _finite(value: float | None) -> float | None:
    """JSON has no infinities: what was not measurable is left out as null."""
    return float(value) if value is not None and math.isfinite(value) else None


def frame_annotation(report: FrameReport, sample_count: int | None = None) -> Annotation:
    """What became of a frame.

    Args:
        report: the receiver's.
        sample_count: length of the frame, where it is known.
    """
    name = "frame" if report.sequence is None else f"frame {report.sequence}"
    fate = "complete" if report.failed_at is None else f"failed at {report.failed_at.value}"
    fields: dict[str, object] = {
        "core:label": name,
        "core:comment": fate,
        "core:generator": "sdr-gsc",
        "sdr_gsc:start_sample": report.start_sample,
        "sdr_gsc:detection_metric": _finite(report.detection_metric),
        "sdr_gsc:detection_threshold": _finite(report.detection_threshold),
        "sdr_gsc:timing_samples": _finite(report.timing_samples),
        "sdr_gsc:cfo_hz": _finite(report.cfo_hz),
        "sdr_gsc:cfo_ppm": _finite(report.cfo_ppm),
        "sdr_gsc:sfo_ppm": _finite(report.sfo_ppm),
        "sdr_gsc:esn0_db": _finite(report.esn0_db),
        "sdr_gsc:post_eq_snr_db": _finite(report.post_eq_snr_db),
        "sdr_gsc:evm_db": _finite(report.evm_db),
        "sdr_gsc:sequence": report.sequence,
        "sdr_gsc:header_ok": report.header_ok,
        "sdr_gsc:payload_ok": report.payload_ok,
        "sdr_gsc:blocks_ok": report.blocks_ok,
        "sdr_gsc:failed_at": None if report.failed_at is None else report.failed_at.value,
    }
    return Annotation(report.start_sample, sample_count, fields)


def _global_fields(capture: Capture, further: Mapping[str, object]) -> dict[str, object]:
    settings = dict(capture.settings)
    try:
        json.dumps(settings, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RecordingError(
            f"the capture's settings cannot be written as JSON ({error}); needed numbers that are finite, texts, "
            "lists and dicts: convert them where the capture is made"
        ) from error
    fields: dict[str, object] = {
        "core:datatype": "cf32_le",
        "core:sample_rate": capture.sample_rate_hz,
        "core:recorder": "sdr-gsc",
        "core:extensions": [EXTENSION],
        CLIPPED: capture.clipped,
        SETTINGS: settings,
        **further,
    }
    if "uri" in settings:
        fields["core:hw"] = str(settings["uri"])
    return fields


def _gaps_inside(capture: Capture) -> list[Gap]:
    """Gaps cut to the capture: readers refuse annotations of samples that are not there."""
    spans = [
        (max(gap.start_sample, 0), min(gap.start_sample + gap.sample_count, capture.samples.size))
        for gap in capture.gaps
    ]
    return [Gap(start, end - start) for start, end in spans if end > start]


def _segments(capture: Capture, gaps: Sequence[Gap]) -> list[tuple[int, float]]:
    """First sample and frequency of each segment: one begins after each gap and at each retune."""
    size = capture.samples.size
    ends = {gap.start_sample + gap.sample_count for gap in gaps}
    tuned = {0: capture.center_frequency_hz} | {
        retune.start_sample: retune.center_frequency_hz for retune in capture.retunes
    }
    found: list[tuple[int, float]] = []
    for start in sorted(ends | set(tuned)):
        if start < size:
            found.append((start, tuned[start] if start in tuned else found[-1][1]))
    return found


def write_capture(path: Path | str, capture: Capture, reports: Sequence[FrameReport] = ()) -> Path:
    """Write a capture as a SigMF recording; one that stands there already is replaced.

    Args:
        path: name of the recording, with or without a SigMF suffix.
        capture: at least one sample; written bit for bit as complex64. Gaps are cut to its samples.
        reports: frames that a receiver found in it.

    Returns:
        Path of the metadata file.

    Raises:
        RecordingError: nothing to write, values that JSON cannot hold, a start without time zone, or a disk that
            refuses.
    """
    return write_annotated(path, capture, [frame_annotation(report) for report in reports])


def write_annotated(
    path: Path | str,
    capture: Capture,
    annotations: Sequence[Annotation] = (),
    fields: Mapping[str, object] | None = None,
) -> Path:
    """`write_capture` with annotations of any kind, and further fields of the global object."""
    if capture.samples.size == 0:
        raise RecordingError("the capture has no samples; needed at least one: record a longer capture")
    if capture.start is not None and capture.start.tzinfo is None:
        raise RecordingError(f"the capture starts at {capture.start} without a time zone; give it one, such as UTC")
    recording = sigmf.SigMFFile(global_info=_global_fields(capture, fields or {}))
    gaps = _gaps_inside(capture)
    tuned = {retune.start_sample for retune in capture.retunes}
    for first, frequency_hz in _segments(capture, gaps):
        segment: dict[str, object] = {"core:frequency": frequency_hz}
        if first in tuned:
            segment[RETUNE] = True
        if capture.start is not None:
            segment["core:datetime"] = _time_text(capture.start + timedelta(seconds=first / capture.sample_rate_hz))
        recording.add_capture(first, segment)
    for gap in gaps:
        recording.add_annotation(gap.start_sample, gap.sample_count, {"core:label": GAP_LABEL})
    for each in annotations:
        # The preamble of a frame that the capture cuts begins before the first sample, or its end is beyond the last.
        start, end = max(each.start_sample, 0), capture.samples.size
        count = each.sample_count
        if count is not None:
            count = max(0, min(each.start_sample + count, end) - start)
        recording.add_annotation(start, count, dict(each.fields))
    names = get_sigmf_filenames(path)
    try:
        # The samples go first: a recording that was cut short is recognized by its missing metadata or wrong hash.
        np.ascontiguousarray(capture.samples, np.dtype("<c8")).tofile(names["data_fn"])
        recording.set_data_file(names["data_fn"])
        require_valid(recording.ordered_metadata())
        recording.tofile(names["meta_fn"], skip_validate=True, overwrite=True)
    except (OSError, SigMFError) as error:
        raise RecordingError(
            f"cannot write {names['meta_fn']}: {error}; choose a folder that can be written"
        ) from error
    return Path(names["meta_fn"])
