"""What a node needs of a run, as one value, and what a trial leaves there: nodes share no file system."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sdr_gsc.errors import RecordingError, SettingsError

from .run_directory import RunDirectory, write_config, write_whole
from .settings import CampaignSettings
from .study import Study

__all__ = ["Parcel", "Unpacked", "keep_files", "make_parcel", "software", "software_differs"]

#: Of a run, what trials read.
_FOLDERS = ("inputs", "models")
#: Settings that hold paths and stay what they are: what may be transmitted is decided where the radio is.
_OF_THE_NODE = frozenset({"bench"})
#: Settings that may stand in tables of curves and in a grid, and hold paths.
_PATHS = frozenset({"weights", "calibration", "recorded", "prior", "codec", "codec_code", "prompt"})
_MOST_BYTES = 2**30
#: New at each start of a machine, and different on clones.
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PREFIX = "sdr-gsc-ray-"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A run as it travels to a node.

    Attributes:
        study: class of the study, which is made from its settings alone.
        settings: resolved, with the paths of the machine that runs the campaign.
        run: the run's folder there.
        files: content by path below the run's folder.
        places: content by path below it, for each path that the settings name; one that is a file has the path ``""``.
        software: of the machine that runs the campaign, see `software`.
    """

    study: Callable[[CampaignSettings], Study]
    settings: CampaignSettings
    run: str
    files: Mapping[str, bytes]
    places: Mapping[str, Mapping[str, bytes]]
    software: Mapping[str, str]


def make_parcel(out: RunDirectory, settings: CampaignSettings, study: Study) -> Parcel:
    """Read all of it.

    Raises:
        SettingsError: it is too much to be sent to every node.
    """
    roots = [out.path / name for name in _FOLDERS]
    files = {path.relative_to(out.path).as_posix(): path for root in roots for path in _files(root)}
    if out.environment.is_file():
        files[out.environment.name] = out.environment
    places = {text: _content(Path(text)) for text in sorted(_named_paths(settings)) if os.path.exists(text)}
    paths = [*files.values(), *(path for content in places.values() for path in content.values())]
    size = sum(path.stat().st_size for path in paths)
    if size > _MOST_BYTES:
        raise SettingsError(
            f"a node would need {size / 1e9:.3g} GB of this run ({', '.join([*_FOLDERS, *places])}), at most "
            f"{_MOST_BYTES / 1e9:.3g} GB are sent; use --engine local, or --shard on several machines"
        )
    return Parcel(
        type(study),
        settings,
        str(out.path),
        {name: path.read_bytes() for name, path in files.items()},
        {text: {name: path.read_bytes() for name, path in content.items()} for text, content in places.items()},
        software(),
    )


def software() -> dict[str, str]:
    """What must be the same on all nodes for the same bits: our source, and the libraries that calculate.

    ``machine`` tells machines apart: workers on the driver's own read the very same files.
    """
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for package in ("calibration", "experiments", "hardware", "sdr_gsc"):
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    # The same release of torch is built for several accelerators.
    found = {name: version(name).partition("+")[0] for name in ("numpy", "scipy", "numba", "torch")}
    return {"source": digest.hexdigest()[:12], **found, "machine": _BOOT.read_text("ascii").strip()}


def software_differs(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """In what a node differs so that its results may, as texts; nothing where it does not.

    >>> software_differs({"numpy": "2.4.6", "machine": "a"}, {"numpy": "2.3.1", "machine": "b"})
    ['numpy 2.3.1 instead of 2.4.6']
    """
    names = [name for name in wanted if name != "machine"]
    if wanted["machine"] == found["machine"]:
        names = [name for name in names if name != "source"]
    return [f"{name} {found[name]} instead of {wanted[name]}" for name in names if found[name] != wanted[name]]


class Unpacked:
    """A run on a node, in a folder of its own that `close` removes.

    Raises:
        OSError: the node's disk refuses.
    """

    def __init__(self, parcel: Parcel) -> None:
        _sweep()
        self.path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self._names = _path_names(parcel.settings)
        self._there = {str(self.path / "run"): parcel.run}
        self.out = RunDirectory(self.path / "run")
        _write(self.out.path, parcel.files)
        for number, (text, content) in enumerate(parcel.places.items()):
            # The last part of a path may be told in results: it stays.
            place = self.path / str(number) / Path(text).name
            _write(place, content)
            self._there[str(place)] = text
        self._here = {text: place for place, text in self._there.items()}
        settings = parcel.settings
        if parcel.places:
            values = settings.model_dump(exclude={"quick"}, exclude_none=True)
            settings = type(settings).model_validate(self.placed(values))
        write_config(self.out.config, settings)
        self.settings = settings
        self._shipped = set(_files(self.out.path))

    def placed(self, values: Any) -> Any:  # noqa: ANN401 (any tree of values)
        """The same values with the node's paths in the place of those that were sent along."""
        if isinstance(values, Mapping):
            return {
                name: self._swapped(value) if name in self._names else self.placed(value)
                for name, value in values.items()
            }
        if isinstance(values, list | tuple):
            return type(values)(map(self.placed, values))
        return values

    def _swapped(self, value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, list | tuple):
            return type(value)(map(self._swapped, value))
        return self._here.get(value, value) if isinstance(value, str) else value

    def restored(self, text: str) -> str:
        """JSON, or a sentence, with the paths of the machine that runs the campaign."""
        for here, there in self._there.items():
            text = text.replace(json.dumps(here)[1:-1], json.dumps(there, ensure_ascii=False)[1:-1])
        return text

    def take(self) -> dict[str, bytes]:
        """What trials left since the last time, by path below the run's folder; nothing of it stays here."""
        found = {}
        for path in set(_files(self.out.path)) - self._shipped:
            found[path.relative_to(self.out.path).as_posix()] = path.read_bytes()
            path.unlink()
        return found

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)


def keep_files(out: RunDirectory, files: Mapping[str, bytes]) -> None:
    """Write what a trial left on a node below the run, each file whole or not at all.

    Raises:
        RecordingError: the disk refuses, or a file would stand outside the run or replace what the run is made of.
    """
    for name, data in files.items():
        path = out.path / name
        if ".." in Path(name).parts or not path.is_relative_to(out.path) or path.parent == out.path:
            raise RecordingError(f"a trial left {name}; needed a file in a folder of the run, such as captures")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
        except OSError as error:
            raise RecordingError(
                f"{path} cannot be written: {error}; all trials before are kept: make room, then "
                f"sdr-gsc resume {out.path}"
            ) from error


def _path_names(settings: CampaignSettings) -> frozenset[str]:
    """Settings whose values are paths that travel along, wherever they stand."""
    return (_PATHS | frozenset(settings.path_fields)) - _OF_THE_NODE


def _named_paths(settings: CampaignSettings) -> set[str]:
    return set(_texts(settings.model_dump(exclude={"quick"}, exclude_none=True), _path_names(settings), inside=False))


def _texts(values: Any, names: frozenset[str], *, inside: bool) -> Iterator[str]:  # noqa: ANN401
    if isinstance(values, Mapping):
        for name, value in values.items():
            yield from _texts(value, names, inside=name in names)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _texts(value, names, inside=inside)
    elif inside and isinstance(values, str):
        yield values


def _content(path: Path) -> dict[str, Path]:
    if path.is_file():
        return {"": path}
    return {each.relative_to(path).as_posix(): each for each in _files(path)}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def _write(root: Path, files: Mapping[str, bytes]) -> None:
    if "" not in files:
        root.mkdir(parents=True)
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _sweep() -> None:
    """Remove folders of workers that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)
