"""What a transmission leaves in its run directory, and what a report reads from there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.phy.report import FrameReport
from sdr_gsc.recording.sigmf_reader import read_capture
from sdr_gsc.recording.sigmf_writer import write_capture
from sdr_gsc.semantic.picture import load_picture, save_picture
from sdr_gsc.semantic.values import Reconstruction

from .run_directory import RunDirectory

__all__ = ["keep_capture", "keep_pictures", "keep_source", "kept_capture", "kept_deviation", "kept_picture"]


def keep_source(directory: RunDirectory, image: Path) -> str:
    """Copy a picture file into the run, so that the run can be repeated from itself; returns its new path."""
    target = directory.folder("pictures") / f"source{image.suffix.lower()}"
    if not target.exists():
        shutil.copyfile(image, target)
    return target.relative_to(directory.path).as_posix()


def keep_pictures(
    directory: RunDirectory, trial: str, sent: np.ndarray, reconstructions: Mapping[str, Reconstruction | None]
) -> None:
    """Write the sent picture and every received one, and the standard deviations that came with them."""
    folder = directory.folder("pictures")
    save_picture(folder / "sent.png", sent)
    for name, found in reconstructions.items():
        if found is None:
            continue
        save_picture(folder / f"{_file_name(trial, name)}.png", found.picture)
        if found.standard_deviation is not None:
            np.save(folder / f"{_file_name(trial, name)}.deviation.npy", found.standard_deviation.astype(np.float16))


def kept_picture(directory: RunDirectory, trial: str | None, decoder: str = "") -> np.ndarray | None:
    """A picture of the run, or the sent one (`trial` None); None where there is none."""
    name = "sent" if trial is None else _file_name(trial, decoder)
    path = directory.path / "pictures" / f"{name}.png"
    return load_picture(path) if path.is_file() else None


def kept_deviation(directory: RunDirectory, trial: str, decoder: str) -> np.ndarray | None:
    """Standard deviation float32 [H, W] that a decoder gave, if it did."""
    path = directory.path / "pictures" / f"{_file_name(trial, decoder)}.deviation.npy"
    return np.load(path).astype(np.float32) if path.is_file() else None


def keep_capture(directory: RunDirectory, trial: str, capture: Capture, reports: Sequence[FrameReport]) -> None:
    """Write a capture with an annotation for each frame."""
    write_capture(directory.folder("captures") / _file_name(trial), capture, reports)


def kept_capture(directory: RunDirectory, trial: str) -> Capture | None:
    """The capture of a trial, if it was kept."""
    path = directory.path / "captures" / f"{_file_name(trial)}.sigmf-meta"
    return read_capture(path) if path.is_file() else None


def _file_name(*parts: str) -> str:
    return ".".join(part.replace("/", "_").replace(":", "-") for part in parts)
