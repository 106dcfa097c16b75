"""The folder of a run: resolved settings, environment, trials appended one by one, captures, pictures, figures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdr_gsc.errors import RecordingError, SettingsError

from ..configuration import AnySettings, read_settings, write_settings
from .environment import describe_environment

__all__ = ["RunDirectory"]


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A run on disk. Its parts are made when something is put into them."""

    path: Path

    @classmethod
    def create(cls, path: Path, settings: AnySettings) -> RunDirectory:
        """Open a folder for these settings: a new one, or one that holds a run with the very same settings.

        Raises:
            SettingsError: the folder holds a run with other settings, or something else than a run.
        """
        directory = cls(path)
        if directory.config.is_file():
            if read_settings(directory.config) != settings:
                raise SettingsError(
                    f"{path} holds a run with other settings; choose another --out, or go on with that one: "
                    f"sdr-gsc resume {path}"
                )
            return directory
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise SettingsError(f"{path} exists and is not a run; choose another --out")
        path.mkdir(parents=True, exist_ok=True)
        directory.environment.write_text(json.dumps(describe_environment(), indent=1) + "\n", "utf-8")
        # Last, because it is what makes the folder a run.
        write_settings(directory.config, settings)
        return directory

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run.

        Raises:
            SettingsError: the folder holds no run.
        """
        if not (path / "config.toml").is_file():
            raise SettingsError(f"{path} holds no run (no config.toml); needed a folder that sdr-gsc made")
        return cls(path)

    @property
    def config(self) -> Path:
        """Resolved settings."""
        return self.path / "config.toml"

    @property
    def environment(self) -> Path:
        """Software and machine at the start of the run."""
        return self.path / "environment.json"

    @property
    def trials_file(self) -> Path:
        """One JSON object a line."""
        return self.path / "trials.jsonl"

    @property
    def report(self) -> Path:
        """The report that people read."""
        return self.path / "report.html"

    def folder(self, name: str) -> Path:
        """A folder inside the run, made if needed: ``captures``, ``pictures`` or ``figures``."""
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        return folder

    def settings(self) -> AnySettings:
        """Read the resolved settings."""
        return read_settings(self.config)

    def append(self, trial: Mapping[str, object]) -> None:
        """Add a finished trial; on disk when this returns.

        A last line that a killed run left half-written is dropped first.
        """
        line = json.dumps(trial, allow_nan=False, ensure_ascii=False) + "\n"
        with open(self.trials_file, "ab+") as file:
            file.seek(0)
            file.truncate(_whole_length(file.read()))
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def trials(self) -> tuple[dict[str, object], ...]:
        """Finished trials in the order in which they were written.

        Raises:
            RecordingError: a line before the last one is not a trial.
        """
        return tuple(self._read_trials())

    def _read_trials(self) -> Iterator[dict[str, object]]:
        if not self.trials_file.exists():
            return
        data = self.trials_file.read_bytes()
        for number, line in enumerate(data[: _whole_length(data)].splitlines(), 1):
            try:
                trial = json.loads(line)
            except ValueError as error:
                raise RecordingError(f"{self.trials_file}, line {number} is damaged ({error}); remove it") from error
            if not isinstance(trial, dict) or not isinstance(trial.get("trial"), str):
                raise RecordingError(f"{self.trials_file}, line {number} is not a trial; remove it")
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
