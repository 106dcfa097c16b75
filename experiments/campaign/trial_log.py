"""Trials on disk: one JSON object a line, appended; what a killed or a full disk cut off is as if it had not been."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sdr_gsc.errors import RecordingError

__all__ = ["TrialLog", "append_trials", "read_lines"]


class TrialLog:
    """The open end of a log; `append_trials` makes it."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file

    def append(self, trial: Mapping[str, Any]) -> None:
        """Add a line; on disk when this returns.

        Raises:
            RecordingError: the disk refuses. What was there before is whole, and nothing of the new line is left.
        """
        line = (json.dumps(trial, allow_nan=False, ensure_ascii=False) + "\n").encode()
        before = self._file.seek(0, os.SEEK_END)
        try:
            _write_all(self._file, line)
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(before)
            what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error)
            raise RecordingError(
                f"{self._path} cannot be written: {what}; all trials before are kept: make room, then "
                f"sdr-gsc resume {self._path.parent}"
            ) from error


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


@contextmanager
def append_trials(path: Path) -> Iterator[TrialLog]:
    """Open a log, without a last line that was left half-written."""
    # Unbuffered: after a failed write nothing may linger that a later one would put on disk.
    with open(path, "ab+", buffering=0) as file:
        file.seek(0)
        file.truncate(_whole_length(file.read()))
        yield TrialLog(path, file)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """All whole lines in the order in which they were written.

    Raises:
        RecordingError: a line before the last one is not a trial.
    """
    if not path.exists():
        return
    data = path.read_bytes()
    for number, line in enumerate(data[: _whole_length(data)].splitlines(), 1):
        try:
            trial = json.loads(line)
        except ValueError as error:
            raise RecordingError(f"{path}, line {number} is damaged ({error}); remove it") from error
        if not isinstance(trial, dict) or not isinstance(trial.get("trial"), str):
            raise RecordingError(f"{path}, line {number} is not a trial; remove it")
        yield trial


def _whole_length(data: bytes) -> int:
    """Length up to the end of the last whole line: a line counts when its end is there and it is JSON."""
    end = data.rfind(b"\n") + 1
    last = data[data.rfind(b"\n", 0, max(end - 1, 0)) + 1 : end]
    try:
        json.loads(last or b"{}")
    except ValueError:
        return end - len(last)
    return end
