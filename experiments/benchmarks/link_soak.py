"""What a long run leaves behind in the process."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Residue", "resident_mebibytes"]

_STATUS = Path("/proc/self/statm")


def resident_mebibytes() -> float:
    """Memory of this process in use; NaN where the system does not tell (only Linux does)."""
    try:
        pages = int(_STATUS.read_text("ascii").split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True, slots=True)
class Residue:
    """Memory and threads of the process at one time.

    Attributes:
        memory_mib: resident memory.
        threads: alive.
    """

    memory_mib: float
    threads: int

    @classmethod
    def now(cls) -> Residue:
        """As they are."""
        return cls(resident_mebibytes(), threading.active_count())
