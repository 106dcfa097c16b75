"""SigMF recordings to captures."""

from __future__ import annotations

import json
import warnings
from datetime import datetime
from pathlib import Path

import numpy as np
import sigmf
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]
from sigmf.error import SigMFError
from sigmf.sigmffile import get_sigmf_filenames

from ..capture import Capture, Gap
from ..errors import RecordingError
from .sigmf_names import CLIPPED, GAP_LABEL, SETTINGS

__all__ = ["read_capture"]


def read_capture(path: Path | str) -> Capture:
    """Read a SigMF recording of one channel; its hash is checked where it has one.

    Samples of other formats than cf32 are scaled to full scale 1.0 and converted.

    Args:
        path: name of the recording, with or without a SigMF suffix.

    Raises:
        RecordingError: missing, damaged, or not a recording of one channel of complex samples.
    """
    names = get_sigmf_filenames(path)
    for kind in ("meta_fn", "data_fn"):
        if not names[kind].is_file():
            raise RecordingError(
                f"there is no {names[kind]}; a recording needs NAME.sigmf-meta and NAME.sigmf-data side by side: "
                "check the path"
            )
    try:
        return _capture(_open(names["meta_fn"], names["data_fn"]))
    except (OSError, KeyError, ValueError, ValidationError, SigMFError, UserWarning) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RecordingError(
            f"{names['meta_fn']} cannot be read: {reason}; record it again, or restore a copy"
        ) from error


def _open(meta_path: Path, data_path: Path) -> sigmf.SigMFFile:
    metadata = json.loads(meta_path.read_text(encoding="utf-8"))
    if not isinstance(metadata, dict):
        raise ValueError(f"the metadata is a JSON {type(metadata).__name__}, not an object")
    sigmf.SigMFFile(metadata=metadata).validate()
    with warnings.catch_warnings():
        # The library only warns where data and metadata contradict each other; for us the recording is damaged.
        warnings.simplefilter("error", UserWarning)
        return sigmf.SigMFFile(metadata=metadata, data_file=data_path)


def _capture(recording: sigmf.SigMFFile) -> Capture:
    fields = recording.get_global_info()
    samples = recording.read_samples()
    if samples.ndim != 1 or samples.dtype != np.complex64 or "core:sample_rate" not in fields:
        raise ValueError(
            f"it holds {fields['core:datatype']} samples of shape {list(samples.shape)} at the rate "
            f"{fields.get('core:sample_rate')} where one channel of complex samples with a sample rate is needed"
        )
    captures = recording.get_captures()
    first = captures[0] if captures else {}
    start = first.get("core:datetime")
    gaps = tuple(
        Gap(annotation["core:sample_start"], annotation["core:sample_count"])
        for annotation in recording.get_annotations()
        if annotation.get("core:label") == GAP_LABEL and "core:sample_count" in annotation
    )
    return Capture(
        samples=samples,
        sample_rate_hz=float(fields["core:sample_rate"]),
        center_frequency_hz=float(first.get("core:frequency", 0.0)),
        start=None if start is None else datetime.fromisoformat(start),
        gaps=gaps,
        clipped=int(fields.get(CLIPPED, 0)),
        settings=fields.get(SETTINGS, {}),
    )
