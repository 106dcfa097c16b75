"""SigMF recordings to captures, those of others too; what their metadata lack is named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

import sigmf
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]
from sigmf.error import SigMFError
from sigmf.sigmffile import get_sigmf_filenames

from ..capture import Capture, Gap, Retune
from ..errors import RecordingError
from .dataset import Samples, read_samples
from .recording import Given, Notice, Recording
from .shelf import Shelf, Stored, is_archive
from .sigmf_names import CLIPPED, EXTENSION, GAP_LABEL, RETUNE, ROLE, SETTINGS
from .sigmf_schema import require_valid

__all__ = ["META", "read_capture", "read_from_shelf", "read_recording"]

META = ".sigmf-meta"
_DATA = ".sigmf-data"


def read_capture(path: Path | str, given: Given | None = None) -> Capture:
    """Read a recording that leaves nothing open on which figures depend; see `read_recording`.

    Raises:
        RecordingError: missing, damaged, not of one channel of complex samples, or something would have to be guessed.
    """
    return read_recording(path, given).settled()


def read_recording(path: Path | str, given: Given | None = None) -> Recording:
    """Read a SigMF recording; its hash is checked where it has one.

    Samples of every complex type are brought to full scale 1.0; a capture segment that does not just follow a gap is a
    retune. What can be read without what is missing is read, with a notice for each thing that is missing.

    Args:
        path: name of the recording, with or without a SigMF suffix, or an archive that holds one.
        given: what the user knows of it.

    Raises:
        RecordingError: missing, damaged, or not complex samples.
    """
    place = Path(path)
    if not is_archive(place) or place.is_dir():
        names = get_sigmf_filenames(place)
        return read_from_shelf(Shelf.open(names["base_fn"].parent), names["base_fn"].name, given)
    if not place.is_file():
        raise RecordingError(f"there is no {place}: check the path")
    shelf = Shelf.open(place)
    names_inside = [name.removesuffix(META) for name in shelf.names() if name.endswith(META)]
    if len(names_inside) != 1:
        raise RecordingError(
            f"{place} holds {len(names_inside)} recordings ({', '.join(names_inside) or 'none'}); needed one: unpack "
            "it and name a recording"
        )
    return read_from_shelf(shelf, names_inside[0], given)


def read_from_shelf(shelf: Shelf, name: str, given: Given | None = None) -> Recording:
    """Read a recording by its name without suffix; see `read_recording`."""
    stored = shelf.find(name + META)
    where = shelf.place / f"{name}{META}"
    if stored is None:
        raise RecordingError(
            f"there is no {where}; a recording needs NAME.sigmf-meta and NAME.sigmf-data side by side: check the path"
        )
    try:
        return _read(shelf, name, stored, given or Given())
    except (OSError, KeyError, ValueError, RecursionError, ValidationError, SigMFError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RecordingError(f"{where} cannot be read: {reason}; record it again, or restore a copy") from error


def _read(shelf: Shelf, name: str, stored: Stored, given: Given) -> Recording:
    metadata, notices = _metadata(stored)
    fields: dict[str, Any] = metadata["global"]
    offset = int(fields.get("core:offset") or 0)
    segments = [_moved(each, offset) for each in metadata["captures"]]
    annotations = [_moved(each, offset) for each in metadata["annotations"]]
    data = _data(shelf, name, fields)
    told = fields.get("core:sha512")
    if told is None:
        notices.append(Notice("core:sha512", "core:sha512 is missing: nothing tells whether the data are as recorded"))
    elif str(told).lower() != data.sha512():
        raise ValueError("its data are not those that were recorded (their SHA-512 differs)")
    samples = read_samples(data, fields, segments, given)
    size = samples.values.size
    reach = max((each["core:sample_start"] + each.get("core:sample_count", 0) for each in annotations), default=0)
    if reach > size:
        raise ValueError(f"its data end at sample {size} and an annotation reaches to {reach}: they are cut")
    rate_hz = _rate(fields, given, notices)
    notices += samples.notices
    gaps = tuple(
        Gap(each["core:sample_start"], each["core:sample_count"])
        for each in annotations
        if each.get("core:label") == GAP_LABEL and "core:sample_count" in each
    )
    frequency_hz, retunes = _tuning(segments, gaps, size, notices)
    capture = Capture(
        samples=samples.values,
        sample_rate_hz=rate_hz,
        center_frequency_hz=frequency_hz,
        start=_start(segments, notices),
        gaps=gaps,
        clipped=_clipped(fields, samples),
        settings=_settings(fields),
        retunes=retunes,
    )
    return Recording(name, capture, tuple(annotations), tuple(notices), fields.get(ROLE))


def _metadata(stored: Stored) -> tuple[dict[str, Any], list[Notice]]:
    metadata = json.loads(stored.read().decode("utf-8"))
    if not isinstance(metadata, dict) or not isinstance(metadata.get("global", {}), dict):
        raise ValueError(f"the metadata is a JSON {type(metadata).__name__}, not an object with a global object")
    notices = [
        Notice(part, f"the list {part!r} is missing: an empty one is taken")
        for part in ("captures", "annotations")
        if part not in metadata
    ]
    empty: dict[str, Any] = {"global": {}, "captures": [], "annotations": []}
    metadata = empty | metadata
    if "core:version" not in metadata["global"]:
        notices.append(Notice("core:version", "core:version is missing: read as the newest that is known here"))
    require_valid(sigmf.SigMFFile(metadata=metadata).ordered_metadata())
    for extension in metadata["global"].get("core:extensions", []):
        if not extension["optional"] and extension["name"] != EXTENSION["name"]:
            notices.append(
                Notice(
                    "core:extensions",
                    f"it needs the extension {extension['name']}, which is unknown here: its fields are not read",
                )
            )
    return metadata, notices


def _moved(item: Mapping[str, Any], offset: int) -> dict[str, Any]:
    """With the sample number counted from the first sample of the dataset."""
    start = item["core:sample_start"] - offset
    if start < 0:
        raise ValueError(f"something begins at sample {item['core:sample_start']}, before core:offset {offset}")
    return {**item, "core:sample_start": start}


def _data(shelf: Shelf, name: str, fields: Mapping[str, Any]) -> Stored:
    file = fields.get("core:dataset", name + _DATA)
    if PurePath(file).name != file or "\\" in file:
        raise ValueError(f"its dataset {file!r} points outside its folder")
    data = shelf.find(file)
    if data is not None:
        return data
    if fields.get("core:metadata_only"):
        raise ValueError("it is metadata only (core:metadata_only); needed the samples too")
    raise RecordingError(
        f"there is no {shelf.place / file}; a recording needs its metadata and its dataset side by side: check the path"
    )


def _rate(fields: Mapping[str, Any], given: Given, notices: list[Notice]) -> float:
    told = fields.get("core:sample_rate")
    if given.sample_rate_hz is not None:
        if told is not None and told != given.sample_rate_hz:
            notices.append(
                Notice("core:sample_rate", f"core:sample_rate {told:g} is replaced by {given.sample_rate_hz:g} as told")
            )
        return given.sample_rate_hz
    if told is None:
        notices.append(
            Notice(
                "core:sample_rate",
                "core:sample_rate is missing: rate 1 is taken, so that frequencies are cycles per sample; give the "
                "sample rate",
                True,
            )
        )
        return 1.0
    return float(told)


def _tuning(
    segments: Sequence[Mapping[str, Any]], gaps: Sequence[Gap], size: int, notices: list[Notice]
) -> tuple[float, tuple[Retune, ...]]:
    """Frequency at the first sample, and where a new segment begins that does not go on where the last one ended.

    It goes on behind a gap, and where the radio's own count of samples says so.
    """
    if not any("core:frequency" in each for each in segments[:1]):
        notices.append(
            Notice("core:frequency", "core:frequency is missing: 0 Hz is taken, and offsets in ppm cannot be told")
        )
    elif any("core:frequency" not in each for each in segments):
        notices.append(
            Notice("core:frequency", "core:frequency is missing in a later segment: that of the one before is taken")
        )
    ends = {gap.start_sample + gap.sample_count for gap in gaps}
    first_hz = frequency_hz = float(segments[0].get("core:frequency", 0.0)) if segments else 0.0
    retunes: list[Retune] = []
    for before, each in zip(segments, segments[1:], strict=False):
        start, was_hz = each["core:sample_start"], frequency_hz
        frequency_hz = float(each.get("core:frequency", was_hz))
        lost = _index(each) - _index(before) - (start - before["core:sample_start"])
        if lost:
            notices.append(Notice("core:global_index", f"{lost} samples are missing before sample {start}"))
        goes_on = start in ends or {"core:global_index"} <= before.keys() & each.keys()
        is_tuned = RETUNE in each or frequency_hz != was_hz or lost or not goes_on
        if is_tuned and (retunes[-1].start_sample if retunes else 0) < start < size:
            retunes.append(Retune(start, frequency_hz))
    return first_hz, tuple(retunes)


def _index(segment: Mapping[str, Any]) -> int:
    return int(segment.get("core:global_index", segment["core:sample_start"]))


def _start(segments: Sequence[Mapping[str, Any]], notices: list[Notice]) -> datetime | None:
    text = segments[0].get("core:datetime") if segments else None
    if text is None:
        notices.append(Notice("core:datetime", "core:datetime is missing: when it was recorded is not known"))
        return None
    start = datetime.fromisoformat(text)
    if start.tzinfo is None:
        notices.append(Notice("core:datetime", f"core:datetime {text} has no time zone: UTC is taken"))
        start = start.replace(tzinfo=UTC)
    return start


def _clipped(fields: Mapping[str, Any], samples: Samples) -> int:
    if CLIPPED not in fields:
        return samples.clipped or 0
    clipped = fields[CLIPPED]
    if not isinstance(clipped, int) or clipped < 0:
        raise ValueError(f"{CLIPPED} is {clipped!r}, not a number of samples")
    return clipped


def _settings(fields: Mapping[str, Any]) -> Mapping[str, object]:
    settings = fields.get(SETTINGS, {})
    if not isinstance(settings, dict):
        raise ValueError(f"{SETTINGS} is {settings!r}, not an object")
    return settings
