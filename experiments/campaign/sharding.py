"""A part of a plan for one of several machines that know nothing of each other."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from sdr_gsc.errors import SettingsError

from .study import Trial

__all__ = ["Shard"]


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several parts; a cell is never divided, since its stop rule looks at all of its repetitions.

    Attributes:
        index: from 1.
        count: of parts.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``INDEX/COUNT``.

        Raises:
            SettingsError: something else, or a part that is not there.

        >>> Shard.parse("2/8")
        Shard(index=2, count=8)
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        shard = None if found is None else cls(int(found[1]), int(found[2]))
        if shard is None or not 1 <= shard.index <= shard.count:
            raise SettingsError(f"--shard is {text!r}; needed INDEX/COUNT with an index from 1, such as 2/8")
        return shard

    def holds(self, trial: Trial) -> bool:
        """Whether a trial belongs to this part."""
        return zlib.crc32(trial.cell.encode()) % self.count == self.index - 1
