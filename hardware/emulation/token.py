"""One-time tokens: what proves to a driver that a device is an emulator which this user started.

A loopback address proves nothing: a tunnel to a real radio also ends there. The emulator writes a fresh secret to a
file that only its user can read, and shows the same secret as a property of the emulated device. A driver that finds
the secret in the file knows that both sides are the same user's.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..errors import RadioError

__all__ = ["Token", "is_ours", "issue_token"]


@dataclass(frozen=True, slots=True)
class Token:
    """A secret and the file that vouches for it.

    Attributes:
        text: the secret, 43 characters of the URL-safe base-64 alphabet.
        path: file that holds it.
    """

    text: str
    path: Path

    def revoke(self) -> None:
        """Delete the file: from now on the secret exempts nothing. A second call does nothing."""
        self.path.unlink(missing_ok=True)


def issue_token() -> Token:
    """Write a fresh secret to a user-only file.

    Raises:
        RadioError: the folder of the tokens cannot be made, belongs to somebody else, or is open to others.
    """
    folder = _folder()
    remedy = "set XDG_RUNTIME_DIR to a folder that exists and that only you can enter"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise RadioError(f"cannot make {folder} for the emulators' tokens: {error.strerror}", remedy) from error
    if not _is_private(folder):
        raise RadioError(f"{folder} is not a folder of this user alone, so it cannot keep secrets", remedy)
    _forget_dead(folder)
    text = secrets.token_urlsafe(32)
    path = folder / _file_name(text)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{text}\n{os.getpid()}\n")
    return Token(text, path)


def is_ours(text: str) -> bool:
    """Whether a living process of this user issued the token and has not revoked it.

    Args:
        text: what the device shows; anything at all.
    """
    folder = _folder()
    path = folder / _file_name(text)
    if not text or not _is_private(folder):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        status = os.fstat(file.fileno())
        kept = file.read(200).split("\n")
    private = stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
    return private and hmac.compare_digest(kept[0].encode(), text.encode()) and _is_alive(kept[1:2])


def _folder() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        return Path(runtime) / "sdr-gsc-tokens"
    # The shared folder for temporary files: the user's number keeps the folders of two users apart.
    return Path(tempfile.gettempdir()) / f"sdr-gsc-tokens-{os.getuid()}"


def _file_name(text: str) -> str:
    # A hash: what a device sends can be any text, and must not become a path.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _is_private(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def _is_alive(pid_lines: list[str]) -> bool:
    if not pid_lines or not pid_lines[0].isdecimal():
        return False
    try:
        os.kill(int(pid_lines[0]), 0)
    except (OSError, OverflowError):
        return False
    return True


def _forget_dead(folder: Path) -> None:
    # Emulators that were killed could not revoke theirs.
    for path in folder.iterdir():
        try:
            lines = path.read_text(encoding="ascii", errors="replace").split("\n")
        except OSError:
            continue
        # A file without its second line is being written just now by another emulator.
        if len(lines) > 2 and not _is_alive(lines[1:2]):
            path.unlink(missing_ok=True)
