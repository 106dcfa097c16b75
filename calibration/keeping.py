"""What a procedure found, put into the store: captures first, so that no record ever names one that is not there."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC
from pathlib import Path

from sdr_gsc.capture import Capture
from sdr_gsc.errors import RecordingError
from sdr_gsc.recording.sigmf_writer import write_capture

from .errors import StorageError
from .outcome import Outcome
from .store import Store

__all__ = ["keep", "remove_leftovers"]

_PARTIAL = ".partial-"
#: What another program writes now is younger than this.
_LEFT_OVER_S = 3600.0


def keep(name: str, outcome: Outcome, store: Store, *, with_captures: bool = True) -> tuple[Outcome, tuple[Path, ...]]:
    """Write captures, then the records that name them; each appears whole or not at all.

    Args:
        name: of the procedure, for the captures' folder.
        outcome: with new records.
        store: where they go.
        with_captures: keep what the records came from, as SigMF in SERIAL/captures/NAME-DATE.

    Returns:
        The outcome with the records as stored, and their files.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    records = outcome.records
    if with_captures and outcome.captures and records:
        folder = store.folder / records[0].subject.serial
        made = max(record.made for record in records).astimezone(UTC)
        target = folder / "captures" / f"{name}-{made:%Y%m%dT%H%M%S%fZ}"
        _write_captures(folder, target, outcome.captures)
        places = tuple(f"{target.relative_to(folder).as_posix()}/{each}.sigmf-meta" for each in outcome.captures)
        records = tuple(replace(record, captures=(*record.captures, *places)) for record in records)
    files = tuple(store.add(record) for record in records)
    return replace(outcome, records=records), files


def _write_captures(folder: Path, target: Path, captures: Mapping[str, Capture]) -> None:
    partial: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=folder))
        for name, capture in captures.items():
            write_capture(partial / name, capture)
        os.replace(partial, target)
    except BaseException as error:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError | RecordingError):
            raise StorageError(
                f"captures could not be written to {target} ({error}); all records before are untouched: make room on "
                "the disk, or allow writing there, and calibrate again"
            ) from error
        raise


def remove_leftovers(folder: Path) -> None:
    """What a killed program has left behind in a radio's folder: nobody reads it, but it takes place."""
    for path in folder.glob(f"{_PARTIAL}*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime < _LEFT_OVER_S:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
