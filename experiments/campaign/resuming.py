"""What has changed since a run began: figures of two versions do not belong into one curve."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..environment import describe_environment
from .run_directory import RunDirectory, write_whole

__all__ = ["note_resumption"]

_WATCHED = ("packages", "threads", "git", "python")


def note_resumption(directory: RunDirectory) -> list[str]:
    """Compare software and threads with those that the run began with, and write down what differs.

    Returns:
        One sentence for each difference.
    """
    described = directory.described()
    if not described or not directory.trials_file.exists():
        return []
    now = describe_environment(torch_threads=False)
    changes = {
        f"{part}.{name}" if name else part: (before, after)
        for part in _WATCHED
        for name, before, after in _pairs(described.get(part), now.get(part))
        if before != after
    }
    # Loading torch only to ask for its threads takes longer than looking at what the environment says.
    changes.pop("threads.torch", None)
    noted = described.get("resumed", [])
    entry = {name: list(both) for name, both in changes.items()}
    if changes and entry not in noted[-1:]:
        noted = [*noted, entry]
        write_whole(directory.environment, (json.dumps(described | {"resumed": noted}, indent=1) + "\n").encode())
    return [f"{name} was {before} when the run began and is {after} now" for name, (before, after) in changes.items()]


def _pairs(before: object, after: object) -> list[tuple[str, Any, Any]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return [(name, before.get(name), after.get(name)) for name in dict.fromkeys((*before, *after))]
    return [("", before, after)]
