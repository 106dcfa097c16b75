"""Picture files of a sweep inside its run: the run goes on when the originals are gone, or were changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sdr_gsc.errors import SettingsError

from ..campaign.run_directory import RunDirectory, write_whole
from ..procedures.photographs import PHOTOGRAPHS
from .settings import SweepSettings

__all__ = ["keep_sources", "source_path"]


def source_path(out: RunDirectory, picture: str) -> Path:
    """Where a run keeps its copy of a picture file."""
    path = Path(picture)
    mark = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return out.path / "inputs" / f"{path.stem}-{mark}{path.suffix.lower()}"


def keep_sources(settings: SweepSettings, out: RunDirectory) -> None:
    """Copy what is not there yet.

    Raises:
        SettingsError: a picture is neither a file nor a name of a photograph, and the run has no copy of it.
    """
    for picture in settings.grid.pictures:
        path, copy = Path(picture), source_path(out, picture)
        if copy.is_file() or (picture in PHOTOGRAPHS and not path.exists()):
            continue
        if not path.is_file():
            raise SettingsError(f"there is no picture {picture}; needed a file, or one of {', '.join(PHOTOGRAPHS)}")
        copy.parent.mkdir(exist_ok=True)
        write_whole(copy, path.read_bytes())
