"""Several parts of one campaign as one run."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from sdr_gsc.errors import SettingsError

from .lines import lasting
from .lock import locked
from .run_directory import RunDirectory
from .settings import CampaignSettings
from .study import Line
from .trial_log import append_trials

__all__ = ["merge_runs"]

_FOLDERS = ("captures", "pictures", "inputs", "models")


def merge_runs(sources: Sequence[Path], out: Path) -> RunDirectory:
    """Put the trials of several runs with the same settings into one.

    Args:
        sources: run directories, such as the shards of one plan; they stay as they are.
        out: new run, or one that was merged from some of these before.

    Raises:
        SettingsError: their settings differ, or a trial that several hold is not the same in all of them.
    """
    runs = [RunDirectory.open(path).require_current() for path in sources]
    if not runs:
        raise SettingsError("no runs are given; needed at least one")
    settings = runs[0].settings()
    if not isinstance(settings, CampaignSettings):
        raise SettingsError(f"{runs[0].path} holds one transmission, not a campaign; nothing can be merged with it")
    for run in runs[1:]:
        if run.settings() != settings:
            raise SettingsError(
                f"{run.path} and {runs[0].path} have different settings; only parts of one plan can be merged "
                "(compare two runs with sdr-gsc compare)"
            )
    merged = RunDirectory.create(out, settings, command=("sdr-gsc", "merge", *map(str, sources), "--out", str(out)))
    with locked(merged.path):
        for run in runs:
            _copy_files(run, merged)
        there = {str(line["trial"]): line for lines in merged.results() for line in lines}
        with append_trials(merged.trials_file) as log:
            for run in runs:
                for line in itertools.chain(*run.results()):
                    if _is_news(line, there.get(str(line["trial"])), run):
                        log.append(line)
                        there[str(line["trial"])] = line
    return merged


def _is_news(line: Line, known: Line | None, run: RunDirectory) -> bool:
    """Whether a line belongs into the log: trials that another part gave up are, once they have a result."""
    if known is None:
        return True
    if "failed" in line:
        return False
    if "failed" in known:
        return True
    if lasting(line) != lasting(known):
        raise SettingsError(
            f"{run.path}: trial {line['trial']} differs from the same trial of another part, although seed and "
            "settings are the same; compare the packages and threads in their environment.json"
        )
    return False


def _copy_files(run: RunDirectory, merged: RunDirectory) -> None:
    for name in _FOLDERS:
        for path in sorted((run.path / name).rglob("*")):
            # Files with a dot in front are those that somebody is writing.
            if path.is_file() and not path.name.startswith("."):
                target = merged.path / path.relative_to(run.path)
                if not target.exists():
                    _copy_whole(path, target)


def _copy_whole(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copy2(path, partial)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
