"""Where the files of recordings lie: in a folder, or in a SigMF archive, which is read in place and never unpacked."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import RecordingError

__all__ = ["ARCHIVE_SUFFIXES", "Shelf", "Stored", "is_archive"]

#: Longest first: ``.sigmf`` ends none of the others.
ARCHIVE_SUFFIXES = (".sigmf.zip", ".sigmf.gz", ".sigmf.xz", ".sigmf")
#: Noise hardly shrinks; what shrinks more than this is silence, or made to fill the memory.
_LARGEST_RATIO = 100
_ALWAYS_ALLOWED_BYTES = 64 * 2**20


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Stored:
    """A file on disk or in an archive.

    Attributes:
        source: the file, or its bytes and perhaps others around them.
        offset: where it begins there.
        size: in bytes.
    """

    source: Path | bytes
    offset: int
    size: int

    def read(self) -> bytes:
        """All of it."""
        if isinstance(self.source, bytes):
            return self.source[self.offset : self.offset + self.size]
        with open(self.source, "rb") as file:
            file.seek(self.offset)
            return file.read(self.size)

    def array(self, dtype: np.dtype, offset: int, count: int) -> np.ndarray:
        """`count` numbers from byte `offset` on; the caller has seen to it that they are there."""
        begin = self.offset + offset
        if isinstance(self.source, bytes):
            return np.frombuffer(self.source, dtype, count, begin)
        return np.fromfile(self.source, dtype, count, offset=begin)

    def sha512(self) -> str:
        """Hexadecimal hash."""
        if isinstance(self.source, bytes):
            return hashlib.sha512(memoryview(self.source)[self.offset : self.offset + self.size]).hexdigest()
        digest, left = hashlib.sha512(), self.size
        with open(self.source, "rb") as file:
            file.seek(self.offset)
            while left and (piece := file.read(min(left, 2**20))):
                digest.update(piece)
                left -= len(piece)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Shelf:
    """Files by their names, without folders.

    Attributes:
        place: the folder or the archive.
        members: of an archive; None for a folder.
    """

    place: Path
    members: Mapping[str, Stored] | None = None

    @classmethod
    def open(cls, place: Path) -> Shelf:
        """A folder, or an archive.

        Raises:
            RecordingError: an archive that is damaged, unpacks to far more than it is, or holds links, files outside
                itself, or two files of one name.
        """
        if not is_archive(place) or place.is_dir():
            return cls(place)
        try:
            return cls(place, _zip_members(place) if place.name.lower().endswith(".zip") else _tar_members(place))
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, lzma.LZMAError, zlib.error, OSError, ValueError,
                NotImplementedError, RuntimeError) as error:  # fmt: skip
            raise RecordingError(f"{place} is no readable archive ({error}); get it again") from error

    def names(self) -> tuple[str, ...]:
        """Names of all files, sorted."""
        if self.members is not None:
            return tuple(sorted(self.members))
        return tuple(sorted(path.name for path in self.place.iterdir() if path.is_file()))

    def find(self, name: str) -> Stored | None:
        """A file, or None where there is none."""
        if self.members is not None:
            return self.members.get(name)
        path = self.place / name
        return Stored(path, 0, path.stat().st_size) if path.is_file() else None


def _tar_members(place: Path) -> dict[str, Stored]:
    whole = _unpacked(place)
    found: dict[str, Stored] = {}
    with tarfile.open(place, "r:") if whole is None else tarfile.open(fileobj=io.BytesIO(whole), mode="r:") as archive:
        for member in archive:
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                raise ValueError(f"{member.name!r} is no plain file")
            name = _safe_name(member.name, found)
            found[name] = Stored(place if whole is None else whole, member.offset_data, member.size)
            if member.offset_data + member.size > (place.stat().st_size if whole is None else len(whole)):
                raise ValueError(f"it ends in the midst of {member.name!r}")
    return found


def _zip_members(place: Path) -> dict[str, Stored]:
    limit = _limit(place)
    found: dict[str, Stored] = {}
    with zipfile.ZipFile(place) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            name = _safe_name(member.filename, found)
            # What the directory of the archive says of the size is not to be trusted.
            with archive.open(member) as file:
                data = file.read(limit + 1)
            limit -= len(data)
            if limit < 0:
                raise ValueError(_too_large(place))
            found[name] = Stored(data, 0, len(data))
    return found


def _unpacked(place: Path) -> bytes | None:
    """The tar inside a compressed one; None where it is not compressed."""
    name = place.name.lower()
    if name.endswith(".gz"):
        with gzip.open(place) as packed:
            data = packed.read(_limit(place) + 1)
    elif name.endswith(".xz"):
        with lzma.open(place) as packed:
            data = packed.read(_limit(place) + 1)
    else:
        return None
    if len(data) > _limit(place):
        raise ValueError(_too_large(place))
    return data


def _limit(place: Path) -> int:
    return max(_ALWAYS_ALLOWED_BYTES, _LARGEST_RATIO * place.stat().st_size)


def _too_large(place: Path) -> str:
    return (
        f"it unpacks to more than {_limit(place) // 2**20} MiB, {_LARGEST_RATIO} times its size and more; if that is "
        "meant, unpack it and give the recording"
    )


def _safe_name(name: str, found: Mapping[str, Stored]) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
        raise ValueError(f"{name!r} points outside the archive")
    if path.name in found:
        raise ValueError(f"it holds {path.name!r} twice")
    return path.name
