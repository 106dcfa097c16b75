"""The folder of a run: resolved settings, environment, trials appended one by one, captures, pictures, figures."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdr_gsc.errors import SettingsError

from ..decoding_settings import StrictSettings
from ..environment import describe_environment
from ..settings_files import AnySettings, read_settings, toml_of
from .lock import locked
from .trial_log import append_trials, read_lines

__all__ = ["RUN_FORMAT", "RunDirectory", "write_whole"]

#: Of what stands in a run's folder; 1 had neither failed trials nor cells.
RUN_FORMAT = 2


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A run on disk. Its parts are made when something is put into them."""

    path: Path

    @classmethod
    def create(cls, path: Path, settings: AnySettings, *, command: tuple[str, ...] = ()) -> RunDirectory:
        """Open a folder for these settings: a new one, or one that holds a run with the very same settings.

        Args:
            path: of the run.
            settings: resolved.
            command: what made the run, for its report.

        Raises:
            SettingsError: the folder holds a run with other settings or of another version, or something else than a
                run.
        """
        directory = cls(path)
        if directory.config.is_file():
            if directory.require_current().settings() != settings:
                raise SettingsError(
                    f"{path} holds a run with other settings; choose another --out, or go on with that one: "
                    f"sdr-gsc resume {path}"
                )
            return directory
        if path.exists() and (not path.is_dir() or any(_is_foreign(entry) for entry in path.iterdir())):
            raise SettingsError(f"{path} exists and is not a run; choose another --out")
        path.mkdir(parents=True, exist_ok=True)
        described = {"run_format": RUN_FORMAT, "command": list(command), **describe_environment()}
        with locked(path):
            if directory.config.is_file():  # somebody else was faster
                return cls.create(path, settings, command=command)
            write_whole(directory.environment, (json.dumps(described, indent=1) + "\n").encode())
            # Last, because it is what makes the folder a run.
            write_config(directory.config, settings)
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

    def require_current(self) -> RunDirectory:
        """Return the run if this version can add trials to it; older ones can be read alone.

        Raises:
            SettingsError: the run was begun by a version whose trials are not these.
        """
        described = self.described()
        if not described:
            raise SettingsError(
                f"{self.environment} is missing or damaged, so that nobody knows which version made the run. If it was "
                f'this one, write {{"run_format": {RUN_FORMAT}}} into that file; nothing else of it is needed'
            )
        found = described.get("run_format", 1)
        if found == RUN_FORMAT:
            return self
        if isinstance(found, int) and found > RUN_FORMAT:
            raise SettingsError(f"{self.path} was made by a newer version (run format {found}); upgrade sdr-gsc")
        raise SettingsError(
            f"{self.path} was made by an older version (run format {found}, needed {RUN_FORMAT}), whose trials are not "
            f"comparable; it can be reported and exported. To run it again: sdr-gsc run {self.config} --out NEW"
        )

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
        """A folder inside the run, made if needed: ``captures``, ``pictures``, ``models`` or ``figures``."""
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        return folder

    def settings(self) -> AnySettings:
        """Read the resolved settings."""
        return read_settings(self.config)

    def described(self) -> dict[str, Any]:
        """What ``environment.json`` holds; nothing where it is missing or damaged, which reports can do without."""
        try:
            found = json.loads(self.environment.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def append(self, trial: Mapping[str, Any]) -> None:
        """Add a single trial; on disk when this returns.

        Raises:
            RecordingError: the disk refuses.
        """
        with append_trials(self.trials_file) as log:
            log.append(trial)

    def trials(self) -> tuple[dict[str, Any], ...]:
        """Finished trials in the order in which they were first written.

        Raises:
            RecordingError: a line before the last one is not a trial.
        """
        return self.results()[0]

    def failures(self) -> tuple[dict[str, Any], ...]:
        """Trials that were given up, with the cause under ``failed``."""
        return self.results()[1]

    def results(self) -> tuple[tuple[dict[str, Any], ...], tuple[dict[str, Any], ...]]:
        """Finished trials, and those that were given up, read once.

        Raises:
            RecordingError: a line before the last one is not a trial.
        """
        # A failed trial that was run again has a second line.
        last = {line["trial"]: line for line in read_lines(self.trials_file)}.values()
        return tuple(line for line in last if "failed" not in line), tuple(line for line in last if "failed" in line)


def _is_foreign(entry: Path) -> bool:
    """Whether something in a folder was not left by a run that was broken off before it began."""
    return entry.name not in (".lock", "environment.json") and not entry.name.startswith(
        (".environment.json.", ".config.toml.")
    )


def write_config(path: Path, settings: StrictSettings) -> None:
    """Write settings so that a reader never finds half a file."""
    write_whole(path, toml_of(settings).encode())


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that whatever happens it is there whole, or as it was before."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
