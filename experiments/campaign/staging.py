"""Files of a trial come into its run whole, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .run_directory import RunDirectory

__all__ = ["staged", "sweep_up"]

_FOLDER = ".staging"


@contextmanager
def staged(out: RunDirectory) -> Iterator[RunDirectory]:
    """A folder like a run's; what is in it takes its place in the run when the block ends without an error.

    Files are on disk before they get their names, so that neither a kill nor a power cut leaves half a file there.
    """
    root = out.path / _FOLDER
    root.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        yield RunDirectory(folder)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                _sync(path)
                target = out.path / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_up(out: RunDirectory) -> None:
    """Remove what killed trials left behind; only while nobody else works on the run."""
    shutil.rmtree(out.path / _FOLDER, ignore_errors=True)


def _sync(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())
