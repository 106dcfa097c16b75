"""What was sent and what was heard of it, as a SigMF collection of recordings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, cast

import sigmf
from sigmf.error import SigMFError
from sigmf.sigmffile import get_sigmf_filenames

from ..capture import Capture
from ..errors import RecordingError
from ..phy.report import FrameReport
from .recording import Collection, Given, Notice, Recording
from .shelf import Shelf, is_archive
from .sigmf_names import EXTENSION, RECEIVED, ROLE, TRANSMITTED
from .sigmf_reader import META, read_from_shelf, read_recording
from .sigmf_writer import Annotation, frame_annotation, write_annotated

__all__ = ["COLLECTION", "SentFrame", "read_collection", "write_collection"]

COLLECTION = ".sigmf-collection"


@dataclass(frozen=True, slots=True)
class SentFrame:
    """Where a frame stands in what was sent.

    Attributes:
        start_sample: first sample of its preamble.
        sample_count: its length.
        sequence: its number.
    """

    start_sample: int
    sample_count: int
    sequence: int


def write_collection(
    path: Path | str,
    sent: Capture,
    received: Capture | Sequence[Capture],
    reports: Sequence[FrameReport] | Sequence[Sequence[FrameReport]] = (),
    *,
    sent_frames: Sequence[SentFrame] = (),
    description: str = "",
) -> tuple[Path, ...]:
    """Write what was sent as NAME.tx, what was heard as NAME.rx, and the collection NAME that ties them together.

    Several captures become NAME.rx1, NAME.rx2, … in their order. Whatever stands there under these names is replaced.

    Args:
        path: name of the collection, with or without a SigMF suffix.
        sent: the samples that were given to the radio.
        received: one capture, or several.
        reports: frames found in the capture; with several captures, as many sequences of them.
        sent_frames: where the frames stand in `sent`.
        description: of the whole, for people.

    Returns:
        The collection's file and the recordings' metadata files, in the order of the collection.

    Raises:
        RecordingError: see `write_capture`; no capture, or another number of report sequences than of captures.
    """
    captures = (received,) if isinstance(received, Capture) else tuple(received)
    found = (reports,) if isinstance(received, Capture) else tuple(reports) or ((),) * len(captures)
    if not captures or len(found) != len(captures):
        raise RecordingError(
            f"there are {len(captures)} captures and {len(found)} sequences of reports; needed at least one capture, "
            "and a sequence for each"
        )
    names = get_sigmf_filenames(path)
    folder, base = names["base_fn"].parent, names["base_fn"].name
    lengths = {frame.sequence: frame.sample_count for frame in sent_frames}
    try:
        # Without its hashes a collection that was cut short is none, rather than one that contradicts itself.
        names["collection_fn"].unlink(missing_ok=True)
    except OSError as error:
        raise RecordingError(f"cannot replace {names['collection_fn']}: {error}; choose another folder") from error
    sent_annotations = [
        Annotation(
            frame.start_sample,
            frame.sample_count,
            {"core:label": f"frame {frame.sequence}", "core:comment": "sent", "core:generator": "sdr-gsc",
             "sdr_gsc:sequence": frame.sequence},
        )
        for frame in sent_frames
    ]  # fmt: skip
    tied: dict[str, object] = {"core:collection": base}
    written = [write_annotated(folder / f"{base}.tx", sent, sent_annotations, {**tied, ROLE: TRANSMITTED})]
    for index, (capture, own) in enumerate(zip(captures, found, strict=True), 1):
        name = f"{base}.rx" if len(captures) == 1 else f"{base}.rx{index}"
        annotations = [
            frame_annotation(report, None if report.sequence is None else lengths.get(report.sequence))
            for report in cast(Sequence[FrameReport], own)
        ]
        written.append(write_annotated(folder / name, capture, annotations, {**tied, ROLE: RECEIVED}))
    fields: dict[str, object] = {"core:extensions": [EXTENSION]}
    if description:
        fields["core:description"] = description
    try:
        collection = sigmf.SigMFCollection(
            [path.name for path in written], metadata={"collection": fields}, base_path=folder
        )
        collection.tofile(names["collection_fn"], overwrite=True)
    except (OSError, SigMFError) as error:
        raise RecordingError(
            f"cannot write {names['collection_fn']}: {error}; choose a folder that can be written"
        ) from error
    return (Path(names["collection_fn"]), *written)


def read_collection(path: Path | str, given: Given | None = None) -> Collection:
    """Read a collection, an archive, a single recording, or a folder that holds one of these and nothing else of them.

    The hashes of the collection and of its recordings are checked. A recording that stands alone is a collection
    without a reference. In collections of others every recording counts as received.

    Args:
        path: with or without a SigMF suffix.
        given: what the user knows of the recordings.

    Raises:
        RecordingError: missing, damaged, or not what the collection says.
    """
    place = Path(path)
    if place.is_dir():
        place = _only_one(place)
    if is_archive(place):
        if not place.is_file():
            raise RecordingError(f"there is no {place}: check the path")
        shelf = Shelf.open(place)
        inside = [name.removesuffix(COLLECTION) for name in shelf.names() if name.endswith(COLLECTION)]
        if len(inside) > 1:
            raise RecordingError(f"{place} holds {len(inside)} collections; needed one: unpack it and name one")
        return _read(shelf, inside[0], given) if inside else _alone(read_recording(place, given))
    names = get_sigmf_filenames(place)
    asked = place.suffix == COLLECTION
    if not asked and (names["meta_fn"].is_file() or not names["collection_fn"].is_file()):
        if not names["meta_fn"].is_file() and place.suffix == "" and names["archive_fn"].is_file():
            return read_collection(names["archive_fn"], given)
        return _alone(read_recording(place, given))
    return _read(Shelf.open(names["base_fn"].parent), names["base_fn"].name, given)


def _alone(recording: Recording) -> Collection:
    return Collection(recording.name, None, (recording,))


def _only_one(folder: Path) -> Path:
    found = [path for path in sorted(folder.iterdir()) if path.suffix == COLLECTION or is_archive(path)]
    tied = {name for path in found if path.suffix == COLLECTION for name in _names_in(path)}
    found += [path for path in sorted(folder.glob(f"*{META}")) if path.name.removesuffix(META) not in tied]
    if len(found) != 1:
        some = ", ".join(path.name for path in found[:8]) or "none"
        raise RecordingError(f"{folder} holds {len(found)} recordings or collections ({some}); name the one to read")
    return found[0]


def _names_in(path: Path) -> list[str]:
    return [name for name, _ in _streams(Shelf.open(path.parent), path.name.removesuffix(COLLECTION))]


def _read(shelf: Shelf, name: str, given: Given | None) -> Collection:
    where = shelf.place / f"{name}{COLLECTION}"
    notices: list[Notice] = []
    recordings: list[Recording] = []
    for each, told in _streams(shelf, name):
        stored = shelf.find(each + META)
        if stored is not None and told is None:
            notices.append(Notice("core:streams", f"core:streams has no hash of {each}: nothing tells whether it fits"))
        elif stored is not None and told is not None and stored.sha512() != told.lower():
            raise RecordingError(
                f"{where} does not fit {each}{META}: its hash differs; restore both from one copy, or read the "
                "recording alone"
            )
        recordings.append(read_from_shelf(shelf, each, given))
    sent = [recording for recording in recordings if recording.role == TRANSMITTED]
    received = tuple(recording for recording in recordings if recording.role != TRANSMITTED)
    if not received:
        raise RecordingError(f"{where} holds no recording that was received; needed one: check its core:streams")
    return Collection(name, sent[0] if sent else None, received, tuple(notices))


def _streams(shelf: Shelf, name: str) -> list[tuple[str, str | None]]:
    """Names and hashes of a collection's recordings, in their order."""
    where = shelf.place / f"{name}{COLLECTION}"
    stored = shelf.find(name + COLLECTION)
    if stored is None:
        raise RecordingError(f"there is no {where}: check the path")
    try:
        metadata = json.loads(stored.read().decode("utf-8"))
        streams = metadata["collection"]["core:streams"]
        found = [_stream(each) for each in streams]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RecordingError(
            f"{where} is no collection ({reason}); needed an object 'collection' with core:streams, each with a name: "
            "restore a copy, or read its recordings alone"
        ) from error
    return found


def _stream(each: dict[str, Any] | list[Any]) -> tuple[str, str | None]:
    """A stream of the specification, {name, hash}, or of its earlier versions, [name, hash]."""
    name, told = (each["name"], each.get("hash")) if isinstance(each, dict) else (each[0], (*each[1:], None)[0])
    if not isinstance(name, str) or not (told is None or isinstance(told, str)):
        raise ValueError(f"the stream {each!r} has no name or no usable hash")
    name = name.removesuffix(META)
    if not name or PurePath(name).name != name or "\\" in name:
        raise ValueError(f"the stream {name!r} points outside the collection's folder")
    return name, told
