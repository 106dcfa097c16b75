"""Pictures inside Debian packages, each with the licence that the package declares for it.

A package is unpacked with ``dpkg-deb -x`` and never installed. Pictures lie in the package's files, or in Qt resource
collections (``.rcc``) among them. Licences come from ``debian/copyright``: the machine-readable form gives one per file
(the last stanza that matches counts, DEP-5 section "Files stanza"); for free-form files the source names the licence
that a person read there.
"""

from __future__ import annotations

import re
import struct
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from sdr_gsc.errors import SettingsError

__all__ = ["Source", "SourceFile", "licence_of", "package_files", "package_version", "resource_files", "unpack"]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_DIRECTORY, _ZLIB, _ZSTD = 2, 1, 4


@dataclass(frozen=True, slots=True)
class Source:
    """Which files of a package may be photographs.

    Attributes:
        package: name of the Debian package.
        include: patterns of paths inside the package (or inside its resource collections).
        exclude: patterns of paths that are no photographs although `include` matches.
        declared_licence: licence read by a person in a free-form copyright file; None where it is machine-readable.
    """

    package: str
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    declared_licence: str | None = None

    def wants(self, path: str) -> bool:
        """Whether a path (POSIX, relative to the package's root) may be a photograph."""
        return any(fnmatchcase(path, pattern) for pattern in self.include) and not any(
            fnmatchcase(path, pattern) for pattern in self.exclude
        )


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One encoded picture of a package: its path there and its bytes."""

    path: str
    data: bytes


def package_version(deb: Path) -> str:
    """Version field of a package file."""
    done = subprocess.run(["dpkg-deb", "--field", str(deb), "Version"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def unpack(deb: Path, folder: Path) -> Path:
    """Unpack a package file below a folder, without installing it; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["dpkg-deb", "-x", str(deb), str(folder)], check=True, capture_output=True)
    return folder


def package_files(root: Path, source: Source) -> Iterator[SourceFile]:
    """The wanted pictures of an unpacked package, in the order of their paths."""
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        name = path.relative_to(root).as_posix()
        if path.suffix.lower() in _SUFFIXES and source.wants(name):
            yield SourceFile(name, path.read_bytes())
        elif path.suffix == ".rcc":
            for inner in sorted(resource_files(path.read_bytes()), key=lambda entry: entry.path):
                if PurePosixPath(inner.path).suffix.lower() in _SUFFIXES and source.wants(inner.path):
                    yield inner


def resource_files(blob: bytes) -> Iterator[SourceFile]:
    """Files of a Qt resource collection, format versions 1 to 3.

    Header: magic, version, offsets of tree, data and names (big endian). A tree node holds the offset of its name,
    flags, and either (child count, first child) or (territory, language, offset of its data). zstd-compressed files
    are passed over: pictures are stored as they are, for they do not compress.
    """
    magic, version, tree, data, names = struct.unpack_from(">4sIIII", blob)
    if magic != b"qres" or not 1 <= version <= 3:
        raise SettingsError(f"not a Qt resource collection of version 1 to 3: {magic!r}, version {version}")
    node_size = 14 if version == 1 else 22

    def name_at(offset: int) -> str:
        (length,) = struct.unpack_from(">H", blob, names + offset)
        start = names + offset + 6
        return blob[start : start + 2 * length].decode("utf-16-be")

    pending = [(0, "")]
    while pending:
        index, parent = pending.pop()
        node = tree + index * node_size
        name_offset, flags = struct.unpack_from(">IH", blob, node)
        path = f"{parent}/{name_at(name_offset)}".lstrip("/") if index else ""
        if flags & _DIRECTORY:
            count, first = struct.unpack_from(">II", blob, node + 6)
            pending += [(child, path) for child in range(first, first + count)]
        elif not flags & _ZSTD:
            (offset,) = struct.unpack_from(">I", blob, node + 10)
            (length,) = struct.unpack_from(">I", blob, data + offset)
            content = blob[data + offset + 4 : data + offset + 4 + length]
            yield SourceFile(path, zlib.decompress(content[4:]) if flags & _ZLIB else content)


def licence_of(path: str, copyright_text: str) -> str | None:
    """Licence short name that a machine-readable copyright file gives to a file; None where it gives none.

    Its patterns name files of the source package. A file of the binary package matches when its path ends with the
    pattern, or when its name without suffix equals the pattern's (builds convert formats and move files).
    """
    if not copyright_text.lstrip().startswith("Format:"):
        return None
    found = None
    for stanza in re.split(r"\n\s*\n", copyright_text):
        fields = _fields(stanza)
        if "files" not in fields or "license" not in fields:
            continue
        if any(_matches(path, pattern) for pattern in fields["files"].split()):
            found = fields["license"].splitlines()[0].strip()
    return found


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line[:1] in " \t" and name:
            fields[name] += "\n" + line.strip()
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.lower()
            fields[name] = value.strip()
    return fields


def _matches(path: str, pattern: str) -> bool:
    here, there = PurePosixPath(path), PurePosixPath(pattern)
    if pattern == "*" or fnmatchcase(path, pattern) or fnmatchcase(path, f"*/{pattern}"):
        return True
    if "*" in there.name:
        return False
    same_parent = len(there.parts) < 2 or not here.parts[:-1] or there.parts[-2] == here.parts[-2]
    return here.stem == there.stem and (same_parent or len(here.stem) > 8)
