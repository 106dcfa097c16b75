"""What a transmission leaves in its run directory, and what a report reads from there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.phy.report import FrameReport
from sdr_gsc.phy.transmitter import Transmission
from sdr_gsc.recording.sigmf_collection import COLLECTION, SentFrame, read_collection, write_collection
from sdr_gsc.recording.sigmf_reader import META, read_capture
from sdr_gsc.recording.sigmf_writer import write_capture
from sdr_gsc.semantic.picture import load_picture, save_picture
from sdr_gsc.semantic.values import Reconstruction

from ..campaign.run_directory import RunDirectory

__all__ = [
    "keep_capture",
    "keep_pictures",
    "keep_source",
    "kept_capture",
    "kept_deviation",
    "kept_exchange",
    "kept_picture",
    "picture_file",
]


def keep_source(directory: RunDirectory, image: Path) -> str:
    """Copy a picture file into the run, so that the run can be repeated from itself; returns its new path."""
    target = directory.folder("pictures") / f"source{image.suffix.lower()}"
    if not target.exists():
        shutil.copyfile(image, target)
    return target.relative_to(directory.path).as_posix()


def keep_pictures(
    directory: RunDirectory,
    trial: str,
    sent: np.ndarray,
    reconstructions: Mapping[str, Reconstruction | None],
    *,
    sent_name: str = "sent",
) -> None:
    """Write the sent picture and every received one, and the standard deviations that came with them.

    Args:
        directory: of the run.
        trial: trial id.
        sent: float32 [H, W, 3] in [0, 1].
        reconstructions: by decoder.
        sent_name: of the sent picture's file, where a run sends several.
    """
    folder = directory.folder("pictures")
    save_picture(folder / f"{sent_name}.png", sent)
    for name, found in reconstructions.items():
        if found is None:
            continue
        save_picture(folder / f"{_file_name(trial, name)}.png", found.picture)
        if found.standard_deviation is not None:
            np.save(folder / f"{_file_name(trial, name)}.deviation.npy", found.standard_deviation.astype(np.float16))


def picture_file(directory: RunDirectory, trial: str, decoder: str) -> Path | None:
    """The file of a received picture, if it was kept."""
    path = directory.path / "pictures" / f"{_file_name(trial, decoder)}.png"
    return path if path.is_file() else None


def kept_picture(directory: RunDirectory, trial: str | None, decoder: str = "") -> np.ndarray | None:
    """A picture of the run, or the sent one (`trial` None); None where there is none."""
    name = "sent" if trial is None else _file_name(trial, decoder)
    path = directory.path / "pictures" / f"{name}.png"
    return load_picture(path) if path.is_file() else None


def kept_deviation(directory: RunDirectory, trial: str, decoder: str) -> np.ndarray | None:
    """Standard deviation float32 [H, W] that a decoder gave, if it did."""
    path = directory.path / "pictures" / f"{_file_name(trial, decoder)}.deviation.npy"
    return np.load(path).astype(np.float32) if path.is_file() else None


def keep_capture(
    directory: RunDirectory,
    trial: str,
    capture: Capture,
    reports: Sequence[FrameReport],
    sent: Transmission | None = None,
) -> tuple[str, ...]:
    """Write a capture with an annotation for each frame, and beside it what was sent, tied together as a collection.

    Args:
        directory: of the run.
        trial: trial id.
        capture: what was received.
        reports: frames that a receiver found in it.
        sent: what was transmitted; without it the capture is written alone.

    Returns:
        Names of the files below the run's folder: the collection, what was sent, what was heard; or the one recording.
    """
    folder, name = directory.folder("captures"), _file_name(trial)

    def write(target: Path) -> tuple[Path, ...]:
        if sent is None:
            return (write_capture(target, capture, reports),)
        ends = (*sent.frame_starts[1:], sent.frame_starts[0] + sent.n_air_samples)
        frames = [
            SentFrame(start, end - start, sequence)
            for sequence, (start, end) in enumerate(zip(sent.frame_starts, ends, strict=True))
        ]
        reference = Capture(sent.samples, capture.sample_rate_hz, capture.center_frequency_hz)
        return write_collection(
            target, reference, capture, reports, sent_frames=frames, description=f"Transmission {trial!r} of a run"
        )

    written = _written_whole(folder, name, write)
    return tuple(path.relative_to(directory.path).as_posix() for path in written)


def _written_whole(folder: Path, name: str, write: Callable[[Path], tuple[Path, ...]]) -> tuple[Path, ...]:
    """Write files beside where they belong and move them there, so that whoever is killed leaves none that is cut.

    The one that ties the others together goes last: without it there is no capture, rather than a part of one.
    """
    aside = folder / f".{name}"
    # Of somebody who was killed.
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        written = write(aside / name)
        (folder / f"{name}{COLLECTION}").unlink(missing_ok=True)
        for path in sorted(aside.iterdir(), key=lambda path: (path.suffix == COLLECTION, path.suffix == META)):
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return tuple(folder / path.name for path in written)


def kept_capture(directory: RunDirectory, trial: str) -> Capture | None:
    """The capture of a trial, if it was kept; of several the first."""
    found = kept_exchange(directory, trial)
    return None if found is None else found[1]


def kept_exchange(directory: RunDirectory, name: str) -> tuple[Capture | None, Capture] | None:
    """What was sent in an exchange, where that was kept, and what was heard; None where nothing was kept.

    Raises:
        RecordingError: a file is damaged.
    """
    base = directory.path / "captures" / _file_name(name)
    if base.with_name(base.name + COLLECTION).is_file():
        found = read_collection(base.with_name(base.name + COLLECTION))
        return None if found.reference is None else found.reference.capture, found.received[0].capture
    path = base.with_name(base.name + META)
    return (None, read_capture(path)) if path.is_file() else None


def _file_name(*parts: str) -> str:
    return ".".join(part.replace("/", "_").replace(":", "-") for part in parts)
