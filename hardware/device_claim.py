"""One program at a time: a claim on a radio whose own server would serve many."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

from .errors import RadioBusyError, RadioError

__all__ = ["DeviceClaim"]


class DeviceClaim:
    """Holds a radio for one user of it on this computer until `release`, or until the program ends, however it ends.

    Args:
        radio: what identifies the radio: serial number or address.
        folder: of the files; None: ``$XDG_STATE_HOME/sdr-gsc/in-use`` (``~/.local/state`` by default).

    Raises:
        RadioBusyError: somebody else holds it.
        RadioError: the file cannot be kept.
    """

    def __init__(self, radio: str, folder: Path | None = None) -> None:
        if folder is None:
            folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "sdr-gsc/in-use"
        path = folder / f"{hashlib.sha256(radio.encode()).hexdigest()[:16]}.lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise RadioError(
                f"{path} cannot be kept ({error.strerror}), so nobody knows whether another program uses the radio",
                "make it writable, or set XDG_STATE_HOME to a folder that is",
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            raise RadioBusyError(f"another program of this computer uses {radio}, or this one does already") from error

    def release(self) -> None:
        """Let others have it; a second call does nothing."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
