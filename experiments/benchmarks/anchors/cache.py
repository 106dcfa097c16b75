"""Where other people's programs are kept, and how they get there: pinned packages by pip, into a folder of the user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdr_gsc.errors import SdrGscError

__all__ = ["Absent", "AnchorError", "cache_folder", "fetched"]

_TIMEOUT_S = 300


class AnchorError(SdrGscError):
    """The program of an anchor was there, and failed while it ran."""


@dataclass(frozen=True, slots=True)
class Absent:
    """An anchor that cannot be had.

    Attributes:
        reason: what was found, what was needed, and what mends it; one line.
    """

    reason: str


def cache_folder() -> Path:
    """``sdr-gsc/anchors`` in $XDG_CACHE_HOME, or in ``~/.cache``; not made yet."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    # The specification of base directories ignores relative paths.
    root = Path(chosen) if Path(chosen).is_absolute() else Path.home() / ".cache"
    return root / "sdr-gsc" / "anchors"


def fetched(name: str, requirements: Sequence[str], *, from_source: str | None = None) -> Path | Absent:
    """Folder with unpacked packages, installed there now unless they are there already.

    The packages are no part of this environment: nothing is imported from the folder unless somebody adds it to a path.

    Args:
        name: of the folder; with the versions in it, so that other versions get another folder.
        requirements: exact versions, ``package==version``; what they depend on is not fetched.
        from_source: the package that is published as source only; all others must come as wheels.
    """
    folder = cache_folder() / f"{name}-py{sys.version_info.major}{sys.version_info.minor}"
    if folder.is_dir():
        return folder
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps",
        "--retries", "1", "--timeout", "20", "--no-compile", "--only-binary=:all:",
    ]  # fmt: skip
    if from_source is not None:
        command.append(f"--no-binary={from_source}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as half:
            part = Path(half) / "packages"
            done = subprocess.run(
                [*command, "--target", str(part), *requirements],
                capture_output=True, text=True, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            if done.returncode == 0:
                _put(part, folder)
    except (OSError, subprocess.SubprocessError) as error:
        return Absent(f"pip did not install {' '.join(requirements)} ({type(error).__name__}); {_remedy(requirements)}")
    if folder.is_dir():
        return folder
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or done.stderr.splitlines()
    return Absent(f"pip did not install {' '.join(requirements)}: {' '.join(said[:1])[:200]}; {_remedy(requirements)}")


def _put(part: Path, folder: Path) -> None:
    """Rename, which is all or nothing; another process that was faster wins."""
    try:
        part.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(part)


def _remedy(requirements: Sequence[str]) -> str:
    return f"run once where 'pip download {requirements[0]}' works"
