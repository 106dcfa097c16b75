"""How long a radio has transmitted of late, over all programs of this user: what a duty limit needs to know."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .errors import ForbiddenError

__all__ = ["WINDOW_S", "Airtime"]

#: Duty is the share of this much time, in seconds, up to now.
WINDOW_S = 60.0


class Airtime:
    """A small file of transmissions: the time each ended, in seconds since the epoch, and how long it lasted.

    Args:
        radio: what identifies the radio: serial number or address.
        folder: of the files; None: ``$XDG_STATE_HOME/sdr-gsc/airtime`` (``~/.local/state`` by default).
    """

    def __init__(self, radio: str, folder: Path | None = None) -> None:
        if folder is None:
            folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "sdr-gsc/airtime"
        self.path = folder / f"{hashlib.sha256(radio.encode()).hexdigest()[:16]}.txt"

    def spent_s(self) -> float:
        """Seconds on the air within the last `WINDOW_S`.

        Raises:
            ForbiddenError: the file cannot be kept, so nobody knows.
        """
        with self._opened() as file:
            return sum(lasted for _, lasted in _recent(file))

    def spend(self, lasted_s: float) -> None:
        """Enter a transmission that ends, or ended, now.

        Raises:
            ForbiddenError: the file cannot be kept.
        """
        with self._opened() as file:
            kept = [*_recent(file), (time.time(), lasted_s)]
            file.seek(0)
            file.truncate()
            file.writelines(f"{ended:.6f} {lasted:.9f}\n" for ended, lasted in kept)

    @contextmanager
    def _opened(self) -> Iterator[IO[str]]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="ascii") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield file
        except OSError as error:
            raise ForbiddenError(
                f"{self.path} cannot be kept ({error.strerror}), so nobody knows how long the radio has transmitted",
                "make it writable, or set XDG_STATE_HOME to a folder that is",
            ) from error


def _recent(file: IO[str]) -> list[tuple[float, float]]:
    # Times that lie ahead (the clock was set back) count: they are not known to be over.
    begin, recent = time.time() - WINDOW_S, []
    for line in file:
        ended, lasted = map(float, line.split())
        if ended > begin:
            # Of what began before the window, only the part inside it.
            recent.append((ended, min(lasted, ended - begin)))
    return recent
