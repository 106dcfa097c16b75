"""Whether what a campaign will leave behind fits on the disk; asked before it begins."""

from __future__ import annotations

import shutil
from pathlib import Path

from sdr_gsc.errors import SettingsError

__all__ = ["require_room"]

#: A line of trials.jsonl, and its share of the report.
_LINE_BYTES = 6000
#: Left free, for the report and for whoever else uses the disk.
_RESERVE_BYTES = 64 * 2**20


def require_room(folder: Path, n_trials: int, bytes_per_trial: int) -> None:
    """Refuse a campaign that cannot end.

    Args:
        folder: of the run.
        n_trials: still to be done.
        bytes_per_trial: that one trial leaves, without its line.

    Raises:
        SettingsError: there is less room than it takes.
    """
    needed = n_trials * (bytes_per_trial + _LINE_BYTES) + _RESERVE_BYTES
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SettingsError(
            f"{n_trials} trials need about {needed / 1e9:.3g} GB, and {folder} has {free / 1e9:.3g} GB free; keep less "
            "(keep = []), run fewer trials, or choose another --out"
        )
